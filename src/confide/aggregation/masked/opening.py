"""The opening of a verified sum: the sum of the masked vectors, and the secrets of the masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from confide import canonical
from confide.aggregation.envelope import fields_of
from confide.aggregation.masked.ring_hash import Carries
from confide.aggregation.masked.unmask import Masks, Secrets
from confide.aggregation.modular import Layout, Words, pack, packed_bytes, unpack_into
from confide.aggregation.sharing import wire
from confide.errors import ProtocolError, VerificationError
from confide.randomness import SEED_BYTES

__all__ = ["Opening", "accumulate", "opening_bytes", "reduce_words"]

_OVERHEAD: Final = 256
_ITEMS: Final = 16
_BLOCK: Final = 1 << 15
"""Numbers that are added at a time, as many as a cache holds."""


def accumulate(layout: Layout, low: Words, carries: Carries, words: Words) -> None:
    """Adds a masked vector to a sum over the whole numbers, in place.

    Args:
        layout: Of both.
        low: The sum modulo each sum's 2^w, shape `(layout.size,)`.
        carries: The multiples of 2^w that `low` leaves out; up to 2^8 vectors fit.
        words: The vector, numbers in [0, 2^w).
    """
    start = 0
    for size, width in zip(layout.sizes, layout.bits, strict=True):
        for first in range(start, start + size, _BLOCK):
            # A block at a time, so that no second array of this length is made.
            block = slice(first, min(first + _BLOCK, start + size))
            _accumulate(low[block], carries[block], words[block], width)
        start += size


def _accumulate(low: Words, carries: Carries, words: Words, width: int) -> None:
    np.add(low, words, out=low)
    # Where a word has just w bits, a sum that wrapped around is below what was added.
    carries += low < words
    if width < 8 * low.itemsize:
        carries += (low >> low.dtype.type(width)).astype(np.uint8)
        low &= low.dtype.type((1 << width) - 1)


@dataclass(frozen=True)
class Opening:
    """The sum of the masked vectors, and the secrets that remove the masks.

    Attributes:
        low: The sum modulo each sum's 2^w, shape `(layout.size,)`.
        carries: How many multiples of 2^w each number has in addition.
        secrets: Seeds of survivors' self masks, and mask keys of those who dropped out.
    """

    low: Words
    carries: Carries
    secrets: Secrets

    def to_bytes(self, layout: Layout) -> bytes:
        """The opening as it travels."""
        keys, seeds = self.secrets.keys, self.secrets.seeds
        return canonical.encode(
            {
                "carries": pack(self.carries, _carry_bits(len(seeds))),
                "keys": b"".join(keys[i] for i in sorted(keys)),
                "seeds": b"".join(seeds[i] for i in sorted(seeds)),
                "sum": layout.pack(self.low),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes, layout: Layout, masks: Masks) -> Opening:
        """What `to_bytes` wrote.

        Raises:
            ProtocolError: If it is malformed.
            VerificationError: If a number is not the sum of so many masked ones.
        """
        alive, dropped = masks.alive, masks.dropped
        most = opening_bytes(layout, len(alive), len(dropped)) + _OVERHEAD
        values = canonical.decode(data, most, _ITEMS)
        carries, keys, seeds, low = fields_of(
            values, carries=bytes, keys=bytes, seeds=bytes, sum=bytes
        )
        secrets = Secrets(
            dict(zip(alive, wire.split(seeds, SEED_BYTES, len(alive)), strict=True)),
            dict(zip(dropped, wire.split(keys, wire.KEY_BYTES, len(dropped)), strict=True)),
        )
        above = _read_carries(carries, layout.size, len(alive))
        return cls(layout.unpack(low), above, secrets)


def opening_bytes(layout: Layout, survivors: int, dropped: int) -> int:
    """Bytes of an opening, without the envelope of its parts."""
    carries = packed_bytes(layout.size, _carry_bits(survivors))
    return layout.wire_bytes + carries + SEED_BYTES * survivors + wire.KEY_BYTES * dropped


def reduce_words(layout: Layout, words: Words) -> Words:
    """Words modulo each sum's 2^w, in place."""
    start = 0
    for size, width in zip(layout.sizes, layout.bits, strict=True):
        words[start : start + size] &= words.dtype.type((1 << width) - 1)
        start += size
    return words


def _carry_bits(survivors: int) -> int:
    return (survivors - 1).bit_length()


def _read_carries(data: bytes, size: int, survivors: int) -> Carries:
    width = _carry_bits(survivors)
    if len(data) != packed_bytes(size, width):
        raise ProtocolError(
            f"carries of {len(data):,} bytes; this round's have {packed_bytes(size, width):,}"
        )
    carries = np.empty(size, np.uint8)
    unpack_into(carries, data, width)
    # The sum of n numbers below 2^w is below n·2^w.
    if (carries >= survivors).any():
        raise VerificationError(
            f"the announced sum has a number that no {survivors} masked ones add up to"
        )
    return carries
