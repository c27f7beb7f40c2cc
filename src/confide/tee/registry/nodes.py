"""Whether a node may be used now, and if not, why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from confide.tee.attestation import Assurance
from confide.tee.registry.statements import NodeProposed

if TYPE_CHECKING:
    from confide.tee.registry.state import Proposal, State

__all__ = ["NodeHealth", "health_of"]

_SKEW_SECONDS: Final = 60
"""By how much clocks may differ."""


@dataclass(frozen=True)
class NodeHealth:
    """A node at a time.

    Attributes:
        name: What people call it.
        platform: Its hardware.
        identifier: What its evidence names it by.
        approval: 'pending', 'accepted' or 'rejected'.
        assurance: Of its last attestation: 'hardware', 'simulated', or empty.
        attested: When it was last attested with success, seconds since 1970.
        due: When it must be attested again at the latest.
        heartbeat: When it last gave a sign of life.
        problems: Why it may not be used; none if it may.
        warnings: What must not be overlooked even if it may.
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


def health_of(state: State, proposal: Proposal, heartbeat: int | None, time: int) -> NodeHealth:
    """Says how a node is at a time.

    Args:
        state: Of the registry.
        proposal: The node.
        heartbeat: When it last gave a sign of life, or None.
        time: Seconds since 1970.
    """
    assert isinstance(proposal.subject, NodeProposed)  # noqa: S101 - callers choose nodes
    assert state.founded is not None  # noqa: S101 - a registry has been founded
    subject, status = proposal.subject, state.status(proposal)
    good = [fact for _, fact in proposal.attestations if not fact.failed]
    fact = good[-1] if good else None
    attested = fact.time if fact else None
    due = None
    problems = [] if status == "accepted" else [f"it is {status}"]
    if attested is None or fact is None:
        problems.append("it was never attested")
    else:
        due = min(attested + state.founded.reattest_seconds, fact.expires)
        if time > due:
            problems.append("its attestation is overdue")
        if attested > time + _SKEW_SECONDS:
            problems.append("its attestation is of the future")
    last = proposal.attestations[-1][1] if proposal.attestations else None
    if last is not None and last.failed:
        problems.append(f"its last attestation failed at {last.failed}: {last.reason}")
    problems += _silence(state.founded.heartbeat_seconds, heartbeat, time)
    simulated = fact is not None and fact.assurance == Assurance.SIMULATED.value
    return NodeHealth(
        name=subject.name,
        platform=subject.platform,
        identifier=subject.identifier,
        approval=status,
        assurance=fact.assurance if fact else "",
        attested=attested,
        due=due,
        heartbeat=heartbeat,
        problems=tuple(problems),
        warnings=("SIMULATED: no hardware stands behind it, and it protects nothing",)
        if simulated
        else (),
    )


def _silence(allowed: int, heartbeat: int | None, time: int) -> list[str]:
    if not allowed:
        return []
    if heartbeat is None:
        return ["it never gave a sign of life"]
    silent = time - heartbeat
    return [f"it is silent for {silent:,} seconds"] if silent > allowed else []
