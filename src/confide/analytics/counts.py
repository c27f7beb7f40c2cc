"""Histograms and counts of values: each row counts once for each column.

A column of numbers has equal bins between its bounds, values outside count at the ends; a category
has a cell for each of its values and one for others; each has a cell for missing values. The values
of a category that nobody declared come from the stage before (`confide.tables.vocabularies`), which
needs noise, and so do these counts then: that is how heavy hitters are found without a dictionary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.aggregation import Placed
from confide.analytics.reading import (
    Reals,
    TableSettings,
    bounds_in,
    check_name,
    chosen,
    columns_of,
    norm_of,
    read_columns,
    statistics_table,
    table_settings,
)
from confide.analytics.results import Counts, Histogram
from confide.computation import Computation, Data, State, Totals
from confide.errors import PlanError
from confide.numbers import check_whole
from confide.plan import Norm, Sum, SumGroup, Task
from confide.plan.literals import Literal
from confide.tables import Boolean, Category, Schema, vocabularies
from confide.tables.schema import vocabulary_name, words_of

__all__ = ["BINS", "FOUND", "heavy_hitters", "histograms"]

BINS: Final = 20
"""Bins of a column of numbers; a public default."""

_MOST_BINS: Final = 10_000

FOUND: Final = "a value that few rows hold would be counted by its name"
"""Why counts of values that were found need noise."""


def histograms(
    table: Schema,
    *,
    capacity: int,
    columns: Sequence[str] | None = None,
    bins: int = BINS,
    name: str = "histograms",
) -> Computation:
    """How many rows lie in which bin, or have which value, for each column; one round.

    Args:
        table: The table, by `statistics_table`.
        capacity: The most rows that a party counts; public, never the number of its rows.
        columns: Which columns; all if omitted.
        bins: Bins of each column of numbers.
        name: What its arrays in the state begin with.

    Raises:
        PlanError: If a column is unknown or the bins are out of range.
    """
    names = chosen(table, columns, columns_of(table), "numbers or categories")
    bins = check_whole("bins", bins, least=1, most=_MOST_BINS, limit=f"1 to {_MOST_BINS:,}")
    offsets = np.cumsum([0, *(_cells(table, n, bins) for n in names)])
    counts = Sum(
        name="counts", shape=(int(offsets[-1]),), unit_bound=norm_of(*(1.0 for _ in names)),
        norm=Norm.L2, capacity=capacity, meaning="how many rows have which value of each column",
        cells=f"bins and values of {_listed(names)}",
    )  # fmt: skip

    def contribute(state: State, data: Data, _: np.random.Generator) -> Mapping[str, Any]:
        places = np.column_stack(
            [
                offset + _place(table, n, _one(data, column), state, bins)
                for column, (n, offset) in enumerate(zip(names, offsets, strict=False))
            ]
        )
        return {"counts": Placed(places, np.ones(places.shape))}

    def update(state: State, totals: Totals) -> State:
        return {**state, name: totals["counts"]}

    return Computation(
        task=Task.of(
            "histograms", table=table_settings(table), columns=list(names), bins=bins,
            capacity=capacity, name=check_name(name),
        ),
        sums=SumGroup((counts,)),
        columns=names,
        read=read_columns(table, names),
        init=dict,
        contribute=contribute,
        update=update,
        needs_noise=FOUND if set(names) & set(table.found_categories) else "",
    )  # fmt: skip


def heavy_hitters(
    column: str, *, most: int, capacity: int, name: str = "heavy-hitters"
) -> tuple[Computation, Computation]:
    """The frequent values of a column and how many rows have them, without a dictionary.

    Two stages: one of two rounds spells out values that stand out of the noise, one of one round
    counts them. Values of more than 24 bytes are not found.

    Args:
        column: The column, of texts.
        most: How many values are found at most.
        capacity: The most rows that a party counts; public, never the number of its rows.
        name: What its arrays in the state begin with.

    Returns:
        The computations of both stages, for a plan with noise; exact sums are refused.

    Raises:
        PlanError: If a number is out of range.
    """
    table = statistics_table({column: Category(most=most)})
    return vocabularies(table, capacity=capacity), histograms(table, capacity=capacity, name=name)


class HistogramsSettings(Literal):
    """Settings of task 'histograms'."""

    table: TableSettings
    capacity: int
    columns: list[str] | None = None
    bins: int = BINS
    name: str = "histograms"


def histograms_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'histograms'."""
    read = HistogramsSettings.read(settings, "task histograms")
    return histograms(
        read.table.table(), capacity=read.capacity, columns=read.columns, bins=read.bins,
        name=read.name,
    )  # fmt: skip


