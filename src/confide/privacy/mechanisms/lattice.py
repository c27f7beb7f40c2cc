"""Real answers as whole numbers of steps, so that noise on the integers can be added to them.

A step is a power of two, so dividing by it is exact and only the rounding to whole steps remains.
Rounding moves two answers apart by up to one step in each coordinate, which every mechanism here
counts into its sensitivity; answers that are whole numbers lie on the lattice and move nowhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.errors import DataError, PlanError
from confide.noise import DiscreteNoise
from confide.privacy.mechanisms.checks import is_number
from confide.randomness import SecureRandom

__all__ = ["FARTHEST_STEPS", "Steps", "finite", "log2_step"]

FARTHEST_STEPS: Final = 2**61
"""Answers beyond it are taken for it: an answer that overflowed would have no sensitivity. With
noise, at most as large, 64 bits hold them."""

_LARGEST_WHOLE: Final = 2**53
_FLOAT_BYTES: Final = 8


@dataclass(frozen=True)
class Steps:
    """A lattice of multiples of 2^log2_size.

    Attributes:
        log2_size: Binary logarithm of the distance between lattice points, in the answer's units.
    """

    log2_size: int

    @property
    def size(self) -> float:
        """The distance between lattice points."""
        return math.ldexp(1.0, self.log2_size)

    def nearest(self, answer: NDArray[np.float64]) -> NDArray[np.int64]:
        """The nearest lattice points, in steps, at most 2^61 from zero."""
        with np.errstate(over="ignore", under="ignore"):
            scaled = np.rint(np.ldexp(answer, -self.log2_size))
        return np.clip(scaled, -FARTHEST_STEPS, FARTHEST_STEPS).astype(np.int64)

    def with_noise(
        self, steps: NDArray[np.int64], noise: DiscreteNoise, random: SecureRandom
    ) -> NDArray[np.float64]:
        """Adds noise in steps; what leaves in floating point was complete before."""
        noisy = steps + noise.sample(steps.size, random).reshape(steps.shape)
        return np.ldexp(noisy.astype(np.float64), self.log2_size)


def finite(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """An array of finite numbers, each exactly what was given.

    Whole numbers beyond 2^53, which floats would round by more than is accounted, are taken for it.

    Raises:
        DataError: If it holds anything else. The message does not say what or where.
    """
    array = np.asarray(values)
    if array.dtype.kind == "O":
        array = np.array([_narrowed(value) for value in array.ravel()]).reshape(array.shape)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > _FLOAT_BYTES:
        raise DataError(f"{name} does not consist of numbers that fit 64 bits")
    if array.dtype.kind in "iu":
        array = np.clip(array, 0 if array.dtype.kind == "u" else -_LARGEST_WHOLE, _LARGEST_WHOLE)
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise DataError(
            f"{name} is not finite somewhere: clean the data before noise is added. Whoever sees "
            "this error learns that much"
        )
    return array


def _narrowed(value: object) -> object:
    if isinstance(value, int):
        return min(max(value, -_LARGEST_WHOLE), _LARGEST_WHOLE)
    return value


def log2_step(sensitivity: float, log2_steps: int) -> int:
    """The exponent of a step so that a sensitivity is at least 2^log2_steps steps.

    Raises:
        PlanError: If the sensitivity is no positive number that floats can divide.
    """
    if not is_number(sensitivity) or not 1e-100 <= sensitivity <= 1e100:
        raise PlanError(
            f"sensitivity is {sensitivity}; it is a finite number above 0 (1e-100 to 1e100): how "
            "far one unit moves the answer at most"
        )
    return math.frexp(sensitivity)[1] - 1 - log2_steps
