"""Published tables as they stand: labels, values, and what a reader knows of each value."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from confide.errors import DataError
from confide.plan.codec import nearest_column
from confide.tables import read_table
from confide.tables.values import words

__all__ = ["TOTAL", "Precision", "Published", "read_published"]

Reals = NDArray[np.float64]

TOTAL: Final = "Total"
"""The label that stands for all values of a column, in any case of letters."""

_SUPPRESSED: Final = frozenset(
    {"*", "**", "d", "(d)", "s", "(s)", "x", "(x)", "c", ":", "..", "…", "n/a", "na", "nan", "null",
     "none", "suppressed"}
)  # fmt: skip
_BELOW: Final = re.compile(r"<\s*(\d+(?:\.\d+)?)")
"""A value that is said to be small, such as <5."""

_LARGEST: Final = 2.0**52


@dataclass(frozen=True, kw_only=True)
class Precision:
    """What a reader knows of published values beside their digits.

    Attributes:
        rounding: Values are rounded to the nearest multiple of this; 0 if they are exact.
        deviation: Standard deviation of the noise on each value; 0 without noise.
        counts: Whether all cells are whole numbers.
        signed: Whether cells may be negative: changes, or sums of gains and losses.

    Raises:
        DataError: If a number is negative or not finite.
    """

    rounding: float = 0.0
    deviation: float = 0.0
    counts: bool = False
    signed: bool = False

    def __post_init__(self) -> None:
        for name in ("rounding", "deviation"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not (
                0 <= value < _LARGEST
            ):  # fmt: skip
                raise DataError(f"{name} is {value!s:.40}; it is a number from 0, such as 5")

    def half_width(self, quantile: float) -> float:
        """How far the true value may lie from a published one.

        Args:
            quantile: The number of standard deviations of noise to allow.
        """
        return self.rounding / 2 + quantile * self.deviation


@dataclass(frozen=True, eq=False, kw_only=True)
class Published:
    """One published table.

    Attributes:
        name: Of the file, for messages.
        dimensions: Its columns of labels.
        labels: The labels of each row; `TOTAL` where a row is over all values of a column.
        low: `(rows,)`: the least that the value may be by what is printed; −∞ if suppressed.
        high: `(rows,)`: the most; ∞ if suppressed. Equal to `low` where a number is printed.
    """

    name: str
    dimensions: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    low: Reals
    high: Reals

    @property
    def printed(self) -> NDArray[np.bool_]:
        """`(rows,)`: which rows have a number."""
        return np.asarray(self.low == self.high)


def read_published(
    source: Any, name: str, *, value: str | None = None, precision: Precision | None = None
) -> Published:
    """Reads a published table: columns of labels, and one of values.

    Args:
        source: What `read_table` takes.
        name: For messages.
        value: The column of values; the last one if None.
        precision: Whether values may be negative: with `signed`, or noise.

    Raises:
        DataError: If it cannot be read, has no such column, a row twice, or a value that is neither
            a number nor marked as suppressed.
    """
    frame = read_table(source)
    frame.columns = pd.Index([str(column) for column in frame.columns])
    if not len(frame.columns):
        raise DataError(f"{name} has no columns; give labels and a column of values")
    value = _value_column(frame, name, value)
    dimensions = tuple(column for column in frame.columns if column != value)
    labels = _labels(frame, dimensions, name)
    low, high = _values(frame[value], name, value, precision or Precision())
    seen: dict[tuple[str, ...], int] = {}
    for row, label in enumerate(labels):
        if label in seen:
            raise DataError(
                f"{name} has the same labels in rows {seen[label]} and {row} (from 0): add such "
                "rows up, or name the column that distinguishes them"
            )
        seen[label] = row
    return Published(name=name, dimensions=dimensions, labels=labels, low=low, high=high)


def _value_column(frame: pd.DataFrame, name: str, value: str | None) -> str:
    if value is None:
        return str(frame.columns[-1])
    if value not in frame.columns:
        raise DataError(
            f"{name} has no column {value!r}; {nearest_column(value, frame)}: name the column of "
            "values by --value"
        )
    return value


def _labels(
    frame: pd.DataFrame, dimensions: Sequence[str], name: str
) -> tuple[tuple[str, ...], ...]:
    if not dimensions:
        if len(frame) != 1:
            raise DataError(
                f"{name} has {len(frame)} values and no column of labels; a table without labels "
                "has one value, the total"
            )
        return ((),)
    columns = []
    for dimension in dimensions:
        texts, missing = words(frame[dimension], dimension)
        if missing.any():
            raise DataError(
                f"column {dimension!r} of {name} has no label in row {int(missing.argmax())} (from "
                f"0): write {TOTAL} for the sum over all labels"
            )
        columns.append([TOTAL if t.lower() == TOTAL.lower() else str(t) for t in texts])
    return tuple(zip(*columns, strict=True))


def _values(cells: pd.Series, name: str, value: str, precision: Precision) -> tuple[Reals, Reals]:
    low, high = np.empty(len(cells)), np.empty(len(cells))
    for row, cell in enumerate(cells.tolist()):
        low[row], high[row] = _value(cell, f"column {value!r} of {name}, row {row} (from 0)")
    if not (precision.signed or precision.deviation):
        negative = (low < 0) & np.isfinite(low)
        if negative.any():
            raise DataError(
                f"column {value!r} of {name} is negative in row {int(negative.argmax())} (from 0), "
                "and counts and sums of amounts are not: correct it, or say that cells may be "
                "negative (--signed) or have noise (--noise)"
            )
    printed = low[low == high]
    if precision.counts and not (precision.rounding or precision.deviation) and (printed % 1).any():
        raise DataError(
            f"column {value!r} of {name} has values that are not whole numbers, and counts are: "
            "leave --counts out for sums"
        )
    return low, high


def _value(cell: object, where: str) -> tuple[float, float]:
    """What is known of one value, from what is printed."""
    if cell is None or cell is pd.NA or (isinstance(cell, float) and np.isnan(cell)):
        return -np.inf, np.inf
    text = str(cell).strip()
    if not text or text.lower() in _SUPPRESSED:
        return -np.inf, np.inf
    below = _BELOW.fullmatch(text)
    if below:
        return -np.inf, float(below[1])
    try:
        number = float("x" if "_" in text else text)
    except ValueError:
        raise DataError(
            f"{where}: neither a number nor a mark of suppression (*, D, an empty cell, <5)"
        ) from None
    if not abs(number) < _LARGEST:
        raise DataError(f"{where}: a number of 2^52 or more; give values in larger units")
    return number, number


def named(sources: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
    """Tables by their names: those given, or the files' own."""
    if isinstance(sources, Mapping):
        return {str(name): source for name, source in sources.items()}
    found: dict[str, Any] = {}
    for place, source in enumerate(sources, 1):
        name = f"table {place}" if hasattr(source, "columns") else str(source)
        if name in found:
            raise DataError(f"{name} is given twice; a second release goes to --later")
        found[name] = source
    return found
