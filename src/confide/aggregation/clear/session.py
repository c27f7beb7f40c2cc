"""Aggregation in clear: the coordinator reads each contribution and adds.

One step, of one message or several chunks. The contribution is signed, and the coordinator checks
that it lies within the party range, which no masked sum can offer.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from confide import canonical
from confide.aggregation.chunks import CHUNK, Incoming, Outgoing, is_chunk, pieces_of
from confide.aggregation.encoding import Integers
from confide.aggregation.envelope import (
    PAYLOAD_ITEMS,
    Round,
    fields_of,
)
from confide.aggregation.modular import Layout
from confide.aggregation.session import (
    Announcer,
    Contribution,
    FalseShare,
    Identity,
    Released,
    RoundResult,
    totals_of,
)
from confide.errors import DropoutError, ProtocolError, VerificationError
from confide.plan.openings import Opening

__all__ = ["ClearCoordinator", "ClearParty", "contribution_payload"]

_OPEN_BYTES = 1024


def contribution_payload(round_: Round, state_hash: bytes, integers: Integers) -> bytes:
    """A contribution in clear of one chunk, as `ClearCoordinator` takes it.

    Args:
        round_: The attempt.
        state_hash: Hash of the state that is contributed to.
        integers: The party's lattice integers, shape `(group.size,)`.
    """
    layout = Layout.of_contribution(round_.part)
    return canonical.encode({"state": state_hash, "vector": layout.pack(integers)})


class ClearParty:
    """A party's side: see `confide.aggregation.session.PartySession`."""

    def __init__(
        self, round_: Round, identity: Identity, state_hash: bytes, contribution: Contribution
    ) -> None:
        identity.register.claim(round_)
        self._round, self._identity = round_, identity
        self._state_hash, self._contribution = state_hash, contribution
        self._over = False
        self._outgoing: Outgoing | None = None

    def receive(self, message: bytes) -> bytes:
        """Answers the first message with the contribution, and others with its chunks."""
        if self._over:
            raise ProtocolError(f"a message after the end of {self._round}")
        self._over = True
        if self._outgoing is not None:
            return self._give(self._outgoing, message)
        said = self._round.read_announcement(message, "open", _OPEN_BYTES)
        (state_hash,) = fields_of(said, state=bytes)
        if state_hash != self._state_hash:
            raise VerificationError(
                f"the coordinator opens {self._round} with another state than ours"
            )
        self._identity.register.spend(self._round)
        payload = self._payload(self._contribution())
        return self._round.seal(self._identity.key, self._identity.name, "contribution", payload)

    def _payload(self, integers: Integers) -> bytes:
        pieces = pieces_of(Layout.of_contribution(self._round.part), self._round.plan)
        if len(pieces) == 1:
            return contribution_payload(self._round, self._state_hash, integers)
        self._outgoing = Outgoing(piece.pack(integers[where]) for where, piece in pieces)
        self._over = False
        return self._outgoing.head(self._state_hash)

    def _give(self, outgoing: Outgoing, message: bytes) -> bytes:
        said = self._round.read_announcement(message, CHUNK, _OPEN_BYTES)
        (index,) = fields_of(said, index=int)
        chunk = outgoing.give(index, self._identity.name)
        if outgoing.over:
            self._over, self._outgoing = True, None
        else:
            self._over = False
        return chunk

    def accept(self, result: Released) -> Integers:
        """Nothing here tells a false sum from a true one."""
        return totals_of(result)


