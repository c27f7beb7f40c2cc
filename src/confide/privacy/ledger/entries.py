"""The entries of a ledger: one kind for each event, chained by hashes.

An entry's bytes are the deterministic CBOR of its number, the hash of the entry before, the time,
its kind and its fields; its hash is the SHA-256 of these bytes. So a hash stands for all entries up
to it, and no entry can be changed, removed or inserted without changing every later hash.
"""

from __future__ import annotations

import dataclasses
import hashlib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from confide.canonical import decode, encode
from confide.errors import ConfideError, VerificationError

__all__ = [
    "FIRST_FORMAT",
    "FIRST_PREVIOUS",
    "FORMAT",
    "MAX_ENTRY_BYTES",
    "ROUNDS_FORMAT",
    "Answered",
    "Cancelled",
    "Capped",
    "Claimed",
    "Committed",
    "Consented",
    "Entry",
    "Fact",
    "Gathered",
    "Imported",
    "Limited",
    "Migrated",
    "Opened",
    "Partitioned",
    "Registered",
    "Reserved",
    "Retimed",
    "RoundFact",
    "Uncapped",
    "Used",
    "chained",
    "fact_of",
    "plain_fact",
    "read_entry",
]

FORMAT: Final = 3
"""The format of ledgers that this release writes: charges at more Rényi orders and with a pair for
all their runs, caps whose split of δ the first charge decides, rounds and openings."""

ROUNDS_FORMAT: Final = 2
"""The first format that has rounds and openings."""

FIRST_FORMAT: Final = 1
"""The oldest format that this release reads, of charges alone. A ledger of an older format gets an
entry `Migrated` before its first entry that the format does not have, and keeps all that it has."""

FIRST_PREVIOUS: Final = bytes(32)
"""The hash that the first entry names as the one before it."""

