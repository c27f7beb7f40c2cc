"""The guarantee of a plan's noise: against whom, as one event, and in words.

All rounds of a plan are one event. In clip-normalised units a round's sums are a vector whose
coordinates carry independent noise, so a round is one Gaussian event, also when its sums are many
and when a secret sample is drawn: the sums share it.

A person may be at several parties (`Plan.reach`, here P). Each party draws its own coin about its
rows of that person, so a sampled round holds Binomial(P, q) of the person's contributions. It is
accounted as that mixture of Gaussians. One coin for all P contributions would be wrong: ε would be
too small where δ is near the probability that any of the coins falls, and too large elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from confide.errors import PlanError
from confide.numbers import shown
from confide.plan import (
    CentralNoise,
    Cohorts,
    FixedCrowd,
    FullBatch,
    Neighbours,
    Noise,
    NoiseShares,
    NoNoise,
    Plan,
    Relation,
)
from confide.plan.protection import DELTA

if TYPE_CHECKING:
    from dp_accounting import DpEvent

    from confide.privacy.accounting.statement import PrivacyStatement

__all__ = ["Calibrated", "Guarantee", "guarantee", "plan_with", "statement", "with_noise"]


@dataclass(frozen=True)
class Guarantee:
    """What a plan releases about one unit, in the terms of an accountant.

    Attributes:
        round_event: The event of one round.
        rounds: How many rounds there are.
        relation: The relation that the event is accounted under.
        round_closeness: How far, as a natural logarithm of likelihood ratios, what a round
            releases may lie from the event's continuous Gaussian: discrete noise is not quite one.
    """

    round_event: DpEvent
    rounds: int
    relation: Relation
    round_closeness: float

    @property
    def event(self) -> DpEvent:
        """The event of all rounds."""
        return _repeated(self.round_event, self.rounds)


def guarantee(plan: Plan, *, insiders: int | None = None, at_capacity: bool = False) -> Guarantee:
    """The guarantee against those who see a plan's released sums.

    Args:
        plan: A plan with noise.
        insiders: How many parties the observer controls, whose shares of the noise it can subtract;
            as many as the threat allows if omitted. Central noise has no shares to take.
        at_capacity: For a party that has as many units as the capacity or more: there adding or
            removing a unit moves another in or out, and counts as replacing one.

    Raises:
        PlanError: If the plan has no noise, or no honest share is left.
    """
    if isinstance(plan.noise, NoNoise):
        raise PlanError("a plan without noise guarantees nothing: ε = ∞")
    relation = _relation(plan, at_capacity=at_capacity)
    multiplier, closeness = _multiplier(plan, insiders, relation)
    return Guarantee(_round_event(plan, multiplier), plan.rounds, relation, closeness)


def _relation(plan: Plan, *, at_capacity: bool) -> Relation:
    """One unit of the sums is added, removed or replaced; a changed unit counts as replaced."""
    comes_or_goes = plan.neighbours.distance(plan.sums.unit) == 1 and not at_capacity
    return Relation.ADD_OR_REMOVE_ONE if comes_or_goes else Relation.REPLACE_ONE


def _multiplier(plan: Plan, insiders: int | None, relation: Relation) -> tuple[float, float]:
    """Standard deviation of what acts as continuous noise ÷ distance, and a round's closeness."""
    from confide.privacy.accounting.shares import sum_of_shares

    shares = 1
    if isinstance(plan.noise, NoiseShares):
        shares = plan.min_survivors - (plan.colluding if insiders is None else insiders)
    distance = _distance(plan, relation)
    worst, closeness = math.inf, 0.0
    for declared in plan.sums.sums:
        total = sum_of_shares(plan.noise_steps(declared), shares)
        deviation = total.deviation * declared.lattice.resolution / declared.unit_bound
        worst = min(worst, deviation / distance)
        closeness += declared.size * total.closeness
    return worst, closeness


