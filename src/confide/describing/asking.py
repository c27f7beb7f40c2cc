"""From owners' tables to statistics of all their rows in one call, by an ordinary plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from confide.analytics import (
    covariances,
    groups,
    histograms,
    moments,
    quantiles,
    rounds_of_quantiles,
    statistics,
    statistics_table,
)
from confide.analytics.bisection import QUARTILES
from confide.analytics.counts import BINS
from confide.analytics.presences import distinct as distinct_values
from confide.analytics.reading import numbers_of
from confide.computation import Account, Computation
from confide.describing.description import Description
from confide.engines import simulate
from confide.errors import DataError, PlanError
from confide.plan.codec import nearest_column
from confide.tables import Category, Date, Number, Schema, rounds_of, summaries, vocabularies
from confide.training.drafts import Answer, draft_schema
from confide.training.owners import OwnerReport, read_owners, refuse_unfit
from confide.training.plans import CAPACITY, Epsilon, Prepared, door_plan, unused
from confide.training.running import warn_of_not_found

__all__ = ["describe", "planned_description"]

WEIGHTS: Final[Mapping[str, float]] = {
    "vocabularies": 2, "summaries": 3, "moments": 2, "histograms": 2, "quantiles": 4,
    "covariances": 2, "groups": 2, "distinct": 2,
}  # fmt: skip
"""How much of the noise budget each kind of stage has, relative to the others."""

_EXACT_DIGITS: Final = 3
_STEPS: Final = 16
_NOISY_STEPS: Final = 8
"""Under noise each round of a bisection costs, and 1/256 of a range is finer than the noise."""


def describe(
    data: Mapping[str, Any],
    *,
    features: Sequence[str] | None = None,
    columns: Mapping[str, Any] | None = None,
    by: Sequence[str] = (),
    correlations: bool = False,
    distinct: Sequence[str] = (),
    at: Sequence[float] = QUARTILES,
    resolution: Mapping[str, float] | None = None,
    bins: int = BINS,
    privacy: Epsilon | None = None,
    capacity: int = CAPACITY,
    name: str = "statistics",
    accounts: Mapping[str, Account] | None = None,
    on_round: Callable[[Mapping[str, Any]], None] | None = None,
) -> Description:
    """Statistics of the rows of all owners, whose tables stay apart, by the real protocol.

    For each column: rows, missing values, mean, standard deviation, quantiles and a histogram or
    the counts of its values. All of it is one plan and one charge. The bounds of numbers that
    nobody declared are found by a stage of sums, which cuts about one value in a thousand at each
    end; the values of text columns are found under noise, and without it they are asked for.

    Args:
        data: By owner its table: a frame (pandas, Polars, Arrow), a path (CSV of any kind, Parquet,
            Arrow) or a database's URL; three owners or more.
        features: The columns to describe; all if omitted.
        columns: What is known better than a type tells, as
            `{"ward": cf.Category(values=("A", "B")), "age": cf.Number(bounds=(0, 120))}`.
        by: Columns of categories or booleans to group by.
        correlations: Whether the correlations of all numbers are asked for.
        distinct: Columns whose different values are counted; any columns of the tables.
        at: Which quantiles.
        resolution: By column how exact its quantiles are, for columns with declared bounds.
        bins: Bins of each histogram.
        privacy: ε for each record; exact sums if omitted.
        capacity: The most rows that an owner counts: public, never the number of its rows.
        name: The plan's name.
        accounts: By owner, the ledger that the plan is charged to. Asked again, it is a plan of its
            own, with the next public seed, and is charged in full.
        on_round: Called after each round with its history entry, and `of`, how many there are.

    Returns:
        The statistics, the run and its plan with the verdicts.

    Raises:
        PlanError: If something must be declared, or the plan must not be made.
        DataError: If a table does not fit; naming owner and column, never a value.

    Example:
        >>> import pandas as pd
        >>> import confide as cf
        >>> owners = {n: pd.DataFrame({"x": v}) for n, v in
        ...           {"one": [1, 2], "two": [3, 4], "three": [5, 6]}.items()}
        >>> found = describe(owners, columns={"x": cf.Number(bounds=(0, 8))}, capacity=100)
        >>> found.table.loc["x", ["count", "mean", "50%"]].tolist()
        [6.0, 3.5, 3.5]
    """
    table, tables, owners, prepared = _planned(
        data, features=features, columns=columns, privacy=privacy, capacity=capacity, name=name,
        asked=_Asked(by, correlations, distinct, at, resolution, bins),
    )  # fmt: skip
    plan = unused(prepared.plan, accounts)
    of = plan.rounds
    run = simulate(
        plan, tables, computation=prepared.computations, accounts=accounts,
        on_round=on_round and (lambda entry: on_round({**entry, "of": of})),
    )  # fmt: skip
    warn_of_not_found(table, run.state)
    return Description(run=run, statistics=statistics(run.plan, run.state), owners=owners)


def planned_description(
    data: Mapping[str, Any],
    *,
    features: Sequence[str] | None = None,
    columns: Mapping[str, Any] | None = None,
    by: Sequence[str] = (),
    correlations: bool = False,
    distinct: Sequence[str] = (),
    at: Sequence[float] = QUARTILES,
    resolution: Mapping[str, float] | None = None,
    bins: int = BINS,
    privacy: Epsilon | None = None,
    capacity: int = CAPACITY,
    name: str = "statistics",
) -> Prepared:
    """The plan that `describe` would run with these arguments; runs nothing.

    Raises:
        PlanError, DataError: As `describe`.
    """
    return _planned(
        data, features=features, columns=columns, privacy=privacy, capacity=capacity, name=name,
        asked=_Asked(by, correlations, distinct, at, resolution, bins),
    )[-1]  # fmt: skip


@dataclass(frozen=True)
class _Asked:
    """Which statistics beside the usual ones."""

    by: Sequence[str]
    correlations: bool
    distinct: Sequence[str]
    at: Sequence[float]
    resolution: Mapping[str, float] | None
    bins: int


def _planned(
    data: Mapping[str, Any],
    *,
    features: Sequence[str] | None,
    columns: Mapping[str, Any] | None,
    privacy: Epsilon | None,
    capacity: int,
    name: str,
    asked: _Asked,
) -> tuple[Schema, dict[str, pd.DataFrame], dict[str, OwnerReport], Prepared]:
    """The columns, the owners' tables, what each is told of its own, and the plan."""
    if privacy is not None and not isinstance(privacy, Epsilon):
        raise PlanError(f"privacy is {privacy!r}; write privacy=cf.Epsilon(3.0), or leave it out")
    tables = read_owners(data)
    noise = privacy is not None
    drafted = draft_schema(
        tables, label=None, answer=Answer.NOTHING, features=features, columns=columns, noise=noise
    )
    table = statistics_table(drafted.features)
    owners = refuse_unfit(tables, table, capacity)
    made = list(_stages(table, asked, tables, capacity=capacity, noise=noise))
    whole = sum(WEIGHTS[kind] for kind, _, _ in made)
    stages = [
        computation.stage(name=f"{kind}-{number}", rounds=rounds, budget=WEIGHTS[kind] / whole)
        for number, (kind, computation, rounds) in enumerate(made, start=1)
    ]
    plan = door_plan(name, list(tables), stages, privacy)
    return table, tables, owners, Prepared(plan, tuple(c for _, c, _ in made))


