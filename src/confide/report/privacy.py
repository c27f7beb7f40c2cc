"""What noise protects against whom, in words: for the views and the quote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
from confide.privacy.guarantee import statement

if TYPE_CHECKING:
    from confide.privacy.accounting.statement import PrivacyStatement

__all__ = ["Audience", "NoiseFacts", "noise_facts", "privacy_against", "statement_against"]


@dataclass(frozen=True)
class Audience:
    """Who looks at the sums: how many parties together, and whether with the coordinator."""

    insiders: int = 0
    coordinator: bool = False


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
            "At a party with as many units as the capacity or more, where one that comes or goes "
            "lets another out or in"
        )


def noise_facts(plan: Plan) -> NoiseFacts:
    """What a report says of a plan's noise as a whole."""
    if isinstance(plan.noise, NoNoise):
        return NoiseFacts("none: exact sums are released, which bound nothing", None, None)
    comes_or_goes = plan.neighbours.relation is Relation.ADD_OR_REMOVE_ONE
    weaker = comes_or_goes and plan.sums.unit is plan.neighbours.unit is not Unit.PARTY
    return NoiseFacts(
        " ".join(_how(plan)),
        statement(plan),
        statement(plan, at_capacity=True) if weaker else None,
    )


def statement_against(plan: Plan, audience: Audience) -> PrivacyStatement | None:
    """What bounds a unit's influence on what an audience sees of the sums; None if nothing does."""
    if isinstance(plan.noise, NoNoise):
        return None
    if isinstance(plan.noise, CentralNoise):
        return None if audience.coordinator and not plan.attested else statement(plan)
    if audience.insiders >= plan.min_survivors:
        return None
    return statement(plan, insiders=audience.insiders)


def privacy_against(plan: Plan, audience: Audience) -> str:
    """The bound as a cell of a table."""
    found = statement_against(plan, audience)
    if found is not None:
        return str(found)
    if isinstance(plan.noise, CentralNoise):
        return "ε = ∞ (the coordinator holds the sums before it adds the noise)"
    return "ε = ∞ (exact sums, no noise)"


def _how(plan: Plan) -> Iterator[str]:
    unit = plan.sums.unit.value
    multiplier = 0.0 if isinstance(plan.noise, NoNoise) else plan.noise.noise_multiplier
    if isinstance(plan.noise, NoiseShares):
        yield (
            "Each party adds a share of discrete Gaussian noise before it masks, so nobody holds a "
            f"sum without noise. With {plan.min_survivors} survivors of whom {plan.colluding} take "
            f"their shares away, its standard deviation is {multiplier:.4g} times what one {unit} "
            "can move the sums."
        )
    else:
        who = "enclave" if plan.attested else "coordinator"
        yield (
            f"The {who} adds discrete Gaussian noise before it releases a sum, of a standard "
            f"deviation of {multiplier:.4g} times what one {unit} can move the sums."
        )
    if not isinstance(plan.sampling, FullBatch):
        yield (
            f"Each {unit} contributes to a round with probability {plan.sampling.rate:g}, drawn by "
            "its party in secret."
        )
