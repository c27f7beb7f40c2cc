"""What counts as a number: of Python, of numpy, `Decimal` and `Fraction`; text and nothing do not.

No message here shows a value: what is refused may be somebody's data.
"""

from __future__ import annotations

import math
import operator
from decimal import Decimal
from fractions import Fraction
from numbers import Complex, Integral, Rational, Real
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.errors import EncryptionError

__all__ = ["Numbers", "numbers_in", "real_number", "whole_number"]

Numbers = NDArray[Any]
"""What slots hold."""

_KINDS: Final = "biufc"
"""numpy's kinds of booleans, whole numbers with and without sign, floats and complex numbers."""

_WORD: Final = 1 << 63


def numbers_in(values: object) -> Numbers:
    """An array of whole, real or complex numbers.

    Args:
        values: An array, a sequence or one number. Booleans count as 0 and 1.

    Raises:
        EncryptionError: If a value is not a number or is masked, or the parts have different
        lengths.

    Example:
        >>> numbers_in([Fraction(1, 2), Decimal("0.25")]), numbers_in(Fraction(4, 2))
        (array([0.5 , 0.25]), array(2))
    """
    if isinstance(values, np.ma.MaskedArray):
        raise EncryptionError("a masked array; leave the masked numbers out, or fill them in")
    try:
        given = np.asarray(values)
    except (TypeError, ValueError):
        raise EncryptionError("parts of different lengths; give one array of numbers") from None
    if given.dtype.kind in _KINDS:
        return given
    if given.dtype != object:
        raise EncryptionError(f"{given.dtype} where numbers are encrypted or computed with")
    return _of_objects(given)


def _of_objects(given: NDArray[Any]) -> Numbers:
    """Numbers of Python's types, in the narrowest of numpy's that holds them all."""
    parts = [_plain(x) for x in given.ravel()]
    kind: type = np.int64
    if any(isinstance(x, complex) for x in parts):
        kind = np.complex128
    elif not all(isinstance(x, int) and -_WORD <= x < _WORD for x in parts):
        kind = np.float64
    try:
        return np.array(parts, kind).reshape(given.shape)
    except OverflowError:
        raise EncryptionError("a number that no 64-bit float holds") from None


def _plain(x: object) -> int | float | complex:
    """The same number as a whole number if it is one, else as a float or a complex number."""
    if isinstance(x, Integral):
        return int(x)
    try:
        if isinstance(x, Rational):
            exact = Fraction(x)
            return int(exact) if exact.denominator == 1 else float(exact)
        if isinstance(x, Decimal):
            return int(x) if x.is_finite() and x == x.to_integral_value() else float(x)
        if isinstance(x, Real):
            return float(x)
        if isinstance(x, Complex):
            return complex(x)
    except (OverflowError, ValueError):
        raise EncryptionError("a number that no 64-bit float holds") from None
    raise EncryptionError(f"a {type(x).__name__} among the numbers; real, complex or whole ones")


def real_number(value: object, name: str, meaning: str = "a real number") -> float:
    """A parameter, not data: one finite real number.

    Args:
        value: What was given.
        name: Of the parameter.
        meaning: What it is to be, for the error.

    Raises:
        EncryptionError: If it is something else.

    Example:
        >>> real_number(Decimal("0.5"), "noise"), real_number(np.float32(2), "noise")
        (0.5, 2.0)
    """
    if isinstance(value, Real | Decimal) and not isinstance(value, bool | np.bool_):
        try:
            number = float(value)
        except (OverflowError, ValueError):
            number = math.inf
        if math.isfinite(number):
            return number
    raise EncryptionError(f"{name} is {_shown(value)}; {meaning}")


def whole_number(value: object, name: str, low: int, high: int) -> int:
    """A parameter, not data: one whole number of a range.

    Raises:
        EncryptionError: If it is something else.

    Example:
        >>> whole_number(np.int64(3), "level", 0, 5)
        3
    """
    if not isinstance(value, bool | np.bool_):
        try:
            number = operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            number = low - 1
        if low <= number <= high:
            return number
    raise EncryptionError(f"{name} is {_shown(value)}; a whole number between {low} and {high}")


def _shown(value: object) -> str:
    """Scalars as they are; of anything else the type alone."""
    scalar = value is None or isinstance(value, Real | Decimal | str)
    return f"{value!r:.40}" if scalar else f"a {type(value).__name__}"
