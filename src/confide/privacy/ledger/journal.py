"""The chain of entries, durable and shared.

A writing transaction keeps others out, reads what they wrote meanwhile, decides, appends and
commits. The state in memory moves only after the commit, and only by entries that the database has.
"""

from __future__ import annotations

import hashlib
import math
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from confide.canonical import decode
from confide.errors import DataError, LedgerError, PlanError, VerificationError
from confide.plan import Relation
from confide.privacy.ledger import checkpoints
from confide.privacy.ledger.costs import Accountant, Cost, cost_of, pair_of
from confide.privacy.ledger.entries import (
    FIRST_PREVIOUS,
    FORMAT,
    MAX_ENTRY_BYTES,
    ROUNDS_FORMAT,
    Capped,
    Entry,
    Fact,
    Limited,
    Migrated,
    Opened,
    Reserved,
    Retimed,
    RoundFact,
    Uncapped,
    chained,
    read_entry,
)
from confide.privacy.ledger.filters import first_terms_of, terms_of
from confide.privacy.ledger.heads import SignedHead
from confide.privacy.ledger.prices import Pair, prices_of, written
from confide.privacy.ledger.state import State, cap_of, order_texts, terms_of_entry
from confide.privacy.ledger.store import Rows, Store
from confide.privacy.ledger.tally import is_time
from confide.process_bound import ProcessBound
from confide.randomness import SecureRandom

__all__ = ["Journal"]

_ROUNDING: Final = 10**6

CHECKPOINT_EVERY: Final = 1000
"""Entries after which a new checkpoint is written."""

Seen = TypeVar("Seen")


