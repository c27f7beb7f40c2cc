"""Where the command line writes: results to the output, progress and errors to the other stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

__all__ = ["errors", "output", "progress", "state"]

output = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


@dataclass
class _State:
    debug: bool = False


state = _State()


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
    with bars:

        def report(label: str, done: int, of: int) -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label, total=of)
            bars.update(tasks[label], completed=done)

        yield report
