"""A linear hash of vectors: short, and of a sum equal to the sum of the hashes.

See `hash_parameters` for what it is and how hard it is to find two vectors of one hash. A vector of
whole numbers y ≥ 0 comes as its residues modulo 2^w and, for a sum, the multiples of 2^w beside
them. The a_j are expanded from the plan's hash, so nobody chose them, and stand in the transformed
domain, where uniform stays uniform: neither they nor the hash are ever transformed back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from confide import canonical
from confide.aggregation.masked.hash_parameters import HashParameters, hash_parameters
from confide.aggregation.masked.reference_ring import ReferenceRing
from confide.aggregation.modular import Layout, Words, pack, packed_bytes, unpack
from confide.errors import EncryptionError, ProtocolError
from confide.he import kernel

if TYPE_CHECKING:
    from confide.plan.plan import Plan

__all__ = ["Carries", "Residues", "RingHash"]

Residues = NDArray[np.uint64]
"""A hash: residues of N transformed coefficients, shape `(primes, N)`."""

Carries = NDArray[np.uint8]
"""How many multiples of 2^w there are in each number of a sum, shape `(layout.size,)`."""

_CHUNK_BYTES: Final = 512 << 10
"""What is hashed at a time, and its key, fit a core's cache together."""


class _Ring(Protocol):
    """What the hash takes of a ring; see `confide_native.Ring` and `ReferenceRing`."""

    def uniform(self, out: Residues, rows: Sequence[int], seed: bytes, first: int = 0) -> None: ...
    def forward(self, x: Residues, rows: Sequence[int]) -> None: ...
    def weighted(
        self, out: Residues, x: Sequence[Residues], y: Sequence[Residues], rows: Sequence[int]
    ) -> None: ...
    def add(self, out: Residues, x: Residues, y: Residues, rows: Sequence[int]) -> None: ...


@dataclass(frozen=True)
class RingHash:
    """The hash of a plan's masked vectors.

    Attributes:
        parameters: Its ring.
        seed: What the a_j are expanded from, 32 bytes.
        layout: Of the vectors.
    """

    parameters: HashParameters
    seed: bytes
    layout: Layout

    @classmethod
    def of_plan(cls, plan: Plan) -> RingHash:
        """The hash of masked vectors under a plan."""
        layout = Layout.of_sum(plan)
        parameters = hash_parameters(len(plan.parties), max(layout.bits))
        return cls(parameters, canonical.sha256(["confide ring hash 1", plan.hash]), layout)

    def __call__(self, low: Words, carries: Carries | None = None) -> Residues:
        """The hash of a vector.

        Args:
            low: The numbers modulo each sum's 2^w, shape `(layout.size,)`.
            carries: How many multiples of 2^w to add to each; none, if not given.
        """
        parameters = self.parameters
        ring, rows = _ring(parameters), range(len(parameters.primes))
        shape = (1, len(rows), parameters.degree)
        total, part = np.zeros(shape, np.uint64), np.empty(shape, np.uint64)
        most = max(1, _CHUNK_BYTES // total.nbytes)
        x = kernel.empty_polys(most, len(rows), parameters.degree)
        keys = kernel.empty_polys(most, len(rows), parameters.degree)
        for first in range(0, self._blocks, most):
            count = min(most, self._blocks - first)
            for row, prime in enumerate(parameters.primes):
                start = first * parameters.degree
                self._fill(x[:count, row], low, carries, start, prime)
            ring.forward(x[:count], rows)
            for k in range(count):
                ring.uniform(keys[k : k + 1], rows, self.seed, (first + k) * len(rows))
            ring.weighted(part, _each(x[:count]), _each(keys[:count]), rows)
            ring.add(total, total, part, rows)
        found: Residues = total[0]
        return found

    def total(self, hashes: Iterable[Residues]) -> Residues:
        """The sum of hashes, which is the hash of the sum."""
        primes = np.array(self.parameters.primes, np.uint64)[:, np.newaxis]
        total = np.zeros((len(primes), self.parameters.degree), np.uint64)
        for one in hashes:
            total = (total + one) % primes
        return total

    def to_bytes(self, value: Residues) -> bytes:
        """A hash as it travels: `parameters.wire_bytes` bytes."""
        primes = self.parameters.primes
        return b"".join(pack(r, p.bit_length()) for r, p in zip(value, primes, strict=True))

    def from_bytes(self, data: bytes) -> Residues:
        """What `to_bytes` wrote.

        Raises:
            ProtocolError: If it is of another length, or a residue is not below its prime.
        """
        if len(data) != self.parameters.wire_bytes:
            raise ProtocolError(
                f"a hash of {len(data):,} bytes; this round's have {self.parameters.wire_bytes:,}"
            )
        rows, start = [], 0
        for prime in self.parameters.primes:
            end = start + packed_bytes(self.parameters.degree, prime.bit_length())
            rows.append(unpack(data[start:end], self.parameters.degree, prime.bit_length()))
            start = end
            if (rows[-1] >= prime).any():
                raise ProtocolError("a hash with a residue that is not below its prime")
        return np.array(rows)

    @property
    def _blocks(self) -> int:
        return -(-self.layout.size // self.parameters.degree)

    def _fill(
        self, out: Residues, low: Words, carries: Carries | None, start: int, prime: int
    ) -> None:
        """Residues of the numbers from `start` on modulo one prime; zeros beyond the last."""
        chunk = np.zeros(out.shape, np.uint64).reshape(-1)
        end = min(start + len(chunk), self.layout.size)
        chunk[: end - start] = low[start:end]
        if max(self.layout.bits) >= prime.bit_length():
            chunk %= np.uint64(prime)
        if carries is not None:
            self._add_carries(chunk, carries, start, prime)
            chunk %= np.uint64(prime)
        out[:] = chunk.reshape(out.shape)

    def _add_carries(self, chunk: Residues, carries: Carries, start: int, prime: int) -> None:
        """Adds the multiples of each sum's 2^w. With at most 2^8 below 2^50 they fit a word."""
        place = 0
        for size, width in zip(self.layout.sizes, self.layout.bits, strict=True):
            first, last = max(place, start), min(place + size, start + len(chunk))
            if first < last:
                part = carries[first:last] * np.uint64(pow(2, width, prime))
                chunk[first - start : last - start] += part
            place += size


def _each(polynomials: Residues) -> list[Residues]:
    return [polynomials[k : k + 1] for k in range(len(polynomials))]


@lru_cache(maxsize=8)
def _ring(parameters: HashParameters) -> _Ring:
    """The compiled ring, or where there is none the one in numpy."""
    try:
        return cast(_Ring, kernel.make_ring(parameters.degree, parameters.primes, threads=1))
    except EncryptionError:
        return ReferenceRing(parameters.degree, parameters.primes)
