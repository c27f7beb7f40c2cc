"""The chain of entries, durable and shared: what it says is what happened.

A writing transaction keeps others out, reads what they wrote meanwhile, decides, appends and
commits. The state in memory moves only after the commit, and only by entries that the database has.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Final, TypeVar

from confide.canonical import decode
from confide.errors import DataError, LedgerError, PlanError, VerificationError
from confide.plan import Relation
from confide.privacy.ledger.costs import Accountant, cost_of
from confide.privacy.ledger.entries import (
    FIRST_FORMAT,
    FIRST_PREVIOUS,
    FORMAT,
    MAX_ENTRY_BYTES,
    Capped,
    Entry,
    Fact,
    Migrated,
    Opened,
    Reserved,
    RoundFact,
    chained,
    read_entry,
)
from confide.privacy.ledger.filters import budget_of
from confide.privacy.ledger.heads import SignedHead
from confide.privacy.ledger.state import State, cap_of, order_texts
from confide.privacy.ledger.store import Rows, Store
from confide.process_bound import ProcessBound
from confide.randomness import SecureRandom

__all__ = ["Journal"]

_ROUNDING: Final = 10**6

Seen = TypeVar("Seen")


class Journal(
    ProcessBound, what="a handle on a ledger", instead="open the ledger again", error=LedgerError
):
    """Reads and appends the entries of one ledger.

    Args:
        where: A path or URL.
        create: Whether to make a ledger if there is none.
        owner: The public key to found it with, or that it must have; empty for no demand.
        timeout: How long to wait for others that write, in seconds.
        clock: Seconds since 1970 UTC.
        random: Makes the ledger's name.

    Raises:
        LedgerError: If it cannot be opened.
        VerificationError: If its entries are no chain.
    """

    def __init__(
        self,
        where: str | Path,
        *,
        create: bool,
        owner: bytes,
        timeout: float,
        clock: Callable[[], float],
        random: SecureRandom,
    ) -> None:
        self._store = Store(where, create=create, timeout=timeout)
        self._clock = clock
        self._lock = threading.RLock()
        self._state = State()
        try:
            if create:
                self._found(owner, random)
            opened = self.read(lambda state, _: state.opened)
            if opened is None:
                raise LedgerError(f"{self} holds no ledger; set a cap to make one")
            if owner and opened.owner != owner:
                raise LedgerError(f"{self} was not founded with this key; open it with its own")
        except BaseException:
            self._store.close()
            raise

    def __str__(self) -> str:
        return f"the ledger {self._store}"

    def close(self) -> None:
        """Lets go of the database."""
        self._store.close()

    def now(self) -> int:
        """The time of the next entry: a clock that was set back refills no period."""
        return max(int(self._clock()), self._state.time)

    def read(self, look: Callable[[State, Rows], Seen]) -> Seen:
        """Looks at the newest state.

        Raises:
            LedgerError: If the database fails.
            VerificationError: If its entries are no chain, or changed.
        """
        with self._current(write=False) as rows:
            return look(self._state, rows)

    def append(self, decide: Callable[[State, Rows], Fact | Iterable[Fact] | None]) -> State:
        """Appends what `decide` returns for the newest state, or nothing if it raises.

        Args:
            decide: Sees the state and the rows; what it returns, one fact or several, is written in
                the same transaction: all of it, or nothing.

        Returns:
            The state with the entries.

        Raises:
            PrivacyBudgetError: If it reserves more than a cap leaves.
            LedgerError: If the database fails; nothing was written.
            VerificationError: If its entries are no chain, or changed.
        """
        with self._lock:
            entries: list[Entry] = []
            with self._current(write=True) as rows:
                state = self._state
                number, head, now = state.number, state.head, self.now()
                for fact in _in_order(decide(state, rows), state):
                    entry = chained(number + 1, head, now, fact)
                    number, head = entry.number, entry.hash
                    if isinstance(fact, Reserved):
                        state.admit(entry)
                    rows.append(number, entry.data, head)
                    entries.append(entry)
            for entry in entries:
                self._take_in(entry)
            return self._state

    def verify(self, head: SignedHead | None, owner: bytes, accountant: Accountant) -> State:
        """Recomputes everything from the database's rows.

        Args:
            head: A head kept elsewhere.
            owner: The public key that must own the ledger; empty for the one that it names.
            accountant: Says again what events cost and what caps hold.

        Returns:
            The state, folded anew.

        Raises:
            VerificationError: Naming the first entry that is wrong, or what the head shows.
            LedgerError: If the database is damaged.
        """
        self._store.check_integrity()
        state, at_head, true_costs = State(), FIRST_PREVIOUS, cache(partial(_costs, accountant))
        with self._store.transaction() as rows:
            for entry in _chain(rows, state):
                state.apply(entry, strict=True)
                if isinstance(entry.fact, Capped):
                    _check_budget(entry.number, entry.fact, accountant.mu_of)
                if isinstance(entry.fact, Reserved):
                    _check_costs(entry.number, entry.fact, true_costs)
                if head is not None and entry.number == head.number:
                    at_head = state.head
            _check_answers(rows, state)
        opened = state.opened
        if opened is None:
            raise VerificationError(f"{self} has lost all its entries")
        if owner and opened.owner != owner:
            raise VerificationError(f"{self} names another owner's key: it was made anew")
        if head is not None:
            _check_head(head, opened, state, at_head)
        return state

    def entries(self) -> list[Entry]:
        """All entries."""
        with self._store.transaction() as rows:
            state = State()
            found = []
            for entry in _chain(rows, state):
                state.apply(entry)
                found.append(entry)
            return found

    def _found(self, owner: bytes, random: SecureRandom) -> None:
        def decide(state: State, _: Rows) -> Fact | None:
            if state.opened is not None:
                return None
            return Opened(format=FORMAT, ledger=random.bytes(16), owner=owner, orders=order_texts())

        self.append(decide)

    @contextmanager
    def _current(self, *, write: bool) -> Iterator[Rows]:
        self.check_process()
        with self._lock, self._store.transaction(write=write) as rows:
            self._catch_up(rows)
            yield rows

    def _catch_up(self, rows: Rows) -> None:
        """Takes in what others wrote, and sees that what was known is still there."""
        try:
            for entry in _chain(rows, self._state):
                self._state.apply(entry)
        except BaseException:
            self._state = State()  # half of an entry may be in it
            raise

    def _take_in(self, entry: Entry) -> None:
        try:
            self._state.apply(entry)
        except BaseException:
            self._state = State()
            raise


def _in_order(decided: Fact | Iterable[Fact] | None, state: State) -> list[Fact]:
    """What was decided as entries, after the migration that the first one about rounds asks for."""
    if decided is None:
        return []
    facts = [decided] if isinstance(decided, Fact) else list(decided)
    if state.format == FIRST_FORMAT and any(isinstance(fact, RoundFact) for fact in facts):
        return [Migrated(format=FORMAT), *facts]
    return facts


def _chain(rows: Rows, state: State) -> Iterator[Entry]:
    """The entries after the state's last, each checked against the one before.

    `state` is expected to move with them.
    """
    known = state.number
    found = rows.entries(max(known, 1))
    if known:
        number, _, digest = next(found, (0, b"", b""))
        if number != known or digest != state.head:
            raise VerificationError(
                f"entry {known} of the ledger is gone or was changed while the ledger was open"
            )
    for number, data, digest in found:
        if number != state.number + 1:
            raise VerificationError(f"entry {state.number + 1} of the ledger is missing")
        entry = read_entry(data, number, state.head)
        if digest != entry.hash:
            raise VerificationError(f"entry {number} of the ledger was changed: its hash is wrong")
        yield entry


def _costs(
    accountant: Accountant, priced: tuple[bytes, str, tuple[int, ...], str, str]
) -> tuple[int, ...]:
    """What one run costs at each distance, one after the other."""
    event, relation, distances, delta, closeness = priced
    known = accountant.event(decode(event, MAX_ENTRY_BYTES))
    costs = [
        cost_of(accountant, known, Relation(relation), distance=distance, delta=float(delta),
                closeness=float(closeness))
        for distance in distances
    ]  # fmt: skip
    return tuple(number for cost in costs for number in cost.units())


def _check_costs(number: int, fact: Reserved, true_costs: Callable[..., tuple[int, ...]]) -> None:
    """Sees that a charge is no less than its event costs."""
    try:
        true = true_costs((fact.event, fact.relation, fact.distances, fact.delta, fact.closeness))
    except (DataError, PlanError) as error:
        raise VerificationError(
            f"entry {number} of the ledger charges an event that is not understood: {error}"
        ) from error
    if len(true) != len(fact.costs) or any(
        units < least - least // _ROUNDING for units, least in zip(fact.costs, true, strict=True)
    ):
        raise VerificationError(f"entry {number} of the ledger charges less than its event costs")


def _check_budget(number: int, fact: Capped, mu_of: Callable[[float, float], float]) -> None:
    """Sees that a cap's whole units are no more than its ε and δ stand for."""
    true = budget_of(cap_of(fact), mu_of).units()
    # Another release may round the last digits another way.
    if any(
        units > most + abs(most) // _ROUNDING for units, most in zip(fact.budget, true, strict=True)
    ):
        raise VerificationError(
            f"entry {number} of the ledger sets a cap with another budget than its ε and δ"
        )


def _check_answers(rows: Rows, state: State) -> None:
    expected = dict(state.answers)
    for question, answer in rows.answers():
        if hashlib.sha256(answer).digest() != expected.pop(question, b""):
            raise VerificationError(f"the answer kept for question {question.hex()} was changed")
    if expected:
        raise VerificationError(
            f"the answer kept for question {next(iter(expected)).hex()} is missing"
        )


def _check_head(head: SignedHead, opened: Opened, state: State, at_head: bytes) -> None:
    head.check(opened.owner)
    if head.ledger != opened.ledger:
        raise VerificationError(
            "the head is of another ledger: this one was made anew, or the head is a stranger's"
        )
    if head.number > state.number:
        raise VerificationError(
            f"the ledger ends with entry {state.number}, the head with entry {head.number}: the "
            "last entries were cut off, or an older backup was restored"
        )
    if head.hash != at_head:
        raise VerificationError(
            f"entry {head.number} is not the one that the head names: the ledger was rewritten, or "
            "went on from an older backup"
        )
