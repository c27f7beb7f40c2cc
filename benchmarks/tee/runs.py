"""Runs the suite: evidence of each platform, then rounds with and without an enclave."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.record import Record
from benchmarks.suite import Options
from benchmarks.tee.rounds import run_rounds
from benchmarks.tee.verifications import run_verifications

__all__ = ["run"]


def run(options: Options) -> Iterator[Record]:
    """Measures, case by case."""
    for measure in (run_verifications, run_rounds):
        yield from measure(options)