def _distance(plan: Plan, relation: Relation) -> float:
    """The joint distance that an event's multiplier is relative to, in clip-normalised units.

    Under sampling the event knows the relation and how many parties draw, so the distance is what
    one unit moves at one party; without sampling, it is the whole distance.
    """
    sampled = not isinstance(plan.sampling, FullBatch)
    counted = Relation.ADD_OR_REMOVE_ONE if sampled else relation
    return plan.sums.joint_sensitivity(
        Neighbours(unit=plan.sums.unit, relation=counted), 1 if sampled else plan.reach
    )


def _round_event(plan: Plan, multiplier: float) -> DpEvent:
    import dp_accounting as dp

    from confide.privacy.accounting.groups import group_event

    event: DpEvent = dp.GaussianDpEvent(multiplier)
    if isinstance(plan.sampling, FullBatch):
        return event
    sampled = dp.PoissonSampledDpEvent(plan.sampling.rate, event)
    # A person at P parties is drawn like a group of P units, one at each.
    return group_event(sampled, plan.reach)


def _repeated(event: DpEvent, rounds: int) -> DpEvent:
    import dp_accounting as dp

    return event if rounds == 1 else dp.SelfComposedDpEvent(event, rounds)


@lru_cache(maxsize=256)
def statement(
    plan: Plan,
    *,
    insiders: int | None = None,
    at_capacity: bool = False,
    rounds: int | None = None,
) -> PrivacyStatement:
    """The guarantee of a whole plan as ε, μ and words.

    All stages are composed into one event. If a unit counts as replaced in one of them, it does in
    all.

    Args:
        plan: A plan with noise.
        insiders: As for `guarantee`.
        at_capacity: As for `guarantee`.
        rounds: Only the first so many rounds of the plan, at least 1; all if omitted.

    Raises:
        PlanError: If the plan has no noise, or no honest share is left.
    """
    from confide.privacy.accounting.statement import PrivacyStatement

    if isinstance(plan.noise, NoNoise):
        raise PlanError("a plan without noise guarantees nothing: ε = ∞")
    replaced = at_capacity or _relation_of(plan) is Relation.REPLACE_ONE
    left, found = plan.rounds if rounds is None else rounds, []
    for part in plan.sum_plans:
        if left > 0:
            made = guarantee(part, insiders=insiders, at_capacity=replaced)
            found.append(replace(made, rounds=min(made.rounds, left)))
        left -= part.rounds
    return PrivacyStatement.of_event(
        _composed([made.event for made in found]),
        relation=found[0].relation,
        delta=plan.noise.delta,
        unit=plan.neighbours.unit,
        closeness=sum(made.rounds * made.round_closeness for made in found),
    )


def _relation_of(plan: Plan) -> Relation:
    """The relation under which all stages are accounted."""
    relations = {_relation(part, at_capacity=False) for part in plan.sum_plans}
    return relations.pop() if len(relations) == 1 else Relation.REPLACE_ONE


def _composed(events: list[DpEvent]) -> DpEvent:
    import dp_accounting as dp

    return events[0] if len(events) == 1 else dp.ComposedDpEvent(events)


