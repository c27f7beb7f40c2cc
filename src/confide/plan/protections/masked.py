"""Masked sums: masks that cancel only in the sum. What they hide from whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from confide.plan.exposures import Form
from confide.plan.findings import Attack, Judge, Judgement, Outcome
from confide.plan.protections.base import Hiding, Protection
from confide.plan.protections.judgements import (
    chosen_by_announcement,
    chosen_by_party,
    false_announcement,
    lying_parties,
)
from confide.plan.protections.shared import SharedSecrets, shared_judges
from confide.plan.threat import Corruption

if TYPE_CHECKING:
    from confide.plan.plan import Plan

__all__ = ["Masked"]


def _chosen_state(plan: Plan) -> Judgement:
    if not plan.verified:
        return chosen_by_announcement(plan)
    if lying_parties(plan):
        return chosen_by_party(plan)
    return Outcome.DEFEATED, (
        "the parties check each announced sum, so the next state follows from what they "
        "contributed; a coordinator that skips a round keeps the old state, and cannot choose "
        "another"
    )


def _false_sum(plan: Plan) -> Judgement:
    if not plan.verified:
        return false_announcement(plan)
    liars = plan.threat.integrity
    if liars.colluding_parties and liars.parties is Corruption.MALICIOUS:
        return Outcome.REPORTED, (
            "the coordinator can set the result with a lying party, whose contribution can be "
            "anything. It is fixed before the sum is opened, so it cannot depend on the others'"
        )
    return Outcome.DEFEATED, (
        "the parties check each announced sum against hashes of the masked vectors, which a quorum "
        "signed before anything was opened"
    )


@dataclass(frozen=True)
class Masked(SharedSecrets, Protection):
    """Secure aggregation by masks that cancel in the sum (Bonawitz et al. 2017, Bell et al. 2020).

    Degree, threshold and quorum are derived from the plan (`confide.plan.masking`).

    Attributes:
        verified: Whether parties check the announced sum themselves, so that a coordinator cannot
            announce a false one (`confide.plan.verified` says for which plans). If omitted, they
            do wherever they can and the coordinator may lie.
    """

    verified: bool | None = None

    hiding: ClassVar[Hiding] = Hiding(
        form=Form.MASKED,
        vector="masked vector",
        looks="uniformly distributed",
        hardness="X25519, AES-256, SHA-256 or Ed25519 broken",
    )
    secrets: ClassVar[str] = "each of two secrets"
    opened: ClassVar[str] = "their shares open the masks"
    judges: ClassVar[Mapping[Attack, Judge]] = {
        **shared_judges(
            how="masked",
            read="each contribution is hidden by masks that cancel only in the sum",
            opens="masks",
            split="masks of parties with different states do not cancel",
        ),
        Attack.CHOSEN_STATE: _chosen_state,
        Attack.FALSE_SUM: _false_sum,
    }
