"""From a tree to a mechanism: analysis, bounding and noise, before any data are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from confide.errors import PlanError
from confide.query.bounding import Bounded
from confide.query.catalog import Catalog, Contribution, Declared
from confide.query.dialects import DUCKDB, Dialect
from confide.query.functions import Facts
from confide.query.having import check
from confide.query.noise import Budget, Reach, calibrated
from confide.query.parts import Output, Part, parts_of
from confide.query.release import QueryMechanism, key_grid
from confide.query.stability import Analysed, Analysis
from confide.query.tree import Kind, Query

__all__ = ["prepared"]

_SUFFIXES: Final = ("", "_standard_error", "_low", "_high")
_KEYS: Final = (Kind.TEXT, Kind.WHOLE, Kind.BOOLEAN)


def prepared(
    query: Query,
    catalog: Catalog,
    budget: Budget,
    *,
    contribution: Contribution | None = None,
    dialect: Dialect = DUCKDB,
) -> QueryMechanism:
    """The mechanism that answers a query within a budget.

    Args:
        query: The tree.
        catalog: The declared tables.
        budget: What the query may spend.
        contribution: How much of one unit enters; what its table declares if None.
        dialect: The engine's SQL.

    Raises:
        PlanError: If one unit's influence on the answer has no bound, or the budget is too small.
        DataError: If a table or column is unknown.
    """
    analysis = Analysis(catalog, dialect)
    rows = analysis.relation(query.source)
    if not rows.tables:
        raise PlanError("a query of public tables alone; read them, no noise is needed")
    keys = tuple(_key(name, analysis.facts(e, rows)) for name, e in query.keys)
    parts: list[Part] = []
    outputs = [
        parts_of(name, a, [_argument(analysis.facts(e, rows), rows) for e in a.arguments], parts)
        for name, a in query.aggregates
    ]
    _check_names(query, keys, outputs)
    given = _contribution(query, catalog, rows, parts, contribution)
    reach = Reach.of(given, rows.factor, grouped=bool(keys))
    allowed = tuple(facts.values for facts in keys)
    public = all(values is not None for values in allowed)
    noises = calibrated(parts, reach, budget, private_keys=not public, owned=given is not None)
    bounded = Bounded(
        dialect,
        rows,
        keys,
        tuple(parts),
        tuple(1 / noise.lattice.size for noise in noises.parts),
        tuple(noise.row_steps for noise in noises.parts),
        allowed,
        given,
    )
    grid = key_grid([values or () for values in allowed]) if public else None
    return QueryMechanism(
        query, bounded, tuple(outputs), noises, None if grid is None else tuple(grid)
    )


def _key(name: str, facts: Facts) -> Facts:
    if facts.kind not in _KEYS:
        raise PlanError(
            f"group by {name!r}, a {facts.kind.value}; group by texts, whole numbers or booleans, "
            "or by bin(…) of a number"
        )
    return facts


def _argument(facts: Facts, rows: Analysed) -> Facts:
    """A person's ID stands for the unit only if the unit is that person, not a person's day."""
    return facts if len(rows.units) == 1 else replace(facts, unit=None)


def _check_names(query: Query, keys: Sequence[Facts], outputs: Sequence[Output]) -> None:
    made = [name for name, _ in query.keys]
    made += [f"{output.name}{suffix}" for output in outputs for suffix in _SUFFIXES]
    twice = sorted({name for name in made if made.count(name) > 1})
    if twice:
        raise PlanError(
            f"column {twice[0]!r} occurs twice in the answer, which adds _standard_error, _low and "
            "_high to each name; give it another name"
        )
    if query.having is not None:
        example: dict[str, Any] = dict.fromkeys(made, 1.0)
        for (name, _), facts in zip(query.keys, keys, strict=True):
            example[name] = "" if facts.kind is Kind.TEXT else 1
        check(query.having, example)


def _contribution(
    query: Query,
    catalog: Catalog,
    rows: Analysed,
    parts: Sequence[Part],
    given: Contribution | None,
) -> Contribution | None:
    """The bound on one unit's rows, or an error that says what is missing."""
    table = rows.tables[0]
    if not rows.units:
        if given is not None:
            raise PlanError(
                f"a contribution for table {table!r}, whose unit is "
                f"{catalog.owner(table)}: it bounds itself. Leave it out"
            )
        return None
    if given is None:
        given = next((d for d in map(_declared(catalog), rows.tables) if d is not None), None)
    if given is None:
        raise PlanError(
            f"table {table!r}: one unit is {catalog.owner(table)}, and how many of its rows and "
            "groups may count is not said. Declare it, as contribution=Contribution(groups=1, "
            "rows_per_group=1)"
        )
    groups = given.groups if query.keys else 1
    most = given.rows_per_group
    if all(part.kind == "units" for part in parts):
        most = 1
    rows_in_all = None if given.rows is None else max(given.rows, 1)
    return Contribution(groups=groups, rows_per_group=most, rows=rows_in_all)


def _declared(catalog: Catalog) -> Any:
    def look(name: str) -> Contribution | None:
        table = catalog.table(name)
        return table.contribution if isinstance(table, Declared) else None

    return look
