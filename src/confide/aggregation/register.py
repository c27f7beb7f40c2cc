"""What a party remembers about rounds, so that no sum is opened twice and nobody is singled out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from confide.aggregation.envelope import Round
from confide.errors import ProtocolError
from confide.plan.exchange import Exchange
from confide.plan.openings import Opening
from confide.plan.plan import Plan
from confide.privacy.ledger.rounds import Attempt, Rounds

if TYPE_CHECKING:
    from confide.privacy.ledger import Ledger

__all__ = ["LedgerRegister", "RoundRegister"]


class RoundRegister:
    """Which attempts a party took part in, and which sums it helped to open, over whom.

    Attempts only increase, and a round that this party consented to is used up: no second sum of it
    is opened. One register serves one party under one plan, for as long as the plan is used. This
    one is lost when the process ends; see `LedgerRegister`.

    Args:
        spent: Rounds that are spent from the start, over parties that nobody knows.
        openings: Openings that are known from the start.
    """

    def __init__(self, spent: Iterable[int] = (), openings: Iterable[Opening] = ()) -> None:
        self._rounds: Rounds[tuple[str, ...]] = Rounds()
        for number, attempt, survivors in (
            *((o.number, o.attempt, o.survivors) for o in sorted(openings)),
            *((number, 0, ()) for number in spent),
        ):
            self._rounds.merge(number, attempt, survivors, spent=True)
        self._lock = Lock()

    def claim(self, round_: Round) -> None:
        """Claims an attempt.

        Raises:
            ProtocolError: If it, or a later one, was claimed before, or the round is spent.
        """
        attempt = _attempt(round_)
        with self._lock:
            self._rounds.check_claim(attempt)
            self._rounds.claim(attempt)

    def consent(self, round_: Round, survivors: tuple[str, ...]) -> None:
        """Marks a round as used, over these survivors, before the party helps to open its sum.

        Args:
            round_: The attempt, the latest claimed.
            survivors: The names of the parties in the sum.

        Raises:
            ProtocolError: If a later attempt was claimed, or the round was used up: a session that
            ran in parallel with its successor could open a second sum. Or if a survivor is not a
            party.
            OpeningError: If the combination with earlier sums is unknown, or may single out
            parties.
        """
        self._open(round_, _in_order(round_.plan, survivors))

    def spend(self, round_: Round) -> None:
        """Spends a round over survivors that this party does not learn.

        For protections without a set of survivors: in clear the coordinator sees each contribution
        anyway. Of an exchange the parties are known, and no sum is opened. Where all parties must
        be in a sum, they are its survivors; else the opening is over an unknown set.

        Raises:
            ProtocolError: See `consent`.
            OpeningError: See `consent`.
        """
        plan = round_.plan
        stage = plan.stages[plan.stage_of(round_.number)]
        if isinstance(stage, Exchange):
            self._open(round_, _in_order(plan, tuple(stage.parties)))
            return
        self._open(round_, () if plan.dropouts else plan.asked(round_.number))

    def answered(self, round_: Round, step: int, announcement: bytes, answer: bytes) -> None:
        """Records the answer of a step of an attempt, before it is sent.

        A party that was stopped and restored from a save answers a step again. With the same
        secrets it gives the same answer to the same announcement only: the difference of two
        vectors under one mask would show a difference of its data or its noise.

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
        self._answer(round_, step, hashlib.sha256(both).digest())

    def knows(self, round_: Round) -> bool:
        """Whether an attempt is the latest one claimed."""
        return _attempt(round_).place == self.latest

    @property
    def latest(self) -> tuple[int, int]:
        """The round and the attempt that were claimed last; (-1, 0) before the first."""
        with self._lock:
            return self._rounds.latest

    @property
    def spent(self) -> frozenset[int]:
        """The rounds whose sums this party may have helped to open."""
        return frozenset(opening.number for opening in self.openings)

    @property
    def openings(self) -> tuple[Opening, ...]:
        """What this party consented to, in order. The rounds in it are never opened again."""
        with self._lock:
            return tuple(Opening(*opening) for opening in self._rounds.openings)

    def _answer(self, round_: Round, step: int, digest: bytes) -> None:
        attempt = _attempt(round_)
        with self._lock:
            self._rounds.check_answer(attempt, step, digest)
            self._rounds.answer(step, digest)

    def _open(self, round_: Round, survivors: tuple[str, ...]) -> None:
        attempt = _attempt(round_)
        with self._lock:
            self._rounds.check_consent(attempt, survivors, exact=_exact(round_))
            self._rounds.consent(attempt, survivors)


