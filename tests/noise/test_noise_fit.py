"""Samples against the exact probabilities, by χ² and by moments."""

import math

import numpy as np
import pytest
from tests.noise.laws import BACKENDS, KINDS, SCALES, assert_fits

from confide.noise import DiscreteGaussian, DiscreteLaplace
from confide.randomness import InsecureReplayableRandom, SystemRandom

SAMPLES = 200_000
DEVIATIONS = 6.2
"""A normal variable is further off with a probability below 1e-9."""


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", KINDS)
class TestFits:
    """False alarms: 1e-9 each."""

    @pytest.mark.parametrize("scale", SCALES)
    def test_without_a_bound(self, kind, scale, backend):
        noise = kind(scale)
        assert_fits(noise.sample(SAMPLES, SystemRandom(), backend=backend), noise)

    @pytest.mark.parametrize("scale", SCALES)
    @pytest.mark.parametrize("width", [0.02, 0.7, 2, 50])
    def test_truncated(self, kind, scale, width, backend):
        noise = kind(scale, bound=math.ceil(width * scale))
        assert_fits(noise.sample(SAMPLES // 4, SystemRandom(), backend=backend), noise)

    @pytest.mark.parametrize("bound", [1, 15, 16, 31, 1000, 2**35 - 1])
    def test_truncated_far_inside_a_wide_scale(self, kind, bound, backend):
        noise = kind(2**40, bound=bound)
        samples = noise.sample(SAMPLES, SystemRandom(), backend=backend)
        assert np.abs(samples).max() <= bound
        # All but uniform; the error is far below what this many samples show.
        cells = min(2 * bound + 1, 31)
        counts = np.bincount((samples + bound) * cells // (2 * bound + 1), minlength=cells)
        edges = [-(-(2 * bound + 1) * i // cells) for i in range(cells + 1)]
        expected = np.diff(edges) / (2 * bound + 1) * SAMPLES
        # Bernstein's inequality and a union over the cells.
        assert np.all(np.abs(counts - expected) < 7.5 * np.sqrt(expected) + 18)

    @pytest.mark.parametrize("scale", [0.5, 31.999, 32, 2**39 + 1, 2**40])
    def test_moments(self, kind, scale, backend):
        samples = kind(scale).sample(10**6, SystemRandom(), backend=backend) / scale
        variance, fourth = _moments(kind, scale)
        error = DEVIATIONS / math.sqrt(len(samples))
        assert abs(samples.mean()) < error * math.sqrt(variance)
        assert abs((samples**2).mean() - variance) < error * math.sqrt(fourth - variance**2)


def _moments(kind, scale):
    """E X² and E X⁴ in units of the scale."""
    x = np.arange(-40 * 40, 40 * 40 + 1) * max(1, round(scale / 40))
    weights = kind(scale).pmf(x)
    weights /= weights.sum()
    y = x / scale
    return float((weights * y**2).sum()), float((weights * y**4).sum())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [0.7, 20, 1000.25])
def test_the_same_words_give_the_same_samples(kind, scale, backend):
    def drawn(seed):
        return kind(scale).sample(5000, InsecureReplayableRandom(seed), backend=backend)

    assert np.array_equal(drawn(b"a"), drawn(b"a"))
    assert not np.array_equal(drawn(b"a"), drawn(b"b"))


def test_recorded_samples_stay_as_they_are():
    """Simulations replay: a change of how words are read is a change of version."""
    random = InsecureReplayableRandom(b"recorded")
    assert DiscreteGaussian(3.5).sample(6, random).tolist() == [0, 4, 0, -3, 1, -1]
    assert DiscreteLaplace(10**6).sample(4, random).tolist() == [-300177, 998057, 1578517, -2139188]


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_calls_share_no_sample(backend):
    noise = DiscreteGaussian(2**40)
    one, other = (noise.sample(1000, SystemRandom(), backend=backend) for _ in range(2))
    # Any two agree with a probability below 2^-40: false alarms below 1e-6.
    assert not set(one) & set(other)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [0, 1, 2, 8191, 8192, 8193, 20_000])
def test_gives_as_many_as_asked_for(size, backend):
    samples = DiscreteGaussian(50).sample(size, SystemRandom(), backend=backend)
    assert samples.shape == (size,)
    assert samples.dtype == np.int64
