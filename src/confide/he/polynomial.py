"""Polynomials of encrypted numbers, in few levels and few products.

Both bases are cut in two again and again: p = q·B_g + r with g the largest power of two up to the
degree, down to pieces of a few terms (Paterson and Stockmeyer 1973; for Chebyshev polynomials Chen,
Chillotti and Song 2019, §4). The basis' members are made by doubling, B_2k from B_k, so that degree
d takes ⌈log2(d + 1)⌉ levels, and the coefficients one more.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.polynomial import chebyshev as series
from numpy.typing import NDArray

from confide.errors import EncryptionError
from confide.he.numbers import numbers_in, real_number
from confide.he.ranges import (
    Range,
    Reach,
    reach_of_member,
    reach_of_power,
    reach_of_powers,
    reach_of_series,
)

__all__ = ["chebyshev_members", "interval", "of_chebyshev", "of_powers"]

_Coefficients = NDArray[np.float64]


class Operand(Protocol):
    """What polynomials are computed of: encrypted vectors."""

    def __add__(self, other: object, /) -> Self:
        """The sum, with a number too."""

    def __sub__(self, other: object, /) -> Self:
        """The difference."""

    def __mul__(self, other: object, /) -> Self:
        """The product."""

    def settled(self) -> Self:
        """Relinearised and rescaled."""

    def known(self, of: Self, reach: Reach) -> Self:
        """Itself, with what a theorem says about where it lies, from where `of` lies."""

    def weighed(self, members: Sequence[Self], weights: Sequence[float]) -> Self:
        """Σ weight·member, rescaled once."""


X = TypeVar("X", bound=Operand)


def of_powers(x: X, coefficients: object) -> X:
    """Σ c_k·x^k.

    Args:
        x: Any numbers; high powers of numbers beyond 1 in size grow fast.
        coefficients: From the constant on.

    Raises:
        EncryptionError: If there are no coefficients, one is not a finite real number, or levels
            run out.
    """
    return _Powers(x)(_checked(coefficients))


def of_chebyshev(x: X, coefficients: object, low: object, high: object) -> X:
    """Σ c_k·T_k(u), where u is x taken from [low, high] to [-1, 1].

    Args:
        x: Numbers between `low` and `high`: outside, the polynomial is far from the function.
        coefficients: Of the first kind, from T_0 on, as
            `numpy.polynomial.chebyshev` has them.
        low: Where the interval begins.
        high: Where it ends.

    Raises:
        EncryptionError: If the coefficients or the interval are unsound, or levels run out.
    """
    first, last = interval(low, high)
    middle, stretch = first / 2 + last / 2, 2 / (last - first)
    shifted = x - middle if middle else x
    return _Chebyshev(shifted * stretch if stretch != 1 else shifted)(_checked(coefficients))


def chebyshev_members(x: X, degree: int) -> list[X]:
    """T_1(x), …, T_degree(x) of numbers between -1 and 1, in ⌈log2 degree⌉ levels."""
    basis = _Chebyshev(x)
    return [basis.member(k) for k in range(1, degree + 1)]


def interval(low: object, high: object) -> tuple[float, float]:
    """The ends of an interval.

    Raises:
        EncryptionError: If they are not finite numbers, or the second is not the larger one.
    """
    first, last = (real_number(end, "an end of the interval") for end in (low, high))
    if not first < last:
        raise EncryptionError(f"an interval from {first!r} to {last!r}; it goes upwards")
    return first, last


class _Basis(ABC, Generic[X]):
    """Members B_0 = 1, B_1 = x, … of a basis, made when they are needed."""

    def __init__(self, x: X) -> None:
        self.x = x
        self._made = {1: x}

    def __call__(self, coefficients: _Coefficients) -> X:
        degree = len(coefficients) - 1
        # Pieces of about √d terms; their products and the cuts are then as many.
        terms = 1 << max(math.ceil(math.log2(degree + 1) / 2), 1)
        return self._piece(coefficients, terms)

    def _piece(self, c: _Coefficients, terms: int) -> X:
        return self._computed(c, terms).known(self.x, partial(self.reach, c))

    def _computed(self, c: _Coefficients, terms: int) -> X:
        degree = len(c) - 1
        if degree < terms:
            return self._linear(c)
        giant = 1 << (degree.bit_length() - 1)
        quotient, rest = self.divided(c, giant)
        left = self.member(giant)
        if len(quotient) == 1:
            product = left * float(quotient[0])
        else:
            product = left * self._piece(quotient, terms)
        if len(rest) == 1:
            return product + float(rest[0]) if rest[0] else product
        return product + self._piece(rest, terms)

    def _linear(self, c: _Coefficients) -> X:
        """A weighted sum of members, rescaled once."""
        used = [k for k in range(1, len(c)) if c[k]]
        if not used:
            return self.x * 0 + float(c[0])
        total = self.x.weighed([self.member(k) for k in used], [float(c[k]) for k in used])
        return total + float(c[0]) if c[0] else total

    def member(self, k: int) -> X:
        if k not in self._made:
            half = 1 << ((k - 1).bit_length() - 1)
            joined = self.joined(half, k - half)
            self._made[k] = joined.known(self.x, partial(self.reach_of_member, k))
        return self._made[k]

    @abstractmethod
    def joined(self, a: int, b: int) -> X:
        """B_{a+b}, for a ≥ b ≥ 1."""

    @abstractmethod
    def reach(self, c: _Coefficients, of: Range) -> Range:
        """Where Σ c_k·B_k lies, from where x lies."""

    @abstractmethod
    def reach_of_member(self, k: int, of: Range) -> Range:
        """Where B_k lies, from where x lies."""

    @abstractmethod
    def divided(self, c: _Coefficients, giant: int) -> tuple[_Coefficients, _Coefficients]:
        """The quotient and the rest by B_giant."""


class _Powers(_Basis[X]):
    def reach(self, c: _Coefficients, of: Range) -> Range:
        return reach_of_powers(c, of)

    def reach_of_member(self, k: int, of: Range) -> Range:
        return reach_of_power(k, of)

    def joined(self, a: int, b: int) -> X:
        return (self.member(a) * self.member(b)).settled()

    def divided(self, c: _Coefficients, giant: int) -> tuple[_Coefficients, _Coefficients]:
        return c[giant:], _trimmed(c[:giant])


class _Chebyshev(_Basis[X]):
    def reach(self, c: _Coefficients, of: Range) -> Range:
        return reach_of_series(c, of)

    def reach_of_member(self, k: int, of: Range) -> Range:
        return reach_of_member(k, of)

    def joined(self, a: int, b: int) -> X:
        """T_{a+b} = 2·T_a·T_b − T_{a−b}."""
        doubled = (self.member(a) * self.member(b)) * 2
        return (doubled - (1.0 if a == b else self.member(a - b))).settled()

    def divided(self, c: _Coefficients, giant: int) -> tuple[_Coefficients, _Coefficients]:
        divisor = np.zeros(giant + 1)
        divisor[giant] = 1.0
        quotient, rest = series.chebdiv(c, divisor)
        return np.asarray(quotient), _trimmed(np.asarray(rest))


def _trimmed(c: _Coefficients) -> _Coefficients:
    found = np.flatnonzero(c)
    return c[: found[-1] + 1] if len(found) else c[:1]


def _checked(coefficients: object) -> _Coefficients:
    c = numbers_in(coefficients)
    if c.ndim != 1 or not c.size or c.dtype.kind == "c" or not np.isfinite(c).all():
        raise EncryptionError(
            f"coefficients of shape {c.shape} and type {c.dtype}; a row of finite real numbers"
        )
    return _trimmed(c.astype(np.float64))
