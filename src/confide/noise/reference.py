r"""The sampler in numpy: what the kernel must agree with, and what runs without it.

Each proposal takes one word of 64 bits if cells are single integers, else three: one for the cell,
one for the place r in it, one for V, the uniform number that decides whether x is kept. x is kept
if V < exp(-a(x)), with a of `confide.noise.law`.

**Why floating point decides nothing wrongly.** Let â be a as computed: u, below 2^37, is exact,
the sum next to it and the coefficients are rounded at most once, and of the three operations one
adds zero, so |â - a| ≤ 5·2^-53·a. For â ≤ 1 the Taylor polynomial of degree 18 differs from
exp(-â) by less than 1/19! < 2^-56; its nested form multiplies earlier errors by at most â/i and
adds at most 3·2^-53 in step i, together below 9·2^-53. V's first 53 bits are exact, the rest below
2^-53. All of it stays below 2^-48. A comparison counts as decided only where the sides differ by
more than 2^-40, and a proposal with â > 1 is never decided here, so there are 8 bits to spare. Only
additions, multiplications and conversions of IEEE 754 are used; no library function is trusted.

Most proposals are kept because V < 1 - a, without the polynomial. The undecided go to
`confide.noise.resolver`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from confide.noise.exact import WORD_BITS
from confide.noise.law import Law
from confide.noise.resolver import Resolver
from confide.noise.table import AMBIGUOUS, GUIDE_BITS, Table

__all__ = ["MARGIN", "WORDS_PER_PROPOSAL", "fill"]

MARGIN: Final = 2.0**-40
"""Sides of a comparison that are nearer than this are undecided."""
WORDS_PER_PROPOSAL: Final = 3

_BLOCK: Final = 2**13
"""Proposals at a time: their arrays stay in the cache of a core."""
_DEGREE: Final = 18
_UNIT: Final = 2.0**-53

_Words = NDArray[np.uint64]
_Integers = NDArray[np.int64]
_Reals = NDArray[np.float64]
_Flags = NDArray[np.bool_]


def fill(
    out: _Integers, law: Law, table: Table, words: Callable[[int], _Words], resolver: Resolver
) -> None:
    """Fills an array with independent samples.

    Args:
        out: One-dimensional.
        law: The distribution.
        table: Its table.
        words: Gives the next so many words of 64 uniform bits.
        resolver: Settles what they leave undecided.
    """
    done = 0
    while done < out.size:
        missing = out.size - done
        kept = _block(law, table, words, resolver, min(_BLOCK, missing + missing // 16 + 2))
        kept = kept[:missing]
        out[done : done + kept.size] = kept
        done += kept.size


def _block(
    law: Law, table: Table, words: Callable[[int], _Words], resolver: Resolver, count: int
) -> _Integers:
    """The samples that so many proposals yield, in their order."""
    if not law.shift:
        return _cells(table, words(count), resolver)
    drawn = words(count * WORDS_PER_PROPOSAL).reshape(count, WORDS_PER_PROPOSAL)
    place = (drawn[:, 1] & np.uint64((1 << law.shift) - 1)).view(np.int64)
    x = (_cells(table, drawn[:, 0], resolver) << law.shift) + place
    kept = _kept(law, x, drawn[:, 2], resolver)
    kept &= (x >= -law.bound) & (x <= law.bound)
    chosen: _Integers = x[kept]
    return chosen


def _cells(table: Table, words: _Words, resolver: Resolver) -> _Integers:
    """The j of each word's cell."""
    found: _Integers = table.guide[words >> np.uint64(WORD_BITS - GUIDE_BITS)].astype(np.int64)
    (open_,) = np.nonzero(found == AMBIGUOUS)
    asked = words[open_]
    cell = np.searchsorted(table.floors, asked, side="left")
    found[open_] = (cell >> 1) ^ -(cell & 1)
    at_an_end = table.floors[np.minimum(cell, table.floors.size - 1)] == asked
    for i in open_[at_an_end]:
        found[i] = resolver.cell(int(words[i]))
    return found


def _kept(law: Law, x: _Integers, words: _Words, resolver: Resolver) -> _Flags:
    """Which proposals are kept, as far as their cells go."""
    excess = _excess(law, x)
    v = (words >> np.uint64(11)).astype(np.float64) * _UNIT
    kept = v < (1.0 - MARGIN) - excess
    (open_,) = np.nonzero(~kept)
    chance, at = _exp(np.minimum(excess[open_], 1.0)), v[open_]
    kept[open_] = at < chance - MARGIN
    undecided = ~((at < chance - MARGIN) | (at > chance + MARGIN)) | (excess[open_] > 1.0)
    for i in open_[undecided]:
        kept[i] = resolver.keeps(int(x[i]), int(words[i]))
    return kept


def _excess(law: Law, x: _Integers) -> _Reals:
    """a(x) = u·(q·(u + 2·start) + l), where |x| = start + u."""
    negative = x >> 63
    folded = x ^ negative
    u = folded & ((1 << law.shift) - 1)
    # Folded, start is short of one below zero: the sum is u + 2·start for either sign.
    beside = (folded << 1) - u - (negative << 1)
    slope: _Reals = beside.astype(np.float64)
    slope *= float(law.quadratic)
    slope += float(law.linear)
    slope *= u
    return slope


def _exp(exponent: _Reals) -> _Reals:
    """exp(-a) for a in [0, 1], by the nested Taylor polynomial."""
    nested: _Reals = np.ones_like(exponent)
    for i in range(_DEGREE, 0, -1):
        nested = 1.0 - exponent * (1.0 / i) * nested
    return nested
