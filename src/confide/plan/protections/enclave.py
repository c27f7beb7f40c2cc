"""Sums in an attested enclave: what it, its host and whoever opens its machine learn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from confide.errors import PlanError
from confide.plan.exposures import (
    Exposure,
    Form,
    Observer,
    Standing,
    Subject,
    What,
    hidden,
    seen_when,
    sums_seen,
)
from confide.plan.findings import NOBODY, Attack, Judge, Judgement, Outcome
from confide.plan.placement import CentralNoise, NoNoise
from confide.plan.protections.base import Protection, Rule, plaintext_of_each
from confide.plan.protections.clear import Clear
from confide.plan.protections.judgements import (
    chosen_by_party,
    lying_parties,
    moved_within_range,
    one_set_signed,
)
from confide.plan.threat import Hardware

if TYPE_CHECKING:
    from confide.plan.plan import Plan

__all__ = ["Enclave"]

_HASH_BYTES: Final = 32
_SEALED_HARDNESS: Final = "X25519, AES-256, SHA-512 or the vendor's signatures broken"
"""What would open a message to the enclave without opening the enclave."""


def _of(plan: Plan) -> Enclave:
    assert isinstance(plan.aggregation, Enclave)  # noqa: S101 - only its own plans ask
    return plan.aggregation


def _beneath(attack: Attack) -> Judge:
    """What the protection beneath makes of an attack."""

    def judge(plan: Plan) -> Judgement:
        return _of(plan).over.judge(attack, plan)

    return judge


def _if_hidden(attack: Attack, otherwise: Judge) -> Judge:
    """What the protection beneath makes of an attack, if it hides contributions."""

    def judge(plan: Plan) -> Judgement:
        enclave = _of(plan)
        return otherwise(plan) if enclave.reads else enclave.over.judge(attack, plan)

    return judge


def _by_hardware(plan: Plan, reason: str) -> Judgement:
    """Assumed away by sound hardware; a simulator is none."""
    if _of(plan).simulated:
        reason = f"SIMULATED, so this holds only while its host is honest: {reason}"
    return Outcome.ASSUMED, reason


def _read(plan: Plan) -> Judgement:
    if not plan.threat.confidentiality.coordinator.corrupt:
        return Outcome.ABSENT, "the plan trusts the coordinator with what it receives"
    if plan.threat.hardware is Hardware.UNTRUSTED:
        return Outcome.BROKEN, (
            "read contributions: the coordinator runs the enclave's machine, the plan calls its "
            "hardware untrusted, and the enclave reads each contribution. Put it over 'masked' or "
            "'encrypted' sums, or assume that it holds: threat.hardware = 'assumed-sound'."
        )
    if _of(plan).simulated:
        return Outcome.ASSUMED, (
            "SIMULATED: no hardware stands behind the enclave, and the coordinator reads what it "
            "likes; the plan shows how a run goes, and protects nothing"
        )
    return Outcome.ASSUMED, (
        "the enclave reads each contribution and its hardware is assumed sound; every party "
        "verifies it before it sends"
    )


def _equivocation(plan: Plan) -> Judgement:
    if not plan.coordinator_may_lie:
        return NOBODY
    if plan.cohorts is not None and plan.keeps_classes and plan.dropouts:
        # S1 = {v} + A + B, S2 = A and S3 = B by three copies of the enclave: nobody in S2 is in S3.
        return one_set_signed(plan)
    return Outcome.DEFEATED, (
        "a party contributes to a round once, so no two sums over different survivors hold it"
    )


def _split_model(plan: Plan) -> Judgement:
    if not plan.coordinator_may_lie:
        return NOBODY
    return Outcome.DEFEATED, "a party refuses another state than the one it computed itself"


def _wiretap(plan: Plan) -> Judgement:
    if not plan.threat.confidentiality.network.corrupt:
        return NOBODY
    return Outcome.DEFEATED, (
        "each contribution is encrypted to a key that the enclave's evidence vouches for"
    )


def _chosen_state(plan: Plan) -> Judgement:
    if plan.threat.hardware is not Hardware.ASSUMED_SOUND:
        return _of(plan).over.judge(Attack.CHOSEN_STATE, plan)
    if lying_parties(plan):
        return chosen_by_party(plan)
    if not plan.coordinator_may_lie:
        return NOBODY
    return _by_hardware(
        plan, "the enclave computes each sum, signs it, and its hardware is assumed sound"
    )


def _noise_left_out(plan: Plan) -> Judgement:
    if isinstance(plan.noise, CentralNoise):
        return _by_hardware(plan, "the enclave adds the noise, and its hardware is assumed sound")
    return _of(plan).over.judge(Attack.NOISE_LEFT_OUT, plan)


def _poisoning(plan: Plan) -> Judgement:
    rule = _of(plan).rule
    if rule is Rule.SUM:
        return moved_within_range(plan)
    return Outcome.REPORTED, (
        "few parties can move the result a little: within the party range, and as far as the rule "
        f"{rule.value!r} lets them"
    )


def _false_sum(plan: Plan) -> Judgement:
    if plan.threat.hardware is Hardware.ASSUMED_SOUND:
        return _by_hardware(
            plan,
            "the enclave signs what it releases, parties verify that, and its hardware is assumed "
            "sound",
        )
    return _of(plan).over.judge(Attack.FALSE_SUM, plan)


def _other_build(_: Plan) -> Judgement:
    return Outcome.DEFEATED, (
        "every party verifies before it sends: vendor's root, firmware, no debugging, and the "
        "measurements that the policy of the plan names"
    )


def _relayed_evidence(_: Plan) -> Judgement:
    return Outcome.DEFEATED, (
        "evidence answers a nonce of the party's choice and vouches for a key; who relays it has "
        "no such key, and receives ciphertext"
    )


def _rolled_back(_: Plan) -> Judgement:
    return Outcome.DEFEATED, (
        "each party contributes to a round once whatever the enclave forgot, and the enclave "
        "restores a state only if a monotonic counter agrees, else it starts anew with fresh keys"
    )


def _forked(_: Plan) -> Judgement:
    return Outcome.DEFEATED, (
        "receipts name the instance that each contributor verified, signed by the contributor: "
        "two of them in one round do not verify; and of two started from one sealed state, the "
        "first to release stops the other"
    )


def _broken_hardware(plan: Plan) -> Judgement:
    enclave = _of(plan)
    if not enclave.reads:
        return Outcome.DEFEATED, (
            "the enclave receives hidden contributions; whoever opens it learns what a coordinator "
            f"under {enclave.over.name!r} learns, and sets the result"
        )
    return Outcome.REPORTED, (
        "whoever opens the machine, or holds a stolen key of one, reads each contribution: the "
        "policy's list of nodes is what remains"
    )


_JUDGES: Final[Mapping[Attack, Judge]] = {
    Attack.READ_CONTRIBUTIONS: _if_hidden(Attack.READ_CONTRIBUTIONS, _read),
    Attack.EQUIVOCATION: _if_hidden(Attack.EQUIVOCATION, _equivocation),
    Attack.POOLED_SHARES: _beneath(Attack.POOLED_SHARES),
    Attack.SPLIT_MODEL: _if_hidden(Attack.SPLIT_MODEL, _split_model),
    Attack.SECOND_OPENING: _beneath(Attack.SECOND_OPENING),
    Attack.WIRETAP: _if_hidden(Attack.WIRETAP, _wiretap),
    Attack.CHOSEN_STATE: _chosen_state,
    Attack.NOISE_LEFT_OUT: _noise_left_out,
    Attack.POISONING: _if_hidden(Attack.POISONING, _poisoning),
    Attack.FALSE_SUM: _false_sum,
    Attack.FALSE_CIPHERTEXT: _beneath(Attack.FALSE_CIPHERTEXT),
    Attack.ROGUE_KEY: _beneath(Attack.ROGUE_KEY),
    Attack.OTHER_BUILD: _other_build,
    Attack.RELAYED_EVIDENCE: _relayed_evidence,
    Attack.ROLLED_BACK: _rolled_back,
    Attack.FORKED: _forked,
    Attack.BROKEN_HARDWARE: _broken_hardware,
}


@dataclass(frozen=True, kw_only=True)
class Enclave(Protection):
    """An attested enclave receives the contributions, and every party verifies it before it sends.

    Attributes:
        policy: SHA-256 of the policy that every party verifies it by (`confide.tee.Policy.hash`).
        over: What protects contributions inside. `Clear()`: the enclave reads them, checks their
            ranges, and adds the noise. `Masked()` or `Encrypted()`: it reads sums only, so that
            broken hardware costs no more than that protection does.
        rule: How it combines them; other rules than sums need `Clear()` and no noise.
        simulated: Whether the policy accepts a simulator, behind which no hardware stands.
    """

    policy: bytes
    over: Protection = Clear()
    rule: Rule = Rule.SUM
    simulated: bool = False

    def _check(self) -> None:
        if len(self.policy) != _HASH_BYTES:
            raise PlanError(
                f"an enclave policy of {len(self.policy)} bytes; name its SHA-256, {_HASH_BYTES}"
            )
        if self.over.attested:
            raise PlanError("an enclave over an enclave; put it over what protects sums by itself")
        if self.rule is not Rule.SUM and self.over.hiding is not None:
            raise PlanError(
                f"rule {self.rule.value!r} in an enclave over {self.over.name!r} sums: it takes "
                "each contribution, and there the enclave reads none. Leave 'over' out, or take "
                "rule 'sum'"
            )

    judges: ClassVar[Mapping[Attack, Judge]] = _JUDGES

    # --- what it is ------------------------------------------------------------------------------

    @property
    def beneath(self) -> Protection:
        """What protects contributions if the hardware is broken."""
        return self.over

    @property
    def attested(self) -> bool:
        """Parties verify it before they send."""
        return True

    @property
    def reads(self) -> bool:
        """Whether it reads each contribution."""
        return self.over.hiding is None

    @property
    def adder(self) -> str:
        """The enclave adds up."""
        return "enclave"

    @property
    def relies_on_channel(self) -> bool:
        """Messages are encrypted to the enclave beneath the channel."""
        return False

    @property
    def reader(self) -> str:
        """Who reads each contribution besides its party."""
        return "the enclave" if self.reads else ""

    @property
    def trust(self) -> str:
        """Whom the promise must trust with each contribution."""
        if not self.reads:
            return ""
        if self.simulated:
            return " and whoever runs the simulated enclave, behind which no hardware stands,"
        return " and the enclave, which it verifies before it sends and whose hardware is trusted,"

    def chance(self, plan: Plan) -> str:
        """What the protection beneath leaves to chance."""
        return self.over.chance(plan)

    @property
    def warning(self) -> str:
        """That no hardware stands behind a simulated enclave."""
        if not self.simulated:
            return ""
        beneath = (
            "each contribution is as safe as its host is honest"
            if self.reads
            else f"contributions are protected as in {self.over.name!r} sums alone"
        )
        return (
            "SIMULATED HARDWARE: the plan accepts evidence that anybody can make; no enclave "
            f"protects anything, and {beneath}."
        )

    def check_plan(self, plan: Plan) -> None:
        """Refuses rules with noise or too few survivors, and noise that broken hardware lacks."""
        self.over.check_plan(plan)
        if self.rule is not Rule.SUM and not isinstance(plan.noise, NoNoise):
            raise PlanError(
                f"rule {self.rule.value!r} together with noise: how far one unit moves its result "
                "is not proven, so no noise is calibrated to it. Take rule 'sum', or leave the "
                "noise out"
            )
        liars = plan.threat.integrity.colluding_parties
        least = self.rule.survivors_for(liars)
        if plan.min_survivors < least:
            raise PlanError(
                f"rule {self.rule.value!r} against {liars} lying parties takes {least} survivors, "
                f"and the plan may go on with {plan.min_survivors}: take more parties, fewer "
                "dropouts, or lower threat.integrity.colluding_parties"
            )
        if isinstance(plan.noise, CentralNoise) and not self.reads:
            raise PlanError(
                "central noise in an enclave over hidden sums: were the hardware broken, the sums "
                "would be there without it. Take noise in shares, which is in the sums already"
            )

    # --- exposures -------------------------------------------------------------------------------

    def to_adder(self, plan: Plan, observer: Observer) -> Iterator[Exposure]:
        """What is inside."""
        yield from self.over.to_adder(plan, observer)

    def to_coordinator(self, plan: Plan, observer: Observer) -> Iterator[Exposure]:
        """What the host of an enclave carries."""
        yield self._sealed(plan, observer)

    def on_the_wire(self, plan: Plan, observer: Observer) -> Iterator[Exposure]:
        """The same."""
        yield self._sealed(plan, observer)

    def to_party(self, plan: Plan, observer: Observer) -> Iterator[Exposure]:
        """What a party holds of others beneath the enclave."""
        yield from self.over.to_party(plan, observer)

    def beyond(self, plan: Plan) -> Iterator[Exposure]:
        """What coalitions could do that opened the machine."""
        yield from self.over.beyond(plan)

    def to_others(self, plan: Plan) -> Iterator[Exposure]:
        """The enclave, and whoever opened its machine or stole a key that the policy accepts."""
        inside = Observer(name="enclave", standing=Standing.TRUSTED, enclave=True)
        if self.reads:
            detail = "in clear, by party; it checks ranges, and forgets it after the round"
            yield plaintext_of_each(
                plan, inside, detail=detail, assumption="the enclave's hardware opened"
            )
        else:
            yield from self._inside(plan, inside)
        opened = Observer(
            name="whoever opened the enclave's machine", standing=self._opened(plan), enclave=True
        )
        yield from self._inside(plan, opened)

    def _inside(self, plan: Plan, observer: Observer) -> Iterator[Exposure]:
        if not self.reads:
            yield from sums_seen(plan, observer)
        yield from self.over.to_adder(plan, observer)

    def _opened(self, plan: Plan) -> Standing:
        """Whether the threat counts it: a corrupt host opens what is simulated or untrusted."""
        weak = self.simulated or plan.threat.hardware is Hardware.UNTRUSTED
        hosted = plan.threat.confidentiality.coordinator.corrupt
        return Standing.ADVERSARY if weak and hosted else Standing.BEYOND

    def _sealed(self, plan: Plan, observer: Observer) -> Exposure:
        return Exposure(
            observer=observer,
            what=What.CONTRIBUTION,
            value="messages to the enclave and its answers",
            of=Subject.EACH_PARTY,
            form=Form.SEALED,
            detail="encrypted to a key that its evidence vouches for",
            when=seen_when(plan),
            guarantee=hidden(),
            assumption=f"the enclave's hardware opened; or {_SEALED_HARDNESS}",
        )
