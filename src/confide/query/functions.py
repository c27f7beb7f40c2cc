"""The functions that expressions may use: each is total, and says what it does to bounds.

A total function has an answer for every row: what cannot be computed is missing (NULL), never an
error, because an error would reveal that such a row exists. Numbers are doubles; NaN is missing
from the moment a column is read, and infinities are numbers that a clamp brings back. Only
operations that IEEE 754 or whole numbers define to the last bit are here, so that engines agree.

Bounds are those of interval arithmetic over the arguments' bounds, found for the expression that
is there: a column that is computed again has the bounds of its new expression, or none.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from confide.errors import PlanError
from confide.query.dialects import Dialect
from confide.query.tree import Kind, Literal

__all__ = ["MOST_SQL", "SPACED", "Facts", "apply", "clamped", "constant", "number", "spaced"]

MOST_SQL: Final = 1 << 16
"""Longer expressions are refused: some functions write an argument twice."""

_NAN: Final = "CAST('NaN' AS DOUBLE)"
_NUMERIC: Final = (Kind.NUMBER, Kind.WHOLE, Kind.BOOLEAN)
_EXACT: Final = 1 << 52
_LARGEST: Final = 1e99
SPACED: Final = (
    f"bounds are at most {_LARGEST:g} from 0, and apart by a part in 2^40 of that distance"
)
_UNBOUNDED: Final = (-math.inf, math.inf)


@dataclass(frozen=True)
class Facts:
    """What is known of an expression's value, without looking at data.

    Attributes:
        sql: How an engine computes it.
        kind: What it is.
        low: It is at least this, if it is a number and not missing.
        high: It is at most this.
        values: All that it can be, apart from missing; None if that is not public.
        unit: Which of the unit's columns it is an unchanged copy of; None for anything else.
        origin: The column of a private table that it is an unchanged copy of, as `table.column`.
        refers: The column whose rows it names, if it is a link.
        constant: Its value, if it is one.
    """

    sql: str
    kind: Kind
    low: float = -math.inf
    high: float = math.inf
    values: tuple[str | int | bool, ...] | None = None
    unit: int | None = None
    origin: str = ""
    refers: str = ""
    constant: Literal | None = None

    def computed(self, sql: str) -> Facts:
        """The same of a value that is computed, and so is no copy of a column."""
        return replace(self, sql=sql, unit=None, origin="", refers="", constant=None)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The interval, if both ends are finite."""
        return (self.low, self.high) if math.isfinite(self.low + self.high) else None


Arguments = Sequence[Facts]


def number(facts: Facts, function: str) -> str:
    """SQL of a numeric argument as a double.

    Raises:
        PlanError: If it is not numeric.
    """
    if facts.kind not in _NUMERIC:
        raise PlanError(f"{function} of a {facts.kind.value}; it takes numbers")
    return facts.sql if facts.kind is Kind.NUMBER else f"CAST({facts.sql} AS DOUBLE)"


def constant(literal: Literal, dialect: Dialect) -> Facts:
    """What is known of a constant."""
    value = literal.value
    if value is None:
        return Facts("NULL", Kind.TEXT, values=(), constant=literal)
    if isinstance(value, bool):
        return Facts(str(value).upper(), Kind.BOOLEAN, float(value), float(value), (value,),
                     constant=literal)  # fmt: skip
    if isinstance(value, int):
        return Facts(f"CAST({value} AS BIGINT)", Kind.WHOLE, value, value, (value,),
                     constant=literal)  # fmt: skip
    if isinstance(value, float):
        return Facts(_double(value), Kind.NUMBER, value, value, constant=literal)
    if isinstance(value, str):
        return Facts(dialect.text(value), Kind.TEXT, values=(value,), constant=literal)
    return Facts(f"DATE '{value.isoformat()}'", Kind.DATE, constant=literal)


def apply(function: str, arguments: Arguments, dialect: Dialect) -> Facts:
    """What is known of a function of arguments.

    Raises:
        PlanError: If there is no such function, or it does not take these arguments.
    """
    known = _FUNCTIONS.get(function)
    if known is None:
        raise PlanError(
            f"function {function!r} is not one that a private query may use; there are: "
            f"{', '.join(sorted(_FUNCTIONS))}"
        )
    least, most, make = known
    if not least <= len(arguments) <= most:
        raise PlanError(f"{function} takes {least} arguments; {len(arguments)} are given")
    found = make(function, arguments, dialect)
    if len(found.sql) > MOST_SQL:
        raise PlanError("an expression nests too deep; compute parts of it in a subquery")
    return found.computed(found.sql)


def _double(value: float) -> str:
    return f"CAST('{value!r}' AS DOUBLE)"


def _arithmetic(function: str, given: Arguments, _: Dialect) -> Facts:
    a, b = (number(each, function) for each in given)
    divisor = f"nullif({b}, {_double(0.0)})" if function == "/" else b
    sql = f"nullif(({a}) {function} ({divisor}), {_NAN})"
    return Facts(sql, Kind.NUMBER, *_interval(function, *given))


