"""What sums over two relays hide from whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from confide.errors import PlanError
from confide.plan import Aim, Condition, Exposure, Form, Observer, Outcome, Plan, Standing
from confide.plan.findings import NOBODY, Attack, Judge, Judgement, KnownAttack
from confide.plan.protections import Hiding, Protection
from confide.plan.protections.base import plaintext_of_each, vectors_of_each, wire
from confide.plan.protections.judgements import (
    chosen_by_announcement,
    false_announcement,
    noise_in_shares,
    opened_once,
    set_by_one,
)


def _read(plan: Plan) -> Judgement:
    if not plan.threat.confidentiality.coordinator.corrupt:
        return Outcome.ABSENT, "the plan trusts the coordinator with what it receives"
    return Outcome.DEFEATED, "each relay holds one of two shares, which looks random by itself"


def _told_apart(plan: Plan) -> Judgement:
    if not plan.coordinator_may_lie:
        return NOBODY
    return Outcome.BROKEN, (
        "equivocation: a malicious coordinator hands the relays what it likes; call it 'curious' "
        "or take aggregation 'masked'"
    )


def _pooled(_: Plan) -> Judgement:
    return Outcome.ASSUMED, "the two relays do not pool their shares"


def _wiretap(plan: Plan) -> Judgement:
    if not plan.threat.confidentiality.network.corrupt:
        return NOBODY
    return Outcome.DEFEATED, "each share is encrypted to its relay"


@dataclass(frozen=True, kw_only=True)
class Relays(Protection):
    """Each party splits its vector in two shares and encrypts one to each relay.

    Attributes:
        keys: The relays' X25519 public keys, 32 bytes each.
    """

    keys: tuple[bytes, ...]

    hiding: ClassVar[Hiding] = Hiding(
        form=Form.SHARE,
        vector="pair of encrypted shares",
        looks="seemingly random",
        hardness="X25519, AES-256 or SHA-256 broken",
    )
    judges: ClassVar[Mapping[Attack, Judge]] = {
        Attack.READ_CONTRIBUTIONS: _read,
        Attack.EQUIVOCATION: _told_apart,
        Attack.POOLED_SHARES: _pooled,
        Attack.SPLIT_MODEL: _told_apart,
        Attack.SECOND_OPENING: opened_once,
        Attack.WIRETAP: _wiretap,
        Attack.CHOSEN_STATE: chosen_by_announcement,
        Attack.NOISE_LEFT_OUT: noise_in_shares,
        Attack.POISONING: set_by_one,
        Attack.FALSE_SUM: false_announcement,
    }
    attacks: ClassVar[tuple[KnownAttack, ...]] = (
        KnownAttack("colluding relays", Aim.CONFIDENTIALITY, _pooled, "Corrigan-Gibbs 2017, Prio"),
    )

    def _check(self) -> None:
        if len(self.keys) != 2:
            raise PlanError(f"{len(self.keys)} relays; there are two")

    def to_adder(self, plan: Plan, observer: Observer) -> Iterator[Exposure]:
        yield vectors_of_each(plan, observer, self.hiding, "both relays pooling their shares")

    def on_the_wire(self, plan: Plan, observer: Observer) -> Iterator[Exposure]:
        yield wire(
            plan,
            observer,
            form=Form.CIPHERTEXT,
            detail="encrypted to the relays",
            voided=self.hiding.hardness,
        )

    def beyond(self, plan: Plan) -> Iterator[Exposure]:
        both = Observer(name="both relays together", standing=Standing.BEYOND)
        yield plaintext_of_each(plan, both, condition=Condition.BEYOND)
