"""Driving one round in memory: which protection, which machines, message by message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from confide.aggregation.clear import ClearCoordinator, ClearParty
from confide.aggregation.encrypted import EncryptedCoordinator, EncryptedParty
from confide.aggregation.envelope import Round
from confide.aggregation.masked import MaskedCoordinator, MaskedParty
from confide.aggregation.session import (
    Contribution,
    CoordinatorSession,
    Identity,
    PartySession,
    RoundResult,
)
from confide.plan.plan import Plan
from confide.plan.protection import Clear, Encrypted, Masked

__all__ = [
    "MESSAGE_KINDS",
    "Traffic",
    "coordinator_session",
    "message_kinds",
    "party_session",
    "run_round",
]

PartyFactory = Callable[[Round, Identity, bytes, Contribution], PartySession]
CoordinatorFactory = Callable[[Round, bytes, tuple[str, ...]], CoordinatorSession]

_SESSIONS: Final[Mapping[type, tuple[PartyFactory, CoordinatorFactory]]] = {
    Clear: (ClearParty, ClearCoordinator),
    Masked: (MaskedParty, MaskedCoordinator),
    Encrypted: (EncryptedParty, EncryptedCoordinator),
}

MESSAGE_KINDS: Final = ("advertise", "reveal", "shares", "contribution", "consent", "opened")
"""All kinds of messages that a party sends under any protection, in order."""


def party_session(
    round_: Round, identity: Identity, state_hash: bytes, contribution: Contribution
) -> PartySession:
    """A party's session under the plan's protection."""
    return _SESSIONS[type(round_.plan.aggregation)][0](round_, identity, state_hash, contribution)


def coordinator_session(
    round_: Round, state_hash: bytes, invited: tuple[str, ...]
) -> CoordinatorSession:
    """A coordinator's session under the plan's protection."""
    return _SESSIONS[type(round_.plan.aggregation)][1](round_, state_hash, invited)


def message_kinds(plan: Plan) -> tuple[str, ...]:
    """The kinds of messages that a party sends in a round, in order."""
    if isinstance(plan.aggregation, Clear):
        return ("contribution",)
    absent = {"reveal"} if plan.masking.complete else set()
    if not plan.masking.quorum:
        absent.add("consent")
    return tuple(kind for kind in MESSAGE_KINDS if kind not in absent)


@dataclass
class Traffic:
    """Bytes that each party sent and received."""

    sent: dict[str, int] = field(default_factory=dict)
    received: dict[str, int] = field(default_factory=dict)

    def count(self, name: str, *, message: bytes, answer: bytes) -> None:
        """Counts one message to a party and its answer."""
        self.received[name] = self.received.get(name, 0) + len(message)
        self.sent[name] = self.sent.get(name, 0) + len(answer)


def run_round(
    coordinator: CoordinatorSession,
    parties: Mapping[str, PartySession],
    *,
    answers: Callable[[str, str], bool] = lambda _name, _kind: True,
    traffic: Traffic | None = None,
) -> RoundResult:
    """Runs one attempt in memory.

    Args:
        coordinator: The coordinator's session.
        parties: The parties' sessions, by name.
        answers: Whether a party sends its message of a kind; once it does not, it is gone.
        traffic: Counts the bytes, if given.

    Raises:
        DropoutError: If too few parties answer; nothing is released.
        ProtocolError: If somebody breaks the protocol.
    """
    gone: set[str] = set()
    outbox = coordinator.open()
    while outbox:
        for name, message in outbox.items():
            if name in gone or not answers(name, coordinator.awaits):
                gone.add(name)
                continue
            answer = parties[name].receive(message)
            coordinator.receive(answer)
            if traffic is not None:
                traffic.count(name, message=message, answer=answer)
        outbox = coordinator.advance()
    return coordinator.result
