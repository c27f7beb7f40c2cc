"""Gaussian differential privacy: one number μ, exactly, and what it means as (ε, δ).

A mechanism is μ-GDP if distinguishing two neighbours is at least as hard as distinguishing N(0, 1)
from N(μ, 1) (Dong, Roth and Su 2022, Definition 4). Its privacy profile (Balle and Wang 2018,
Theorem 8) is

    δ(ε) = Φ(-ε/μ + μ/2) - e^ε·Φ(-ε/μ - μ/2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import scipy

from confide.errors import PlanError
from confide.numbers import check_real, shown
from confide.plan import Relation

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = [
    "check_any_epsilon",
    "check_delta",
    "check_epsilon",
    "check_mu",
    "check_rate",
    "check_relation",
    "delta_of_mu",
    "epsilon_of_mu",
    "gaussian_mu",
    "mu_of",
    "tpr_of_mu",
]

_SLACK: Final = 1e-12
"""Relative room for the last digits, always against the spender."""

_SMALLEST, _LARGEST = 1e-12, 1e4
_SQUARABLE: Final = 1e100


def check_epsilon(epsilon: float) -> float:
    """The number, as a float; refuses an ε that is not a positive finite number."""
    return check_real(
        "epsilon", epsilon, above=0, below=math.inf, limit="it is a positive finite number"
    )


def check_delta(delta: float) -> float:
    """The number, as a float; refuses a δ that is not between 0 and 1."""
    return check_real(
        "delta", delta, above=0, below=1, limit="it lies between 0 and 1, below 1 ÷ records"
    )


def check_rate(fpr: float) -> float:
    """The number, as a float; refuses a rate of false alarms beyond 0 and 1."""
    return check_real(
        "fpr", fpr, least=0, most=1, limit="a rate of false alarms lies between 0 and 1"
    )


def check_mu(mu: float) -> float:
    """The number, as a float; refuses a μ that is not a number of at least 0; ∞ is allowed."""
    return check_real("mu", mu, least=0, limit="it is a number, at least 0")


def check_any_epsilon(epsilon: float) -> float:
    """The number, as a float; refuses an ε that is not a number."""
    return check_real("epsilon", epsilon, limit="it is a real number")


def check_relation(relation: object) -> None:
    """Refuses a value that is not a neighbouring relation."""
    if not isinstance(relation, Relation):
        raise PlanError(
            f"relation is {shown(relation)}; it is Relation.ADD_OR_REMOVE_ONE or "
            "Relation.REPLACE_ONE"
        )


def delta_of_mu(mu: float, epsilon: float) -> float:
    """δ(ε) of the Gaussian, from above.

    Args:
        mu: μ, at least 0.
        epsilon: ε, any real number.

    Example:
        >>> round(delta_of_mu(1.0, 1.0), 6)
        0.126937

    Raises:
        PlanError: If μ or ε is out of range.
    """
    mu, epsilon = check_mu(mu), check_any_epsilon(epsilon)
    if epsilon == math.inf:
        return 1.0 if mu == math.inf else 0.0
    if epsilon == -math.inf or mu == math.inf:
        return 1.0
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
    delta, mu = check_delta(delta), check_mu(mu)
    if mu <= 0 or delta_of_mu(mu, 0.0) <= delta:
        return 0.0
    if mu > _SQUARABLE:
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
    epsilon, delta = check_epsilon(epsilon), check_delta(delta)
    if delta_of_mu(_LARGEST, epsilon) <= delta:
        return _LARGEST
    if delta_of_mu(_SMALLEST, epsilon) > delta:
        raise PlanError(f"epsilon is {epsilon:g} and delta {delta:g}; no Gaussian noise keeps them")
    found = scipy.optimize.brentq(
        lambda mu: delta_of_mu(mu, epsilon) - delta, _SMALLEST, _LARGEST, xtol=1e-15
    )
    return float(found) * (1 - 1e-11)


def tpr_of_mu(mu: float, fpr: float) -> float:
    """The true-positive rate of the best attacker at a false-positive rate: Φ(Φ⁻¹(α) + μ).

    Raises:
        PlanError: If μ or the rate is out of range.
    """
    mu, fpr = check_mu(mu), check_rate(fpr)
    if fpr in (0, 1) or mu == math.inf:
        return 0.0 if fpr == 0 and mu < math.inf else 1.0
    return float(scipy.special.ndtr(scipy.special.ndtri(fpr) + mu))


def gaussian_mu(event: DpEvent) -> float | None:
    """μ of an event that is a composition of Gaussians and nothing else; None of any other.

    k Gaussians of multipliers z_i are √(Σ 1/z_i²)-GDP, exactly (Dong, Roth and Su 2022,
    Corollary 2). The multiplier is relative to the distance of neighbouring sums.
    """
    from dp_accounting import dp_event

    match event:
        case dp_event.NoOpDpEvent():
            return 0.0
        case dp_event.GaussianDpEvent(noise_multiplier=z):
            return 1 / z if 0 < z < math.inf else None
        case dp_event.SingleEpochTreeAggregationDpEvent(noise_multiplier=z, step_counts=counts):
            return _tree_mu(z, [counts] if isinstance(counts, int) else list(counts))
        case dp_event.SelfComposedDpEvent(event=inner, count=count):
            once = gaussian_mu(inner)
            return None if once is None else once * math.sqrt(count)
        case dp_event.ComposedDpEvent(events=events):
            parts = [gaussian_mu(part) for part in events]
            known = [part for part in parts if part is not None]
            return math.hypot(*known) if len(known) == len(parts) else None
        case _:
            return None


def _tree_mu(noise_multiplier: float, step_counts: Sequence[int]) -> float | None:
    """μ of tree aggregation in one epoch (Kairouz et al. 2021, arXiv 2103.00039).

    A unit is in one step of one tree, and so in one node of each level: with T steps at most
    ⌊log2 T⌋ + 1 nodes are released that it is in, each with its own Gaussian noise.
    """
    if not 0 < noise_multiplier < math.inf or not step_counts or min(step_counts) < 1:
        return None
    return math.sqrt(max(step_counts).bit_length()) / noise_multiplier
