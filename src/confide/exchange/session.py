"""One role's side of one round of an exchange: a state machine over bytes.

Each message is signed over the plan's hash, the round and attempt, the message's name, its sender
and its receiver, its content, and a hash of all messages that the two sent each other before it in
this round. A message is accepted only in the declared order, only once, and up to its declared
size. Any other message is an error and ends the session.

    while any(not session.done for session in sessions.values()):
        for session in sessions.values():
            while (parcel := session.send()) is not None:
                sessions[parcel.receiver].receive(parcel.data)

The carrier of the bytes sees keys and ciphertexts; a coordinator may relay them.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from confide import canonical
from confide.aggregation import Identity, Round
from confide.errors import ProtocolError, VerificationError
from confide.plan import Exchange, Message

__all__ = ["ExchangeSession", "Parcel", "Part"]

_AROUND: Final = 128
"""Bytes of the CBOR and the hash around a message's content."""


class Part(Protocol):
    """What one role computes in one round, between the messages."""

    def make(self, message: str) -> bytes:
        """The content of a message that the role sends.

        Args:
            message: Its name.
        """

    def take(self, message: str, content: bytes) -> None:
        """Reads the content of a message that the role receives.

        Args:
            message: Its name.
            content: As its sender made it, and as untrusted as the sender.

        Raises:
            ConfideError: If it is not what the message may hold.
        """

    @property
    def result(self) -> Any:
        """What the role learned; None if it learns nothing."""


@dataclass(frozen=True)
class Parcel:
    """A message on its way.

    Attributes:
        message: Its name.
        sender: The party that sends it.
        receiver: The party that it is for.
        data: The signed bytes.
    """

    message: str
    sender: str
    receiver: str
    data: bytes = field(repr=False)


class ExchangeSession:
    """A party's side of one attempt at a round of an exchange.

    Once a message with data of this party may have been sent, the round is used up: another attempt
    at it is refused, so nobody gets a second result of one round.

    Args:
        round_: The attempt.
        identity: The party, its signing key and what it remembers of rounds.
        part: What it computes.

    Raises:
        ProtocolError: If the round belongs to no exchange, or the party took part in it before.
        PlanError: If the party holds no role in it.
    """

    def __init__(self, round_: Round, identity: Identity, part: Part) -> None:
        exchange = round_.plan.stages[round_.plan.stage_of(round_.number)]
        if not isinstance(exchange, Exchange):
            raise ProtocolError(
                f"{round_} belongs to stage {exchange.name!r}, which is not an exchange"
            )
        self._round, self._exchange, self._identity, self._part = round_, exchange, identity, part
        self._role = exchange.role_of(identity.name)
        self._left = deque(m for m in exchange.messages if self._role in {m.sender, m.receiver})
        self._said: dict[str, bytes] = {}
        self._spent = self._over = False
        identity.register.claim(round_)

    @property
    def done(self) -> bool:
        """Whether all messages of the role were sent and received."""
        return not self._left and not self._over

    @property
    def result(self) -> Any:
        """What the role learned; None if it learns nothing.

        Raises:
            ProtocolError: If the round is not finished.
        """
        if not self.done:
            raise ProtocolError(f"{self._round} is not finished, so there is no result")
        return self._part.result

    def send(self) -> Parcel | None:
        """The next message, if it is this party's turn; None if the party waits or is done.

        Raises:
            ProtocolError: If the session is over, or the message is larger than declared.
        """
        self._require_open()
        if not self._left or self._left[0].sender != self._role:
            return None
        message = self._left.popleft()
        try:
            return self._sealed(message)
        except BaseException:
            self._over = True
            raise

    def receive(self, data: bytes) -> None:
        """Takes the next message.

        Raises:
            ProtocolError: If it is malformed, too large, repeated, out of order or not for this
                party. The session is over then.
            VerificationError: If the declared sender did not sign it for this place.
            ConfideError: If its content is not what the message may hold.
        """
        self._require_open()
        try:
            if not self._left or self._left[0].receiver != self._role:
                raise ProtocolError(
                    f"{self._identity.name!r} expects no message now in {self._round}: the "
                    "message is repeated or out of order"
                )
            message = self._left.popleft()
            self._part.take(message.name, self._opened(message, data))
        except BaseException:
            self._over = True
            raise

    def _sealed(self, message: Message) -> Parcel:
        content = self._part.make(message.name)
        if len(content) > message.max_bytes:
            raise ProtocolError(
                f"message {message.name!r} has {len(content):,} bytes, and the plan declares at "
                f"most {message.max_bytes:,}"
            )
        if message.form.holds_data and not self._spent:
            # Before the bytes are sent: a message that may have been sent counts as sent.
            self._identity.register.spend(self._round)
            self._spent = True
        receiver = self._exchange.party_of(message.receiver)
        payload = canonical.encode({"content": content, "said": self._before(receiver)})
        sender = self._identity.name
        data = self._round.seal(self._identity.key, sender, _kind(message, receiver), payload)
        self._note(receiver, data)
        return Parcel(message.name, sender, receiver, data)

    def _opened(self, message: Message, data: bytes) -> bytes:
        kind = _kind(message, self._identity.name)
        sender = self._exchange.party_of(message.sender)
        envelope = self._round.open(data, kind, message.max_bytes + _AROUND)
        if envelope.sender != sender:
            raise VerificationError(
                f"message {message.name!r} of {self._round} comes from {envelope.sender!r}; it is "
                f"declared to come from {sender!r}"
            )
        match canonical.decode(envelope.payload, message.max_bytes + _AROUND, 5):
            case {"content": bytes(content), "said": bytes(said), **others} if not others:
                pass
            case _:
                raise ProtocolError(f"message {message.name!r} lacks its content")
        if said != self._before(sender):
            raise VerificationError(
                f"message {message.name!r} of {self._round} answers other messages than these two "
                "parties sent each other: it is replayed, or somebody swapped one of them"
            )
        if len(content) > message.max_bytes:
            raise ProtocolError(
                f"message {message.name!r} has {len(content):,} bytes; the plan declares at most "
                f"{message.max_bytes:,}"
            )
        self._note(sender, data)
        return content

    def _before(self, other: str) -> bytes:
        """The hash of what this party and another sent each other so far in this round."""
        return self._said.get(other, hashlib.sha256(b"").digest())

    def _note(self, other: str, data: bytes) -> None:
        self._said[other] = hashlib.sha256(self._before(other) + data).digest()

    def _require_open(self) -> None:
        if self._over:
            raise ProtocolError(f"{self._round} is over: a message of it was refused")

    def __repr__(self) -> str:
        return f"ExchangeSession({self._identity.name!r}, {self._role}, {self._round})"


def _kind(message: Message, receiver: str) -> str:
    """What a signature names: the message and whom it is for."""
    return f"exchange {message.name} to {receiver}"
