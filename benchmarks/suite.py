"""What a suite of measurements is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.record import Record
from benchmarks.tables import Table

__all__ = ["Options", "Suite"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to run a suite.

    Attributes:
        quick: Small sizes, once each: does it run, and roughly how fast?
        repeats: How often each case is repeated; as each case says if None.
        peers: Which peers to measure beside us; their environments are there.
        data: A folder with further tables, for suites that read one.
        only: Run the cases whose names contain this.
        before: A commit that this tree is compared with, instead of the cases alone; or nothing.
        report: Told the name of each case before it runs.
    """

    quick: bool = False
    repeats: int | None = None
    peers: Sequence[str] = ()
    data: Path | None = None
    only: str = ""
    before: str = ""
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
        compares: Whether it compares with an earlier commit.
        picture: Draws records into a file; None if there is nothing to draw.
        reads_folder: Whether it measures more with a folder of tables.
    """

    name: str
    title: str
    peers: Sequence[str]
    run: Callable[[Options], Iterator[Record]]
    tables: Callable[[Sequence[Record]], Sequence[Table]]
    compares: bool = False
    picture: Callable[[Sequence[Record], Path], None] | None = None
    reads_folder: bool = False
