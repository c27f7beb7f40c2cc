"""What a plan costs before it runs: bytes, seconds and memory, from public sizes only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from confide.aggregation.machinery import Work, machinery_of, timed
from confide.aggregation.masked.streams import MaskAdder
from confide.aggregation.traffic import received_bytes, round_bytes
from confide.errors import CostError, PlanError
from confide.markup import facts_html
from confide.plan import Exchange, NoNoise, Plan, Unit, What
from confide.randomness import SEED_BYTES
from confide.report.privacy import total_statement
from confide.report.signal import noise_warnings
from confide.report.views import views

__all__ = ["CostLimits", "Estimate", "estimate"]


@dataclass(frozen=True, kw_only=True)
class CostLimits:
    """Limits that an estimate must keep; None is no limit.

    Attributes:
        bytes_per_party: Sent and received in all rounds.
        seconds: Protocol time of the slower side, in all rounds.
        memory_bytes: Of the larger side.
    """

    bytes_per_party: float | None = None
    seconds: float | None = None
    memory_bytes: float | None = None

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if value is not None and not value >= 0:
                raise PlanError(f"limit {limit.name} is {value}; it is at least 0, or left out")


@dataclass(frozen=True, kw_only=True)
class ObserverPrivacy:
    """What noise keeps from some observers of the stated threat.

    Attributes:
        observers: Who they are; all of them see the same.
        privacy: ε at δ and μ, or that nothing bounds what they see.
        sentence: The same in plain words; empty if nothing does.
    """

    observers: tuple[str, ...]
    privacy: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a plan costs if nobody drops out but the coordinator must expect the worst.

    Bytes are exact but for the lengths of names. Seconds are estimates from primitives timed on
    this machine, for the protocol alone: what a party computes on its rows comes on top. Memory is
    an estimate of what the protocol and one chunk of rows hold.
    """

    rounds: int
    bytes_sent_per_party: int
    bytes_received_per_party: int
    plain_bytes_per_party: int
    party_seconds: float
    coordinator_seconds: float
    party_memory_bytes: int
    coordinator_memory_bytes: int
    privacy: str
    observers: tuple[ObserverPrivacy, ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        from confide.report.text import estimate_text

        return estimate_text(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return facts_html(
            "Estimate",
            [
                ("rounds", f"{self.rounds:,}"),
                ("bytes that a party sends", f"{self.bytes_sent_per_party:,}"),
                ("bytes that a party receives", f"{self.bytes_received_per_party:,}"),
                ("seconds of a party", f"{self.party_seconds:.3g}"),
                ("seconds of the coordinator", f"{self.coordinator_seconds:.3g}"),
                ("bytes of memory of a party", f"{self.party_memory_bytes:,}"),
                ("privacy", self.privacy),
                *(("note", note) for note in self.notes),
            ],
        )


def estimate(
    plan: Plan,
    sizes: Mapping[str, int],
    *,
    limits: CostLimits | None = None,
    exchange_seconds: Mapping[str, float] | None = None,
) -> Estimate:
    """Quotes a plan, of sums and exchanges.

    Args:
        plan: The plan.
        sizes: A public upper bound on each party's number of rows, by name.
        limits: What it must keep.
        exchange_seconds: By the name of an exchange, how long its computing takes
            (`confide.exchange.estimate_exchange`); what is left out is not counted, and a note says
            so.

    Raises:
        PlanError: If a party has no size or an unknown one has.
        CostError: If the estimate exceeds the limits, saying by how much.
    """
    _check_sizes(plan, sizes)
    stages, first, seconds = [], 0, exchange_seconds or {}
    for stage, part in zip(plan.stages, plan.stage_plans, strict=True):
        if isinstance(stage, Exchange):
            stages.append(_StageCost.of_exchange(stage, seconds.get(stage.name, 0.0)))
        else:
            stages.append(_StageCost.of(part, max(sizes.values()), first))
            first += part.rounds
    made = Estimate(
        rounds=plan.rounds,
        bytes_sent_per_party=sum(s.sent for s in stages),
        bytes_received_per_party=sum(s.received for s in stages),
        plain_bytes_per_party=sum(s.plain for s in stages),
        party_seconds=sum(s.rounds * s.seconds[0] for s in stages),
        coordinator_seconds=sum(s.rounds * s.seconds[1] for s in stages),
        party_memory_bytes=max(s.party_bytes for s in stages),
        coordinator_memory_bytes=max(s.coordinator_bytes for s in stages),
        privacy=_privacy(plan),
        observers=tuple(_observers(plan)),
        notes=tuple(_notes(plan, sizes, seconds)),
    )
    if limits is not None:
        _keep(limits, made)
    return made


@dataclass(frozen=True)
class _StageCost:
    """What one stage costs."""

    rounds: int
    sent: int
    received: int
    plain: int
    seconds: tuple[float, float]
    party_bytes: int
    coordinator_bytes: int

    @classmethod
    def of(cls, part: Plan, rows: int, first: int) -> _StageCost:
        """The cost of a stage, as a plan of its own, after so many openings of earlier stages."""
        work, traffic = machinery_of(part.aggregation).work(part), round_bytes(part)
        return cls(
            rounds=part.rounds,
            sent=part.rounds * traffic.sent,
            received=received_bytes(part, first),
            plain=part.rounds * traffic.plain,
            seconds=_seconds(work),
            party_bytes=_contributions_bytes(part, rows) + work.party_bytes,
            coordinator_bytes=work.coordinator_bytes,
        )

    @classmethod
    def of_exchange(cls, exchange: Exchange, seconds: float) -> _StageCost:
        """The most that an exchange costs the party that sends, or receives, the most in it."""
        sent, received, plain = Counter[str](), Counter[str](), Counter[str]()
        for message in exchange.messages:
            sent[message.sender] += message.max_bytes
            received[message.receiver] += message.max_bytes
            plain[message.sender] += 8 * message.numbers
        held = max(sent[role.name] + received[role.name] for role in exchange.roles)
        rounds = exchange.rounds
        return cls(
            rounds=rounds,
            sent=rounds * max(sent.values()),
            received=rounds * max(received.values()),
            plain=rounds * max(plain.values()),
            seconds=(seconds / rounds, 0.0),
            party_bytes=held,
            coordinator_bytes=max(message.max_bytes for message in exchange.messages),
        )


def _privacy(plan: Plan) -> str:
    """What bounds what the sums tell; results of exchanges are exact."""
    if not plan.sum_stages:
        return "ε = ∞: results of an exchange are exact"
    if isinstance(plan.noise, NoNoise):
        return "ε = ∞: exact sums are released"
    beside = "; ε = ∞ for results of exchanges, which are exact" if plan.exchanges else ""
    return f"{total_statement(plan)}{beside}"


def _observers(plan: Plan) -> Iterator[ObserverPrivacy]:
    """The views of the threat by what protects one unit against them."""
    if isinstance(plan.noise, NoNoise):
        return
    report = views(plan)
    informed = {e.observer.name for e in report.who_sees(what=What.SUMS)}
    for group in report.grouped:
        view = group[0]
        if not view.within_threat or view.observer not in informed:
            continue
        names = tuple(v.observer for v in group)
        if view.statement is None:
            yield ObserverPrivacy(observers=names, privacy="ε = ∞", sentence="")
        else:
            yield ObserverPrivacy(
                observers=names, privacy=str(view.statement), sentence=view.statement.sentence
            )


def _check_sizes(plan: Plan, sizes: Mapping[str, int]) -> None:
    names = {p.name for p in plan.parties}
    if names != sizes.keys():
        odd = sorted(names ^ sizes.keys())
        raise PlanError(f"sizes and parties differ in {', '.join(odd)}; give each party one size")
    for name, rows in sizes.items():
        if rows < 1:
            raise PlanError(f"size {rows} of party {name!r}; a party has at least 1 row")


def _notes(plan: Plan, sizes: Mapping[str, int], seconds: Mapping[str, float]) -> list[str]:
    notes = [
        "what parties need for their own rows, time and memory, comes on top, and so does Python"
    ]
    notes += noise_warnings(plan)
    for exchange in plan.exchanges:
        timed_here = "" if exchange.name in seconds else "; its computing is not in the seconds"
        notes.append(
            f"of exchange {exchange.name!r} the most that its messages may have is counted, for "
            f"the party that sends or receives most{timed_here}"
        )
    if plan.cohorts is not None:
        notes.append(
            f"each round asks one of {len(plan.cohorts.cohorts)} cohorts: bytes, seconds and "
            "privacy are those of a party that every round asks"
        )
    for part in plan.sum_plans:
        capacity = min(s.capacity for s in part.sums.sums)
        if part.sums.unit is Unit.RECORD:
            notes += [
                f"{name} may have {rows:,} rows; only the first {capacity:,} are counted"
                for name, rows in sizes.items()
                if rows > capacity
            ]
    return list(dict.fromkeys(notes))


def _seconds(work: Work) -> tuple[float, float]:
    """Protocol seconds of a party and of the coordinator in a round, from counts of primitives."""
    cost = {**_primitive_seconds(), **work.primitives()}
    party, coordinator = (
        sum(count * cost[name] for name, count in counts.items())
        for counts in (work.party, work.coordinator)
    )
    return party, coordinator


@lru_cache(maxsize=1)
def _primitive_seconds() -> Mapping[str, float]:
    """Seconds of each primitive on this machine (some ten milliseconds to measure)."""
    agreement, signing = X25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    public, verifying = X25519PrivateKey.generate().public_key(), signing.public_key()
    signature, words = signing.sign(b""), np.zeros(1 << 14, np.uint32)
    masks = MaskAdder(words.dtype)
    return {
        "agree": timed(lambda: agreement.exchange(public)),
        "sign": timed(lambda: signing.sign(b"")),
        "verify": timed(lambda: verifying.verify(signature, b"")),
        "byte": timed(lambda: masks.add(words, bytes(SEED_BYTES))) / words.nbytes,
    }


def _contributions_bytes(plan: Plan, rows: int) -> int:
    """Contributions of a chunk as reals, clipped and rounded."""
    unit = plan.sums.unit
    at_once = {Unit.RECORD: min(rows, plan.chunk_records), Unit.PERSON: rows, Unit.PARTY: 1}[unit]
    return 8 * 3 * at_once * plan.sums.size


def _keep(limits: CostLimits, made: Estimate) -> None:
    used = {
        "bytes_per_party": made.bytes_sent_per_party + made.bytes_received_per_party,
        "seconds": max(made.party_seconds, made.coordinator_seconds),
        "memory_bytes": max(made.party_memory_bytes, made.coordinator_memory_bytes),
    }
    for name, value in used.items():
        limit = getattr(limits, name)
        if limit is not None and value > limit:
            raise CostError(
                f"the plan takes {value:,.6g} {name.replace('_', ' ')}, and "
                f"the limit is {limit:,.6g}: "
                "run fewer rounds, shrink the sums or raise the limit"
            )
