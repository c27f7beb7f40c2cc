"""Runs the cases: ε of sampled Gaussians, and the noise that an ε takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import dp_accounting as dp

from benchmarks import machine
from benchmarks.accounting.subjects import SUBJECTS, Subject, versions
from benchmarks.meter import Stopwatch
from benchmarks.record import Record, medians
from benchmarks.suite import Options

__all__ = ["run"]

_REPEATS, _PEER_REPEATS = 5, 3
_APART = 1e-7
"""Repeats differ by this much, so that no cache answers."""


@dataclass(frozen=True)
class _Case:
    """One of the published settings of DP-SGD (rate, steps) at δ, and ε or the multiplier."""

    task: str
    rate: float
    steps: int
    delta: float
    given: float

    @property
    def name(self) -> str:
        sign = "ε" if self.task == "calibration" else "σ"
        return f"{self.task}-{sign}{self.given:g}-q{self.rate:g}-T{self.steps}"


_CASES = (
    _Case("epsilon", 0.01, 1_000, 1e-5, 1.1),
    _Case("epsilon", 0.01, 10_000, 1e-5, 1.1),
    _Case("epsilon", 0.04, 2_250, 1e-5, 1.5),
    _Case("epsilon", 0.01, 10_000, 1e-5, 4.0),
    _Case("epsilon", 0.001, 1_000_000, 1e-8, 1.0),
    _Case("calibration", 0.01, 1_000, 1e-5, 1.0),
    _Case("calibration", 0.01, 10_000, 1e-5, 1.0),
    _Case("calibration", 0.01, 10_000, 1e-5, 3.0),
    _Case("calibration", 0.01, 10_000, 1e-5, 8.0),
    _Case("calibration", 0.001, 100_000, 1e-7, 2.0),
)


def run(options: Options) -> Iterator[Record]:
    """Measures each case by everybody's accountants."""
    for case in _CASES:
        if options.only in case.name and not (options.quick and case.steps > 10_000):
            for subject in SUBJECTS:
                options.report(f"{case.name}, {subject.name}")
                yield _record(options, case, subject)


def _record(options: Options, case: _Case, subject: Subject) -> Record:
    usual = _REPEATS if subject is SUBJECTS[0] else _PEER_REPEATS
    repeats = options.repeats or (1 if options.quick else usual)
    if not options.quick:
        _measure(case, subject, -1)  # imports, and tables made once in a process
    return Record(
        suite="accounting",
        case=case.name,
        subject=subject.name,
        params={**asdict(case), "repeats": repeats},
        measured=medians([_measure(case, subject, i) for i in range(repeats)], keep=("wall_s",)),
        versions={**machine.versions(), **versions()},
    )


def _measure(case: _Case, subject: Subject, repeat: int) -> dict[str, float]:
    def event(multiplier: float) -> dp.DpEvent:
        once = dp.PoissonSampledDpEvent(case.rate, dp.GaussianDpEvent(multiplier))
        return dp.SelfComposedDpEvent(once, case.steps)

    given, clock = case.given * (1 + repeat * _APART), Stopwatch()
    with clock.running():
        if case.task == "calibration":
            found = subject.calibrate(event, given, case.delta)
        else:
            found = subject.epsilon(event(given), case.delta)
    return {"wall_s": clock.wall_ns / 1e9, "cpu_s": clock.cpu_ns / 1e9, "found": found}
