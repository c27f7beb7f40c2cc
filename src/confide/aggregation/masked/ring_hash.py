"""A short linear hash of vectors: the hash of a sum is the sum of the hashes.

See `hash_parameters` for what it is and how hard it is to find two vectors of one hash. A vector of
whole numbers y ≥ 0 comes as its residues modulo 2^w and, for a sum, the multiples of 2^w besides
them. The a_j are expanded from the plan's hash, so nobody chose them: AES-256-CTR under a public
key, as Kyber has it in its "90s" variant, cut to numbers below each prime by rejection. They are in
the transformed domain, where uniform stays uniform: neither they nor the hash are ever transformed
back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol, cast

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
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

_CHUNK_BYTES: Final = 128 << 10
"""What is hashed at a time, its key and what makes it fit a core's cache together."""

_SUMMED: Final = 1 << 14
"""As many residues below 2^50 add up within a word, so reduction waits for so many."""

_CARRY_BITS: Final = 8 * np.dtype(np.uint8).itemsize


class _Ring(Protocol):
    """What the hash takes of a ring; see `confide_native.Ring` and `ReferenceRing`."""

    def forward(self, x: Residues, rows: Sequence[int]) -> None: ...
    def multiply(self, out: Residues, x: Residues, y: Residues, rows: Sequence[int]) -> None: ...


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

    @staticmethod
    def bytes_of(plan: Plan) -> int:
        """Bytes of the hash of a vector that parties verify; 0 if they verify none."""
        return RingHash.of_plan(plan).parameters.wire_bytes if plan.verified else 0

    def __call__(self, low: Words, carries: Carries | None = None) -> Residues:
        """The hash of a vector.

        Args:
            low: The numbers modulo each sum's 2^w, shape `(layout.size,)`.
            carries: How many multiples of 2^w to add to each; none, if not given.
        """
        degree, primes = self.parameters.degree, self.parameters.primes
        ring, rows = _ring(self.parameters), range(len(primes))
        total, moduli = np.zeros((len(primes), degree), np.uint64), _column(primes)
        most = max(1, _CHUNK_BYTES // total.nbytes)
        x = kernel.empty_polys(most, len(primes), degree)
        keys, above = kernel.empty_polys(most, len(primes), degree), _Above(self.layout, carries)
        streams = [_KeyStream(self.seed, row, prime) for row, prime in enumerate(primes)]
        summed = 1
        for first in range(0, self._blocks, most):
            count = min(most, self._blocks - first)
            for row, prime in enumerate(primes):
                self._fill(x[:count, row], low, above, first * degree, prime)
                streams[row].fill(keys[:count, row])
            ring.forward(x[:count], rows)
            ring.multiply(x[:count], x[:count], keys[:count], rows)
            if summed + count > _SUMMED:
                total, summed = total % moduli, 1
            total += x[:count].sum(axis=0)
            summed += count
        reduced: Residues = total % moduli
        return reduced

    def total(self, hashes: Iterable[bytes]) -> Residues:
        """The sum of hashes as they travel, which is the hash of the sum; of up to 2^14.

        Raises:
            ProtocolError: As `from_bytes`.
        """
        together: Residues = self._read(list(hashes)).sum(axis=0) % _column(self.parameters.primes)
        return together

    def to_bytes(self, value: Residues) -> bytes:
        """A hash as it travels: `parameters.wire_bytes` bytes."""
        primes = self.parameters.primes
        return b"".join(pack(r, p.bit_length()) for r, p in zip(value, primes, strict=True))

    def from_bytes(self, data: bytes) -> Residues:
        """What `to_bytes` wrote.

        Raises:
            ProtocolError: If it is of another length, or a residue is not below its prime.
        """
        one: Residues = self._read([data])[0]
        return one

    def _read(self, hashes: Sequence[bytes]) -> Residues:
        """Many hashes at once, shape `(hashes, primes, N)`, in as many steps as one."""
        size, degree = self.parameters.wire_bytes, self.parameters.degree
        for data in hashes:
            if len(data) != size:
                raise ProtocolError(f"a hash of {len(data):,} bytes; this round's have {size:,}")
        every = np.frombuffer(b"".join(hashes), "<u8").reshape(len(hashes), size // 8)
        out, start = np.empty((len(hashes), len(self.parameters.primes), degree), np.uint64), 0
        for row, prime in enumerate(self.parameters.primes):
            width = prime.bit_length()
            end = start + packed_bytes(degree, width) // 8
            # Side by side, the hashes' columns are those of one long vector.
            columns = every[:, start:end].reshape(len(hashes), width, -1).swapaxes(0, 1)
            lanes = unpack(columns.tobytes(), len(hashes) * degree, width)
            out[:, row] = (
                lanes.reshape(-1, len(hashes), columns.shape[2]).swapaxes(0, 1).reshape(-1, degree)
            )
            start = end
            if (out[:, row] >= prime).any():
                raise ProtocolError("a hash with a residue that is not below its prime")
        return out

    @property
    def _blocks(self) -> int:
        return -(-self.layout.size // self.parameters.degree)

    def _fill(self, out: Residues, low: Words, above: _Above, start: int, prime: int) -> None:
        """Residues of the numbers from `start` on modulo one prime; zeros beyond the last."""
        part, largest = low[start : start + out.size], max(self.layout.bits)
        if len(part) < out.size:
            part = np.concatenate([part, np.zeros(out.size - len(part), part.dtype)])
        out[:] = part.reshape(out.shape)
        if largest >= prime.bit_length():
            out %= np.uint64(prime)
        if above:
            above.add(out, start, prime)
            if largest + _CARRY_BITS >= prime.bit_length():
                out %= np.uint64(prime)


class _Above:
    """What a sum's carries stand for: the multiples of each sum's 2^w.

    Args:
        layout: Of the sum.
        carries: How many multiples there are of each number, or None for none.
    """

    def __init__(self, layout: Layout, carries: Carries | None) -> None:
        ends = np.cumsum(layout.sizes).tolist()
        self._sums = list(zip(ends, layout.sizes, layout.bits, strict=True))
        self._carries = carries

    def __bool__(self) -> bool:
        return self._carries is not None

    def add(self, out: Residues, start: int, prime: int) -> None:
        """Adds what stands for the numbers from `start` on. At most 2^8 below 2^50 fit a word."""
        assert self._carries is not None  # noqa: S101 - who asks has looked
        above = np.zeros(out.size, np.uint64)
        for end, size, width in self._sums:
            first, last = max(end - size, start), min(end, start + out.size)
            if first < last:
                part = above[first - start : last - start]
                part[:] = self._carries[first:last]
                part *= np.uint64(pow(2, width, prime))
        out += above.reshape(out.shape)


class _KeyStream:
    """Uniform residues modulo a prime, in order.

    Args:
        seed: 32 bytes.
        row: The prime's number, which tells its stream from the others.
        prime: The prime.
    """

    def __init__(self, seed: bytes, row: int, prime: int) -> None:
        counter = row.to_bytes(8, "big") + bytes(8)
        self._stream = Cipher(algorithms.AES256(seed), modes.CTR(counter)).encryptor()
        self._prime, self._mask = np.uint64(prime), np.uint64((1 << prime.bit_length()) - 1)
        self._zeros, self._room = bytes(_CHUNK_BYTES), memoryview(bytearray(_CHUNK_BYTES))

    def fill(self, out: Residues) -> None:
        """Fills an array with the next ones, of whatever shape up to `_CHUNK_BYTES`.

        They are words cut to the prime's bits, without those that are not below the prime.
        """
        words = self._next(out.size)
        np.bitwise_and(words.reshape(out.shape), self._mask, out=out)
        if int(out.max(initial=0)) >= self._prime:
            out[:] = self._refused(words & self._mask).reshape(out.shape)

    def _next(self, count: int) -> Residues:
        self._stream.update_into(self._zeros[: 8 * count], self._room)
        return np.frombuffer(self._room, "<u8", count)

    def _refused(self, words: Residues) -> Residues:
        """The words below the prime, and as many more as were not."""
        found, count = words[words < self._prime], len(words)
        while len(found) < count:
            more = self._next(count - len(found)) & self._mask
            found = np.concatenate([found, more[more < self._prime]])
        return found


def _column(primes: Sequence[int]) -> Residues:
    return np.array(primes, np.uint64)[:, np.newaxis]


@lru_cache(maxsize=8)
def _ring(parameters: HashParameters) -> _Ring:
    """The compiled ring, or else the one in numpy."""
    try:
        return cast(_Ring, kernel.make_ring(parameters.degree, parameters.primes, threads=1))
    except EncryptionError:
        return ReferenceRing(parameters.degree, parameters.primes)
