"""What a ledger's entries come to: datasets, caps, reservations, totals, rounds and openings.

A state is folded from entries, in order, by `apply`; there is no other record of a balance that
could disagree with them.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple

from confide.errors import (
    ConfideError,
    DataError,
    LedgerError,
    PrivacyBudgetError,
    VerificationError,
)
from confide.plan import Relation, Unit
from confide.privacy.ledger.costs import ORDERS, Cost
from confide.privacy.ledger.entries import (
    FIRST_FORMAT,
    FORMAT,
    Answered,
    Cancelled,
    Capped,
    Claimed,
    Committed,
    Consented,
    Entry,
    Gathered,
    Imported,
    Migrated,
    Opened,
    Partitioned,
    Registered,
    Reserved,
    RoundFact,
    Used,
)
from confide.privacy.ledger.filters import Budget, Cap, Filter, Period
from confide.privacy.ledger.lineage import Dataset, may_share_rows, steps
from confide.privacy.ledger.refusal import refusal
from confide.privacy.ledger.rounds import Book

__all__ = ["Charge", "SetCap", "State", "calendar", "cap_of", "order_texts"]

_N_COSTS: Final = 3 + len(ORDERS)


class SetCap(NamedTuple):
    """A cap in force, with the whole units that it stands for."""

    cap: Cap
    budget: Budget


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
    """

    fact: Reserved
    number: int
    time: int
    used: int = 0
    charged: int = 0
    closed: str = ""
    release: bytes = b""

    @property
    def costs(self) -> dict[int, Cost]:
        """One run's cost, by distance."""
        units = self.fact.costs
        return {
            distance: Cost.of_units(units[i * _N_COSTS : (i + 1) * _N_COSTS])
            for i, distance in enumerate(self.fact.distances)
        }


class _Bucket(NamedTuple):
    """Charges that every cap either counts or does not."""

    observers: tuple[str, ...]
    unit: Unit
    relation: Relation
    year: int
    month: int


