"""Statistics by group: rows, means and deviations of some columns for each value of others.

A row counts in the cell of its group and nowhere else, so groups cost no more than one table. The
keys are declared, or found by the stage before, which needs noise. Under exact sums a group that
one record is alone in opens that record to everybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Final

import numpy as np

from confide.aggregation import Placed
from confide.analytics.counts import FOUND, cells_of_values, labels_of, value_places
from confide.analytics.reading import (
    TableSettings,
    check_digits,
    check_name,
    chosen,
    columns_of,
    digit_limits,
    digits_of,
    limits_of,
    norm_of,
    numbers_of,
    of_digits,
    read_columns,
    scaled,
    scaling,
    table_settings,
)
from confide.analytics.results import Groups
from confide.computation import Computation, Data, State, Totals
from confide.errors import PlanError
from confide.plan import Norm, Sum, SumGroup, Task
from confide.plan.literals import Literal
from confide.tables import Boolean, Category, Schema

__all__ = ["groups"]

_MOST_CELLS: Final = 1_000_000


def groups(
    table: Schema,
    *,
    by: Sequence[str],
    capacity: int,
    columns: Sequence[str] = (),
    digits: int = 1,
    name: str = "groups",
) -> Computation:
    """Rows, means and standard deviations of columns in each group; one round.

    Args:
        table: The table, by `statistics_table`.
        by: The columns that make the groups: categories and booleans. Each has two groups more: of
            other values, and of missing ones.
        capacity: The most rows that a party counts; public, never the number of its rows.
        columns: The columns to take the mean of; none to count rows alone.
        digits: As of `moments`.
        name: What its arrays in the state begin with.

    Raises:
        PlanError: If a column is of the wrong kind, or there are more than a million cells.
    """
    keys = chosen(table, by, columns_of(table, Boolean, Category), "categories or booleans")
    of = chosen(table, columns, numbers_of(table), "numbers") if columns else ()
    if set(keys) & set(of):
        raise PlanError(f"columns {', '.join(sorted(set(keys) & set(of)))} by themselves")
    sizes = tuple(cells_of_values(table, n) for n in keys)
    digits = check_digits(digits)
    cells, terms = int(np.prod(sizes)), 1 + (1 + 2 * digits) * len(of)
    if cells * terms > _MOST_CELLS:
        raise PlanError(
            f"{cells:,} groups of {terms} sums; at most {_MOST_CELLS:,} in all: group by fewer "
            "columns, or by coarser ones"
        )
    first, second = (digit_limits(limits_of(table, of) ** power, digits) for power in (1, 2))
    sums = Sum(
        name="groups", shape=(cells * terms,), capacity=capacity, norm=Norm.L2,
        unit_bound=norm_of(*([1.0] * (1 + len(of))), *first, *second),
        meaning="rows of each group, and their values of each column, summed and squared",
        cells=f"groups by {' and '.join(map(repr, keys))}",
    )  # fmt: skip
    read = (*keys, *of)

    def contribute(state: State, data: Data, _: np.random.Generator) -> Mapping[str, Any]:
        where = [
            value_places(table, n, data["values"][:, i], data["missing"][:, i], state)
            for i, n in enumerate(keys)
        ]
        cell = np.ravel_multi_index(where, sizes)
        rest = {key: array[:, len(keys) :] for key, array in data.items()}
        x = scaled(rest, scaling(table, of, state)) if of else np.zeros((len(cell), 0))
        values = np.hstack(
            [
                np.ones((len(cell), 1)),
                ~rest["missing"],
                digits_of(x, digits),
                digits_of(x**2, digits),
            ]
        )
        return {"groups": Placed(cell[:, np.newaxis] * terms + np.arange(terms), values)}

    def update(state: State, totals: Totals) -> State:
        return {**state, name: totals["groups"]}

    return Computation(
        task=Task.of(
            "groups", table=table_settings(table), by=list(keys), columns=list(of),
            digits=digits, capacity=capacity, name=check_name(name),
        ),
        sums=SumGroup((sums,)),
        columns=read,
        read=read_columns(table, read),
        init=dict,
        contribute=contribute,
        update=update,
        needs_noise=FOUND if set(keys) & set(table.found_categories) else "",
    )  # fmt: skip


class GroupsSettings(Literal):
    """Settings of task 'groups'."""

    table: TableSettings
    by: list[str]
    capacity: int
    columns: tuple[str, ...] = ()
    digits: int = 1
    name: str = "groups"


def groups_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'groups'."""
    read = GroupsSettings.read(settings, "task groups")
    return groups(
        read.table.table(), by=read.by, capacity=read.capacity, columns=read.columns,
        digits=read.digits, name=read.name,
    )  # fmt: skip


def read_groups(settings: Mapping[str, Any], state: State, noise: float) -> Groups:
    """The groups in a state.

    Args:
        settings: The task's.
        state: The state after the stage.
        noise: The standard deviation of each coordinate's noise; 0 without.
    """
    read = GroupsSettings.read(settings, "task groups")
    table, of = read.table.table(), read.columns
    keys = list(product(*(_keys(table, n, state) for n in read.by)))
    sums = state[read.name].reshape(len(keys), -1)
    # Cells of a vocabulary that nothing was found for hold nothing but noise.
    named = [place for place, key in enumerate(keys) if all(key)]
    sums = sums[named]
    rows, present = sums[:, 0], sums[:, 1 : 1 + len(of)]
    first, second = of_digits(
        sums[:, 1 + len(of) :].reshape(len(sums), 2, -1), read.digits
    ).swapaxes(0, 1)
    how = scaling(table, of, state)
    n = np.maximum(present, 1.0)
    mean, square = first / n, second / n
    variance = np.maximum(square - mean**2, 0.0) * n / np.maximum(n - 1, 1.0)
    empty = present < 0.5
    return Groups(
        by=tuple(read.by),
        keys=tuple(keys[place] for place in named),
        rows=rows,
        columns=of,
        counts=present,
        mean=np.where(empty, np.nan, how.centres + how.scales * mean),
        std=np.where(empty, np.nan, how.scales * np.sqrt(variance)),
        mean_error=how.scales * noise * np.sqrt(1 + mean**2) / n,
        noise=noise,
    )


def _keys(table: Schema, name: str, state: State) -> list[str]:
    labels = labels_of(table, name, state)
    rest = ["missing"] if isinstance(table.features[name], Boolean) else ["other", "missing"]
    return [*labels, *rest]
