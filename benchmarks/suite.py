"""The interface of a suite of measurements."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.record import Record
from benchmarks.tables import Table

__all__ = ["Options", "Suite"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to run a suite.

    Attributes:
        quick: Small sizes, once each: to see that it runs, and roughly how fast.
        repeats: How often each case is repeated; as each case says if None.
        peers: Which peers to measure next to us; their environments are there.
        only: Run the cases whose names contain this.
        report: Told the name of each case before it runs.
    """

    quick: bool = False
    repeats: int | None = None
    peers: Sequence[str] = ()
    only: str = ""
    report: Callable[[str], None] = lambda _case: None


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Measurements that belong together.

    Attributes:
        name: One word, the name of the command.
        title: For people.
        peers: Which peers have a driver for this work.
        run: Measures, case by case.
        tables: Lays out records, whether just measured or read from a file.
    """

    name: str
    title: str
    peers: Sequence[str]
    run: Callable[[Options], Iterator[Record]]
    tables: Callable[[Sequence[Record]], Sequence[Table]]