def read_histograms(settings: Mapping[str, Any], state: State, noise: float) -> Counts:
    """The histograms in a state.

    Args:
        settings: The task's.
        state: The state after the stage.
        noise: The standard deviation of each count's noise; 0 without.
    """
    read = HistogramsSettings.read(settings, "task histograms")
    table, found = read.table.table(), {}
    names = tuple(read.columns or table.features)
    ends = np.cumsum([_cells(table, n, read.bins) for n in names])
    for name, counts in zip(names, np.split(state[read.name], ends[:-1]), strict=True):
        numbers = not isinstance(table.features[name], Boolean | Category)
        edges = _edges(table, name, read.bins, state) if numbers else None
        labels, kept = ((), counts[:-1]) if numbers else _labelled(table, name, counts, state)
        found[name] = Histogram(
            column=name, counts=kept, missing=float(counts[-1]), edges=edges, labels=labels,
            noise=noise,
        )  # fmt: skip
    return Counts(found)


def labels_of(table: Schema, name: str, state: State) -> list[str]:
    """The names of a category's values, in the order of their cells; empty where none was found."""
    column = table.features[name]
    if isinstance(column, Boolean):
        return ["false", "true"]
    assert isinstance(column, Category)  # noqa: S101 - numbers have bins
    if column.values is not None:
        return list(column.values)
    if vocabulary_name(name) not in state:
        raise PlanError(
            f"the values of column {name!r} are to be found, and no stage has found any: run "
            "`vocabularies(table)` as the stage before"
        )
    return words_of(state[vocabulary_name(name)])


def value_places(
    table: Schema, name: str, values: Reals, missing: NDArray[np.bool_], state: State
) -> NDArray[np.intp]:
    """The cell of each row's value: its place, then one for others, then one for missing ones."""
    if isinstance(table.features[name], Boolean):
        return np.where(missing, 2, values).astype(np.intp)
    size = cells_of_values(table, name)
    return np.where(missing, size - 1, table.places_of(name, values, state)).astype(np.intp)


def cells_of_values(table: Schema, name: str) -> int:
    """How many cells the values of a category take: one each, for others, for missing ones."""
    column = table.features[name]
    return 3 if isinstance(column, Boolean) else _category(column).size + 2


def _category(column: object) -> Category:
    assert isinstance(column, Category)  # noqa: S101 - numbers have bins
    return column


def _cells(table: Schema, name: str, bins: int) -> int:
    kind = table.features[name]
    return cells_of_values(table, name) if isinstance(kind, Boolean | Category) else bins + 1


def _one(data: Data, column: int) -> tuple[Reals, NDArray[np.bool_]]:
    return data["values"][:, column], data["missing"][:, column]


def _place(
    table: Schema, name: str, cells: tuple[Reals, NDArray[np.bool_]], state: State, bins: int
) -> NDArray[np.intp]:
    values, missing = cells
    if isinstance(table.features[name], Boolean | Category):
        return value_places(table, name, values, missing, state)
    edges = _edges(table, name, bins, state)
    # Like numpy's: a bin holds its lower edge, the last one both.
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, bins - 1)
    return np.where(missing, bins, place)


def _edges(table: Schema, name: str, bins: int, state: State) -> Reals:
    lower, upper = bounds_in(table, [name], state)[0]
    return np.linspace(lower, upper, bins + 1)


def _labelled(
    table: Schema, name: str, counts: Reals, state: State
) -> tuple[tuple[str, ...], Reals]:
    """The values that have a name, and the count of others, without cells that nothing found."""
    labels = labels_of(table, name, state)
    if isinstance(table.features[name], Boolean):
        return tuple(labels), counts[:-1]
    kept = [place for place, label in enumerate(labels) if label]
    shown = (*(labels[place] for place in kept), "other")
    return shown, np.append(counts[kept], counts[-2])


def _listed(names: Sequence[str]) -> str:
    quoted = [repr(name) for name in names]
    return ", ".join(quoted[:3]) + (f" and {len(quoted) - 3} more" if len(quoted) > 3 else "")
