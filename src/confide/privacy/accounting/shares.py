"""Noise in shares: how close the sum of discrete Gaussians is to a continuous Gaussian.

Three steps lead from k shares of σ lattice steps to one continuous Gaussian. Write θ(r) for
Σ_{m≥1} exp(-2π²r²m²). By Poisson summation, for every real t,

    Σ_{x∈Z} exp(-(x - t)²/2r²) = r√(2π) · (1 + 2·Σ_{m≥1} exp(-2π²r²m²)·cos(2πmt)),

which lies within a factor 1 ± 2θ(r) of r√(2π).

1. The sum of discrete Gaussians with variances a² and b² has at z the weight exp(-z²/2(a²+b²))
   times such a series with r² = a²b²/(a²+b²). So it is a discrete Gaussian of variance a²+b² up
   to a factor (1 + 2θ(r))/(1 - 2θ(r)) in every probability (Kairouz, Liu and Steinke 2021,
   Theorem 9).
   Adding the j+1st share to j of them has r² = σ²·j/(j+1).
2. Take a continuous Gaussian of variance s² - r² around an integer, and round its value y to the
   integer z with probability proportional to exp(-(z - y)²/2r²). The result is a discrete Gaussian
   of variance s² around that integer, up to the same factor (Peikert 2010, Theorem 3.1).
3. Rounding is post-processing. So if M releases integers plus k shares in each of d coordinates,
   and G the same integers plus continuous noise of variance kσ² - r², every probability of M lies
   within e^±τ of one of a post-processed G, τ being d times the logarithms above added up, for each
   data set; and δ_M(ε) ≤ e^τ·δ_G(ε - 2τ).

r = 2 steps makes τ/d about 2·10^-34 for rounding, and σ ≥ 4 less than 10^-67 for each share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from confide.numbers import check_real, check_whole
from confide.plan.noise import LEAST_STEPS

__all__ = ["ROUNDING_STEPS", "TotalNoise", "sum_of_shares"]

ROUNDING_STEPS: Final = 2.0
"""r: the standard deviation of randomised rounding, in lattice steps."""

_MOST_STEPS: Final = 1e100


@dataclass(frozen=True)
class TotalNoise:
    """The total of the shares of noise.

    Attributes:
        deviation: Standard deviation of the equivalent continuous Gaussian, in steps.
        closeness: τ of one coordinate, in nats.
    """

    deviation: float
    closeness: float


def sum_of_shares(steps: float, shares: int) -> TotalNoise:
    """The continuous Gaussian that the sum of discrete Gaussians is equivalent to.

    Args:
        steps: σ, the standard deviation of each share, at least 4.
        shares: k, how many there are; 1 for central noise.

    Raises:
        PlanError: If the shares are too narrow, or there is none.

    Example:
        >>> total = sum_of_shares(5.0, 4)
        >>> round(total.deviation, 3), total.closeness < 1e-30
        (9.798, True)
    """
    steps = check_real(
        "steps of a share of noise", steps, least=LEAST_STEPS, most=_MOST_STEPS,
        limit=f"at least {LEAST_STEPS:g} lattice steps are needed: raise the noise multiplier",
    )  # fmt: skip
    shares = check_whole(
        "shares of noise", shares, least=1, most=10**100, limit="without one, nobody's is left"
    )
    closeness = _factor(ROUNDING_STEPS**2)
    # The first two shares have r² = σ²/2, and no later one less.
    closeness += (shares - 1) * _factor(steps**2 / 2)
    return TotalNoise(math.sqrt(shares * steps**2 - ROUNDING_STEPS**2), closeness)


def _factor(squared: float) -> float:
    """log((1 + 2θ)/(1 - 2θ)) at r², from above."""
    first = math.exp(-2 * math.pi**2 * squared)
    theta = first / (1 - first)  # exp(-c·m²) ≤ exp(-c)^m
    return 2 * math.atanh(2 * theta) * (1 + 1e-9)
