"""Aggregation in clear: the coordinator reads each contribution and adds.

One step. The contribution is signed, and the coordinator checks that it lies within the party
range, which no masked sum can offer.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from confide import canonical
from confide.aggregation.encoding import Integers
from confide.aggregation.envelope import (
    PAYLOAD_ITEMS,
    Round,
    fields_of,
)
from confide.aggregation.modular import Layout
from confide.aggregation.session import Announcer, Contribution, Identity, RoundResult
from confide.errors import DropoutError, ProtocolError, VerificationError
from confide.plan.openings import Opening

__all__ = ["ClearCoordinator", "ClearParty", "contribution_payload"]

_OPEN_BYTES = 1024


def contribution_payload(round_: Round, state_hash: bytes, integers: Integers) -> bytes:
    """A contribution in clear, as `ClearCoordinator` takes it.

    Args:
        round_: The attempt.
        state_hash: Hash of the state that is contributed to.
        integers: The party's lattice integers, shape `(group.size,)`.
    """
    layout = Layout.of_contribution(round_.part)
    vector = layout.pack(layout.to_words(integers))
    return canonical.encode({"state": state_hash, "vector": vector})


class ClearParty:
    """A party's side: see `confide.aggregation.session.PartySession`."""

    def __init__(
        self, round_: Round, identity: Identity, state_hash: bytes, contribution: Contribution
    ) -> None:
        identity.register.claim(round_)
        self._round, self._identity = round_, identity
        self._state_hash, self._contribution = state_hash, contribution
        self._over = False

    def receive(self, message: bytes) -> bytes:
        """Answers the one message there is with the contribution."""
        if self._over:
            raise ProtocolError(f"a message after the end of {self._round}")
        self._over = True
        said = self._round.read_announcement(message, "open", _OPEN_BYTES)
        (state_hash,) = fields_of(said, state=bytes)
        if state_hash != self._state_hash:
            raise VerificationError(
                f"the coordinator opens {self._round} with another state than ours"
            )
        self._identity.register.spend(self._round)
        payload = contribution_payload(self._round, state_hash, self._contribution())
        return self._round.seal(self._identity.key, self._identity.name, "contribution", payload)

    def accept(self, result: RoundResult) -> None:
        """Nothing here tells a false sum from a true one."""
        del result


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
        self._seen: set[str] = set()
        self._over = False

    def open(self) -> Mapping[str, bytes]:
        """Asks every invited party for its contribution."""
        said = self._round.announce(self._announcer.key, "open", state=self._state_hash)
        return dict.fromkeys(self._invited, said)

    def receive(self, message: bytes) -> None:
        """Adds a contribution."""
        if self._over:
            raise ProtocolError(f"a message after the end of {self._round}")
        envelope = self._round.open(message, "contribution", self._layout.wire_bytes + 128)
        if envelope.sender in self._seen or envelope.sender not in self._invited:
            raise ProtocolError(f"a second or uninvited contribution of {envelope.sender!r}")
        values = canonical.decode(envelope.payload, len(envelope.payload), PAYLOAD_ITEMS)
        state, vector = fields_of(values, state=bytes, vector=bytes)
        if state != self._state_hash:
            raise VerificationError(f"{envelope.sender!r} contributes to another state")
        integers = self._layout.to_integers(self._layout.unpack(vector))
        self._check_range(envelope.sender, integers)
        self._add(envelope.sender, integers)
        self._seen.add(envelope.sender)

    def advance(self) -> Mapping[str, bytes]:
        """Ends the round."""
        plan = self._round.plan
        if len(self._seen) < plan.min_survivors:
            raise DropoutError(
                f"{len(self._seen)} of {len(plan.parties)} parties contributed to {self._round}; "
                f"the plan bears {plan.dropouts} dropouts. No sum is released"
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
