r"""Caps, and the filters that enforce them: theorems for charges chosen in view of earlier answers.

**Gaussian filter.** While Σ μ_i² ≤ μ², whatever was answered is μ-GDP together, even if each
mechanism is chosen after the answers of those before it, and so (ε, δ)-DP where the trade-off of a
Gaussian says so (Smith and Thakurta 2022; Koskela, Tobaben and Honkela 2023).

**Rényi filter.** At one order α: while Σ ρ_i(α) ≤ B(α), the answers are (α, B(α))-RDP together
(Feldman and Zrnic 2021, §4; Lécuyer 2021). Here answers go on while *some* of K orders holds. Let
B(α) be such that (α, B(α))-RDP implies (ε, δ/K)-DP (Canonne, Kamath and Steinke 2020, Prop. 12):

    B(α) = ε − [ln(K/δ) + (α − 1)·ln(1 − 1/α) − ln α] / (α − 1).

*Claim: the interaction M is (ε, δ)-DP.* Assign each complete transcript to the first order whose
budget holds at its end; S_α are the transcripts of order α in an event S. Let M_α be M stopped
before the first charge beyond B(α). Costs only grow, so along a transcript in S_α it never stops:
M and M_α give it the same probability, on both of two neighbours D and D'. M_α is (α, B(α))-RDP by
the filter of one order, so

    P[M(D) ∈ S] − e^ε·P[M(D') ∈ S] = Σ_α P[M_α(D) ∈ S_α] − e^ε·P[M_α(D') ∈ S_α] ≤ Σ_α δ/K = δ. ∎

Order ∞ is pure ε and adds up without any δ, so it takes no share. A refusal tells nothing: it
follows from costs, which are public, and from the transcript.

**What the theorems leave out.** If bound i holds but with probability δ_i (both distributions are
mixtures, with weight 1 − δ_i on a pair that the bound is about), give each transcript the weight
w = Π(1 − δ_i): the weighted measures are dominated as above, and what they lack has probability at
most Σ δ_i; `approximate_delta` is the part of δ set aside for it. If the likelihoods of mechanism i
lie within e^±τ_i of a Gaussian's, those of a transcript lie within e^±Στ_i, so with τ = Στ_i
δ(ε) ≤ e^τ·δ_μ(ε − 2τ): the Gaussian filter sets `CLOSENESS` aside for τ, the Rényi filter has it in
its costs.

**Rounds in between each other.** An event of many rounds may be open while others are charged. Each
round is a mechanism of its own whose cost was fixed when its event was reserved, so this is the
same adaptive sequence (for interactive mechanisms: Haney et al. 2023).

References:
    Feldman, Zrnic, "Individual privacy accounting via a Rényi filter" (NeurIPS 2021).
    Lécuyer, "Practical privacy filters and odometers with Rényi DP" (2021).
    Smith, Thakurta, "Fully adaptive composition for Gaussian DP" (2022).
    Koskela, Tobaben, Honkela, "Individual privacy accounting with Gaussian DP" (ICLR 2023).
    Whitehouse, Ramdas, Rogers, Wu, "Fully adaptive composition in DP" (ICML 2023).
    Haney et al., "Concurrent composition for interactive DP with adaptive privacy-loss parameters"
    (CCS 2023).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Final

from confide.errors import PlanError
from confide.privacy.ledger.costs import (
    CLOSENESS_UNIT,
    DELTA_UNIT,
    ORDERS,
    UNBOUNDED,
    UNIT,
    Cost,
    limit,
)
from confide.privacy.ledger.lineage import check_name

__all__ = ["CLOSENESS", "Budget", "Cap", "Filter", "Period", "budget_of", "divergence_budget"]

CLOSENESS: Final = 1e-6
"""Nats of the likelihood ratio that a Gaussian cap sets aside for mechanisms close to Gaussian."""

_LAST_DIGITS: Final = 1 + Fraction(1, 10**9)
"""Pure ε may pass a cap by this much, so that three thirds and ten tenths fit a cap of 1: no float
is a tenth, and each charge is rounded up (opendp/opendp#2131)."""
_WINDOW: Final = 2
"""Orders on either side of the best one for Gaussian noise that a cap uses unless told."""


class Filter(Enum):
    """The theorem that a cap rests on."""

    GAUSSIAN = "gaussian"
    RENYI = "renyi"


class Period(Enum):
    """How often a cap starts anew: with the calendar, in UTC, at the time of the reservation."""

    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, kw_only=True)
