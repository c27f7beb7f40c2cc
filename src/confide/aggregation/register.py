"""What a party remembers about rounds, so that nothing is used twice."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Final, Self

from confide.aggregation.envelope import Round
from confide.errors import ProtocolError
from confide.plan.openings import Opening
from confide.plan.plan import Plan

__all__ = ["DurableRegister", "RoundRegister"]


class RoundRegister:
    """Which attempts a party took part in, and which rounds it may have helped to open.

    Attempts only go up, and a round whose sum this party may have helped to open is spent. One
    register serves one party under one plan, for as long as the plan is used. This one forgets when
    the process ends: see `DurableRegister`.

    Args:
        spent: Rounds that are spent from the start.
    """

    def __init__(self, spent: Iterable[int] = ()) -> None:
        self._latest: tuple[int, int] = (-1, 0)
        self._spent: set[int] = set(spent)
        self._openings: list[Opening] = []
        self._answers: dict[int, bytes] = {}
        self._lock = Lock()

    def claim(self, round_: Round) -> None:
        """Claims an attempt.

        Raises:
            ProtocolError: If it, or a later one, was claimed before, or the round is spent.
        """
        with self._lock:
            self._claim(round_)

    def spend(self, round_: Round) -> None:
        """Marks a round as spent; called before what helps to open its sum leaves.

        Raises:
            ProtocolError: If a later attempt was claimed, or the round was spent: a session that
                went on beside its successor could open a second sum.
        """
        with self._lock:
            self._spend(round_)

    def consent(self, round_: Round, survivors: tuple[str, ...]) -> None:
        """Marks a round as spent and its sum as opened over these survivors.

        Called before a signature on them leaves. Whatever becomes of the round, its sum counts as
        opened from then on.

        Args:
            round_: The attempt.
            survivors: Names of the parties in the sum, in order.

        Raises:
            ProtocolError: As `spend`.
        """
        with self._lock:
            self._spend(round_)
            self._openings.append(Opening(round_.number, round_.attempt, survivors))

    def answered(self, round_: Round, step: int, announcement: bytes, answer: bytes) -> None:
        """Notes what a step of an attempt answered, before the answer leaves.

        A party that was stopped and goes on from a save answers a step again. With the same secrets
        it gives the same answer to the same announcement only: two masked vectors under one mask
        would differ by what was masked, and so by its data or its noise.

        Args:
            round_: The attempt, the latest one claimed.
            step: The place of the announcement in the attempt, from zero.
            announcement: What was answered.
            answer: The answer.

        Raises:
            ProtocolError: If the step had another announcement or answer, or the attempt is not the
                latest: the save is older than this register.
        """
        both = hashlib.sha256(announcement).digest() + hashlib.sha256(answer).digest()
        with self._lock:
            self._answered(round_, step, hashlib.sha256(both).digest())

    @property
    def spent(self) -> frozenset[int]:
        """The rounds whose sums this party may have helped to open."""
        with self._lock:
            return frozenset(self._spent)

    def knows(self, round_: Round) -> bool:
        """Whether an attempt is the latest one claimed."""
        with self._lock:
            return (round_.number, round_.attempt) == self._latest

    def _answered(self, round_: Round, step: int, digest: bytes) -> None:
        if (round_.number, round_.attempt) != self._latest:
            raise ProtocolError(f"{round_} is not the attempt that this party takes part in")
        if self._answers.setdefault(step, digest) != digest:
            raise ProtocolError(
                f"step {step} of {round_} had another announcement or answer: what goes on here is "
                "an older save, or a copy, of a run that went further, or the data have changed "
                "since. Start the party anew: it takes part again from the next attempt on"
            )

    @property
    def openings(self) -> tuple[Opening, ...]:
        """The openings that this party consented to, in order."""
        with self._lock:
            return tuple(self._openings)

    def _claim(self, round_: Round) -> None:
        if round_.number in self._spent:
            raise ProtocolError(
                f"{round_} is spent: this party has helped to open its sum, and a second sum over "
                "other survivors would tell them apart. Go on with the next round"
            )
        if (round_.number, round_.attempt) <= self._latest:
            raise ProtocolError(f"{round_} is not after what this party took part in: a replay")
        self._latest, self._answers = (round_.number, round_.attempt), {}

    def _spend(self, round_: Round) -> None:
        if round_.number in self._spent or (round_.number, round_.attempt) != self._latest:
            raise ProtocolError(f"{round_} is not the attempt that this party takes part in")
        self._spent.add(round_.number)


_TABLE: Final = """
CREATE TABLE IF NOT EXISTS attempts (
    plan BLOB NOT NULL,
    number INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    spent INTEGER NOT NULL,
    PRIMARY KEY (plan, number)
) STRICT
"""


class DurableRegister(RoundRegister):
    """A register in a file, which outlives crashes and serves threads and processes alike.

    What is claimed or spent is on the disk before `claim` and `spend` return, so before anything
    that depends on it leaves the party. One file serves one party under any number of plans; a copy
    or an older backup of it is another party's memory, and voids the promise.

    Args:
        path: The file, made if it is not there.
        plan: The plan whose rounds are remembered.

    Raises:
        ProtocolError: If the file cannot be read or written.
    """

    def __init__(self, path: Path, plan: Plan) -> None:
        super().__init__()
        # Resolved, since SQLite keeps what is called ":memory:" in memory.
        self._path, self._plan = path.resolve(), plan.hash
        with self._failing("open"):
            self._connection = sqlite3.connect(
                self._path, isolation_level=None, timeout=30, check_same_thread=False
            )
            try:
                self._connection.execute("PRAGMA synchronous=EXTRA")
                self._connection.execute("PRAGMA fullfsync=ON")
                self._connection.execute(_TABLE)
            except BaseException:
                self._connection.close()
                raise

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
        return f"DurableRegister({str(self._path)!r})"

    def claim(self, round_: Round) -> None:
        """See `RoundRegister.claim`; on the disk when it returns."""
        with self._transaction(round_):
            self._claim(round_)
            self._write(round_, spent=False)

    def spend(self, round_: Round) -> None:
        """See `RoundRegister.spend`; on the disk when it returns."""
        with self._transaction(round_):
            self._spend(round_)
            self._write(round_, spent=True)

    def close(self) -> None:
        """Closes the file."""
        with self._lock, self._failing("close"):
            self._connection.close()

    @contextmanager
    def _transaction(self, round_: Round) -> Iterator[None]:
        """Reads what is on the disk; what is written in between is there at the end, or nothing."""
        if round_.plan.hash != self._plan:
            raise ProtocolError(
                f"{round_}; this register is of plan {self._plan[:8].hex()}: each has its own"
            )
        with self._lock, self._failing("write"):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                rows = self._connection.execute(
                    "SELECT number, attempt, spent FROM attempts WHERE plan = ?", (self._plan,)
                ).fetchall()
                self._latest = max([(-1, 0), *((n, a) for n, a, _ in rows)])
                self._spent = {number for number, _, spent in rows if spent}
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite may have rolled back by itself, on a full disk for one.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _write(self, round_: Round, *, spent: bool) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?)",
            (self._plan, round_.number, round_.attempt, int(spent)),
        )

    @contextmanager
    def _failing(self, verb: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise ProtocolError(
                f"cannot {verb} the register of rounds {self._path}: {error}. Without it this "
                "party takes no part, or a round could be opened twice"
            ) from error
