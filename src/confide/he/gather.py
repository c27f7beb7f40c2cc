"""Reorders encrypted numbers: slices, rolls, concatenations, single numbers.

A run is rotated to where it goes and multiplied by ones there and zeros elsewhere. If the sources
repeat after more slots than the result does, what is left is folded onto itself, so that the result
repeats as the layout says. A run that needs no zeros around it takes no multiplication.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic

import numpy as np

from confide.he.engine import C
from confide.he.evaluator import Evaluator
from confide.he.layout import period
from confide.he.numbers import Numbers

__all__ = ["Run", "gathered"]


@dataclass(frozen=True, kw_only=True)
class Run(Generic[C]):
    """Numbers that are adjacent in a source, and will be adjacent in the result.

    Attributes:
        blocks: Of the source.
        length: Of the source.
        start: Where the run begins in the source.
        count: How many numbers it has.
        at: Where it begins in the result.
    """

    blocks: Sequence[C]
    length: int
    start: int
    count: int
    at: int


def gathered(
    evaluator: Evaluator[C], runs: Sequence[Run[C]], length: int, *, weight: float = 1
) -> tuple[list[C], bool]:
    """The blocks of the result, and whether its padding is zero.

    Args:
        evaluator: Computes.
        runs: That cover the result, each place once.
        length: Of the result.
        weight: By what every number is multiplied, at no further cost.

    Raises:
        EncryptionError: If no level is left where zeros are needed.
    """
    size = period(length, evaluator.engine.slots)
    made = [
        _Block(evaluator, size, weight).made(runs, first, min(first + size, length))
        for first in range(0, length, size)
    ]
    return [block for block, _ in made], all(clean for _, clean in made)


@dataclass(frozen=True)
class _Block(Generic[C]):
    """One block of a result that repeats after `size` slots."""

    evaluator: Evaluator[C]
    size: int
    weight: float

    def made(self, runs: Sequence[Run[C]], first: int, last: int) -> tuple[C, bool]:
        """Numbers `first` to `last` of the result."""
        pieces = [piece for run in runs for piece in self._pieces(run, first, last)]
        width = max(self.size, *(piece.period for piece in pieces))
        blocks: dict[int, C] = {}
        masks: dict[tuple[int, int], Numbers] = {}
        for piece in pieces:
            blocks[id(piece.block)] = piece.block
            shift, places = piece.moved(self.size)
            mask = masks.setdefault((id(piece.block), shift), np.zeros(width, np.int64))
            mask[places % width] = 1
        turned = self._turned(blocks, list(masks))
        if len(masks) == 1 and width == self.size and self.weight == 1:
            return turned[0], bool(next(iter(masks.values())).all())
        slots = self.evaluator.engine.slots
        plains = [
            self.evaluator.engine.plain(np.tile(mask * self.weight, slots // width))
            for mask in masks.values()
        ]
        total = self.evaluator.dot(turned, plains)
        step = self.size
        while step < width:
            total = self.evaluator.add(total, self.evaluator.rotate(total, step))
            step *= 2
        return total, True

    def _turned(self, blocks: dict[int, C], wanted: list[tuple[int, int]]) -> list[C]:
        """Each block once, by all its shifts together."""
        turned: dict[tuple[int, int], C] = {}
        for name, block in blocks.items():
            shifts = [shift for of, shift in wanted if of == name]
            for shift, found in zip(shifts, self.evaluator.rotations(block, shifts), strict=True):
                turned[name, shift] = found
        return [turned[each] for each in wanted]

    def _pieces(self, run: Run[C], first: int, last: int) -> Iterator[_Piece[C]]:
        """The parts of a run that go into this block, each from one block of the source."""
        repeats = period(run.length, self.evaluator.engine.slots)
        at, end = max(first, run.at), min(last, run.at + run.count)
        while at < end:
            block, offset = divmod(run.start + at - run.at, repeats)
            count = min(end - at, repeats - offset)
            yield _Piece(run.blocks[block], repeats, offset, count, at - first)
            at += count


@dataclass(frozen=True)
class _Piece(Generic[C]):
    block: C
    period: int
    offset: int
    count: int
    at: int

    def moved(self, size: int) -> tuple[int, Numbers]:
        """By how much it is rotated, and where its numbers then are."""
        along = np.arange(self.count)
        if self.period <= size:
            return (self.offset - self.at) % self.period, self.at + along
        shift = (self.offset - self.at) % size
        return shift, self.offset - shift + along
