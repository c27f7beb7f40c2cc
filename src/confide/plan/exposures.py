"""Exposures: one typed value for each thing that somebody learns under a plan.

An exposure says who observes what of whom, in which form, under which condition, what is guaranteed
about it, what that rests on and what would end it. Views, promises and a console's questions are
filters over a plan's exposures (`confide.plan.disclosure.exposures`); no other place in the library
says who sees what.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from confide.plan.parties import Unit
from confide.plan.placement import CentralNoise, NoiseShares, NoNoise

if TYPE_CHECKING:
    from confide.plan.plan import Plan

__all__ = [
    "Condition",
    "Exposure",
    "Form",
    "Guarantee",
    "Observer",
    "Standing",
    "Subject",
    "Verdict",
    "What",
    "hidden",
    "in_plain",
    "of_sums",
    "seen_when",
    "sum_names",
    "sums_seen",
    "unbounded",
    "worst",
]


class Standing(Enum):
    """What a plan says of an observer."""

    ADVERSARY = "in the stated threat"
    TRUSTED = "trusted"
    BEYOND = "beyond the stated threat"


@dataclass(frozen=True, kw_only=True)
class Observer:
    """Who looks: one party, a role, or a coalition that pools what it sees.

    Attributes:
        name: How reports name it.
        standing: What the plan says of it.
        party: The party's name, if it is one party.
        parties: How many parties look together, at most: all of their ownership groups.
        groups: How many ownership groups these are.
        coordinator: Whether the coordinator is among them.
        network: Whether the network is.
        enclave: Whether it is the enclave, or an attacker who opened its machine.
    """

    name: str
    standing: Standing = Standing.ADVERSARY
    party: str | None = None
    parties: int = 0
    groups: int = 0
    coordinator: bool = False
    network: bool = False
    enclave: bool = False


class What(Enum):
    """The kind of value that is observed."""

    OWN_DATA = "own data"
    CONTRIBUTION = "contribution"
    SUMS = "sums"
    CELLS = "cells of a sum"
    STATE = "state"
    RESULT = "result of an exchange"
    KEYS = "keys"
    METADATA = "metadata"


class Subject(Enum):
    """Of whom a value is."""

    ITSELF = "itself"
    EACH_PARTY = "each party"
    ONE_OF_CHOICE = "a party of the observer's choice"
    MISSING = "a party that was missing"
    ALL = "all parties together"
    OTHERS = "all others together"
    NAMED = "the parties that it names"


class Form(Enum):
    """In which form a value is observed."""

    PLAINTEXT = "plaintext"
    SUM = "sum"
    NOISY_SUM = "noisy sum"
    DIFFERENCE = "difference of sums"
    RESULT = "result"
    MASKED = "masked"
    CIPHERTEXT = "ciphertext"
    SEALED = "sealed"
    SHARE = "share"
    PUBLIC_KEY = "public key"
    METADATA = "metadata"


class Condition(Enum):
    """When an observer sees a value."""

    EVERY_RUN = "in every run"
    ONCE_MISSING = "once a party is missing from one sum and not from another"
    BY_CHEATING = "by cheating within the threat"
    BEYOND = "beyond the threat"


class Verdict(Enum):
    """What is guaranteed about one unit, from best to worst."""

    PRIVATE = "PRIVATE"
    """Differential privacy limits what the value reveals."""
    HIDDEN = "HIDDEN"
    """The value looks random, or is a sum over two honest ownership groups or more; no noise limits
    what the sum reveals."""
    NOT_PRIVATE = "NOT PRIVATE"
    """Nothing limits what the value reveals."""


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of some verdicts; the best verdict if there are none."""
    order = list(Verdict)
    return max(verdicts, key=order.index, default=Verdict.PRIVATE)


