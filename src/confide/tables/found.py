"""Bounds, means, deviations and quantiles that nobody declared, found by two rounds of sums.

In each round a row counts once for each column: in the first in a bin for its magnitude (a power of
two), in the second in one of equal bins over the range that the first round suggests. It counts
once more for itself. So one row moves the sum by √(k + 1) for k columns, and all constants of all
columns follow from the counts. Where a plan adds noise the counts have it, and the constants with
them; unused coordinates show how large the noise is, so that noise is not mistaken for data. A
column with declared bounds has its second grid from the first round on.

References:
    R. J. Wilson et al., "Differentially Private SQL with Bounded User Contribution", PoPETs 2020,
    §5.1.1 (bounds by a histogram of powers of two).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.aggregation import Placed
from confide.computation import Computation, Data, State, Totals
from confide.errors import PlanError
from confide.plan import Norm, Sum, SumGroup, Task
from confide.plan.literals import Literal
from confide.tables.grid import (
    BINS,
    CELLS,
    coarse_bin,
    coarse_range,
    denoised,
    fine_bin,
    noise_level,
)
from confide.tables.schema import CONSTANTS, QUANTILES, ROWS, Schema
from confide.tables.written import SchemaSettings, schema_settings

__all__ = ["not_found", "rounds_of", "summaries", "summaries_from_settings"]

Reals = NDArray[np.float64]

LEVELS: Final = 65
"""How many equally spaced quantiles are kept of each column."""

_RANGES: Final = "schema ranges"
"""In a state: the range of each column's fine grid; twice the same number if it is not known."""

_NOT_FOUND: Final = "schema ranges that were not found"
"""In a state: 1 for each column whose values the noise hid, so that its range is made up."""


def not_found(schema: Schema, state: State) -> tuple[str, ...]:
    """The columns whose bounds were not found, because few rows drown in the noise."""
    lost = state.get(_NOT_FOUND, ())
    return tuple(n for n, hidden in zip(schema.found_numbers, lost, strict=False) if hidden)


def rounds_of(schema: Schema) -> int:
    """How many rounds the stage takes: one if all bounds are declared, else two."""
    ranges = _declared(schema)
    return 1 if bool((ranges[:, 0] < ranges[:, 1]).all()) else 2


def summaries(schema: Schema, *, capacity: int) -> Computation:
    """A stage that finds the constants of a schema, for the stage that trains on it.

    Args:
        schema: The schema; its `found_numbers` are what is found.
        capacity: The most rows that a party counts; public, never the number of its rows.

    Returns:
        A computation of two rounds over records. Its state has `CONSTANTS`, `QUANTILES` and `ROWS`.

    Raises:
        PlanError: If the schema declares all its constants.
    """
    names = schema.found_numbers
    if not names:
        raise PlanError("the schema declares all its constants; leave the stage of summaries out")
    counts = Sum(
        name="counts", shape=(len(names) * CELLS + 1,), unit_bound=math.sqrt(len(names) + 1),
        norm=Norm.L2, capacity=capacity,
        meaning="how many values of each column lie in each of some bins, and how many rows",
        cells="bins of its columns",
    )  # fmt: skip

    def contribute(state: State, data: Data, _: np.random.Generator) -> Mapping[str, Any]:
        places = _places(schema, data, state[_RANGES])
        places = np.column_stack([places, np.full(len(places), len(names) * CELLS)])
        return {"counts": Placed(places, np.ones(places.shape))}

    def update(state: State, totals: Totals) -> State:
        counted, ranges = totals["counts"][:-1].reshape(-1, CELLS), np.array(state[_RANGES])
        rows = np.array(max(float(totals["counts"][-1]), 1.0))
        noise = noise_level(counted[:, BINS + 1 :])
        known = ranges[:, 0] < ranges[:, 1]
        if not known.all():
            lost = np.zeros(len(ranges))
            for place in np.flatnonzero(~known):
                found = coarse_range(counted[place, :BINS], noise)
                lost[place] = found is None and noise > 0
                ranges[place] = found or (0.0, 1.0)
            return {**state, _RANGES: ranges, _NOT_FOUND: lost}
        clean = [denoised(counts, noise) for counts in counted[:, :BINS]]
        constants = [_moments(c, *r) for c, r in zip(clean, ranges, strict=True)]
        quantiles = np.array([_quantiles(c, *r) for c, r in zip(clean, ranges, strict=True)])
        of_columns = np.column_stack([_bounds(schema, ranges, quantiles), constants])
        return {**state, CONSTANTS: of_columns, QUANTILES: quantiles, ROWS: rows}

    return Computation(
        task=Task.of("table-summaries", table=schema_settings(schema), capacity=capacity),
        sums=SumGroup((counts,)),
        columns=schema.columns,
        read=schema.read,
        init=lambda: {_RANGES: _declared(schema)},
        contribute=contribute,
        update=update,
    )


def summaries_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'table-summaries'."""
    read = _Settings.read(settings, "task table-summaries")
    return summaries(read.table.table(), capacity=read.capacity)


class _Settings(Literal):
    table: SchemaSettings
    capacity: int


def _declared(schema: Schema) -> Reals:
    """The declared range of each column to find, shape `(k, 2)`; zeros where none is."""
    pairs = [schema.declared_bounds(name) or (0.0, 0.0) for name in schema.found_numbers]
    return np.array(pairs, np.float64)


def _places(schema: Schema, data: Data, ranges: Reals) -> NDArray[np.intp]:
    """Where each row counts for each column, shape `(rows, k)`."""
    places = []
    for column, name in enumerate(schema.found_numbers):
        values, missing = schema.numbers_of(name, data)
        lower, upper = ranges[column]
        bins = coarse_bin(values) if lower == upper else fine_bin(values, lower, upper)
        places.append(column * CELLS + np.where(missing, BINS, bins))
    return np.column_stack(places)


def _moments(counts: Reals, lower: float, upper: float) -> tuple[float, float]:
    """Mean and standard deviation from a fine grid's counts."""
    width = (upper - lower) / BINS
    middles = lower + (np.arange(BINS) + 0.5) * width
    counts = _some(counts)
    mean = float(counts @ middles / counts.sum())
    variance = float(counts @ (middles - mean) ** 2 / counts.sum())
    return mean, max(math.sqrt(variance), width)


def _some(counts: Reals) -> Reals:
    """The counts; one in each bin if all values are missing, as if all were equally likely."""
    return counts if counts.any() else np.ones_like(counts)


def _quantiles(counts: Reals, lower: float, upper: float) -> Reals:
    """Equally spaced quantiles from a fine grid's counts, shape `(LEVELS,)`."""
    edges = np.linspace(lower, upper, BINS + 1)
    counts = _some(counts)
    share = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
    found = np.interp(np.linspace(0, 1, LEVELS), share, edges)
    # No value lies above the last bin that holds any; where the share is 1 interp gives the end.
    found = np.minimum(found, edges[int(np.flatnonzero(counts > 0)[-1]) + 1])
    # Strictly increasing, so that the way back is a function too.
    return np.asarray(found + np.arange(LEVELS) * (upper - lower) * 1e-12)


def _bounds(schema: Schema, ranges: Reals, quantiles: Reals) -> Reals:
    """The declared bounds; for the other columns the ends of what the fine grid held."""
    declared = _declared(schema)
    known = declared[:, :1] < declared[:, 1:]
    return np.where(known, ranges, quantiles[:, [0, -1]])
