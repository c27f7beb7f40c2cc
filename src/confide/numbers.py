"""What counts as a number, and how its exact value is kept.

numpy converts all elements of a container to one type: next to a float, whole numbers become
floats, which may make two adjacent ones equal or move them apart by hundreds. So containers are
read element by element. Numbers are those of Python and numpy, `Decimal` and `Fraction`; booleans
are not numbers, except in data, where they count as 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from fractions import Fraction
from numbers import Integral, Real
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.errors import DataError, PlanError

__all__ = ["Exact", "as_float", "check_real", "check_whole", "exact", "is_number", "shown", "units"]

Exact = int | float | Fraction

_DIGITS: Final = 400
"""Decimals with more digits before the point exceed every bound."""

_ROUNDED_TYPES: Final = ("pyarrow", "polars")
"""Packages whose columns become floats in numpy where one value is missing."""


def is_number(value: object) -> bool:
    """Whether it is a real number of Python, numpy, `decimal` or `fractions`; NaN is one too."""
    return isinstance(value, Real | Decimal) and not isinstance(value, bool | np.bool_)


def exact(value: object) -> Exact | None:  # noqa: PLR0911 - a kind of number each
    """One value as an exact number; None if it is not a real number.

    Args:
        value: Anything. Booleans count as 0 and 1; a missing value (`None`, `pandas.NA`) is not a
            number, and NaN is NaN.

    Example:
        >>> exact(Decimal("0.1")), exact(np.int64(2**53 + 1)), exact("1")
        (Fraction(1, 10), 9007199254740993, None)
    """
    if isinstance(value, float | int) and type(value) in (float, int):
        return value
    if isinstance(value, np.ma.MaskedArray):
        return None
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return exact(value[()]) if value.dtype.kind in "biufO" else None
    if isinstance(value, Decimal):
        return _exact_decimal(value)
    if isinstance(value, bool | np.bool_ | Integral):
        return int(value)
    if isinstance(value, Fraction):
        return value
    if isinstance(value, np.longdouble) and np.isfinite(value):
        numerator, denominator = value.as_integer_ratio()
        return Fraction(int(numerator), int(denominator))
    return float(value) if isinstance(value, Real) else None


def _exact_decimal(value: Decimal) -> Exact:
    if not value.is_finite():
        return math.nan if value.is_nan() else math.copysign(math.inf, value)
    if value and value.adjusted() > _DIGITS:
        beyond: int = 10**_DIGITS
        return -beyond if value < 0 else beyond
    if value.adjusted() < -_DIGITS:
        return 0
    return Fraction(value)


def units(values: object, what: str) -> NDArray[Any] | list[Any]:
    """A container of one value for each unit: an array of one dimension, or a list.

    Args:
        values: An array, a sequence, or a column of a data frame.
        what: What it is, for errors.

    Raises:
        DataError: If it is another container: a text, a table, a masked array, a mapping or a set.
        Its content does not matter.

    Example:
        >>> units([2**60 + 1, 0.5], "the values")
        [1152921504606846977, 0.5]
    """
    wanted = f"{what}: give one value for each unit, in a list or an array of one axis"
    if isinstance(values, np.ma.MaskedArray):
        raise DataError(f"{wanted}; this is a masked array: use values.filled() before")
    if isinstance(values, str | bytes | bytearray | Mapping | AbstractSet):
        raise DataError(f"{wanted}; this is a {type(values).__name__}: write [value] for one unit")
    if type(values).__module__.split(".")[0] in _ROUNDED_TYPES:
        return _listed(values, wanted)
    if hasattr(values, "__array__") and not isinstance(values, np.ndarray):
        values = np.asarray(values)
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise DataError(f"{wanted}; this has shape {values.shape}: choose one column")
        return values
    if not isinstance(values, Iterable):
        raise DataError(f"{wanted}; this is a {type(values).__name__}: write [value] for one unit")
    return list(values)


def _listed(values: object, wanted: str) -> list[Any]:
    for method in ("to_pylist", "to_list"):
        if hasattr(values, method) and not hasattr(values, "columns"):
            return list(getattr(values, method)())
    raise DataError(f"{wanted}; this is a table: choose one column")


def as_float(value: object) -> float:
    """A number as the nearest float; ∞ if it is too large for a float.

    Args:
        value: A number, as `is_number` says.
    """
    number = exact(value)
    if number is None:
        return math.nan
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def shown(value: object) -> str:
    """A declared value in a message: a number as it is, of anything else its type alone.

    A value in the place of a number may be somebody's data.
    """
    if isinstance(value, bool | np.bool_ | None) or is_number(value):
        return f"{value!s:.60}"
    return f"of type {type(value).__name__}"


def check_real(
    name: str,
    value: object,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    above: float | None = None,
    below: float | None = None,
    limit: str,
) -> float:
    """A declared number within its limits, as a float.

    Args:
        name: What it is called.
        value: The number.
        least: It is at least this.
        most: It is at most this.
        above: It is more than this.
        below: It is less than this.
        limit: The limits in words, for the error.

    Raises:
        PlanError: If it is not a number, or out of its limits.
    """
    number = as_float(value) if is_number(value) else None
    # NaN compares false with everything.
    if (
        number is None
        or not least <= number <= most
        or (above is not None and number <= above)
        or (below is not None and number >= below)
    ):
        raise PlanError(f"{name} is {shown(value)}; {limit}")
    return number


def check_whole(
    name: str, value: object, *, least: int, most: int | None = None, limit: str
) -> int:
    """A declared whole number within its limits.

    Args:
        name: What it is called.
        value: The number; a float is refused, even if it is whole.
        least: It is at least this.
        most: It is at most this.
        limit: The limits in words, for the error.

    Raises:
        PlanError: If it is not a whole number, or out of its limits.
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or int(value) < least or (most is not None and int(value) > most):  # type: ignore[call-overload]
        raise PlanError(f"{name} is {shown(value)}; {limit}")
    return int(value)  # type: ignore[call-overload,no-any-return]