def with_noise(
    plan: Plan, kind: type[CentralNoise | NoiseShares], *, epsilon: float, delta: float
) -> Plan:
    """A plan with the least noise that keeps (ε, δ) for all its rounds together.

    The stages share the noise as their budgets say (`confide.plan.Plan.stage_plans`).

    Args:
        plan: A plan; its noise is replaced.
        kind: Who adds the noise.
        epsilon: ε, against as many colluding parties as the plan's threat allows.
        delta: δ.

    Raises:
        PlanError: If ε or δ is out of range, or the lattices cannot hold the noise.

    Example:
        >>> from confide.computation import Computation
        >>> from confide.plan import Masked, Sum, SumGroup, Task
        >>> total = SumGroup((Sum(name="total", unit_bound=1, capacity=100),))
        >>> mean = Computation(task=Task.of("sum"), sums=total, columns=("x",), init=dict,
        ...                    contribute=lambda state, data, rng: {"total": data["x"]},
        ...                    update=lambda state, totals: totals)
        >>> plan = mean.plan(parties=["a", "b", "c", "d"], rounds=10, aggregation=Masked())
        >>> private = with_noise(plan, NoiseShares, epsilon=1.0, delta=1e-6)
        >>> 0.99 < statement(private).epsilon <= 1.0
        True
    """
    from confide.privacy.accounting.calibration import calibrate
    from confide.privacy.accounting.gaussian import check_delta, check_epsilon

    _check_kind(kind)
    epsilon, delta = check_epsilon(epsilon), check_delta(delta)
    # None of this reads the noise that the plan has: without noise it might be refused.
    relation = _relation_of(plan)
    stages = list(zip(plan.sum_plans, map(plan.noise_factor, plan.sum_stages), strict=True))
    multiplier = calibrate(
        lambda z: _composed(
            [_repeated(_round_event(part, z * factor), part.rounds) for part, factor in stages]
        ),
        # A hair less than asked leaves room for the closeness of discrete to continuous noise, and
        # for a ledger's cap of the same ε, which sets some aside for that.
        epsilon=epsilon - min(1e-5, epsilon / 1000),
        delta=delta * (1 - 1e-5),
        relation=relation,
    )
    enough = max(_plan_multiplier(part, multiplier, factor, relation) for part, factor in stages)
    return replace(plan, noise=kind(enough, delta))


def _check_kind(kind: object) -> None:
    if kind not in (CentralNoise, NoiseShares):
        raise PlanError(
            f"kind is {shown(kind)}; give a class, NoiseShares (the parties add noise) or "
            "CentralNoise (the coordinator does), as in with_noise(plan, NoiseShares, ...)"
        )


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """Noise that is given by ε: how much of it follows from the rest of the plan.

    Attributes:
        kind: Who adds the noise.
        epsilon: ε for all rounds together, against as many colluding parties as the threat allows.
        delta: δ.
    """

    kind: type[CentralNoise | NoiseShares]
    epsilon: float
    delta: float = DELTA

    def __post_init__(self) -> None:
        from confide.privacy.accounting.gaussian import check_delta, check_epsilon

        _check_kind(self.kind)
        check_epsilon(self.epsilon)
        check_delta(self.delta)


def plan_with(noise: Noise | Calibrated, **fields: Any) -> Plan:
    """A plan with its noise, also where it must not be made without.

    Args:
        noise: The noise, or the ε that it keeps.
        **fields: The other fields of the plan.

    Raises:
        PlanError: If the plan must not be made, ε or δ is out of range, or the lattices cannot hold
            the noise.
    """
    if not isinstance(noise, Noise | Calibrated):
        raise PlanError(
            f"noise is {shown(noise)}; give NoNoise(), or noise for an ε, such as "
            "Calibrated(kind=NoiseShares, epsilon=1.0)"
        )
    if not isinstance(noise, Calibrated):
        return Plan(**fields, noise=noise)
    # What noise ε takes does not depend on the crowd, only on how many parties are in a sum at
    # least. But an open crowd or cohorts may need the noise that is looked for, so the crowd is
    # fixed until it is found, with as many missing.
    crowd, missing = fields.get("crowd"), fields.get("dropouts", 0)
    if isinstance(crowd, Cohorts):
        missing += len(fields["parties"]) - min(len(c.parties) for c in crowd.cohorts)
    bare = Plan(**{**fields, "crowd": FixedCrowd(), "dropouts": missing})
    found = with_noise(bare, noise.kind, epsilon=noise.epsilon, delta=noise.delta)
    return Plan(**fields, noise=found.noise)


def _plan_multiplier(part: Plan, multiplier: float, factor: float, relation: Relation) -> float:
    """The plan's noise multiplier that leaves a stage the continuous one `multiplier` × `factor`.

    The inverse of `_multiplier`: the variance that randomised rounding costs is added.
    """
    from confide.privacy.accounting.shares import ROUNDING_STEPS

    coarsest = max(s.lattice.resolution / s.unit_bound for s in part.sums.sums)
    continuous = multiplier * factor * _distance(part, relation)
    deviation = math.hypot(continuous, ROUNDING_STEPS * coarsest)
    return deviation / (factor * part.joint_sensitivity)
