"""Caps: the most that a dataset may lose, in what an owner declares."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from confide.errors import PlanError
from confide.privacy.ledger.costs import ORDERS, UNBOUNDED, UNIT
from confide.privacy.ledger.names import check_name

__all__ = ["Cap", "Filter", "Period"]


class Filter(Enum):
    """The theorem that a cap rests on."""

    GAUSSIAN = "gaussian"
    RENYI = "renyi"
    ZCDP = "zcdp"


class Period(Enum):
    """How often a cap is reset: with the calendar, in UTC, at the time of the reservation."""

    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, kw_only=True)
class Cap:
    """The most privacy budget that a dataset may spend.

    Attributes:
        epsilon: ε, above 0; 0 for a cap of ρ.
        delta: δ in all, below 1. Zero takes pure ε only, with the Rényi filter. Of a cap of ρ: the
            probability that ρ does not hold, for events with a δ of their own and for mechanisms
            that are as good as Gaussian; 1e-12 is enough for the latter.
        filter: RENYI, the default, counts everything that has a Rényi curve or an (ε, δ). GAUSSIAN
            counts exactly Gaussian events only, and loses nothing on them. ZCDP is that of a cap
            of ρ.
        observers: The coalition that it is about: it counts what any of them observes. None
            counts everything, as if all observers pooled what they see.
        period: None counts for ever. With a month or a year the cap is reset and holds for each
            period separately: what an observer of several periods learns adds up.
        approximate_delta: The part of δ that is set aside for events with a δ of their own. None
            takes a tenth under the Rényi filter, none under the Gaussian one.
        orders: Rényi orders of `ORDERS` that share δ; a single one keeps all of it. Order ∞ is
            always there and shares nothing. None lets the first charge decide how δ is split: see
            `confide.privacy.ledger.filters`.
        rho: ρ, in place of ε: all answers together are ρ-zCDP, except with a probability of δ.

    Raises:
        PlanError: If there can be no such cap.
    """

    epsilon: float = 0.0
    delta: float
    filter: Filter = Filter.RENYI
    observers: frozenset[str] | None = None
    period: Period | None = None
    approximate_delta: float | None = None
    orders: tuple[float, ...] | None = None
    rho: float = 0.0

    def __post_init__(self) -> None:
        _set(self, "filter", _one_of(Filter, self.filter))
        _set(self, "period", None if self.period is None else _one_of(Period, self.period))
        for name in ("epsilon", "delta", "rho"):
            _set(self, name, _real(getattr(self, name), name))
        if self.rho:
            _set(self, "filter", Filter.ZCDP)
        if self.approximate_delta is None:
            own = self.delta / 10 if self.filter is Filter.RENYI and self.orders is None else 0.0
            _set(self, "approximate_delta", own)
        _set(self, "approximate_delta", _real(self.approximate_delta, "approximate_delta"))
        self._check_size()
        self._check_delta()
        _set(self, "observers", _coalition(self.observers))
        _set(self, "orders", _checked_orders(self.orders))

    def _check_size(self) -> None:
        if (self.filter is Filter.ZCDP) != bool(self.rho) or (self.rho and self.epsilon):
            raise PlanError(
                f"a cap of epsilon {self.epsilon:g} and rho {self.rho:g} with the filter "
                f"{self.filter.value!r}; give epsilon, or give rho alone"
            )
        size, name = (self.rho, "rho") if self.rho else (self.epsilon, "epsilon")
        if not 0 < size < UNBOUNDED / UNIT:
            raise PlanError(
                f"a cap of {name} {size}; it is above 0 and below {UNBOUNDED // UNIT:,}"
            )

    def _check_delta(self) -> None:
        if not 0 <= self.delta < 1:
            raise PlanError(f"a cap of delta {self.delta}; it is at least 0 and below 1")
        own = self.own_delta
        if not 0 <= own <= self.delta or own == self.delta > 0:
            raise PlanError(
                f"a cap with approximate_delta {own} of delta {self.delta}; it "
                "is a part of delta: leave some for the filter"
            )
        if self.filter is Filter.GAUSSIAN and (self.delta == 0 or self.orders is not None):
            raise PlanError("a Gaussian cap takes a delta above 0 and no Rényi orders")
        if self.rho and (own or self.orders is not None):
            raise PlanError("a cap of rho has neither approximate_delta nor Rényi orders")

    @property
    def own_delta(self) -> float:
        """The part of δ that is set aside for events with their own δ."""
        return self.approximate_delta or 0.0

    @property
    def for_filter(self) -> Fraction:
        """The part of δ that the filter may use."""
        return Fraction(repr(self.delta)) - Fraction(repr(self.own_delta))

    def binds(self, observers: Iterable[str]) -> bool:
        """Whether it counts what these observers see."""
        return self.observers is None or not self.observers.isdisjoint(observers)

    def __str__(self) -> str:
        seen = "all observers" if self.observers is None else ", ".join(sorted(self.observers))
        per = f", each {self.period.value}" if self.period else ""
        size = f"ρ = {self.rho:g}" if self.rho else f"ε = {self.epsilon:g}"
        return f"{size}, δ = {self.delta:g} ({self.filter.value}; {seen}{per})"


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
