"""Tables of the simulation suite, from its records alone."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.record import Record
from benchmarks.tables import Table, mebibytes, ratio, seconds

__all__ = ["tables"]


def tables(records: Sequence[Record]) -> Sequence[Table]:
    """Seconds a round of each subject, and its ratio to the loop measured in turn with it."""
    rows = []
    for place, record in enumerate(records):
        if not record.subject.startswith("loop"):
            rows.append(_row(record, _loop_of(record, records[place:])))
    return [
        Table(
            "A round of federated averaging",
            ["case and subject", "cpu", "loop by hand, cpu", "cpu, to the loop", "wall", "memory"],
            rows,
            "Medians. One thread. W1a: MLP 784-200-62, 1,000 clients of 200 rows, 100 a round, 10 "
            "steps of 20. W1b: CNN, 100 clients of 100 rows, 20 a round, 5 steps of 20. "
            "many-small: MLP 64-32-62, 1,000 clients of 40 rows, 200 a round, 4 steps of 10. "
            "Rounds of ours and of the loop are run in turn, so both see the same load. "
            "Ours also clips, rounds to the lattice, signs, and gives the sum to "
            "all clients.",
        )
    ]


def _loop_of(record: Record, later: Sequence[Record]) -> Record | None:
    found = [r for r in later if r.case == record.case and r.subject.startswith("loop")]
    return found[0] if found and record.subject.startswith("confide") else None


def _row(record: Record, loop: Record | None) -> list[str]:
    cpu = record.measured["cpu_s"]
    return [
        f"{record.case}, {record.subject}",
        seconds(cpu),
        seconds(loop.measured["cpu_s"]) if loop else "–",
        ratio(cpu, loop.measured["cpu_s"]) if loop else "–",
        seconds(record.measured["wall_s"]),
        mebibytes(record.measured["peak_rss_bytes"]),
    ]
