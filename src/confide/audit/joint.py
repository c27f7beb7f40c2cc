"""The joint table behind published tables: its cells, and the sums that were published of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from confide.audit.published import TOTAL, Published
from confide.errors import DataError
from confide.plan.codec import nearest_column
from confide.tables import read_table
from confide.tables.values import numbers, words

__all__ = ["Block", "Joint", "join_tables"]

Reals = NDArray[np.float64]
Places = NDArray[np.int64]

_MOST_CELLS: Final = 2_000_000


@dataclass(frozen=True, eq=False)
class Block:
    """Published values that no cell counts in twice: rows of one table over the same columns.

    Attributes:
        table: The name of the table.
        dimensions: The columns that its labels are of.
        row: `(cells,)`: the value that each cell counts in, −1 for none.
        low: `(values,)`: the least that each sum may be.
        high: `(values,)`: the most. Equal to `low` where the sum is known exactly.
        source: `(values,)`: rows of the table.
    """

    table: str
    dimensions: tuple[str, ...]
    row: Places
    low: Reals
    high: Reals
    source: Places

    @property
    def exact(self) -> NDArray[np.bool_]:
        """`(values,)`: which sums are known exactly."""
        return np.asarray(self.low == self.high)


@dataclass(frozen=True, eq=False, kw_only=True)
class Joint:
    """The cells of the joint table and the sums published of them.

    Attributes:
        dimensions: The columns of labels.
        cells: `(cells, dimensions)`: the place of each label in `labels`.
        labels: The labels of each column.
        blocks: The sums.
        truth: `(cells,)`: the true values, if they are known; only insiders use them.
    """

    dimensions: tuple[str, ...]
    cells: Places
    labels: tuple[tuple[str, ...], ...]
    blocks: tuple[Block, ...]
    truth: Reals | None = None

    def __len__(self) -> int:
        return len(self.cells)

    def name(self, cell: int) -> dict[str, str]:
        """The labels of a cell, by column."""
        return {
            dimension: self.labels[place][self.cells[cell, place]]
            for place, dimension in enumerate(self.dimensions)
        }

    def column(self, dimension: str) -> Places:
        """`(cells,)`: the place of each cell's label of a column.

        Raises:
            DataError: If there is no such column.
        """
        if dimension not in self.dimensions:
            raise DataError(
                f"no column {dimension!r} names parties; "
                f"{nearest_column(dimension, list(self.dimensions))}"
            )
        return self.cells[:, self.dimensions.index(dimension)]


def join_tables(
    tables: Sequence[Published],
    *,
    cells: Any = None,
    value: str | None = None,
    half_width: float = 0.0,
    signed: bool = False,
    whole: bool = False,
) -> Joint:
    """Finds the joint table's cells, and which of them each published value is the sum of.

    Args:
        tables: What was published.
        cells: A table of the cells that may be occupied, where that is public; without it, every
            combination of labels.
        value: The column of values. If `cells` has it, these are the true values.
        half_width: How far the true value may lie from a printed one.
        signed: Whether cells may be negative.
        whole: Whether cells are whole numbers, so their sums are too.

    Raises:
        DataError: If cells do not fit the tables, or are too many.
    """
    published = tuple(dict.fromkeys(d for table in tables for d in table.dimensions))
    if not any(table.dimensions for table in tables) and cells is None:
        raise DataError("no table has a column of labels; give one, or the cells (--cells)")
    truth = None
    if cells is None:
        dimensions = published
        labels = tuple(_labels_of(tables, dimension) for dimension in dimensions)
        count = int(np.prod([len(found) for found in labels], dtype=np.float64))
        if count > _MOST_CELLS:
            raise DataError(
                f"{count:,} combinations of labels, at most {_MOST_CELLS:,}: list those that may "
                "be occupied (--cells)"
            )
        grid = list(product(*(range(len(found)) for found in labels)))
        places = np.array(grid, np.int64).reshape(count, len(dimensions))
    else:
        dimensions, labels, places, truth = _given_cells(cells, published, value)
    joint = Joint(dimensions=dimensions, cells=places, labels=labels, blocks=(), truth=truth)
    blocks = [b for t in tables for b in _blocks(t, joint, half_width, signed=signed)]
    if whole:
        blocks = [replace(b, low=np.ceil(b.low), high=np.floor(b.high)) for b in blocks]
    return replace(joint, blocks=tuple(blocks))


def _labels_of(tables: Sequence[Published], dimension: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for table in tables:
        if dimension in table.dimensions:
            place = table.dimensions.index(dimension)
            found.update(dict.fromkeys(label[place] for label in table.labels))
    found.pop(TOTAL, None)
    if not found:
        raise DataError(f"column {dimension!r} has no label but {TOTAL}; give its labels, too")
    return tuple(found)


def _given_cells(
    cells: Any, published: tuple[str, ...], value: str | None
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...], Places, Reals | None]:
    frame = read_table(cells)
    frame.columns = pd.Index([str(column) for column in frame.columns])
    for dimension in published:
        if dimension not in frame.columns:
            raise DataError(
                f"the cells have no column {dimension!r}, which a table has; "
                f"{nearest_column(dimension, frame)}"
            )
    truth = None
    if value is not None and value in frame.columns:
        truth = numbers(frame[value], value)
        if np.isnan(truth).any():
            raise DataError(f"column {value!r} of the cells has missing values; give all or none")
    dimensions = tuple(column for column in frame.columns if column != value)
    labels, places = [], np.empty((len(frame), len(dimensions)), np.int64)
    for place, dimension in enumerate(dimensions):
        texts, missing = words(frame[dimension], dimension)
        if missing.any():
            raise DataError(
                f"column {dimension!r} of the cells has no label in row {int(missing.argmax())} "
                "(from 0)"
            )
        codes, known = pd.factorize(texts)
        labels.append(tuple(str(label) for label in known))
        places[:, place] = codes
    if len(np.unique(places, axis=0)) < len(places):
        raise DataError("the cells list one cell twice; add a column that distinguishes them")
    return dimensions, tuple(labels), places, truth


def _blocks(table: Published, joint: Joint, half_width: float, *, signed: bool) -> list[Block]:
    """The table's rows, apart by which of its columns say Total."""
    shapes: dict[tuple[str, ...], list[int]] = {}
    for row, label in enumerate(table.labels):
        kept = tuple(d for d, t in zip(table.dimensions, label, strict=True) if t != TOTAL)
        shapes.setdefault(kept, []).append(row)
    return [
        _block(table, kept, np.array(rows), joint, half_width=half_width, signed=signed)
        for kept, rows in shapes.items()
    ]


