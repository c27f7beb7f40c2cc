"""Runs the cases: our own in this process and one for the coordinator, peers in theirs."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from benchmarks import peers
from benchmarks.aggregation.alternatives import alternatives
from benchmarks.aggregation.before import before_and_after
from benchmarks.aggregation.cases import (
    QUICK,
    QUICK_VERIFIED,
    SEED,
    STANDARD,
    VERIFIED,
    Case,
    Drop,
)
from benchmarks.aggregation.memory import memory
from benchmarks.aggregation.remote import RemoteCoordinator
from benchmarks.meter import Stopwatch
from benchmarks.record import Record, medians
from benchmarks.suite import Options
from confide.aggregation import (
    Accumulator,
    Identity,
    Integers,
    Layout,
    PartySession,
    Round,
    Traffic,
    message_kinds,
    party_session,
    run_round,
)
from confide.aggregation.session import Released
from confide.plan import Plan
from confide.runtime.wire import Announced

__all__ = ["run"]

_KEPT = ("server_wall_s", "server_cpu_s", "client_median_wall_s", "client_median_cpu_s", "wall_s")
_STATE_HASH = bytes(32)


def run(options: Options) -> Iterator[Record]:
    """Measures each case, and right after it the peers on the same work."""
    if options.before:
        yield from before_and_after(options)
        return
    compared: set[str] = set()
    for case in QUICK if options.quick else STANDARD:
        if options.only not in case.name:
            continue
        repeats = options.repeats or case.repeats
        options.report(case.name)
        plan = case.plan()
        yield _ours(case, [_measure(case, plan) for _ in range(repeats)])
        if "flower" in options.peers and case.flower and case.work not in compared:
            compared.add(case.work)
            options.report(f"{case.work}, Flower")
            yield _flower(case, repeats)
    yield from _verified(options)
    yield from memory(options)


def _verified(options: Options) -> Iterator[Record]:
    """Sums that parties check, the same unchecked, and other ways: all that `verified` names."""
    for checked in QUICK_VERIFIED if options.quick else VERIFIED:
        if options.only not in checked.name and options.only != "verified":
            continue
        repeats = options.repeats or checked.repeats
        options.report(f"{checked.name}, beside its alternatives")
        plain = replace(checked, verified=False)
        rounds: dict[str, list[dict[str, float]]] = {"masked": [], "verified": []}
        for _ in range(repeats):  # In turn, as what else the machine does slows both down.
            for case, subject in ((plain, "masked"), (checked, "verified")):
                rounds[subject].append(_measure(case, case.plan()))
        for case, subject in ((plain, "masked"), (checked, "verified")):
            least = min(r["client_median_cpu_s"] for r in rounds[subject])
            record = _ours(case, rounds[subject])
            measured = {**record.measured, "client_least_cpu_s": least}
            yield replace(record, subject=subject, measured=measured)
        yield from alternatives(checked, _params(checked, repeats))


def _ours(case: Case, rounds: Sequence[Mapping[str, float]]) -> Record:
    plan = case.plan()
    layout = Layout.of_contribution(plan)
    params = _params(case, len(rounds)) | {
        "colluding": case.colluding,
        "threat": "malicious" if case.malicious else "curious",
        "degree": plan.masking.degree,
        "threshold": plan.masking.threshold,
        "quorum": plan.masking.quorum,
        "bits_on_wire": plan.sum_bits(plan.sums.sums[0]),
        "bits_plain": layout.bits[0],
    }
    measured = medians(rounds, keep=_KEPT) | {"plain_bytes": layout.wire_bytes}
    return Record(
        suite="aggregation", case=case.name, subject="confide", params=params, measured=measured
    )


def _flower(case: Case, repeats: int) -> Record:
    assert case.flower is not None  # noqa: S101 - narrows the type
    params = _params(case, repeats) | {
        "num_shares": case.flower.num_shares,
        "reconstruction_threshold": case.flower.reconstruction_threshold,
    }
    answer = peers.run("flower", "flower_secagg.py", params)
    return Record(
        suite="aggregation",
        case=case.work,
        subject="flower SecAgg+",
        params=params,
        measured=medians(answer["rounds"], keep=_KEPT),
        versions=answer["versions"],
    )


def _params(case: Case, repeats: int) -> dict[str, object]:
    return {
        "parties": case.parties,
        "coordinates": case.coordinates,
        "dropping": case.dropping,
        "drop": case.drop.value,
        "seed": SEED,
        "repeats": repeats,
    }


def _measure(case: Case, plan: Plan) -> dict[str, float]:
    """One round with fresh sessions.

    Raises:
        RuntimeError: If the sum is not that of the survivors.
    """
    vectors = _Vectors(plan)
    parties = {p.name: _TimedParty(plan, p.name, vectors) for p in plan.parties}
    drop_at, dropping = _kind_dropped(case, plan), _dropping(case, plan)
    traffic = Traffic()
    with RemoteCoordinator(plan, _STATE_HASH) as coordinator:
        result = run_round(
            coordinator,
            parties,
            answers=lambda name, kind: not (kind == drop_at and name in dropping),
            traffic=traffic,
        )
    if not np.array_equal(result.totals, vectors.total):
        raise RuntimeError("the round gave another sum than that of its survivors")
    last = sorted(parties.keys() - dropping)
    # What parties compute from an opening is not announced beside it.
    totals = None if result.opening else result.totals
    said = Announced(result.survivors, totals, None, result.opening, result.consents)
    for name in last:
        parties[name].accept(said)
    everybody = [party.own_time for party in parties.values()]
    staying = [parties[name].own_time for name in last]
    return {
        # Everybody's work one after another, without what carries messages between processes.
        "wall_s": coordinator.measured["server_wall_s"] + sum(t.wall_ns for t in everybody) / 1e9,
        **coordinator.measured,
        "client_median_wall_s": statistics.median(t.wall_ns for t in staying) / 1e9,
        "client_max_wall_s": max(t.wall_ns for t in staying) / 1e9,
        "client_median_cpu_s": statistics.median(t.cpu_ns for t in staying) / 1e9,
        "client_max_cpu_s": max(t.cpu_ns for t in staying) / 1e9,
        "client_encode_cpu_s": statistics.median(vectors.encoding_cpu_s),
        "client_sent_bytes": max(traffic.sent.values()),
        "client_received_bytes": max(traffic.received.values()) + len(result.opening or b""),
        "late_client_bytes": len(result.opening or b"") + len(result.consents or b""),
    }


def _kind_dropped(case: Case, plan: Plan) -> str:
    """The first kind of message that a party which drops out does not send."""
    kinds = message_kinds(plan)
    vector = kinds.index("contribution")
    return kinds[vector] if case.drop is Drop.BEFORE_VECTOR else kinds[vector + 1]


def _dropping(case: Case, plan: Plan) -> set[str]:
    names = [p.name for p in plan.parties]
    chosen = np.random.default_rng(SEED).choice(names, case.dropping, replace=False)
    return set(chosen.tolist())


class _Vectors:
    """What the parties contribute: multiples of one random vector.

    Attributes:
        total: Lattice integers of all contributions so far.
        encoding_cpu_s: How long each took to clip and round.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._base = np.random.default_rng(SEED).standard_normal(plan.sums.size)
        self._factors = {p.name: 0.5 + i / len(plan.parties) for i, p in enumerate(plan.parties)}
        self.total = np.zeros(plan.sums.size, np.int64)
        self.encoding_cpu_s: list[float] = []

    def contribute(self, name: str) -> Integers:
        """A party's lattice integers."""
        vector, clock = self._base * self._factors[name], Stopwatch()
        with clock.running():
            units = Accumulator(self._plan.sums)
            units.add({"update": vector})
            integers = units.finish(seed=self._plan.seed, party=name, round_number=0)
        self.encoding_cpu_s.append(clock.cpu_ns / 1e9)
        self.total += integers
        return integers


class _TimedParty:
    """A party's session on the clock, but for the making of its contribution."""

    def __init__(self, plan: Plan, name: str, vectors: _Vectors) -> None:
        self._name, self._vectors = name, vectors
        self._receiving, self._contributing = Stopwatch(), Stopwatch()
        self._session: PartySession = party_session(
            Round(plan, 0), Identity.simulation(name), _STATE_HASH, self._contribute
        )

    @property
    def own_time(self) -> Stopwatch:
        """Time of the protocol alone."""
        return self._receiving.less(self._contributing)

    def receive(self, message: bytes) -> bytes:
        """Answers a message."""
        with self._receiving.running():
            return self._session.receive(message)

    def accept(self, result: Released) -> Integers:
        """Checks what was released."""
        with self._receiving.running():
            return self._session.accept(result)

    def _contribute(self) -> Integers:
        with self._contributing.running():
            return self._vectors.contribute(self._name)
