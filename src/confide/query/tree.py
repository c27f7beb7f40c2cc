"""The tree of a query: what SQL and the frame API both make, and all that is analysed and run.

It has two parts. Expressions compute one value of a row. Relations compute rows: a table, its
filtered rows, computed columns, a join, or one row for each person. A `Query` is the root: keys,
aggregates, and what happens to the released answer (`having`, `order`, `limit`).

Everything is a frozen value that carries no data, so that a query can be hashed and compared.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from confide.errors import PlanError

__all__ = [
    "Aggregate",
    "Call",
    "Column",
    "Compute",
    "Expression",
    "Join",
    "Kind",
    "Literal",
    "PerUnit",
    "Query",
    "Relation",
    "Table",
    "Where",
    "as_expression",
    "plain",
]

_LONGEST_TEXT: Final = 1000

Value = int | float | str | bool | dt.date | None


class Kind(Enum):
    """What an expression's values are."""

    NUMBER = "number"
    WHOLE = "whole number"
    TEXT = "text"
    BOOLEAN = "boolean"
    DATE = "date"


class Expression:
    """Computes one value of a row. Operators make larger expressions.

    Example:
        >>> (Column("amount") / 1000 > 5) & Column("approved")
        Call('and', Call('>', Call('/', Column('amount'), Literal(1000)), Literal(5)), Column('approved'))
    """  # noqa: E501 - one line of output

    def __add__(self, other: object) -> Call:
        return Call("+", (self, as_expression(other)))

    def __radd__(self, other: object) -> Call:
        return Call("+", (as_expression(other), self))

    def __sub__(self, other: object) -> Call:
        return Call("-", (self, as_expression(other)))

    def __rsub__(self, other: object) -> Call:
        return Call("-", (as_expression(other), self))

    def __mul__(self, other: object) -> Call:
        return Call("*", (self, as_expression(other)))

    def __rmul__(self, other: object) -> Call:
        return Call("*", (as_expression(other), self))

    def __truediv__(self, other: object) -> Call:
        return Call("/", (self, as_expression(other)))

    def __rtruediv__(self, other: object) -> Call:
        return Call("/", (as_expression(other), self))

    def __neg__(self) -> Call:
        return Call("neg", (self,))

    def __lt__(self, other: object) -> Call:
        return Call("<", (self, as_expression(other)))

    def __le__(self, other: object) -> Call:
        return Call("<=", (self, as_expression(other)))

    def __gt__(self, other: object) -> Call:
        return Call(">", (self, as_expression(other)))

    def __ge__(self, other: object) -> Call:
        return Call(">=", (self, as_expression(other)))

    def __and__(self, other: object) -> Call:
        return Call("and", (self, as_expression(other)))

    def __or__(self, other: object) -> Call:
        return Call("or", (self, as_expression(other)))

    def __invert__(self) -> Call:
        return Call("not", (self,))

    def __bool__(self) -> bool:
        raise PlanError(
            "an expression is neither true nor false before it runs: combine conditions by &, | "
            "and ~, not by and, or and not"
        )

    def equals(self, other: object) -> Call:
        """Whether it equals a value; unknown where either is missing."""
        return Call("=", (self, as_expression(other)))

    def is_in(self, *values: object) -> Call:
        """Whether it is one of some values."""
        return Call("in", (self, *map(as_expression, values)))

    def is_missing(self) -> Call:
        """Whether there is no value."""
        return Call("is_null", (self,))

    def or_else(self, other: object) -> Call:
        """Its value, or another one where it is missing."""
        return Call("coalesce", (self, as_expression(other)))

    def clamp(self, lower: float, upper: float) -> Call:
        """The nearest value within bounds that do not depend on the data."""
        return Call("clamp", (self, as_expression(lower), as_expression(upper)))

    def bin(self, lower: float, upper: float, bins: int) -> Call:
        """The index, from 0, of the bin of equal width that it is in; clamped to the bounds."""
        return Call("bin", (self, *map(as_expression, (lower, upper, bins))))


@dataclass(frozen=True, repr=False)
class Column(Expression):
    """A column's value.

    Attributes:
        name: The column.
        table: The table or alias that it is of; "" where one name is enough.
    """

    name: str
    table: str = ""

    def __repr__(self) -> str:
        return f"Column({'.'.join(filter(None, (self.table, self.name)))!r})"


