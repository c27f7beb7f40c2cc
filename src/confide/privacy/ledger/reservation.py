"""The handle on one charge: reserved, used, then committed."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Final

from confide.errors import DataError, LedgerError
from confide.privacy.ledger.entries import Cancelled, Committed, Fact, Used
from confide.privacy.ledger.journal import Journal
from confide.privacy.ledger.question import Question
from confide.privacy.ledger.state import State
from confide.privacy.ledger.store import Rows
from confide.privacy.ledger.tally import Charge
from confide.process_bound import ProcessBound

__all__ = ["MAX_ANSWER_BYTES", "Reservation"]

MAX_ANSWER_BYTES: Final = 64 << 20
"""The largest answer that a ledger keeps: 64 MiB."""

_DIGEST_BYTES: Final = 32


class Reservation(
    ProcessBound,
    what="a reservation",
    instead="open the ledger again and take it up with Ledger.resume",
    error=LedgerError,
):
    """A charge that was made in full before anything was computed.

    If it is never closed, as after a crash, it counts in full for ever. Closing it may give back
    the runs that never began:

    * `use()` before each run records that it begins;
    * `commit()` closes it, and the runs begun stay charged; without any `use()`, all of them;
    * `cancel()` gives everything back if nothing has begun; only the process that reserved it can
      cancel.

    Args:
        journal: The ledger's entries.
        identity: 16 bytes: which reservation.
        fresh: Whether this process reserved it, and so knows whether a run began.
    """

    def __init__(self, journal: Journal, identity: bytes, *, fresh: bool) -> None:
        self._journal = journal
        self._identity = identity
        self._fresh = fresh

    def __repr__(self) -> str:
        return f"Reservation({self._identity.hex()})"

    @property
    def identity(self) -> bytes:
        """16 bytes by which another process finds it: `Ledger.resume`."""
        return self._identity

    @property
    def charge(self) -> Charge:
        """The ledger's entry."""

        def look(state: State, rows: Rows) -> Charge:
            charge = self._find(state, rows)
            if charge is None:
                raise DataError(f"reservation {self._identity.hex()} is unknown; reserve again")
            return charge

        return self._journal.read(look)

    def _find(self, state: State, rows: Rows) -> Charge | None:
        known = state.charges.get(self._identity)
        return known or state.archive.charge(self._identity, partial(self._journal.find, rows))

    @property
    def left(self) -> int:
        """How many runs have not begun."""
        charge = self.charge
        return 0 if charge.closed else charge.fact.count - charge.used

    def use(self) -> int:
        """Writes down that the next run begins, before it does.

        Returns:
            The number of the run, from 1.

        Raises:
            DataError: If all have begun, or the reservation is closed.
            LedgerError: If it cannot be written; then the run must not begin.
        """

        def decide(state: State, _: Rows) -> Fact:
            charge = state.open_charge(self._identity)
            if charge.used >= charge.fact.count:
                raise DataError(
                    f"reservation {self._identity.hex()} was for {charge.fact.count} runs, and all "
                    "have begun; reserve again"
                )
            return Used(reservation=self._identity)

        return self._journal.append(decide).charges[self._identity].used

    def commit(
        self,
        release_digest: bytes = b"",
        *,
        question: Question | None = None,
        answer: bytes | None = None,
    ) -> None:
        """Closes the reservation. Doing so twice with the same release is the same as once.

        Args:
            release_digest: SHA-256 of what was released, to be found in the ledger later.
            question: What was answered; it must be what was reserved.
            answer: What was released; kept, so that the same question is answered from it. A
                question that was answered meanwhile keeps its first answer.

        Raises:
            DataError: If the reservation is closed otherwise, the answer too large or its digest
                another, or the question another than was charged.
            LedgerError: If it cannot be written; then it counts in full.
        """
        digest = _digest(release_digest, answer, question)

        def decide(state: State, rows: Rows) -> Fact | None:
            if _closed_so(self._find(state, rows), digest):
                return None
            charge = state.open_charge(self._identity)
            key = b""
            if question is not None and answer is not None:
                question.check(charge.fact)
                if question.key not in state.answers:
                    key = question.key
                    rows.keep(key, answer)
            used = charge.used or charge.fact.count
            return Committed(reservation=self._identity, used=used, release=digest, question=key)

        self._journal.append(decide)

    def cancel(self) -> None:
        """Gives everything back.

        Raises:
            DataError: If a run has begun, the reservation is closed, or this handle did not make it
                and so cannot know what began.
            LedgerError: If it cannot be written; then it counts in full.
        """
        if not self._fresh:
            raise DataError(
                f"reservation {self._identity.hex()} was taken up again, so nobody knows whether "
                "something was computed; it stays charged. Commit it"
            )

        def decide(state: State, _: Rows) -> Fact:
            charge = state.open_charge(self._identity)
            if charge.used:
                raise DataError(
                    f"{charge.used} runs of reservation {self._identity.hex()} have begun; commit "
                    "it, and the others are given back"
                )
            return Cancelled(reservation=self._identity)

        self._journal.append(decide)


def _closed_so(charge: Charge | None, digest: bytes) -> bool:
    return charge is not None and charge.closed == "committed" and charge.release == digest


def _digest(given: bytes, answer: bytes | None, question: Question | None) -> bytes:
    if (question is None) != (answer is None):
        raise DataError("an answer is kept for a question; give both or none")
    if given and len(given) != _DIGEST_BYTES:
        raise DataError(f"a release digest of {len(given)} bytes; SHA-256 has {_DIGEST_BYTES}")
    if answer is None:
        return given
    if len(answer) > MAX_ANSWER_BYTES:
        raise DataError(
            f"an answer of {len(answer):,} bytes; at most {MAX_ANSWER_BYTES:,} are kept. Commit "
            "its digest alone"
        )
    digest = hashlib.sha256(answer).digest()
    if given not in (b"", digest):
        raise DataError("the release digest is not that of the answer")
    return digest
