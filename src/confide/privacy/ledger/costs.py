"""What one charge costs, in whole numbers: rounded up once, then only added.

A charge is a vector: μ², ρ, the Rényi divergence at each of `ORDERS`, what its bound leaves out,
and one pair (δ, ε) that all its runs together keep. Whole numbers add without drift and in any
order, so a sum is the same on every machine.

Units are decimal, 10^-12 for divergences and 10^-18 for probabilities, because a real number here
means its shortest decimal text: 0.1 and 0.9 add up to 1, and fit a cap of 1.

References:
    Mironov, "Rényi differential privacy" (CSF 2017), Proposition 11 (the weak triangle inequality).
    Bun, Steinke, "Concentrated differential privacy" (TCC 2016), Propositions 1.4 and 1.9.
    van Erven, Harremoës, "Rényi divergence and Kullback-Leibler divergence" (2014), Theorem 3 and
    Corollary 2 (what lies between two orders).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Protocol

from confide.errors import DataError, PlanError
from confide.plan import Relation

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = [
    "CLOSENESS_UNIT",
    "DELTA_UNIT",
    "FIRST_ORDERS",
    "N_UNITS",
    "ORDERS",
    "UNBOUNDED",
    "UNIT",
    "Accountant",
    "Cost",
    "cost_of",
    "limit",
    "pair_of",
    "rounded_up",
]

ORDERS: Final[tuple[float, ...]] = (
    1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0, 3.25, 3.5, 3.75, 4.0, 4.25, 4.5, 4.75, 5.0, 5.5,
    6.0, 6.5, 7.0, 7.5, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 18.0, 20.0, 22.0, 24.0,
    27.0, 30.0, 32.0, 36.0, 40.0, 44.0, 48.0, 56.0, 64.0, 80.0, 96.0, 128.0, 192.0, 256.0, 512.0,
    math.inf,
)  # fmt: skip
"""The Rényi orders of every charge, fixed for a ledger's format. Order ∞ is pure ε."""

FIRST_ORDERS: Final[tuple[float, ...]] = (
    1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0, 128.0, 256.0, 512.0, math.inf,
)  # fmt: skip
"""Those of the first two formats, and of what is said of the losses so far: part of `ORDERS`."""

UNIT: Final = 10**12
"""Units of μ² and of a Rényi divergence in one nat."""

DELTA_UNIT: Final = 10**18
"""Units in the probability one."""

CLOSENESS_UNIT: Final = 10**18
"""Units of closeness in one nat."""

UNBOUNDED: Final = 2**62
"""The cost of what a filter cannot count: more than any budget, and still a sum like any other."""

_FEW_ROUNDINGS: Final = Fraction(1, 2**46)

_SLACK: Final = Fraction(1, 2**30)
"""Relative error granted to what was computed in floating point, always against the spender."""