class Cap:
    """The most that a dataset may lose.

    Attributes:
        epsilon: ε, above 0.
        delta: δ in all, below 1. Zero takes pure ε only, with the Rényi filter.
        filter: GAUSSIAN counts exactly Gaussian events only, and loses nothing on them. RENYI
            counts everything that has a Rényi curve.
        observers: The coalition that it is about: it counts what any of them observes. None
            counts everything, as if all observers pooled what they see.
        period: None counts for ever. A month or a year starts anew, and so guarantees each period
            for itself: what an observer of several periods learns adds up.
        approximate_delta: The part of δ that is set aside for events with a δ of their own.
        orders: Rényi orders of `ORDERS` that share δ; a single one keeps all of it. None takes five
            around the best one for Gaussian noise. Order ∞ is always there and shares nothing.

    Raises:
        PlanError: If there can be no such cap.
    """

    epsilon: float
    delta: float
    filter: Filter = Filter.RENYI
    observers: frozenset[str] | None = None
    period: Period | None = None
    approximate_delta: float = 0.0
    orders: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        _set(self, "filter", _one_of(Filter, self.filter))
        _set(self, "period", None if self.period is None else _one_of(Period, self.period))
        for name in ("epsilon", "delta", "approximate_delta"):
            _set(self, name, _real(getattr(self, name), name))
        if not 0 < self.epsilon < UNBOUNDED / UNIT:
            raise PlanError(
                f"a cap of epsilon {self.epsilon}; it is above 0 and below {UNBOUNDED // UNIT:,}"
            )
        if not 0 <= self.delta < 1:
            raise PlanError(f"a cap of delta {self.delta}; it is at least 0 and below 1")
        if (
            not 0 <= self.approximate_delta <= self.delta
            or self.approximate_delta == self.delta > 0
        ):
            raise PlanError(
                f"a cap with approximate_delta {self.approximate_delta} of delta {self.delta}; it "
                "is a part of delta: leave some for the filter"
            )
        if self.filter is Filter.GAUSSIAN and (self.delta == 0 or self.orders is not None):
            raise PlanError("a Gaussian cap takes a delta above 0 and no Rényi orders")
        _set(self, "observers", _coalition(self.observers))
        _set(self, "orders", _checked_orders(self.orders))

    @property
    def for_filter(self) -> Fraction:
        """What of δ the filter may use."""
        return Fraction(repr(self.delta)) - Fraction(repr(self.approximate_delta))

    def binds(self, observers: Iterable[str]) -> bool:
        """Whether it counts what these observers see."""
        return self.observers is None or not self.observers.isdisjoint(observers)

    def __str__(self) -> str:
        seen = "all observers" if self.observers is None else ", ".join(sorted(self.observers))
        per = f", each {self.period.value}" if self.period else ""
        return f"ε = {self.epsilon:g}, δ = {self.delta:g} ({self.filter.value}; {seen}{per})"


def _set(cap: Cap, name: str, value: object) -> None:
    object.__setattr__(cap, name, value)


