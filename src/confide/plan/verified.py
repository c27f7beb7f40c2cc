"""The plans whose parties check each sum themselves.

A verified sum shows each party the sum of the masked vectors and the masks that are in it, so it is
for plans whose parties see the sum. What parties check is what a quorum signed before the sum was
opened, so it is for plans whose coordinator may lie about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from confide.errors import PlanError
from confide.plan.masking import COMPLETE_UP_TO
from confide.plan.protection import CentralNoise
from confide.plan.stages import Recipients

if TYPE_CHECKING:
    from confide.plan.plan import Plan

__all__ = ["check_verified", "verifies"]


def verifies(plan: Plan) -> bool:
    """Whether the parties of a plan check each sum: if it says so, or says nothing and they can."""
    said = plan.inner.verified
    return not _obstacle(plan) if said is None else said


def check_verified(plan: Plan) -> None:
    """Refuses verified sums where they are impossible, or would reveal too much to the parties.

    Raises:
        PlanError: If there are too many parties, the coordinator may not lie, some parties may not
            see the sum or only with noise, or an enclave adds up.
    """
    if plan.inner.verified and (obstacle := _obstacle(plan)):
        raise PlanError(obstacle)


def _obstacle(plan: Plan) -> str:
    """Why parties cannot, or must not, check the sums of a plan; empty if they can."""
    if plan.attested:
        return (
            "verified sums in an enclave: its signature proves already that it computed the sum. "
            "Leave 'verified' out"
        )
    if len(plan.parties) > COMPLETE_UP_TO:
        return (
            f"{len(plan.parties):,} parties and verified sums, which send everybody's hash to "
            f"everybody; at most {COMPLETE_UP_TO} parties are allowed: leave 'verified' out, or "
            "split the federation"
        )
    if not plan.coordinator_may_lie:
        return (
            "verified sums where the coordinator may not lie: then no quorum signs the hashes "
            "to verify. Call it 'malicious', or leave 'verified' out"
        )
    if not all(stage.release.to is Recipients.EVERYONE for stage in plan.sum_stages):
        return (
            "verified sums and a release that not all parties receive: a party that verifies a sum "
            "sees it. Release to 'everyone', or leave 'verified' out"
        )
    if isinstance(plan.noise, CentralNoise):
        return (
            "verified sums and central noise: a party that verifies a sum sees it without the "
            "coordinator's noise. Take noise in shares, or leave 'verified' out"
        )
    return ""