class Journal(
    ProcessBound, what="a handle on a ledger", instead="open the ledger again", error=LedgerError
):
    """Reads and appends the entries of one ledger.

    Args:
        where: A path or URL.
        create: Whether to make a ledger if there is none.
        owner: The public key to create it with, or that it must have; empty for any.
        timeout: How long to wait for others that write, in seconds.
        clock: Seconds since 1970 UTC.
        random: Makes the ledger's name.
        repair: Whether to drop checkpoints, read every entry, and accept entries after one with an
            invalid time.
        sign: The owner's signature, of checkpoints.

    Raises:
        LedgerError: If it cannot be opened.
        VerificationError: If its entries do not form a hash chain.
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
        repair: bool = False,
        sign: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._store = Store(where, create=create, timeout=timeout)
        self._clock = clock
        self._lock = threading.RLock()
        self._state = State()
        self._sign, self._checkpoint = sign, 0
        try:
            self._repairing = repair
            if repair:
                self._repair()
                self._repairing = False
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
        """Drops the database."""
        self._store.close()

    def now(self) -> int:
        """The time of the next entry: setting a clock back refills no period.

        Raises:
            LedgerError: If the clock's time is invalid.
        """
        return max(self._clock_time(), self._state.time)

    def _clock_time(self) -> int:
        said = self._clock()
        if not (math.isfinite(said) and is_time(said)):
            raise LedgerError(
                f"the clock says {said!r}, which is not between the years 2000 and 2200 in "
                "seconds since 1970 UTC; set the clock, or give seconds. Nothing was written"
            )
        return int(said)

    def _repair(self) -> None:
        """Records that the clock of earlier entries was wrong; their other content stays valid."""
        with self._lock:
            entries: list[Entry] = []
            with self._current(write=True, mistimed=True) as rows:
                state, now = self._state, self._clock_time()
                rows.drop_checkpoints()
                if not state.mistimed:
                    return
                facts: list[Fact] = [Retimed(entry=state.mistimed)]
                if state.format < FORMAT:
                    facts.append(Migrated(format=FORMAT))
                number, head = state.number, state.head
                for fact in facts:
                    entry = chained(number + 1, head, now, fact)
                    number, head = entry.number, entry.hash
                    rows.append(number, entry.data, head)
                    entries.append(entry)
            for entry in entries:
                self._take_in(entry)

    def read(self, look: Callable[[State, Rows], Seen]) -> Seen:
        """Looks at the newest state.

        Raises:
            LedgerError: If the database fails.
            VerificationError: If its entries do not form a hash chain, or were changed.
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
            VerificationError: If its entries do not form a hash chain, or were changed.
        """
        with self._lock:
            entries: list[Entry] = []
            with self._current(write=True) as rows:
                state = self._state
                number, head, now = state.number, state.head, self.now()
                format_ = state.format
                for fact in _in_order(decide(state, rows), state):
                    entry = chained(number + 1, head, now, fact)
                    number, head = entry.number, entry.hash
                    if isinstance(fact, Migrated):
                        format_ = fact.format
                    if isinstance(fact, Reserved):
                        state.admit(entry, format_)
                    rows.append(number, entry.data, head)
                    entries.append(entry)
            for entry in entries:
                self._take_in(entry)
            self._keep_checkpoint()
            return self._state

    def find(self, rows: Rows, number: int) -> Reserved:
        """What an entry reserved, as the database has it.

        Raises:
            VerificationError: If it is not hexadecimal.
        """
        fact = _single(rows, number).fact
        if not isinstance(fact, Reserved):
            raise VerificationError(f"entry {number} of the ledger is not a charge")
        return fact

    def _keep_checkpoint(self) -> None:
        """Writes a checkpoint every so many entries, if the owner can sign it; nothing needs it."""
        opened, state = self._state.opened, self._state
        may_sign = opened is not None and bool(opened.owner) == (self._sign is not None)
        if not may_sign or state.number - self._checkpoint < CHECKPOINT_EVERY:
            return
        with suppress(LedgerError), self._current(write=True) as rows:
            found = checkpoints.written(self._state, self._sign)
            rows.keep_checkpoint(*found)
            self._checkpoint = found.number

    def _restore(self, rows: Rows) -> None:
        """Starts from the latest checkpoint, if there is one."""
        row = rows.checkpoint()
        if row is None:
            return
        found = checkpoints.Checkpoint(*row)
        first, last = _single(rows, 1), _single(rows, found.number)
        if not isinstance(first.fact, Opened):
            raise VerificationError("the first entry of the ledger does not open it")
        self._state = checkpoints.restored(found, (first.fact, first.hash), last.hash)
        self._checkpoint = found.number

    def verify(self, head: SignedHead | None, owner: bytes, accountant: Accountant) -> State:
        """Recomputes everything from the database's rows.

        Args:
            head: A head kept elsewhere.
            owner: The public key that must own the ledger; empty for the one that it names.
            accountant: Says again what events cost and what caps hold.

        Returns:
            The state, recomputed.

        Raises:
            VerificationError: Naming the first entry that is wrong, or what the head shows.
            LedgerError: If the database is damaged.
        """
        self._store.check_integrity()
        state, at_head, costs = State(), FIRST_PREVIOUS, _Costs(accountant)
        with self._store.transaction() as rows:
            kept = rows.checkpoint()
            for entry in _chain(rows, state):
                state.apply(entry, strict=True)
                if kept is not None and entry.number == kept[0]:
                    _check_checkpoint(state, checkpoints.Checkpoint(*kept))
                if isinstance(entry.fact, Capped | Limited):
                    _check_budget(entry.number, entry.fact, accountant.mu_of)
                if isinstance(entry.fact, Reserved):
                    _check_costs(entry.number, entry.fact, state.format, costs)
                if head is not None and entry.number == head.number:
                    at_head = state.head
            _check_answers(rows, state)
        if state.mistimed:
            raise _mistimed(state)
        opened = state.opened
        if opened is None:
            raise VerificationError(f"{self} has lost all its entries")
        if owner and opened.owner != owner:
            raise VerificationError(
                f"{self} names another owner's key: it was replaced by a new ledger"
            )
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
    def _current(self, *, write: bool, mistimed: bool = False) -> Iterator[Rows]:
        self.check_process()
        with self._lock, self._store.transaction(write=write) as rows:
            self._catch_up(rows)
            if self._state.mistimed and not mistimed:
                raise _mistimed(self._state)
            yield rows

    def _catch_up(self, rows: Rows) -> None:
        """Takes in what others wrote, and sees that what was known is still there."""
        try:
            if not self._state.number and not self._repairing:
                self._restore(rows)
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


def _single(rows: Rows, number: int) -> Entry:
    """One entry, without the one before it."""
    found = rows.entry(number)
    if found is None:
        raise VerificationError(f"entry {number} of the ledger is missing")
    data, digest = found
    if hashlib.sha256(data).digest() != digest:
        raise VerificationError(f"entry {number} of the ledger was changed: its hash is wrong")
    return read_entry(data, number, None)


def _check_checkpoint(state: State, found: checkpoints.Checkpoint) -> None:
    if checkpoints.written(state, None).data != found.data:
        raise VerificationError(
            f"the checkpoint at entry {found.number} does not match the entries before it: it "
            "was forged, or entries were changed"
        )


def _mistimed(state: State) -> LedgerError:
    return LedgerError(
        f"entry {state.mistimed} of the ledger has the time {state.time}, which is not between "
        "the years 2000 and 2200 in seconds since 1970: the clock was wrong, or gave "
        "milliseconds. Nothing can be charged until you confirm this: confide ledger repair "
        "LEDGER "
        "(Ledger.open with repair=True); all entries stay, and a charge at a wrong time counts "
        "in every month and year"
    )


def _in_order(decided: Fact | Iterable[Fact] | None, state: State) -> list[Fact]:
    """What was decided as entries, after the migration that the first new kind of one asks for."""
    if decided is None:
        return []
    facts = [decided] if isinstance(decided, Fact) else list(decided)
    new: type | types.UnionType = Reserved | Limited | Uncapped
    if state.format < ROUNDS_FORMAT:
        new = new | RoundFact
    if 0 < state.format < FORMAT and any(isinstance(fact, new) for fact in facts):
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


def _cost(accountant: Accountant, fact: Reserved, distance: int) -> Cost:
    """What one run costs at a distance."""
    event = accountant.event(decode(fact.event, MAX_ENTRY_BYTES))
    near = float(fact.delta), float(fact.closeness)
    return cost_of(
        accountant, event, Relation(fact.relation), distance=distance, delta=near[0],
        closeness=near[1],
    )  # fmt: skip


def _check_costs(number: int, fact: Reserved, format_: int, costs: _Costs) -> None:
    """Checks that a charge is at least what its event costs."""
    try:
        for distance, price in prices_of(fact.distances, fact.costs, format_).items():
            said, true = (
                written(cost, format_) for cost in (price.once, costs.once(fact, distance))
            )
            less = any(
                units < least - least // _ROUNDING for units, least in zip(said, true, strict=True)
            )
            if less or (
                price.pair and price.pair.epsilon < costs.whole(fact, price.pair, distance)
            ):
                raise VerificationError(
                    f"entry {number} of the ledger charges less than its event costs"
                )
    except (DataError, PlanError) as error:
        raise VerificationError(
            f"entry {number} of the ledger charges an event that is not understood: {error}"
        ) from error


class _Costs:
    """What events cost, computed once for each kind of charge."""

    def __init__(self, accountant: Accountant) -> None:
        self._accountant = accountant
        self._known: dict[object, Cost | int] = {}

    def once(self, fact: Reserved, distance: int) -> Cost:
        """One run."""
        key = fact.event, fact.relation, distance, fact.delta, fact.closeness
        if key not in self._known:
            self._known[key] = _cost(self._accountant, fact, distance)
        found = self._known[key]
        assert isinstance(found, Cost)  # noqa: S101 - of the key
        return found

    def whole(self, fact: Reserved, pair: Pair, distance: int) -> int:
        """The least ε, except for its last digits, that all runs have at a pair's δ."""
        near = fact.delta, fact.closeness
        key = fact.event, fact.relation, distance, *near, fact.count, pair.delta
        if key not in self._known:
            event = self._accountant.event(decode(fact.event, MAX_ENTRY_BYTES))
            self._known[key] = pair_of(
                self._accountant, event, Relation(fact.relation), pair.delta, count=fact.count,
                distance=distance, delta=float(fact.delta), closeness=float(fact.closeness),
            )  # fmt: skip
        true = self._known[key]
        assert isinstance(true, int)  # noqa: S101 - of the key
        return true - true // _ROUNDING


def _check_budget(
    number: int, fact: Capped | Limited, mu_of: Callable[[float, float], float]
) -> None:
    """Checks that a cap's whole units are at most what its ε, ρ and δ mean."""
    true_terms = first_terms_of if isinstance(fact, Capped) else terms_of
    true, said = true_terms(cap_of(fact), mu_of).units(), terms_of_entry(fact).units()
    # Another release may round the last digits another way.
    if any(units > most + abs(most) // _ROUNDING for units, most in zip(said, true, strict=True)):
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
            "the head is of another ledger: this one was replaced, or the head belongs to "
            "somebody else"
        )
    if head.number > state.number:
        raise VerificationError(
            f"the ledger ends with entry {state.number}, the head with entry {head.number}: the "
            "last entries were cut off, or an older backup was restored"
        )
    if head.hash != at_head:
        raise VerificationError(
            f"entry {head.number} is not the one that the head names: the ledger was rewritten, "
            "or continued from an older backup"
        )