def _real(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise PlanError(f"a cap with {name} {value!r}; it takes a finite number")
    return float(value) + 0.0


def _one_of(kind: type[Enum], value: object) -> Enum:
    try:
        return kind(value)
    except ValueError as error:
        known = ", ".join(repr(member.value) for member in kind)
        raise PlanError(f"a cap with {kind.__name__.lower()} {value!r}; known: {known}") from error


def _coalition(observers: Iterable[str] | None) -> frozenset[str] | None:
    if observers is None:
        return None
    if isinstance(observers, str) or not (coalition := frozenset(observers)):
        raise PlanError(
            f"a cap on the observers {observers!r}; name at least one in a set, or leave observers "
            "out to count all of them together"
        )
    return frozenset(check_name(name, "an observer") for name in coalition)


def _checked_orders(orders: Iterable[float] | None) -> tuple[float, ...] | None:
    if orders is None:
        return None
    chosen = tuple(sorted({float(order) for order in orders}))
    if not chosen or not set(chosen) <= set(ORDERS):
        known = ", ".join(f"{order:g}" for order in ORDERS)
        raise PlanError(f"a cap on the Rényi orders {chosen}; choose from {known}")
    return chosen


@dataclass(frozen=True, slots=True)
class Budget:
    """A cap in whole units, rounded down; −1 stands for what it does not use.

    Attributes:
        squared_mu: Limit of Σ μ².
        closeness: Limit of Σ τ, for the Gaussian filter.
        delta: Limit of Σ δ_i.
        renyi: Limit at each of `ORDERS`.
    """

    squared_mu: int
    closeness: int
    delta: int
    renyi: tuple[int, ...]

    def admits(self, total: Cost) -> bool:
        """Whether a total keeps within the budget: its δ, and either μ or some order."""
        if total.delta > self.delta:
            return False
        if total.squared_mu <= self.squared_mu and total.closeness <= self.closeness:
            return True
        return any(spent <= most for spent, most in zip(total.renyi, self.renyi, strict=True))

    def units(self) -> tuple[int, ...]:
        """All numbers in a row, as an entry stores them."""
        return (self.squared_mu, self.closeness, self.delta, *self.renyi)


def budget_of(cap: Cap, mu_of: Callable[[float, float], float]) -> Budget:
    """The whole units that a cap stands for.

    Args:
        cap: The cap.
        mu_of: The largest μ with δ_μ(ε) ≤ δ, rounded down.

    Raises:
        PlanError: If nothing at all fits.
    """
    delta = math.floor(Fraction(repr(cap.approximate_delta)) * DELTA_UNIT)
    if cap.filter is Filter.RENYI:
        return Budget(-1, -1, delta, _renyi_limits(cap))
    epsilon = cap.epsilon - 2 * CLOSENESS
    if epsilon <= 0:
        raise PlanError(
            f"a Gaussian cap of epsilon {cap.epsilon}; it takes more than {2 * CLOSENESS:g}"
        )
    mu = mu_of(epsilon, float(cap.for_filter) * (1 - 2 * CLOSENESS))
    closeness = math.floor(Fraction(repr(CLOSENESS)) * CLOSENESS_UNIT)
    return Budget(limit(mu**2), closeness, delta, (-1,) * len(ORDERS))


def divergence_budget(order: float, epsilon: float, delta: float) -> float:
    """The most divergence at an order that implies (ε, δ)-DP; negative if none does.

    References:
        Canonne, Kamath, Steinke, "The discrete Gaussian for differential privacy" (2020), Prop. 12.
    """
    if math.isinf(order):
        return epsilon
    if delta <= 0:
        return -math.inf
    return epsilon - _conversion(order, delta)


def _conversion(order: float, delta: float) -> float:
    gain = (order - 1) * math.log1p(-1 / order) - math.log(order)
    return (math.log(1 / delta) + gain) / (order - 1)


def _renyi_limits(cap: Cap) -> tuple[int, ...]:
    finite = [order for order in cap.orders or _best_orders(cap) if not math.isinf(order)]
    limits = {math.inf: math.floor(Fraction(repr(cap.epsilon)) * _LAST_DIGITS * UNIT)}
    finite = _sharing(finite, cap)
    for order in finite:
        share = float(cap.for_filter) / len(finite)
        terms = cap.epsilon + abs(math.log(share)) + math.log(order) + order
        limits[order] = limit(divergence_budget(order, cap.epsilon, share), terms=terms)
    if max(limits.values()) <= 0:
        raise PlanError(f"a cap of {cap} holds nothing; raise epsilon or delta")
    return tuple(limits.get(order, -1) for order in ORDERS)


def _sharing(orders: list[float], cap: Cap) -> list[float]:
    """The orders that have a budget. Dropping one that has none only raises the others' shares."""
    while True:
        delta = cap.for_filter
        kept = [
            order
            for order in orders
            if divergence_budget(order, cap.epsilon, float(delta / len(orders))) > 0
        ]
        if len(kept) == len(orders):
            return kept
        orders = kept


def _best_orders(cap: Cap) -> tuple[float, ...]:
    """The order with the largest μ² = 2·B(α)/α, and its neighbours: a rule that sees no data."""
    if cap.for_filter <= 0:
        return ()
    finite, share = ORDERS[:-1], float(cap.for_filter) / (2 * _WINDOW + 1)
    squared = [divergence_budget(order, cap.epsilon, share) / order for order in finite]
    best = squared.index(max(squared))
    return finite[max(0, best - _WINDOW) : best + _WINDOW + 1]