def _interval(function: str, a: Facts, b: Facts) -> tuple[float, float]:
    """The interval of the result, widened by a step for the rounding of its ends."""
    if a.bounds is None or b.bounds is None:
        return _UNBOUNDED
    if function == "/":
        # Near zero the quotient has no bound.
        if b.low <= 0 <= b.high:
            return _UNBOUNDED
        corners = [x / y for x in a.bounds for y in b.bounds]
    elif function == "*":
        corners = [x * y for x in a.bounds for y in b.bounds]
    elif function == "+":
        corners = [a.low + b.low, a.high + b.high]
    else:
        corners = [a.low - b.high, a.high - b.low]
    return math.nextafter(min(corners), -math.inf), math.nextafter(max(corners), math.inf)


def _negated(function: str, given: Arguments, _: Dialect) -> Facts:
    (a,) = given
    return Facts(f"(-({number(a, function)}))", Kind.NUMBER, -a.high, -a.low)


def _absolute(function: str, given: Arguments, _: Dialect) -> Facts:
    (a,) = given
    low = max(0.0, a.low, -a.high)
    return Facts(f"abs({number(a, function)})", Kind.NUMBER, low, max(abs(a.low), abs(a.high)))


def _rounded(function: str, given: Arguments, _: Dialect) -> Facts:
    (a,) = given
    sql = number(a, function)
    whole = f"CAST({function}({sql}) AS DOUBLE)"
    up = function == "ceil"
    low, high = (
        (math.ceil if up else math.floor)(end) if math.isfinite(end) else end
        for end in (a.low, a.high)
    )
    # Larger doubles are whole already, and may not fit 64 bits.
    return Facts(
        f"CASE WHEN abs({sql}) < {_EXACT} THEN {whole} ELSE {sql} END", Kind.NUMBER, low, high
    )


def _ends(function: str, low: Facts, high: Facts) -> tuple[float, float]:
    ends = [each.constant.value if each.constant is not None else None for each in (low, high)]
    if not all(type(end) in (int, float) for end in ends):
        raise PlanError(f"{function} takes constants as bounds: they must not depend on the data")
    least, most = (float(end) for end in ends if isinstance(end, int | float))
    if not least < most:
        raise PlanError(f"{function} from {least:g} to {most:g}; the lower bound is the smaller")
    if not spaced(least, most):
        raise PlanError(f"{function} from {least:g} to {most:g}; {SPACED}")
    return least, most


def spaced(low: float, high: float) -> bool:
    """Whether bounds are far enough from each other, and near enough to 0, to compute with."""
    return max(abs(low), abs(high)) <= _LARGEST and high - low >= max(
        1 / _LARGEST, max(abs(low), abs(high)) * 2.0**-40
    )


def clamped(sql: str, low: float, high: float) -> str:
    """SQL of a value within bounds; missing if it is missing."""
    return (
        f"CASE WHEN {sql} IS NOT NULL THEN least(greatest({sql}, {_double(low)}), "
        f"{_double(high)}) END"
    )


def _clamp(function: str, given: Arguments, _: Dialect) -> Facts:
    low, high = _ends(function, *given[1:])
    sql = clamped(number(given[0], function), low, high)
    within = min(max(given[0].low, low), high), max(min(given[0].high, high), low)
    return Facts(sql, Kind.NUMBER, *within)


def _bin(function: str, given: Arguments, dialect: Dialect) -> Facts:
    low, high = _ends(function, *given[1:3])
    bins = given[3].constant.value if given[3].constant is not None else None
    if type(bins) is not int or not 1 <= bins <= 10_000:
        raise PlanError("bin takes a constant number of bins, from 1 to 10,000")
    width = (high - low) / bins
    within = clamped(number(given[0], function), low, high)
    index = dialect.floor(f"({within} - {_double(low)}) / {_double(width)}")
    sql = f"CASE WHEN {index} >= {bins} THEN {bins - 1} ELSE {index} END"
    return Facts(f"CAST({sql} AS BIGINT)", Kind.WHOLE, 0, bins - 1, tuple(range(bins)))


def _comparison(function: str, given: Arguments, _: Dialect) -> Facts:
    a, b = _alike(function, given)
    return Facts(f"(({a}) {function} ({b}))", Kind.BOOLEAN, 0, 1, (False, True))


def _alike(function: str, given: Arguments) -> list[str]:
    """SQL of arguments that can be compared: numbers as doubles, texts next to dates as dates."""
    kinds = {each.kind for each in given if each.sql != "NULL"}
    if kinds <= set(_NUMERIC) and kinds != {Kind.BOOLEAN}:
        return [each.sql if each.sql == "NULL" else number(each, function) for each in given]
    if kinds == {Kind.TEXT, Kind.DATE}:
        return [each.sql if each.kind is Kind.DATE else _date(each) for each in given]
    if len(kinds) > 1:
        raise PlanError(
            f"{function} of a {' and a '.join(sorted(each.value for each in kinds))}; it takes "
            "values of one kind"
        )
    return [each.sql for each in given]


