"""The coordinator's side of a round in which secrets are shared and survivors signed.

It relays, counts who is left, and adds up vectors as they arrive. It holds one vector, whatever the
number of parties, and the chunks of contributions that are on their way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np

from confide import canonical
from confide.aggregation.chunks import Incoming, is_chunk
from confide.aggregation.complaints import (
    COMPLAINT,
    Complaint,
    is_complaint,
    leaving,
    liars_of,
    read_complaint,
)
from confide.aggregation.encoding import Integers
from confide.aggregation.envelope import Round
from confide.aggregation.session import Announcer, FalseShare, RoundResult
from confide.aggregation.sharing import wire
from confide.errors import ComplaintError, DropoutError, ProtocolError
from confide.plan.openings import Opening

__all__ = ["Outbox", "SharingCoordinator"]

Outbox = Mapping[str, bytes]


class SharingCoordinator(ABC):
    """The coordinator's side: see `confide.aggregation.session.CoordinatorSession`.

    Args:
        round_: The attempt.
        state_hash: Hash of the state that this round contributes to.
        invited: Names of the parties to ask.
        announcer: Who signs announcements, with the openings so far.
        sealed_bytes: Bytes of a party's encrypted shares for one neighbour.
        chunks: Bytes of each chunk of a contribution; of a short one there is one.
        beside: Bytes that stand before a contribution.
    """

    protocol: ClassVar[str]
    """The name that stands in the transcript."""

    asks_to_open: ClassVar[str]
    """The announcement that asks for the shares of the survivors' secrets."""

    def __init__(
        self,
        round_: Round,
        state_hash: bytes,
        invited: tuple[str, ...],
        announcer: Announcer | None,
        *,
        sealed_bytes: int,
        chunks: Sequence[int],
        beside: int = 0,
    ) -> None:
        self._round, self._masking = round_, round_.plan.masking
        self._names = [p.name for p in round_.plan.parties]
        self._index = {name: i for i, name in enumerate(self._names)}
        self._announcer = announcer or Announcer()
        self._history = wire.history_to_bytes(self._announcer.history, self._names)
        start = wire.start_transcript(self.protocol, round_, state_hash)
        self._start = wire.chain(start, "history", self._history)
        self._transcript = self._start
        self._sealed_bytes = sealed_bytes
        self._limit = wire.message_limit(round_, sealed_bytes, beside + max(chunks))
        self._beside, self._incoming = beside, Incoming(round_, chunks, beside, self._announcer.key)
        self._adverts: dict[int, bytes] = {}
        self._sealed_shares: dict[int, bytes] = {}
        self._consents: dict[int, bytes] = {}
        self._complaints: dict[str, Complaint] = {}
        self._false_shares: tuple[FalseShare, ...] = ()
        self._opening: Opening | None = None
        self._result: RoundResult | None = None
        self._members = np.isin(self._names, invited)
        self._await("advertise", self._take_advert, self._close_adverts)

    def open(self) -> Outbox:
        """Asks the invited parties to advertise their keys."""
        return self._to_all("open", history=self._history)

    def receive(self, message: bytes) -> Outbox:
        """Takes one answer of this step."""
        if not self._kind:
            raise ProtocolError(f"a message after the end of {self._round}")
        if self._kind == "contribution" and is_chunk(message):
            return self._take_chunk(message)
        complains = self._kind == "contribution" and is_complaint(message)
        kind = COMPLAINT if complains else self._kind
        envelope = self._round.open(message, kind, self._limit)
        index = self._index[envelope.sender]
        answered = self._answered[index] or envelope.sender in self._complaints
        if not self._members[index] or answered or envelope.sender in self._incoming:
            raise ProtocolError(f"a second or unasked {kind!r} message of {envelope.sender!r}")
        if complains:
            self._take_complaint(index, envelope.payload)
            return {}
        if self._kind == "contribution" and self._incoming.chunked:
            return {envelope.sender: self._incoming.begin(envelope.sender, envelope.payload)}
        self._take(index, envelope.payload, message)
        self._answered[index] = True
        return {}

    def advance(self) -> Outbox:
        """Closes the step."""
        if not self._kind:
            return {}
        if self._kind == "contribution" and self._complaints:
            self._settle_complaints()
        left = int(self._answered.sum())
        if left < self._round.min_survivors:
            plan = self._round.plan
            raise DropoutError(
                f"{left} of {len(plan.asked(self._round.number))} parties answered {self._kind!r} "
                f"in {self._round}; the plan allows {plan.dropouts} dropouts. No sum is released"
            )
        self._incoming.drop()
        before, self._members = self._members, self._answered
        return self._close(before)

    @property
    def awaits(self) -> str:
        """The kind of message that this step takes."""
        return self._kind

    @property
    def opening(self) -> Opening | None:
        """The survivors that were announced in this attempt, or None before."""
        return self._opening

    @property
    def false_shares(self) -> tuple[FalseShare, ...]:
        """Shares that were found to be false, and who opened them; the sum is right without."""
        return self._false_shares

    @property
    def complaints(self) -> Mapping[str, Complaint]:
        """Who complained of whose share in this attempt, by who did."""
        return dict(self._complaints)

    @property
    def result(self) -> RoundResult:
        """The sum over the survivors."""
        if self._result is None:
            raise ProtocolError(f"{self._round} is not finished")
        return self._result

    # --- what each protocol does by itself -------------------------------------------------------

    @abstractmethod
    def _take_advert(self, index: int, payload: bytes, message: bytes) -> None:
        """Takes a party's public keys."""

    @abstractmethod
    def _close_adverts(self, before: wire.Members) -> Outbox:
        """Ends with `_send_neighbours`, at once or a step later."""

    @abstractmethod
    def _neighbours_of(self, index: int) -> list[int]:
        """Who holds shares of a party's secrets."""

    @abstractmethod
    def _take_vector(self, index: int, beside: bytes, chunks: list[bytes]) -> None:
        """Adds a contribution, of which nothing is added if it is refused.

        Args:
            index: Whose.
            beside: What stands before it.
            chunks: Its chunks, which may be let go of one by one.
        """

    def _said_of_survivors(self, index: int) -> Mapping[str, bytes]:
        """What a party is told beside the survivors before it consents."""
        del index
        return {}

    @abstractmethod
    def _take_opened(self, index: int, payload: bytes, message: bytes) -> None:
        """Takes the shares that a survivor opens."""

    @abstractmethod
    def _open_total(self) -> Integers:
        """The sum over the survivors, from what they opened."""

    # --- steps that protocols have in common -----------------------------------------------------

    def _enter_roster(self) -> bytes:
        self._present = self._members
        present = wire.members_to_bytes(self._present)
        self._transcript = wire.chain(self._transcript, "roster", present)
        return present

    def _send_neighbours(self, **said: bytes) -> Outbox:
        self._neighbours = {
            int(i): [j for j in self._neighbours_of(int(i)) if self._present[j]]
            for i in np.flatnonzero(self._present)
        }
        self._places = {
            i: {other: place for place, other in enumerate(around)}
            for i, around in self._neighbours.items()
        }
        self._await("shares", self._take_shares, self._close_shares)
        return self._to(
            self._members,
            lambda i: self._announce(
                "neighbours", adverts=[self._adverts[j] for j in self._neighbours[i]], **said
            ),
        )

    def _take_shares(self, index: int, payload: bytes, _: bytes) -> None:
        wire.split(payload, self._sealed_bytes, len(self._neighbours[index]))
        self._sealed_shares[index] = payload

    def _close_shares(self, _: wire.Members) -> Outbox:
        self._sharers = self._members
        sharers = wire.members_to_bytes(self._sharers)
        self._transcript = wire.chain(self._transcript, "sharers", sharers)
        self._await("contribution", self._take_whole, self._close_vectors)
        outbox = self._to(
            self._members,
            lambda i: self._announce("deliver", sharers=sharers, ciphertexts=self._shares_for(i)),
        )
        self._sealed_shares.clear()
        return outbox

    def _shares_for(self, index: int) -> bytes:
        """The encrypted shares that a party's neighbours made for it, in their order."""
        pieces, size = [], self._sealed_bytes
        for sender in self._neighbours[index]:
            if self._sharers[sender]:
                start = self._places[sender][index] * size
                pieces.append(self._sealed_shares[sender][start : start + size])
        return b"".join(pieces)

    def _take_whole(self, index: int, payload: bytes, _: bytes) -> None:
        self._take_vector(index, payload[: self._beside], [payload[self._beside :]])

    def _take_chunk(self, message: bytes) -> Outbox:
        sender, given = self._incoming.take(message)
        if isinstance(given, bytes):
            return {sender: given}
        self._take_vector(self._index[sender], given.beside, given.chunks)
        self._answered[self._index[sender]] = True
        return {}

    def _take_complaint(self, index: int, payload: bytes) -> None:
        sharers = {self._names[i] for i in self._neighbours[index] if self._sharers[i]}
        accuser = self._names[index]
        self._complaints[accuser] = read_complaint(payload, sharers, accuser)

    def _settle_complaints(self) -> None:
        """Ends the attempt, if enough parties are left without those who accuse and are accused.

        Otherwise whoever complained counts as missing, and the others go on.
        """
        plan = self._round.plan
        absent = leaving(self._complaints, plan.owners, liars_of(plan))
        there = {self._names[i] for i in np.flatnonzero(self._answered)} | self._complaints.keys()
        if len(there - {*absent}) >= self._round.min_survivors:
            said = "; ".join(f"{a} of {c.accused}" for a, c in sorted(self._complaints.items()))
            raise ComplaintError(
                f"parties complain of shares in {self._round}: {said}. Start again without "
                f"{', '.join(absent)}",
                absent,
            )

    def _close_vectors(self, _: wire.Members) -> Outbox:
        self._survivors = self._members
        names = tuple(self._names[i] for i in np.flatnonzero(self._survivors))
        self._opening = Opening(self._round.number, self._round.attempt, names)
        survivors = wire.members_to_bytes(self._survivors)
        if not self._masking.quorum:
            return self._ask_to_open(survivors=survivors)
        self._await("consent", self._take_consent, self._close_consents)
        return self._to(
            self._members,
            lambda i: self._announce(
                "survivors", survivors=survivors, **self._said_of_survivors(i)
            ),
        )

    def _take_consent(self, index: int, payload: bytes, message: bytes) -> None:
        if payload != wire.consent_payload(self._transcript, self._survivors):
            raise ProtocolError(f"{self._names[index]!r} consents to something else")
        self._consents[index] = canonical.decode(message, len(message))[3]

    def _close_consents(self, _: wire.Members) -> Outbox:
        signatures = b"".join(self._consents[i] for i in sorted(self._consents))
        return self._ask_to_open(
            signers=wire.members_to_bytes(self._members), signatures=signatures
        )

    def _ask_to_open(self, **said: bytes) -> Outbox:
        self._await("opened", self._take_opened, self._close_opened)
        return self._to_all(self.asks_to_open, **said)

    def _close_opened(self, _: wire.Members) -> Outbox:
        self._kind = ""
        del self._take, self._close  # They refer to this session, which would outlive its use.
        assert self._opening is not None  # noqa: S101 - announced two steps before
        self._result = RoundResult(self._opening.survivors, self._open_total())
        return {}

    # --- bookkeeping -----------------------------------------------------------------------------

    def _await(
        self,
        kind: str,
        take: Callable[[int, bytes, bytes], None],
        close: Callable[[wire.Members], Outbox],
    ) -> None:
        self._kind = kind
        self._take, self._close = take, close
        self._answered = np.zeros(self._masking.parties, bool)

    def _announce(self, kind: str, **values: object) -> bytes:
        return self._round.announce(self._announcer.key, kind, **values)

    def _to_all(self, kind: str, **values: object) -> Outbox:
        """One announcement for everybody who is there, signed once."""
        message = self._announce(kind, **values)
        return self._to(self._members, lambda _: message)

    def _to(self, members: wire.Members, message: Callable[[int], bytes]) -> Outbox:
        return {self._names[i]: message(int(i)) for i in np.flatnonzero(members)}
