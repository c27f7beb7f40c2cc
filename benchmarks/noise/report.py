"""Tables of the noise suite, from its records alone."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.record import Record
from benchmarks.tables import Table, ratio

__all__ = ["tables"]

_KERNEL, _REFERENCE, _OPENDP, _NUMPY = (
    "confide kernel",
    "confide reference",
    "opendp",
    "numpy, inexact",
)
_SUBJECTS = (_KERNEL, _REFERENCE, _OPENDP, _NUMPY)
_TARGETS_NS = {_KERNEL: 200, _REFERENCE: 3000}


def tables(records: Sequence[Record]) -> Sequence[Table]:
    """Nanoseconds a sample, and how they compare."""
    cases = list(dict.fromkeys(r.case for r in records))
    found = {(r.case, r.subject): r.measured["wall_ns_per_sample"] for r in records}
    rows = [_row(case, [found.get((case, subject)) for subject in _SUBJECTS]) for case in cases]
    return [
        Table(
            "Nanoseconds a sample",
            [
                "distribution and scale",
                *_SUBJECTS,
                "kernel ÷ opendp",
                "reference ÷ opendp",
                "kernel ÷ numpy",
                "targets: kernel, reference",
            ],
            rows,
            "Wall time of one call on one core, medians of the repeats. The exact ones make noise "
            "on the integers from the operating system's or a keyed generator; OpenDP adds it to "
            "a vector of zeros of 64 bits, 20,000 at a time, conversion from and to lists of "
            "Python included. numpy draws floats from a generator that is not secret: it is here "
            f"for scale, not as a rival. Targets: {_TARGETS_NS[_KERNEL]} ns and "
            f"{_TARGETS_NS[_REFERENCE]} ns.",
        )
    ]


def _row(case: str, times: Sequence[float | None]) -> list[str]:
    kernel, reference, opendp, inexact = times
    met = [
        "met" if time <= _TARGETS_NS[subject] else "missed"
        for subject, time in zip(_SUBJECTS, times, strict=True)
        if subject in _TARGETS_NS and time is not None
    ]
    return [
        case,
        *("–" if time is None else f"{time:.3g}" for time in times),
        _over(kernel, opendp),
        _over(reference, opendp),
        _over(kernel, inexact),
        ", ".join(met),
    ]


def _over(ours: float | None, theirs: float | None) -> str:
    return "–" if ours is None or theirs is None else ratio(ours, theirs)
