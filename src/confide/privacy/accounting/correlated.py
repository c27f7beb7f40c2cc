"""Correlated noise for prefix sums: banded matrix factorisations of DP-FTRL.

To release the prefix sums A·g of T steps, A = B·C is factored, C·g + z is released with independent
noise z, and B·(C·g + z) is computed from it: post-processing. What is lost is what the Gaussian on
C·g loses, so all that is needed is how far one unit can move C·g.

A is the T × T lower triangle of ones. The square root C = A^(1/2) is the Toeplitz matrix of
c_0 = 1, c_k = c_(k-1)·(1 - 1/2k) (Fichtenberger, Henzinger and Upadhyay 2022, §3), cut to a band.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import toeplitz

from confide.errors import PlanError

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = ["BandedFactorization"]

_MOST_STEPS = 1 << 22
_MOST_DENSE = 4096


@dataclass(frozen=True, kw_only=True)
class BandedFactorization:
    """A banded lower-triangular Toeplitz factorisation of prefix sums.

    A unit takes part at most `participations` times, at least `separation` steps apart. With a band
    no wider than that its columns of C do not overlap, so its squared norms add up: it moves C·g by
    at most √participations · ‖c‖ (Choquette-Choo et al. 2023, "(Amplified) Banded Matrix
    Factorization", Theorem 2). Parties must not drop out: a share of noise that is missing in one
    step is missed in all that are correlated with it.

    Attributes:
        steps: T.
        bands: How many diagonals C has; 1 is independent noise in each step.
        separation: The fewest steps between two participations of a unit.
        participations: The most participations of a unit; as many as fit if omitted.

    Raises:
        PlanError: If a number is out of range, or the band is wider than the separation.

    Example:
        >>> strategy = BandedFactorization(steps=1000, bands=8, separation=100)
        >>> strategy.participations_counted, round(strategy.sensitivity, 3)
        (10, 4.145)
    """

    steps: int
    bands: int
    separation: int
    participations: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= _MOST_STEPS:
            raise PlanError(f"{self.steps} steps; 1 to {_MOST_STEPS:,}")
        if not 1 <= self.bands <= self.steps:
            raise PlanError(f"{self.bands} bands for {self.steps} steps; 1 to as many")
        if self.bands > self.separation:
            raise PlanError(
                f"{self.bands} bands, and a unit may be back after {self.separation} steps: its "
                "contributions would overlap. Take at most as many bands as steps lie between"
            )
        if self.participations is not None and self.participations < 1:
            raise PlanError(f"{self.participations} participations; at least 1")

    @property
    def participations_counted(self) -> int:
        """k: as stated, or as many as T steps hold."""
        fit = -(-self.steps // self.separation)
        return fit if self.participations is None else min(self.participations, fit)

    @cached_property
    def coefficients(self) -> NDArray[np.float64]:
        """c_0 … c_(bands-1), the first column of C."""
        k = np.arange(1, self.bands)
        return np.concatenate([[1.0], np.cumprod(1 - 1 / (2 * k))])

    @property
    def sensitivity(self) -> float:
        """How far a unit moves C·g, if each contribution has norm 1: L2."""
        return math.sqrt(self.participations_counted) * float(np.linalg.norm(self.coefficients))

    def strategy(self) -> NDArray[np.float64]:
        """C, shape `(steps, steps)`.

        Raises:
            PlanError: If it is too large to write out.
        """
        if self.steps > _MOST_DENSE:
            raise PlanError(f"a matrix of {self.steps:,} rows; at most {_MOST_DENSE:,} are made")
        column = np.zeros(self.steps)
        column[: self.bands] = self.coefficients
        return np.asarray(toeplitz(column, np.zeros(self.steps)))

    def root_mean_square_error(self, noise_multiplier: float) -> float:
        """Of the prefix sums, per coordinate, if each contribution has norm 1: σ‖A·C⁻¹‖/√T."""
        prefix = np.tril(np.ones((self.steps, self.steps)))
        factor = np.linalg.solve(self.strategy().T, prefix.T)
        scale = noise_multiplier * self.sensitivity
        return scale * float(np.linalg.norm(factor)) / math.sqrt(self.steps)

    def event(self, noise_multiplier: float) -> DpEvent:
        """The event of all steps.

        Args:
            noise_multiplier: σ of each coordinate of z ÷ (bound × `sensitivity`).
        """
        from dp_accounting import GaussianDpEvent

        return GaussianDpEvent(noise_multiplier)
