"""Sums to which each row adds a few numbers at a few places: exact in digits, or for noise.

Counts and moments by class, by cluster or by time are all of this form. Without noise a party adds
up its own rows and sends the total in several digits, so that what follows is that of the pooled
rows. With noise each row is a unit of its own, scaled down to a bound in L2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from confide.aggregation import Placed
from confide.errors import PlanError
from confide.learning.algorithms.digits import in_digits, joined, split
from confide.plan import Norm, Sum

__all__ = ["PlacedSums"]

Reals = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class PlacedSums:
    """A sum of rows, each of which adds numbers of magnitude at most 1.

    Attributes:
        name: The sum's name.
        shape: Its shape.
        capacity: The most rows that a party counts.
        clip_norm_l2: The most that one row adds, in L2, for plans with noise; None for exact sums.
        meaning: What it is, for the view report.
        cells: What its coordinates count rows in, if one may hold a single row.
        digits: In how many digits an exact total goes; each is a hundred times finer.

    Raises:
        PlanError: If the clipping norm is not positive.
    """

    name: str
    shape: tuple[int, ...]
    capacity: int
    clip_norm_l2: float | None
    meaning: str
    cells: str | None = None
    digits: int = 3

    def __post_init__(self) -> None:
        clip = self.clip_norm_l2
        if clip is not None and not 0 < clip < math.inf:
            raise PlanError(f"clip_norm_l2 is {clip}; it is positive, or left out for exact sums")

    @property
    def sums(self) -> tuple[Sum, ...]:
        """What leaves a party in a round."""
        exact = self.clip_norm_l2 is None
        declared = Sum(
            name=self.name, shape=self.shape, unit_bound=self.clip_norm_l2 or 1.0,
            norm=Norm.LINF if exact else Norm.L2, capacity=self.capacity, meaning=self.meaning,
            cells=self.cells,
        )  # fmt: skip
        return in_digits(declared, self.digits) if exact else (declared,)

    def contribution(self, places: Places, values: Reals) -> dict[str, Any]:
        """A party's rows as contributions.

        Args:
            places: Where each row adds, in the order of the flattened sum, shape `(rows, k)`; k
                different ones.
            values: What it adds there, of magnitude at most 1, shape `(rows, k)`.
        """
        if self.clip_norm_l2 is not None:
            return {self.name: Placed(places, values)}
        size = math.prod(self.shape)
        total = np.bincount(places.ravel(), weights=values.ravel(), minlength=size).astype(
            np.float64
        )
        return self.of_all(total, len(places))

    def of_all(self, total: Reals, rows: int) -> dict[str, Any]:
        """The sum of a party's rows as a contribution; without noise only."""
        return dict(split(self.sums, total.reshape(self.shape), rows))

    def total(self, totals: Mapping[str, Reals]) -> Reals:
        """The released sum, of the declared shape."""
        return joined(self.sums, totals)
