"""Odometers: what was lost so far, and what is left of each cap."""

from __future__ import annotations

import math
from dataclasses import dataclass

from confide.privacy.ledger.costs import (
    CLOSENESS_UNIT,
    DELTA_UNIT,
    ORDERS,
    UNBOUNDED,
    UNIT,
    Cost,
)
from confide.privacy.ledger.filters import Cap, Period, divergence_budget
from confide.privacy.ledger.refusal import nearest_order
from confide.privacy.ledger.state import SetCap

__all__ = ["Remaining", "Spent", "remaining_of", "spent_of"]


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a dataset has lost, open reservations counted in full.

    The ε are odometers: they hold for whoever stops to look at a time that the answers did not
    decide. The guarantee that holds whatever the answers decide is a cap's.

    Attributes:
        dataset: The dataset.
        observers: The coalition that it is about; None for all.
        period: The period, the current one; None for all time.
        delta: δ of the ε below, without `approximate_delta`.
        mu: All charges together are μ-Gaussian-DP; ∞ if one is not Gaussian.
        pure_epsilon: All together are ε-DP; ∞ if one is not.
        renyi_epsilon: ε at δ from the best Rényi order, chosen at δ ÷ (number of orders).
        approximate_delta: Σ of the charges' own δ.
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
    closeness: float
    charges: int
    open: int


@dataclass(frozen=True, kw_only=True)
class Remaining:
    """What a cap leaves.

    Attributes:
        cap: The cap.
        fraction: What is left of its budget, from 0 to 1: of μ², or of the order that has most.
        order: That order; None for a Gaussian cap.
        mu: The largest μ of one more Gaussian event that it admits.
    """

    cap: Cap
    fraction: float
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
        closeness=total.closeness / CLOSENESS_UNIT,
        charges=charges,
        open=still_open,
    )


def remaining_of(limit: SetCap, total: Cost) -> Remaining:
    """What a cap leaves after a total."""
    cap, budget = limit
    if budget.squared_mu >= 0:
        left = max(0, budget.squared_mu - total.squared_mu)
        used_up = total.closeness > budget.closeness or total.delta > budget.delta
        left = 0 if used_up else left
        fraction = left / budget.squared_mu if budget.squared_mu else 0.0
        return Remaining(cap=cap, fraction=fraction, order=None, mu=math.sqrt(left / UNIT))
    best = nearest_order(budget, total)
    lefts = [
        max(0, most - spent) if total.delta <= budget.delta else 0
        for spent, most in zip(total.renyi, budget.renyi, strict=True)
    ]
    squared = [
        2 * left / order / UNIT
        for left, order in zip(lefts, ORDERS, strict=True)
        if order < math.inf
    ]
    return Remaining(
        cap=cap,
        fraction=lefts[best] / budget.renyi[best],
        order=ORDERS[best],
        mu=math.sqrt(max(squared)),
    )


def _nats(units: int) -> float:
    return math.inf if units >= UNBOUNDED else units / UNIT


def _renyi_epsilon(total: Cost, delta: float) -> float:
    share = delta / (len(ORDERS) - 1)
    found = [
        _nats(spent) - divergence_budget(order, 0.0, share)
        for order, spent in zip(ORDERS, total.renyi, strict=True)
    ]
    return max(0.0, min(found))
