"""Sums in clear: the adder reads each contribution. Who learns what from that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from confide.plan.exposures import Exposure, Form, Observer
from confide.plan.findings import (
    NOBODY,
    NOTHING_HIDDEN,
    Attack,
    Judge,
    Judgement,
    Outcome,
)
from confide.plan.placement import NoiseShares
from confide.plan.protections.base import CHANNEL, Protection, plaintext_of_each, wire
from confide.plan.protections.judgements import (
    chosen_by_announcement,
    false_announcement,
    moved_within_range,
    noise_by_coordinator,
)

if TYPE_CHECKING:
    from confide.plan.plan import Plan

__all__ = ["Clear"]


def _read(plan: Plan) -> Judgement:
    coordinator = plan.threat.confidentiality.coordinator
    if not coordinator.corrupt:
        return Outcome.ABSENT, "the plan trusts the coordinator with what it receives"
    return Outcome.BROKEN, (
        f"read contributions: the coordinator is {coordinator.value!r} and receives each "
        "contribution in clear. Use aggregation 'masked' or 'encrypted', or call the coordinator "
        "'honest' if it may read them."
    )


def _nothing_hidden(_: Plan) -> Judgement:
    return NOTHING_HIDDEN


def _equivocation(plan: Plan) -> Judgement:
    return NOTHING_HIDDEN if plan.coordinator_may_lie else NOBODY


def _split_model(plan: Plan) -> Judgement:
    if not plan.coordinator_may_lie:
        return NOBODY
    return Outcome.ASSUMED, (
        "the coordinator is honest, and its messages are as safe as the encrypted channel (TLS 1.3)"
    )


def _wiretap(plan: Plan) -> Judgement:
    if not plan.threat.confidentiality.network.corrupt:
        return NOBODY
    return Outcome.ASSUMED, "contributions are as safe as the encrypted channel (TLS 1.3)"


def _noise_left_out(plan: Plan) -> Judgement:
    if isinstance(plan.noise, NoiseShares):
        return Outcome.BROKEN, (
            "noise left out: under aggregation 'clear' the coordinator receives each party's value "
            "with that party's small share of the noise only. Use 'masked' or 'encrypted', or "
            "central noise."
        )
    return noise_by_coordinator(plan)


@dataclass(frozen=True)
class Clear(Protection):
    """The coordinator receives each party's contribution and adds them up.

    The contributions are signed and travel over an encrypted channel, but the coordinator reads
    them: only for plans whose threat calls the coordinator honest.
    """

    judges: ClassVar[Mapping[Attack, Judge]] = {
        Attack.READ_CONTRIBUTIONS: _read,
        Attack.EQUIVOCATION: _equivocation,
        Attack.POOLED_SHARES: _nothing_hidden,
        Attack.SPLIT_MODEL: _split_model,
        Attack.SECOND_OPENING: _nothing_hidden,
        Attack.WIRETAP: _wiretap,
        Attack.CHOSEN_STATE: chosen_by_announcement,
        Attack.NOISE_LEFT_OUT: _noise_left_out,
        Attack.POISONING: moved_within_range,
        Attack.FALSE_SUM: false_announcement,
    }

    @property
    def trust(self) -> str:
        """Whom the promise must trust with each contribution."""
        return " and the coordinator, which is trusted with it,"

    def to_adder(self, plan: Plan, observer: Observer) -> Iterator[Exposure]:
        """Each contribution, in clear."""
        yield plaintext_of_each(
            plan,
            observer,
            remedy="aggregation 'masked' or 'encrypted' hides contributions from it",
        )

    def on_the_wire(self, plan: Plan, observer: Observer) -> Iterator[Exposure]:
        """Contributions that only the channel protects."""
        yield wire(
            plan, observer, form=Form.SEALED, detail="encrypted by the channel", voided=CHANNEL
        )
