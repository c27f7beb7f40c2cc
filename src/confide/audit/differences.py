"""Differencing: what the changes between two releases of the same tables give away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from confide.audit.bounds import bounds_of
from confide.audit.findings import Difference
from confide.audit.joint import join_tables
from confide.audit.published import Published
from confide.audit.structure import structure_of
from confide.errors import DataError

__all__ = ["differences_of"]


def differences_of(
    earlier: Sequence[Published], later: Sequence[Published], *, cells: Any, value: str
) -> tuple[Difference, ...]:
    """The values that are in both releases and differ, and what their changes determine.

    The changes of cells may be negative. Those that the changes of the sums determine are found as
    for the tables themselves, among the cells whose sums all changed: a sum that did not change is
    taken to say that nothing in it did, which is what a reader assumes.

    Args:
        earlier: The first release.
        later: The second one.
        cells: The cells that may be occupied, or None.
        value: The column of values.

    Raises:
        DataError: If no table of the later release has the columns of an earlier one.
    """
    if not later:
        return ()
    changes = [_change(_same(earlier, table), table) for table in later]
    moved = [(table, row) for table in changes for row in np.flatnonzero(table.printed)
             if table.low[row]]  # fmt: skip
    if not moved:
        return ()
    joint = join_tables(changes, cells=cells, value=value, signed=True)
    blocks = list(joint.blocks)
    still = np.zeros(len(joint), np.bool_)
    for block in blocks:
        inside = block.row >= 0
        still[inside] |= (block.low == 0)[block.row[inside]] & block.exact[block.row[inside]]
    structure = structure_of(blocks, ~still)
    found = bounds_of(
        blocks, len(joint), determined=structure.determined, signed=True,
        known=np.where(still, 0.0, np.nan),
    )  # fmt: skip
    told = [c for c in np.flatnonzero(structure.determined) if found.low[c]]
    return tuple(
        Difference(
            table=table.name,
            labels=dict(zip(table.dimensions, table.labels[row], strict=True)),
            change=float(table.low[row]),
            cells=tuple(
                (joint.name(int(c)), float(found.low[c])) for c in told
                if _counts_in(joint.name(int(c)), table, int(row))
            ),
        )
        for table, row in moved
    )  # fmt: skip


def _same(earlier: Sequence[Published], table: Published) -> Published:
    for other in earlier:
        if set(other.dimensions) == set(table.dimensions):
            return other
    raise DataError(
        f"{table.name} has columns {', '.join(table.dimensions) or 'without labels'}, and no table "
        "of the first release has the same: give both releases of a table"
    )


def _change(earlier: Published, later: Published) -> Published:
    order = [earlier.dimensions.index(d) for d in later.dimensions]
    before = {tuple(label[o] for o in order): row for row, label in enumerate(earlier.labels)}
    change = np.full(len(later.labels), np.inf)
    for row, label in enumerate(later.labels):
        first = before.get(label)
        if first is not None and earlier.printed[first] and later.printed[row]:
            change[row] = later.low[row] - earlier.low[first]
    known = np.isfinite(change)
    return Published(
        name=later.name, dimensions=later.dimensions, labels=later.labels,
        low=np.where(known, change, -np.inf), high=change,
    )  # fmt: skip


def _counts_in(cell: dict[str, str], table: Published, row: int) -> bool:
    labels = zip(table.dimensions, table.labels[row], strict=True)
    return all(label in (cell[dimension], "Total") for dimension, label in labels)
