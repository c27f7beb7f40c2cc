"""What masked and encrypted sums have in common: secrets shared among the parties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from confide.errors import PlanError
from confide.plan.exposures import Exposure, Form, Observer, Subject, What, hidden, seen_when
from confide.plan.findings import NOBODY, Attack, Judge, Judgement, Outcome
from confide.plan.masking import failure_bits
from confide.plan.protections.base import (
    Hiding,
    allowed_colluders,
    beyond_threat,
    vectors_of_each,
    wire,
)
from confide.plan.protections.judgements import (
    chosen_by_announcement,
    false_announcement,
    noise_in_shares,
    one_set_signed,
    opened_once,
    set_by_one,
)

if TYPE_CHECKING:
    from confide.plan.plan import Plan

__all__ = ["SharedSecrets", "pooled", "shared_judges"]


class SharedSecrets:
    """Contributions that can only be opened together, by shares of secrets that the parties hold.

    Attributes:
        hiding: How contributions are hidden.
        secrets: What a share is of, in words.
        opened: What enough shares do, in words.
    """

    hiding: ClassVar[Hiding]
    secrets: ClassVar[str]
    opened: ClassVar[str]

    def chance(self, plan: Plan) -> str:
        """That a graph and samples of signatures are drawn, and how rarely that fails."""
        if plan.masking.complete:
            return ""
        bits = failure_bits(plan.masking, plan.rounds)
        return (
            "who is whose neighbour, and whose signatures a party verifies, is drawn: over all "
            f"rounds together that fails with a probability of at most 2^-{bits:.1f}"
        )

    def to_adder(self, plan: Plan, observer: Observer) -> Iterator[Exposure]:
        """Each party's hidden vector, and what is needed to open one."""
        yield vectors_of_each(plan, observer, self.hiding, pooled(plan))

    def on_the_wire(self, plan: Plan, observer: Observer) -> Iterator[Exposure]:
        """Hidden vectors inside the channel."""
        yield wire(
            plan,
            observer,
            form=self.hiding.form,
            detail=f"encrypted by the channel; inside it, {self.hiding.looks}",
            voided=self.hiding.hardness,
        )

    def to_party(self, plan: Plan, observer: Observer) -> Iterator[Exposure]:
        """Shares of its neighbours' secrets."""
        yield Exposure(
            observer=observer,
            what=What.KEYS,
            value="keys, encrypted shares and signatures of its neighbours",
            of=Subject.EACH_PARTY,
            form=Form.SHARE,
            detail=f"one share of {self.secrets} of each of {plan.masking.degree} neighbours; "
            f"{plan.masking.threshold} are needed to open one",
            when=seen_when(plan),
            guarantee=hidden(),
            assumption=self.hiding.hardness,
        )

    def beyond(self, plan: Plan) -> Iterator[Exposure]:
        """Who could subtract, and who could open shares, beyond the threat."""
        yield from _subtraction(plan)
        yield from self._threshold(plan)

    def _threshold(self, plan: Plan) -> Iterator[Exposure]:
        masking = plan.masking
        if masking.threshold >= masking.parties:
            return  # All parties together: there is no other party whose data they could read.
        who = f"coordinator and {masking.threshold} parties that share one neighbour"
        if masking.complete:
            who = f"coordinator and any {_parties(masking.threshold)} together"
        yield beyond_threat(
            plan,
            who,
            masking.threshold,
            value="every contribution of the other parties they hold shares of",
            of=Subject.ONE_OF_CHOICE,
            detail=f"in clear: {self.opened} ({allowed_colluders(plan)})",
        )


def pooled(plan: Plan) -> str:
    """How many parties' shares open a contribution, as the failure that voids its hiding."""
    return f"{plan.masking.threshold} parties pooling their shares"


