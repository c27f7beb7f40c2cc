"""A small frame API that makes the same tree as SQL."""

from __future__ import annotations

from dataclasses import dataclass

from confide.errors import PlanError
from confide.query.tree import (
    Aggregate,
    Column,
    Compute,
    Expression,
    Join,
    PerUnit,
    Query,
    Relation,
    Table,
    Where,
    as_expression,
)

__all__ = ["Frame", "Grouped", "col", "frame"]


@dataclass(frozen=True)
class Frame:
    """Rows that are not computed yet.

    Attributes:
        relation: The tree so far.

    Example:
        >>> loans = frame("loans").where(col("amount") > 0)
        >>> query = loans.group_by("county").aggregate(
        ...     n=Aggregate("count"), total=Aggregate("sum", (col("amount").clamp(0, 500),)))
        >>> [name for name, _ in query.aggregates]
        ['n', 'total']
    """

    relation: Relation

    def where(self, condition: Expression) -> Frame:
        """The rows for which a condition is true."""
        return Frame(Where(self.relation, condition))

    def compute(self, **columns: object) -> Frame:
        """The rows with computed columns; one of an existing name replaces it."""
        made = tuple((name, as_expression(value)) for name, value in columns.items())
        return Frame(Compute(self.relation, made))

    def join(self, other: Frame, *on: str, outer: bool = False) -> Frame:
        """The pairs of rows that agree in some columns.

        Args:
            other: The other rows.
            *on: Columns of the same name on both sides.
            outer: Whether rows without a partner stay.
        """
        pairs = tuple((Column(name), Column(name)) for name in on)
        return Frame(Join(self.relation, other.relation, pairs, outer))

    def per_unit(self, *keys: str, **aggregates: Aggregate) -> Frame:
        """One row for each value of the keys, among which is the person's ID."""
        named = tuple((name, Column(name)) for name in keys)
        return Frame(PerUnit(self.relation, named, tuple(aggregates.items())))

    def group_by(self, *keys: str, **computed: Expression) -> Grouped:
        """Groups for `aggregate`, by columns or by named expressions."""
        named = [(name, Column(name)) for name in keys]
        return Grouped(self.relation, (*named, *computed.items()))

    def aggregate(self, **aggregates: Aggregate) -> Query:
        """A query with one group."""
        return Grouped(self.relation, ()).aggregate(**aggregates)


@dataclass(frozen=True)
class Grouped:
    """Groups of rows.

    Attributes:
        relation: The rows.
        keys: What they are grouped by.
    """

    relation: Relation
    keys: tuple[tuple[str, Expression], ...]

    def aggregate(self, **aggregates: Aggregate) -> Query:
        """The query.

        Args:
            **aggregates: By name, as `n=Aggregate("count")`.

        Raises:
            PlanError: If there is none.
        """
        for name, value in aggregates.items():
            if not isinstance(value, Aggregate):
                raise PlanError(f"{name!r} is a {type(value).__name__}; it is an Aggregate")
        return Query(self.relation, self.keys, tuple(aggregates.items()))


def frame(table: str) -> Frame:
    """The rows of a declared table."""
    return Frame(Table(table))


def col(name: str) -> Column:
    """A column, as `amount` or `loans.amount`."""
    table, _, column = name.rpartition(".")
    return Column(column, table)
