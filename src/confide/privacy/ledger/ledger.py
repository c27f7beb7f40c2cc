"""The ledger of one data owner: the privacy budget that its data have spent, and its caps."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from confide.errors import DataError, LedgerError, PlanError, VerificationError
from confide.plan import Relation, Unit
from confide.privacy.ledger.accountant import DpAccountant
from confide.privacy.ledger.balance import Remaining, Spent, remaining_of, spent_of
from confide.privacy.ledger.caps import Cap, Filter, Period
from confide.privacy.ledger.charging import ChargeLedger
from confide.privacy.ledger.checks import observer_names
from confide.privacy.ledger.costs import UNBOUNDED, Accountant
from confide.privacy.ledger.entries import Entry, Fact, Limited, Partitioned, Registered, Uncapped
from confide.privacy.ledger.filters import terms_of
from confide.privacy.ledger.heads import SignedHead, public_key
from confide.privacy.ledger.journal import Journal
from confide.privacy.ledger.lineage import Dataset, may_share_rows
from confide.privacy.ledger.names import check_name, look_alike, normal_form
from confide.privacy.ledger.state import State
from confide.privacy.ledger.store import Rows
from confide.privacy.ledger.tally import Charge
from confide.randomness import SecureRandom, SystemRandom

__all__ = ["Ledger"]


class Ledger(ChargeLedger):
    """A durable, shared, tamper-evident record of privacy charges, kept by the owner of the data.

    A charge is written before anything is computed, and only if every cap that counts it has room
    for it. A charge that is not closed counts in full, so a crash costs budget, but never privacy.
    Open it with `Ledger.open`. The same chain holds the rounds that its owner took part in and the
    sums that it helped to open.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from dp_accounting import GaussianDpEvent
        >>> from confide.plan import Relation, Unit
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with Ledger.open(Path(folder) / "ledger.db") as ledger:
        ...         _ = ledger.open_dataset("loans", unit=Unit.RECORD)
        ...         ledger.cap("loans", Cap(epsilon=3, delta=1e-6, filter=Filter.GAUSSIAN))
        ...         charge = ledger.reserve("loans", GaussianDpEvent(2.0), observers={"bank"})
        ...         charge.commit()
        ...         print(round(ledger.spent("loans").mu, 6))
        0.5
    """

    def __init__(
        self, journal: Journal, key: Ed25519PrivateKey | None, accountant: Accountant,
        random: SecureRandom,
    ) -> None:  # fmt: skip
        super().__init__(journal, accountant, random)
        self._key = key

    @classmethod
    def open(
        cls,
        where: str | Path,
        *,
        key: Ed25519PrivateKey | None = None,
        create: bool = True,
        accountant: Accountant | None = None,
        timeout: float = 30.0,
        clock: Callable[[], float] = time.time,
        random: SecureRandom | None = None,
        repair: bool = False,
    ) -> Self:
        """Opens a ledger, and checks its chain from the first entry to the last.

        Args:
            where: A path, `sqlite:///file` or `postgresql://…`. Not on a network file system.
            key: The owner's signing key. A new ledger is bound to it for ever.
            create: Whether to make it if there is none.
            accountant: Who knows what events cost.
            timeout: How long to wait for others that write, in seconds.
            clock: Seconds since 1970 UTC.
            random: Names the ledger and its reservations.
            repair: Whether to accept entries after one with an invalid time.

        Raises:
            LedgerError: If it cannot be opened, or has another owner's key.
            VerificationError: If its entries were tampered with.
        """
        random = random or SystemRandom()
        journal = Journal(
            where, create=create, owner=public_key(key), timeout=timeout, clock=clock,
            random=random, repair=repair, sign=None if key is None else key.sign,
        )  # fmt: skip
        return cls(journal, key, accountant or DpAccountant(), random)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{self._journal}>"

    def close(self) -> None:
        """Drops the database. Open reservations stay open, and count."""
        self._journal.close()

    def open_dataset(
        self,
        name: str,
        *,
        unit: Unit = Unit.RECORD,
        relation: Relation = Relation.ADD_OR_REMOVE_ONE,
        parent: str | None = None,
        fresh: bool = False,
        distinct: bool = False,
    ) -> Dataset:
        """Declares a dataset. Declaring it again in the same way changes nothing.

        Args:
            name: What to call it.
            unit: The unit that its caps protect.
            relation: How two neighbours differ.
            parent: What it was made from, such that one unit of that changes at most one unit of
                this: a copy, a selection, other columns. Charges count there too.
            fresh: That it shares no data with another dataset of this ledger. A second dataset must
                be fresh or name its parent.
            distinct: That it differs from a dataset whose name looks the same.

        Raises:
            DataError: If the name belongs to another dataset or looks like an existing one, or
            neither `parent` nor `fresh` is given.
        """
        name = check_name(name)
        wanted = Dataset(
            name=name, unit=Unit(unit), relation=Relation(relation), parent=parent or ""
        )
        if parent and fresh:
            raise DataError(f"dataset {name!r} is fresh and has a parent; it is one of them")

        def decide(state: State, _: object) -> Fact | None:
            known = state.find(name)
            if known is not None:
                _same(known, wanted)
                return None
            like = look_alike(name, state.datasets)
            if like is not None and not distinct:
                raise DataError(
                    f"dataset {name!r} ({_spelt(name)}) is new and looks like {like!r} "
                    f"({_spelt(like)}), which exists: use that name, or declare that it is "
                    "another dataset (distinct=True, --distinct)"
                )
            if state.datasets and not parent and not fresh:
                raise DataError(
                    f"dataset {name!r} is new; name the parent that it was made from "
                    f"({', '.join(sorted(state.datasets))}), or declare it fresh, if no unit in "
                    "it is in one of these"
                )
            return Registered(
                dataset=name,
                unit=wanted.unit.value,
                relation=wanted.relation.value,
                parent=state.dataset(parent).name if parent else "",
            )

        return self._journal.append(decide).dataset(name)

    def partition(self, dataset: str, key: str, cells: Sequence[str]) -> tuple[str, ...]:
        """Cuts a dataset into cells that cost the highest of them, not their sum.

        This is sound because a record has one value of the column, so it is in one cell only. The
        values must be known without the data. Cells protect records that are added or removed.

        Args:
            dataset: What to cut. It protects records; a person may have some in several cells.
            key: The column.
            cells: Its values; each becomes a dataset. Records with other values are in none.

        Returns:
            The datasets' names, in the order of the cells.

        Raises:
            DataError: If it cannot be cut in this way, or was cut by this column differently.
        """
        key = check_name(key, "a column")
        named = tuple(check_name(cell, "a cell") for cell in cells)

        def decide(state: State, _: object) -> Fact | None:
            parent = state.dataset(dataset)
            wanted = tuple(f"{parent.name}/{key}={cell}" for cell in named)
            if state.partitions[parent.name].get(key) == wanted:
                return None
            state.check_partition(parent, key, wanted)
            return Partitioned(dataset=parent.name, key=key, cells=named)

        state = self._journal.append(decide)
        return state.partitions[state.dataset(dataset).name][key]

    def cap(self, dataset: str, cap: Cap) -> None:
        """Sets a cap, in place of one on the same observers and period, whatever its filter.

        A cap is the owner's decision, made without looking at answers. Raising one is written down
        like everything else.

        Raises:
            DataError: If the dataset is unknown.
            PlanError: If the cap holds nothing, or cannot count what was charged already.
        """
        budget = terms_of(cap, self._accountant.mu_of).units()

        def decide(state: State, _: object) -> Iterable[Fact]:
            name = state.dataset(dataset).name
            total = state.total(name, cap.observers)
            lost = {Filter.GAUSSIAN: total.squared_mu, Filter.ZCDP: total.rho}.get(cap.filter, 0)
            if lost >= UNBOUNDED:
                raise PlanError(
                    f"a cap with the filter {cap.filter.value!r} on dataset {dataset!r}, which was "
                    "charged for events that it cannot count; set one with the filter 'renyi'"
                )
            for known in state.caps[name].values():
                if known.key[1:] == (cap.observers, cap.period) and known.key[0] != cap.filter:
                    yield _uncapped(name, known.cap)
            yield Limited(
                dataset=name,
                epsilon=repr(cap.epsilon),
                rho=repr(cap.rho),
                delta=repr(cap.delta),
                approximate_delta=repr(cap.own_delta),
                filter=cap.filter.value,
                observers=tuple(sorted(cap.observers or ())),
                period=cap.period.value if cap.period else "",
                orders=tuple(map(repr, cap.orders or ())),
                budget=budget,
            )

        self._journal.append(decide)

    def uncap(
        self,
        dataset: str,
        *,
        observers: Iterable[str] | None = None,
        period: Period | None = None,
    ) -> None:
        """Removes the caps on these observers in this period; what was charged stays charged.

        Without any cap that counts it a charge is refused.

        Args:
            dataset: The dataset.
            observers: The coalition that the caps are about; None for those that count everybody.
            period: Their period; None for those that count for ever.

        Raises:
            DataError: If there is no such cap.
        """
        coalition = None if observers is None else frozenset(observer_names(observers))
        wanted = coalition, None if period is None else Period(period)

        def decide(state: State, _: object) -> list[Fact]:
            name = state.dataset(dataset).name
            caps = state.caps[name].values()
            facts: list[Fact] = [_uncapped(name, c.cap) for c in caps if c.key[1:] == wanted]
            if not facts:
                known = "; ".join(str(limit.cap) for limit in caps) or "none"
                raise DataError(
                    f"dataset {name!r} has no cap on these observers in this period; it has: "
                    f"{known}"
                )
            return facts

        self._journal.append(decide)

    def caps(self, dataset: str) -> tuple[Cap, ...]:
        """The caps in force on a dataset."""
        return self._journal.read(
            lambda state, _: tuple(
                limit.cap for limit in state.caps[state.dataset(dataset).name].values()
            )
        )

    def capped(self, dataset: str) -> tuple[str, ...]:
        """The datasets with caps that may share rows with a dataset, itself included.

        Raises:
            DataError: If the dataset is unknown.
        """

        def look(state: State, _: object) -> tuple[str, ...]:
            own = list(state.lineage(dataset))
            capped = (name for name in state.datasets if state.caps[name])
            return tuple(n for n in capped if may_share_rows(own, list(state.lineage(n))))

        return self._journal.read(look)

    def has_dataset(self, name: str) -> bool:
        """Whether there is a dataset of a name."""
        return self._journal.read(lambda state, _: state.find(name) is not None)

    def datasets(self) -> tuple[Dataset, ...]:
        """All datasets, in the order in which they were declared."""
        return self._journal.read(lambda state, _: tuple(state.datasets.values()))

    def charges(self, dataset: str | None = None) -> tuple[Charge, ...]:
        """All reservations, of one dataset or of all."""

        def look(state: State, rows: Rows) -> tuple[Charge, ...]:
            name = None if dataset is None else state.dataset(dataset).name
            closed = state.archive.charges(partial(self._journal.find, rows))
            found = {charge.number: charge for charge in (*closed, *state.charges.values())}
            return tuple(
                charge for _, charge in sorted(found.items()) if name in (None, charge.fact.dataset)
            )

        return self._journal.read(look)

    def entries(self) -> list[Entry]:
        """All entries."""
        return self._journal.entries()

    def spent(
        self,
        dataset: str,
        *,
        observers: Iterable[str] | None = None,
        period: Period | None = None,
        delta: float = 1e-6,
    ) -> Spent:
        """The privacy budget that a dataset has spent, together with all datasets made from it.

        Args:
            dataset: The dataset.
            observers: The observers who pool what they saw; everybody if omitted.
            period: The current month or year; all time if omitted.
            delta: δ at which to state ε.
        """
        if not 0 < delta < 1:
            raise PlanError(f"delta {delta}; state ε at one between 0 and 1")
        coalition = None if observers is None else frozenset(observer_names(observers))

        def look(state: State, _: object) -> Spent:
            total = state.total(dataset, coalition, period, self._journal.now())
            charges, still_open = state.counted(dataset)
            return spent_of(
                total,
                dataset=dataset,
                observers=coalition,
                period=period,
                delta=delta,
                charges=charges,
                still_open=still_open,
            )

        return self._journal.read(look)

    def remaining(self, dataset: str) -> tuple[Remaining, ...]:
        """What each cap of a dataset leaves, now."""

        def look(state: State, _: object) -> tuple[Remaining, ...]:
            protected, now = state.dataset(dataset), self._journal.now()
            return tuple(
                remaining_of(
                    limit.cap, *state.standing(protected, limit, now), self._accountant.mu_of
                )
                for limit in state.caps[protected.name].values()
            )

        return self._journal.read(look)

    def head(self) -> SignedHead:
        """The newest head, signed if the ledger was opened with its key: give it to counterparties.

        Raises:
            LedgerError: If the ledger has an owner and was opened without the key.
        """
        head = self.position()
        if self._key is not None:
            return head.signed(self._key)
        if head.owner:
            raise LedgerError("the ledger has an owner's key; open it with that to sign a head")
        return head

    def position(self) -> SignedHead:
        """The newest head, unsigned, with the owner that the ledger names: good for a look."""
        return self._journal.read(lambda state, _: _position(state))

    def verify(self, head: SignedHead | bytes | None = None, *, owner: bytes = b"") -> SignedHead:
        """Recomputes the chain, every cost, total and cap, and compares a head kept elsewhere.

        Without a head, entries cut off at the end and a restored backup cannot be seen.

        Args:
            head: What `head` once returned, or its bytes.
            owner: The public key that must own the ledger, known from elsewhere.

        Returns:
            The newest head, unsigned.

        Raises:
            VerificationError: Naming the first entry that is wrong, or what the head shows.
            LedgerError: If the database is damaged.
        """
        if isinstance(head, bytes):
            head = SignedHead.from_bytes(head)
        return _position(self._journal.verify(head, owner, self._accountant))


def _spelt(name: str) -> str:
    """The characters of a name beyond ASCII, by their Unicode names; or that there are none."""
    found = {
        c: unicodedata.name(c, f"U+{ord(c):04X}") for c in normal_form(name) if not c.isascii()
    }
    return f"with {', '.join(found.values())}" if found else "in ASCII"


def _uncapped(dataset: str, cap: Cap) -> Uncapped:
    return Uncapped(
        dataset=dataset,
        filter=cap.filter.value,
        observers=tuple(sorted(cap.observers or ())),
        period=cap.period.value if cap.period else "",
    )


def _position(state: State) -> SignedHead:
    opened = state.opened
    if opened is None:
        raise VerificationError("the ledger has lost all its entries")
    return SignedHead(
        ledger=opened.ledger,
        number=state.number,
        hash=state.head,
        time=state.time,
        owner=opened.owner,
    )


def _same(found: Dataset, wanted: Dataset) -> None:
    if (found.unit, found.relation, found.parent) != (wanted.unit, wanted.relation, wanted.parent):
        made = f"made from {found.parent!r}" if found.parent else "made from no other"
        raise DataError(
            f"dataset {found.name!r} exists already: it protects each {found.unit.value} "
            f"({found.relation.value}) and is {made}. A dataset cannot be changed"
        )
