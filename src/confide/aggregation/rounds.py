"""Driving one round in memory: which protection, which machines, message by message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from confide.aggregation.enclave import Aggregator
from confide.aggregation.enclave.machinery import ENCLAVE
from confide.aggregation.envelope import Round
from confide.aggregation.machinery import machinery_of, register
from confide.aggregation.session import (
    Announcer,
    Contribution,
    CoordinatorSession,
    Identity,
    PartySession,
    RoundResult,
)
from confide.aggregation.sharing.sizes import SHARING_KINDS
from confide.errors import PlanError
from confide.plan.plan import Plan
from confide.plan.protection import Enclave

__all__ = [
    "MESSAGE_KINDS",
    "Traffic",
    "coordinator_session",
    "message_kinds",
    "party_session",
    "run_round",
]

register(Enclave, ENCLAVE)

MESSAGE_KINDS: Final = ("challenge", *SHARING_KINDS)
"""All kinds of messages that a party sends under the protections of this package, in order."""


def party_session(
    round_: Round, identity: Identity, state_hash: bytes, contribution: Contribution
) -> PartySession:
    """A party's session under the plan's protection."""
    made = machinery_of(round_.plan.aggregation)
    return made.party(round_, identity, state_hash, contribution)


def coordinator_session(
    round_: Round,
    state_hash: bytes,
    invited: tuple[str, ...],
    aggregator: Aggregator | None = None,
    announcer: Announcer | None = None,
) -> CoordinatorSession:
    """A coordinator's session under the plan's protection.

    Args:
        round_: The attempt.
        state_hash: Hash of the state that this round contributes to.
        invited: Names of the parties to ask.
        aggregator: What runs in the enclave, for a plan that has one.
        announcer: Who signs announcements, with the openings so far; simulated if omitted.

    Raises:
        PlanError: If the plan has an enclave and no aggregator is given, or an invited party is
            not in the plan or is invited twice.
    """
    for name in invited:
        round_.plan.party(name)
    if len({*invited}) < len(invited):
        raise PlanError(f"{len(invited)} names are invited to {round_}; name each party once")
    made = machinery_of(round_.plan.aggregation)
    return made.coordinator(round_, state_hash, invited, announcer or Announcer(), aggregator)


def message_kinds(plan: Plan) -> tuple[str, ...]:
    """The kinds of messages that a party sends in a round, in order."""
    return machinery_of(plan.aggregation).kinds_of(plan)


@dataclass
class Traffic:
    """Bytes that each party sent and received."""

    sent: dict[str, int] = field(default_factory=dict)
    received: dict[str, int] = field(default_factory=dict)

    def count(self, name: str, *, message: bytes | memoryview, answer: bytes = b"") -> None:
        """Counts one message to a party and its answer, if it has one."""
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
            asked: Mapping[str, bytes] = {name: message}
            while asked:
                answer = parties[name].receive(asked[name])
                if traffic is not None:
                    traffic.count(name, message=asked[name], answer=answer)
                asked = coordinator.receive(answer)
        outbox = coordinator.advance()
    return coordinator.result
