"""The ring of the hash in numpy: what the compiled ring computes, bit for bit, only slower.

See `native/src/ring`: a transformed polynomial holds its values at the odd powers of the smallest
primitive root of order 2N, in bit-reversed order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from numpy.typing import NDArray

__all__ = ["ReferenceRing"]

Words = NDArray[np.uint64]

_WORD: Final = 1 << 64
_SPARE: Final = 64
"""Words drawn beyond those that are needed, for those that are refused."""


class ReferenceRing:
    """Z_q[X]/(X^N + 1) in residues; a row for each prime.

    Args:
        degree: N, a power of two.
        primes: Below 2^50 each, and 1 modulo 2N.
    """

    def __init__(self, degree: int, primes: Sequence[int]) -> None:
        self.degree = degree
        self._primes = tuple(primes)

    def uniform(self, out: Words, rows: Sequence[int], seed: bytes, first: int = 0) -> None:
        """Fills a polynomial with uniform residues from ChaCha20 streams, one for each row.

        Args:
            out: Shape `(1, rows, N)`.
            rows: Which primes.
            seed: 32 bytes.
            first: The number of the stream of the first prime.
        """
        for place, row in enumerate(rows):
            out[0, place] = _uniform(self._primes[row], self.degree, seed, first + row)

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

    def weighted(
        self, out: Words, x: Sequence[Words], y: Sequence[Words], rows: Sequence[int]
    ) -> None:
        """The sum over k of x[k]·y[k], place by place; each of shape `(1, rows, N)`."""
        out[:] = 0
        for left, right in zip(x, y, strict=True):
            for place, row in enumerate(rows):
                prime = self._primes[row]
                term = _multiply(left[:, place], right[:, place], prime)
                out[:, place] = (out[:, place] + term) % np.uint64(prime)

    def add(self, out: Words, x: Words, y: Words, rows: Sequence[int]) -> None:
        """The sum of residues; `out` may be x or y."""
        primes = np.array([self._primes[row] for row in rows], np.uint64)[:, np.newaxis]
        out[:] = (x + y) % primes


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


def _uniform(prime: int, count: int, seed: bytes, number: int) -> Words:
    """Words of a stream modulo a prime, without those beyond its last whole multiple."""
    nonce = bytes(8) + number.to_bytes(8, "little")  # counter, then number
    stream = Cipher(algorithms.ChaCha20(seed, nonce), mode=None).encryptor()
    found, limit = np.empty(0, np.uint64), np.uint64(_WORD // prime * prime)
    while len(found) < count:
        words = np.frombuffer(stream.update(bytes(8 * (count - len(found) + _SPARE))), "<u8")
        found = np.concatenate([found, words[words < limit]])
    return found[:count] % np.uint64(prime)


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
