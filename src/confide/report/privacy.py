"""What noise protects against whom, in words: for the views and the estimate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from confide.plan import (
    CentralNoise,
    FullBatch,
    NoiseShares,
    NoNoise,
    Plan,
    Relation,
    Unit,
)
from confide.plan.exposures import Condition, Exposure, Form, Guarantee, What
from confide.privacy.guarantee import guarantee, statement

if TYPE_CHECKING:
    from confide.privacy.accounting.statement import PrivacyStatement

__all__ = [
    "NoiseFacts",
    "noise_facts",
    "owner_word",
    "owner_words",
    "privacy_of",
    "statement_of",
    "total_statement",
    "verdict_of",
]


@dataclass(frozen=True)
class NoiseFacts:
    """What follows from a plan's noise.

    Attributes:
        how: Who adds how much, and who is drawn.
        statement: What protects one unit against the strongest audience of the threat that holds
            no sum without noise; None without noise.
        at_capacity: The same at a party that has as many units as the capacity or more, where
            that is less; None otherwise.
    """

    how: str
    statement: PrivacyStatement | None
    at_capacity: PrivacyStatement | None

    @property
    def at_capacity_means(self) -> str:
        """When `at_capacity` holds, in words."""
        return (
            "At a party with as many units as the capacity or more, where adding or removing "
            "one moves another in or out"
        )


def noise_facts(plan: Plan) -> NoiseFacts:
    """What a report says of a plan's noise as a whole."""
    if isinstance(plan.noise, NoNoise):
        return NoiseFacts("no noise: sums are exact, with no privacy guarantee (ε = ∞)", None, None)
    comes_or_goes = plan.neighbours.relation is Relation.ADD_OR_REMOVE_ONE
    weaker = comes_or_goes and any(
        part.sums.unit is plan.neighbours.unit is not Unit.PARTY for part in plan.stage_plans
    )
    return NoiseFacts(
        " ".join(_how_in_stages(plan)),
        total_statement(plan),
        total_statement(plan, at_capacity=True) if weaker else None,
    )


@lru_cache(maxsize=256)
def total_statement(
    plan: Plan,
    *,
    insiders: int | None = None,
    stages: tuple[int, ...] | None = None,
    at_capacity: bool = False,
) -> PrivacyStatement:
    """What the noise of several stages together is worth.

    Args:
        plan: A plan with noise.
        insiders: How many shares of the noise are taken away; as many as the threat allows if
            omitted.
        stages: The places of the stages that are seen; all if omitted.
        at_capacity: For a party that has as many units as the capacity or more.
    """
    parts = plan.sum_plans if stages is None else [plan.stage_plans[place] for place in stages]
    if len(parts) == 1:
        return statement(parts[0], insiders=insiders, at_capacity=at_capacity)
    import dp_accounting as dp

    from confide.privacy.accounting.statement import PrivacyStatement

    assert not isinstance(plan.noise, NoNoise)  # noqa: S101 - guarantee() refuses it
    found = [guarantee(part, insiders=insiders, at_capacity=at_capacity) for part in parts]
    # Replacing a unit covers adding or removing one, so the stages share the stronger relation.
    relations = {each.relation for each in found}
    return PrivacyStatement.of_event(
        dp.ComposedDpEvent([each.event for each in found]),
        relation=relations.pop() if len(relations) == 1 else Relation.REPLACE_ONE,
        delta=plan.noise.delta,
        unit=plan.neighbours.unit,
        closeness=sum(each.rounds * each.round_closeness for each in found),
    )


def statement_of(plan: Plan, seen: Iterable[Exposure]) -> PrivacyStatement | None:
    """What the noise guarantees against an observer of these exposures; None without any.

    Args:
        plan: The plan.
        seen: All exposures of one observer.
    """
    sums = [e for e in seen if e.what is What.SUMS]
    taken = {e.guarantee.insiders for e in sums}
    if not sums or None in taken:
        return None
    stages = tuple(sorted({e.stage for e in sums if e.stage is not None}))
    return total_statement(plan, insiders=max(i for i in taken if i is not None), stages=stages)


def privacy_of(plan: Plan, exposure: Exposure) -> str:
    """What limits an exposure, in numbers, or that nothing does: a cell of a table."""
    if exposure.what is What.OWN_DATA:
        return "its own" if exposure.observer.party is not None else "their own"
    if exposure.what is What.STATE:
        return "as the sums"
    bounded = exposure.what is What.SUMS or exposure.form in (
        Form.PLAINTEXT,
        Form.DIFFERENCE,
        Form.SUM,
        Form.RESULT,
    )
    if not bounded or exposure.what is What.KEYS:
        return "nothing to bound"
    insiders = exposure.guarantee.insiders
    if insiders is None:
        return f"ε = ∞ ({_why_nothing(plan, exposure)})"
    stages = None if exposure.stage is None else (exposure.stage,)
    found = str(total_statement(plan, insiders=insiders, stages=stages))
    own_share = exposure.form is Form.PLAINTEXT
    return f"its own share of the noise: {found}" if own_share else found


def _why_nothing(plan: Plan, exposure: Exposure) -> str:
    if exposure.form is Form.PLAINTEXT:
        beyond = exposure.condition is Condition.BEYOND
        return "nothing is left to protect it" if beyond else "no noise in it"
    if exposure.form is Form.RESULT:
        return "an exact result, no noise"
    if isinstance(plan.noise, NoNoise):
        return "exact sums, no noise"
    if isinstance(plan.noise, CentralNoise):
        return "the coordinator holds the sums before it adds the noise"
    return "nobody's share of the noise is left"


def verdict_of(plan: Plan, found: Guarantee) -> str:
    """A guarantee in words: for the unit of privacy, and for each ownership group."""
    unit, group = plan.neighbours.unit, owner_word(plan)
    words = f"each {group} {found.group.value}"
    return words if unit is Unit.PARTY else f"each {unit.value} {found.unit.value}; {words}"


def owner_word(plan: Plan) -> str:
    """What a plan's ownership groups are called: parties, where each is one by itself."""
    alone = len(set(plan.owners.values())) == len(plan.parties)
    return "party" if alone else "ownership group"


def owner_words(plan: Plan) -> str:
    """Several of a plan's ownership groups, in words."""
    return "parties" if owner_word(plan) == "party" else "ownership groups"


def _how_in_stages(plan: Plan) -> Iterator[str]:
    parts = plan.stage_plans
    for stage, part in zip(plan.stages, parts, strict=True):
        yield from ((f"Stage {stage.name!r}:",) if len(parts) > 1 else ())
        yield from _how(part)


def _how(plan: Plan) -> Iterator[str]:
    unit = plan.sums.unit.value
    multiplier = 0.0 if isinstance(plan.noise, NoNoise) else plan.noise.noise_multiplier
    if isinstance(plan.noise, NoiseShares):
        yield (
            "Each party adds a share of discrete Gaussian noise before it masks, so nobody holds a "
            f"sum without noise. With {plan.min_survivors} survivors of whom {plan.colluding} take "
            f"their shares away, its standard deviation is {multiplier:.4g} times the most that "
            f"one {unit} can move the sums."
        )
    else:
        yield (
            f"The {plan.aggregation.adder} adds discrete Gaussian noise before it releases a sum, "
            f"of a standard deviation of {multiplier:.4g} times the most that one {unit} can "
            "move the sums."
        )
    if not isinstance(plan.sampling, FullBatch):
        yield (
            f"Each {unit} contributes to a round with probability {plan.sampling.rate:g}, drawn by "
            "its party in secret."
        )
