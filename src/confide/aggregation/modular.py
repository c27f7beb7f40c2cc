"""Lattice integers modulo a power of two: the arithmetic of masks, and the bits on the wire.

Each sum has its own modulus 2^w. Arithmetic runs in 32-bit or 64-bit words, which wrap at a
multiple of 2^w; only w bits of each number travel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.aggregation.encoding import Integers
from confide.errors import ProtocolError
from confide.plan.noise import noise_tail
from confide.plan.plan import Plan
from confide.plan.protection import NoNoise

__all__ = ["Layout", "Words", "pack", "packed_bytes", "unpack", "unpack_into"]

Words = NDArray[np.unsignedinteger[Any]]

_LANES: Final = 64
"""Numbers are packed in 64 rows, so that each step works on whole rows of 64-bit words."""

_BLOCK: Final = 1 << 15
"""Numbers that are converted at a time, as many as a cache holds."""


@dataclass(frozen=True)
class Layout:
    """Where each sum's numbers lie in a vector, and how many bits each has.

    Attributes:
        sizes: Numbers of each sum.
        bits: w, bits of each sum's modulus.
    """

    sizes: tuple[int, ...]
    bits: tuple[int, ...]

    @classmethod
    def of_sum(cls, plan: Plan) -> Layout:
        """The layout of a sum over all parties."""
        sums = plan.sums.sums
        return cls(tuple(s.size for s in sums), tuple(plan.sum_bits(s) for s in sums))

    @classmethod
    def of_contribution(cls, plan: Plan) -> Layout:
        """The layout of one party's contribution in clear: fewer bits, as it is one party's."""
        sums = plan.sums.sums
        return cls(tuple(s.size for s in sums), tuple(s.lattice.bits(1) for s in sums))

    @classmethod
    def of_release(cls, plan: Plan) -> Layout:
        """The layout of a released sum: of all parties, and of all the noise that is in it."""
        sums, n = plan.sums.sums, len(plan.parties)
        noisy = not isinstance(plan.noise, NoNoise)
        bits = tuple(s.lattice.bits(n, noise_tail(plan, s) if noisy else 0) for s in sums)
        return cls(tuple(s.size for s in sums), bits)

    @property
    def size(self) -> int:
        """Numbers in all."""
        return sum(self.sizes)

    @cached_property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """The word that arithmetic runs in (little-endian, as masks are read from bytes)."""
        return np.dtype("<u4") if max(self.bits) <= np.iinfo(np.uint32).bits else np.dtype("<u8")

    @property
    def vector_bytes(self) -> int:
        """Bytes of a vector of words, which is the length of a mask's key stream."""
        return self.size * self.dtype.itemsize

    @cached_property
    def wire_bytes(self) -> int:
        """Bytes of a packed vector."""
        return sum(packed_bytes(n, w) for n, w in zip(self.sizes, self.bits, strict=True))

    def to_words(self, integers: Integers) -> Words:
        """Whole numbers to words, shape `(size,)`: modulo 2^32 or 2^64."""
        return integers.astype(self.dtype)

    def to_integers(self, words: Words) -> Integers:
        """Words to whole numbers in [-2^(w-1), 2^(w-1)), each modulo its own 2^w.

        Words of 64 bits are overwritten: they become the numbers.
        """
        signed = words.view(f"<i{words.dtype.itemsize}")
        out = signed if signed.dtype == np.int64 else np.empty(len(words), np.int64)
        top, start = 8 * words.dtype.itemsize, 0
        for size, width in zip(self.sizes, self.bits, strict=True):
            for first in range(start, start + size, _BLOCK):
                block = slice(first, min(first + _BLOCK, start + size))
                # Shifting w bits to the top of a word and back copies the sign bit down.
                out[block] = (signed[block] << (top - width)) >> (top - width)
            start += size
        return out

    def pack(self, words: NDArray[np.integer[Any]]) -> bytes:
        """The low w bits of words or whole numbers, densely."""
        ends = np.cumsum(self.sizes)[:-1]
        parts = np.split(words, ends)
        return b"".join(pack(p, w) for p, w in zip(parts, self.bits, strict=True))

    def unpack(self, data: bytes) -> Words:
        """What `pack` wrote.

        Raises:
            ProtocolError: If the length is not `wire_bytes`.
        """
        out = np.empty(self.size, self.dtype)
        self.unpack_into(out, data)
        return out

    def unpack_into(self, out: Words, data: bytes) -> None:
        """Reads what `pack` wrote into words, shape `(size,)`.

        Raises:
            ProtocolError: If the length is not `wire_bytes`.
        """
        if len(data) != self.wire_bytes:
            raise ProtocolError(
                f"a vector of {len(data):,} bytes; this round's have {self.wire_bytes:,}"
            )
        place = start = 0
        for size, width in zip(self.sizes, self.bits, strict=True):
            length = packed_bytes(size, width)
            unpack_into(out[start : start + size], memoryview(data)[place : place + length], width)
            place, start = place + length, start + size

    def pieces(self, most_bytes: int) -> list[tuple[slice, Layout]]:
        """The vector cut into consecutive parts, each packed by itself.

        Args:
            most_bytes: Bytes of the longest part, if that is enough for a row of numbers.

        Returns:
            Where each part lies, and its layout.
        """
        found: list[tuple[slice, Layout]] = []
        sizes, bits, room, start = list[int](), list[int](), most_bytes, 0

        def cut() -> None:
            nonlocal sizes, bits, room, start
            part = Layout(tuple(sizes), tuple(bits))
            found.append((slice(start, start + part.size), part))
            sizes, bits, room, start = [], [], most_bytes, start + part.size

        for size, width in zip(self.sizes, self.bits, strict=True):
            left = size
            while left:
                fits = room // packed_bytes(_LANES, width) * _LANES
                if not fits and sizes:
                    cut()
                    continue
                taken = min(left, max(fits, _LANES))
                sizes.append(taken)
                bits.append(width)
                room, left = room - packed_bytes(taken, width), left - taken
        cut()
        return found


