"""Odometers: the privacy budget spent so far, and what is left of each cap."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from confide.privacy.ledger.caps import Cap, Period
from confide.privacy.ledger.costs import (
    CLOSENESS_UNIT,
    DELTA_UNIT,
    FIRST_ORDERS,
    ORDERS,
    UNBOUNDED,
    UNIT,
    Cost,
)
from confide.privacy.ledger.filters import Budget, divergence_budget
from confide.privacy.ledger.refusal import nearest_order

__all__ = ["Remaining", "Spent", "remaining_of", "spent_of"]


@dataclass(frozen=True, kw_only=True)
class Spent:
    """The privacy budget that a dataset has spent; open reservations count in full.

    The ε are odometers: they hold if the time of looking does not depend on the answers. The
    guarantee that holds without this condition is that of a cap.

    Attributes:
        dataset: The dataset.
        observers: The coalition that it is about; None for all.
        period: The period, the current one; None for all time.
        delta: δ of the ε below, without `approximate_delta`.
        mu: All charges together are μ-Gaussian-DP; ∞ if one is not Gaussian.
        pure_epsilon: All together are ε-DP; ∞ if one is not.
        renyi_epsilon: ε at δ from the best of `FIRST_ORDERS`, chosen at δ ÷ (number of orders).
        approximate_delta: Σ of the charges' own δ.
        whole_epsilon: Σ ε of what each charge keeps as a whole, at `whole_delta`; ∞ if one has no
            such ε.
        whole_delta: Σ δ of the same.
        closeness: Σ of the charges' distances from the mechanisms that these numbers are about.
        charges: How many reservations count.
        open: How many of them are open.
    """

    dataset: str
    observers: frozenset[str] | None
    period: Period | None
    delta: float
    mu: float
    pure_epsilon: float
    renyi_epsilon: float
    approximate_delta: float
    whole_epsilon: float
    whole_delta: float
    closeness: float
    charges: int
    open: int


@dataclass(frozen=True, kw_only=True)
class Remaining:
    """What a cap leaves.

    Attributes:
        cap: The cap.
        fraction: What is left of its budget, from 0 to 1: of μ², ρ, ε or the order that has most.
        epsilon: What is left of ε for one more plan at that order, or for one that is charged as a
            whole; 0 for a cap of ρ.
        order: The order; None if the budget is one of μ², ρ or whole plans.
        mu: The largest μ of one more Gaussian event that it admits.
    """

    cap: Cap
    fraction: float
    epsilon: float
    order: float | None
    mu: float


def spent_of(
    total: Cost,
    *,
    dataset: str,
    observers: frozenset[str] | None,
    period: Period | None,
    delta: float,
    charges: int,
    still_open: int,
) -> Spent:
    """Whole units as the numbers that people read, rounded up by their conversion."""
    return Spent(
        dataset=dataset,
        observers=observers,
        period=period,
        delta=delta,
        mu=math.sqrt(_nats(total.squared_mu)),
        pure_epsilon=_nats(total.renyi[-1]),
        renyi_epsilon=_renyi_epsilon(total, delta),
        approximate_delta=total.delta / DELTA_UNIT,
        whole_epsilon=_nats(total.whole_epsilon),
        whole_delta=total.whole_delta / DELTA_UNIT,
        closeness=total.closeness / CLOSENESS_UNIT,
        charges=charges,
        open=still_open,
    )


def remaining_of(
    cap: Cap, budget: Budget, total: Cost, mu_of: Callable[[float, float], float]
) -> Remaining:
    """What a cap leaves after a total.

    Args:
        cap: The cap.
        budget: Its budget, as the first charge splits it.
        total: What is spent.
        mu_of: The largest μ with δ_μ(ε) ≤ δ.
    """
    if budget.is_whole:
        return _whole(cap, budget, total, mu_of)
    if budget.rho >= 0 or budget.squared_mu >= 0:
        return _gaussian(cap, budget, total)
    order = nearest_order(budget, total)
    lefts = [
        max(0, most - spent) if total.delta <= budget.delta else 0
        for spent, most in zip(total.renyi, budget.renyi, strict=True)
    ]
    squared = [
        2 * left / alpha / UNIT
        for left, alpha in zip(lefts, ORDERS, strict=True)
        if alpha < math.inf
    ]
    mu = math.sqrt(max(squared))
    if not total and cap.orders is None and cap.delta:
        mu = max(mu, mu_of(cap.epsilon, cap.delta))
    left = lefts[order] / UNIT if total else cap.epsilon
    fraction = lefts[order] / budget.renyi[order]
    return Remaining(cap=cap, fraction=fraction, epsilon=left, order=ORDERS[order], mu=mu)


def _gaussian(cap: Cap, budget: Budget, total: Cost) -> Remaining:
    if budget.rho >= 0:
        left, most = budget.rho - total.rho, budget.rho
        used_up, squared = total.delta + total.closeness > budget.delta, 2
    else:
        left, most = budget.squared_mu - total.squared_mu, budget.squared_mu
        used_up, squared = total.closeness > budget.closeness or total.delta > budget.delta, 1
    left = 0 if used_up else max(0, left)
    fraction = left / most if most else 0.0
    epsilon = cap.epsilon * fraction
    mu = math.sqrt(squared * left / UNIT)
    return Remaining(cap=cap, fraction=fraction, epsilon=epsilon, order=None, mu=mu)


def _whole(
    cap: Cap, budget: Budget, total: Cost, mu_of: Callable[[float, float], float]
) -> Remaining:
    left = max(0, budget.whole_epsilon - total.whole_epsilon)
    delta = max(0, budget.whole_delta - total.whole_delta)
    epsilon = left / UNIT
    mu = mu_of(epsilon, delta / DELTA_UNIT) if epsilon > _LEAST and delta else 0.0
    fraction = left / budget.whole_epsilon
    return Remaining(cap=cap, fraction=fraction, epsilon=epsilon, order=None, mu=mu)


_LEAST = 1e-8
"""What is left of ε after a plan that fits exactly: the last digits, which hold no other."""


def _nats(units: int) -> float:
    return math.inf if units >= UNBOUNDED else units / UNIT


def _renyi_epsilon(total: Cost, delta: float) -> float:
    share = delta / (len(FIRST_ORDERS) - 1)
    known = dict(zip(ORDERS, total.renyi, strict=True))
    found = [_nats(known[order]) - divergence_budget(order, 0.0, share) for order in FIRST_ORDERS]
    return max(0.0, min(found))
