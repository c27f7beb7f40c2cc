"""Bounds that every value is brought within before anything else happens to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.errors import DataError, PlanError
from confide.privacy.mechanisms.checks import is_number

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
        _check("lower", self.lower)
        _check("upper", self.upper)
        if not self.lower < self.upper:
            raise PlanError(f"lower is {self.lower:g} and upper {self.upper:g}; lower < upper")
        if self.missing is not None and not is_number(self.missing):
            raise PlanError(f"missing is {self.missing!r}; it is what a missing value counts as")
        if self.missing is not None and not self.lower <= self.missing <= self.upper:
            raise PlanError(
                f"missing is {self.missing}; what a missing value counts as lies between "
                f"{self.lower:g} and {self.upper:g}"
            )

    def clamp(self, values: ArrayLike) -> NDArray[np.float64]:
        """Each value, within the bounds; infinite ones too.

        Args:
            values: (n,).

        Raises:
            DataError: If they are not numbers, or one is missing and nothing was declared for it.
        """
        try:
            array = np.asarray(values, np.float64)
        except (OverflowError, TypeError, ValueError) as error:
            raise DataError("the values are not numbers") from error
        if array.ndim != 1:
            raise DataError(f"the values have shape {array.shape}; it takes (n,), one for a unit")
        absent = np.isnan(array)
        if self.missing is not None:
            array = np.where(absent, self.missing, array)
        elif absent.any():
            raise DataError(
                "a value is missing (NaN) and it is not declared what it counts as: set missing=. "
                "Whoever sees this error learns that much"
            )
        return np.clip(array, self.lower, self.upper)


def _check(name: str, bound: object) -> None:
    if not is_number(bound) or not abs(cast("float", bound)) <= _LARGEST:
        raise PlanError(
            f"{name} is {bound}; without a bound (up to {_LARGEST:g}) one value can move the "
            "answer without limit, and no noise hides it: declare one that does not depend on the "
            "data"
        )
