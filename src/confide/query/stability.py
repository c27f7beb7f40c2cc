"""The stability analysis: which rows one unit can change, at every step of a query's tree.

It keeps one of two invariants for each relation, and refuses what keeps neither.

* *Owned rows* (units with an ID): every row belongs to one unit, and is a function of that unit's
  rows and of public tables alone. So taking a unit away takes its rows away and changes no other
  row. Filters, computed columns, joins with public tables and joins of private tables by the same
  ID keep this, however many rows they make: bounding comes last, right before the aggregates
  (`confide.query.bounding`). The owner is carried in columns of the compiler's own, so a column
  that is computed again, the ID's included, changes nothing about who owns a row (compare
  opendp/opendp#2949, where a column that was computed again kept an old truncation).
* *Few rows* (units of up to k rows): a unit changes at most `factor` rows. Filters and computed
  columns keep the factor; a join with a public table keeps it if the table's key is among the
  columns that are compared, and is refused otherwise.

Where the invariant comes from: each step maps every row by itself (filter, compute, public join),
or the rows of one unit by themselves (join by ID, one row a person). This is the transformation
stability of McSherry 2009 ("Privacy integrated queries", section 3.6) with the unit as the row.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from confide.errors import DataError, PlanError
from confide.plan.codec import nearest_column
from confide.query.catalog import Catalog, Declared, Field, Linked, PublicTable, Rows
from confide.query.dialects import Dialect
from confide.query.functions import (
    MOST_SQL,
    SPACED,
    Facts,
    apply,
    clamped,
    constant,
    number,
    spaced,
)
from confide.query.tree import (
    Aggregate,
    Call,
    Column,
    Compute,
    Expression,
    Join,
    Kind,
    Literal,
    PerUnit,
    Relation,
    Table,
    Where,
)

__all__ = ["Analysed", "Analysis"]

_TYPES: Final = {
    Kind.NUMBER: "DOUBLE", Kind.WHOLE: "DOUBLE", Kind.BOOLEAN: "BOOLEAN", Kind.DATE: "DATE",
}  # fmt: skip
_EXACT: Final = 1 << 53
_STEPS: Final = 20
"""Sums for each person are exact whole numbers of 2^-20 of their bound."""


@dataclass(frozen=True)
class Analysed:
    """A relation, as SQL, and what the analysis knows of it.

    Attributes:
        sql: A SELECT.
        columns: What is known of each column, by the name that it has in the SQL.
        names: From the names that queries use, plain or qualified, to columns; None where a name
            stands for several.
        tables: The private tables that rows come from; none for a public relation.
        units: The columns that name a row's owner; none where units are rows.
        space: What IDs number.
        factor: How many rows one unit can change, where units are rows.
        unique: Columns that no two rows of a public relation share; None if unknown.
        row_key: The column that tells a unit's equal rows from each other; "" for none.
        hidden_kinds: What the columns in `hidden` are.
    """

    sql: str
    columns: Mapping[str, Facts]
    names: Mapping[str, str | None]
    tables: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    space: str = ""
    factor: int = 1
    unique: frozenset[str] | None = None
    row_key: str = ""
    hidden_kinds: tuple[Kind, ...] = ()

    @property
    def hidden(self) -> tuple[str, ...]:
        """The compiler's own columns, which every step passes on."""
        return (*self.units, *filter(None, (self.row_key,)))


