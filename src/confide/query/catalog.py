"""Declarations of tables: whose data their rows are, and what is public about their columns.

Nothing here is found from private data. Bounds are enforced by clamping and values by dropping
rows with others, so a wrong declaration costs accuracy and never privacy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from confide.errors import DataError, PlanError
from confide.numbers import check_real, check_whole, shown
from confide.plan import Unit
from confide.plan.codec import nearest_column
from confide.query.tree import Kind

__all__ = [
    "Catalog",
    "Contribution",
    "Declared",
    "Field",
    "Linked",
    "Organisation",
    "Person",
    "PersonDay",
    "PrivacyUnit",
    "PublicTable",
    "Rows",
]

_MOST = 1_000_000
_LARGEST = 1e15
RESERVED = "confide_"
"""Names that begin so are the compiler's own."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """What a column holds.

    Attributes:
        kind: Numbers, whole numbers, texts, booleans or dates. A value that cannot be read as one
            is missing.
        bounds: The least and the largest value of a number; others are clamped when summed.
        values: All values, if they are public: grouping by the column then emits each of them.

    Raises:
        PlanError: If bounds or values do not fit the kind.
    """

    kind: Kind
    bounds: tuple[float, float] | None = None
    values: tuple[str | int, ...] | None = None

    def __post_init__(self) -> None:
        if self.bounds is not None:
            if self.kind not in (Kind.NUMBER, Kind.WHOLE):
                raise PlanError(f"bounds of a {self.kind.value}; only numbers have bounds")
            low, high = (
                check_real(name, value, least=-_LARGEST, most=_LARGEST,
                           limit=f"a bound is a number from -{_LARGEST:g} to {_LARGEST:g}")
                for name, value in zip(("the lower bound", "the upper bound"), self.bounds,
                                       strict=True)
            )  # fmt: skip
            if not low < high:
                raise PlanError(f"bounds from {low:g} to {high:g}; the lower is below the upper")
            object.__setattr__(self, "bounds", (low, high))
        if self.values is not None:
            wanted = {Kind.TEXT: str, Kind.WHOLE: int}.get(self.kind)
            if wanted is None or not all(type(value) is wanted for value in self.values):
                raise PlanError(
                    f"public values of a {self.kind.value} column; texts of a text column and "
                    "whole numbers of a whole column can be listed"
                )
            if not self.values or len(set(self.values)) < len(self.values):
                raise PlanError("public values are at least one, each listed once")


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """How much of one unit's rows enters a query. The rest is left out, chosen at random.

    Attributes:
        groups: In how many groups (L0).
        rows_per_group: How many rows in each (L∞).
        rows: How many rows in all (L1); `groups` times `rows_per_group` if it is None.

    Raises:
        PlanError: If one is not a whole number from 1 to a million.
    """

    groups: int
    rows_per_group: int
    rows: int | None = None

    def __post_init__(self) -> None:
        for name in ("groups", "rows_per_group", "rows"):
            value = getattr(self, name)
            if value is not None:
                check_whole(name, value, least=1, most=_MOST, limit="it is from 1 to 1,000,000")

    @property
    def total(self) -> int:
        """The most rows that one unit has in a query (L1)."""
        most = self.groups * self.rows_per_group
        return most if self.rows is None else min(most, self.rows)

    @property
    def squares(self) -> int:
        """The largest sum of squares of one unit's rows per group (L2 squared).

        With the total given, the squares are largest if groups are full one after the other.
        """
        full, left = divmod(self.total, self.rows_per_group)
        return full * self.rows_per_group**2 + left**2


@dataclass(frozen=True)
class Rows:
    """Neighbours differ in up to k rows.

    Attributes:
        most: k.
    """

    most: int = 1

    def __post_init__(self) -> None:
        check_whole("most", self.most, least=1, most=_MOST, limit="it is from 1 to 1,000,000 rows")

    @property
    def unit(self) -> Unit:
        """The ledger's unit."""
        return Unit.RECORD

    columns: tuple[str, ...] = field(default=(), init=False)
    space: str = field(default="", init=False)

    def __str__(self) -> str:
        return "one row" if self.most == 1 else f"up to {self.most:,} rows"


@dataclass(frozen=True)
class Person:
    """Neighbours differ in all rows of one person.

    Attributes:
        column: The person's ID.
        space: What the ID numbers: tables of one space may be joined by it.
    """

    column: str
    space: str = "person"

    @property
    def unit(self) -> Unit:
        """The ledger's unit."""
        return Unit.PERSON

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that name one unit."""
        return (self.column,)

    def __str__(self) -> str:
        return f"all rows of one {self.space} ({self.column})"


@dataclass(frozen=True)
class Organisation(Person):
    """Neighbours differ in all rows of one organisation."""

    space: str = "organisation"

    @property
    def unit(self) -> Unit:
        """The ledger's unit."""
        return Unit.PARTY