def _date(facts: Facts) -> str:
    value = facts.constant.value if facts.constant is not None else None
    try:
        return f"DATE '{dt.date.fromisoformat(str(value)).isoformat()}'"
    except ValueError:
        raise PlanError("a date is compared with a text that is not a date like 2020-12-31") from (
            None
        )


def _logical(function: str, given: Arguments, _: Dialect) -> Facts:
    if any(each.kind is not Kind.BOOLEAN for each in given):
        raise PlanError(f"{function} takes conditions, such as amount > 10")
    joined = f" {function.upper()} ".join(f"({each.sql})" for each in given)
    sql = f"(NOT {joined})" if function == "not" else f"({joined})"
    return Facts(sql, Kind.BOOLEAN, 0, 1, (False, True))


def _is_null(_: str, given: Arguments, __: Dialect) -> Facts:
    return Facts(f"(({given[0].sql}) IS NULL)", Kind.BOOLEAN, 0, 1, (False, True))


def _in(function: str, given: Arguments, _: Dialect) -> Facts:
    value, *listed = _alike(function, given)
    return Facts(f"(({value}) IN ({', '.join(listed)}))", Kind.BOOLEAN, 0, 1, (False, True))


def _one_of(results: Sequence[Facts]) -> tuple[list[str], Facts]:
    """The SQL and the joint facts of results of which one is taken."""
    sqls = _alike("a choice", results)
    some = [each for each in results if each.sql != "NULL"]
    if not some:
        raise PlanError("a choice of missing values alone; give one result that is a value")
    kinds = {each.kind for each in some}
    dates = kinds == {Kind.TEXT, Kind.DATE}
    kind = kinds.pop() if len(kinds) == 1 else Kind.DATE if dates else Kind.NUMBER
    if kind is Kind.WHOLE:
        sqls = [each.sql for each in results]
    values: tuple[str | int | bool, ...] | None = None
    if kind in (Kind.TEXT, Kind.WHOLE, Kind.BOOLEAN) and all(r.values is not None for r in some):
        values = tuple(dict.fromkeys(v for each in some for v in each.values or ()))
    low, high = min(each.low for each in some), max(each.high for each in some)
    return sqls, Facts("", kind, low, high, values)


def _if(_: str, given: Arguments, __: Dialect) -> Facts:
    condition, *results = given
    if condition.kind is not Kind.BOOLEAN:
        raise PlanError("if takes a condition first, such as amount > 10")
    (then, other), joint = _one_of(results)
    sql = f"CASE WHEN {condition.sql} THEN {then} ELSE {other} END"
    return replace(joint, sql=sql)


def _coalesce(_: str, given: Arguments, __: Dialect) -> Facts:
    sqls, joint = _one_of(given)
    return replace(joint, sql=f"coalesce({', '.join(sqls)})")


def _extreme(function: str, given: Arguments, _: Dialect) -> Facts:
    sqls = [number(each, function) for each in given]
    present = " AND ".join(f"({sql}) IS NOT NULL" for sql in sqls)
    choose = max if function == "greatest" else min
    ends = choose(each.low for each in given), choose(each.high for each in given)
    sql = f"CASE WHEN {present} THEN {function}({', '.join(sqls)}) END"
    return Facts(sql, Kind.NUMBER, *ends)


def _of_date(function: str, given: Arguments, _: Dialect) -> Facts:
    if given[0].kind is not Kind.DATE:
        raise PlanError(f"{function} of a {given[0].kind.value}; it takes a date")
    most = {"month": 12, "day": 31}.get(function)
    sql = f"CAST({function}({given[0].sql}) AS BIGINT)"
    if most is None:
        return Facts(sql, Kind.WHOLE)
    return Facts(sql, Kind.WHOLE, 1, most, tuple(range(1, most + 1)))


_Function = Callable[[str, Arguments, Dialect], Facts]
_MANY: Final = 10_000
_FUNCTIONS: Final[dict[str, tuple[int, int, _Function]]] = {
    **dict.fromkeys("+-*/", (2, 2, _arithmetic)),
    **dict.fromkeys(("=", "<>", "<", "<=", ">", ">="), (2, 2, _comparison)),
    **dict.fromkeys(("and", "or"), (2, 2, _logical)),
    **dict.fromkeys(("floor", "ceil"), (1, 1, _rounded)),
    **dict.fromkeys(("least", "greatest"), (2, 20, _extreme)),
    **dict.fromkeys(("year", "month", "day"), (1, 1, _of_date)),
    "abs": (1, 1, _absolute),
    "bin": (4, 4, _bin),
    "clamp": (3, 3, _clamp),
    "coalesce": (2, 20, _coalesce),
    "if": (3, 3, _if),
    "in": (2, _MANY, _in),
    "is_null": (1, 1, _is_null),
    "neg": (1, 1, _negated),
    "not": (1, 1, _logical),
}