MAX_ENTRY_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The ledger begins.

    Attributes:
        format: `FORMAT` of the release that made it.
        ledger: 16 random bytes: which ledger it is.
        owner: The Ed25519 public key that signs its heads; empty for none.
        orders: The Rényi orders of its costs, as text.
    """

    format: int
    ledger: bytes
    owner: bytes
    orders: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A dataset, with its unit, relation and parent ("" for none)."""

    dataset: str
    unit: str
    relation: str
    parent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Partitioned:
    """A dataset cut into cells by the value of one column; each cell is a dataset of its own."""

    dataset: str
    key: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """A cap, replacing one with the same dataset, filter, observers and period.

    Attributes:
        dataset: The dataset.
        epsilon: ε, as text; so are the other real numbers. "0.0" for a cap of ρ.
        rho: ρ; "0.0" for a cap of ε.
        delta: δ.
        approximate_delta: The part of δ set aside.
        filter: The filter's name.
        observers: The coalition, sorted; empty for all.
        period: The period's name; "" for none.
        orders: Rényi orders asked for; empty for a split that the first charge decides.
        budget: The whole units that it stands for.
    """

    dataset: str
    epsilon: str
    rho: str
    delta: str
    approximate_delta: str
    filter: str
    observers: tuple[str, ...]
    period: str
    orders: tuple[str, ...]
    budget: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncapped:
    """A cap of a dataset no longer binds. What was charged under it stays.

    Attributes:
        dataset: The dataset.
        filter: The cap's filter.
        observers: Its coalition, sorted; empty for all.
        period: Its period; "" for none.
    """

    dataset: str
    filter: str
    observers: tuple[str, ...]
    period: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retimed:
    """The clock of earlier entries was wrong: time is valid again from this entry on.

    A charge with a wrong time counts in every period.

    Attributes:
        entry: The last entry with an invalid time.
    """

    entry: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Capped:
    """A cap as the first two formats set it, with a split of δ over orders fixed in advance.

    Attributes:
        dataset: The dataset.
        epsilon: ε, as text; so are the other real numbers.
        delta: δ.
        approximate_delta: The part of δ set aside.
        filter: The filter's name.
        observers: The coalition, sorted; empty for all.
        period: The period's name; "" for none.
        orders: Rényi orders asked for; empty for the default.
        budget: The whole units that it stands for.
    """

    dataset: str
    epsilon: str
    delta: str
    approximate_delta: str
    filter: str
    observers: tuple[str, ...]
    period: str
    orders: tuple[str, ...]
    budget: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """A charge, in full, before anything is computed.

    Attributes:
        reservation: 16 random bytes.
        dataset: The dataset that it is charged to.
        unit: The unit of its accounting.
        relation: The relation of its accounting.
        observers: Who sees the answer, sorted.
        event: The event's deterministic CBOR.
        delta: Of each run: the probability that the event does not describe it, as text.
        closeness: Of each run: how close it is to what the event describes, as text.
        count: How many runs.
        plan_hash: The plan that asks.
        meaning: Its purpose, in words.
        distances: At how many neighbours' distance it was costed.
        costs: One run's cost at each of these distances, one after the other; its pair is that of
            all runs together (see `confide.privacy.ledger.prices`).
    """

    reservation: bytes
    dataset: str
    unit: str
    relation: str
    observers: tuple[str, ...]
    event: bytes
    delta: str
    closeness: str
    count: int
    plan_hash: bytes
    meaning: str
    distances: tuple[int, ...]
    costs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """One run of a reservation begins."""

    reservation: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """A reservation closes: what was used stays charged.

    Attributes:
        reservation: Which.
        used: How many runs stay charged.
        release: SHA-256 of what was released; empty if it was not recorded.
        question: The key of the question that it answers; empty if the answer is not kept.
    """

    reservation: bytes
    used: int
    release: bytes
    question: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """A reservation closes of which nothing was begun: nothing stays charged."""

    reservation: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """The ledger has a newer format from here on; earlier entries keep their meaning."""

    format: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The owner takes part in an attempt at a round of a plan; attempts of a plan only go up."""

    plan_hash: bytes
    round_number: int
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The owner answers a step of an attempt: with the same secrets it never answers otherwise.

    Attributes:
        plan_hash: The plan.
        round_number: The round, from 0.
        attempt: The attempt, the latest claimed.
        step: The place of the announcement in the attempt, from 0.
        digest: SHA-256 over the announcement and the answer.
    """

    plan_hash: bytes
    round_number: int
    attempt: int
    step: int
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Some parties of a crowd, written down once before the crowd is named.

    Attributes:
        crowd: SHA-256 of all members.
        members: Fingerprints, 32 bytes each: SHA-256 of the Ed25519 public keys, in order.
    """

    crowd: bytes
    members: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Consented:
    """The owner helps to open a sum: it counts as opened from here on.

    Attributes:
        plan_hash: The plan.
        round_number: The round, from 0.
        attempt: The attempt, the latest claimed.
        survivors: One bit for each party of the plan, the first in the lowest bit of the first
            byte; empty if the owner does not know who is in the sum.
        crowd: The digest of their fingerprints, if the sum is exact and of some dataset here.
        exact: Whether no noise covers everything that one ownership group contributes.
        datasets: The datasets that the contribution was computed from.
    """

    plan_hash: bytes
    round_number: int
    attempt: int
    survivors: bytes
    crowd: bytes
    exact: bool
    datasets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What a register of rounds of an earlier release knew of a plan.

    Attributes:
        plan_hash: The plan.
        numbers: Rounds.
        attempts: The latest attempt at each.
        spent: Whether each was spent: its sum counts as opened, over parties that nobody knows.
        datasets: The datasets that the owner says the contributions were computed from.
    """

    plan_hash: bytes
    numbers: tuple[int, ...]
    attempts: tuple[int, ...]
    spent: tuple[bool, ...]
    datasets: tuple[str, ...]


RoundFact = Claimed | Answered | Gathered | Consented | Imported
"""What a ledger of the first format does not have."""

Fact = (
    Opened
    | Registered
    | Partitioned
    | Limited
    | Uncapped
    | Retimed
    | Capped
    | Reserved
    | Used
    | Committed
    | Cancelled
    | Migrated
    | RoundFact
)

