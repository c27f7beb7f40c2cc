"""Where the command line writes: results to the output, progress and errors to the other stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

__all__ = ["errors", "output", "plain", "progress", "state"]

output = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


@dataclass
class _State:
    debug: bool = False


state = _State()


def plain(text: str) -> str:
    """A text in one line, with nothing in it that forges markup, colours or lines."""
    line = " ".join(text.strip().split("\n"))
    return escape(
        "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    )


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Progress bars on the error stream, one for each label: call with (label, done, of)."""
    bars = Progress(
        TextColumn("{task.description:<42}"),
        BarColumn(bar_width=30),
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
