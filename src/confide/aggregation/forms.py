"""Other forms of a contribution than one row of numbers for each unit: a few places, or a sum."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from confide.aggregation.numbers import Reals, real_numbers
from confide.errors import DataError
from confide.plan.sums import Norm, Sum

__all__ = ["Placed", "Summed"]


@dataclass(frozen=True)
class Placed:
    """Each unit's values at a few coordinates of a sum; it is zero at all others.

    A histogram's rows are mostly zeros: 4,096 records in 24 histograms of 500 bins are 400 MB as
    an array, and 100,000 places like this. A unit's norm is that of its values, so it is clipped as
    usual.

    Attributes:
        places: Coordinates of the sum, in the order of its flattened array; shape `(units, k)`. A
            unit has k different ones.
        values: What the unit adds there, shape `(units, k)`.

    Example:
        >>> import numpy as np
        >>> two = Placed(np.array([[0, 3], [1, 3]]), np.array([[1.0, 1.0], [1.0, 2.0]]))
        >>> two.dense(4)
        array([[1., 0., 0., 1.],
               [0., 1., 0., 2.]])
    """

    places: NDArray[np.intp] = field(repr=False)
    values: Reals = field(repr=False)

    def __len__(self) -> int:
        return len(self.places)

    def first(self, units: int) -> Placed:
        """The first so many units."""
        return Placed(self.places[:units], self.values[:units])

    def dense(self, size: int) -> Reals:
        """The contributions as an array, shape `(units, size)`."""
        rows = np.zeros((len(self), size))
        np.put_along_axis(rows, self.places, self.values, axis=1)
        return rows

    def checked(self, declared: Sum) -> Placed:
        """These contributions, if they fit a sum.

        Raises:
            DataError: If a shape is wrong, a place is outside the sum or occurs twice in a unit, or
                a value is not a finite number.
        """
        what = f"a contribution to sum {declared.name!r}"
        values = real_numbers(self.values, what)
        places = np.asarray(self.places)
        if places.dtype.kind not in "iu" or places.ndim != 2 or places.shape != values.shape:
            raise DataError(
                f"{what} with places of shape {places.shape} and values of shape {values.shape}; "
                "both are (units, k), and places are whole numbers"
            )
        if places.size and not (places.min() >= 0 and places.max() < declared.size):
            raise DataError(f"{what} has a place outside its {declared.size:,} coordinates")
        in_order = np.sort(places, axis=1)
        if (in_order[:, 1:] == in_order[:, :-1]).any():
            raise DataError(f"{what} names a place twice in one unit; add those values up first")
        if not np.isfinite(values).all():
            raise DataError(f"{what} is NaN or infinite; clean the data")
        return Placed(places.astype(np.intp, copy=False), values)


@dataclass(frozen=True)
class Summed:
    """The sum of some units, each of which the computation itself keeps within the bound.

    Outer products of 4,096 records with 300 columns are 3 GB as rows, and 720 kB as their sum. But
    one unit more can change the rounding of a floating-point sum by more than its own bound
    (Casacuberta et al., "Widespread Underestimation of Sensitivity in Differentially Private
    Libraries", CCS 2022), so a plan with noise takes no such contribution.

    Attributes:
        total: The sum, in the sum's shape.
        units: How many units it is of.
    """

    total: Reals = field(repr=False)
    units: int

    def __len__(self) -> int:
        return self.units

    def checked(self, declared: Sum) -> Summed:
        """This contribution, if it fits a sum.

        Raises:
            DataError: If the shape is wrong, a value is not a finite number, or this many units
            within the bound cannot add up to it.
        """
        what = f"a contribution to sum {declared.name!r}"
        total = real_numbers(self.total, what)
        if total.shape != declared.shape:
            raise DataError(f"{what} of shape {total.shape}; the sum has {declared.shape}")
        flat = total.ravel()
        if not np.isfinite(flat).all():
            raise DataError(f"{what} is NaN or infinite; clean the data, or scale the columns")
        most = self.units * declared.unit_bound * (1 + _ROUNDING)
        if np.linalg.norm(flat, ord=_ORDERS[declared.norm]) > most:
            raise DataError(
                f"{what} of {self.units:,} units is larger than so many units can make it: the "
                "computation does not keep each within the declared bound"
            )
        return Summed(flat, self.units)


_ROUNDING: Final = 1e-6
_ORDERS: Final = {Norm.L1: 1, Norm.L2: 2, Norm.LINF: np.inf}
