"""Polynomials of encrypted numbers, in few levels and few products.

Both bases are cut in two again and again: p = q·B_g + r with g the largest power of two up to the
degree, down to pieces of a few terms (Paterson and Stockmeyer 1973; for Chebyshev polynomials Chen,
Chillotti and Song 2019, §4). The basis' members are made by doubling, B_2k from B_k, so that degree
d takes ⌈log2(d + 1)⌉ levels, and the coefficients one more.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Generic

import numpy as np
from numpy.polynomial import chebyshev as series
from numpy.typing import ArrayLike, NDArray

from confide.errors import EncryptionError
from confide.he.engine import C
from confide.he.vector import EncryptedVector

__all__ = ["of_chebyshev", "of_powers"]

_Coefficients = NDArray[np.float64]


def of_powers(x: EncryptedVector[C], coefficients: ArrayLike) -> EncryptedVector[C]:
    """Σ c_k·x^k.

    Args:
        x: Any numbers; high powers of numbers beyond 1 in size grow fast.
        coefficients: From the constant on, at least two.

    Raises:
        EncryptionError: If the coefficients are fewer than two or not finite, or levels run out.
    """
    return _Powers(x)(_checked(coefficients))


def of_chebyshev(
    x: EncryptedVector[C], coefficients: ArrayLike, low: float, high: float
) -> EncryptedVector[C]:
    """Σ c_k·T_k(u), where u is x taken from [low, high] to [-1, 1].

    Args:
        x: Numbers between `low` and `high`: beyond, the polynomial is far from what it stands for.
        coefficients: Of the first kind, from T_0 on, at least two, as
            `numpy.polynomial.chebyshev` has them.
        low: Where the interval begins.
        high: Where it ends.

    Raises:
        EncryptionError: If the coefficients or the interval are unsound, or levels run out.
    """
    if not -math.inf < low < high < math.inf:
        raise EncryptionError(f"an interval from {low!r} to {high!r}")
    shifted = x - (low + high) / 2 if low + high else x
    stretch = 2 / (high - low)
    return _Chebyshev(shifted * stretch if stretch != 1 else shifted)(_checked(coefficients))


class _Basis(ABC, Generic[C]):
    """Members B_0 = 1, B_1 = x, … of a basis, made when they are needed."""

    def __init__(self, x: EncryptedVector[C]) -> None:
        self.x = x
        self._made = {1: x}

    def __call__(self, coefficients: _Coefficients) -> EncryptedVector[C]:
        degree = len(coefficients) - 1
        # Pieces of about √d terms; their products and the cuts are then as many.
        terms = 1 << max(math.ceil(math.log2(degree + 1) / 2), 1)
        return self._piece(coefficients, terms)

    def _piece(self, c: _Coefficients, terms: int) -> EncryptedVector[C]:
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

    def _linear(self, c: _Coefficients) -> EncryptedVector[C]:
        """A weighted sum of members, rescaled once."""
        used = [k for k in range(1, len(c)) if c[k]]
        evaluator, plain = self.x.evaluator, self.x.evaluator.engine.plain
        if not used:
            total = self.x * 0
        else:
            members, factors = [self.member(k) for k in used], [plain(c[k]) for k in used]
            total = self.x.like(
                [
                    evaluator.dot([member.blocks[at] for member in members], factors)
                    for at in range(len(self.x.blocks))
                ],
                clean=all(member.clean for member in members),
            )
        return total + float(c[0]) if c[0] else total

    def member(self, k: int) -> EncryptedVector[C]:
        if k not in self._made:
            half = 1 << ((k - 1).bit_length() - 1)
            self._made[k] = self.joined(half, k - half)
        return self._made[k]

    @abstractmethod
    def joined(self, a: int, b: int) -> EncryptedVector[C]:
        """B_{a+b}, for a ≥ b ≥ 1."""

    @abstractmethod
    def divided(self, c: _Coefficients, giant: int) -> tuple[_Coefficients, _Coefficients]:
        """The quotient and the rest by B_giant."""


class _Powers(_Basis[C]):
    def joined(self, a: int, b: int) -> EncryptedVector[C]:
        return (self.member(a) * self.member(b)).settled()

    def divided(self, c: _Coefficients, giant: int) -> tuple[_Coefficients, _Coefficients]:
        return c[giant:], _trimmed(c[:giant])


class _Chebyshev(_Basis[C]):
    def joined(self, a: int, b: int) -> EncryptedVector[C]:
        """T_{a+b} = 2·T_a·T_b − T_{a−b}."""
        doubled = 2 * (self.member(a) * self.member(b))
        return (doubled - (1.0 if a == b else self.member(a - b))).settled()

    def divided(self, c: _Coefficients, giant: int) -> tuple[_Coefficients, _Coefficients]:
        divisor = np.zeros(giant + 1)
        divisor[giant] = 1.0
        quotient, rest = series.chebdiv(c, divisor)
        return np.asarray(quotient), _trimmed(np.asarray(rest))


def _trimmed(c: _Coefficients) -> _Coefficients:
    found = np.flatnonzero(c)
    return c[: found[-1] + 1] if len(found) else c[:1]


def _checked(coefficients: ArrayLike) -> _Coefficients:
    c = np.asarray(coefficients, np.float64)
    if c.ndim != 1 or not np.isfinite(c).all() or len(c := _trimmed(c)) < 2:
        raise EncryptionError(
            f"coefficients {coefficients!r}; at least two finite numbers, the last of them not 0"
        )
    return c
