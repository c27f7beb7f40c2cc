"""Every table of whole numbers that agrees with published sums, by trying them all."""

import numpy as np
import pandas as pd


def published(cells, values, columns, *, value="sales"):
    """The sums of a table over some of its columns, as a frame."""
    frame = pd.DataFrame(cells).assign(**{value: values})
    if not columns:
        return pd.DataFrame({value: [frame[value].sum()]})
    return frame.groupby(list(columns), as_index=False)[value].sum()


def tables_with(rows, sums):
    """Every table of whole numbers from 0 whose sums are those given, cell by cell.

    Args:
        rows: For each published table the row that each cell counts in.
        sums: For each published table its sums.
    """
    left = [list(wanted) for wanted in sums]
    count = len(rows[0])
    found: list[tuple[int, ...]] = []
    table: list[int] = []

    def extend(cell):
        if cell == count:
            if not any(any(rest) for rest in left):
                found.append(tuple(table))
            return
        for value in range(min(rest[row[cell]] for rest, row in zip(left, rows, strict=True)) + 1):
            for rest, row in zip(left, rows, strict=True):
                rest[row[cell]] -= value
            # A sum whose cells all have values must be used up.
            if all(rest[row[cell]] == 0 or row[cell] in row[cell + 1 :]
                   for rest, row in zip(left, rows, strict=True)):  # fmt: skip
                table.append(value)
                extend(cell + 1)
                table.pop()
            for rest, row in zip(left, rows, strict=True):
                rest[row[cell]] += value

    extend(0)
    return np.array(found)


def all_tables(cells, values, column_sets):
    """Every table of whole numbers with the sums of these values over each set of columns."""
    frame = pd.DataFrame(cells)
    rows, sums = [], []
    for columns in column_sets:
        keys = [tuple(row) for row in frame[list(columns)].itertuples(index=False)]
        known = list(dict.fromkeys(keys))
        rows.append([known.index(key) for key in keys])
        sums.append([sum(v for v, k in zip(values, keys, strict=True) if k == key)
                     for key in known])  # fmt: skip
    return tables_with(rows, sums)


def intervals(found):
    """(cells, 2): the least and the most of each cell over all tables."""
    return np.stack([found.min(axis=0), found.max(axis=0)], axis=1)
