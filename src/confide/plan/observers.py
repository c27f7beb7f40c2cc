"""Who looks: each party, the coordinator, the network, and the coalitions that a threat allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from confide.plan.exposures import Observer, Standing
from confide.plan.parties import COORDINATOR, largest_owners
from confide.plan.threat import Corruption

if TYPE_CHECKING:
    from confide.plan.parties import Party
    from confide.plan.plan import Plan

__all__ = [
    "NETWORK",
    "coalitions",
    "of_coordinator",
    "of_network",
    "of_parties",
    "of_party",
    "standing",
]

NETWORK = "network"
"""How reports name the carrier of the messages."""


def of_parties(plan: Plan) -> tuple[Observer, ...]:
    """Each party of a plan; parties of one ownership group pool what they see."""
    sizes = Counter(plan.owners.values())
    return tuple(of_party(party, sizes[party.owner]) for party in plan.parties)


def of_party(party: Party, size: int) -> Observer:
    """One party, which pools what it sees with the others of its owner.

    Args:
        party: The party.
        size: How many parties its ownership group has.
    """
    return Observer(name=party.name, party=party.name, parties=size, groups=1)


def of_coordinator(plan: Plan) -> Observer:
    """The coordinator of a plan."""
    role = plan.threat.confidentiality.coordinator
    return Observer(name=COORDINATOR, standing=standing(role), coordinator=True)


def of_network(plan: Plan) -> Observer:
    """The network of a plan."""
    role = plan.threat.confidentiality.network
    return Observer(name=NETWORK, standing=standing(role), network=True)


def standing(role: Corruption) -> Standing:
    """What a plan says of a role: in the threat, or trusted."""
    return Standing.ADVERSARY if role.corrupt else Standing.TRUSTED


def coalitions(plan: Plan) -> Iterator[Observer]:
    """The largest coalitions that the threat allows; the strongest role among them names it."""
    adversary = plan.threat.confidentiality
    groups = adversary.colluding_parties
    if not groups:
        return
    members = largest_owners(plan.parties, groups)
    who = _members(plan, groups)
    if groups > 1:
        yield Observer(name=who, parties=members, groups=groups)
    if adversary.coordinator.corrupt:
        yield Observer(
            name=f"{COORDINATOR} and {who}", parties=members, groups=groups, coordinator=True
        )
    elif adversary.network.corrupt:
        yield Observer(name=f"{NETWORK} and {who}", parties=members, groups=groups, network=True)


def _members(plan: Plan, groups: int) -> str:
    """A number of ownership groups in words; called parties where each is a group by itself."""
    alone = len(set(plan.owners.values())) == len(plan.parties)
    one, many = ("party", "parties") if alone else ("ownership group", "ownership groups")
    return f"any 1 {one}" if groups == 1 else f"any {groups} {many} together"