def _stages(
    table: Schema,
    asked: _Asked,
    tables: Mapping[str, pd.DataFrame],
    *,
    capacity: int,
    noise: bool,
) -> Iterator[tuple[str, Computation, int]]:
    """Each stage's kind, its computation and its rounds."""
    digits, numbers = 1 if noise else _EXACT_DIGITS, numbers_of(table)
    if table.found_categories:
        yield "vocabularies", vocabularies(table, capacity=capacity), 2
    if table.found_numbers:
        yield "summaries", summaries(table, capacity=capacity), rounds_of(table)
    if numbers:
        yield "moments", moments(table, capacity=capacity, digits=digits), 1
    yield "histograms", histograms(table, capacity=capacity, bins=asked.bins), 1
    if any(isinstance(column, Number | Date) for column in table.features.values()):
        how: dict[str, Any] = {
            "resolution": asked.resolution, "log2_steps": _NOISY_STEPS if noise else _STEPS
        }  # fmt: skip
        made = quantiles(table, capacity=capacity, at=asked.at, interpolate=not noise, **how)
        yield "quantiles", made, rounds_of_quantiles(table, **how)
    if asked.correlations:
        yield "covariances", covariances(table, capacity=capacity, digits=digits), 1
    if asked.by:
        of = [name for name in numbers if name not in asked.by]
        made = groups(table, by=asked.by, columns=of, capacity=capacity, digits=digits)
        yield "groups", made, 1
    yield from _distinct(table, asked.distinct, tables)


def _distinct(
    table: Schema, names: Sequence[str], tables: Mapping[str, pd.DataFrame]
) -> Iterator[tuple[str, Computation, int]]:
    if isinstance(names, str):
        raise PlanError(f"distinct is the text {names!r}; give a list of columns")
    for place, column in enumerate(names):
        for owner, rows in tables.items():
            if column not in rows.columns:
                known = nearest_column(str(column), list(rows.columns))
                raise DataError(f"owner {owner!r} has no column {column!r}; {known}")
        kind = table.features.get(column)
        values = kind.values if isinstance(kind, Category) else None
        yield "distinct", distinct_values(column, values=values, name=f"distinct-{place + 1}"), 1