_KINDS: Final[Mapping[str, type[Fact]]] = {kind.__name__.lower(): kind for kind in Fact.__args__}
_FRAME: Final = frozenset({"number", "previous", "time", "kind"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a ledger.

    Attributes:
        number: 1 for the first.
        previous: The hash of the entry before.
        time: Seconds since 1970-01-01 UTC; never before that of an earlier entry.
        fact: What happened.
        data: Its bytes.
    """

    number: int
    previous: bytes
    time: int
    fact: Fact
    data: bytes

    @property
    def hash(self) -> bytes:
        """SHA-256 of its bytes, which name the hash before."""
        return hashlib.sha256(self.data).digest()

    @property
    def kind(self) -> str:
        """The kind of the entry, in one word."""
        return type(self.fact).__name__.lower()


def chained(number: int, previous: bytes, time: int, fact: Fact) -> Entry:
    """The entry that follows the one with hash `previous`."""
    kind = type(fact)
    body = {name: getattr(fact, name) for name in _FIELDS[kind]}
    frame = {"number": number, "previous": previous, "time": time, "kind": kind.__name__.lower()}
    return Entry(number, previous, time, fact, encode(body | frame))


def read_entry(data: bytes, number: int, previous: bytes | None) -> Entry:
    """Reads an entry, strictly.

    Args:
        data: Its bytes.
        number: The number that it must have.
        previous: The hash that it must follow; None if that is not to be checked.

    Raises:
        VerificationError: If it is malformed, or not the entry with this number.
    """
    try:
        body = decode(data, MAX_ENTRY_BYTES)
    except ConfideError as error:
        raise VerificationError(f"entry {number} of the ledger is unreadable: {error}") from error
    if not isinstance(body, dict) or not body.keys() >= _FRAME:
        raise VerificationError(f"entry {number} of the ledger is not an entry")
    before = body["previous"] if previous is None else previous
    if body["number"] != number or body["previous"] != before or not isinstance(before, bytes):
        raise VerificationError(
            f"entry {number} of the ledger does not follow the one before: entries were changed, "
            "left out or put in between"
        )
    return Entry(number, before, _time(body["time"], number), _fact(body, number), data)


def plain_fact(fact: Fact) -> dict[str, Any]:
    """A fact as what deterministic CBOR holds."""
    body = {name: getattr(fact, name) for name in _FIELDS[type(fact)]}
    return body | {"kind": type(fact).__name__.lower()}


def fact_of(body: Mapping[str, Any]) -> Fact:
    """Reads back `plain_fact`.

    Raises:
        VerificationError: If it is malformed.
    """
    return _fact(dict(body), 0)


def _time(value: object, number: int) -> int:
    if type(value) is not int or value < 0:
        raise VerificationError(f"entry {number} of the ledger has no valid time")
    return value


def _fact(body: Mapping[str, Any], number: int) -> Fact:
    kind = _KINDS.get(body["kind"]) if isinstance(body["kind"], str) else None
    if kind is None:
        raise VerificationError(
            f"entry {number} of the ledger is of the unknown kind {body['kind']!r}; a newer "
            "release may have written it"
        )
    declared = _FIELDS[kind]
    if body.keys() - _FRAME != declared.keys():
        raise VerificationError(
            f"entry {number} of the ledger has other fields than {kind.__name__}"
        )
    values: dict[str, Any] = {}
    for name, (whole, item) in declared.items():
        value = body[name]
        if type(value) is not whole:
            raise VerificationError(f"entry {number} of the ledger has a malformed {name}")
        if isinstance(value, list):
            if any(type(part) is not item for part in value):
                raise VerificationError(f"entry {number} of the ledger has a malformed {name}")
            value = tuple(value)
        values[name] = value
    return kind(**values)


def _types(kind: type) -> Mapping[str, tuple[type, type | None]]:
    """Of each field: the type that CBOR gives it, and of its items if it is a list."""
    hints = typing.get_type_hints(kind)
    declared: dict[str, tuple[type, type | None]] = {}
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        is_list = isinstance(hint, types.GenericAlias)
        declared[field.name] = (list, typing.get_args(hint)[0]) if is_list else (hint, None)
    return declared


_FIELDS: Final = {kind: _types(kind) for kind in _KINDS.values()}
