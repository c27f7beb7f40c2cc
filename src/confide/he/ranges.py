"""Where the numbers of a ciphertext lie, before anything is encrypted.

A real number lies in an interval, a complex one in a disc about zero. Each slot has its own, and
what repeats from slot to slot stands once. Interval arithmetic keeps this true through every
operation (Moore, Kearfott and Cloud 2009, chapters 2 and 5). It forgets that x and x are the same
number, so what a theorem says of a whole expression is told separately: a square is not negative,
and a polynomial takes no value beyond its largest one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.polynomial import chebyshev, polynomial
from numpy.typing import NDArray

__all__ = [
    "Range",
    "Reach",
    "Size",
    "alike",
    "once",
    "reach_of_member",
    "reach_of_power",
    "reach_of_powers",
    "reach_of_series",
]

Reals = NDArray[np.float64]

_SAMPLES: Final = 8
"""Chebyshev points for each degree; more make the bound of a polynomial tighter."""


Size: TypeAlias = "float | Reals"
"""A number for all slots, or one for each, shape (period,), after which they repeat."""


@dataclass(frozen=True, eq=False)
class Range:
    """Where numbers lie.

    Attributes:
        low: The smallest number of each slot.
        high: The largest.
        real: Whether they are real. Complex ones lie in the disc of radius `high` = -`low`.
    """

    low: Size
    high: Size
    real: bool = True

    @staticmethod
    def about_zero(radius: Size, *, real: bool = True) -> Range:
        """Numbers of at most so large a size."""
        return Range(-radius, radius, real)

    @staticmethod
    def of(values: NDArray[Any]) -> Range:
        """Plain numbers, shape () or (period,)."""
        if values.dtype.kind == "c":
            if values.imag.any():
                return Range.about_zero(_plain(np.abs(values)), real=False)
            values = values.real
        numbers = _plain(values.astype(np.float64))
        return Range(numbers, numbers)

    @cached_property
    def size(self) -> Size:
        """The largest distance from zero of each slot."""
        return _sizes(self.low, self.high)

    @cached_property
    def largest(self) -> float:
        """The largest distance from zero of any slot."""
        return _top(self.size)

    def __add__(self, other: Range) -> Range:
        a, b = alike(self.low, other.low)
        c, d = alike(self.high, other.high)
        return _range(a + b, c + d, self, other)

    def __sub__(self, other: Range) -> Range:
        return self + other.times(-1)

    def __mul__(self, other: Range) -> Range:
        a, b, c, d = alike(self.low, self.high, other.low, other.high)
        with np.errstate(over="ignore", invalid="ignore"):
            ac, ad, bc, bd = a * c, a * d, b * c, b * d
        low = _least(_least(ac, ad), _least(bc, bd))
        high = _most(_most(ac, ad), _most(bc, bd))
        return _range(low, high, self, other)

    def times(self, number: float) -> Range:
        """Each number times one."""
        ends = (self.low * number, self.high * number)
        return Range(*(ends if number >= 0 else ends[::-1]), self.real)

    def squared(self) -> Range:
        """Each number times itself: not negative, if it is real."""
        return reach_of_power(2, self)

    def turned(self, steps: int) -> Range:
        """In other slots, as `numpy.roll(x, -steps)` has them."""
        if isinstance(self.low, float) or isinstance(self.high, float):
            return self
        return Range(np.roll(self.low, -steps), np.roll(self.high, -steps), self.real)

    def meets(self, other: Range) -> Range:
        """Where both are true of real numbers; itself for complex ones."""
        if not (self.real and other.real):
            return self
        a, b, c, d = alike(self.low, self.high, other.low, other.high)
        low, high = _most(a, c), _least(b, d)
        # Rounding may part what touches.
        return Range(_least(low, high), _most(low, high))

    def lies_in(self, low: float, high: float) -> bool:
        """Whether nothing of it is outside an interval, but for what rounding adds."""
        slack = 1e-9 * max(abs(low), abs(high))
        first, last = self.hull()
        return self.real and first >= low - slack and last <= high + slack

    def hull(self) -> tuple[float, float]:
        """The smallest and the largest number of all slots."""
        return -_top(-self.low), _top(self.high)

    def compact(self) -> Range:
        """One interval for all slots, where they have the same."""
        low, high = _plain(self.low), _plain(self.high)
        if isinstance(low, float) != isinstance(high, float):
            return self
        return self if low is self.low and high is self.high else Range(low, high, self.real)


def alike(*of: Any) -> tuple[Any, ...]:
    """Numbers of slots, each repeated until all are of one period."""
    longest = max((x.size for x in of if isinstance(x, np.ndarray) and x.ndim), default=0)
    if not longest:
        return of
    return tuple(
        np.tile(x, longest // x.size)
        if isinstance(x, np.ndarray) and x.ndim and x.size < longest
        else x
        for x in of
    )


def once(values: NDArray[Any]) -> NDArray[Any]:
    """What repeats from slot to slot, cut to its period."""
    while values.ndim and values.size > 1 and values.size % 2 == 0:
        first, second = np.split(values, 2)
        if first[-1] != second[-1] or (first != second).any():
            break
        values = first
    return values


def _plain(x: Any) -> Any:
    """One float, if all slots have the same."""
    if isinstance(x, float):
        return float(x)
    numbers = np.asarray(x)
    same = not numbers.ndim or (numbers[0] == numbers[-1] and (numbers == numbers[0]).all())
    return float(numbers.flat[0]) if same else x


def _least(x: Size, y: Size) -> Size:
    if isinstance(x, float) and isinstance(y, float):
        return min(x, y)
    return np.minimum(x, y)


def _most(x: Size, y: Size) -> Size:
    if isinstance(x, float) and isinstance(y, float):
        return max(x, y)
    return np.maximum(x, y)


def _sizes(low: Size, high: Size) -> Size:
    """The largest distance from zero between two ends."""
    if isinstance(low, float) and isinstance(high, float):
        return max(-low, high)
    return np.asarray(np.maximum(-np.asarray(low), high))


def _top(x: Size) -> float:
    return x if isinstance(x, float) else float(np.max(x))


def _range(low: Size, high: Size, *of: Range) -> Range:
    """What came of some ranges: a disc about zero if one of them is."""
    if all(each.real for each in of):
        return Range(low, high)
    return Range.about_zero(_sizes(low, high), real=False)


Reach = Callable[[Range], Range]
"""From where x lies to where an expression of x lies."""


def reach_of_power(k: int, of: Range) -> Range:
    """Where x^k lies."""
    nearest = _most(0.0, _most(of.low, -of.high))
    if not of.real:
        return Range.about_zero(_power(of.size, k), real=False)
    if k % 2:
        return Range(_power(of.low, k), _power(of.high, k))
    return Range(_power(nearest, k), _power(of.size, k))


def _power(x: Size, k: int) -> Size:
    with np.errstate(over="ignore"):
        power: Any = np.power(x, k)
    return float(power) if isinstance(x, float) else np.asarray(power)


def reach_of_member(k: int, of: Range) -> Range:
    """Where T_k lies: |T_k| ≤ 1 on [-1, 1], and |T_k(u)| = cosh(k·arcosh|u|) beyond."""
    beyond = max(1.0, of.largest)
    with np.errstate(over="ignore"):
        size = np.cosh(k * math.acosh(beyond))
    return Range.about_zero(float(size), real=of.real)


def reach_of_series(coefficients: Reals, of: Range) -> Range:
    """Where Σ c_k·T_k(u) lies."""
    return _reach(lambda u: chebyshev.chebval(u, coefficients), len(coefficients) - 1, of)


def reach_of_powers(coefficients: Reals, of: Range) -> Range:
    """Where Σ c_k·x^k lies."""
    return _reach(lambda x: polynomial.polyval(x, coefficients), len(coefficients) - 1, of)


def _reach(function: Callable[[Reals], NDArray[Any]], degree: int, of: Range) -> Range:
    """Where a polynomial lies on an interval, from its values at points of it.

    At m > d Chebyshev points, the largest size of a polynomial of degree d on the interval is at
    most 1/cos(πd/2m) times the largest at the points (Ehlich and Zeller 1964). That holds of the
    polynomial less a constant too.
    """
    low, high = of.hull()
    if not of.real or not math.isfinite(high - low):
        return Range.about_zero(math.inf, real=of.real)
    count = _SAMPLES * max(degree, 1)
    points = np.cos(np.pi * (np.arange(count) + 0.5) / count)
    with np.errstate(over="ignore", invalid="ignore"):
        values = function((low + high) / 2 + (high - low) / 2 * points)
    middle = (values.max() + values.min()) / 2
    radius = np.abs(values - middle).max() / math.cos(math.pi * degree / (2 * count))
    return Range(float(middle - radius), float(middle + radius))
