"""The ring of the hash in numpy: it computes the same bits as the compiled ring, more slowly.

See `native/src/ring`: a transformed polynomial holds its values at the odd powers of the smallest
primitive root of order 2N, in bit-reversed order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["ReferenceRing"]

Words = NDArray[np.uint64]


class ReferenceRing:
    """Z_q[X]/(X^N + 1) in residues; a row for each prime.

    Args:
        degree: N, a power of two.
        primes: Below 2^50 each, and 1 modulo 2N.
    """

    def __init__(self, degree: int, primes: Sequence[int]) -> None:
        self.degree = degree
        self._primes = tuple(primes)

    def forward(self, x: Words, rows: Sequence[int]) -> None:
        """Transforms polynomials in place (Longa and Naehrig 2016, Algorithm 1).

        Args:
            x: Shape `(polynomials, rows, N)`.
            rows: Which primes.
        """
        for place, row in enumerate(rows):
            prime = self._primes[row]
            roots = _roots(self.degree, prime)
            values, groups = x[:, place], 1
            while groups < self.degree:
                pairs = values.reshape(len(x), groups, 2, -1)
                left = pairs[:, :, 0].copy()
                right = _multiply(pairs[:, :, 1], roots[groups : 2 * groups, np.newaxis], prime)
                pairs[:, :, 0] = (left + right) % np.uint64(prime)
                pairs[:, :, 1] = (left + (np.uint64(prime) - right)) % np.uint64(prime)
                values, groups = pairs.reshape(len(x), self.degree), 2 * groups
            x[:, place] = values

    def multiply(self, out: Words, x: Words, y: Words, rows: Sequence[int]) -> None:
        """Products place by place, shape `(polynomials, rows, N)`; `out` may be x."""
        for place, row in enumerate(rows):
            out[:, place] = _multiply(x[:, place], y[:, place], self._primes[row])


def _multiply(x: Words, y: Words, prime: int) -> Words:
    """The product of residues modulo a prime below 2^50.

    The quotient is that of floating-point numbers, off by less than 2, and what is left over fits a
    word although the product does not.
    """
    quotient = (x.astype(np.float64) * y.astype(np.float64) / prime).astype(np.uint64)
    rest = (x * y - quotient * np.uint64(prime)).view(np.int64)
    rest[rest < 0] += prime
    rest[rest >= prime] -= prime
    return rest.view(np.uint64)


@lru_cache(maxsize=64)
def _roots(degree: int, prime: int) -> Words:
    """The powers of the root in bit-reversed order, shape `(N,)`."""
    root, bits = _primitive_root(2 * degree, prime), degree.bit_length() - 1
    places = [int(f"{i:0{bits}b}"[::-1], 2) for i in range(degree)]
    return np.array([pow(root, place, prime) for place in places], np.uint64)


def _primitive_root(order: int, prime: int) -> int:
    """The smallest root of unity of just this order, a power of two."""
    candidates = (pow(g, (prime - 1) // order, prime) for g in range(2, prime))
    root = next(c for c in candidates if pow(c, order // 2, prime) == prime - 1)
    return min(pow(root, odd, prime) for odd in range(1, order, 2))
