"""Where the command line writes: results to the output, progress and errors to the error stream."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.markup import escape

__all__ = ["errors", "note", "output", "plain", "progress", "state"]

output = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

Report = Callable[[str, int, int], None]

_SILENCE: Final = 10.0
"""Seconds between the progress lines of long work, if the error stream is a file."""


@dataclass
class _State:
    debug: bool = False
    quiet: bool = False


state = _State()


def plain(text: str) -> str:
    """A text in one line, with everything escaped that could forge markup, colours or lines."""
    line = " ".join(text.strip().split("\n"))
    return escape(
        "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    )


def note(text: str) -> None:
    """Prints a note on the error stream, unless `--quiet` is given."""
    if not state.quiet:
        errors.print(text, markup=False, soft_wrap=True)


def progress() -> AbstractContextManager[Report]:
    """Progress on the error stream, for each label: call with (label, done, of).

    In a terminal there are bars, one for each label. In a file there is a line for each label when
    it is done, and for long work a line every ten seconds. With `--quiet` there is nothing.
    """
    if state.quiet:
        return nullcontext(lambda *_: None)
    return _bars() if errors.is_terminal else _lines()


@contextmanager
def _bars() -> Iterator[Report]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
    )

    bars = Progress(
        TextColumn("{task.description:<36}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=errors,
    )
    tasks: dict[str, TaskID] = {}

    def report(label: str, done: int, of: int) -> None:
        bars.start()
        if label not in tasks:
            tasks[label] = bars.add_task(label, total=of)
        bars.update(tasks[label], completed=done)

    try:
        yield report
    finally:
        if tasks:  # without, stopping would write an empty line before an error
            bars.stop()


@contextmanager
def _lines() -> Iterator[Report]:
    said = time.monotonic()

    def report(label: str, done: int, of: int) -> None:
        nonlocal said
        if done == of or time.monotonic() - said > _SILENCE:
            errors.print(f"{plain(label)}: {done} of {of}", soft_wrap=True)
            said = time.monotonic()

    yield report
