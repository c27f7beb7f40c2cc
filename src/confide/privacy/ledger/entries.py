"""What a ledger writes down: one kind of entry for each thing that can happen, chained by hashes.

An entry's bytes are the deterministic CBOR of its number, the hash of the entry before, the time,
its kind and its fields; its hash is the SHA-256 of these bytes. So a hash stands for all entries up
to it, and nothing can be changed, left out or put in between without changing every later hash.
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
    "FIRST_PREVIOUS",
    "FORMAT",
    "MAX_ENTRY_BYTES",
    "Cancelled",
    "Capped",
    "Committed",
    "Entry",
    "Fact",
    "Opened",
    "Partitioned",
    "Registered",
    "Reserved",
    "Used",
    "chained",
    "read_entry",
]

FORMAT: Final = 1
"""The format of ledgers that this release writes and reads."""

FIRST_PREVIOUS: Final = bytes(32)
"""What the first entry names as the hash before it."""

MAX_ENTRY_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The ledger begins.

    Attributes:
        format: `FORMAT`.
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
class Capped:
    """A cap, replacing one with the same dataset, filter, observers and period.

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
        dataset: What it is charged to.
        unit: The unit of its accounting.
        relation: The relation of its accounting.
        observers: Who sees the answer, sorted.
        event: The event's deterministic CBOR.
        delta: Of each run: the probability that the event does not describe it, as text.
        closeness: Of each run: how close it is to what the event describes, as text.
        count: How many runs.
        plan_hash: The plan that asks.
        meaning: What it is for, in words.
        distances: At how many neighbours' distance it was costed.
        costs: One run's cost at each of these distances, one after the other.
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


Fact = Opened | Registered | Partitioned | Capped | Reserved | Used | Committed | Cancelled

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
        """What happened, in one word."""
        return type(self.fact).__name__.lower()


def chained(number: int, previous: bytes, time: int, fact: Fact) -> Entry:
    """The entry that follows the one with hash `previous`."""
    kind = type(fact)
    body = {name: getattr(fact, name) for name in _FIELDS[kind]}
    frame = {"number": number, "previous": previous, "time": time, "kind": kind.__name__.lower()}
    return Entry(number, previous, time, fact, encode(body | frame))


def read_entry(data: bytes, number: int, previous: bytes) -> Entry:
    """Reads an entry, strictly.

    Args:
        data: Its bytes.
        number: The number that it must have.
        previous: The hash that it must follow.

    Raises:
        VerificationError: If it is malformed, or not the one that stands here.
    """
    try:
        body = decode(data, MAX_ENTRY_BYTES)
    except ConfideError as error:
        raise VerificationError(f"entry {number} of the ledger is unreadable: {error}") from error
    if not isinstance(body, dict) or not body.keys() >= _FRAME:
        raise VerificationError(f"entry {number} of the ledger is no entry")
    if body["number"] != number or body["previous"] != previous:
        raise VerificationError(
            f"entry {number} of the ledger does not follow the one before: entries were changed, "
            "left out or put in between"
        )
    return Entry(number, previous, _time(body["time"], number), _fact(body, number), data)


def _time(value: object, number: int) -> int:
    if type(value) is not int or value < 0:
        raise VerificationError(f"entry {number} of the ledger has no time")
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
