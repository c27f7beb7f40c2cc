"""The state after a ledger's entries: datasets, caps, reservations, totals, rounds and openings.

A state is folded from entries, in order, by `apply`; there is no other record of a balance that
could disagree with them.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from confide.errors import (
    ConfideError,
    DataError,
    LedgerError,
    PrivacyBudgetError,
    VerificationError,
)
from confide.plan import Relation, Unit
from confide.privacy.ledger.caps import Cap, Filter, Period
from confide.privacy.ledger.costs import FIRST_ORDERS, ORDERS, Cost
from confide.privacy.ledger.entries import (
    FIRST_FORMAT,
    FORMAT,
    ROUNDS_FORMAT,
    Answered,
    Cancelled,
    Capped,
    Claimed,
    Committed,
    Consented,
    Entry,
    Gathered,
    Imported,
    Limited,
    Migrated,
    Opened,
    Partitioned,
    Registered,
    Reserved,
    Retimed,
    RoundFact,
    Uncapped,
    Used,
)
from confide.privacy.ledger.filters import Budget, Terms
from confide.privacy.ledger.lineage import Dataset, may_share_rows, steps
from confide.privacy.ledger.names import normal_form
from confide.privacy.ledger.refusal import refusal
from confide.privacy.ledger.rounds import Book
from confide.privacy.ledger.tally import Archive, Bucket, Charge, Tally, calendar, is_time

__all__ = [
    "SetCap",
    "State",
    "cap_of",
    "order_texts",
    "set_cap",
    "terms_of_entry",
]


class SetCap(NamedTuple):
    """A cap in force, with the whole units that it stands for."""

    cap: Cap
    terms: Terms
    fact: Capped | Limited

    @property
    def key(self) -> tuple[Filter, frozenset[str] | None, Period | None]:
        """What a later cap replaces it by."""
        return self.cap.filter, self.cap.observers, self.cap.period


@dataclass(slots=True)
class State:
    """The state after the entries so far.

    Attributes:
        opened: The first entry's fact.
        format: The format of the next entry.
        number: How many entries there are.
        head: The hash of the last.
        time: The time of the last.
        datasets: By name.
        caps: By dataset, then by what a cap replaces.
        charges: By reservation.
        answers: The digest of each answer kept, by question.
        book: Rounds and openings.
        tally: What was charged to each dataset.
        archive: Charges that were closed before the checkpoint from which the state was read.
        first_hash: The hash of the first entry.
        mistimed: The last entry with an invalid time, until a repair; 0 for none.
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
    mistimed: int = 0
    partitions: dict[str, dict[str, tuple[str, ...]]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    _derived: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    tally: Tally = field(default_factory=Tally)
    archive: Archive = field(default_factory=Archive)
    first_hash: bytes = b""

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
        self.first_hash = self.first_hash or entry.hash
        if not is_time(entry.time):
            self.mistimed = entry.number

    def _check_place(self, entry: Entry) -> None:
        if entry.time < self.time and not isinstance(entry.fact, Retimed):
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
            case Capped() | Limited() | Uncapped():
                self._cap(fact)
            case Retimed():
                self._retime(fact)
            case Reserved():
                self._reserve(fact, entry, self.format)
            case Used() | Committed() | Cancelled():
                self._go_on(fact)
            case Claimed() | Answered() | Gathered() | Consented() | Imported():
                self._take_in_round(fact)

    def dataset(self, name: str) -> Dataset:
        """A dataset by name.

        Raises:
            DataError: If it is unknown.
        """
        found = self.find(name)
        if found is None:
            known = ", ".join(sorted(self.datasets)) or "none"
            raise DataError(f"no dataset {name!r} in this ledger; it has: {known}")
        return found

    def find(self, name: str) -> Dataset | None:
        """A dataset by name, however the name is encoded; None if it is unknown.

        Raises:
            DataError: If several names of an earlier release have this normal form.
        """
        if name in self.datasets:
            return self.datasets[name]
        alike = [known for known in self.datasets if normal_form(known) == normal_form(name)]
        if len(alike) > 1:
            raise DataError(
                f"{len(alike)} datasets of an earlier release are named {name!r} in other "
                "encodings; give the name as `confide ledger export` shows it"
            )
        return self.datasets[alike[0]] if alike else None

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
            state = "closed" if reservation in self.archive else "unknown"
            state = charge.closed if charge else state
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

    def counted(self, name: str) -> tuple[int, int]:
        """How many charges of a dataset, and of all that was made from it, count; and are open."""
        of_it = frozenset(self.family(name))
        still_open = (c for c in self.charges.values() if c.charged and not c.closed)
        return (
            sum(self.tally.counted[each] for each in of_it),
            sum(charge.fact.dataset in of_it for charge in still_open),
        )

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
        """The privacy budget that a dataset has spent, together with all datasets made from it.

        Cells of a partition are disjoint: an added or removed record is in one cell, and the
        charges of all other cells reveal nothing about it. So a partition costs the highest of each
        number over its cells. A record that is replaced leaves one cell and enters another (or the
        same), which is two steps, and the highest cost at two steps covers one step in each of two
        cells.

        Args:
            name: The dataset.
            observers: A coalition: what any of them observes counts. None counts everything.
            period: The period that counts, at `time`.
            time: In seconds since 1970 UTC; the last entry's without.
        """
        now = calendar(self.time if time is None else time)
        coalition = None if observers is None else frozenset(observers)
        protected = self.dataset(name)
        return self._lost(
            protected.name, protected, lambda bucket: bucket.counts(coalition, period, now)
        )

    def _lost(self, name: str, protected: Dataset, counts: Callable[[Bucket], bool]) -> Cost:
        lost = self.tally.lost(name, protected, counts)
        for child in self._derived[name]:
            lost += self._lost(child, protected, counts)
        for cells in self.partitions[name].values():
            lost += Cost.highest(self._lost(cell, protected, counts) for cell in cells)
        return lost

    def first(self, name: str, limit: SetCap, time: int) -> Cost | None:
        """The full cost of the first charge that a dataset's cap counts; None if there is none."""
        now, cap = calendar(time), limit.cap
        return self.tally.first(
            self.family(name),
            self.dataset(name),
            lambda bucket: bucket.counts(cap.observers, cap.period, now),
        )

    def family(self, name: str) -> list[str]:
        """A dataset and all that was made from it."""
        names = {self.dataset(name).name: None}
        for dataset in self.datasets.values():  # a parent stands before its children
            if dataset.parent in names:
                names[dataset.name] = None
        return list(names)

    def binding(self, dataset: str, observers: Iterable[str]) -> Iterator[tuple[Dataset, SetCap]]:
        """The caps, of a dataset and all that it was made from, that count what observers see."""
        for protected in self.lineage(dataset):
            for limit in self.caps[protected.name].values():
                if limit.cap.binds(observers):
                    yield protected, limit

    def standing(self, protected: Dataset, limit: SetCap, time: int) -> tuple[Budget, Cost]:
        """A cap's budget, as its first charge splits it, and what is spent of it."""
        total = self.total(protected.name, limit.cap.observers, limit.cap.period, time)
        return limit.terms.budget(self.first(protected.name, limit, time)), total

    def check_caps(self, fact: Reserved, time: int) -> None:
        """Checks every cap that a charge counts for, after the charge was added.

        Raises:
            PrivacyBudgetError: If a cap is exceeded, or none counts the charge.
        """
        bound = False
        charge = self.charges[fact.reservation]
        for protected, limit in self.binding(fact.dataset, fact.observers):
            bound = True
            budget, total = self.standing(protected, limit, time)
            if not budget.admits(total):
                distance = steps(protected, Unit(fact.unit), Relation(fact.relation))
                taken = charge.prices[distance].of(fact.count)
                raise PrivacyBudgetError(refusal(protected, limit.cap, budget, total, taken))
        if not bound:
            raise PrivacyBudgetError(
                f"no cap of dataset {fact.dataset!r} counts what {', '.join(fact.observers)} sees; "
                "set one first (confide ledger cap)"
            )

    def admit(self, entry: Entry, format_: int) -> None:
        """Checks whether a charge may be written, and leaves the state as it was.

        Raises:
            PrivacyBudgetError: If a cap is in the way.
            DataError: If its dataset is unknown or its unit does not fit.
        """
        fact = entry.fact
        assert isinstance(fact, Reserved)  # noqa: S101 - what the journal appends
        self._reserve(fact, entry, format_)
        try:
            self.check_caps(fact, entry.time)
        finally:
            self.tally.take_back(self.charges.pop(fact.reservation))

    def _register(self, fact: Registered) -> None:
        if fact.dataset in self.datasets:
            raise DataError(f"dataset {fact.dataset!r} exists already")
        if fact.parent:
            self.dataset(fact.parent)
        self.add(
            Dataset(
                name=fact.dataset,
                unit=Unit(fact.unit),
                relation=Relation(fact.relation),
                parent=fact.parent,
            )
        )

    def add(self, dataset: Dataset) -> None:
        """Takes in a dataset; a cell of a partition is counted with the others of it."""
        if dataset.parent and not dataset.key:
            self._derived[dataset.parent].append(dataset.name)
        self.datasets[dataset.name] = dataset

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
            raise DataError(f"the cells {', '.join(names)}; each must be named once and be new")

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

    def _cap(self, fact: Capped | Limited | Uncapped) -> None:
        if isinstance(fact, Uncapped):
            self._uncap(fact)
            return
        if isinstance(fact, Limited) and self.format <= ROUNDS_FORMAT:
            raise DataError(f"a ledger of format {self.format} does not have such caps")
        self.dataset(fact.dataset)
        set_cap(self.caps, fact)

    def _uncap(self, fact: Uncapped) -> None:
        observers = frozenset(fact.observers) if fact.observers else None
        key = Filter(fact.filter), observers, Period(fact.period) if fact.period else None
        if self.caps[self.dataset(fact.dataset).name].pop(key, None) is None:
            raise DataError(f"dataset {fact.dataset!r} has no such cap")

    def _retime(self, fact: Retimed) -> None:
        if not self.mistimed or fact.entry != self.mistimed:
            raise DataError("no earlier entry has an invalid time")
        self.mistimed = 0

    def _reserve(self, fact: Reserved, entry: Entry, format_: int) -> None:
        known = fact.reservation in self.charges or fact.reservation in self.archive
        if known or fact.count < 1 or not fact.observers:
            raise DataError("a reservation made twice, of no run or seen by nobody")
        charge = Charge(fact, entry.number, entry.time, format_)
        unit, relation, prices = Unit(fact.unit), Relation(fact.relation), charge.prices
        for dataset in self.lineage(fact.dataset):
            if steps(dataset, unit, relation) not in prices:
                raise DataError(f"no cost at the distance that dataset {dataset.name!r} asks for")
        self.charges[fact.reservation] = charge
        self.tally.count(charge, fact.count)

    def _go_on(self, fact: Used | Committed | Cancelled) -> None:
        match fact:
            case Used():
                self._use(fact)
            case Committed():
                self._commit(fact)
            case Cancelled():
                self._cancel(fact)

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
        self.tally.count(charge, fact.used)

    def _cancel(self, fact: Cancelled) -> None:
        charge = self.open_charge(fact.reservation)
        if charge.used:
            raise DataError("what has begun cannot be cancelled")
        charge.closed = "cancelled"
        self.tally.count(charge, 0)
        self._forget_firsts(fact=charge.fact)

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
        if self.format < ROUNDS_FORMAT:
            raise DataError(f"a ledger of format {FIRST_FORMAT} has no entries about rounds")
        if isinstance(fact, Consented | Imported):
            for name in fact.datasets:
                self.dataset(name)
        self.book.take_in(fact)

    def _check_consented(self, fact: Consented) -> None:
        if fact.exact:
            crowd = self.book.members(fact.crowd)
            self.check_crowds(fact.datasets, crowd, fact.plan_hash)

    def _forget_firsts(self, fact: Reserved) -> None:
        """Forgets which charges were first if nothing that was charged to the family counts."""
        *_, root = self.lineage(fact.dataset)
        self.tally.forget(self.family(root.name))


def terms_of_entry(fact: Capped | Limited) -> Terms:
    """The whole units that an entry says a cap stands for.

    Raises:
        DataError: If there are more or fewer.
    """
    if isinstance(fact, Capped):
        return Terms.of_first_units(fact.budget)
    return Terms.of_units(fact.budget)


def set_cap(caps: dict[str, dict[object, SetCap]], fact: object) -> None:
    """Sets a cap as an entry says.

    Raises:
        ValueError: If it is not a cap.
    """
    if not isinstance(fact, Capped | Limited):
        raise DataError("no cap")
    limit = SetCap(cap_of(fact), terms_of_entry(fact), fact)
    caps[fact.dataset][limit.key] = limit


def cap_of(fact: Capped | Limited) -> Cap:
    """The cap that an entry sets.

    Raises:
        ValueError: If it is not a cap.
    """
    return Cap(
        epsilon=float(fact.epsilon),
        delta=float(fact.delta),
        approximate_delta=float(fact.approximate_delta),
        filter=Filter(fact.filter),
        observers=frozenset(fact.observers) if fact.observers else None,
        period=Period(fact.period) if fact.period else None,
        orders=tuple(map(float, fact.orders)) if fact.orders else None,
        rho=float(fact.rho) if isinstance(fact, Limited) else 0.0,
    )


def order_texts(format_: int = FORMAT) -> tuple[str, ...]:
    """The Rényi orders of a format, as a ledger's first entry names them."""
    return tuple(repr(order) for order in (FIRST_ORDERS if format_ <= ROUNDS_FORMAT else ORDERS))


def _known_format(fact: Opened) -> Opened:
    if not FIRST_FORMAT <= fact.format <= FORMAT or fact.orders != order_texts(fact.format):
        raise LedgerError(
            f"the ledger is of format {fact.format} with {len(fact.orders)} Rényi orders; this "
            f"release reads formats {FIRST_FORMAT} to {FORMAT}: use the release that wrote it"
        )
    return fact
