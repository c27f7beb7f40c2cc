"""The ciphertexts of a vector: each for itself, or so many like one another while planning.

A table of 364,000 rows has dozens of ciphertexts in each column. While a computation is planned
nothing tells them apart, so one stands for all, and its work counts as often as there are blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Generic, Protocol, TypeVar, overload

__all__ = ["Alike", "Repeating", "each"]

T = TypeVar("T")


class Repeating(Protocol):
    """An engine that computes nothing, and so need not do the same thing many times."""

    def repeated(self, count: int) -> AbstractContextManager[None]:
        """Whatever is done inside counts so many times."""

    def summed(self, x: Any, count: int) -> Any:
        """The sum of so many ciphertexts like x."""


class Alike(Sequence[T], Generic[T]):
    """So many ciphertexts, all like the first.

    Args:
        first: It.
        count: How many there are.
        engine: What made them.
    """

    def __init__(self, first: T, count: int, engine: Repeating) -> None:
        self.first, self.engine = first, engine
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        return iter([self.first] * self._count)

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...

    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            count = len(range(self._count)[index])
            return Alike(self.first, count, self.engine)
        return self.first


def each(operation: Callable[..., Any], *sequences: Sequence[Any]) -> Sequence[Any]:
    """What an operation gives for each place of some sequences of one length."""
    known = next((blocks for blocks in sequences if isinstance(blocks, Alike)), None)
    if known is None or not all(_is_uniform(blocks) for blocks in sequences):
        return [operation(*parts) for parts in zip(*sequences, strict=True)]
    with known.engine.repeated(len(known)):
        first = operation(*(blocks[0] for blocks in sequences))
    return Alike(first, len(known), known.engine)


def _is_uniform(blocks: Sequence[Any]) -> bool:
    return isinstance(blocks, Alike) or all(block is blocks[0] for block in blocks)