@dataclass(frozen=True, kw_only=True)
class Guarantee:
    """What is guaranteed against an observer about what it sees.

    Attributes:
        unit: For each unit that the plan protects.

        group: For each ownership group's contribution as a whole.
        insiders: How many shares of the noise the observer knows, where noise protects the unit; an
            accountant needs it for ε. None where no noise does.
    """

    unit: Verdict
    group: Verdict
    insiders: int | None = None


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """One thing that somebody learns.

    Attributes:
        observer: Who observes it.
        what: The kind of value.
        value: The value, in words.
        of: Of whom it is.
        form: In which form it is observed.
        detail: The form in words, over whom, and how.
        when: How often.
        condition: Under which condition.
        guarantee: What is guaranteed about it.
        assumption: The failure that would void the guarantee (not the assumption itself). Empty if
            the guarantee depends on none.
        remedy: What would end the exposure; empty if the plan intends it.
        stage: The place of the stage that it belongs to; None for what several stages reveal
            together.
        whose: The names of the parties that it is of, where `of` is `Subject.NAMED`.
    """

    observer: Observer
    what: What
    value: str
    of: Subject
    form: Form
    detail: str
    when: str
    condition: Condition = Condition.EVERY_RUN
    guarantee: Guarantee
    assumption: str = ""
    remedy: str = ""
    stage: int | None = 0
    whose: tuple[str, ...] = ()

    def by(self, observer: Observer) -> Exposure:
        """The same, seen by another observer: `dataclasses.replace`, fast for 10,000 parties."""
        made = object.__new__(Exposure)
        made.__dict__.update(self.__dict__ | {"observer": observer})
        return made

    def concerns(self, party: str) -> bool:
        """Whether the value is, or may be, a party's own or has its part in it."""
        if self.of is Subject.NAMED:
            return party in self.whose
        if self.of is Subject.ITSELF:
            return self.observer.party == party or (
                self.observer.party is None and self.observer.parties > 0
            )
        return self.observer.party != party or self.of is Subject.ALL


def unbounded() -> Guarantee:
    """The guarantee of a value that nothing hides and no noise limits."""
    return Guarantee(unit=Verdict.NOT_PRIVATE, group=Verdict.NOT_PRIVATE)


def hidden() -> Guarantee:
    """The guarantee of a value that looks random to its observer."""
    return Guarantee(unit=Verdict.HIDDEN, group=Verdict.HIDDEN)


def in_plain(plan: Plan, *, share_of_noise: bool = False) -> Guarantee:
    """The guarantee of one party's contribution by itself.

    Args:
        plan: The plan, of one stage.
        share_of_noise: Whether the party's own share of the noise is still in it.
    """
    if not (share_of_noise and isinstance(plan.noise, NoiseShares)):
        return unbounded()
    covered = plan.neighbours.unit is Unit.PARTY
    return Guarantee(
        unit=Verdict.PRIVATE,
        group=Verdict.PRIVATE if covered else Verdict.NOT_PRIVATE,
        insiders=plan.min_survivors - 1,
    )


def of_sums(plan: Plan, observer: Observer, *, apart: bool = False) -> Guarantee:
    """The guarantee of a plan's sums against an observer.

    Args:
        plan: The plan, of one stage.
        observer: Who sees them, and takes its own part away.
        apart: Whether the observer can tell single ownership groups apart: from differences of
            sums, or by a state of its choice. Only noise per ownership group covers that.
    """
    insiders = _shares_taken(plan, observer)
    per_group = plan.neighbours.unit is Unit.PARTY
    group = Verdict.HIDDEN
    if per_group and insiders is not None:
        group = Verdict.PRIVATE
    elif apart or plan.fewest_owners - observer.groups < 2:
        group = Verdict.NOT_PRIVATE
    unit = Verdict.NOT_PRIVATE if insiders is None else Verdict.PRIVATE
    return Guarantee(unit=group if per_group else unit, group=group, insiders=insiders)