class Accountant(Protocol):
    """What the ledger needs of an accounting: `confide.privacy.accounting`, or a test's."""

    def plain(self, event: DpEvent) -> object:
        """The event as what deterministic CBOR holds; equal events give equal values."""

    def event(self, plain: object) -> DpEvent:
        """Reads back what `plain` gave."""

    def gaussian_mu(self, event: DpEvent) -> float | None:
        """μ if the event is exactly μ-Gaussian-DP between neighbours, else None."""

    def rho(self, event: DpEvent) -> float | None:
        """ρ if the event is ρ-zCDP between neighbours and that is known, else None."""

    def epsilon(
        self, event: DpEvent, delta: float, relation: Relation, *, count: int, distance: int
    ) -> float:
        """ε at δ of `count` runs, composed as exactly as possible, rounded up; ∞ if there is none.

        It holds between data sets that lie `distance` neighbours apart.
        """

    def pure_epsilon(self, event: DpEvent) -> Fraction | None:
        """ε, or more by its last place, if the event is ε-DP and that is known, else None."""

    def mu_of(self, epsilon: float, delta: float) -> float:
        """The largest μ such that μ-Gaussian-DP implies (ε, δ)-DP, rounded down."""

    def rdp_curve(
        self, event: DpEvent, orders: Sequence[float], relation: Relation
    ) -> Sequence[float]:
        """Upper bounds on the Rényi divergence between neighbours at finite orders; may be ∞."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What charges cost together, in whole units.

    Attributes:
        squared_mu: Σ μ², in `UNIT`; at least `UNBOUNDED` if one is not exactly Gaussian.
        rho: Σ ρ, in `UNIT`; at least `UNBOUNDED` if one is not known to be ρ-zCDP.
        closeness: Σ d·τ, in `CLOSENESS_UNIT`: how far, in nats of the likelihood ratio, the
            mechanisms lie from those that μ² and ρ are about.
        delta: Σ δ, in `DELTA_UNIT`: the probability that the other numbers do not hold.
        whole_delta: δ of the pair (δ, ε) that each charge keeps as a whole, added up.
        whole_epsilon: ε of these pairs, added up, in `UNIT`.
        renyi: Σ of the divergences at each of `ORDERS`, in `UNIT`, closeness included.
    """

    squared_mu: int = 0
    rho: int = 0
    closeness: int = 0
    delta: int = 0
    whole_delta: int = 0
    whole_epsilon: int = 0
    renyi: tuple[int, ...] = (0,) * len(ORDERS)

    def __add__(self, other: Cost) -> Cost:
        return _cost(a + b for a, b in zip(self.units(), other.units(), strict=True))

    def __sub__(self, other: Cost) -> Cost:
        return _cost(a - b for a, b in zip(self.units(), other.units(), strict=True))

    def __bool__(self) -> bool:
        return any(self.units())

    def with_pair(self, delta: int, epsilon: int) -> Cost:
        """This cost of a whole charge, with another pair that the charge keeps too."""
        return replace(self, whole_delta=delta, whole_epsilon=epsilon)

    def __mul__(self, count: int) -> Cost:
        return _cost(unit * count for unit in self.units())

    def units(self) -> tuple[int, ...]:
        """All numbers in a row, as an entry stores them."""
        first = self.squared_mu, self.rho, self.closeness, self.delta
        return (*first, self.whole_delta, self.whole_epsilon, *self.renyi)

    @classmethod
    def of_units(cls, units: Sequence[int]) -> Cost:
        """Reads back `units`.

        Raises:
            DataError: If there are more or fewer, or one is negative or above `UNBOUNDED`.
        """
        _check_units(units, N_UNITS)
        return _cost(units)

    @classmethod
    def of_total(cls, units: Iterable[int]) -> Cost:
        """Reads back `units` of a sum, which may be more than one charge can cost."""
        return _cost(units)

    @classmethod
    def of_first_units(cls, units: Sequence[int]) -> Cost:
        """Reads what the first two formats wrote of one run, and bounds the rest from above.

        Between two orders a < α < b the divergence is at most that at b, and (α − 1)·D_α is convex,
        so at most the line between (a − 1)·D_a and (b − 1)·D_b.

        Raises:
            DataError: If there are more or fewer, or one is negative or above `UNBOUNDED`.
        """
        _check_units(units, 3 + len(FIRST_ORDERS))
        squared_mu, closeness, delta, *renyi = units
        known = dict(zip(FIRST_ORDERS, renyi, strict=True))
        pure, rho = renyi[-1], UNBOUNDED
        if squared_mu < UNBOUNDED:
            rho = -(-squared_mu // 2)
        elif pure < UNBOUNDED:
            rho = _up(Fraction(pure) ** 2 / (2 * UNIT))
        return cls(
            squared_mu, rho, closeness, delta, delta, pure,
            tuple(_between(known, order) for order in ORDERS),
        )  # fmt: skip

    @classmethod
    def highest(cls, costs: Iterable[Cost]) -> Cost:
        """The largest of each number, which dominates all of these costs."""
        rows = [Cost().units(), *(cost.units() for cost in costs)]
        return _cost(max(column) for column in zip(*rows, strict=True))


N_UNITS: Final = 6 + len(ORDERS)
"""How many numbers `Cost.units` has."""


def _cost(units: Iterable[int]) -> Cost:
    squared_mu, rho, closeness, delta, whole_delta, whole_epsilon, *renyi = units
    first = squared_mu, rho, closeness, delta, whole_delta, whole_epsilon
    return Cost(*first, tuple(renyi))


def _check_units(units: Sequence[int], count: int) -> None:
    if len(units) != count or not all(0 <= unit <= UNBOUNDED for unit in units):
        raise DataError(
            f"a cost of {len(units)} units {list(units)}; {count} from 0 to {UNBOUNDED} are needed"
        )


def _between(known: dict[float, int], order: float) -> int:
    if order in known:
        return known[order]
    above = min(other for other in known if other > order)
    below = max((other for other in known if other < order), default=None)
    if below is None or known[above] >= UNBOUNDED:
        return known[above]
    a, b, at = Fraction(below), Fraction(above), Fraction(order)
    line = (b - at) * (a - 1) * known[below] + (at - a) * (b - 1) * known[above]
    return min(known[above], math.ceil(line / ((b - a) * (at - 1))))


def cost_of(
    accountant: Accountant,
    event: DpEvent,
    relation: Relation,
    *,
    distance: int = 1,
    delta: float = 0.0,
    closeness: float = 0.0,
) -> Cost:
    """What one run of an event costs two data sets that lie `distance` neighbours apart.

    A Gaussian of μ is one of d·μ at distance d, and pure ε becomes d·ε. For any other event the
    weak triangle inequality doubles the distance, for α > 1 and with D at twice the distance on the
    left (Mironov 2017, Proposition 11):

        D_α ≤ (α − 1/2)/(α − 1) · D_2α + D_(2α−1).

    If the mechanism's likelihoods lie within e^±τ of those that the event is about, at both data
    sets, D_α grows by τ·(2α − 1)/(α − 1), and by 2τ at ∞. It is charged d times, so that the
    highest cost at distance 2 also covers one change in each of two cells of a partition.

    Args:
        accountant: Knows events.
        event: What is run once.
        relation: The neighbouring relation of its accounting.
        distance: 1, 2 or 4.
        delta: The probability that the event does not describe what is run; at distance 1 only.
        closeness: τ, in nats.

    Raises:
        PlanError: If the event is unknown, or a number is negative, not finite or too large.
    """
    _check(event, distance, delta, closeness)
    mu = accountant.gaussian_mu(event)
    orders = ORDERS[:-1]
    if mu is not None:
        curve = [order * (distance * mu) ** 2 / 2 for order in orders]
    else:
        curve = _apart(accountant, event, relation, orders, distance)
    tau = distance * Fraction(repr(closeness))
    shifts = [tau * Fraction((2 * order - 1) / (order - 1)) for order in orders]
    pure = accountant.pure_epsilon(event)
    at_infinity = UNBOUNDED if pure is None else _up((distance * pure + 2 * tau) * UNIT)
    rho = accountant.rho(event)
    lacking = _up(Fraction(repr(delta)) * DELTA_UNIT)
    return Cost(
        squared_mu=UNBOUNDED if mu is None else _digits_up((distance * mu) ** 2),
        rho=UNBOUNDED if rho is None else _digits_up(distance**2 * rho),
        closeness=_up(tau * CLOSENESS_UNIT),
        delta=lacking,
        whole_delta=lacking,
        whole_epsilon=at_infinity,
        renyi=(*map(rounded_up, curve, shifts), at_infinity),
    )


def pair_of(
    accountant: Accountant,
    event: DpEvent,
    relation: Relation,
    share: int,
    *,
    count: int,
    distance: int = 1,
    delta: float = 0.0,
    closeness: float = 0.0,
) -> int:
    """ε, in `UNIT`, that all runs of a charge keep together at a δ.

    With τ between the likelihoods of the mechanisms and those of the events, all of them together,
    δ(ε) ≤ e^τ·δ_event(ε − 2τ).

    Args:
        accountant: Knows events.
        event: What is run.
        relation: The neighbouring relation of its accounting.
        share: δ, in `DELTA_UNIT`, what the runs' own δ take of it included.
        count: How many runs.
        distance: How many neighbours lie between the data sets.
        delta: Of each run: the probability that the event does not describe it.
        closeness: Of each run, in nats.

    Returns:
        `UNBOUNDED` if there is no such ε.
    """
    lacking = count * Fraction(repr(delta))
    tau = float(distance * count * Fraction(repr(closeness)))
    left = float(Fraction(share, DELTA_UNIT) - lacking) * math.exp(-tau) * (1 - 2.0**-50)
    if not 0 < left < 1:
        return UNBOUNDED
    epsilon = accountant.epsilon(event, left, relation, count=count, distance=distance)
    if not math.isfinite(epsilon):
        return UNBOUNDED
    return _up((Fraction(epsilon) + 2 * Fraction(tau)) * UNIT)


def _digits_up(value: float) -> int:
    """A closed form in whole units: it contains only a few roundings of floats."""
    if math.isnan(value) or value < 0:
        raise PlanError(f"a Rényi divergence or μ² of {value}; it is a number of at least 0")
    return UNBOUNDED if math.isinf(value) else _up(Fraction(value) * (1 + _FEW_ROUNDINGS) * UNIT)


def _check(event: DpEvent, distance: int, delta: float, closeness: float) -> None:
    if distance not in (1, 2, 4):
        raise PlanError(f"a distance of {distance} neighbours; at most 4 can be charged")
    if not 0 <= delta < 1 or not 0 <= closeness < 1:
        raise PlanError(
            f"{type(event).__name__} with delta {delta} and closeness {closeness}; both are at "
            "least 0 and below 1"
        )
    if delta and distance > 1:
        raise PlanError(
            f"{type(event).__name__} with delta {delta}, charged where data sets lie {distance} "
            "neighbours apart; an event with a δ of its own is charged to data sets with its own "
            "unit and relation only"
        )


def _apart(
    accountant: Accountant,
    event: DpEvent,
    relation: Relation,
    orders: Sequence[float],
    distance: int,
) -> list[float]:
    if distance == 1:
        return list(accountant.rdp_curve(event, orders, relation))
    doubled = [2 * order for order in orders] + [2 * order - 1 for order in orders]
    nearer = _apart(accountant, event, relation, doubled, distance // 2)
    left, right = nearer[: len(orders)], nearer[len(orders) :]
    return [
        (order - 0.5) / (order - 1) * first + second
        for order, first, second in zip(orders, left, right, strict=True)
    ]


def rounded_up(value: float, exactly: Fraction = Fraction(0)) -> int:
    """A divergence computed in floating point, in whole units, never below the true one.

    Args:
        value: In nats; ∞ is what no filter can count.
        exactly: What is added to it without an error of its own.

    Raises:
        PlanError: If it is negative or no number.
    """
    if math.isnan(value) or value < 0:
        raise PlanError(f"a Rényi divergence or μ² of {value}; it is a number of at least 0")
    if math.isinf(value):
        return UNBOUNDED
    return _up((Fraction(value) * (1 + _SLACK) + exactly * (1 + _SLACK)) * UNIT)


def limit(value: float, *, terms: float = 0.0) -> int:
    """A budget computed in floating point, in whole units, never above the true one; −1 if none.

    Args:
        value: In nats.
        terms: The size of what it was computed from, if cancellation may have lost digits.
    """
    true = Fraction(value) - _SLACK * Fraction(max(abs(value), terms))
    return min(math.floor(true * UNIT), UNBOUNDED - 1) if true > 0 else -1


def _up(units: Fraction) -> int:
    return min(math.ceil(units), UNBOUNDED)
