"""From the cells of a file or a frame to numbers, each with a word on what is missing.

Cells are what files have: texts, numbers, dates, empty ones. Each kind of column has one reading,
the same for every container, so that a CSV, a Parquet file and a frame of one table agree. An error
names the column, the first row and what was expected, never a cell.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from confide.errors import DataError
from confide.tables.forms import day_reader

__all__ = ["Cells", "booleans", "codes", "dates", "numbers"]

Reals = NDArray[np.float64]
Cells = Any
"""A column as pandas, Polars, Arrow or numpy has it."""

MISSING_WORDS: Final = frozenset({"", "na", "n/a", "nan", "null", "none", "nil", "?", "-", "."})
"""Texts that files write for a missing value, in lower case."""

_WHOLE: Final = re.compile(r"^([+-]?\d+)\.0+$")

_TRUE: Final = frozenset({"true", "t", "yes", "y", "1", "1.0", "on"})
_FALSE: Final = frozenset({"false", "f", "no", "n", "0", "0.0", "off"})


def numbers(cells: Cells, name: str) -> Reals:
    """A column of numbers, shape `(rows,)`, NaN where one is missing.

    Raises:
        DataError: If a cell is neither a number nor missing, or is infinite.
    """
    column = _series(cells, name)
    if pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_numeric_dtype(column.dtype):
        if pd.api.types.is_complex_dtype(column.dtype):
            raise DataError(f"column {name!r} has complex numbers; give real ones")
        found = column.to_numpy(dtype=np.float64, na_value=np.nan)
    elif pd.api.types.is_datetime64_any_dtype(column.dtype):
        raise DataError(f"column {name!r} has dates, and the schema says numbers; declare a date")
    else:
        found = _each(column, name, _number, "a number like 12.5")
    return _finite(found, name)


def dates(cells: Cells, name: str) -> Reals:
    """A column of dates as days since 1970, shape `(rows,)`, NaN where one is missing.

    Raises:
        DataError: If a cell is neither a date like 2026-01-31 nor missing.
    """
    column = _series(cells, name)
    if not pd.api.types.is_datetime64_any_dtype(column.dtype):
        read = day_reader((w for w in map(_word, column.tolist()) if w is not None), name)
        return _each(column, name, partial(_day, read), "a date like 2026-01-31")
    days = column.dt.tz_localize(None) if column.dt.tz is not None else column
    found = days.to_numpy(dtype="datetime64[s]")
    seconds = found.astype(np.int64).astype(np.float64)
    return np.where(np.isnat(found), np.nan, np.floor(seconds / 86400))


def booleans(cells: Cells, name: str) -> Reals:
    """A column of yes and no as 1 and 0, shape `(rows,)`, NaN where one is missing.

    Raises:
        DataError: If a cell is none of true, false, yes, no, 1, 0 and their like, nor missing.
    """
    column = _series(cells, name)
    return _each(column, name, _truth, "yes or no (true, false, 1, 0)")


def codes(cells: Cells, name: str, vocabulary: tuple[str, ...]) -> Reals:
    """A column of texts as their places in a vocabulary, shape `(rows,)`.

    Returns:
        The place, from 0; the vocabulary's size for another text; NaN where one is missing.
    """
    texts, missing = words(cells, name)
    places = {word: float(place) for place, word in enumerate(vocabulary)}
    other = float(len(vocabulary))
    column = pd.Series(texts)
    found = column.map(places)
    unknown = column[found.isna()]
    if len(unknown):  # A file written from numbers with gaps has 1.0 where the others have 1.
        found = found.fillna(unknown.str.replace(_WHOLE, r"\1", regex=True).map(places))
    known = found.fillna(other).to_numpy(dtype=np.float64)
    return np.where(missing, np.nan, known)


def words(cells: Cells, name: str) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """A column's cells as texts without blanks at the ends, and which are missing.

    Whole numbers are written without a point, so that 3 and 3.0 are one word; true and false in
    lower case.
    """
    column = _series(cells, name)
    texts = np.empty(len(column), object)
    for row, cell in enumerate(column.tolist()):
        texts[row] = _word(cell)
    missing = np.array([text is None for text in texts], np.bool_)
    texts[missing] = ""
    return texts, missing


def _word(cell: object) -> str | None:
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return None
    if isinstance(cell, float) and math.isnan(cell):
        return None
    if isinstance(cell, bool | np.bool_):
        return str(bool(cell)).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    text = str(cell).strip()
    return None if text.lower() in MISSING_WORDS else text


def _series(cells: Cells, name: str) -> pd.Series:
    if hasattr(cells, "to_pandas"):
        cells = cells.to_pandas()
    if isinstance(cells, np.ma.MaskedArray):
        raise DataError(f"column {name!r} is a masked array; write NaN where it is masked")
    if isinstance(cells, pd.DataFrame):
        raise DataError(f"column {name!r} stands {cells.shape[1]} times in the table; rename one")
    if isinstance(cells, pd.Series):
        column = cells
    elif isinstance(cells, np.ndarray):
        if cells.ndim != 1:
            raise DataError(
                f"column {name!r} has {cells.ndim} axes; it must have one value for each row"
            )
        column = pd.Series(cells)
    else:
        column = pd.Series(list(cells), dtype=object)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    return column


def _each(column: pd.Series, name: str, read: Callable[[object], float], expected: str) -> Reals:
    """Each cell read by itself; every distinct text is read once."""
    known: dict[object, float] = {}
    found = np.empty(len(column), np.float64)
    for row, cell in enumerate(column.tolist()):
        try:
            value = known.get(cell)
        except TypeError:  # not hashable: a list, a map
            value = None
        if value is None:
            try:
                value = known[cell] = read(cell)
            except (TypeError, ValueError, OverflowError):
                raise DataError(
                    f"column {name!r} has in row {row} (from 0) a value that is not {expected}: "
                    "correct the file, or declare another kind of column"
                ) from None
        found[row] = value
    return found


def _number(cell: object) -> float:
    if isinstance(
        cell, bool | np.bool_ | int | float | np.integer | np.floating | Decimal | Fraction
    ):
        return float(cell)
    word = _word(cell)
    if word is None:
        return np.nan
    if "_" in word or word.lower() in ("inf", "-inf", "+inf", "infinity", "-infinity"):
        raise ValueError
    return float(word)


def _truth(cell: object) -> float:
    word = _word(cell)
    if word is None:
        return np.nan
    if word.lower() in _TRUE:
        return 1.0
    if word.lower() in _FALSE:
        return 0.0
    raise ValueError


def _day(read: Callable[[str], date], cell: object) -> float:
    word = _word(cell)
    if word is None:
        return np.nan
    if isinstance(cell, int | float | np.number):
        raise TypeError  # 20260131 and 46000 are not certainly dates
    return float((read(word) - date(1970, 1, 1)).days)


def _finite(values: Reals, name: str) -> Reals:
    infinite = np.isinf(values)
    if infinite.any():
        raise DataError(
            f"column {name!r} has infinity in row {int(np.argmax(infinite))} (from 0); write a "
            "finite number, or leave the cell empty"
        )
    return values
