"""Inversion by whole numbers: where the cells' cumulative probabilities fall on a binary grid.

Let C_c be the probability of the cells 0, ..., c and U uniform on [0, 1). The cell that is drawn is
the c with C_{c-1} ≤ U < C_c. Of U the first n bits are drawn, a whole number w < 2^n: U lies in
[w, w + 1) / 2^n. With F_c = ⌊2^n · C_c⌋, w < F_c says U < C_c, and w > F_c says U > C_c. Only for
w = F_c more bits decide, and then with a finer grid. No probability is ever rounded: the cells that
share one step of the grid, the whole tail among them, are distinguished when the step is drawn
(lazy evaluation, von Neumann 1951; Karney 2016, §3, arXiv 1303.6257).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, zip_longest
from typing import Final

import numpy as np
from numpy.typing import NDArray

from confide.noise.exact import WORD_BITS, exp_bounds
from confide.noise.law import Law

__all__ = ["AMBIGUOUS", "GUIDE_BITS", "Table", "floors", "found", "table_of"]

GUIDE_BITS: Final = 12
AMBIGUOUS: Final = -(2**15)
"""Marks the entries of a guide that hold more than one cell."""

_Bounds = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Table:
    """The grid of 64 bits, and a guide to it.

    Attributes:
        floors: F_c in uint64, not falling.
        guide: For each value of the first 12 bits of w the j that they decide, or `AMBIGUOUS`.
    """

    floors: NDArray[np.uint64]
    guide: NDArray[np.int16]


@lru_cache(maxsize=64)
def table_of(law: Law) -> Table:
    """The table of a law; the last ones are kept."""
    found_floors = np.array(floors(law, WORD_BITS), dtype=np.uint64)
    found_floors.flags.writeable = False
    return Table(found_floors, _guide(found_floors))


def floors(law: Law, bits: int) -> list[int]:
    """F_c for the cells from 0 up to the first whose F_c is 2^bits - 1, or to the last but one.

    Precision is added until every floor is certain.
    """
    guard = WORD_BITS
    while True:
        certain = _certain_floors(law, bits, guard)
        if certain is not None:
            return certain
        guard *= 2


def found(grid: list[int], word: int) -> int | None:
    """The cell that a word on the grid decides, or None: its step holds the end of one."""
    cell = bisect_left(grid, word)
    return None if cell < len(grid) and grid[cell] == word else cell


def _certain_floors(law: Law, bits: int, guard: int) -> list[int] | None:
    """The floors, or None if some bounds with `guard` more bits have different ones."""
    point = bits + guard
    weights: list[_Bounds] = []
    complete = True
    for cell, (low, high, ratio) in enumerate(_weights(law, point)):
        if high >> (guard // 4) == 0 and cell % 2:
            # This cell and the next are the greatest of two sequences that fall at least
            # geometrically: everything from here on is bounded by them.
            rest = 2 * (high << point) // ((1 << point) - ratio) + 1
            complete = False
            break
        weights.append((low, high))
    else:
        rest = 0
    least, most = sum(low for low, _ in weights), sum(high for _, high in weights) + rest
    certain: list[int] = []
    below = accumulate(low for low, _ in weights)
    above = accumulate(high for _, high in weights)
    last = (1 << bits) - 1
    for cell, (low, high) in enumerate(zip(below, above, strict=True), start=1):
        if complete and cell == len(weights):
            return certain
        floor = (low << bits) // most
        if floor != min((high << bits) // least, last):
            return None
        certain.append(floor)
        if floor == last:
            return certain
    return None


def _weights(law: Law, point: int) -> Iterator[tuple[int, int, int]]:
    """Bounds of 2^point · exp(-E(start)) for cell after cell, and of the ratio to the next but one.

    Of a cell and the next but one, the starts are k apart.
    """
    both = zip_longest(_chain(law, 0, point), _chain(law, 1, point))
    return (weight for pair in both for weight in pair if weight is not None)


def _chain(law: Law, cell: int, point: int) -> Iterator[tuple[int, int, int]]:
    """The weights of every second cell, by w' = w·r and r' = r·s with s = exp(-E''), rounded out.

    E is quadratic, so its second difference over k is constant; r never rises.
    """
    energy = [law.energy(law.start(cell + 2 * i)) for i in range(3)]
    weight = exp_bounds(energy[0], point)
    ratio = exp_bounds(energy[1] - energy[0], point)
    second = exp_bounds(energy[2] - 2 * energy[1] + energy[0], point)
    while law.start(cell) <= law.bound:
        yield *weight, ratio[1]
        weight, ratio = _product(weight, ratio, point), _product(ratio, second, point)
        cell += 2


def _product(a: _Bounds, b: _Bounds, point: int) -> _Bounds:
    return a[0] * b[0] >> point, -(-a[1] * b[1] >> point)


def _guide(grid: NDArray[np.uint64]) -> NDArray[np.int16]:
    """What the first bits of a word decide alone: those whose steps hold no end of a cell."""
    first = np.arange(1 << GUIDE_BITS, dtype=np.uint64) << np.uint64(WORD_BITS - GUIDE_BITS)
    last = first | np.uint64((1 << (WORD_BITS - GUIDE_BITS)) - 1)
    cell = np.searchsorted(grid, first, side="left")
    decided = cell == np.searchsorted(grid, last, side="right")
    guide = np.where(decided, (cell >> 1) ^ -(cell & 1), AMBIGUOUS).astype(np.int16)
    guide.flags.writeable = False
    return guide