@dataclass(frozen=True)
class PersonDay:
    """Neighbours differ in all rows of one person on one day; not in all of a person's.

    Attributes:
        column: The person's ID.
        date: The day.
        space: What the ID numbers.
    """

    column: str
    date: str
    space: str = "person"

    @property
    def unit(self) -> Unit:
        """The ledger's unit: charged as a person's, to a dataset of records.

        A record that is added changes its person-day, which leaves and comes back: two steps, which
        the ledger counts for a person's charge on a dataset of records. It does not protect a
        person, and `Session` refuses datasets that do.
        """
        return Unit.PERSON

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that name one unit."""
        return (self.column, self.date)

    def __str__(self) -> str:
        return f"all rows of one {self.space} ({self.column}) on one day ({self.date})"


@dataclass(frozen=True)
class Linked:
    """Rows belong to the unit of the rows of another table that they name by a key.

    A row that names a key of several units counts as a row of each of them.

    Attributes:
        column: The column that names the other table's rows.
        table: The other table.
        key: Its column.
    """

    column: str
    table: str
    key: str

    def __str__(self) -> str:
        return f"the unit of {self.table} ({self.column} = {self.table}.{self.key})"


PrivacyUnit = Rows | Person | PersonDay | Linked


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A private table.

    Attributes:
        unit: Whose rows they are.
        columns: What queries can see; other columns do not exist for them.
        row_key: A column that differs between rows of one person, if there is one: rows that are
            equal otherwise are then sampled fairly.
        contribution: How much of one unit enters a query, unless the query says otherwise.

    Raises:
        PlanError: If a name is unknown, reserved or used twice.
    """

    unit: PrivacyUnit
    columns: Mapping[str, Field]
    row_key: str = ""
    contribution: Contribution | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", dict(self.columns))
        _check_columns(self.columns)
        needed = [self.unit.column] if isinstance(self.unit, Linked) else [*self.unit.columns]
        for name in (*needed, *filter(None, (self.row_key,))):
            if name not in self.columns:
                raise PlanError(f"column {name!r} identifies rows and is not declared; declare it")
        if isinstance(self.unit, PersonDay) and self.columns[self.unit.date].kind is not Kind.DATE:
            raise PlanError(f"column {self.unit.date!r} is the day of a person-day; it is a date")
        for name in needed if not isinstance(self.unit, Rows) else ():
            if self.columns[name].kind not in (Kind.TEXT, Kind.WHOLE, Kind.DATE):
                raise PlanError(
                    f"column {name!r} names units and is a {self.columns[name].kind.value}; it is "
                    "a text or a whole number"
                )


@dataclass(frozen=True, kw_only=True)
class PublicTable:
    """A table that everybody may read. It costs nothing to use.

    Attributes:
        columns: What queries can see.
        key: Columns that no two rows share, if there are such.
    """

    columns: Mapping[str, Field]
    key: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", dict(self.columns))
        _check_columns(self.columns)
        for name in self.key:
            if name not in self.columns:
                raise PlanError(f"column {name!r} is a key and is not declared; declare it")


@dataclass(frozen=True)
class Catalog:
    """The declared tables.

    Attributes:
        tables: By name.

    Raises:
        PlanError: If a link leads nowhere.
    """

    tables: Mapping[str, Declared | PublicTable]

    def __post_init__(self) -> None:
        object.__setattr__(self, "tables", dict(self.tables))
        for name, table in self.tables.items():
            if not isinstance(table, Declared | PublicTable):
                raise PlanError(
                    f"table {name!r} is a {type(table).__name__}; it is a Declared or a PublicTable"
                )
            if isinstance(table, Declared):
                self.owner(name)

    def table(self, name: str) -> Declared | PublicTable:
        """A declared table.

        Raises:
            DataError: If there is none of the name; the message says the nearest.
        """
        if name not in self.tables:
            raise DataError(f"table {name!r} is not declared{nearest_column(name, [*self.tables])}")
        return self.tables[name]

    def owner(self, name: str, seen: tuple[str, ...] = ()) -> Rows | Person | PersonDay:
        """The unit of a private table, through its links.

        Raises:
            PlanError: If a link leads in a circle, or to no private table or column.
        """
        table = self.tables.get(name)
        if name in seen or not isinstance(table, Declared):
            raise PlanError(f"table {seen[-1]!r} is linked to {name!r}; link it to a private table")
        if not isinstance(table.unit, Linked):
            if seen and isinstance(table.unit, Rows):
                raise PlanError(
                    f"table {seen[-1]!r} is linked to {name!r}, whose unit is {table.unit}; link "
                    "it to a table with a person's or an organisation's ID"
                )
            return table.unit
        other = self.tables.get(table.unit.table)
        if isinstance(other, Declared) and table.unit.key not in other.columns:
            raise PlanError(
                f"table {name!r} is linked by {table.unit.key!r}, which is not declared"
            )
        return self.owner(table.unit.table, (*seen, name))


def _check_columns(columns: Mapping[str, Field]) -> None:
    if not columns:
        raise PlanError("a table without columns; declare at least one")
    for name, column in columns.items():
        if not isinstance(column, Field):
            raise PlanError(f"column {name!r} is {shown(column)}; it is a Field")
        if name.lower().startswith(RESERVED) or not name.isprintable() or not name:
            raise PlanError(f"column {name!r}: names are printable and do not begin {RESERVED!r}")
    folded = [name.lower() for name in columns]
    if len(set(folded)) < len(folded):
        raise PlanError("two columns differ only in upper and lower case; rename one")
