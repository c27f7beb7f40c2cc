"""Checks of every plan, whatever it computes: its version, its parties, its releases."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from confide.errors import PlanError
from confide.plan.stages import Recipients

if TYPE_CHECKING:
    from confide.plan.plan import Plan

__all__ = [
    "MIGRATED_VERSION",
    "SCHEMA_VERSION",
    "check_opens",
    "check_parties",
    "check_releases",
    "check_values",
    "check_version",
    "refuse_repeated",
]

SCHEMA_VERSION: Final = 3
"""The version of the plan's fields and their meaning; a meaning never changes within a version."""

MIGRATED_VERSION: Final = 2
"""The version that `confide plan migrate` reads (`confide.plan.migration`)."""

_MAX_PARTIES: Final = 1_000_000


def check_values(plan: Plan) -> None:
    """Refuses a version, a number or a seed out of range."""
    check_version(plan.schema_version)
    for what, value, least in (
        ("dropouts", plan.dropouts, 0),
        ("chunk_records", plan.chunk_records, 1),
    ):
        if value < least:
            raise PlanError(f"{what} is {value}; it is at least {least}")
    if not 0 <= plan.seed < 1 << 64:
        raise PlanError(f"seed is {plan.seed}; it is at least 0 and below 2^64")


def check_parties(plan: Plan) -> None:
    """Refuses too few or many parties, and two that share a name or a key."""
    if not 2 <= len(plan.parties) <= _MAX_PARTIES:
        raise PlanError(
            f"{len(plan.parties)} parties; a federation has 2 to {_MAX_PARTIES:,} (and at "
            "least 3 for anybody to hide)"
        )
    refuse_repeated("parties share the name", [p.name for p in plan.parties])
    keys = [p.key.hex() for p in plan.parties]
    refuse_repeated("parties share the key", keys)
    if plan.coordinator.key.hex() in keys:
        raise PlanError(
            "the coordinator has the same key as a party, so its holder could sign in two "
            "roles: give the coordinator a key of its own"
        )
    if plan.coordinator.simulated and not all(p.simulated for p in plan.parties):
        raise PlanError(
            "the coordinator has the simulated key that anybody can make, and parties have "
            "keys of their own: anybody could announce in its name. Give the coordinator a "
            "key, Plan(coordinator=Coordinator(…)), in a file [coordinator] key"
        )
    owners = plan.owners
    for party in plan.parties:
        if owners.get(party.owner, party.owner) != party.owner:
            raise PlanError(
                f"party {party.name!r} is of ownership group {party.group!r}, and party "
                f"{party.owner!r} of that name is not: call the group something else"
            )
    refuse_repeated("public values share the name", [p.name for p in plan.public])


def check_releases(plan: Plan) -> None:
    """Refuses a release to nobody, and a state that later stages need and parties lack."""
    for stage in plan.sum_stages:
        for name in stage.release.parties or ():
            plan.party(name)
    for stage in plan.sum_stages[:-1]:
        if stage.release.to is not Recipients.EVERYONE:
            raise PlanError(
                f"stage {stage.name!r} releases to {stage.release.to.value!r}, but later stages "
                "need the state that is computed from it: release to 'everyone'"
            )


def check_opens(plan: Plan) -> None:
    """Refuses a plan whose sums could never be opened, because too few parties would remain."""
    if plan.min_survivors < 1:
        raise PlanError(
            f"{plan.dropouts} dropouts of {plan.min_survivors + plan.dropouts} parties leave no "
            "party in the sum; allow fewer dropouts"
        )
    opens = plan.sum_stages and plan.refuses_openings and not plan.cohorts
    if opens and plan.fewest_owners < plan.least_class:
        raise PlanError(
            f"exact sums over {plan.fewest_owners} ownership groups, but parties open a sum "
            f"against a coordinator that may lie only over at least {plan.least_class}: every "
            "round would be refused. Invite more parties, allow fewer dropouts, or call the "
            "coordinator curious"
        )


def refuse_repeated(what: str, values: list[str]) -> None:
    """Refuses a value that occurs twice."""
    for value, count in Counter(values).items():
        if count > 1:
            raise PlanError(f"{count} {what} {value!r}; each needs its own")


def check_version(version: object) -> None:
    """Refuses a plan of another schema, saying what to do about it."""
    if version is None:
        raise PlanError(
            f"a plan without schema_version; this release reads {SCHEMA_VERSION}: make the plan "
            "again, or ask who wrote these bytes"
        )
    if type(version) is not int:
        raise PlanError(
            f"schema_version of the plan is of type {type(version).__name__}; it is the whole "
            f"number {SCHEMA_VERSION}, not text or another value: make the plan again"
        )
    if version == SCHEMA_VERSION:
        return
    fix = "use the release that it was made with, or make the plan again"
    if version == MIGRATED_VERSION:
        fix = (
            "convert it with `confide plan migrate OLD NEW` and let its parties sign the new "
            "plan, whose hash differs"
        )
    raise PlanError(
        f"a plan of schema_version {version}; this release reads {SCHEMA_VERSION}: {fix}"
    )
