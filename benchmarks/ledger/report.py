"""Tables of the ledger suite, from its records alone."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.record import Record
from benchmarks.tables import Table, mebibytes, seconds

__all__ = ["tables"]

_TARGET_S = 0.5
_TARGET_SHARE = 0.9


def tables(records: Sequence[Record]) -> Sequence[Table]:
    """What caps admit, and how long opening takes."""
    return [
        Table(
            "Steps that a cap admits",
            ["cap and step", "exact", "one plan", "of exact", "in parts", "of exact", "a part"],
            [_cap(record) for record in records if record.params["task"] == "cap"],
            "Poisson-sampled Gaussians (q = 1: not sampled) under the default filter, neighbours "
            "by adding or removing one. Exact: the most steps with ε at δ within the cap, by "
            "dp-accounting's privacy-loss distributions. One plan: the most steps that an empty "
            "ledger takes as one charge. In parts: charges of a twentieth of exact, each of which "
            f"might be chosen in view of the answers before. Target: {_TARGET_SHARE:.0%} as one "
            "plan.",
        ),
        Table(
            "Opening a ledger",
            ["entries", "owner's key", "size", "open", "without checkpoints", "verify", "target"],
            [_open(record) for record in records if record.params["task"] == "open"],
            "Charges in three entries each. Open: from a checkpoint. Verify reads every entry. "
            f"Target: 100,000 entries in {_TARGET_S} s.",
        ),
    ]


def _cap(record: Record) -> list[str]:
    found = record.measured
    return [
        record.case.removeprefix("cap-"),
        f"{found['exact']:,}",
        f"{found['one_plan']:,}",
        f"{found['one_plan'] / found['exact']:.1%}",
        f"{found['single']:,}",
        f"{found['single'] / found['exact']:.1%}",
        f"{found['part']:,}",
    ]


def _open(record: Record) -> list[str]:
    found = record.measured
    return [
        f"{found['entries']:,}",
        "yes" if record.params["signed"] else "no",
        mebibytes(found["bytes"]),
        seconds(found["open_s"]),
        seconds(found["whole_s"]),
        seconds(found["verify_s"]),
        "met" if found["open_s"] <= _TARGET_S else "missed",
    ]