class ClearCoordinator:
    """The coordinator's side: see `confide.aggregation.session.CoordinatorSession`."""

    def __init__(
        self,
        round_: Round,
        state_hash: bytes,
        invited: tuple[str, ...],
        announcer: Announcer | None = None,
    ) -> None:
        self._announcer = announcer or Announcer()
        self._round, self._state_hash, self._invited = round_, state_hash, invited
        self._layout = Layout.of_contribution(round_.part)
        self._total = np.zeros(self._layout.size, np.int64)
        self._pieces = pieces_of(self._layout, round_.plan)
        sizes = [piece.wire_bytes for _, piece in self._pieces]
        self._incoming = Incoming(round_, sizes, len(state_hash), self._announcer.key)
        self._seen: set[str] = set()
        self._over = False

    def open(self) -> Mapping[str, bytes]:
        """Asks every invited party for its contribution."""
        return dict.fromkeys(self._invited, self._announce("open", state=self._state_hash))

    def receive(self, message: bytes) -> Mapping[str, bytes]:
        """Adds a contribution."""
        if self._over:
            raise ProtocolError(f"a message after the end of {self._round}")
        if is_chunk(message):
            return self._take_chunk(message)
        envelope = self._round.open(message, "contribution", self._pieces[0][1].wire_bytes + 128)
        sender, payload = envelope.sender, envelope.payload
        known = sender in self._seen or sender in self._incoming
        if known or sender not in self._invited:
            raise ProtocolError(f"a second or uninvited contribution of {sender!r}")
        if self._incoming.chunked:
            return {sender: self._incoming.begin(sender, payload)}
        values = canonical.decode(payload, len(payload), PAYLOAD_ITEMS)
        state, vector = fields_of(values, state=bytes, vector=bytes)
        self._take(sender, state, [vector])
        return {}

    def _take_chunk(self, message: bytes) -> Mapping[str, bytes]:
        sender, given = self._incoming.take(message)
        if isinstance(given, bytes):
            return {sender: given}
        self._take(sender, given.beside, given.chunks)
        return {}

    def _take(self, sender: str, state: bytes, chunks: list[bytes]) -> None:
        """Adds a contribution whose chunks are there; they are let go of on the way."""
        if state != self._state_hash:
            raise VerificationError(f"{sender!r} contributes to another state")
        integers = np.empty(self._layout.size, np.int64)
        for where, piece in reversed(self._pieces):
            integers[where] = piece.to_integers(piece.unpack(chunks.pop()))
        self._check_range(sender, integers)
        self._add(sender, integers)
        self._seen.add(sender)

    def _announce(self, kind: str, **values: object) -> bytes:
        return self._round.announce(self._announcer.key, kind, **values)

    def advance(self) -> Mapping[str, bytes]:
        """Ends the round."""
        plan = self._round.plan
        self._incoming.drop()
        if len(self._seen) < self._round.min_survivors:
            asked = len(plan.asked(self._round.number))
            raise DropoutError(
                f"{len(self._seen)} of {asked} parties contributed to {self._round}; "
                f"the plan allows {plan.dropouts} dropouts. No sum is released"
            )
        self._over = True
        return {}

    @property
    def awaits(self) -> str:
        """The one kind there is."""
        return "contribution"

    @property
    def opening(self) -> Opening | None:
        """Whose contributions were added up, once the round is over."""
        if not self._over:
            return None
        return Opening(self._round.number, self._round.attempt, tuple(sorted(self._seen)))

    @property
    def false_shares(self) -> tuple[FalseShare, ...]:
        """None: nothing is shared."""
        return ()

    @property
    def result(self) -> RoundResult:
        """The sum over those who contributed."""
        if not self._over:
            raise ProtocolError(f"{self._round} is not finished")
        return RoundResult(tuple(sorted(self._seen)), self._combined())

    def _add(self, sender: str, integers: Integers) -> None:
        """Takes a contribution that was checked."""
        del sender
        self._total += integers

    def _combined(self) -> Integers:
        """What the contributions come to."""
        return self._total

    def _check_range(self, sender: str, integers: Integers) -> None:
        start = 0
        for declared in self._round.part.sums.sums:
            part = integers[start : start + declared.size]
            limit = declared.lattice.party_range
            most = max(int(part.max()), -int(part.min()))
            if most > limit:
                raise VerificationError(
                    f"{sender!r} contributes {most:,} lattice steps to {declared.name!r}; its "
                    f"range is {limit:,}"
                )
            start += declared.size
