"""Whether a node may be used now, and if not, why.

The members' statements about evidence do not decide: the evidence in the registry is verified
again, under the reader's own policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from confide.errors import AttestationError
from confide.tee.attestation import Assurance
from confide.tee.verification import AttestedPeer

from confide_operator.registry.statements import NodeProposed

if TYPE_CHECKING:
    from confide_operator.registry.state import Proposal, State

__all__ = ["Found", "NodeHealth", "health_of"]

SIMULATED: Final = "SIMULATED: no hardware is behind it, and it protects nothing"

_SKEW_SECONDS: Final = 60
"""By how much clocks may differ."""


@dataclass(frozen=True)
class NodeHealth:
    """A node at a time.

    Attributes:
        name: Its name for readers.
        platform: Its hardware.
        identifier: What its evidence names it by.
        approval: 'pending', 'accepted' or 'rejected'.
        assurance: Of its last attestation, verified here: 'hardware', 'simulated', or empty.
        attested: When it was last attested with success, seconds since 1970.
        due: When it must be attested again at the latest.
        heartbeat: When it last sent a heartbeat.
        problems: Why it may not be used; none if it may.
        warnings: Warnings, even if it may be used.
    """

    name: str
    platform: str
    identifier: str
    approval: str
    assurance: str
    attested: int | None
    due: int | None
    heartbeat: int | None
    problems: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def usable(self) -> bool:
        """Whether it may be used."""
        return not self.problems


Found = AttestedPeer | AttestationError | None
"""What verifying a node's last attestation again found; None if nobody did."""


def health_of(
    state: State, proposal: Proposal, found: Found, heartbeat: int | None, time: int
) -> NodeHealth:
    """Says how a node is at a time.

    Args:
        state: Of the registry.
        proposal: The node.
        found: What verifying its last attestation again found.
        heartbeat: When it last sent a heartbeat, or None.
        time: Seconds since 1970.
    """
    assert isinstance(proposal.subject, NodeProposed)  # noqa: S101 - callers choose nodes
    assert state.founded is not None  # noqa: S101 - a registry has been founded
    subject, status = proposal.subject, state.status(proposal)
    fact = proposal.last_held
    peer = found if isinstance(found, AttestedPeer) else None
    due = None
    if fact is not None and peer is not None:
        expires = int(peer.attestation.expires.timestamp())
        due = min(fact.time + state.founded.reattest_seconds, expires)
    problems = [] if status == "accepted" else [f"it is {status}"]
    problems += _attestation(proposal, found, due, time)
    problems += _silence(state.founded.heartbeat_seconds, heartbeat, time)
    assurance = peer.assurance.value if peer is not None else ""
    said = fact.assurance if fact is not None else ""
    return NodeHealth(
        name=subject.name,
        platform=subject.platform,
        identifier=subject.identifier,
        approval=status,
        assurance=assurance,
        attested=fact.time if fact else None,
        due=due,
        heartbeat=heartbeat,
        problems=tuple(problems),
        warnings=(SIMULATED,) if Assurance.SIMULATED.value in (assurance, said) else (),
    )


def _attestation(proposal: Proposal, found: Found, due: int | None, time: int) -> list[str]:
    problems = []
    fact = proposal.last_held
    if fact is None:
        problems.append("it was never attested")
    elif found is None:
        problems.append("its evidence was not verified here: give a policy")
    elif isinstance(found, AttestationError):
        problems.append(f"its evidence does not hold here, at {found.step.value}: {found}")
    if fact is not None and fact.time > time + _SKEW_SECONDS:
        problems.append("its attestation is of the future")
    if due is not None and time > due:
        problems.append("its attestation is overdue")
    last = proposal.attestations[-1][1] if proposal.attestations else None
    if last is not None and last.failed:
        problems.append(f"its last attestation failed at {last.failed}: {last.reason}")
    return problems


def _silence(allowed: int, heartbeat: int | None, time: int) -> list[str]:
    if not allowed:
        return []
    if heartbeat is None:
        return ["it never sent a heartbeat"]
    silent = time - heartbeat
    return [f"it is silent for {silent:,} seconds"] if silent > allowed else []