class LedgerRegister(RoundRegister):
    """A register in the party's ledger: one durable store of charges, rounds and openings.

    What is claimed or consented to is on the disk before the method returns, so before anything
    that depends on it leaves the party. It outlives crashes and serves threads and processes alike.
    A restored backup of the ledger is another memory, which a signed head kept elsewhere shows
    (`Ledger.verify`).

    Args:
        ledger: The party's own ledger, open for as long as the register is used.
        plan: The plan whose rounds are remembered.
        datasets: The datasets in the ledger that contributions are computed from. Exact sums of a
            dataset, of all plans together, are over one crowd.

    Raises:
        OpeningError: If exact sums of a dataset were opened over another crowd than the plan's
            parties: nothing was computed yet.
        DataError: If a dataset is unknown to the ledger.
    """

    def __init__(self, ledger: Ledger, plan: Plan, datasets: Iterable[str] = ()) -> None:
        super().__init__()
        self._ledger, self._plan, self._datasets = ledger, plan, tuple(datasets)
        self._names = tuple(party.name for party in plan.parties)
        self._places = {name: place for place, name in enumerate(self._names)}
        self._fingerprints = tuple(hashlib.sha256(p.key).hexdigest() for p in plan.parties)
        if plan.exact:
            ledger.check_crowd(self._datasets, frozenset(self._fingerprints), plan.hash)

    def __repr__(self) -> str:
        return f"LedgerRegister({self._ledger!r}, {self._plan.short_hash})"

    def claim(self, round_: Round) -> None:
        """See `RoundRegister.claim`; on the disk when it returns."""
        self._check(round_)
        self._ledger.claim(*_attempt(round_))

    @property
    def openings(self) -> tuple[Opening, ...]:
        """See `RoundRegister.openings`; read from the disk."""
        return tuple(
            Opening(number, attempt, self._members(survivors))
            for number, attempt, survivors in self._ledger.openings(self._plan.hash)
        )

    @property
    def latest(self) -> tuple[int, int]:
        """See `RoundRegister.latest`; read from the disk."""
        return self._ledger.latest_attempt(self._plan.hash)

    def _answer(self, round_: Round, step: int, digest: bytes) -> None:
        self._check(round_)
        self._ledger.answered(*_attempt(round_), step=step, digest=digest)

    def _open(self, round_: Round, survivors: tuple[str, ...]) -> None:
        self._check(round_)
        places = [self._places[name] for name in survivors]
        self._ledger.consent(
            *_attempt(round_),
            survivors=self._bits(places),
            crowd=frozenset(self._fingerprints[place] for place in places),
            exact=_exact(round_),
            datasets=self._datasets,
        )

    def _check(self, round_: Round) -> None:
        if round_.plan.hash != self._plan.hash:
            raise ProtocolError(
                f"{round_}; this register is of plan {self._plan.short_hash}: each has its own"
            )

    def _bits(self, places: list[int]) -> bytes:
        if not places:
            return b""
        members = np.zeros(len(self._names), bool)
        members[places] = True
        return np.packbits(members, bitorder="little").tobytes()

    def _members(self, bits: bytes) -> tuple[str, ...]:
        members = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little")
        return tuple(self._names[place] for place in np.flatnonzero(members))


def _attempt(round_: Round) -> Attempt:
    return Attempt(round_.plan.hash, round_.number, round_.attempt)


def _exact(round_: Round) -> bool:
    """Whether a round opens a sum that the adversary sees without noise."""
    return round_.plan.exact and round_.plan.opens(round_.number)


def _in_order(plan: Plan, survivors: tuple[str, ...]) -> tuple[str, ...]:
    named = set(survivors)
    found = tuple(party.name for party in plan.parties if party.name in named)
    if not found or len(found) != len(survivors):
        raise ProtocolError(
            f"{len(survivors)} survivors, of whom {len(found)} are parties of plan "
            f"{plan.short_hash}; name each party in the sum once"
        )
    return found
