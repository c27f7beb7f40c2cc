"""Real answers as whole numbers of steps, so that noise on the integers can be added to them.

A step is a power of two, so dividing by it is exact and only the rounding to whole steps remains.
Rounding moves two answers apart by up to one step in each coordinate, which every mechanism here
counts into its sensitivity; answers that are whole numbers lie on the lattice and move nowhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.errors import DataError
from confide.noise import DiscreteNoise
from confide.numbers import Exact, check_real, exact, units
from confide.randomness import SecureRandom

__all__ = ["FARTHEST_STEPS", "Steps", "finite", "log2_step"]

FARTHEST_STEPS: Final = 2**61
"""Larger answers are clipped to it: an answer that overflowed would have no sensitivity. With
noise, at most as large, 64 bits hold them."""

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

    def nearest(self, answer: NDArray[Any]) -> NDArray[np.int64]:
        """The nearest lattice points, in steps, at most 2^61 from zero.

        Args:
            answer: What `finite` returns, or finite floats. Whole numbers and fractions are divided
                exactly, however large.
        """
        if answer.dtype == object:
            steps = [self._nearest(value) for value in answer.ravel()]
            return np.asarray(steps, np.int64).reshape(answer.shape)
        with np.errstate(over="ignore", under="ignore"):
            scaled = np.rint(np.ldexp(answer, -self.log2_size))
        return np.asarray(np.clip(scaled, -FARTHEST_STEPS, FARTHEST_STEPS), np.int64)

    def _nearest(self, value: Exact) -> int:
        steps = round(Fraction(value) * Fraction(2) ** -self.log2_size)
        return min(max(steps, -FARTHEST_STEPS), FARTHEST_STEPS)

    def with_noise(
        self, steps: NDArray[np.int64], noise: DiscreteNoise, random: SecureRandom
    ) -> NDArray[np.float64]:
        """Adds noise in steps; the conversion to floating point comes after it."""
        noisy = steps + noise.sample(steps.size, random).reshape(steps.shape)
        return np.ldexp(noisy.astype(np.float64), self.log2_size)


def finite(values: object, name: str) -> NDArray[Any]:
    """An array of finite numbers, each exactly what was given.

    Args:
        values: A number, or a sequence or array of one axis.
        name: What they are, for errors.

    Returns:
        Floats, or Python's numbers where floats would not hold them all.

    Raises:
        DataError: If it holds anything else. The message shows no value and no position.
    """
    single = exact(values)
    given: NDArray[Any] | list[Any] = [values] if single is not None else units(values, name)
    if isinstance(given, np.ndarray) and given.dtype.kind == "f" and given.itemsize <= _FLOAT_BYTES:
        array = given.astype(np.float64)
    else:
        if isinstance(given, np.ndarray) and given.dtype.kind in "biu":
            given = given.tolist()
        numbers = [exact(value) for value in given]
        if any(number is None for number in numbers):
            raise DataError(f"{name} does not consist of numbers")
        if all(type(number) is float for number in numbers):
            array = np.array(numbers, np.float64)
        else:
            array = np.empty(len(numbers), object)
            array[:] = numbers
    floats = array
    if array.dtype == object:
        floats = np.array([value for value in array if isinstance(value, float)], np.float64)
    if not np.isfinite(floats).all():
        raise DataError(
            f"{name} is not finite somewhere: clean the data before noise is added. A reader of "
            "this error learns that much"
        )
    return array.reshape(()) if single is not None else array


def log2_step(sensitivity: float, log2_steps: int) -> int:
    """The exponent of a step so that a sensitivity is at least 2^log2_steps steps.

    Raises:
        PlanError: If the sensitivity is not a positive number that floats can divide.
    """
    checked = check_real(
        "sensitivity", sensitivity, least=1e-100, most=1e100,
        limit="it is a finite number above 0 (1e-100 to 1e100): how far one unit moves the answer "
        "at most",
    )  # fmt: skip
    return math.frexp(checked)[1] - 1 - log2_steps
