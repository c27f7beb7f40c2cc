"""Jobs on encrypted tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.he_work.score import run_score, tables_of_score
from benchmarks.he_work.select import run_select, tables_of_select
from benchmarks.record import Record
from benchmarks.suite import Options, Suite
from benchmarks.tables import Table

__all__ = ["HE_WORK"]


def _run(options: Options) -> Iterator[Record]:
    yield from run_score(options)
    yield from run_select(options)


def _tables(records: Sequence[Record]) -> Sequence[Table]:
    return [*tables_of_score(records), *tables_of_select(records)]


HE_WORK = Suite(
    name="he_work", title="Jobs on encrypted tables", peers=(), run=_run, tables=_tables
)
