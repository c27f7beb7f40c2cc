"""Seconds and bytes of the process itself. Standard library alone: peers' environments use it."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Stopwatch", "peak_rss_bytes"]


class Stopwatch:
    """Adds up wall and processor nanoseconds, of child processes that ended too."""

    def __init__(self) -> None:
        self.wall_ns = 0
        self.cpu_ns = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Counts the time inside."""
        wall, cpu = time.perf_counter_ns(), _cpu_ns()
        try:
            yield
        finally:
            self.wall_ns += time.perf_counter_ns() - wall
            self.cpu_ns += _cpu_ns() - cpu

    def less(self, other: Stopwatch) -> Stopwatch:
        """What is left without a part that another stopwatch counted."""
        rest = Stopwatch()
        rest.wall_ns, rest.cpu_ns = self.wall_ns - other.wall_ns, self.cpu_ns - other.cpu_ns
        return rest


def peak_rss_bytes() -> int:
    """The most memory this process has held.

    Read from /proc where there is one: `getrusage` counts what the parent held when it started us.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except FileNotFoundError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    kilobytes = next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]
    return int(kilobytes) * 1024


def _cpu_ns() -> int:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time_ns() + int((children.ru_utime + children.ru_stime) * 1e9)
