"""What a plan costs before it runs: bytes, seconds and memory, from public sizes only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from confide.aggregation import Layout
from confide.aggregation.masked.streams import MaskAdder
from confide.aggregation.traffic import round_bytes
from confide.errors import BudgetError, PlanError
from confide.plan import Clear, NoNoise, Plan, Unit
from confide.plan.masking import signatures_to_verify
from confide.privacy.guarantee import statement
from confide.randomness import SEED_BYTES
from confide.report.views import views

__all__ = ["Budget", "Quote", "quote"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Limits that a quote must keep; None is no limit.

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
                raise PlanError(f"budget {limit.name} is {value}; it is at least 0, or left out")


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
class Quote:
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
        from confide.report.text import quote_text

        return quote_text(self)


def quote(plan: Plan, sizes: Mapping[str, int], *, budget: Budget | None = None) -> Quote:
    """Quotes a plan.

    Args:
        plan: The plan.
        sizes: A public upper bound on each party's number of rows, by name.
        budget: Limits to keep.

    Raises:
        PlanError: If a party has no size or an unknown one has.
        BudgetError: If the quote exceeds the budget, saying by how much.
    """
    _check_sizes(plan, sizes)
    traffic, layout = round_bytes(plan), Layout.of_sum(plan)
    party, coordinator = _seconds_per_round(plan, layout)
    made = Quote(
        rounds=plan.rounds,
        bytes_sent_per_party=plan.rounds * traffic.sent,
        bytes_received_per_party=plan.rounds * traffic.received,
        plain_bytes_per_party=plan.rounds * traffic.plain,
        party_seconds=plan.rounds * party,
        coordinator_seconds=plan.rounds * coordinator,
        party_memory_bytes=_party_memory(plan, layout, max(sizes.values())),
        coordinator_memory_bytes=_coordinator_memory(plan, layout),
        privacy="ε = ∞: exact sums are released"
        if isinstance(plan.noise, NoNoise)
        else str(statement(plan)),
        observers=tuple(_observers(plan)),
        notes=tuple(_notes(plan, sizes)),
    )
    if budget is not None:
        _keep(budget, made)
    return made


def _observers(plan: Plan) -> Iterator[ObserverPrivacy]:
    """The views of the threat by what protects one unit against them."""
    if isinstance(plan.noise, NoNoise):
        return
    for group in views(plan).grouped:
        view = group[0]
        if not view.within_threat:
            continue
        names = tuple(v.observer for v in group)
        if view.statement is not None:
            yield ObserverPrivacy(
                observers=names, privacy=str(view.statement), sentence=view.statement.sentence
            )
        elif view.observer != "network":
            yield ObserverPrivacy(observers=names, privacy="ε = ∞", sentence="")


def _check_sizes(plan: Plan, sizes: Mapping[str, int]) -> None:
    names = {p.name for p in plan.parties}
    if names != sizes.keys():
        odd = sorted(names ^ sizes.keys())
        raise PlanError(f"sizes and parties differ in {', '.join(odd)}; give each party one size")
    for name, rows in sizes.items():
        if rows < 1:
            raise PlanError(f"size {rows} of party {name!r}; a party has at least 1 row")


def _notes(plan: Plan, sizes: Mapping[str, int]) -> list[str]:
    notes = [
        "what parties need for their own rows, time and memory, comes on top, and so does Python"
    ]
    capacity = min(s.capacity for s in plan.sums.sums)
    if plan.sums.unit is Unit.RECORD:
        notes += [
            f"{name} may have {rows:,} rows; only the first {capacity:,} are counted"
            for name, rows in sizes.items()
            if rows > capacity
        ]
    return notes


def _seconds_per_round(plan: Plan, layout: Layout) -> tuple[float, float]:
    """Protocol seconds of a party and of the coordinator, from counts of primitives."""
    cost, n = _primitive_seconds(), len(plan.parties)
    vector = layout.vector_bytes * cost["byte"]
    if isinstance(plan.aggregation, Clear):
        return cost["sign"] + vector, n * (cost["verify"] + vector)
    masking = plan.masking
    messages = 5 if masking.quorum else 4
    signatures = masking.degree
    if masking.quorum:  # A confirmation of each neighbour, and a sample of the quorum.
        signatures += masking.degree + signatures_to_verify(masking, masking.min_survivors)
    party = (
        2 * masking.degree * cost["agree"]
        + (masking.degree + 2) * vector
        + signatures * cost["verify"]
        + messages * cost["sign"]
    )
    rebuilt = plan.dropouts * masking.degree * (1 - plan.dropouts / n)
    coordinator = n * (messages * cost["verify"] + 2 * vector) + rebuilt * (cost["agree"] + vector)
    return party, coordinator


@lru_cache(maxsize=1)
def _primitive_seconds() -> Mapping[str, float]:
    """Seconds of each primitive on this machine (some ten milliseconds to measure)."""
    agreement, signing = X25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    public, verifying = X25519PrivateKey.generate().public_key(), signing.public_key()
    signature, words = signing.sign(b""), np.zeros(1 << 14, np.uint32)
    masks = MaskAdder(words.dtype)
    return {
        "agree": _time(lambda: agreement.exchange(public)),
        "sign": _time(lambda: signing.sign(b"")),
        "verify": _time(lambda: verifying.verify(signature, b"")),
        "byte": _time(lambda: masks.add(words, bytes(SEED_BYTES))) / words.nbytes,
    }


def _time(call: Callable[[], object], repeats: int = 30) -> float:
    began = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - began) / repeats


def _party_memory(plan: Plan, layout: Layout, rows: int) -> int:
    unit = plan.sums.unit
    at_once = {Unit.RECORD: min(rows, plan.chunk_records), Unit.PERSON: rows, Unit.PARTY: 1}[unit]
    # Contributions of a chunk as reals, clipped and rounded; then the vector, its mask, its bytes.
    return 8 * 3 * at_once * plan.sums.size + 4 * layout.vector_bytes


def _coordinator_memory(plan: Plan, layout: Layout) -> int:
    relayed = 0
    if not isinstance(plan.aggregation, Clear):
        relayed = len(plan.parties) * plan.masking.degree * 400
    return 4 * layout.vector_bytes + relayed


def _keep(budget: Budget, made: Quote) -> None:
    used = {
        "bytes_per_party": made.bytes_sent_per_party + made.bytes_received_per_party,
        "seconds": max(made.party_seconds, made.coordinator_seconds),
        "memory_bytes": max(made.party_memory_bytes, made.coordinator_memory_bytes),
    }
    for name, value in used.items():
        limit = getattr(budget, name)
        if limit is not None and value > limit:
            raise BudgetError(
                f"the plan takes {value:,.6g} {name.replace('_', ' ')}, the "
                f"budget is {limit:,.6g}: "
                "run fewer rounds, shrink the sums or raise the budget"
            )
