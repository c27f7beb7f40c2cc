"""Checkpoints: the state after one of a ledger's entries, so that opening need not read all.

A checkpoint is bound to the hash of its last entry, and signed by the ledger's owner if it has one:
the signer has read every entry before it, or an earlier checkpoint of the same owner. It is not a
record of its own: `verify` reads every entry and compares.

Without an owner's key nothing is signed. Then a checkpoint detects accidental damage only: anyone
who may write to the file can forge it, as they can write a new history.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from confide.canonical import decode, encode
from confide.errors import ConfideError, VerificationError
from confide.plan import Relation, Unit
from confide.privacy.ledger.costs import Cost
from confide.privacy.ledger.entries import Opened, Reserved, fact_of, plain_fact
from confide.privacy.ledger.lineage import Dataset
from confide.privacy.ledger.rounds import Book, OpenedSums, Rounds
from confide.privacy.ledger.rounds import Opened as OpenedRound
from confide.privacy.ledger.state import State, set_cap
from confide.privacy.ledger.tally import Archive, Bucket, Charge, First, Tally
from confide.transparency.signatures import check_signature

__all__ = ["Checkpoint", "restored", "written"]

_PURPOSE: Final = b"confide ledger checkpoint\0"
_MAX_BYTES: Final = 1 << 30


class Checkpoint(NamedTuple):
    """A checkpoint as it is stored.

    Attributes:
        number: The last entry that it stands for.
        data: The state, as deterministic CBOR.
        signature: By the ledger's owner; empty if it has none.
    """

    number: int
    data: bytes
    signature: bytes


def written(state: State, sign: Callable[[bytes], bytes] | None) -> Checkpoint:
    """A state as a checkpoint.

    Args:
        state: The state after the entries.
        sign: The owner's signature; None if the ledger has no owner.
    """
    data = encode(_plain(state))
    signature = sign(_signed(data)) if sign else b""
    return Checkpoint(state.number, data, signature)


def restored(found: Checkpoint, first: tuple[Opened, bytes], last: bytes) -> State:
    """The state of a checkpoint.

    Args:
        found: The checkpoint.
        first: The ledger's first entry: what it says, and its hash.
        last: The hash of the entry that the checkpoint names.

    Raises:
        VerificationError: If it is malformed, of another ledger, does not match the chain, or is
            not signed by the ledger's owner.
    """
    opened, opening = first
    if opened.owner:
        check_signature(
            opened.owner,
            found.signature,
            _signed(found.data),
            f"the checkpoint at entry {found.number} is not signed by the ledger's owner; "
            "confide ledger repair drops it and reads every entry",
        )
    try:
        body = decode(found.data, _MAX_BYTES)
        state = _state(body, opened)
        bound = (body["first"], body["head"], body["number"]) == (opening, last, found.number)
    except (ConfideError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise VerificationError(
            f"the checkpoint at entry {found.number} is malformed; confide ledger repair drops it "
            "and reads every entry"
        ) from error
    if not bound:
        raise VerificationError(
            f"the checkpoint at entry {found.number} does not match the chain: entries or the "
            "checkpoint were changed; confide ledger repair drops it and reads every entry"
        )
    return state


def _signed(data: bytes) -> bytes:
    return _PURPOSE + hashlib.sha256(data).digest()


def _plain(state: State) -> Mapping[str, Any]:
    return {
        "first": state.first_hash,
        "format": state.format,
        "number": state.number,
        "head": state.head,
        "time": state.time,
        "mistimed": state.mistimed,
        "datasets": [
            [d.name, d.unit.value, d.relation.value, d.parent, d.key]
            for d in state.datasets.values()
        ],
        "partitions": [
            [name, key, list(cells)]
            for name in state.datasets
            for key, cells in state.partitions[name].items()
        ],
        "caps": [
            plain_fact(limit.fact) for name in state.datasets for limit in state.caps[name].values()
        ],
        "open": [
            [c.number, c.time, c.format, c.used, c.charged, plain_fact(c.fact)]
            for c in state.charges.values()
            if not c.closed
        ],
        "closed": state.archive.with_closed(state.charges.values()),
        "answers": _joined(state.answers),
        "tally": _tally(state.tally, list(state.datasets)),
        "book": _book(state.book),
    }


def _state(body: Mapping[str, Any], opened: Opened) -> State:
    names = "format", "number", "head", "time", "mistimed"
    state = State(opened=opened, first_hash=body["first"], **{name: body[name] for name in names})
    for name, unit, relation, parent, key in body["datasets"]:
        state.add(
            Dataset(name=name, unit=Unit(unit), relation=Relation(relation), parent=parent, key=key)
        )
    for name, key, cells in body["partitions"]:
        state.partitions[name][key] = tuple(cells)
    for plain in body["caps"]:
        set_cap(state.caps, fact_of(plain))
    for number, time, format_, used, charged, plain in body["open"]:
        fact = fact_of(plain)
        assert isinstance(fact, Reserved)  # noqa: S101 - else the checkpoint is malformed
        charge = Charge(fact, number, time, format_, used=used, charged=charged)
        state.charges[fact.reservation] = charge
    state.archive = Archive(body["closed"])
    state.answers = dict(_parted(body["answers"]))
    state.tally = _read_tally(body["tally"])
    state.book = _read_book(body["book"])
    return state


def _tally(tally: Tally, names: list[str]) -> Mapping[str, Any]:
    """Totals in a fixed order, because refused charges change the order in memory."""
    totals = [
        [name, _bucket(bucket), _costs(costs)]
        for name in names
        for bucket, costs in tally.totals[name].items()
        if any(costs.values())
    ]
    firsts = [
        [name, _bucket(bucket), first.number, _costs(first.costs)]
        for name in names
        for bucket, first in tally.firsts[name].items()
    ]
    return {
        "counted": [[name, tally.counted[name]] for name in names],
        "totals": sorted(totals, key=encode),
        "firsts": sorted(firsts, key=encode),
    }


def _read_tally(plain: Mapping[str, Any]) -> Tally:
    tally = Tally()
    for name, count in plain["counted"]:
        tally.counted[name] = count
    for name, bucket, costs in plain["totals"]:
        tally.totals[name][_read_bucket(bucket)] = _read_costs(costs)
    for name, bucket, number, costs in plain["firsts"]:
        tally.firsts[name][_read_bucket(bucket)] = First(number, _read_costs(costs))
    return tally


def _bucket(bucket: Bucket) -> list[object]:
    observers, unit, relation, year, month = bucket
    return [list(observers), unit.value, relation.value, year, month]


def _read_bucket(plain: list[Any]) -> Bucket:
    observers, unit, relation, year, month = plain
    return Bucket(tuple(observers), Unit(unit), Relation(relation), year, month)


def _costs(costs: Mapping[int, Cost]) -> list[list[object]]:
    """Totals may exceed 64 bits, so they are written as decimal text."""
    return [[at, " ".join(map(str, cost.units()))] for at, cost in sorted(costs.items())]


def _read_costs(plain: list[Any]) -> dict[int, Cost]:
    return {distance: Cost.of_total(map(int, text.split())) for distance, text in plain}


def _book(book: Book) -> Mapping[str, Any]:
    return {
        "rounds": [
            [plan, *r.latest, [list(o) for o in r.openings], [[s, d] for s, d in r.answers.items()],
             sorted(r.spent)]
            for plan, r in book.rounds.items()
        ],
        "sums": [
            [name, list(sums), count]
            for name, counts in book.sums.items()
            for sums, count in counts.items()
        ],
        "members": [[crowd, members] for crowd, members in book.crowd_members.items()],
        "whole": sorted(book.whole_crowds),
    }  # fmt: skip


def _read_book(plain: Mapping[str, Any]) -> Book:
    book = Book(crowd_members=dict(plain["members"]), whole_crowds=set(plain["whole"]))
    for plan, number, attempt, openings, answers, spent in plain["rounds"]:
        book.rounds[plan] = Rounds(
            latest=(number, attempt),
            openings=[OpenedRound(*opening) for opening in openings],
            _spent=set(spent),
            answers=dict(answers),
        )
    for name, sums, count in plain["sums"]:
        book.sums.setdefault(name, {})[OpenedSums(*sums)] = count
    return book


def _joined(answers: Mapping[bytes, bytes]) -> bytes:
    """Questions and digests, 32 bytes each, one after the other."""
    return b"".join(question + digest for question, digest in answers.items())


def _parted(joined: bytes) -> Iterator[tuple[bytes, bytes]]:
    for at in range(0, len(joined), 64):
        yield joined[at : at + 32], joined[at + 32 : at + 64]