def packed_bytes(size: int, width: int) -> int:
    """Bytes that `size` numbers of `width` bits take: rows of 64 are filled up."""
    return -(-size // _LANES) * width * (_LANES // 8)


def pack(words: NDArray[np.integer[Any]], width: int) -> bytes:
    """Packs the low `width` bits (at most 62) of each word.

    Number i of row r lies in column i; each column's 64 numbers fill `width` 64-bit words.
    """
    columns = -(-len(words) // _LANES)
    out, row = np.zeros((width, columns), "<u8"), np.empty(columns, np.uint64)
    for lane in range(_LANES):
        # A row at a time, so that nothing as long as the vector is made beside the bytes.
        part = words[lane * columns : (lane + 1) * columns]
        row[: len(part)], row[len(part) :] = part, 0
        row &= np.uint64((1 << width) - 1)
        word, shift = divmod(lane * width, _LANES)
        out[word] |= row << np.uint64(shift)
        if shift + width > _LANES:
            out[word + 1] |= row >> np.uint64(_LANES - shift)
    return out.tobytes()


def unpack(data: bytes, size: int, width: int) -> NDArray[np.uint64]:
    """What `pack` wrote, shape `(size,)`."""
    out = np.empty(size, np.uint64)
    unpack_into(out, data, width)
    return out


def unpack_into(out: Words, data: bytes | memoryview, width: int) -> None:
    """Reads what `pack` wrote of as many numbers as `out` holds, shape `(size,)`."""
    columns = -(-len(out) // _LANES)
    packed, row = np.frombuffer(data, "<u8").reshape(width, columns), np.empty(columns, np.uint64)
    for lane in range(_LANES):
        word, shift = divmod(lane * width, _LANES)
        np.right_shift(packed[word], np.uint64(shift), out=row)
        if shift + width > _LANES:
            row |= packed[word + 1] << np.uint64(_LANES - shift)
        row &= np.uint64((1 << width) - 1)
        part = out[lane * columns : (lane + 1) * columns]
        part[:] = row[: len(part)]