def _block(
    table: Published,
    kept: tuple[str, ...],
    rows: Places,
    joint: Joint,
    *,
    half_width: float,
    signed: bool,
) -> Block:
    low, high = table.low[rows] - half_width, table.high[rows] + half_width
    low = low if signed else np.maximum(low, 0.0)
    # Labels of the block's rows as one number for each, and the same of each cell.
    keys = np.zeros(len(joint), np.int64)
    wanted = np.zeros(len(rows), np.int64)
    for dimension in kept:
        place, own = joint.dimensions.index(dimension), table.dimensions.index(dimension)
        codes = {label: code for code, label in enumerate(joint.labels[place])}
        size = len(codes) + 1
        keys = keys * size + joint.cells[:, place]
        wanted = wanted * size + np.array([
            codes.get(table.labels[row][own], size - 1) for row in rows
        ])  # fmt: skip
    order = np.argsort(wanted, kind="stable")
    at = np.minimum(np.searchsorted(wanted[order], keys), len(wanted) - 1)
    found = np.where(wanted[order][at] == keys, order[at], -1)
    empty = np.bincount(found[found >= 0], minlength=len(rows)) == 0
    if (empty & (low > 0)).any():
        row = int(rows[int((empty & (low > 0)).argmax())])
        raise DataError(
            f"row {row} (from 0) of {table.name} has a sum above 0 and no cell that may be "
            "occupied: the tables and the cells contradict each other"
        )
    if (low > high).any():
        row = int(rows[int((low > high).argmax())])
        raise DataError(
            f"row {row} (from 0) of {table.name} is below 0 by more than its noise and rounding "
            "explain: state a larger deviation, or say that cells may be negative"
        )
    return Block(table.name, kept, found, low, high, rows)
