"""Which shares of a secret are false: decoding of Reed-Solomon codes over the field of shares.

Shares are values of a polynomial of degree t - 1, so those of m holders are a word of a
Reed-Solomon code, and up to (m - t)/2 false ones can be found, whichever they are (McEliece and
Sarwate 1981). The decoder is Gao's (2003): an extended Euclidean algorithm that stops halfway.
"""

from __future__ import annotations

from collections.abc import Mapping

from confide.aggregation.masked.shamir import PRIME

__all__ = ["decode", "evaluate", "interpolate"]

Polynomial = list[int]
"""Coefficients from the lowest power up, the last one not zero; empty for zero."""


def decode(values: Mapping[int, int], threshold: int) -> Polynomial | None:
    """The polynomial that all values but (m - t)/2 at most lie on.

    Args:
        values: By point, distinct and in [1, p).
        threshold: t; the polynomial has so many coefficients at most.

    Returns:
        Its coefficients, or None if there is no such polynomial.
    """
    points = list(values)
    above, below = _vanishing(points), interpolate(values)
    factor_above, factor_below = Polynomial(), [1]
    while 2 * (len(below) - 1) >= len(points) + threshold:
        quotient, rest = _divide(above, below)
        above, below = below, rest
        factor_above, factor_below = (
            factor_below,
            _subtract(factor_above, _multiply(quotient, factor_below)),
        )
    found, rest = _divide(below, factor_below)
    return found if not rest and len(found) <= threshold else None


def interpolate(values: Mapping[int, int]) -> Polynomial:
    """The polynomial of least degree through all values (Newton's divided differences)."""
    points, differences = list(values), list(values.values())
    for order in range(1, len(points)):
        for i in range(len(points) - 1, order - 1, -1):
            step = pow(points[i] - points[i - order], -1, PRIME)
            differences[i] = (differences[i] - differences[i - 1]) * step % PRIME
    found = Polynomial()
    for point, difference in zip(reversed(points), reversed(differences), strict=True):
        found = _subtract(_multiply(found, [-point % PRIME, 1]), [-difference % PRIME])
    return found


def evaluate(polynomial: Polynomial, point: int) -> int:
    """Its value at a point (Horner's rule)."""
    value = 0
    for coefficient in reversed(polynomial):
        value = (value * point + coefficient) % PRIME
    return value


def _vanishing(points: list[int]) -> Polynomial:
    product = [1]
    for point in points:
        product = _multiply(product, [-point % PRIME, 1])
    return product


def _subtract(x: Polynomial, y: Polynomial) -> Polynomial:
    longer = max(len(x), len(y))
    left, right = x + [0] * (longer - len(x)), y + [0] * (longer - len(y))
    return _trimmed([(a - b) % PRIME for a, b in zip(left, right, strict=True)])


def _multiply(x: Polynomial, y: Polynomial) -> Polynomial:
    product = [0] * (len(x) + len(y))
    for i, a in enumerate(x):
        for j, b in enumerate(y):
            product[i + j] = (product[i + j] + a * b) % PRIME
    return _trimmed(product)


def _divide(x: Polynomial, y: Polynomial) -> tuple[Polynomial, Polynomial]:
    """Quotient and remainder; y is not zero."""
    rest, inverse = list(x), pow(y[-1], -1, PRIME)
    quotient = [0] * max(0, len(x) - len(y) + 1)
    for shift in range(len(x) - len(y), -1, -1):
        factor = rest[shift + len(y) - 1] * inverse % PRIME
        quotient[shift] = factor
        for i, b in enumerate(y):
            rest[shift + i] = (rest[shift + i] - factor * b) % PRIME
    return _trimmed(quotient), _trimmed(rest)


def _trimmed(x: Polynomial) -> Polynomial:
    while x and not x[-1]:
        x.pop()
    return x
