"""What counts as a number, and as a person's identifier, in a contribution.

numpy converts its input to one type: the text "0.5" into 0.5, the number 1 next to a text into "1",
and whole numbers next to a float into floats, which may make two adjacent ones equal. Here each
part of a container is checked before numpy joins them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from numbers import Integral
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.errors import DataError
from confide.numbers import exact

__all__ = ["Reals", "person_identifiers", "real_numbers"]

Reals = NDArray[np.float64]

_NUMBERS: Final = "biuf"
"""numpy's kinds of booleans, whole numbers with and without sign, and floats."""

_EXACT: Final = 1 << 53
"""Up to here a 64-bit float holds every whole number."""

_DEEPEST: Final = 32


def real_numbers(values: ArrayLike, what: str) -> Reals:
    """Values as 64-bit floats, each equal to the value that was given.

    Args:
        values: An array, or sequences of arrays and numbers. Booleans count as 0 and 1.
        what: What it is, for errors.

    Raises:
        DataError: If a part is not a number (text, bytes, a date, a complex number, nothing), is
            masked, or is a whole number beyond 2^53 that a 64-bit float does not hold; or if the
            parts have different shapes.

    Example:
        >>> real_numbers([1, True, 0.5], "an example")
        array([1. , 1. , 0.5])
    """
    for leaf in _leaves(values, what):
        _check_numbers(leaf, what)
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{what} has parts of different shapes; give one array") from None


def person_identifiers(persons: ArrayLike) -> NDArray[Any]:
    """Identifiers of persons as one array, in which different ones stay different.

    Args:
        persons: Who each row is about, shape `(rows,)`: all of one type.

    Raises:
        DataError: If they are of several types, or not in one row.
    """
    if isinstance(persons, np.ma.MaskedArray):
        raise DataError("person identifiers in a masked array; leave those rows out instead")
    given = persons if isinstance(persons, np.ndarray) else _one_by_one(persons)
    if given.ndim != 1:
        raise DataError(f"person identifiers with {given.ndim} axes; give one for each row")
    if given.dtype != object:
        return given
    kinds = {_kind(person) for person in given}
    if len(kinds) > 1:
        raise DataError(
            f"person identifiers of several types ({', '.join(sorted(kinds))}): use texts only, or "
            "whole numbers only"
        )
    try:
        np.unique(given)
    except TypeError:
        raise DataError(
            f"person identifiers of type {kinds.pop()}, which have no order: use texts or whole "
            "numbers"
        ) from None
    return given


def _one_by_one(persons: ArrayLike) -> NDArray[Any]:
    """A sequence as objects, so that numpy joins no types; anything else as numpy has it."""
    if not isinstance(persons, (list, tuple)):
        return np.asarray(persons)
    found = np.empty(len(persons), object)
    for i, person in enumerate(persons):
        found[i] = person
    return found


def _kind(person: object) -> str:
    if isinstance(person, (bool, np.bool_)):
        return "bool"
    if isinstance(person, Integral):
        return "int"
    return "str" if isinstance(person, str) else type(person).__name__


def _leaves(values: Any, what: str, depth: int = 0) -> Iterator[NDArray[Any]]:
    """The arrays and single values that a container is made of."""
    if isinstance(values, np.ma.MaskedArray):
        raise DataError(f"{what} is a masked array; fill in or leave out what is masked")
    if isinstance(values, (list, tuple)) or (
        isinstance(values, np.ndarray) and values.dtype == object and values.ndim > 0
    ):
        if depth == _DEEPEST:
            raise DataError(f"{what} is nested deeper than {_DEEPEST} levels")
        yield from _leaves_of(values, what, depth)
    elif isinstance(values, np.ndarray):
        yield values
    else:
        yield _leaf(values, what)


def _leaves_of(values: Iterable[Any], what: str, depth: int) -> Iterator[NDArray[Any]]:
    for value in values:
        if type(value) is not float:  # A float is what it is; the many of them pass quickly.
            yield from _leaves(value, what, depth + 1)


def _leaf(value: Any, what: str) -> NDArray[Any]:
    """A single value, or what numpy knows as an array, such as a column of a data frame."""
    if isinstance(value, Decimal | Fraction):
        number = exact(value)
        if not isinstance(number, float) and number is not None:
            _check_exact([int(number)] if number % 1 == 0 else [], what)
            return np.asarray(float(number))
        return np.asarray(number)
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        _check_exact([value], what)
        return np.asarray(float(value))
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        raise DataError(f"{what} holds a {type(value).__name__}, which is not a number") from None
    if array.dtype != object:
        return array
    if array.ndim == 0:
        raise DataError(f"{what} holds a {type(value).__name__}, which is not a number")
    for leaf in _leaves(array, what):
        _check_numbers(leaf, what)
    return np.zeros(0)


def _check_numbers(array: NDArray[Any], what: str) -> None:
    if array.dtype.kind not in _NUMBERS:
        # The type of a text says how long the text is.
        kind = {"U": "str", "S": "bytes"}.get(array.dtype.kind, str(array.dtype))
        raise DataError(
            f"{what} holds values of type {kind}; booleans, whole numbers and floats are "
            "accepted: convert them first"
        )
    if array.dtype.kind in "iu" and array.dtype.itemsize > 4:
        beyond = array[(array > _EXACT) | (array < -_EXACT)]
        _check_exact(beyond.tolist(), what)


def _check_exact(whole: list[int], what: str) -> None:
    """Refuses whole numbers of which a 64-bit float would lose the last bits."""
    for value in whole:
        size = abs(value)
        # A float holds 53 bits; what is below them has to be zero.
        if size.bit_length() > 1024 or size & ((1 << max(0, size.bit_length() - 53)) - 1):
            raise DataError(
                f"{what} holds a whole number beyond 2^53 that a 64-bit float cannot hold exactly; "
                "scale it down, or convert to float where the last digits do not matter"
            )
