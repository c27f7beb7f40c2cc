"""What is wrong with noise in floating point, and that noise on a lattice has nothing of it.

Both attacks are run against a textbook release, where they succeed, and against ours.
"""

import math

import numpy as np
import pytest

from confide.noise import DiscreteGaussian, DiscreteLaplace
from confide.randomness import InsecureReplayableRandom, public_generator

LOG2_RESOLUTION = -10
STEPS = 2**-LOG2_RESOLUTION
"""Lattice steps to the sensitivity, 1."""


def naive_laplace(x, scale, size, rng):
    """The textbook: inversion in double precision, then an addition."""
    u = rng.integers(1, 2**53, size) * 2.0**-53
    return x + np.where(rng.random(size) < 0.5, -scale, scale) * np.log(u)


def naive_gaussian(x, scale, size, rng):
    return x + scale * rng.standard_normal(size)


def ours(kind):
    def release(x, scale, size, rng):
        noise = kind(scale * STEPS).sample(size, InsecureReplayableRandom(rng.bytes(16)))
        return (x * STEPS + noise) * 2.0**LOG2_RESOLUTION

    return release


class TestMironov:
    """Mironov 2012, §4: of two inputs, only one can have led to most outputs in double precision.

    Sixteen answers at ε = 0.01 each are ε = 0.16 together: nobody may be right more often than
    e^ε/(1 + e^ε) = 54 % of the time.
    """

    EPSILON, ANSWERS, TRIALS = 0.01, 16, 2000

    @staticmethod
    def possible(y, x, scale):
        """Whether the textbook can put out y if the input is x: tries the uniforms around."""
        noise = y - x
        side = np.where(noise < 0, 1.0, -1.0) * scale
        grid = np.rint(np.exp(-np.abs(noise) / scale) * 2.0**53)
        tried = [x + side * np.log(np.maximum(grid + step, 1) * 2.0**-53) for step in range(-6, 7)]
        return np.logical_or.reduce([t == y for t in tried])

    def right_guesses(self, release):
        rng = public_generator("mironov")
        secrets = rng.integers(0, 2, self.TRIALS)
        scale = 1 / self.EPSILON
        right = 0.0
        for secret in secrets:
            y = release(float(secret), scale, self.ANSWERS, rng)
            zero, one = (self.possible(y, x, scale).sum() for x in (0.0, 1.0))
            right += 0.5 if zero == one else secret == (one > zero)
        return right / self.TRIALS

    def test_succeeds_against_the_textbook(self):
        assert self.right_guesses(naive_laplace) > 0.99

    def test_fails_against_ours(self):
        """False alarms below 1e-9 by Hoeffding, were the seed not fixed."""
        together = self.EPSILON * self.ANSWERS
        allowed = math.exp(together) / (1 + math.exp(together))
        margin = math.sqrt(math.log(1e9) / (2 * self.TRIALS))
        assert self.right_guesses(ours(DiscreteLaplace)) < allowed + margin


def last_place(y):
    """The exponent of the last bit that is set in a double."""
    mantissa, exponent = np.frexp(y)
    bits = np.abs(mantissa * 2.0**53).astype(np.int64)
    return np.where(bits == 0, 0, exponent - 53 + np.log2(np.maximum(bits & -bits, 1)))


class TestLastPlaces:
    """The ulp attack (opendp/opendp#414; Haney et al. 2022, arXiv 2207.13793, §3).

    1 + noise is rounded to the last place of 1; 0 + noise keeps every place of the noise. Outputs
    with a finer last place say for certain that the input is 0, which no ε allows.
    """

    SIZE, EPSILON = 200_000, 0.5

    def places(self, release, x):
        y = release(x, 1 / self.EPSILON, self.SIZE, public_generator("places", str(x)))
        return last_place(y)

    @pytest.mark.parametrize("release", [naive_laplace, naive_gaussian])
    def test_give_the_input_away_in_the_textbook(self, release):
        zero, one = (self.places(release, x) for x in (0.0, 1.0))
        fine = -54
        assert (zero < fine).mean() > 0.05
        assert not (one < fine).any()

    def test_give_nothing_away_in_ours(self):
        """Of every last place, e^ε bounds the ratio. False alarms below 1e-9 by Bernstein."""
        zero, one = (self.places(ours(DiscreteLaplace), x) for x in (0.0, 1.0))
        assert min(zero.min(), one.min()) >= LOG2_RESOLUTION
        for place in set(zero) | set(one):
            a, b = ((p == place).sum() for p in (zero, one))
            slack = 7 * math.sqrt(max(a, b)) + 60
            assert a < math.exp(self.EPSILON) * b + slack
            assert b < math.exp(self.EPSILON) * a + slack

    def test_give_nothing_away_in_our_gaussian(self):
        """Here δ is not zero; with σ = 2Δ, ratios beyond e^1.5 have a probability below 0.01."""
        zero, one = (self.places(ours(DiscreteGaussian), x) for x in (0.0, 1.0))
        assert min(zero.min(), one.min()) >= LOG2_RESOLUTION
        for place in set(zero) | set(one):
            a, b = ((p == place).sum() for p in (zero, one))
            slack = 7 * math.sqrt(max(a, b)) + 60 + 0.01 * self.SIZE
            assert a < math.exp(1.5) * b + slack
            assert b < math.exp(1.5) * a + slack


@pytest.mark.parametrize("kind", [DiscreteGaussian, DiscreteLaplace])
def test_every_integer_near_the_input_is_put_out(kind):
    """No holes: neighbours have the same support. Misses one with a probability below 1e-40."""
    seen = set(kind(20).sample(100_000, InsecureReplayableRandom(b"holes")).tolist())
    assert set(range(-40, 41)) <= seen
