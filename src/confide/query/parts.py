"""Aggregates as sums of whole numbers: what an engine computes exactly, and noise is added to.

Every aggregate is made of a few *parts*. A row adds a whole number to each part, at most `most` in
absolute value, so one unit's rows move a part by at most `most` times what `Contribution` allows.
Parts that several aggregates share are computed, and paid for, once.

| aggregate | parts, with u = (x - middle)/half, from -1 to 1 |
|---|---|
| count | Σ 1 |
| distinct | the number of different values: a row adds one at most |
| sum | Σ x |
| mean | Σ u, and the count of rows where x is not missing |
| variance | Σ (2u² - 1), Σ u, count |
| covariance | Σ u·v, Σ u, Σ v, count |
| quantile | counts of dyadic intervals of a grid: a row adds one on each level |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from confide.errors import PlanError
from confide.query.functions import SPACED, Facts, clamped, number, spaced
from confide.query.tree import Aggregate, Kind

__all__ = ["LEVELS", "Output", "Part", "parts_of"]

LEVELS: Final = 10
"""Quantiles are found on a grid of 2^10 cells."""


@dataclass(frozen=True)
class Part:
    """One sum that a release adds noise to.

    Attributes:
        kind: `count`, `sum`, `unit` (a number from -1 to 1), `distinct`, `levels`, or `units` (the
            number of units).
        sql: For `count` a condition ("" for all rows); for `sum` and `unit` a double, missing or
            within the bounds; for `distinct` the value; for `levels` a double from 0 to 1.
        most: How far one row moves it, in the answer's units.
        value_kind: For `distinct`: what the value is.
    """

    kind: str
    sql: str = ""
    most: float = 1.0
    value_kind: Kind = Kind.WHOLE

    @property
    def counts(self) -> bool:
        """Whether a row adds one or nothing."""
        return self.kind not in ("sum", "unit")


@dataclass(frozen=True)
class Output:
    """One column of an answer, and the parts that it is computed from.

    Attributes:
        name: The column.
        function: The aggregate.
        parts: Which parts, by their place in the query.
        middle: Of each argument: the middle of its bounds.
        half: Of each argument: half their width.
        share: For a quantile.
        sample: Whether to divide by n - 1.
    """

    name: str
    function: str
    parts: tuple[int, ...]
    middle: tuple[float, ...] = ()
    half: tuple[float, ...] = ()
    share: float = 0.5
    sample: bool = False


def parts_of(name: str, aggregate: Aggregate, given: list[Facts], known: list[Part]) -> Output:
    """An aggregate's output; parts that are new are appended to `known`.

    Raises:
        PlanError: If an argument has no bounds, or the wrong kind.
    """
    function = aggregate.function
    arguments = {"covariance": (2, 2), "count": (0, 1)}.get(function, (1, 1))
    if not arguments[0] <= len(given) <= arguments[1]:
        raise PlanError(f"{function} takes {arguments[1]} arguments; {len(given)} are given")
    if function == "count":
        condition = f"({given[0].sql}) IS NOT NULL" if given else ""
        return Output(name, function, (_place(Part("count", condition), known),))
    if function == "distinct":
        return Output(name, function, (_place(_distinct(given[0]), known),))
    if function not in ("sum", "mean", "variance", "covariance", "quantile"):
        raise PlanError(
            f"{function} is not an aggregate with noise; there are count, sum, mean, variance, "
            "covariance, quantile"
        )
    bounds = [_bounds(function, each) for each in given]
    middle = tuple(low + (high - low) / 2 for low, high in bounds)
    half = tuple((high - low) / 2 for low, high in bounds)
    if function == "sum":
        (low, high) = bounds[0]
        value = clamped(number(given[0], function), low, high)
        part = Part("sum", value, max(abs(low), abs(high)))
        return Output(name, function, (_place(part, known),))
    if function == "quantile":
        (low, high) = bounds[0]
        value = f"({clamped(number(given[0], function), low, high)} - {_real(low)}) / "
        part = Part("levels", value + _real(high - low))
        return Output(name, function, (_place(part, known),), middle, half, aggregate.share)
    found = [_place(part, known) for part in _moments(function, given, bounds)]
    return Output(name, function, tuple(found), middle, half, sample=aggregate.sample)


def _moments(
    function: str, given: list[Facts], bounds: list[tuple[float, float]]
) -> tuple[Part, ...]:
    scaled = []
    for facts, (low, high) in zip(given, bounds, strict=True):
        value = clamped(number(facts, function), low, high)
        half, middle = (high - low) / 2, low + (high - low) / 2
        scaled.append(f"(({value} - {_real(middle)}) / {_real(half)})")
    u, v = scaled[0], scaled[-1]
    if function == "covariance":
        # Only rows that have both count.
        both = f"({u}) IS NOT NULL AND ({v}) IS NOT NULL"
        u, v = (f"CASE WHEN {both} THEN {each} END" for each in (u, v))
        product = f"(({u}) * ({v}))"
        return Part("unit", product), Part("unit", u), Part("unit", v), Part("count", both)
    counted = Part("count", f"({given[0].sql}) IS NOT NULL")
    if function == "mean":
        return Part("unit", u), counted
    return Part("unit", f"(2 * {u} * {u} - 1)"), Part("unit", u), counted


def _distinct(facts: Facts) -> Part:
    if facts.unit == 0:
        # Each unit counts once in each group that it is in.
        return Part("units")
    if facts.kind not in (Kind.TEXT, Kind.WHOLE, Kind.BOOLEAN):
        raise PlanError(
            f"a distinct count of a {facts.kind.value}; it counts texts, whole numbers or booleans"
        )
    return Part("distinct", facts.sql, value_kind=facts.kind)


def _bounds(function: str, facts: Facts) -> tuple[float, float]:
    number(facts, function)
    if facts.bounds is None:
        raise PlanError(
            f"{function} of an expression without bounds: one row could move it without limit. "
            f"Write {function}(clamp(…, low, high)), or declare the column's bounds; they must not "
            "depend on the data"
        )
    if not facts.low < facts.high:
        raise PlanError(f"{function} of a constant; it is known without the data")
    if not spaced(facts.low, facts.high):
        raise PlanError(f"{function} of values from {facts.low:g} to {facts.high:g}; {SPACED}")
    return facts.low, facts.high


def _place(part: Part, known: list[Part]) -> int:
    if part not in known:
        known.append(part)
    return known.index(part)


def _real(value: float) -> str:
    return f"CAST('{value!r}' AS DOUBLE)"
