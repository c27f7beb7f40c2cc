"""Bounds that every value is brought within before anything else happens to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.errors import DataError, PlanError
from confide.numbers import check_real, exact, units

__all__ = ["Bounds"]

_LARGEST = 1e99


@dataclass(frozen=True)
class Bounds:
    """A closed interval, declared and not found from the data.

    Attributes:
        lower: Smaller values count as it.
        upper: Larger values count as it.
        missing: What NaN counts as; None for an error.

    Raises:
        PlanError: If a bound is missing, not finite, or they are out of order.
    """

    lower: float
    upper: float
    missing: float | None = None

    def __post_init__(self) -> None:
        for name in ("lower", "upper"):
            object.__setattr__(self, name, check_real(
                name, getattr(self, name), least=-_LARGEST, most=_LARGEST,
                limit=f"without a bound (up to {_LARGEST:g}) one value can move the answer without "
                "limit, and no noise hides it: declare a bound that does not depend on the data",
            ))  # fmt: skip
        if not self.lower < self.upper:
            raise PlanError(f"lower is {self.lower:g} and upper {self.upper:g}; lower < upper")
        if self.missing is not None:
            object.__setattr__(self, "missing", check_real(
                "missing", self.missing, least=self.lower, most=self.upper,
                limit="it is what a missing value counts as, a number between "
                f"{self.lower:g} and {self.upper:g}",
            ))  # fmt: skip

    def clamp(self, values: ArrayLike) -> NDArray[np.float64]:
        """Each value, within the bounds; infinite ones too.

        Args:
            values: (n,). Values that are not numbers (None, a text, `pandas.NA`) are missing, like
                NaN, so that no single unit decides whether there is an error.

        Raises:
            DataError: If they are not a sequence, are an array of a type without numbers, or one is
            missing and `missing` was not declared. The message shows no value and no position.
        """
        array = self._numbers(units(values, "the values"))
        absent = np.isnan(array)
        if self.missing is not None:
            array = np.where(absent, self.missing, array)
        elif absent.any():
            raise DataError(
                "a value is missing or no number and it is not declared what it counts as: set "
                "missing=. Anyone who sees this error learns that much"
            )
        return np.clip(array, self.lower, self.upper)

    def _numbers(self, given: NDArray[Any] | list[Any]) -> NDArray[np.float64]:
        """Floats, NaN where there is no number."""
        if isinstance(given, np.ndarray) and given.dtype.kind in "biuf":
            return np.asarray(given, np.float64)
        if isinstance(given, np.ndarray) and given.dtype != object:
            raise DataError(
                f"the values are an array of {_TYPES.get(given.dtype.kind, 'no numbers')}; convert "
                "them to numbers before"
            )
        return np.fromiter(map(self._number, given), np.float64, len(given))

    def _number(self, value: object) -> float:
        number = exact(value)
        if number is None:
            return math.nan
        # A whole number may be too large for a float.
        return (
            float(number)
            if isinstance(number, float)
            else float(min(max(number, Fraction(self.lower)), Fraction(self.upper)))
        )


_TYPES = {"U": "texts", "S": "bytes", "c": "complex numbers", "M": "dates", "m": "durations"}
