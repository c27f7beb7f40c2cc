"""Judgements that several protections share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confide.errors import PlanError
from confide.plan.findings import NOBODY, Judgement, Outcome
from confide.plan.placement import CentralNoise
from confide.plan.threat import Corruption, Hardware

if TYPE_CHECKING:
    from confide.plan.plan import Plan

__all__ = [
    "announces_freely",
    "chosen_by_announcement",
    "chosen_by_party",
    "false_announcement",
    "lying_parties",
    "moved_within_range",
    "noise_by_coordinator",
    "noise_in_shares",
    "one_set_signed",
    "opened_once",
    "set_by_one",
]


def lying_parties(plan: Plan) -> bool:
    """Whether a party of the adversary against confidentiality may lie."""
    adversary = plan.threat.confidentiality
    return bool(adversary.colluding_parties) and adversary.parties is Corruption.MALICIOUS


def announces_freely(plan: Plan) -> bool:
    """Whether a coordinator may announce sums that nobody can distinguish from true ones."""
    signed = plan.attested and plan.threat.hardware is Hardware.ASSUMED_SOUND
    return plan.coordinator_may_lie and not plan.verified and not signed


def chosen_by_announcement(plan: Plan) -> Judgement:
    """A coordinator announces the sums, and so chooses the state; a party that lies moves them."""
    if plan.coordinator_may_lie:
        return Outcome.REPORTED, (
            "the coordinator can announce any sums, and so chooses the state that the "
            "parties are asked about: a model chosen for this purpose reveals single records in "
            "the sum of the updates. NOT PRIVATE against a coordinator that lies; only noise "
            "per ownership group bounds it"
        )
    if not lying_parties(plan):
        return NOBODY
    return chosen_by_party(plan)


def chosen_by_party(plan: Plan) -> Judgement:
    """A party that lies moves the sums: within its range, if that is checked, else freely."""
    how = "without limit" if plan.only_sums_open else "as far as the check of its range allows"
    return Outcome.REPORTED, (
        f"a party that lies moves each sum {how}, and with it the state that the next round asks "
        "about: a model chosen for this purpose reveals single records in the sum of the "
        "updates. NOT PRIVATE against a party that lies; only noise per ownership group bounds it"
    )


def one_set_signed(plan: Plan) -> Judgement:
    """A quorum signs one set of survivors before anything is opened."""
    if not plan.coordinator_may_lie:
        return NOBODY
    try:
        quorum = plan.quorum
    except PlanError as error:
        return Outcome.BROKEN, str(error)
    return Outcome.DEFEATED, (
        f"{quorum} parties must sign one set of survivors before any sum is opened"
    )


def opened_once(_: Plan) -> Judgement:
    """A round is used up before anything of it is opened."""
    return Outcome.DEFEATED, (
        "a party marks a round as used before it sends anything that helps to open its sum, and "
        "a repeated attempt uses fresh secrets"
    )


def noise_by_coordinator(plan: Plan) -> Judgement:
    """The coordinator adds central noise, and may leave it out."""
    if plan.threat.confidentiality.coordinator is Corruption.MALICIOUS:
        return Outcome.REPORTED, (
            "the coordinator adds the noise, and a malicious one may leave it out"
        )
    return Outcome.ASSUMED, "the coordinator adds the noise as it should"


def noise_in_shares(plan: Plan) -> Judgement:
    """Shares of noise in hidden contributions suffice with the fewest honest survivors."""
    if isinstance(plan.noise, CentralNoise):
        return noise_by_coordinator(plan)
    return Outcome.DEFEATED, (
        "the noise is sufficient even with the fewest survivors and without the colluders' shares"
    )


def set_by_one(_: Plan) -> Judgement:
    """Nobody can check a hidden contribution."""
    return Outcome.REPORTED, (
        "one party can set the result: hidden contributions cannot be checked, so a party can "
        "send any numbers and thus choose the sum"
    )


def moved_within_range(_: Plan) -> Judgement:
    """The adder checks the range of each contribution."""
    return Outcome.REPORTED, (
        "one party can move the result: the adder checks that a contribution is within the "
        "party range, and accepts anything within it"
    )


def false_announcement(_: Plan) -> Judgement:
    """Nobody can check what the coordinator announces."""
    return Outcome.REPORTED, (
        "the coordinator can set the result: it announces the sums, and the parties cannot tell "
        "a false sum from a true one (they only notice if they are told different sums)"
    )
