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
from confide.aggregation.encrypted.gaussian import cumulative_table
from confide.aggregation.encrypted.opening import open_sum
from confide.aggregation.encrypted.packing import CHECKED, Packing
from confide.aggregation.encrypted.parameters import DEGREE, ROW, SumParameters, parameters_of
from confide.aggregation.masked.streams import MaskAdder
from confide.aggregation.traffic import round_bytes
from confide.errors import BudgetError, PlanError
from confide.he.kernel import make_sum_key
from confide.plan import Clear, Encrypted, NoNoise, Plan, Unit
from confide.plan.masking import signatures_to_verify
from confide.privacy.guarantee import statement
from confide.randomness import SEED_BYTES, SystemRandom
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
    party, coordinator = _inner_seconds(plan, layout)
    if not plan.attested:
        return party, coordinator
    # Verifying evidence takes some signatures; each byte is encrypted once more.
    cost, n = _primitive_seconds(), len(plan.parties)
    more = 2 * cost["agree"] + 12 * cost["verify"] + layout.vector_bytes * cost["byte"]
    return party + more, coordinator + n * more


def _inner_seconds(plan: Plan, layout: Layout) -> tuple[float, float]:
    """The same of what protects contributions beneath an enclave, or without one."""
    cost, n = _primitive_seconds(), len(plan.parties)
    vector = layout.vector_bytes * cost["byte"]
    if isinstance(plan.inner, Clear):
        return cost["sign"] + vector, n * (cost["verify"] + vector)
    masking = plan.masking
    messages = 5 if masking.quorum else 4
    signatures = masking.degree
    if masking.quorum:
        signatures += signatures_to_verify(masking, masking.min_survivors)
    party = 2 * masking.degree * cost["agree"] + messages * cost["sign"]
    if isinstance(plan.inner, Encrypted):
        ours, theirs = _encryption_seconds(plan)
        party += signatures * cost["verify"] + ours
        return party, n * messages * cost["verify"] + theirs
    if masking.quorum:  # A confirmation of each neighbour.
        signatures += masking.degree
    party += (masking.degree + 2) * vector + signatures * cost["verify"]
    rebuilt = plan.dropouts * masking.degree * (1 - plan.dropouts / n)
    coordinator = n * (messages * cost["verify"] + 2 * vector) + rebuilt * (cost["agree"] + vector)
    return party, coordinator


def _encryption_seconds(plan: Plan) -> tuple[float, float]:
    """Seconds that a party and the coordinator compute in the ring."""
    parameters, masking = parameters_of(plan), plan.masking
    cost, n = _block_seconds(parameters.modulus), masking.parties
    shares = n * (masking.threshold * cost["term"] + cost["pack"]) + n * cost["unpack"]
    party = parameters.blocks * (cost["encrypt"] + cost["pack"]) + shares
    taken = n * (parameters.blocks + 1) * (cost["unpack"] + cost["term"])
    return party, taken + parameters.blocks * cost["open"]


@lru_cache(maxsize=8)
def _block_seconds(modulus: int) -> Mapping[str, float]:
    """Seconds of what is done with one polynomial on this machine."""
    packing = Packing(Layout((DEGREE - CHECKED,), (4,)), 2, 4)
    parameters, count = SumParameters(packing, modulus), 16
    ring, numbers = parameters.ring, np.zeros((count, DEGREE), np.int64)
    blocks, one = np.empty((count, 1, DEGREE), np.uint64), np.zeros((1, 1, DEGREE), np.uint64)
    key = make_sum_key(ring, *cumulative_table(), SystemRandom().bytes(SEED_BYTES))
    seed = bytes(SEED_BYTES)
    encrypting = _time(lambda: key.encrypt(blocks, numbers, seed, 4), 1) / count
    packed = parameters.to_bytes(one)
    return {
        "encrypt": encrypting,
        "pack": _time(lambda: parameters.to_bytes(one)),
        "unpack": _time(lambda: parameters.from_bytes(packed, 1)),
        "term": _time(lambda: ring.scale(one, one, [1], ROW)),
        "open": _time(lambda: open_sum(parameters, one, one, seed)),
    }


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
    contributions = 8 * 3 * at_once * plan.sums.size
    if isinstance(plan.inner, Encrypted):
        return contributions + _encryption_memory(plan)
    return contributions + 4 * layout.vector_bytes


def _coordinator_memory(plan: Plan, layout: Layout) -> int:
    if not plan.only_sums_open:
        return 4 * layout.vector_bytes
    pairs = len(plan.parties) * plan.masking.degree
    if isinstance(plan.inner, Encrypted):
        # Each sealed share as it came, and as it goes out.
        return _encryption_memory(plan) + 2 * pairs * parameters_of(plan).polynomial_bytes
    return 4 * layout.vector_bytes + pairs * 400


def _encryption_memory(plan: Plan) -> int:
    """Numbers, coefficients and residues of one vector, its bytes, and a share for each party."""
    parameters = parameters_of(plan)
    residues = 8 * parameters.blocks * DEGREE
    shares = len(plan.parties) * (8 * DEGREE + parameters.polynomial_bytes)
    return 3 * residues + 2 * parameters.vector_bytes + shares


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
