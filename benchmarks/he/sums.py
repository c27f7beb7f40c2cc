"""A sum of a million numbers from ten parties, beside TenSEAL's CKKS as NVFlare uses it."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import tenseal

from benchmarks import machine
from benchmarks.meter import Stopwatch
from benchmarks.record import Record, medians
from benchmarks.suite import Options
from confide import __version__
from confide.aggregation import (
    Identity,
    Integers,
    Round,
    Traffic,
    coordinator_session,
    party_session,
)
from confide.plan import (
    Aggregation,
    Code,
    Encrypted,
    Masked,
    Party,
    Plan,
    Sum,
    SumGroup,
    Sums,
    Task,
    Unit,
)

__all__ = ["CASE", "run_sums"]

CASE = "sum-1000000"
_PARTIES, _DROPOUTS, _BITS, _REPEATS = 10, 2, 32, 5
_STATE = bytes(32)
_CHAINS = {"60,40,40": (60, 40, 40), "60,40,40,60": (60, 40, 40, 60)}
"""The shortest chain of moduli that CKKS adds in, and that of TenSEAL's tutorial."""


def run_sums(options: Options) -> Iterator[Record]:
    """Measures a round of ours, hidden both ways, and the same sum in TenSEAL."""
    size = 20_000 if options.quick else 1_000_000
    repeats = options.repeats or (1 if options.quick else _REPEATS)
    subjects: dict[str, Callable[[], dict[str, float]]] = {
        "confide": partial(_round, _plan(size, Encrypted())),
        "confide, masked": partial(_round, _plan(size, Masked())),
    }
    for name, chain in _CHAINS.items():
        subjects[f"tenseal {name}"] = partial(_tenseal, size, chain)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in subjects}
    for repeat in range(repeats):
        options.report(f"{CASE}, {repeat + 1} of {repeats}")
        for name, measure in subjects.items():
            with _without_stdout():
                runs[name].append(measure())
    for name, found in runs.items():
        yield Record(
            suite="he",
            case=CASE,
            subject=name,
            params={"size": size, "parties": _PARTIES, "bits": _BITS, "repeats": repeats},
            measured=medians(found),
            versions={**machine.versions(), "tenseal": version("tenseal")},
        )


@contextmanager
def _without_stdout() -> Iterator[None]:
    """TenSEAL's library warns on standard output, vector by vector; records belong there."""
    sys.stdout.flush()
    kept = os.dup(1)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _plan(size: int, aggregation: Aggregation) -> Plan:
    """A plan whose sums take just 32 bits: as many records a party as that leaves room for."""
    plans = (_plan_of(size, aggregation, 1 << log2) for log2 in range(24))
    return next(plan for plan in plans if plan.sum_bits(plan.sums.sums[0]) == _BITS)


def _plan_of(size: int, aggregation: Aggregation, capacity: int) -> Plan:
    update = Sum(name="update", shape=(size,), unit=Unit.RECORD, unit_bound=1.0, capacity=capacity)
    return Plan(
        name="benchmark",
        parties=tuple(Party.simulation(f"party-{i}") for i in range(_PARTIES)),
        stages=(
            Sums(
                task=Task("benchmark"),
                code=Code(package="confide", version=__version__, digest=bytes(32)),
                sums=SumGroup((update,)),
            ),
        ),
        dropouts=_DROPOUTS,
        aggregation=aggregation,
    )


def _round(plan: Plan) -> dict[str, float]:
    """One round: processor seconds of each side without making the contributions, and bytes.

    Raises:
        RuntimeError: If the sum is not the parties'.
    """
    limit = plan.sums.sums[0].lattice.party_range
    rng = np.random.default_rng(1)
    vectors = {p.name: rng.integers(-limit, limit + 1, plan.sums.size) for p in plan.parties}
    round_ = Round(plan, 0)
    names = tuple(vectors)
    clocks = {name: Stopwatch() for name in names}
    server, traffic = Stopwatch(), Traffic()

    def contribute(name: str) -> Callable[[], Integers]:
        return lambda: vectors[name]

    sessions = {
        name: party_session(round_, Identity.simulation(name), _STATE, contribute(name))
        for name in names
    }
    with server.running():
        coordinator = coordinator_session(round_, _STATE, names)
        outbox = coordinator.open()
    while outbox:
        for name, message in outbox.items():
            with clocks[name].running():
                answer = sessions[name].receive(message)
            with server.running():
                coordinator.receive(answer)
            traffic.count(name, message=message, answer=answer)
        with server.running():
            outbox = coordinator.advance()
    if not np.array_equal(coordinator.result.totals, sum(vectors.values())):
        raise RuntimeError("the round gave another sum than that of its parties")
    return {
        "party_cpu_s": statistics.median(c.cpu_ns for c in clocks.values()) / 1e9,
        "coordinator_cpu_s": server.cpu_ns / 1e9,
        "party_sent_bytes": max(traffic.sent.values()),
        "party_received_bytes": max(traffic.received.values()),
        "largest_error": 0.0,
    }


def _tenseal(size: int, chain: tuple[int, ...]) -> dict[str, float]:
    """One key that all clients share: each encrypts, the server adds, each decrypts the sum."""
    context = tenseal.context(
        tenseal.SCHEME_TYPE.CKKS, 8192, coeff_mod_bit_sizes=list(chain), n_threads=1
    )
    context.global_scale = 2.0**40
    vectors = np.random.default_rng(1).normal(0, 0.1, (_PARTIES, size))
    party, server = Stopwatch(), Stopwatch()
    with party.running():
        sent = tenseal.ckks_vector(context, vectors[0]).serialize()
    with server.running():
        total = tenseal.ckks_vector_from(context, sent)
    for vector in vectors[1:]:
        message = tenseal.ckks_vector(context, vector).serialize()
        with server.running():
            total.add_(tenseal.ckks_vector_from(context, message))
    with server.running():
        answer = total.serialize()
    with party.running():
        found = tenseal.ckks_vector_from(context, answer).decrypt()
    return {
        "party_cpu_s": party.cpu_ns / 1e9,
        "coordinator_cpu_s": server.cpu_ns / 1e9,
        "party_sent_bytes": len(sent),
        "party_received_bytes": len(answer),
        "largest_error": float(np.abs(np.array(found) - vectors.sum(axis=0)).max()),
    }