def _subtraction(plan: Plan) -> Iterator[Exposure]:
    """The fewest parties beyond the threat with whom the coordinator can single out another."""
    n, masking = len(plan.parties), plan.masking
    means, who = "they subtract their own part from a sum over themselves and one other", "any "
    fewest = plan.min_survivors - 1
    # Parties that lie sign twice: then two sets of survivors that differ in one party both get a
    # quorum and, in a neighbourhood, the shares that open them. Without dropouts there is only one
    # set.
    around = 2 * masking.threshold - (masking.degree + 1)
    signing = max(2 * masking.quorum - n, around)
    if masking.quorum and plan.most_missing and signing < fewest:
        means = "they confirm two sets of survivors that differ in one party, and subtract the sums"
        fewest, who = signing, "any " if masking.complete or around <= 0 else ""
    if plan.cohorts is not None and (in_class := _class_less_one(plan)) < fewest:
        means = "they subtract their own part from the total of their class, which is in the same "
        means += "cohorts"
        fewest, who = in_class, ""
    members = max(fewest, plan.colluding + 1)
    if members >= n:
        return
    yield beyond_threat(
        plan,
        f"coordinator and {who}{_parties(members)} together",
        members,
        value="the contribution of a party of their choice",
        of=Subject.ONE_OF_CHOICE,
        detail=f"in clear: {means} ({allowed_colluders(plan)})",
    )


def _class_less_one(plan: Plan) -> int:
    """All but one of the parties of the smallest class that can remain in the sums of cohorts."""
    assert plan.cohorts is not None  # noqa: S101 - narrows the type for mypy
    smallest = min(len(names) for _, names in plan.cohorts.classes) - plan.dropouts
    return max(smallest, plan.least_class if plan.keeps_classes else 1) - 1


def _parties(count: int) -> str:
    return f"{count} {'party' if count == 1 else 'parties'}"


def _pooled_shares(what: str) -> Judge:
    def judge(plan: Plan) -> Judgement:
        try:
            threshold = plan.masking.threshold
        except PlanError as error:
            return Outcome.BROKEN, str(error)
        return Outcome.DEFEATED, (
            f"{threshold} shares open a party's {what}, more than {plan.colluding} colluders hold"
        )

    return judge


def _split_model(why: str) -> Judge:
    def judge(plan: Plan) -> Judgement:
        if not plan.coordinator_may_lie:
            return NOBODY
        return Outcome.DEFEATED, (
            "parties compute each state from the released sums themselves, and its hash enters "
            f"every pairwise key: {why}"
        )

    return judge


def _wiretap(how: str) -> Judge:
    def judge(plan: Plan) -> Judgement:
        if not plan.threat.confidentiality.network.corrupt:
            return NOBODY
        return Outcome.DEFEATED, (
            f"each contribution is {how} inside the encrypted channel (TLS 1.3); without the "
            "channel the network sees what the coordinator sees, and that opens only sums"
        )

    return judge


def shared_judges(*, how: str, read: str, opens: str, split: str) -> Mapping[Attack, Judge]:
    """The judges of sums with shared secrets, from the words of one protection.

    Args:
        how: How a contribution is hidden: "masked".
        read: Why nobody reads one.
        opens: What shares open.
        split: What happens to parties with different states.
    """
    return {
        Attack.READ_CONTRIBUTIONS: _unread(read),
        Attack.EQUIVOCATION: one_set_signed,
        Attack.POOLED_SHARES: _pooled_shares(opens),
        Attack.SPLIT_MODEL: _split_model(split),
        Attack.SECOND_OPENING: opened_once,
        Attack.WIRETAP: _wiretap(how),
        Attack.CHOSEN_STATE: chosen_by_announcement,
        Attack.NOISE_LEFT_OUT: noise_in_shares,
        Attack.POISONING: set_by_one,
        Attack.FALSE_SUM: false_announcement,
    }


def _unread(why: str) -> Judge:
    def judge(plan: Plan) -> Judgement:
        if not plan.threat.confidentiality.coordinator.corrupt:
            return Outcome.ABSENT, "the plan trusts the coordinator with what it receives"
        return Outcome.DEFEATED, why

    return judge
