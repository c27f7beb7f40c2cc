"""The ring of the hash of masked vectors, derived from the sum that it must bind.

The hash of whole numbers y, cut into blocks y_j of N numbers that are read as polynomials, is
h(y) = Σ_j a_j·y_j in Z_q[X]/(X^N + 1), for public uniform a_j (Lyubashevsky and Micciancio 2006;
Peikert and Rosen 2006; SWIFFT, Lyubashevsky et al. 2008). It is linear. Two vectors of one hash
give a vector z ≠ 0 with Σ_j a_j·z_j = 0 whose coordinates are below a bound B: a solution of
ring-SIS. As long as no such vector can be found, the hash of a sum identifies the sum.

How hard that is (no attack is known that gains from the ring):

- On a lattice of dimension m, reduction with root Hermite factor δ reaches length δ^m·q^(N/m)
  (Micciancio and Regev 2009, §3). The attacker leaves out coordinates as it likes, so it chooses m,
  and wins at length √m·B. At the best m that is 2^(2√(N·log q·log δ)).
- Block size b of reduction gives δ = ((πb)^(1/b)·b/2πe)^(1/(2(b-1))) (Chen 2013). What it takes is
  counted as the lattice estimator does by default (Albrecht, Player and Scott 2015): sieving in
  b' = b - b·ln(4/3)/ln(b/2πe) dimensions (Ducas 2018) takes 2^(0.296·b' + 20.4) gates (MATZOV 2022,
  after Albrecht et al. 2020), and reduction 5.46²·(m - b) times as many. 128 bits ask for δ of
  about 1.0043.
- q exceeds √m·B, so that multiples of q, which the length says nothing about, do not fit. Then
  the bound on each coordinate alone is the harder problem; tests attack it as Dilithium's
  specification does (Bai et al. 2021, appendix C.3).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import count as count_from
from itertools import islice
from typing import Final

import numpy as np

from confide.aggregation.modular import packed_bytes
from confide.he import primes as ring_primes

__all__ = ["SECURITY_BITS", "HashParameters", "hash_parameters", "reduction_bits", "sieving_bits"]

SECURITY_BITS: Final = 128
"""Operations that two sums of one hash take, as a power of two, against classical attacks."""

_DEGREES: Final = (2048, 1024)
_LEAST_BLOCK: Final = 60
"""Chen's formula holds from about this block size on."""
_WIDEST: Final = 32
"""Attacks are tried on lattices of up to 32·N dimensions; the best lie far below."""


@dataclass(frozen=True)
class HashParameters:
    """The ring of a hash.

    Attributes:
        degree: N, numbers in a block and coefficients of a hash.
        primes: The primes of q, each 1 modulo 2N.
    """

    degree: int
    primes: tuple[int, ...]

    @cached_property
    def log2_modulus(self) -> float:
        """log2 q."""
        return math.fsum(map(math.log2, self.primes))

    @property
    def wire_bytes(self) -> int:
        """Bytes of a hash."""
        return sum(packed_bytes(self.degree, p.bit_length()) for p in self.primes)


@lru_cache(maxsize=256)
def hash_parameters(parties: int, bits: int) -> HashParameters:
    """The smallest hash that binds a sum of so many masked vectors.

    The difference of two sums that pass the check is below n·2^w in each coordinate. With a lying
    party it is the difference of what that party adds in two runs that is to be bound, each between
    -n·2^w and n·2^w: so B = n·2^(w+1).

    Args:
        parties: n.
        bits: w, bits of the largest modulus among the sums.

    Returns:
        Of the degrees' rings with the fewest primes the one with the fewest bytes of a hash.
    """
    log2_bound = math.log2(parties) + bits + 1
    found = [_fewest_primes(degree, log2_bound) for degree in _DEGREES]
    return min(found, key=lambda p: p.wire_bytes)


def reduction_bits(degree: int, log2_modulus: float, log2_bound: float) -> float:
    """What lattice reduction takes to find two vectors of one hash, as a power of two.

    Args:
        degree: N.
        log2_modulus: log2 q.
        log2_bound: log2 B, the bound on coordinates of a difference.

    Returns:
        log2 of the operations at the dimension that is best for the attacker; 0 if multiples of q
        are short enough.
    """
    m = np.arange(degree, _WIDEST * degree, dtype=np.float64)
    log2_length = log2_bound + np.log2(m) / 2
    log2_delta = (log2_length - degree * log2_modulus / m) / m
    best = int(np.argmax(log2_delta))
    if log2_length[best] >= log2_modulus:
        return 0.0
    return sieving_bits(_block_size(float(log2_delta[best])), float(m[best]))


def sieving_bits(block: int, dimension: float) -> float:
    """What reduction of a block size takes, as a power of two (MATZOV 2022; Kyber 2020)."""
    free = block * math.log(4 / 3) / math.log(block / (2 * math.pi * math.e))
    calls = 2 * math.log2(5.46) + math.log2(max(dimension - block, 1))
    return 0.29613500308205365 * (block - free) + 20.387885985467914 + calls


def _fewest_primes(degree: int, log2_bound: float) -> HashParameters:
    """As few primes as can be, all of one size and no larger than they must be."""
    for count in count_from(1):
        for size in range(_least_size(degree, count, log2_bound), ring_primes.MOST_BITS + 1):
            primes = tuple(islice(ring_primes.falling(size, degree), count))
            found = HashParameters(degree, primes)
            secure = reduction_bits(degree, found.log2_modulus, log2_bound) >= SECURITY_BITS
            if len(primes) == count and secure:
                return found
    raise AssertionError("more primes are at some point enough")


def _least_size(degree: int, count: int, log2_bound: float) -> int:
    """The fewest bits that so many primes need, were there one at each power of two."""
    sizes = range(ring_primes.LEAST_BITS, ring_primes.MOST_BITS + 1)
    return sizes.start + bisect_left(
        sizes,
        True,
        key=lambda size: reduction_bits(degree, count * size, log2_bound) >= SECURITY_BITS,
    )


def _block_size(log2_delta: float) -> int:
    """The smallest block size that reaches a root Hermite factor."""
    low, high = _LEAST_BLOCK, 1 << 20
    while low < high:
        middle = (low + high) // 2
        if _log2_delta(middle) <= log2_delta:
            high = middle
        else:
            low = middle + 1
    return low


def _log2_delta(block: int) -> float:
    """log2 δ of a block size (Chen 2013)."""
    ball = math.log2(math.pi * block) / block + math.log2(block / (2 * math.pi * math.e))
    return ball / (2 * (block - 1))
