"""Tables of the accounting suite, from its records alone."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.record import Record
from benchmarks.tables import Table, ratio

__all__ = ["tables"]

_OURS, _PLD, _RDP = "confide", "dp-accounting PLD", "dp-accounting RDP"
_SUBJECTS = (_OURS, _PLD, _RDP)
_TARGET_S = 0.5
_TARGET_STEPS = 10_000


def tables(records: Sequence[Record]) -> Sequence[Table]:
    """What was found, and how long it took."""
    return [
        Table(
            "ε of a noise multiplier",
            ["case", *_columns("ε"), "seconds ÷ PLD", "seconds ÷ RDP"],
            [_row(case, records) for case in _cases(records, "epsilon")],
            "ε from above; the smaller, the tighter. Poisson-sampled Gaussians, neighbours by "
            "adding or removing one. dp-accounting with its defaults.",
        ),
        Table(
            "The noise multiplier of an ε",
            ["case", *_columns("σ"), "seconds ÷ PLD", "seconds ÷ RDP", "target"],
            [[*_row(case, records), _target(case, records)]
             for case in _cases(records, "calibration")],
            "The least multiplier that is found to keep ε; the smaller, the tighter. Ours is "
            "certified from above: its ε, computed again on the fine grid, is at most the ε asked "
            f"for. Target: {_TARGET_S} s up to {_TARGET_STEPS:,} steps.",
        ),
    ]  # fmt: skip


def _columns(sign: str) -> list[str]:
    return [f"{sign}, {s}" for s in _SUBJECTS] + [f"s, {s}" for s in _SUBJECTS]


def _cases(records: Sequence[Record], task: str) -> list[str]:
    return list(dict.fromkeys(r.case for r in records if r.params["task"] == task))


def _row(case: str, records: Sequence[Record]) -> list[str]:
    found = {r.subject: r.measured for r in records if r.case == case}
    seconds = [found[s]["wall_s"] if s in found else None for s in _SUBJECTS]
    return [
        case.partition("-")[2],
        *(f"{found[s]['found']:.5g}" if s in found else "–" for s in _SUBJECTS),
        *("–" if time is None else f"{time:.3g}" for time in seconds),
        *(_over(seconds[0], time) for time in seconds[1:]),
    ]


def _target(case: str, records: Sequence[Record]) -> str:
    ours = next((r for r in records if r.case == case and r.subject == _OURS), None)
    if ours is None or ours.params["steps"] > _TARGET_STEPS:
        return "–"
    return "met" if ours.measured["wall_s"] <= _TARGET_S else "missed"


def _over(ours: float | None, theirs: float | None) -> str:
    return "–" if ours is None or theirs is None else ratio(ours, theirs)
