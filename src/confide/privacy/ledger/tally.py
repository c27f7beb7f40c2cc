"""The charges of each dataset, as totals that a cap either counts or does not."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final, NamedTuple

from confide.plan import Relation, Unit
from confide.privacy.ledger.caps import Period
from confide.privacy.ledger.costs import Cost
from confide.privacy.ledger.entries import Reserved
from confide.privacy.ledger.lineage import Dataset, steps
from confide.privacy.ledger.prices import Price, prices_of

__all__ = ["Archive", "Bucket", "Charge", "First", "Tally", "calendar", "is_time"]

_FIRST_TIME: Final = 946_684_800
"""2000-01-01 UTC: no ledger was kept before."""

_END_OF_TIME: Final = 7_258_118_400
"""2200-01-01 UTC: a clock at this time or later is wrong, or has another unit."""


@dataclass(slots=True)
class Charge:
    """A reservation, from its entry on.

    Attributes:
        fact: What was reserved.
        number: Its entry.
        time: When, in seconds since 1970 UTC.
        used: How many runs have begun.
        charged: How many runs count.
        closed: "" while it is open, then "committed" or "cancelled".
        release: SHA-256 of what was released, if recorded.
        format: The ledger's format when it was made.
    """

    fact: Reserved
    number: int
    time: int
    format: int
    used: int = 0
    charged: int = 0
    closed: str = ""
    release: bytes = b""

    @property
    def prices(self) -> dict[int, Price]:
        """What its runs cost, by distance."""
        return prices_of(self.fact.distances, self.fact.costs, self.format)


class First(NamedTuple):
    """The first charge of a bucket that cost something, in full."""

    number: int
    costs: dict[int, Cost]


class Bucket(NamedTuple):
    """Charges that every cap either counts or does not."""

    observers: tuple[str, ...]
    unit: Unit
    relation: Relation
    year: int
    month: int

    def counts(
        self, observers: frozenset[str] | None, period: Period | None, now: datetime
    ) -> bool:
        """Whether a cap on observers in a period counts it, at a time.

        A charge with an invalid time counts in every period.
        """
        if observers is not None and observers.isdisjoint(self.observers):
            return False
        this_year = period is None or self.year in (0, now.year)
        return this_year and (period is not Period.MONTH or self.month in (0, now.month))


_CLOSED: Final = ("committed", "cancelled")
_RECORD: Final = struct.Struct(">16sQQBQQB32s?")
"""Of a closed charge: reservation, entry, time, format, runs used and charged, how it was closed,
digest of the release and whether there is one."""


class Archive:
    """Closed charges, without their purpose, which is in their entries.

    Args:
        data: Records, in the order of their entries.
    """

    def __init__(self, data: bytes = b"") -> None:
        if len(data) % _RECORD.size:
            raise ValueError("an archive of charges that is cut off")
        self._data = data

    @cached_property
    def _places(self) -> dict[bytes, int]:
        return {self._data[at : at + 16]: at for at in range(0, len(self._data), _RECORD.size)}

    def __contains__(self, reservation: bytes) -> bool:
        return reservation in self._places

    def charge(self, reservation: bytes, find: Callable[[int], Reserved]) -> Charge | None:
        """A closed charge, or None.

        Args:
            reservation: Which.
            find: Reads what an entry reserved.
        """
        at = self._places.get(reservation)
        return None if at is None else _read(_RECORD.unpack_from(self._data, at), find)

    def charges(self, find: Callable[[int], Reserved]) -> Iterator[Charge]:
        """All closed charges, in the order of their entries."""
        for record in _RECORD.iter_unpack(self._data):
            yield _read(record, find)

    def with_closed(self, charges: Iterable[Charge]) -> bytes:
        """The records, with those of the charges that are closed."""
        size = _RECORD.size
        records = [self._data[at : at + size] for at in range(0, len(self._data), size)]
        records += [_record(charge) for charge in charges if charge.closed]
        records.sort(key=lambda record: record[16:24])
        return b"".join(records)


def _record(charge: Charge) -> bytes:
    return _RECORD.pack(
        charge.fact.reservation, charge.number, charge.time, charge.format, charge.used,
        charge.charged, _CLOSED.index(charge.closed), charge.release, bool(charge.release),
    )  # fmt: skip


def _read(record: tuple[Any, ...], find: Callable[[int], Reserved]) -> Charge:
    _, number, time, format_, used, charged, closed, release, known = record
    return Charge(
        find(number), number, time, format_, used=used, charged=charged, closed=_CLOSED[closed],
        release=release if known else b"",
    )  # fmt: skip


@dataclass(slots=True)
class Tally:
    """Totals, by dataset.

    Attributes:
        totals: Of each bucket, by distance.
        firsts: The first charge of each bucket that cost something.
        counted: How many charges count.
    """

    totals: dict[str, dict[Bucket, dict[int, Cost]]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    firsts: dict[str, dict[Bucket, First]] = field(default_factory=lambda: defaultdict(dict))
    counted: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def count(self, charge: Charge, runs: int) -> None:
        """Sets how many runs of a reservation count."""
        before, charge.charged = charge.charged, runs
        fact, prices = charge.fact, charge.prices
        self.counted[fact.dataset] += bool(runs) - bool(before)
        bucket = _bucket(fact, charge.time)
        totals = self.totals[fact.dataset].setdefault(bucket, {})
        for distance, price in prices.items():
            spent = totals.get(distance, Cost())
            totals[distance] = spent + price.of(runs) - price.of(before)
        if bucket not in self.firsts[fact.dataset]:
            costs = {distance: price.of(fact.count) for distance, price in prices.items()}
            if any(costs.values()):
                self.firsts[fact.dataset][bucket] = First(charge.number, costs)

    def take_back(self, charge: Charge) -> None:
        """Undoes a charge that was counted on trial."""
        self.count(charge, 0)
        firsts = self.firsts[charge.fact.dataset]
        bucket = _bucket(charge.fact, charge.time)
        if bucket in firsts and firsts[bucket].number == charge.number:
            del firsts[bucket]

    def forget(self, family: Iterable[str]) -> None:
        """Forgets which charges were first if nothing that was charged to a family counts."""
        names = list(family)
        totals = (costs for name in names for costs in self.totals[name].values())
        if not any(cost for costs in totals for cost in costs.values()):
            for name in names:
                self.firsts[name].clear()

    def lost(self, name: str, protected: Dataset, counts: Callable[[Bucket], bool]) -> Cost:
        """The charges of one dataset, at the distance of another dataset's neighbours."""
        lost = Cost()
        for bucket, by_distance in self.totals[name].items():
            if counts(bucket):
                lost += by_distance[steps(protected, bucket.unit, bucket.relation)]
        return lost

    def first(
        self, names: Iterable[str], protected: Dataset, counts: Callable[[Bucket], bool]
    ) -> Cost | None:
        """What the first charge to some datasets cost, in full; None if there is none."""
        found = [
            (first.number, first.costs[steps(protected, bucket.unit, bucket.relation)])
            for name in names
            for bucket, first in self.firsts[name].items()
            if counts(bucket)
        ]
        return min(found, key=lambda each: each[0])[1] if found else None


def is_time(time: float) -> bool:
    """Whether a ledger can have been written at a time, in seconds since 1970 UTC."""
    return _FIRST_TIME <= time < _END_OF_TIME


def calendar(time: int) -> datetime:
    """The day of a time, in UTC."""
    return datetime.fromtimestamp(time, UTC)


def _bucket(fact: Reserved, time: int) -> Bucket:
    year, month = (calendar(time).year, calendar(time).month) if is_time(time) else (0, 0)
    return Bucket(fact.observers, Unit(fact.unit), Relation(fact.relation), year, month)
