"""What an enclave adds to a round, for parties and for each contribution inside.

The simulator makes its evidence in software, where hardware takes its own time: that is counted
apart, and so is the verification, which a party makes once a round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from benchmarks.meter import Stopwatch
from benchmarks.record import Record, medians
from benchmarks.suite import Options
from benchmarks.tee.evidence import BUILD, Attester, policy_for
from confide import __version__
from confide.aggregation import (
    Aggregator,
    Identity,
    Integers,
    Round,
    coordinator_session,
    party_session,
)
from confide.plan import (
    Adversary,
    Aggregation,
    Clear,
    Code,
    Corruption,
    Enclave,
    Encrypted,
    Hardware,
    Masked,
    Party,
    Plan,
    Sum,
    SumGroup,
    Sums,
    Task,
    Threat,
    Unit,
)
from confide.tee import AttestedPeer, Expected, Platform
from confide.tee.relying import RelyingParty

__all__ = ["CASE", "run_rounds"]

CASE = "round"
_PARTIES, _STATE = 5, bytes(32)


@dataclass(frozen=True)
class _Timed(RelyingParty):
    """Who verifies, and how long that takes."""

    spent: Stopwatch = field(default_factory=Stopwatch)

    def verify(self, evidence: bytes, expected: Expected) -> AttestedPeer:
        """See `RelyingParty.verify`."""
        with self.spent.running():
            return super().verify(evidence, expected)


def run_rounds(options: Options) -> Iterator[Record]:
    """Measures rounds over one size, all protections in turn, repeat by repeat."""
    size = 20_000 if options.quick else 1_000_000
    repeats = options.repeats or (1 if options.quick else 9)
    subjects: dict[str, Aggregation] = {
        "clear": Clear(),
        "enclave over clear": _enclave(Clear()),
        "masked": Masked(),
        "enclave over masked": _enclave(Masked()),
        "encrypted": Encrypted(),
        "enclave over encrypted": _enclave(Encrypted()),
    }
    if options.only not in CASE:
        return
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in subjects}
    for repeat in range(repeats + 1):
        options.report(f"{CASE}, {repeat} of {repeats}")
        for name, aggregation in subjects.items():
            found = _round(_plan(size, aggregation))
            if repeat:  # the first one fills caches
                runs[name].append(found)
    for name, measured in runs.items():
        yield Record(
            suite="tee",
            case=CASE,
            subject=name,
            params={"size": size, "parties": _PARTIES, "repeats": repeats},
            measured=medians(measured, keep=["party_s", "coordinator_s"]),
        )


def _enclave(over: Clear | Masked | Encrypted) -> Enclave:
    return Enclave(policy=policy_for(Platform.SNP).hash, over=over, simulated=True)


def _plan(size: int, aggregation: Aggregation) -> Plan:
    honest = Adversary(coordinator=Corruption.HONEST)
    trusted = honest if isinstance(aggregation, Clear) else Adversary()
    update = Sum(name="update", shape=(size,), unit=Unit.PARTY, unit_bound=5.0, capacity=1)
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
        dropouts=0,
        aggregation=aggregation,
        threat=Threat(confidentiality=trusted, hardware=Hardware.ASSUMED_SOUND),
    )


def _round(plan: Plan) -> dict[str, float]:
    """One round: seconds of a party, and of the coordinator for each contribution.

    Raises:
        RuntimeError: If the sum is not the parties'.
    """
    limit = plan.sums.sums[0].lattice.party_range
    rng = np.random.default_rng(1)
    vectors = {p.name: rng.integers(-limit, limit + 1, plan.sums.size) for p in plan.parties}
    made, relying = Stopwatch(), _Timed(policy_for(Platform.SNP))
    aggregator = Aggregator(plan, Attester(made), BUILD) if plan.attested else None
    started = Stopwatch().less(made)  # what launching took is not part of the round
    round_, parties, server = Round(plan, 0), Stopwatch(), Stopwatch()

    def contribute(name: str) -> Callable[[], Integers]:
        return lambda: vectors[name]

    with parties.running():
        sessions = {
            name: party_session(
                round_, Identity.simulation(name, relying=relying), _STATE, contribute(name)
            )
            for name in vectors
        }
    with server.running():
        coordinator = coordinator_session(round_, _STATE, tuple(vectors), aggregator)
        outbox = coordinator.open()
    while outbox:
        for name, message in outbox.items():
            with parties.running():
                answer = sessions[name].receive(message)
            with server.running():
                coordinator.receive(answer)
        with server.running():
            outbox = coordinator.advance()
    result = coordinator.result
    before = parties.wall_ns
    for session in sessions.values():
        with parties.running():
            session.accept(result)
    if (result.totals != sum(vectors.values())).any():
        raise RuntimeError("the sum is not the parties'")
    evidence = (made.wall_ns + started.wall_ns) / 1e9
    return {
        "party_s": (parties.wall_ns - relying.spent.wall_ns) / 1e9 / _PARTIES,
        "verify_s": relying.spent.wall_ns / 1e9 / _PARTIES,
        "accept_s": (parties.wall_ns - before) / 1e9 / _PARTIES,
        "coordinator_s": (server.wall_ns / 1e9 - evidence) / _PARTIES,
        "simulated_evidence_s": evidence / _PARTIES,
    }
