"""Gaussian differential privacy: one number μ, exactly, and what it means as (ε, δ).

A mechanism is μ-GDP if telling two neighbours apart is no easier than telling N(0, 1) from N(μ, 1)
(Dong, Roth and Su 2022, Definition 4). Its privacy profile (Balle and Wang 2018, Theorem 8) is

    δ(ε) = Φ(-ε/μ + μ/2) - e^ε·Φ(-ε/μ - μ/2).
"""

from __future__ import annotations

import math
from typing import Final

import scipy

from confide.errors import PlanError

__all__ = ["check_delta", "check_epsilon", "delta_of_mu", "epsilon_of_mu", "mu_of", "tpr_of_mu"]

_SLACK: Final = 1e-12
"""Relative room for the last digits, always against the spender."""

_SMALLEST, _LARGEST = 1e-12, 1e4


def check_epsilon(epsilon: float) -> None:
    """Refuses an ε that is no positive finite number."""
    if not 0 < epsilon < math.inf:
        raise PlanError(f"epsilon is {epsilon}; it is a positive finite number")


def check_delta(delta: float) -> None:
    """Refuses a δ that is not between 0 and 1."""
    if not 0 < delta < 1:
        raise PlanError(f"delta is {delta}; it lies between 0 and 1, below 1 ÷ records")


def delta_of_mu(mu: float, epsilon: float) -> float:
    """δ(ε) of the Gaussian, from above.

    Args:
        mu: μ, at least 0.
        epsilon: ε, any real number.

    Example:
        >>> round(delta_of_mu(1.0, 1.0), 6)
        0.126937
    """
    if mu <= 0:
        return max(0.0, -math.expm1(epsilon))
    left = float(scipy.special.log_ndtr(-epsilon / mu + mu / 2))
    right = epsilon + float(scipy.special.log_ndtr(-epsilon / mu - mu / 2))
    # exp(left) - exp(right) without the cancellation of two near numbers.
    delta = math.exp(left) * -math.expm1(min(0.0, right - left))
    return min(1.0, delta * (1 + _SLACK) + math.exp(left) * 1e-15)


def epsilon_of_mu(mu: float, delta: float) -> float:
    """The least ε with δ(ε) ≤ δ, from above; 0 if the Gaussian keeps (0, δ).

    Raises:
        PlanError: If δ is out of range.
    """
    check_delta(delta)
    if mu <= 0 or delta_of_mu(mu, 0.0) <= delta:
        return 0.0
    if mu == math.inf:
        return math.inf
    high = mu**2 / 2 + mu * (-float(scipy.special.ndtri(min(delta, 0.5))) + 1)
    while delta_of_mu(mu, high) > delta:
        high *= 2
    found = float(
        scipy.optimize.brentq(lambda e: delta_of_mu(mu, e) - delta, 0.0, high, xtol=1e-14)
    )
    return found * (1 + 1e-11) + 1e-13


def mu_of(epsilon: float, delta: float) -> float:
    """The largest μ that keeps (ε, δ), from below.

    Raises:
        PlanError: If ε or δ is out of range.

    Example:
        >>> round(1 / mu_of(1.0, 1e-5), 5)
        3.73063
    """
    check_epsilon(epsilon)
    check_delta(delta)
    found = scipy.optimize.brentq(
        lambda mu: delta_of_mu(mu, epsilon) - delta, _SMALLEST, _LARGEST, xtol=1e-15
    )
    return float(found) * (1 - 1e-11)


def tpr_of_mu(mu: float, fpr: float) -> float:
    """What share of members the best attacker finds at a rate of false alarms: Φ(Φ⁻¹(α) + μ)."""
    return float(scipy.special.ndtr(scipy.special.ndtri(fpr) + mu))
