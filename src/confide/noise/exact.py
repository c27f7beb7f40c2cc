"""Bounds of exp(-a) in whole numbers, as tight as one asks: what undecided comparisons end with.

No floating point: a truncated Taylor series in fixed point, whose rounding is counted, and interval
squarings (Brent and Zimmermann 2010, Modern Computer Arithmetic, §4.3.1 and §4.4).
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Final

__all__ = ["WORD_BITS", "exp_bounds", "is_below_exp"]

WORD_BITS: Final = 64
"""Uniform numbers are drawn in words of so many bits."""

_HALVED_BELOW = 4
"""The series runs on exponents below 2^-4."""
_GUARD_BITS = 32


def exp_bounds(exponent: Fraction, bits: int) -> tuple[int, int]:
    """Whole numbers around 2^bits · exp(-a).

    With t = a / 2^h < 2^-4, exp(-a) is exp(-t) squared h times. In fixed point of p bits each term
    t^i/i! of the series is below its true value by less than 2 units, the alternating rest by less
    than 2, and t by less than 1: n terms are off by less than 2n + 3 units. Squarings round
    outwards.

    Args:
        exponent: a ≥ 0.
        bits: Resolution of the answer.

    Returns:
        (low, high) with low ≤ 2^bits · exp(-a) ≤ high, mostly one apart.

    Example:
        >>> exp_bounds(Fraction(1), 10)  # 1024/e = 376.7
        (376, 377)
    """
    if exponent == 0:
        return 1 << bits, 1 << bits
    halvings = (exponent.numerator // exponent.denominator).bit_length() + _HALVED_BELOW
    point = bits + halvings + _GUARD_BITS
    low, high = _series(exponent / (1 << halvings), point)
    for _ in range(halvings):
        low, high = low * low >> point, -(-high * high >> point)
    return low >> (point - bits), -(-high >> (point - bits))


def is_below_exp(exponent: Fraction, first: int, more: Callable[[], int]) -> bool:
    """Whether a uniform number is below exp(-a).

    Args:
        exponent: a ≥ 0.
        first: The number's first 64 bits.
        more: Gives the next 64.
    """
    drawn, bits = first, WORD_BITS
    while True:
        low, high = exp_bounds(exponent, bits)
        if drawn < low:
            return True
        if drawn >= high:
            return False
        drawn, bits = drawn << WORD_BITS | more(), bits + WORD_BITS


def _series(exponent: Fraction, point: int) -> tuple[int, int]:
    """Bounds of 2^point · exp(-t) for t < 2^-4."""
    small = (exponent.numerator << point) // exponent.denominator
    term = total = 1 << point
    terms = 0
    while term:
        terms += 1
        term = (term * small >> point) // terms
        total += -term if terms % 2 else term
    off = 2 * terms + 3
    return max(total - off, 0), min(total + off, 1 << point)