class Analysis:
    """Turns relations into SQL and facts.

    Args:
        catalog: The declared tables.
        dialect: The engine's SQL.
    """

    def __init__(self, catalog: Catalog, dialect: Dialect) -> None:
        self._catalog = catalog
        self._dialect = dialect
        self._fresh: Iterator[int] = itertools.count()

    def relation(self, node: Relation) -> Analysed:
        """What is known of a relation.

        Raises:
            PlanError: If no invariant holds for it; the message names the table, the rule and the
                smallest change that would do.
            DataError: If a table or column is unknown.
        """
        if isinstance(node, Table):
            found = self._table(node)
        elif isinstance(node, Where):
            found = self._where(node)
        elif isinstance(node, Compute):
            found = self._compute(node)
        elif isinstance(node, Join):
            found = self._join(node)
        else:
            found = self._per_unit(node)
        if len(found.sql) > MOST_SQL * 16:
            raise PlanError("a query nests too deep; make it from fewer subqueries")
        return found

    def facts(self, expression: Expression, rows: Analysed) -> Facts:
        """What is known of an expression over a relation's rows."""
        if isinstance(expression, Column):
            return rows.columns[_column(expression, rows)]
        if isinstance(expression, Literal):
            return constant(expression, self._dialect)
        if isinstance(expression, Call):
            given = [self.facts(argument, rows) for argument in expression.arguments]
            return apply(expression.function, given, self._dialect)
        raise PlanError(
            f"a {type(expression).__name__} is not an expression; use col and operators"
        )

    def _name(self) -> str:
        return f"c{next(self._fresh)}"

    def _table(self, node: Table) -> Analysed:
        declared = self._catalog.table(node.name)
        alias = node.alias or node.name
        selected, columns, names = [], {}, {}
        for name, field in declared.columns.items():
            column = self._name()
            selected.append(f"{self._read(name, field)} AS {column}")
            low, high = field.bounds or (Facts.low, Facts.high)
            columns[column] = Facts(
                column, field.kind, low, high, field.values, origin=f"{node.name}.{name}"
            )
            names[name] = names[f"{alias}.{name}"] = column
        source = self._dialect.quote(node.name)
        found = Analysed(f"SELECT {', '.join(selected)} FROM {source}", columns, names)
        if isinstance(declared, PublicTable):
            key = frozenset(_known(names[name]) for name in declared.key)
            return replace(found, unique=key or None)
        return self._owned(node.name, declared, found)

    def _owned(self, table: str, declared: Declared, rows: Analysed) -> Analysed:
        """A private table's rows with their owners."""
        rows = replace(rows, tables=(table,))
        if declared.row_key:
            rows = self._marked(rows, {"row_key": _known(rows.names[declared.row_key])})
        unit = declared.unit
        if isinstance(unit, Linked):
            return self._linked(rows, unit)
        if isinstance(unit, Rows):
            return replace(rows, factor=unit.most)
        columns = [_known(rows.names[name]) for name in unit.columns]
        known = dict(rows.columns)
        for place, column in enumerate(columns):
            known[column] = replace(known[column], unit=place)
        present = " AND ".join(f"{column} IS NOT NULL" for column in columns)
        rows = replace(rows, columns=known, sql=f"SELECT * FROM ({rows.sql}) WHERE {present}")
        rows = self._marked(rows, {str(place): column for place, column in enumerate(columns)})
        return replace(rows, space=unit.space)

    def _marked(self, rows: Analysed, roles: Mapping[str, str]) -> Analysed:
        """Copies of columns that no query can name or replace."""
        made = {role: self._name() for role in roles}
        copies = ", ".join(f"{roles[role]} AS {name}" for role, name in made.items())
        sql = f"SELECT *, {copies} FROM ({rows.sql})"
        kinds = tuple(rows.columns[column].kind for column in roles.values())
        if "row_key" in made:
            return replace(rows, sql=sql, row_key=made["row_key"], hidden_kinds=kinds)
        return replace(
            rows, sql=sql, units=tuple(made.values()), hidden_kinds=(*kinds, *rows.hidden_kinds)
        )

    def _linked(self, rows: Analysed, link: Linked) -> Analysed:
        """Rows that belong to the owner of the row that they name, once for each such owner."""
        parent = self.relation(Table(link.table))
        theirs, ours = _known(parent.names[link.key]), _known(rows.names[link.column])
        _same_kind(rows.columns[ours], parent.columns[theirs], link.column)
        made = [self._name() for _ in parent.units]
        known = dict(rows.columns)
        known[ours] = replace(known[ours], refers=f"{link.table}.{link.key}")
        # Several rows of one owner with one key would multiply rows, and reveal nothing new.
        owners = ", ".join(
            f"{unit} AS {name}" for unit, name in zip(parent.units, made, strict=True)
        )
        key = self._name()
        distinct = f"SELECT DISTINCT {theirs} AS {key}, {owners} FROM ({parent.sql})"
        mine = ", ".join([*rows.columns, *rows.hidden, *made])
        sql = f"SELECT {mine} FROM ({rows.sql}) JOIN ({distinct}) ON {ours} = {key}"
        kinds = (*parent.hidden_kinds[: len(made)], *rows.hidden_kinds)
        return replace(
            rows, sql=sql, columns=known, units=tuple(made), space=parent.space, hidden_kinds=kinds
        )

    def _read(self, name: str, field: Field) -> str:
        """A column as its declared kind; missing where it cannot be read as that."""
        column = self._dialect.quote(name)
        if field.kind is Kind.TEXT:
            return f"CAST({column} AS {self._dialect.texts})"
        read = f"TRY_CAST({column} AS {_TYPES[field.kind]})"
        if field.kind is Kind.WHOLE:
            inside = f"abs({read}) < {_EXACT} AND floor({read}) = {read}"
            return f"CASE WHEN {inside} THEN CAST({read} AS BIGINT) END"
        return f"nullif({read}, CAST('NaN' AS DOUBLE))" if field.kind is Kind.NUMBER else read

    def _where(self, node: Where) -> Analysed:
        rows = self.relation(node.source)
        condition = self.facts(node.condition, rows)
        if condition.kind is not Kind.BOOLEAN:
            raise PlanError("where takes a condition, such as amount > 10")
        return replace(rows, sql=f"SELECT * FROM ({rows.sql}) WHERE {condition.sql}")

    def _compute(self, node: Compute) -> Analysed:
        rows = self.relation(node.source)
        made = {name: (self._name(), self.facts(e, rows)) for name, e in node.columns}
        if len(made) < len(node.columns):
            raise PlanError("two computed columns have one name; rename one")
        columns = {column: replace(facts, sql=column) for column, facts in made.values()}
        names: dict[str, str | None] = {name: column for name, (column, _) in made.items()}
        if node.keep:
            columns = {**rows.columns, **columns}
            names = {**_without(rows.names, names), **names}
        if node.alias:
            plain = {name: column for name, column in names.items() if "." not in name}
            names = {**plain, **{f"{node.alias}.{name}": column for name, column in plain.items()}}
        old = [*(rows.columns if node.keep else ()), *rows.hidden]
        new = [f"{facts.sql} AS {column}" for column, facts in made.values()]
        sql = f"SELECT {', '.join([*old, *new])} FROM ({rows.sql})"
        unique = rows.unique
        if unique is not None and not node.keep:
            copied = {_copied(e, rows): made[name][0] for name, e in node.columns}
            unique = frozenset(copied[c] for c in unique) if unique <= set(copied) else None
        return replace(rows, sql=sql, columns=columns, names=names, unique=unique)

    def _join(self, node: Join) -> Analysed:
        left, right = self.relation(node.left), self.relation(node.right)
        pairs = []
        for a, b in node.on:
            one, other = _column(a, left), _column(b, right)
            _same_kind(left.columns[one], right.columns[other], a.name)
            pairs.append((one, other))
        if not pairs:
            raise PlanError("a join without a condition; join on columns that are equal")
        self._check_join(node, left, right, pairs)
        if not left.tables and right.tables:
            # Rows are owned by the side that is private.
            left, right = right, left
        # The owners are compared whatever the condition says: the invariant rests on this alone.
        owners = zip(left.units, right.units, strict=False)
        on = " AND ".join(f"{one} = {other}" for one, other in (*pairs, *owners))
        kept = ", ".join([*left.columns, *right.columns, *left.hidden])
        how = "LEFT JOIN" if node.outer else "JOIN"
        sql = f"SELECT {kept} FROM ({left.sql}) {how} ({right.sql}) ON {on}"
        same = {b.name for a, b in node.on if a.name == b.name}
        return replace(
            left,
            sql=sql,
            columns={**left.columns, **right.columns},
            names=_merged(left.names, right.names, same),
            tables=(*left.tables, *right.tables),
            unique=None,
        )

    def _check_join(
        self, node: Join, left: Analysed, right: Analysed, pairs: list[tuple[str, str]]
    ) -> None:
        """Refuses joins that keep no invariant."""
        if left.tables and right.tables:
            self._check_private(left, right, pairs)
            return
        if node.outer and right.tables:
            raise PlanError(
                f"a left join of a public table with {_named(right)}: rows without a partner "
                f"belong to nobody, so what they reveal has no bound. Start from {_named(right)}, "
                "or use an inner join"
            )
        private, public = (left, right) if left.tables else (right, left)
        compared = {b for _, b in pairs} if public is right else {a for a, _ in pairs}
        if private.tables and not private.units and not (public.unique or {None}) <= compared:
            raise PlanError(
                f"a join of {_named(private)} with a public table on columns that are not its key: "
                "one row could become any number of rows. Declare the public table's key and join "
                "on all of it"
            )

    def _check_private(self, left: Analysed, right: Analysed, pairs: list[tuple[str, str]]) -> None:
        both = f"a join of {_named(left)} with {_named(right)}"
        if not left.units or not right.units:
            raise PlanError(
                f"{both}: one row could meet any number of rows of others. Declare the person or "
                "organisation that rows of both belong to, and join by its ID"
            )
        if left.space != right.space:
            raise PlanError(
                f"{both}: one is about a {left.space} and the other about a {right.space}; "
                "tables join by the ID of one space"
            )
        facts = [(left.columns[a], right.columns[b]) for a, b in pairs]
        met = {a.unit for a, b in facts if a.unit == b.unit} - {None}
        linked = any(_are_linked(a, b) for a, b in facts)
        if len(left.units) != len(right.units) or not (
            linked or met == set(range(len(left.units)))
        ):
            raise PlanError(
                f"{both}: rows of one {left.space} would meet rows of another. Join by the "
                f"{left.space}'s ID as well, unchanged, on both sides, or by a declared link"
            )

    def _per_unit(self, node: PerUnit) -> Analysed:
        rows = self.relation(node.source)
        keys = [(name, self._name(), self.facts(e, rows)) for name, e in node.keys]
        found = {facts.unit for _, _, facts in keys}
        if not rows.units or not set(range(len(rows.units))) <= found:
            raise PlanError(
                f"a subquery groups {_named(rows) or 'a public table'} by columns without the "
                "unit's ID, so its rows mix units and one unit's share in them has no bound. Group "
                "by the ID as well, unchanged, or aggregate in the outer query alone"
            )
        made = [(name, self._name(), self._inner(a, rows)) for name, a in node.aggregates]
        columns = {c: replace(f, sql=c) for _, c, f in (*keys, *made)}
        names: dict[str, str | None] = {name: c for name, c, _ in (*keys, *made)}
        if len(names) < len(keys) + len(made):
            raise PlanError("two columns of a subquery have one name; rename one")
        if node.alias:
            names |= {f"{node.alias}.{name}": column for name, column in names.items()}
        inside = [f"{facts.sql} AS {column}" for _, column, facts in keys]
        outside = [f"{facts.sql} AS {column}" for _, column, facts in made]
        carried = [*rows.units, *(column for _, column, _ in keys)]
        grouped = f"SELECT *, {', '.join(inside)} FROM ({rows.sql})"
        sql = (
            f"SELECT {', '.join([*carried, *outside])} FROM ({grouped}) "
            f"GROUP BY {', '.join(carried)}"
        )
        return replace(rows, sql=sql, columns=columns, names=names, unique=None, row_key="",
                       hidden_kinds=rows.hidden_kinds[: len(rows.units)])  # fmt: skip

    def _inner(self, aggregate: Aggregate, rows: Analysed) -> Facts:
        """An aggregate of one unit's own rows: exact, and the same in any order of rows."""
        given = [self.facts(argument, rows) for argument in aggregate.arguments]
        if aggregate.function == "count":
            return Facts(f"count({given[0].sql if given else '*'})", Kind.WHOLE, 0)
        if aggregate.function == "distinct":
            return Facts(f"count(DISTINCT {given[0].sql})", Kind.WHOLE, 0)
        if aggregate.function in ("min", "max"):
            facts = given[0]
            return facts.computed(f"{aggregate.function}({facts.sql})")
        if aggregate.function == "sum":
            return self._inner_sum(given[0])
        raise PlanError(
            f"{aggregate.function} of one unit's rows; a subquery takes count, sum, min and max"
        )

    def _inner_sum(self, facts: Facts) -> Facts:
        if facts.bounds is None:
            raise PlanError(
                "a sum in a subquery of an expression without bounds; write sum(clamp(…, low, "
                "high)), or declare the column's bounds"
            )
        if not spaced(*facts.bounds):
            raise PlanError(f"a sum in a subquery of values without a range; {SPACED}")
        # A power of two, so that scaling is exact; whole numbers add up in any order alike.
        exponent = _STEPS - math.frexp(max(map(abs, facts.bounds)))[1]
        scale = f"CAST('{2.0**exponent!r}' AS DOUBLE)"
        value = clamped(number(facts, "sum"), *facts.bounds)
        whole = self._dialect.floor(f"({value}) * {scale} + 0.5")
        total = self._dialect.exact_sum(whole)
        return Facts(f"CAST({total} AS DOUBLE) / {scale}", Kind.NUMBER)


