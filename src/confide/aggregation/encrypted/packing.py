"""Packs a vector of lattice integers into the coefficients of a ring.

A coefficient carries a number modulo 2^T. Several short numbers share one, side by side; a long one
is cut into limbs with room for their sum over all parties. Both ways additions of coefficients are
additions of numbers, exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from confide.aggregation.encoding import Integers
from confide.aggregation.modular import Layout

__all__ = ["CHECKED", "Packing"]

CHECKED: Final = 64
"""Coefficients that every party sets to zero: if their sum is not zero, the sum is useless."""


_BLOCK: Final = 1 << 15
"""Numbers that are packed at a time, as many as a cache holds."""


@dataclass(frozen=True)
class Packing:
    """Where numbers lie.

    Attributes:
        layout: The sums' sizes, and the bits of each one's modulus.
        parties: n, how many add up at most.
        bits: T, bits of the number that a coefficient carries; at least 2, and beyond log2(n).
    """

    layout: Layout
    parties: int
    bits: int

    def beside(self, width: int) -> int:
        """How many numbers of a width share a coefficient; 0 if one takes several."""
        return self.bits // width

    @property
    def limb_bits(self) -> int:
        """Bits of a limb, so that the sum of the parties' limbs fits a coefficient."""
        return self.bits - (self.parties - 1).bit_length()

    @cached_property
    def coefficients(self) -> int:
        """How many coefficients the vector takes, those that stay zero too."""
        return CHECKED + sum(
            self._places(n, w) for n, w in zip(self.layout.sizes, self.layout.bits, strict=True)
        )

    def _places(self, size: int, width: int) -> int:
        if beside := self.beside(width):
            return -(-size // beside)
        return size * -(-width // self.limb_bits)

    def pack(self, integers: Integers, room: int) -> Integers:
        """Numbers to coefficients.

        Args:
            integers: The lattice integers, shape `(layout.size,)`; taken modulo each sum's 2^w.
            room: Coefficients to fill, at least `coefficients`.

        Returns:
            Coefficients in [-2^(T-1), 2^(T-1)), shape `(room,)`; what is left over is zero.
        """
        out = np.zeros(room, np.int64)
        start = place = 0
        for size, width in zip(self.layout.sizes, self.layout.bits, strict=True):
            part, places = integers[start : start + size], self._places(size, width)
            put = self._side_by_side if self.beside(width) else self._in_limbs
            put(out[place : place + places], part, width)
            start, place = start + size, place + places
        # In place: it is as long as the contribution.
        half = np.int64(1 << (self.bits - 1))
        out += half
        out &= np.int64((1 << self.bits) - 1)
        out -= half
        return out

    def unpack(self, coefficients: Integers) -> Integers:
        """Sums of coefficients to sums of numbers.

        Args:
            coefficients: Modulo 2^T, in [0, 2^T), at least `coefficients` of them; overwritten.

        Returns:
            The sums' integers, shape `(layout.size,)`.
        """
        out = np.empty(self.layout.size, np.int64)
        start = place = 0
        for size, width in zip(self.layout.sizes, self.layout.bits, strict=True):
            places = self._places(size, width)
            put = self._from_side_by_side if self.beside(width) else self._from_limbs
            put(out[start : start + size], coefficients[place : place + places], width)
            start, place = start + size, place + places
        return out

    def _side_by_side(self, out: Integers, numbers: Integers, width: int) -> None:
        for k in range(self.beside(width)):
            part = numbers[k * len(out) : (k + 1) * len(out)]
            for block in _blocks(len(part)):
                # Modulo the sum's own power of two, as other protections do.
                centred = _centred(part[block].copy(), width)
                out[block][: len(centred)] += centred << np.int64(k * width)

    def _from_side_by_side(self, out: Integers, sums: Integers, width: int) -> None:
        # Half of each place's range, so that no number borrows from the next.
        sums += np.int64(sum(1 << (k * width + width - 1) for k in range(self.beside(width))))
        for k in range(self.beside(width)):
            part = out[k * len(sums) : (k + 1) * len(sums)]
            np.right_shift(sums[: len(part)], np.int64(k * width), out=part)
            part &= np.int64((1 << width) - 1)
            part -= np.int64(1 << (width - 1))

    def _in_limbs(self, out: Integers, numbers: Integers, width: int) -> None:
        for k, row in enumerate(out.reshape(-1, len(numbers))):
            # The last limb has what is left of the sum's own power of two.
            bits = min(self.limb_bits, width - k * self.limb_bits)
            np.right_shift(numbers, np.int64(k * self.limb_bits), out=row)
            np.bitwise_and(row, np.int64((1 << bits) - 1), out=row)

    def _from_limbs(self, out: Integers, sums: Integers, width: int) -> None:
        out[:] = 0
        for k, row in enumerate(sums.reshape(-1, len(out))):
            np.left_shift(row, np.int64(k * self.limb_bits), out=row)
            out += row
        _centred(out, width)


def _centred(numbers: Integers, width: int) -> Integers:
    """Numbers modulo 2^w, in [-2^(w-1), 2^(w-1)), in place."""
    # Shifting w bits to the top of a word and back copies the sign bit down.
    numbers <<= np.int64(64 - width)
    numbers >>= np.int64(64 - width)
    return numbers


def _blocks(size: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, size, _BLOCK))