def _shares_taken(plan: Plan, observer: Observer) -> int | None:
    """How many shares of the noise an observer can subtract; None if no noise protects against it.

    Central noise has no shares, and the adder sees the sums without it.
    """
    if isinstance(plan.noise, NoNoise):
        return None
    if isinstance(plan.noise, CentralNoise):
        maker = observer.enclave if plan.attested else observer.coordinator
        return None if maker else 0
    return observer.parties if observer.parties < plan.min_survivors else None


def sum_names(plan: Plan) -> str:
    """The names of a stage's sums, as a list in words."""
    names = [f"'{s.name}'" for s in plan.sums.sums]
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def seen_when(plan: Plan) -> str:
    """How often something of a round is seen."""
    return "once" if plan.rounds == 1 else f"in each of {plan.rounds} rounds"


def sums_seen(part: Plan, observer: Observer) -> Iterator[Exposure]:
    """The sums as an observer receives them, and what follows from them."""
    guarantee = of_sums(part, observer)
    yield Exposure(
        observer=observer,
        what=What.SUMS,
        value=sum_names(part),
        of=Subject.OTHERS if observer.parties else Subject.ALL,
        form=_sum_form(guarantee),
        detail=_over_whom(part, observer),
        when=seen_when(part),
        guarantee=guarantee,
        assumption=_sum_assumption(part, observer),
        remedy=_sum_remedy(part, guarantee),
    )
    yield from _single_cells(part, observer, guarantee)
    yield Exposure(
        observer=observer,
        what=What.STATE,
        value="the result" if part.rounds == 1 else "the state after each round",
        of=Subject.ALL,
        form=Form.RESULT,
        detail="computed from the sums",
        when=seen_when(part),
        guarantee=guarantee,
    )


def _single_cells(part: Plan, observer: Observer, seen: Guarantee) -> Iterator[Exposure]:
    """What exact sums reveal about a unit that is alone in one of their cells."""
    if seen.insiders is not None:
        return
    unit = part.neighbours.unit.value
    for declared in part.sums.sums:
        if declared.cells is not None:
            yield Exposure(
                observer=observer,
                what=What.CELLS,
                value=f"a {unit} that is alone in one of the {declared.cells}",
                of=Subject.OTHERS if observer.parties else Subject.ALL,
                form=Form.SUM,
                detail=f"its exact value in '{declared.name}'",
                when=seen_when(part),
                guarantee=Guarantee(unit=Verdict.NOT_PRIVATE, group=seen.group),
                remedy=_sum_remedy(part, seen),
            )


def _sum_form(guarantee: Guarantee) -> Form:
    return Form.SUM if guarantee.insiders is None else Form.NOISY_SUM


def _sum_remedy(part: Plan, guarantee: Guarantee) -> str:
    """What would limit what sums reveal, where nothing does."""
    if guarantee.unit is not Verdict.NOT_PRIVATE:
        return ""
    return (
        "noise in the sums"
        if isinstance(part.noise, NoNoise)
        else "noise in shares of masked or encrypted sums"
    )


def _over_whom(part: Plan, observer: Observer) -> str:
    least, insiders = part.min_survivors, observer.parties
    text = f"one sum over at least {least} of {len(part.parties)} parties"
    if not insiders:
        return text
    whose = "its own part" if observer.party is not None and insiders == 1 else "their own part"
    left = max(least - insiders, 0)
    return f"{text}; without {whose}, the sum of at least {left} others"


def _sum_assumption(part: Plan, observer: Observer) -> str:
    """The failure that would let an observer see more than the sums, or sums with less noise."""
    failures = []
    if part.only_sums_open:
        failures.append(f"{part.colluding + 1} parties or more collude")
    elif part.attested:
        failures.append("the enclave's hardware opened")
    elif not observer.coordinator:
        failures.append("the coordinator passes on what it reads")
    central = isinstance(part.noise, CentralNoise) and not part.attested
    if central and not observer.coordinator:
        failures.append("the coordinator leaves its noise out")
    return "; or ".join(failures)
