"""Rényi curves of events, which a ledger's filters add up.

The curves are those of `dp_accounting`'s accountant, cross-checked in the tests; sampled events
between replaced units are bounded here, since it knows them between added ones only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from confide.errors import PlanError
from confide.numbers import check_real, shown
from confide.plan import Relation
from confide.privacy.accounting.events import event_to_plain
from confide.privacy.accounting.gaussian import check_delta, check_relation, gaussian_mu
from confide.privacy.accounting.mixtures import MixedGaussian
from confide.privacy.accounting.runs import is_unprotected, parts_of, pure_epsilon, runs_of

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = ["rdp_curve", "rdp_to_epsilon"]


def rdp_curve(event: DpEvent, orders: Sequence[float], relation: Relation) -> list[float]:
    """Upper bounds on the Rényi divergence of an event between neighbours.

    Args:
        event: The event; an unsampled Gaussian's multiplier has the relation in it already.
        orders: α > 1, finite.
        relation: How neighbours differ.

    Returns:
        In nats, one for each order; ∞ where nothing is bounded.

    Raises:
        PlanError: If the event is unknown, or an order is not above 1.
    """
    orders = _checked_orders(orders)
    check_relation(relation)
    event_to_plain(event)
    if is_unprotected(event):
        return [math.inf] * len(orders)
    total = [0.0] * len(orders)
    for part, count in parts_of(event):
        curve = _part_curve(part, orders, relation)
        total = [all_of + count * one for all_of, one in zip(total, curve, strict=True)]
    return total


def _checked_orders(orders: Sequence[float]) -> list[float]:
    """Rényi orders as floats.

    Raises:
        PlanError: If there is none, or one is not above 1 and finite.
    """
    if isinstance(orders, str | bytes) or not isinstance(orders, Iterable):
        raise PlanError(f"orders is {shown(orders)}; give a sequence of numbers above 1")
    found = [
        check_real(
            "a Rényi order", order, above=1, below=math.inf, limit="it is above 1 and finite"
        )
        for order in orders
    ]
    if not found:
        raise PlanError("no Rényi order; give at least one, above 1 and finite")
    return found


def _part_curve(part: DpEvent, orders: Sequence[float], relation: Relation) -> list[float]:
    mu = gaussian_mu(part)
    if mu is not None:
        return [order * mu**2 / 2 for order in orders]
    pure = _pure_curve(part, orders, relation)
    if pure is not None:
        return pure
    if relation is Relation.ADD_OR_REMOVE_ONE or not _by_chance(part):
        return _added(part, orders)
    # A replaced unit goes, and another comes (Mironov 2017, Proposition 11):
    # D_α(P‖R) ≤ (α − 1/2)/(α − 1)·D_2α(P‖Q) + D_(2α−1)(Q‖R).
    gone = _added(part, [2 * order for order in orders])
    come = _added(part, [2 * order - 1 for order in orders])
    return [
        (order - 0.5) / (order - 1) * first + second
        for order, first, second in zip(orders, gone, come, strict=True)
    ]


def _pure_curve(part: DpEvent, orders: Sequence[float], relation: Relation) -> list[float] | None:
    """The curve of randomised response, which dominates whatever is ε-DP; None if it is not.

    (α - 1)·D_α = log((e^(αε) + e^((1-α)ε)) / (1 + e^ε)).
    """
    from dp_accounting import dp_event

    if isinstance(part, dp_event.LaplaceDpEvent):
        return None  # There is an exact curve of it.
    epsilon = pure_epsilon(part, relation)
    if epsilon == math.inf:
        return None
    return [
        (_log_add(order * epsilon, (1 - order) * epsilon) - _log_add(0.0, epsilon)) / (order - 1)
        for order in orders
    ]


def _log_add(a: float, b: float) -> float:
    return max(a, b) + math.log1p(math.exp(-abs(a - b)))


def rdp_to_epsilon(orders: Sequence[float], curve: Sequence[float], delta: float) -> float:
    """The least ε that a Rényi curve gives at δ (Canonne, Kamath and Steinke 2020, Prop. 12).

    ε = min over α of D_α + log((α - 1)/α) - (log δ + log α)/(α - 1).

    Raises:
        PlanError: If δ, an order or a divergence is out of range.
    """
    orders = _checked_orders(orders)
    delta = check_delta(delta)
    if isinstance(curve, str | bytes) or not isinstance(curve, Sequence | np.ndarray):
        raise PlanError(f"curve is {shown(curve)}; give a sequence of divergences")
    if len(curve) != len(orders):
        raise PlanError(f"{len(curve)} divergences for {len(orders)} orders; one each")
    curve = [check_real("a divergence", one, least=0, limit="it is at least 0") for one in curve]
    found = [
        divergence + math.log1p(-1 / order) - (math.log(delta) + math.log(order)) / (order - 1)
        for order, divergence in zip(orders, curve, strict=True)
    ]
    return max(0.0, min(found))


def _added(event: DpEvent, orders: Sequence[float]) -> list[float]:
    """The larger curve of both directions between units that are added or removed."""
    match runs_of(event, Relation.ADD_OR_REMOVE_ONE):
        case ():
            return [0.0] * len(orders)
        case (MixedGaussian() as run,):
            return [run.renyi(order) for order in orders]
        case _:
            return _by_library(event, orders)


def _by_library(event: DpEvent, orders: Sequence[float]) -> list[float]:
    from dp_accounting import NeighboringRelation, UnsupportedEventError
    from dp_accounting.rdp import RdpAccountant

    accountant = RdpAccountant(list(orders), NeighboringRelation.ADD_OR_REMOVE_ONE)
    try:
        accountant.compose(event)
    except (UnsupportedEventError, ValueError, TypeError) as error:
        raise PlanError(f"no Rényi curve is known of {event}: {error}") from error
    curve = [float(value) for value in accountant.rdp]
    if any(math.isnan(value) for value in curve):
        raise PlanError(f"the Rényi curve of {event} is not a number at some order")
    # Its sums are floats: a billionth covers their last digits.
    return [max(0.0, value) * (1 + 1e-9) for value in curve]


def _by_chance(event: DpEvent) -> bool:
    """Whether a unit is in the event by chance anywhere."""
    inner = [getattr(event, "event", None), *getattr(event, "events", ())]
    chance = any(word in type(event).__name__ for word in ("Sampled", "Subsampled", "Mixture"))
    return chance or any(_by_chance(part) for part in inner if part is not None)