def _known(column: str | None) -> str:
    if column is None:
        raise AssertionError("a table's own names are unique")
    return column


def _column(column: Column, rows: Analysed) -> str:
    name = f"{column.table}.{column.name}" if column.table else column.name
    if name not in rows.names:
        known = [each for each in rows.names if "." not in each]
        raise DataError(f"column {name!r} is unknown; {nearest_column(column.name, known)}")
    found = rows.names[name]
    if found is None:
        raise DataError(f"column {name!r} is in several tables; write which, as table.{name}")
    return found


def _are_linked(one: Facts, other: Facts) -> bool:
    """Whether one column names the rows of the other's table, or both those of a third."""
    names = {name for name in (one.refers, other.refers) if name}
    return bool(names) and {one.refers or one.origin, other.refers or other.origin} == names


def _copied(expression: Expression, rows: Analysed) -> str:
    return _column(expression, rows) if isinstance(expression, Column) else ""


def _without(
    names: Mapping[str, str | None], replaced: Mapping[str, str | None]
) -> dict[str, str | None]:
    """The names that stay when columns are computed again: no qualifier leads to an old one."""
    return {name: c for name, c in names.items() if name.rpartition(".")[2] not in replaced}


def _merged(
    left: Mapping[str, str | None], right: Mapping[str, str | None], same: set[str]
) -> dict[str, str | None]:
    """The names after a join. A name of both sides means neither, unless they are equal there."""
    found = {**right, **left}
    for name in left.keys() & right.keys():
        if name not in same:
            found[name] = None
    return found


def _same_kind(one: Facts, other: Facts, name: str) -> None:
    if one.kind is not other.kind:
        raise PlanError(
            f"a join on {name!r}, a {one.kind.value} on one side and a {other.kind.value} on the "
            "other; declare both as one kind"
        )


def _named(rows: Analysed) -> str:
    return " and ".join(f"table {name!r}" for name in dict.fromkeys(rows.tables))