@dataclass(slots=True)
class State:
    """What the entries so far come to.

    Attributes:
        opened: The first entry's fact.
        format: Of which format the next entry may be.
        number: How many entries there are.
        head: The hash of the last.
        time: The time of the last.
        datasets: By name.
        caps: By dataset, then by what a cap replaces.
        charges: By reservation.
        answers: The digest of each answer kept, by question.
        book: Rounds and openings.
    """

    opened: Opened | None = None
    format: int = 0
    number: int = 0
    head: bytes = bytes(32)
    time: int = 0
    datasets: dict[str, Dataset] = field(default_factory=dict)
    caps: dict[str, dict[object, SetCap]] = field(default_factory=lambda: defaultdict(dict))
    charges: dict[bytes, Charge] = field(default_factory=dict)
    answers: dict[bytes, bytes] = field(default_factory=dict)
    book: Book = field(default_factory=Book)
    partitions: dict[str, dict[str, tuple[str, ...]]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    _derived: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _buckets: dict[str, dict[_Bucket, dict[int, Cost]]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    def apply(self, entry: Entry, *, strict: bool = False) -> None:
        """Takes the next entry in.

        Args:
            entry: The entry after the last.
            strict: Whether to check again that a charge was within every cap, and an exact sum
                over the crowd of those before.

        Raises:
            VerificationError: If no ledger would have written it.
            LedgerError: If it is the first of a ledger of another format.
        """
        try:
            self._check_place(entry)
            self._take_in(entry)
            if strict and isinstance(entry.fact, Reserved):
                self.check_caps(entry.fact, entry.time)
            if strict and isinstance(entry.fact, Consented):
                self._check_consented(entry.fact)
        except LedgerError:
            raise
        except (ConfideError, ValueError, KeyError) as error:
            raise VerificationError(
                f"entry {entry.number} of the ledger could not be written by a ledger: {error}"
            ) from error
        self.number, self.head, self.time = entry.number, entry.hash, entry.time

    def _check_place(self, entry: Entry) -> None:
        if entry.time < self.time:
            raise DataError("its time is before the last entry's")
        if (self.opened is None) != isinstance(entry.fact, Opened):
            raise DataError("a ledger opens once, with its first entry")

    def _take_in(self, entry: Entry) -> None:
        match fact := entry.fact:
            case Opened() | Migrated():
                self._take_in_format(fact)
            case Registered():
                self._register(fact)
            case Partitioned():
                self._partition(fact)
            case Capped():
                self._cap(fact)
            case Reserved():
                self._reserve(fact, entry)
            case Used():
                self._use(fact)
            case Committed():
                self._commit(fact)
            case Cancelled():
                self._cancel(fact)
            case Claimed() | Answered() | Gathered() | Consented() | Imported():
                self._take_in_round(fact)

    def dataset(self, name: str) -> Dataset:
        """A dataset by name.

        Raises:
            DataError: If it is unknown.
        """
        if name not in self.datasets:
            known = ", ".join(sorted(self.datasets)) or "none"
            raise DataError(f"no dataset {name!r} in this ledger; it has: {known}")
        return self.datasets[name]

    def lineage(self, name: str) -> Iterator[Dataset]:
        """A dataset, what it was made from, what that was made from, and so on."""
        dataset = self.dataset(name)
        yield dataset
        while dataset.parent:
            dataset = self.dataset(dataset.parent)
            yield dataset

    def open_charge(self, reservation: bytes) -> Charge:
        """A reservation that has a run left to begin or nothing begun.

        Raises:
            DataError: If it is unknown or closed.
        """
        charge = self.charges.get(reservation)
        if charge is None or charge.closed:
            state = charge.closed if charge else "unknown"
            raise DataError(f"reservation {reservation.hex()} is {state}; reserve again")
        return charge

    def related(self, name: str) -> list[str]:
        """The datasets with opened sums that may share rows with a dataset, itself among them."""
        own = list(self.lineage(name))
        return [other for other in self.book.sums if may_share_rows(own, list(self.lineage(other)))]

    def check_crowds(
        self, datasets: Iterable[str], crowd: frozenset[str], plan_hash: bytes
    ) -> None:
        """Checks that exact sums of these datasets, of all other plans, were over this crowd.

        Raises:
            OpeningError: If one was not.
            DataError: If a dataset is unknown.
        """
        for name in datasets:
            self.book.check_crowd(name, self.related(name), plan_hash, crowd)

    def below(self, name: str) -> Iterator[Charge]:
        """The charges of a dataset and of all that was made from it."""
        of_it = {self.dataset(name).name}
        for dataset in self.datasets.values():  # a parent stands before its children
            if dataset.parent in of_it:
                of_it.add(dataset.name)
        return (charge for charge in self.charges.values() if charge.fact.dataset in of_it)

    def answer(self, question: bytes, find: Callable[[bytes], bytes | None]) -> bytes | None:
        """The answer kept for a question, checked.

        Raises:
            VerificationError: If it is not what was released.
        """
        if question not in self.answers:
            return None
        found = find(question)
        if found is None or hashlib.sha256(found).digest() != self.answers[question]:
            raise VerificationError(
                f"the answer kept for question {question.hex()} is not the one that was released"
            )
        return found

    def total(
        self,
        name: str,
        observers: Iterable[str] | None = None,
        period: Period | None = None,
        time: int | None = None,
    ) -> Cost:
        """What a dataset has lost, with all that was made from it.

        Cells of a partition are disjoint: a record that comes or goes is in one cell, and the
        charges of all others tell nothing of it. So a partition costs the highest of each number
        over its cells. A record that is replaced leaves one cell and enters another (or the same),
        which is two steps, and the highest cost at two steps covers one step in each of two cells.

        Args:
            name: The dataset.
            observers: A coalition: what any of them observes counts. None counts everything.
            period: The period that counts, at `time`.
            time: In seconds since 1970 UTC; the last entry's without.
        """
        now = calendar(self.time if time is None else time)
        coalition = None if observers is None else frozenset(observers)

        def counts(bucket: _Bucket) -> bool:
            if coalition is not None and coalition.isdisjoint(bucket.observers):
                return False
            this_year = period is None or bucket.year == now.year
            return this_year and (period is not Period.MONTH or bucket.month == now.month)

        return self._lost(name, self.dataset(name), counts)

    def _lost(self, name: str, protected: Dataset, counts: Callable[[_Bucket], bool]) -> Cost:
        lost = Cost()
        for bucket, by_distance in self._buckets[name].items():
            if counts(bucket):
                lost += by_distance[steps(protected, bucket.unit, bucket.relation)]
        for child in self._derived[name]:
            lost += self._lost(child, protected, counts)
        for cells in self.partitions[name].values():
            lost += Cost.highest(self._lost(cell, protected, counts) for cell in cells)
        return lost

    def check_caps(self, fact: Reserved, time: int) -> None:
        """Checks every cap that a charge counts for, the charge having been taken in.

        Raises:
            PrivacyBudgetError: If a cap is exceeded, or none counts the charge.
        """
        bound = False
        for dataset in self.lineage(fact.dataset):
            for limit in self.caps[dataset.name].values():
                if not limit.cap.binds(fact.observers):
                    continue
                bound = True
                total = self.total(dataset.name, limit.cap.observers, limit.cap.period, time)
                if not limit.budget.admits(total):
                    charge = self.charges[fact.reservation]
                    distance = steps(dataset, Unit(fact.unit), Relation(fact.relation))
                    taken = charge.costs[distance] * fact.count
                    raise PrivacyBudgetError(
                        refusal(dataset, limit.cap, limit.budget, total, taken)
                    )
        if not bound:
            raise PrivacyBudgetError(
                f"no cap of dataset {fact.dataset!r} counts what {', '.join(fact.observers)} sees; "
                "set one first (confide ledger cap)"
            )

    def admit(self, entry: Entry) -> None:
        """Checks whether a charge may be written, and leaves the state as it was.

        Raises:
            PrivacyBudgetError: If a cap is in the way.
            DataError: If its dataset is unknown or its unit does not fit.
        """
        fact = entry.fact
        assert isinstance(fact, Reserved)  # noqa: S101 - what the journal appends
        self._reserve(fact, entry)
        try:
            self.check_caps(fact, entry.time)
        finally:
            self._count(self.charges[fact.reservation], 0)
            del self.charges[fact.reservation]

    def _register(self, fact: Registered) -> None:
        if fact.dataset in self.datasets:
            raise DataError(f"dataset {fact.dataset!r} is there already")
        if fact.parent:
            self._derived[self.dataset(fact.parent).name].append(fact.dataset)
        self.datasets[fact.dataset] = Dataset(
            name=fact.dataset,
            unit=Unit(fact.unit),
            relation=Relation(fact.relation),
            parent=fact.parent,
        )

    def check_partition(self, parent: Dataset, key: str, names: tuple[str, ...]) -> None:
        """Checks that a dataset can be cut into cells with these names.

        Raises:
            DataError: If its units do not lie in one cell each, or a name is taken.
        """
        if parent.unit is not Unit.RECORD:
            raise DataError(
                f"dataset {parent.name!r} protects each {parent.unit.value}, which may have data "
                "in several cells; only records lie in one each"
            )
        if key in self.partitions[parent.name]:
            raise DataError(f"dataset {parent.name!r} is cut by {key!r} already, into other cells")
        taken = [name for name in names if name in self.datasets]
        if taken or len(set(names)) < len(names) or not names:
            raise DataError(f"the cells {', '.join(names)}; each is named once and has no dataset "
                            "yet")  # fmt: skip

    def _partition(self, fact: Partitioned) -> None:
        parent = self.dataset(fact.dataset)
        names = tuple(f"{parent.name}/{fact.key}={cell}" for cell in fact.cells)
        self.check_partition(parent, fact.key, names)
        self.partitions[parent.name][fact.key] = names
        for name in names:
            self.datasets[name] = Dataset(
                name=name,
                unit=Unit.RECORD,
                relation=Relation.ADD_OR_REMOVE_ONE,
                parent=parent.name,
                key=fact.key,
            )

    def _cap(self, fact: Capped) -> None:
        cap = cap_of(fact)
        if len(fact.budget) != _N_COSTS:
            raise DataError(f"a budget of {len(fact.budget)} numbers")
        squared_mu, closeness, delta, *renyi = fact.budget
        replaced = (cap.filter, cap.observers, cap.period)
        self.caps[self.dataset(fact.dataset).name][replaced] = SetCap(
            cap, Budget(squared_mu, closeness, delta, tuple(renyi))
        )

    def _reserve(self, fact: Reserved, entry: Entry) -> None:
        if fact.reservation in self.charges or fact.count < 1 or not fact.observers:
            raise DataError("a reservation made twice, of no run or seen by nobody")
        charge = Charge(fact, entry.number, entry.time)
        unit, relation, costs = Unit(fact.unit), Relation(fact.relation), charge.costs
        for dataset in self.lineage(fact.dataset):
            if steps(dataset, unit, relation) not in costs:
                raise DataError(f"no cost at the distance that dataset {dataset.name!r} asks for")
        self.charges[fact.reservation] = charge
        self._count(charge, fact.count)

    def _use(self, fact: Used) -> None:
        charge = self.open_charge(fact.reservation)
        if charge.used >= charge.fact.count:
            raise DataError(f"a run more than the {charge.fact.count} that were reserved")
        charge.used += 1

    def _commit(self, fact: Committed) -> None:
        charge = self.open_charge(fact.reservation)
        if not charge.used <= fact.used <= charge.fact.count:
            raise DataError(f"{fact.used} runs of {charge.fact.count}, {charge.used} of them begun")
        if fact.question:
            if fact.question in self.answers:
                raise DataError("a question answered twice")
            self.answers[fact.question] = fact.release
        charge.closed, charge.release = "committed", fact.release
        self._count(charge, fact.used)

    def _cancel(self, fact: Cancelled) -> None:
        charge = self.open_charge(fact.reservation)
        if charge.used:
            raise DataError("what has begun cannot be cancelled")
        charge.closed = "cancelled"
        self._count(charge, 0)

    def _take_in_format(self, fact: Opened | Migrated) -> None:
        if isinstance(fact, Opened):
            self.opened = _known_format(fact)
        elif not self.format < fact.format <= FORMAT:
            raise LedgerError(
                f"the ledger was migrated to format {fact.format}; this release reads formats "
                f"{FIRST_FORMAT} to {FORMAT}: use the release that migrated it"
            )
        self.format = fact.format

    def _take_in_round(self, fact: RoundFact) -> None:
        if self.format == FIRST_FORMAT:
            raise DataError(f"a ledger of format {FIRST_FORMAT} has no entries about rounds")
        if isinstance(fact, Consented | Imported):
            for name in fact.datasets:
                self.dataset(name)
        self.book.take_in(fact)

    def _check_consented(self, fact: Consented) -> None:
        if fact.exact:
            crowd = self.book.members(fact.crowd)
            self.check_crowds(fact.datasets, crowd, fact.plan_hash)

    def _count(self, charge: Charge, runs: int) -> None:
        """Sets how many runs of a reservation count."""
        change, charge.charged = runs - charge.charged, runs
        fact, day = charge.fact, calendar(charge.time)
        bucket = _Bucket(
            fact.observers, Unit(fact.unit), Relation(fact.relation), day.year, day.month
        )
        totals = self._buckets[fact.dataset].setdefault(bucket, {})
        for distance, cost in charge.costs.items():
            totals[distance] = totals.get(distance, Cost()) + cost * change


def cap_of(fact: Capped) -> Cap:
    """The cap that an entry sets.

    Raises:
        ValueError: If it is no cap.
    """
    return Cap(
        epsilon=float(fact.epsilon),
        delta=float(fact.delta),
        approximate_delta=float(fact.approximate_delta),
        filter=Filter(fact.filter),
        observers=frozenset(fact.observers) if fact.observers else None,
        period=Period(fact.period) if fact.period else None,
        orders=tuple(map(float, fact.orders)) if fact.orders else None,
    )


def order_texts() -> tuple[str, ...]:
    """The Rényi orders of this format, as a ledger's first entry names them."""
    return tuple(repr(order) for order in ORDERS)


def calendar(time: int) -> datetime:
    """The day of a time, in UTC."""
    return datetime.fromtimestamp(time, UTC)


def _known_format(fact: Opened) -> Opened:
    if not FIRST_FORMAT <= fact.format <= FORMAT or fact.orders != order_texts():
        raise LedgerError(
            f"the ledger is of format {fact.format} with {len(fact.orders)} Rényi orders; this "
            f"release reads formats {FIRST_FORMAT} to {FORMAT} with {len(ORDERS)}: use the release "
            "that wrote it"
        )
    return fact
