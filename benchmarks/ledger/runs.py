"""Runs the cases: the longest plan that a cap admits, and opening ledgers of many entries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import dp_accounting as dp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dp_accounting.pld import PLDAccountant

from benchmarks import machine
from benchmarks.ledger.filled import fill
from benchmarks.meter import Stopwatch
from benchmarks.record import Record, medians
from benchmarks.suite import Options
from confide.errors import PrivacyBudgetError
from confide.privacy.ledger import Cap, Ledger

__all__ = ["run"]

_OBSERVERS = ("analyst",)


@dataclass(frozen=True)
class _Plan:
    """Steps of a sampled Gaussian (rate 1 for one that is not sampled) under a cap of (ε, δ)."""

    epsilon: float
    delta: float
    rate: float
    noise_multiplier: float

    @property
    def name(self) -> str:
        return f"cap-ε{self.epsilon:g}-δ{self.delta:g}-q{self.rate:g}-z{self.noise_multiplier:g}"

    @property
    def step(self) -> dp.DpEvent:
        once = dp.GaussianDpEvent(self.noise_multiplier)
        return once if self.rate == 1 else dp.PoissonSampledDpEvent(self.rate, once)


_PLANS = (
    _Plan(1.0, 1e-6, 0.01, 1.0),
    _Plan(1.0, 1e-6, 0.001, 0.8),
    _Plan(1.0, 1e-6, 0.05, 2.0),
    _Plan(1.0, 1e-6, 1.0, 20.0),
    _Plan(3.0, 1e-5, 0.01, 0.7),
)
_ENTRIES = (1_000, 10_000, 100_000)


def run(options: Options) -> Iterator[Record]:
    """Measures each plan, then each size of a ledger."""
    for plan in _PLANS:
        if options.only in plan.name and not (options.quick and plan.rate < 0.005):
            options.report(plan.name)
            yield _record(plan.name, {"task": "cap", **asdict(plan)}, _longest(plan))
    for entries in _ENTRIES[: 1 if options.quick else None]:
        for signed in (True, False):
            name = f"open-{entries}-{'signed' if signed else 'unsigned'}"
            if options.only in name:
                options.report(name)
                repeats = options.repeats or 5
                params = {"task": "open", "entries": entries, "signed": signed, "repeats": repeats}
                yield _record(name, params, _opened(entries, repeats, signed=signed))


def _record(name: str, params: dict[str, object], measured: dict[str, float]) -> Record:
    versions = {**machine.versions(), "dp-accounting": version("dp-accounting")}
    return Record(suite="ledger", case=name, subject="confide", params=params, measured=measured,
                  versions=versions)  # fmt: skip


def _longest(plan: _Plan) -> dict[str, float]:
    """The most steps: exactly, as one plan in an empty ledger, and as single charges."""

    def exactly(steps: int) -> bool:
        accountant = PLDAccountant(value_discretization_interval=1e-4)
        accountant.compose(plan.step, steps)
        return bool(accountant.get_epsilon(plan.delta) <= plan.epsilon)

    def as_one(steps: int) -> bool:
        with TemporaryDirectory() as folder, _capped(folder, plan) as ledger:
            return _fits(ledger, plan, steps)

    exact = _most(exactly)
    with TemporaryDirectory() as folder, _capped(folder, plan) as ledger:
        single = 0
        # In charges of a twentieth, so that the slowest row ends.
        part = max(1, exact // 20)
        while _fits(ledger, plan, part):
            single += part
    one_plan = _most(as_one, low=exact * 4 // 5, high=exact + exact // 100 + 1)
    return {"exact": exact, "one_plan": one_plan, "single": single, "part": part}


def _capped(folder: str, plan: _Plan) -> Ledger:
    ledger = Ledger.open(Path(folder) / "ledger.db")
    ledger.open_dataset("people")
    ledger.cap("people", Cap(epsilon=plan.epsilon, delta=plan.delta))
    return ledger


def _fits(ledger: Ledger, plan: _Plan, steps: int) -> bool:
    try:
        ledger.reserve("people", plan.step, observers=_OBSERVERS, count=steps)
    except PrivacyBudgetError:
        return False
    return True


def _most(holds: Callable[[int], bool], low: int = 0, high: int = 0) -> int:
    """The largest number that holds, to a part in 500; larger ones hold no longer.

    Args:
        holds: What is asked.
        low: A number that holds, 0 for what is not known; if it does not, the search starts at 0.
        high: A number that does not hold, 0 for what is not known.
    """
    if low and not holds(low):
        low, high = 0, low
    if not high:
        high = 1
        while holds(high):
            high *= 2
        low = high // 2
    while high - low > max(1, low // 500):
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _opened(entries: int, repeats: int, *, signed: bool) -> dict[str, float]:
    """Seconds to open a ledger with checkpoints, without them, and to verify it."""
    key = Ed25519PrivateKey.generate() if signed else None
    with TemporaryDirectory() as folder:
        where = Path(folder) / "ledger.db"
        count = fill(where, entries, key)
        found = [_once(where, key) for _ in range(repeats)]
        size = where.stat().st_size
        verified, whole = Stopwatch(), Stopwatch()
        with whole.running(), Ledger.open(where, key=key, repair=True) as ledger:
            pass
        with Ledger.open(where, key=key) as ledger, verified.running():
            ledger.verify()
    once = {"entries": count, "bytes": size, "whole_s": whole.wall_ns / 1e9,
            "verify_s": verified.wall_ns / 1e9}  # fmt: skip
    return medians(found, keep=("open_s",)) | once


def _once(where: Path, key: Ed25519PrivateKey | None) -> dict[str, float]:
    clock = Stopwatch()
    with clock.running(), Ledger.open(where, key=key):
        pass
    return {"open_s": clock.wall_ns / 1e9}
