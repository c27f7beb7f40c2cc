"""Every attack we know on a plan, and its outcome: the table behind "this plan cannot be made".

A judge looks at a plan and returns a finding: the attack is *broken* through (such a plan cannot be
made), *defeated* (with what defeats it), *assumed* away (with the assumption), *reported* (it
works, and the views say so) or *absent* (nobody in the threat could mount it). What depends on how
the plan's protection works is judged by the protection (`confide.plan.protections`). Tests
enumerate adversaries and protections against this table, and each defeat is tried by an attack in
the test suite.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from confide.errors import PlanError
from confide.plan.crowds import smallest_class
from confide.plan.findings import (
    NOBODY,
    Aim,
    Attack,
    Finding,
    Judge,
    Judgement,
    Outcome,
)
from confide.plan.masking import check_survivors
from confide.plan.placement import CentralNoise, NoNoise
from confide.plan.protection import FullBatch
from confide.plan.threat import Corruption

if TYPE_CHECKING:
    from confide.plan.plan import Plan

__all__ = ["ATTACKS", "Aim", "Attack", "Finding", "Outcome", "assess"]


def assess(plan: Plan) -> tuple[Finding, ...]:
    """Judges a plan by the whole table: each stage, and what all stages reveal together."""
    table = tuple(
        Finding(name, aim, *_worst(plan, judge), source) for name, aim, judge, source in ATTACKS
    )
    return table + tuple(
        Finding(own.name, own.aim, *_worst(plan, own.judge), own.source)
        for own in plan.aggregation.attacks
    )


_WORST_FIRST: Final = (
    Outcome.BROKEN,
    Outcome.REPORTED,
    Outcome.ASSUMED,
    Outcome.DEFEATED,
    Outcome.ABSENT,
)


def _worst(plan: Plan, judge: Judge) -> Judgement:
    """The outcome of an attack in the stage where it is worst."""
    if judge in _OVER_STAGES or len(plan.stages) == 1:
        return judge(plan)
    verdicts = [(stage.name, *judge(alone))
                for stage, alone in zip(plan.stages, plan.stage_plans, strict=True)]  # fmt: skip
    name, outcome, reason = min(verdicts, key=lambda verdict: _WORST_FIRST.index(verdict[1]))
    if len({verdict[1:] for verdict in verdicts}) == 1:
        return outcome, reason
    return outcome, f"in stage {name!r}: {reason}"


def _insider_subtraction(plan: Plan) -> Judgement:
    if unseen := _unseen(plan):
        return unseen
    try:
        check_survivors(len(plan.parties), plan.most_missing, plan.colluding)
    except PlanError as error:
        return Outcome.BROKEN, str(error)
    left, least = plan.fewest_owners, plan.colluding_owners + 2
    if left < least:
        return Outcome.BROKEN, (
            f"insider subtraction: with {plan.most_missing} parties missing, the others may belong "
            f"to {left} ownership groups, and at least {least} (colluding + 2) are needed, so "
            "that the sum still covers two honest ones: invite other owners, or allow fewer "
            "dropouts or colluders"
        )
    hidden = plan.min_survivors - plan.colluding
    return Outcome.DEFEATED, f"at least {hidden} others stay in every sum"


def _forged_messages(plan: Plan) -> Judgement:
    if not plan.coordinator_may_lie:
        return NOBODY
    return Outcome.DEFEATED, (
        "every message is signed over plan, round, attempt and payload by a key in the plan; "
        "swapped keys, invented parties and replays do not verify"
    )


def _round_differences(plan: Plan) -> Judgement:
    if unseen := _unseen(plan):
        return unseen
    if same := _same_crowd(plan):
        return Outcome.DEFEATED, same
    if plan.cohorts is not None:
        return _cohort_differences(plan)
    if plan.keeps_classes:
        return Outcome.BROKEN, (
            "differences of opened sums: the coordinator announces a false sum that leaves the "
            f"state as it was, so that parties contribute what they contributed before, then "
            f"reports one of up to {plan.dropouts} parties as missing and subtracts: the "
            "difference is that party's own contribution. Take crowd 'fixed' (a party that "
            "misses the first sum stays out, a later loss ends the run), or dropouts = 0, or "
            "noise per ownership group (neighbours.unit = "
            "'party' with noise in shares), or call the coordinator 'curious' if it follows the "
            "protocol"
        )
    changed = ", up to how much the others changed between the rounds"
    if plan.coordinator_may_lie:
        changed = ": a coordinator that announces false sums keeps the others from changing"
    noise = "" if isinstance(plan.noise, NoNoise) else ", beyond the noise of each of the sums"
    return Outcome.REPORTED, (
        "once a party is missing from a sum and not from another, the difference is what it "
        f"contributed{changed}{noise}. NOT PRIVATE for that party as a whole"
    )


def _same_crowd(plan: Plan) -> str:
    """Why differences of opened sums single out nobody; empty if they single out somebody."""
    if plan.rounds == 1:
        return (
            "the plan opens one sum; each party's store allows its data in exact sums of other "
            "plans only if they have the same parties"
        )
    if plan.firms_covered:
        return "the noise covers each ownership group's whole contribution"
    if plan.cohorts is not None:
        return _same_classes(plan)
    if plan.dropouts == 0:
        return "every sum is over all parties"
    if plan.fixed_crowd:
        return (
            "every sum is over the parties of the first one: a party that misses it stays out, "
            "and a later loss ends the run"
        )
    return ""


def _same_classes(plan: Plan) -> str:
    """Why the sums of cohorts single out nobody; empty if they single out somebody."""
    _, _, groups = smallest_class(plan)
    if groups < plan.least_class or (plan.dropouts and not plan.refuses_openings):
        return ""
    losses = (
        "a loss that would leave fewer ends the run"
        if plan.dropouts
        else "nobody may be missing from a cohort"
    )
    return (
        "the cohorts' sums together reveal only totals over classes (parties that are in the "
        f"same cohorts), and no class has fewer than {groups} ownership groups; {losses}"
    )


def _cohort_differences(plan: Plan) -> Judgement:
    """Cohorts that differ by few ownership groups, or lose some, single them out."""
    within, names, groups = smallest_class(plan)
    if groups >= plan.least_class:
        return Outcome.REPORTED, (
            "once a party is missing from one cohort's sum and not from another's, the "
            "difference singles it out, and no party checks that. NOT PRIVATE for that party as "
            "a whole"
        )
    told = (
        f"differences of opened sums: {_listed(names)} are in the cohorts {_listed(within)} and in "
        f"no others, so adding and subtracting the cohorts' sums gives their total, and they "
        "are only "
        f"{groups} ownership group{'' if groups == 1 else 's'}"
    )
    if plan.refuses_openings:
        return Outcome.BROKEN, (
            f"{told}; a class keeps at least {plan.least_class}. Take cohorts that differ by at "
            f"least {plan.least_class} ownership groups (and have as many in common, or none), or "
            "crowd 'fixed', or noise per ownership group (neighbours.unit = 'party' with noise in "
            "shares), or aggregation 'clear' if the coordinator may read each contribution"
        )
    return Outcome.REPORTED, f"{told}. NOT PRIVATE for them as a whole"


def _listed(names: Iterable[str]) -> str:
    listed = [repr(name) for name in names]
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5:,} more" if len(listed) > 5 else "")


def _chosen_state(plan: Plan) -> Judgement:
    if plan.rounds == 1:
        return Outcome.ABSENT, "the one round asks about the state that the plan begins with"
    judged = plan.aggregation.judge(Attack.CHOSEN_STATE, plan)
    if judged[0] is Outcome.REPORTED and plan.firms_covered:
        return Outcome.DEFEATED, (
            "the noise covers each ownership group's contribution, whatever state a party or "
            "coordinator that lies chooses"
        )
    return judged


def _inference_from_sums(plan: Plan) -> Judgement:
    if unseen := _unseen(plan):
        return unseen
    if isinstance(plan.noise, NoNoise):
        return Outcome.REPORTED, (
            "exact sums do not protect single records: anyone who knows enough of the other "
            "records learns the remaining one (ε = ∞)"
        )
    central = isinstance(plan.noise, CentralNoise) and not plan.attested
    if central and plan.threat.confidentiality.coordinator.corrupt:
        return Outcome.REPORTED, "the coordinator holds the sums before it adds the noise"
    return Outcome.REPORTED, "bounded by the noise; the ledger states (ε, δ)"


def _noise_left_out(plan: Plan) -> Judgement:
    if isinstance(plan.noise, NoNoise):
        return Outcome.ABSENT, "no noise is promised"
    return plan.aggregation.judge(Attack.NOISE_LEFT_OUT, plan)


def _predicted_batch(plan: Plan) -> Judgement:
    if isinstance(plan.sampling, FullBatch):
        return Outcome.ABSENT, "no batch is drawn, so no guarantee relies on a secret batch"
    return Outcome.DEFEATED, (
        "each party draws its batch from its operating system's generator and tells nobody; the "
        "plan's seed is not used for it"
    )


def _poisoning(plan: Plan) -> Judgement:
    adversary = plan.threat.integrity
    if not adversary.colluding_parties or adversary.parties is not Corruption.MALICIOUS:
        return NOBODY
    return plan.aggregation.judge(Attack.POISONING, plan)


def _false_sum(plan: Plan) -> Judgement:
    if plan.threat.integrity.coordinator is not Corruption.MALICIOUS:
        return NOBODY
    return plan.aggregation.judge(Attack.FALSE_SUM, plan)


def _unseen(plan: Plan) -> Judgement | None:
    """Why the adversary sees no sums; None if it sees them."""
    adversary = plan.threat.confidentiality
    if plan.to_parties or adversary.coordinator.corrupt:
        return None
    if adversary.network.corrupt:
        return Outcome.ASSUMED, (
            "the coordinator alone receives the sums, and on their way they are as safe as the "
            "encrypted channel (TLS 1.3)"
        )
    return NOBODY


def _by_protection(attack: Attack) -> Judge:
    def judge(plan: Plan) -> Judgement:
        return plan.aggregation.judge(attack, plan)

    return judge


_JUDGED_HERE: Final[Mapping[Attack, Judge]] = {
    Attack.INSIDER_SUBTRACTION: _insider_subtraction,
    Attack.FORGED_MESSAGES: _forged_messages,
    Attack.ROUND_DIFFERENCES: _round_differences,
    Attack.CHOSEN_STATE: _chosen_state,
    Attack.INFERENCE: _inference_from_sums,
    Attack.NOISE_LEFT_OUT: _noise_left_out,
    Attack.PREDICTED_BATCH: _predicted_batch,
    Attack.POISONING: _poisoning,
    Attack.FALSE_SUM: _false_sum,
}
"""Attacks that depend on the whole plan, or on its protection under a condition."""

_KNOWN: Final[tuple[tuple[Attack, Aim, str], ...]] = (
    (
        Attack.READ_CONTRIBUTIONS,
        Aim.CONFIDENTIALITY,
        "Zhu, Liu and Han 2019, Deep Leakage from Gradients",
    ),
    (Attack.INSIDER_SUBTRACTION, Aim.CONFIDENTIALITY, "Bonawitz et al. 2017, §6"),
    (Attack.EQUIVOCATION, Aim.CONFIDENTIALITY, "Bonawitz et al. 2017, §6.2"),
    (Attack.POOLED_SHARES, Aim.CONFIDENTIALITY, "Shamir 1979; Bell et al. 2020, Definition 3.2"),
    (Attack.FORGED_MESSAGES, Aim.CONFIDENTIALITY, "Bonawitz et al. 2017, §6.2"),
    (
        Attack.SPLIT_MODEL,
        Aim.CONFIDENTIALITY,
        "Pasquini, Francati and Ateniese 2022, Eluding Secure Aggregation",
    ),
    (
        Attack.FALSE_CIPHERTEXT,
        Aim.CONFIDENTIALITY,
        "Cheon et al. 2024, Attacks Against the IND-CPA-D Security of Exact FHE Schemes",
    ),
    (
        Attack.ROGUE_KEY,
        Aim.CONFIDENTIALITY,
        "Ristenpart and Yilek 2007, The Power of Proofs-of-Possession",
    ),
    (Attack.SECOND_OPENING, Aim.CONFIDENTIALITY, "Mouchet et al. 2024, Helium, ePrint 2024/194"),
    (Attack.WIRETAP, Aim.CONFIDENTIALITY, "Rescorla 2018, RFC 8446"),
    (Attack.ROUND_DIFFERENCES, Aim.CONFIDENTIALITY, "So et al. 2023, Securing Secure Aggregation"),
    (Attack.CHOSEN_STATE, Aim.CONFIDENTIALITY, "Fowl et al. 2022, Robbing the Fed"),
    (Attack.OTHER_BUILD, Aim.CONFIDENTIALITY, "Costan and Devadas 2016, Intel SGX Explained, §5.8"),
    (
        Attack.RELAYED_EVIDENCE,
        Aim.CONFIDENTIALITY,
        "CVE-2026-33697, relay of intra-handshake attestation",
    ),
    (Attack.ROLLED_BACK, Aim.CONFIDENTIALITY, "Matetic et al. 2017, ROTE"),
    (
        Attack.FORKED,
        Aim.CONFIDENTIALITY,
        "Brandenburger et al. 2017, Rollback and Forking Detection for TEEs",
    ),
    (
        Attack.BROKEN_HARDWARE,
        Aim.CONFIDENTIALITY,
        "Seto et al. 2025, WireTap; De Meulemeester et al. 2025, Battering RAM",
    ),
    (Attack.INFERENCE, Aim.CONFIDENTIALITY, "Dinur and Nissim 2003"),
    (Attack.NOISE_LEFT_OUT, Aim.CONFIDENTIALITY, "Kairouz, Liu and Steinke 2021, §2"),
    (
        Attack.PREDICTED_BATCH,
        Aim.CONFIDENTIALITY,
        "Chua et al. 2024, How Private are DP-SGD Implementations?",
    ),
    (
        Attack.POISONING,
        Aim.INTEGRITY,
        "Bagdasaryan et al. 2020, How to Backdoor Federated Learning",
    ),
    (Attack.FALSE_SUM, Aim.INTEGRITY, "Xu et al. 2019, VerifyNet"),
)

ATTACKS: Final[tuple[tuple[str, Aim, Judge, str], ...]] = tuple(
    (attack.value, aim, _JUDGED_HERE.get(attack) or _by_protection(attack), source)
    for attack, aim, source in _KNOWN
)
"""Name, aim, judge and source of every attack, in the order in which the views list them."""

_OVER_STAGES: Final = frozenset({_round_differences, _chosen_state})
"""What opened sums reveal together is judged over all stages at once."""
