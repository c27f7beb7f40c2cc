"""Sums of discrete Gaussians against continuous ones, by convolving them."""

import math

import mpmath
import numpy as np
import pytest

from confide.errors import PlanError
from confide.privacy.accounting import delta_of_mu, sum_of_shares
from confide.privacy.accounting.shares import ROUNDING_STEPS


def convolved(steps, shares):
    """The probabilities of the sum, on integers far enough out."""
    reach = math.ceil(14 * steps)
    x = np.arange(-reach, reach + 1)
    one = np.exp(-(x**2) / (2 * steps**2))
    one /= math.fsum(one)
    total = one
    for _ in range(shares - 1):
        total = np.convolve(total, one)
    return total


@pytest.mark.parametrize(("steps", "shares"), [(4.0, 1), (4.0, 2), (4.5, 5), (7.3, 3), (30.0, 2)])
@pytest.mark.parametrize("relative", [0.05, 0.5, 2.0])
def test_what_is_accounted_is_no_less_than_what_is_released(steps, shares, relative):
    """δ(ε) of the sum itself, moved by some steps, at most that of the continuous Gaussian."""
    p = convolved(steps, shares)
    total = sum_of_shares(steps, shares)
    moved = max(1, round(relative * steps))
    upper, lower = np.pad(p, (moved, 0)), np.pad(p, (0, moved))
    for epsilon in (0.0, 0.1, 1.0, 5.0):
        exact = math.fsum(np.maximum(upper - math.exp(epsilon) * lower, 0))
        stated = delta_of_mu(moved / total.deviation, epsilon - 2 * total.closeness)
        assert exact <= stated * math.exp(total.closeness) + 1e-14


def test_the_price_is_what_rounding_takes():
    """Tight but for the 4 of 16k: less would say less than is released, more would waste noise."""
    for shares in (1, 4, 100):
        deviation = sum_of_shares(4.0, shares).deviation
        assert deviation == pytest.approx(math.sqrt(16 * shares - 4))
    assert sum_of_shares(1000.0, 10).deviation == pytest.approx(1000 * math.sqrt(10), rel=1e-6)


@pytest.mark.parametrize("variance", [4.0, 8.0, 15.0])
def test_the_factor_of_a_step_is_the_poisson_sum_s(variance):
    """Σ exp(-(x-t)²/2r²) lies within (1 ± 2θ)·r√2π for every t, to 200 digits."""
    with mpmath.workdps(200):
        r2 = mpmath.mpf(variance)
        terms = [mpmath.exp(-2 * mpmath.pi**2 * r2 * m**2) for m in range(1, 4)]
        theta = mpmath.fsum(terms)
        whole = mpmath.sqrt(2 * mpmath.pi * r2)
        for t in (0, mpmath.mpf(1) / 4, mpmath.mpf(1) / 2):
            lattice = mpmath.fsum(mpmath.exp(-((x - t) ** 2) / (2 * r2)) for x in range(-150, 152))
            assert abs(lattice / whole - 1) <= 2 * theta * (1 + mpmath.mpf(10) ** -20)
        closeness = mpmath.log((1 + 2 * theta) / (1 - 2 * theta))
    if variance == ROUNDING_STEPS**2:
        assert float(closeness) <= sum_of_shares(1e6, 1).closeness <= float(closeness) * 1.001


def test_the_closeness_of_many_narrow_shares_is_counted():
    few, many = (sum_of_shares(4.0, shares).closeness for shares in (1, 10**36))
    assert 0 < few < many < 1e-30


@pytest.mark.parametrize(
    ("steps", "shares", "named"),
    [
        (3.99, 2, "3.99; at least 4"),
        (math.nan, 2, "is nan"),
        (math.inf, 2, "is inf"),
        (5.0, 0, "shares of noise is 0; .*nobody's is left"),
        (5.0, -1, "is -1"),
    ],
)
def test_refused(steps, shares, named):
    with pytest.raises(PlanError, match=named):
        sum_of_shares(steps, shares)
