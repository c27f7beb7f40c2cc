"""Every attack we know on a plan, and what it comes to: the table behind "cannot be made".

A judge looks at a plan and returns a finding: the attack is *broken* through (such a plan cannot be
made), *defeated* (and by what), *assumed* away (and by which assumption), *reported* (it works, and
the views say so) or *absent* (nobody in the threat could mount it). Tests enumerate adversaries and
protections against this table, and each defeat is tried by an attack in the test suite.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from confide.errors import PlanError
from confide.plan.masking import check_quorum, check_survivors
from confide.plan.parties import fewest_owners
from confide.plan.protection import (
    CentralNoise,
    Enclave,
    Encrypted,
    FullBatch,
    Masked,
    NoiseShares,
    NoNoise,
    Rule,
)
from confide.plan.threat import Corruption, Hardware

if TYPE_CHECKING:
    from confide.plan.plan import Plan

__all__ = ["ATTACKS", "Aim", "Finding", "Outcome", "assess"]


class Aim(Enum):
    """What an attack is after."""

    CONFIDENTIALITY = "confidentiality"
    INTEGRITY = "integrity"


class Outcome(Enum):
    """What an attack comes to under a plan."""

    BROKEN = "broken"
    DEFEATED = "defeated"
    ASSUMED = "assumed away"
    REPORTED = "reported"
    ABSENT = "absent"


@dataclass(frozen=True)
class Finding:
    """One attack under one plan.

    Attributes:
        attack: The attack's name.
        aim: What it is after.
        outcome: What it comes to.
        reason: Why, naming what defeats it or the fix.
        source: Where the attack is described.
    """

    attack: str
    aim: Aim
    outcome: Outcome
    reason: str
    source: str


Verdict = tuple[Outcome, str]
Judge = Callable[["Plan"], Verdict]

_NOBODY: Final = (Outcome.ABSENT, "nobody in the stated threat could try")
_NOTHING_HIDDEN: Final = (Outcome.ABSENT, "whoever adds up reads what it receives, as agreed")
_NO_ENCLAVE: Final = (Outcome.ABSENT, "the plan has no enclave")


def assess(plan: Plan) -> tuple[Finding, ...]:
    """Judges a plan by the whole table: each stage, and what they tell together."""
    return tuple(
        Finding(name, aim, *_worst(plan, judge), source) for name, aim, judge, source in ATTACKS
    )


_WORST_FIRST: Final = (
    Outcome.BROKEN,
    Outcome.REPORTED,
    Outcome.ASSUMED,
    Outcome.DEFEATED,
    Outcome.ABSENT,
)


def _worst(plan: Plan, judge: Judge) -> Verdict:
    """What an attack comes to in the stage where it comes to most."""
    if judge in _OVER_STAGES or len(plan.stages) == 1:
        return judge(plan)
    verdicts = [(stage.name, *judge(alone))
                for stage, alone in zip(plan.stages, plan.stage_plans, strict=True)]  # fmt: skip
    name, outcome, reason = min(verdicts, key=lambda verdict: _WORST_FIRST.index(verdict[1]))
    if len({verdict[1:] for verdict in verdicts}) == 1:
        return outcome, reason
    return outcome, f"in stage {name!r}: {reason}"


def _read_contributions(plan: Plan) -> Verdict:
    if not plan.threat.confidentiality.coordinator.corrupt:
        return Outcome.ABSENT, "the plan trusts the coordinator with what it receives"
    if isinstance(plan.inner, Masked):
        return Outcome.DEFEATED, "each contribution is hidden by masks that cancel only in the sum"
    if isinstance(plan.inner, Encrypted):
        return Outcome.DEFEATED, (
            "each contribution is encrypted under a key of its own, and only the sum of the "
            "survivors' keys is opened"
        )
    if plan.attested:
        return _read_through_hardware(plan)
    return Outcome.BROKEN, (
        "read contributions: the coordinator is "
        f"{plan.threat.confidentiality.coordinator.value!r} and receives each contribution in "
        "clear. Use aggregation 'masked' or 'encrypted', or call the coordinator 'honest' if it "
        "may read them."
    )


def _read_through_hardware(plan: Plan) -> Verdict:
    if plan.threat.hardware is Hardware.UNTRUSTED:
        return Outcome.BROKEN, (
            "read contributions: the coordinator runs the enclave's machine, the plan calls its "
            "hardware untrusted, and the enclave reads each contribution. Put it over 'masked' or "
            "'encrypted' sums, or assume that it holds: threat.hardware = 'assumed-sound'."
        )
    if _simulated(plan):
        return Outcome.ASSUMED, (
            "SIMULATED: no hardware stands behind the enclave, and the coordinator reads what it "
            "likes; the plan shows how a run goes, and protects nothing"
        )
    return Outcome.ASSUMED, (
        "the enclave reads each contribution and its hardware is assumed sound; every party "
        "verifies it before it sends"
    )


def _insider_subtraction(plan: Plan) -> Verdict:
    if not _somebody_sees_sums(plan):
        return _NOBODY
    try:
        check_survivors(len(plan.parties), plan.dropouts, plan.colluding)
    except PlanError as error:
        return Outcome.BROKEN, str(error)
    left, least = fewest_owners(plan.parties, plan.dropouts), plan.colluding_owners + 2
    if left < least:
        return Outcome.BROKEN, (
            f"insider subtraction: with {plan.dropouts} parties missing, the others may belong to "
            f"{left} ownership groups, and it takes {least} (colluding + 2) for two to hide in "
            "each other: invite other owners, or allow fewer dropouts or colluders"
        )
    hidden = plan.min_survivors - plan.colluding
    return Outcome.DEFEATED, f"at least {hidden} others stay in every sum"


def _equivocation(plan: Plan) -> Verdict:
    if not plan.coordinator_may_lie:
        return _NOBODY
    if plan.attested and not plan.only_sums_open:
        return Outcome.DEFEATED, (
            "a party contributes to a round once, so no two sums over different survivors hold it"
        )
    if not plan.only_sums_open:
        return _NOTHING_HIDDEN
    try:
        quorum = check_quorum(len(plan.parties), plan.dropouts, plan.colluding)
    except PlanError as error:
        return Outcome.BROKEN, str(error)
    return Outcome.DEFEATED, f"{quorum} parties must sign one set of survivors before any opens"


def _pooled_shares(plan: Plan) -> Verdict:
    if not plan.only_sums_open:
        return _NOTHING_HIDDEN
    try:
        threshold = plan.masking.threshold
    except PlanError as error:
        return Outcome.BROKEN, str(error)
    what = "key" if isinstance(plan.inner, Encrypted) else "masks"
    return Outcome.DEFEATED, (
        f"{threshold} shares open a party's {what}, more than {plan.colluding} colluders hold"
    )


def _forged_messages(plan: Plan) -> Verdict:
    if not plan.coordinator_may_lie:
        return _NOBODY
    return Outcome.DEFEATED, (
        "every message is signed over plan, round, attempt and payload by a key in the plan; "
        "swapped keys, invented parties and replays do not verify"
    )


def _split_model(plan: Plan) -> Verdict:
    if not plan.coordinator_may_lie:
        return _NOBODY
    if plan.attested and not plan.only_sums_open:
        return Outcome.DEFEATED, "a party refuses another state than the one it computed itself"
    if not plan.only_sums_open:
        return Outcome.ASSUMED, (
            "the coordinator is honest, and what it says is as safe as the encrypted channel "
            "(TLS 1.3)"
        )
    hidden = (
        "shares of parties with different states do not open"
        if isinstance(plan.inner, Encrypted)
        else "masks of parties with different states do not cancel"
    )
    return Outcome.DEFEATED, (
        "parties compute each state from the released sums themselves, and its hash enters every "
        f"pairwise key: {hidden}"
    )


def _false_ciphertext(plan: Plan) -> Verdict:
    if not isinstance(plan.inner, Encrypted):
        return Outcome.ABSENT, "nothing is encrypted under shared keys"
    return Outcome.DEFEATED, (
        "what parties open is the sum of the signed survivors' keys, whatever ciphertext the "
        "coordinator holds: another one does not open with it"
    )


def _rogue_key(plan: Plan) -> Verdict:
    if not isinstance(plan.inner, Encrypted):
        return Outcome.ABSENT, "no keys are added up"
    return Outcome.DEFEATED, (
        "nobody encrypts under a joint key: a party that makes its key from others' hides its own "
        "contribution badly and nobody else's"
    )


def _second_opening(plan: Plan) -> Verdict:
    if not plan.only_sums_open:
        return _NOTHING_HIDDEN
    return Outcome.DEFEATED, (
        "a round is spent before anything that helps to open its sum leaves a party, and a "
        "repeated attempt takes fresh secrets"
    )


def _wiretap(plan: Plan) -> Verdict:
    if not plan.threat.confidentiality.network.corrupt:
        return _NOBODY
    if plan.only_sums_open:
        how = "encrypted" if isinstance(plan.inner, Encrypted) else "masked"
        return Outcome.DEFEATED, (
            f"each contribution is {how} beneath the encrypted channel (TLS 1.3); without the "
            "channel the wire sees what the coordinator sees, and that opens sums only"
        )
    if plan.attested:
        return Outcome.DEFEATED, (
            "each contribution is encrypted to a key that the enclave's evidence vouches for"
        )
    return Outcome.ASSUMED, "contributions are as safe as the encrypted channel (TLS 1.3)"


def _round_differences(plan: Plan) -> Verdict:
    if not _somebody_sees_sums(plan):
        return _NOBODY
    if same := _same_crowd(plan):
        return Outcome.DEFEATED, same
    if plan.keeps_classes:
        return Outcome.BROKEN, (
            "differences of opened sums: the coordinator announces a false sum that leaves the "
            "state as it was, so that parties contribute what they contributed before, then calls "
            f"one of up to {plan.dropouts} missing and subtracts: what is left is that party's own "
            "contribution. Take crowd 'fixed' (who misses the first sum stays out, a later loss "
            "ends the run), or dropouts = 0, or noise per ownership group (neighbours.unit = "
            "'party' with noise in shares), or call the coordinator 'curious' if it follows the "
            "protocol"
        )
    noise = "" if isinstance(plan.noise, NoNoise) else ", beyond the noise of each of the sums"
    return Outcome.REPORTED, (
        "once a party is missing from a sum and not from another, the difference is what it "
        f"contributed, up to how much the others changed between the rounds{noise}. NOT PRIVATE "
        "for that party as a whole"
    )


def _same_crowd(plan: Plan) -> str:
    """Why differences of opened sums single nobody out; empty if they do."""
    if plan.rounds == 1:
        return (
            "the plan opens one sum; each party's store lets its data into exact sums of other "
            "plans with the same parties only"
        )
    if plan.firms_covered:
        return "the noise covers each ownership group's whole contribution"
    if plan.dropouts == 0:
        return "every sum is over all parties"
    if plan.fixed_crowd:
        return (
            "every sum is over the parties of the first one: who misses it stays out, and a later "
            "loss ends the run"
        )
    return ""


def _chosen_state(plan: Plan) -> Verdict:
    if plan.rounds == 1:
        return Outcome.ABSENT, "the one round asks about the state that the plan begins with"
    if not plan.coordinator_may_lie:
        return _NOBODY
    if plan.firms_covered:
        return Outcome.DEFEATED, (
            "whatever state it chooses, the noise covers each ownership group's contribution"
        )
    liars = plan.threat.confidentiality
    if plan.attested and plan.threat.hardware is Hardware.ASSUMED_SOUND:
        if not (liars.colluding_parties and liars.parties is Corruption.MALICIOUS):
            return Outcome.ASSUMED, (
                "the enclave computes each sum, signs it, and its hardware is assumed sound"
            )
        return Outcome.REPORTED, (
            "a lying party moves each sum, as far as the enclave's check of its range lets it, and "
            "so the state that the next round asks about"
        )
    return Outcome.REPORTED, (
        "the coordinator announces the sums that it likes, and so chooses the state that the "
        "parties are asked about: a model made for it shows single records in the sum of the "
        "updates. NOT PRIVATE against a coordinator that lies; only noise per ownership group "
        "bounds it"
    )


def _inference_from_sums(plan: Plan) -> Verdict:
    if not _somebody_sees_sums(plan):
        return _NOBODY
    if isinstance(plan.noise, NoNoise):
        return Outcome.REPORTED, (
            "exact sums bound nothing about single records: whoever knows enough of the rest "
            "learns what is left (ε = ∞)"
        )
    central = isinstance(plan.noise, CentralNoise) and not plan.attested
    if central and plan.threat.confidentiality.coordinator.corrupt:
        return Outcome.REPORTED, "the coordinator holds the sums before it adds the noise"
    return Outcome.REPORTED, "bounded by the noise; the ledger states (ε, δ)"


def _noise_left_out(plan: Plan) -> Verdict:
    if isinstance(plan.noise, NoNoise):
        return Outcome.ABSENT, "no noise is promised"
    if isinstance(plan.noise, NoiseShares) and not plan.only_sums_open:
        return Outcome.BROKEN, (
            "noise left out: under aggregation 'clear' the coordinator receives each party's value "
            "with that party's small share of the noise only. Use 'masked' or 'encrypted', or "
            "central noise."
        )
    if isinstance(plan.noise, CentralNoise) and plan.attested:
        return Outcome.ASSUMED, "the enclave adds the noise, and its hardware is assumed sound"
    if isinstance(plan.noise, CentralNoise):
        if plan.threat.confidentiality.coordinator is Corruption.MALICIOUS:
            return Outcome.REPORTED, "the coordinator adds the noise, and a malicious one may not"
        return Outcome.ASSUMED, "the coordinator adds the noise as it should"
    return Outcome.DEFEATED, "the noise is full with the fewest survivors and without the colluders"


def _predicted_batch(plan: Plan) -> Verdict:
    if isinstance(plan.sampling, FullBatch):
        return Outcome.ABSENT, "no batch is drawn, so none counts on being secret"
    return Outcome.DEFEATED, (
        "each party draws its batch from its operating system's generator and tells nobody; the "
        "seed of the plan has no part in it"
    )


def _poisoning(plan: Plan) -> Verdict:
    adversary = plan.threat.integrity
    if not adversary.colluding_parties or adversary.parties is not Corruption.MALICIOUS:
        return _NOBODY
    if plan.only_sums_open:
        return Outcome.REPORTED, (
            "one party can set the result: hidden contributions cannot be checked, so one can be "
            "anything, and the sum becomes what it likes"
        )
    if isinstance(plan.aggregation, Enclave) and plan.aggregation.rule is not Rule.SUM:
        return Outcome.REPORTED, (
            "few parties can move the result a little: within the party range, and as far as the "
            f"rule {plan.aggregation.rule.value!r} lets them"
        )
    return Outcome.REPORTED, (
        "one party can move the result: whoever adds up checks that a contribution is within "
        "the party range, and anything within it counts"
    )


def _false_sum(plan: Plan) -> Verdict:
    if plan.threat.integrity.coordinator is not Corruption.MALICIOUS:
        return _NOBODY
    if plan.attested and plan.threat.hardware is Hardware.ASSUMED_SOUND:
        return Outcome.ASSUMED, (
            "the enclave signs what it releases, parties verify that, and its hardware is assumed "
            "sound"
        )
    return Outcome.REPORTED, (
        "the coordinator can set the result: it announces the sums, and the parties cannot tell "
        "a false sum from a true one (they would notice only different ones)"
    )


def _other_build(plan: Plan) -> Verdict:
    if not plan.attested:
        return _NO_ENCLAVE
    return Outcome.DEFEATED, (
        "every party verifies before it sends: vendor's root, firmware, no debugging, and the "
        "measurements that the policy of the plan names"
    )


def _relayed_evidence(plan: Plan) -> Verdict:
    if not plan.attested:
        return _NO_ENCLAVE
    return Outcome.DEFEATED, (
        "evidence answers a nonce of the party's choice and vouches for a key; who relays it has "
        "no such key, and receives ciphertext"
    )


def _rolled_back(plan: Plan) -> Verdict:
    if not plan.attested:
        return _NO_ENCLAVE
    return Outcome.DEFEATED, (
        "each party contributes to a round once whatever the enclave forgot, and the enclave "
        "restores a state only if a monotonic counter agrees, else it starts anew with fresh keys"
    )


def _forked(plan: Plan) -> Verdict:
    if not plan.attested:
        return _NO_ENCLAVE
    return Outcome.DEFEATED, (
        "receipts name the instance that each contributor verified, signed by the contributor: "
        "two of them in one round do not verify; and of two started from one sealed state, the "
        "first to release stops the other"
    )


def _broken_hardware(plan: Plan) -> Verdict:
    if not plan.attested:
        return _NO_ENCLAVE
    if plan.only_sums_open:
        return Outcome.DEFEATED, (
            "the enclave receives hidden contributions; whoever opens it learns what a coordinator "
            f"under {type(plan.inner).__name__.lower()!r} learns, and sets the result"
        )
    return Outcome.REPORTED, (
        "whoever opens the machine, or holds a stolen key of one, reads each contribution: the "
        "policy's list of nodes is what remains"
    )


def _simulated(plan: Plan) -> bool:
    return isinstance(plan.aggregation, Enclave) and plan.aggregation.simulated


def _somebody_sees_sums(plan: Plan) -> bool:
    return plan.to_parties or plan.threat.confidentiality.coordinator.corrupt


ATTACKS: Final[tuple[tuple[str, Aim, Judge, str], ...]] = (
    ("read contributions", Aim.CONFIDENTIALITY, _read_contributions,
     "Zhu, Liu and Han 2019, Deep Leakage from Gradients"),
    ("insider subtraction", Aim.CONFIDENTIALITY, _insider_subtraction,
     "Bonawitz et al. 2017, §6"),
    ("equivocation on survivors", Aim.CONFIDENTIALITY, _equivocation,
     "Bonawitz et al. 2017, §6.2"),
    ("pooled shares", Aim.CONFIDENTIALITY, _pooled_shares,
     "Shamir 1979; Bell et al. 2020, Definition 3.2"),
    ("forged, swapped or replayed messages", Aim.CONFIDENTIALITY, _forged_messages,
     "Bonawitz et al. 2017, §6.2"),
    ("different models to different parties", Aim.CONFIDENTIALITY, _split_model,
     "Pasquini, Francati and Ateniese 2022, Eluding Secure Aggregation"),
    ("another ciphertext in the place of the sum", Aim.CONFIDENTIALITY, _false_ciphertext,
     "Cheon et al. 2024, Attacks Against the IND-CPA-D Security of Exact FHE Schemes"),
    ("rogue key", Aim.CONFIDENTIALITY, _rogue_key,
     "Ristenpart and Yilek 2007, The Power of Proofs-of-Possession"),
    ("second opening", Aim.CONFIDENTIALITY, _second_opening,
     "Mouchet et al. 2024, Helium, ePrint 2024/194"),
    ("wiretap", Aim.CONFIDENTIALITY, _wiretap, "Rescorla 2018, RFC 8446"),
    ("differences across rounds", Aim.CONFIDENTIALITY, _round_differences,
     "So et al. 2023, Securing Secure Aggregation"),
    ("state of the coordinator's choice", Aim.CONFIDENTIALITY, _chosen_state,
     "Fowl et al. 2022, Robbing the Fed"),
    ("another build in the enclave", Aim.CONFIDENTIALITY, _other_build,
     "Costan and Devadas 2016, Intel SGX Explained, §5.8"),
    ("relayed evidence", Aim.CONFIDENTIALITY, _relayed_evidence,
     "CVE-2026-33697, relay of intra-handshake attestation"),
    ("rolled-back enclave", Aim.CONFIDENTIALITY, _rolled_back,
     "Matetic et al. 2017, ROTE"),
    ("forked enclave", Aim.CONFIDENTIALITY, _forked,
     "Brandenburger et al. 2017, Rollback and Forking Detection for TEEs"),
    ("broken hardware", Aim.CONFIDENTIALITY, _broken_hardware,
     "Seto et al. 2025, WireTap; De Meulemeester et al. 2025, Battering RAM"),
    ("inference from exact sums", Aim.CONFIDENTIALITY, _inference_from_sums,
     "Dinur and Nissim 2003"),
    ("noise left out", Aim.CONFIDENTIALITY, _noise_left_out,
     "Kairouz, Liu and Steinke 2021, §2"),
    ("predicted batch", Aim.CONFIDENTIALITY, _predicted_batch,
     "Chua et al. 2024, How Private are DP-SGD Implementations?"),
    ("poisoned contribution", Aim.INTEGRITY, _poisoning,
     "Bagdasaryan et al. 2020, How to Backdoor Federated Learning"),
    ("false sum", Aim.INTEGRITY, _false_sum,
     "Xu et al. 2019, VerifyNet"),
)  # fmt: skip
"""Name, aim, judge and source of every attack, in the order in which the views list them."""

_OVER_STAGES: Final = frozenset({_round_differences, _chosen_state})
"""What opened sums tell together is judged over all stages at once."""