@dataclass(frozen=True, repr=False)
class Literal(Expression):
    """A constant.

    Attributes:
        value: A number, text, boolean, date, or None for a missing value.
    """

    value: Value

    def __post_init__(self) -> None:
        value = self.value
        if isinstance(value, dt.datetime) or not isinstance(value, Value):
            raise PlanError(
                f"a constant of type {type(value).__name__}; it is a number, text, boolean, date "
                "or None"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise PlanError(f"a constant is {value}; constants are finite")
        if isinstance(value, int) and abs(value) >= 1 << 53:
            raise PlanError("a whole constant of 2^53 or more; doubles do not hold it exactly")
        if isinstance(value, str) and (len(value) > _LONGEST_TEXT or not value.isprintable()):
            raise PlanError(
                f"a text constant of {len(value):,} characters; at most {_LONGEST_TEXT:,}, all "
                "printable"
            )

    def __repr__(self) -> str:
        return f"Literal({self.value!r})"


@dataclass(frozen=True, repr=False)
class Call(Expression):
    """A function of other expressions, from the list in `confide.query.functions`.

    Attributes:
        function: Its name.
        arguments: What it is applied to.
    """

    function: str
    arguments: tuple[Expression, ...]

    def __repr__(self) -> str:
        return f"Call({', '.join([repr(self.function), *map(repr, self.arguments)])})"


@dataclass(frozen=True)
class Aggregate:
    """A number that is computed from all rows of a group.

    Attributes:
        function: `count`, `distinct`, `sum`, `mean`, `variance`, `covariance` or `quantile`; in
            `PerUnit` `count`, `distinct`, `sum`, `min` or `max`.
        arguments: What it is computed from; nothing for the number of rows.
        share: For quantiles: which one, between 0 and 1.
        sample: For variances and covariances: whether to divide by n - 1.
    """

    function: str
    arguments: tuple[Expression, ...] = ()
    share: float = 0.5
    sample: bool = False


Named = tuple[str, Expression]
NamedAggregate = tuple[str, Aggregate]


@dataclass(frozen=True)
class Table:
    """The rows of a declared table.

    Attributes:
        name: The table.
        alias: What its columns are qualified by; its name if "".
    """

    name: str
    alias: str = ""


@dataclass(frozen=True)
class Where:
    """The rows for which a condition is true.

    Attributes:
        source: Where they come from.
        condition: A boolean; rows for which it is unknown are left out.
    """

    source: Relation
    condition: Expression


@dataclass(frozen=True)
class Compute:
    """Computed columns.

    Attributes:
        source: Where they are computed from.
        columns: Their names and expressions.
        keep: Whether other columns stay. A column of the same name is replaced, and with it all
            that was known of it.
        alias: What the columns are qualified by from here on; "" to leave qualifiers alone.
    """

    source: Relation
    columns: tuple[Named, ...]
    keep: bool = True
    alias: str = ""


@dataclass(frozen=True)
class Join:
    """Rows of two relations that agree in some columns.

    Attributes:
        left: One side.
        right: The other.
        on: Pairs of columns, of left and right.
        outer: Whether rows on the left without a partner stay.
    """

    left: Relation
    right: Relation
    on: tuple[tuple[Column, Column], ...]
    outer: bool = False


@dataclass(frozen=True)
class PerUnit:
    """One row for each person, or for each person and values of other keys.

    Attributes:
        source: Where rows come from.
        keys: Names and expressions; among them the column with the person's ID.
        aggregates: Names and aggregates.
        alias: What the columns are qualified by.
    """

    source: Relation
    keys: tuple[Named, ...]
    aggregates: tuple[NamedAggregate, ...]
    alias: str = ""


Relation = Table | Where | Compute | Join | PerUnit


@dataclass(frozen=True)
class Query:
    """Aggregates of groups, released with noise.

    Attributes:
        source: Where rows come from.
        keys: Names and expressions of what rows are grouped by; nothing for one group.
        aggregates: Names and aggregates.
        having: A condition on the released columns; rows for which it fails are left out.
        order: Released columns to sort by, each with whether it falls.
        limit: How many rows to keep after sorting.
    """

    source: Relation
    keys: tuple[Named, ...]
    aggregates: tuple[NamedAggregate, ...]
    having: Expression | None = None
    order: tuple[tuple[str, bool], ...] = ()
    limit: int | None = None

    def __post_init__(self) -> None:
        names = [name for name, _ in (*self.keys, *self.aggregates)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise PlanError(f"column {twice[0]!r} occurs twice in the answer; give it another name")
        if not self.aggregates:
            raise PlanError(
                "a query without an aggregate would release rows; select count(*), sum(…) or "
                "another aggregate"
            )
        unknown = [name for name, _ in self.order if name not in names]
        if unknown:
            raise PlanError(
                f"order by {unknown[0]!r}, which is not in the answer; it has: {', '.join(names)}"
            )
        if self.limit is not None and (type(self.limit) is not int or self.limit < 1):
            raise PlanError(f"limit is {self.limit}; it is a whole number, at least 1")


def as_expression(value: object) -> Expression:
    """An expression as it is; anything else as a constant.

    Raises:
        PlanError: If it is neither.
    """
    if isinstance(value, Expression):
        return value
    return Literal(value)  # type: ignore[arg-type] # it checks


def plain(node: object) -> Any:
    """A tree as lists, texts and whole numbers, for hashing: equal trees have equal forms."""
    if isinstance(node, Literal):
        return ["Literal", type(node.value).__name__, str(node.value)]
    if isinstance(node, tuple):
        return [plain(part) for part in node]
    if isinstance(node, float):
        return repr(node)
    if isinstance(node, Enum):
        return node.value
    if hasattr(node, "__dataclass_fields__"):
        fields = [plain(getattr(node, name)) for name in node.__dataclass_fields__]
        return [type(node).__name__, *fields]
    return node
