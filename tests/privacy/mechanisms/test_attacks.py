"""Attacks on noise in floating point, run against the mechanisms' own releases.

That both succeed against the textbook is shown with the noise alone, in
`tests/noise/test_noise_attacks.py`.
"""

import math

import numpy as np
import pytest

from confide.privacy.mechanisms import (
    ClampedSum,
    GaussianMechanism,
    GaussianNoise,
    LaplaceMechanism,
    LaplaceNoise,
)

MANY = 100_000


def last_place(y):
    """The exponent of the last bit that is set."""
    mantissa, exponent = np.frexp(y)
    bits = np.abs(mantissa * 2.0**53).astype(np.int64)
    return np.where(bits == 0, 0, exponent - 53 + np.log2(np.maximum(bits & -bits, 1)))


@pytest.mark.parametrize(
    ("mechanism", "epsilon", "delta"),
    [
        (LaplaceMechanism(epsilon=0.5, sensitivity=0.1, size=MANY), 0.5, 0),
        # With σ = 2Δ, ratios beyond e^1.5 have a probability below 0.01.
        (GaussianMechanism(noise_multiplier=2.0, sensitivity=0.1, size=MANY), 1.5, 0.01),
    ],
)
def test_last_places_give_nothing_away(mechanism, epsilon, delta):
    """The ulp attack (opendp/opendp#414), on inputs that no lattice holds; alarms below 1e-9."""
    zero, one = (last_place(mechanism.release(np.full(MANY, x)).value) for x in (0.0, 0.1))
    assert min(zero.min(), one.min()) >= mechanism.steps.log2_size
    for place in set(zero) | set(one):
        a, b = ((places == place).sum() for places in (zero, one))
        slack = 7 * math.sqrt(max(a, b)) + 60 + delta * MANY
        assert a < math.exp(epsilon) * b + slack
        assert b < math.exp(epsilon) * a + slack


def test_low_bits_are_those_of_the_lattice_whatever_the_input():
    """Mironov 2012: a textbook release keeps the low bits of its input; ours has none to keep."""
    for answer in (0.1, math.pi, 1e-17, 123.456):
        mechanism = LaplaceMechanism(epsilon=1.0, sensitivity=1.0)
        steps = mechanism.release(answer).value / mechanism.steps.size
        assert steps == round(steps)


@pytest.mark.parametrize("noise", [LaplaceNoise(1.0), GaussianNoise(1.0)])
def test_supports_of_neighbours_are_the_same_lattice(noise):
    """No output is possible for one of two neighbours alone."""
    query = ClampedSum(lower=0, upper=0.3, noise=noise)
    for values in ([0.1, 0.2], [0.1, 0.2, 0.3]):
        steps = [query.release(values).value / query.steps.size for _ in range(200)]
        assert all(step == round(step) for step in steps)
        assert {round(step) % 2 for step in steps} == {0, 1}
