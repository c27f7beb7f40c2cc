"""The primes of a ring: 1 modulo 2N, so that X^N + 1 splits, and the same for everybody.

Nothing is random: the sizes determine the primes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from confide.errors import EncryptionError

__all__ = ["LEAST_BITS", "MOST_BITS", "falling", "is_prime", "largest", "near"]

LEAST_BITS, MOST_BITS = 20, 50
"""What the kernels' words allow."""

_BASES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)
"""Deterministic below 3.3·10^24 (Sorenson and Webster 2015)."""


def is_prime(q: int) -> bool:
    """Whether q < 2^81 is prime (Miller and Rabin's test with bases that leave no doubt)."""
    if q < 2:
        return False
    for base in _BASES:
        if q % base == 0:
            return q == base
    odd, twos = q - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    return all(_witnesses(q, base, odd, twos) for base in _BASES)


def _witnesses(q: int, base: int, odd: int, twos: int) -> bool:
    power = pow(base, odd, q)
    if power in (1, q - 1):
        return True
    for _ in range(twos - 1):
        power = power * power % q
        if power == q - 1:
            return True
    return False


def falling(bits: int, degree: int, without: frozenset[int] = frozenset()) -> Iterator[int]:
    """The primes of exactly so many bits that are 1 modulo 2·degree, the largest first."""
    step = 2 * degree
    for q in range((1 << bits) - step + 1, 1 << (bits - 1), -step):
        if q not in without and is_prime(q):
            yield q


def largest(count: int, bits: int, degree: int, without: frozenset[int]) -> list[int]:
    """The largest so many, none of `without`.

    Raises:
        EncryptionError: If the size is beyond the kernels', or has too few of them.
    """
    if not LEAST_BITS <= bits <= MOST_BITS:
        raise EncryptionError(
            f"primes of {bits!r} bits; a prime here has {LEAST_BITS} to {MOST_BITS}"
        )
    found = list(islice(falling(bits, degree, without), count))
    if len(found) < count:
        raise EncryptionError(
            f"{count} primes of {bits} bits are asked for and {len(found)} are left that are"
            f" 1 modulo {2 * degree}: take larger primes or fewer levels"
        )
    return found


def near(target: float, candidates: list[int]) -> int:
    """The candidate whose ratio to the target is nearest to 1."""
    return min(candidates, key=lambda q: abs(q / target - 1))
