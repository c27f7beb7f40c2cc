"""How numbers are placed in slots, and what is known about unused slots.

Up to N/2 numbers stand in one ciphertext, padded to a power of two, the *period*, and repeated
until the slots are full: every rotation is then a rotation within the period, one number stands in
every slot, and a sum over a period leaves only the sum in every slot. More numbers stand in blocks
of N/2, of which the last is padded.

Padding is zero when numbers are encrypted, but may change: `x - x.mean()` leaves the mean there. A
`Layout` says whether it is, and goes wherever its ciphertexts go, into bytes too: a sum over
padding that was taken for zero would be wrong in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from confide.errors import EncryptionError
from confide.he.numbers import Numbers, numbers_in

__all__ = ["Layout", "as_line", "as_table", "blocks_of", "is_full", "numbers_of", "period"]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What a vector's ciphertexts hold.

    Attributes:
        length: How many numbers there are.
        clean: Whether the padding is zero, or there is none.
        complex: Whether the numbers may have imaginary parts (CKKS).
    """

    length: int
    clean: bool
    complex: bool

    def within(self, slots: int) -> Layout:
        """The same in blocks of so many slots: a layout without padding is clean."""
        return self if self.clean or not is_full(self.length, slots) else replace(self, clean=True)


def period(length: int, slots: int) -> int:
    """After how many slots the numbers repeat.

    Example:
        >>> period(1, 2048), period(5, 2048), period(5000, 2048)
        (1, 8, 2048)
    """
    return min(1 << max(length - 1, 0).bit_length(), slots)


def is_full(length: int, slots: int) -> bool:
    """Whether the numbers fill their slots with no padding."""
    return length % period(length, slots) == 0


def blocks_of(values: Numbers, slots: int) -> list[Numbers]:
    """A line of numbers as blocks of `slots`."""
    size = period(len(values), slots)
    count = -(-len(values) // size)
    padded = np.zeros(count * size, values.dtype)
    padded[: len(values)] = values
    return [np.tile(block, slots // size) for block in padded.reshape(count, size)]


def numbers_of(blocks: Sequence[Numbers], length: int) -> Numbers:
    """The numbers that blocks hold; what `blocks_of` undoes."""
    return np.concatenate(list(blocks))[:length]


def as_line(values: object) -> Numbers:
    """One dimension, and at least one number."""
    numbers = numbers_in(values)
    if numbers.ndim != 1 or not numbers.size:
        raise EncryptionError(f"numbers of shape {numbers.shape}; a vector has one dimension")
    return numbers


def as_table(table: object) -> Numbers:
    """Two dimensions, and at least one number."""
    numbers = numbers_in(table)
    if numbers.ndim != 2 or not numbers.size:
        raise EncryptionError(f"a table of shape {numbers.shape}; it has rows and columns")
    return numbers
