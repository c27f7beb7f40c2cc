"""All exposures of a plan: each observer of the threat, of the trusted and of those beyond.

Observers are every party, the coordinator, the network, the coalitions that the threat allows, and
those that the protection adds: an enclave, coalitions beyond the threat. The protection says what
each sees of contributions. Who receives which sums, over how many parties, and what they reveal
together over rounds and stages follows from the plan alone. What each sees of an exchange follows
from its declared messages (`confide.plan.exchange_exposures`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from confide.plan.crowds import smallest_class
from confide.plan.exchange import Exchange
from confide.plan.exchange_exposures import exchange_exposures
from confide.plan.exposures import (
    Condition,
    Exposure,
    Form,
    Guarantee,
    Observer,
    Subject,
    Verdict,
    What,
    hidden,
    of_sums,
    seen_when,
    sum_names,
    sums_seen,
    unbounded,
    worst,
)
from confide.plan.findings import Attack, Outcome
from confide.plan.observers import coalitions, of_coordinator, of_network, of_party
from confide.plan.placement import NoNoise
from confide.plan.protections.base import CHANNEL
from confide.plan.protections.judgements import announces_freely, lying_parties

if TYPE_CHECKING:
    from confide.plan.plan import Plan

__all__ = ["DURATIONS", "TOOK_PART", "TRAFFIC", "exposures", "turns"]

TOOK_PART = "which parties took part in each round and which dropped out"
TRAFFIC = "who talks to the coordinator, when, and how many bytes; sizes depend on the plan alone"
DURATIONS = "how long each party takes, which grows with its number of rows"

_CROWD_REMEDY = (
    "crowd 'fixed', dropouts = 0, or noise per ownership group (neighbours.unit = 'party' with "
    "noise in shares)"
)


def exposures(plan: Plan, *, of_each_kind: bool = False) -> tuple[Exposure, ...]:
    """Who learns what under a plan, of all its stages: sums and exchanges.

    First what each observer sees of sums (parties, then roles, then coalitions), then each exchange
    in order. `Exposure.stage` is the place of the stage in the plan.

    Args:
        plan: A plan of any number of stages.
        of_each_kind: Whether one party of each kind is enough: the first of those whose ownership
            groups are equally large and that receive the same.
    """
    part = plan.sums_part
    of_sums = (
        ()
        if part is None
        else tuple(_in_whole(plan, e) for e in _of_sums(part, of_each_kind=of_each_kind))
    )
    places = (place for place, stage in enumerate(plan.stages) if isinstance(stage, Exchange))
    return (*of_sums, *(e for place in places for e in exchange_exposures(plan, place)))


def _in_whole(plan: Plan, exposure: Exposure) -> Exposure:
    """An exposure of the plan without its exchanges as one of the whole plan."""
    if exposure.stage is None or not plan.exchanges:
        return exposure
    places = [p for p, stage in enumerate(plan.stages) if not isinstance(stage, Exchange)]
    place, when = places[exposure.stage], exposure.when
    if len(places) == 1:
        when = f"{when} of stage {plan.stages[place].name!r}"
    return replace(exposure, stage=place, when=when)


def _of_sums(plan: Plan, *, of_each_kind: bool) -> Iterator[Exposure]:
    """What everybody sees under a plan that has no exchanges."""
    alike: dict[tuple[int, tuple[bool, ...]], tuple[Exposure, ...]] = {}
    sizes = Counter(plan.owners.values())
    for party in plan.parties:
        # Parties of equally large groups that receive the same see the same of the others.
        reached = tuple(stage.release.reaches(party.name) for stage in plan.sum_stages)
        kind = (sizes[party.owner], reached)
        if kind in alike and of_each_kind:
            continue
        observer = of_party(party, sizes[party.owner])
        if kind not in alike:
            alike[kind] = tuple(_seen_by(plan, observer))
        yield from (e.by(observer) for e in alike[kind])
    for observer in (of_coordinator(plan), of_network(plan), *coalitions(plan)):
        yield from _seen_by(plan, observer)
    yield from _by_stage(plan, lambda part: part.aggregation.to_others(part))
    yield from _by_stage(plan, lambda part: part.aggregation.beyond(part))


# --- what an observer sees -----------------------------------------------------------------------


def _seen_by(plan: Plan, observer: Observer) -> Iterator[Exposure]:
    if observer.parties:
        yield _own(observer)
    for place, part in enumerate(plan.stage_plans):
        for exposure in _in_stage(part, observer):
            yield _named(plan, place, exposure)
    yield from _together(plan, observer)
    yield from _metadata(plan, observer)


def _by_stage(plan: Plan, ask: Callable[[Plan], Iterator[Exposure]]) -> Iterator[Exposure]:
    for place, part in enumerate(plan.stage_plans):
        for exposure in ask(part):
            yield _named(plan, place, exposure)


def _named(plan: Plan, place: int, exposure: Exposure) -> Exposure:
    """An exposure of a stage, which says so where there are several."""
    if len(plan.stages) == 1:
        return exposure
    when = f"{exposure.when} of stage {plan.stages[place].name!r}"
    return replace(exposure, stage=place, when=when)


def _in_stage(part: Plan, observer: Observer) -> Iterator[Exposure]:
    """What an observer sees of one stage; `part` is the stage as a plan of its own."""
    protection = part.aggregation
    if observer.coordinator:
        held = tuple(protection.to_coordinator(part, observer))
        reads = any(exposure.form is Form.PLAINTEXT for exposure in held)
        sums = tuple(sums_seen(part, observer))
        yield from (*held, *sums) if reads else (*sums, *held)
        return
    if _receives(part, observer):
        yield from sums_seen(part, observer)
    if observer.party is not None:
        yield from protection.to_party(part, observer)
    if observer.network:
        yield from protection.on_the_wire(part, observer)
        if part.only_sums_open and not part.attested:
            yield _sums_on_the_wire(part, observer)


def _receives(part: Plan, observer: Observer) -> bool:
    """Whether the results of a stage go to an observer, or to a party that may belong to it."""
    if observer.party is not None:
        return part.release.reaches(observer.party)
    return bool(observer.parties) and part.to_parties


def _own(observer: Observer) -> Exposure:
    whose = "its" if observer.party is not None else "their"
    return Exposure(
        observer=observer,
        what=What.OWN_DATA,
        value=f"{whose} own rows and contributions",
        of=Subject.ITSELF,
        form=Form.PLAINTEXT,
        detail="in full",
        when="always",
        guarantee=unbounded(),
        stage=None,
    )


def _sums_on_the_wire(part: Plan, observer: Observer) -> Exposure:
    """The network carries what opens the sums: only the channel hides them from it."""
    without = of_sums(part, replace(observer, coordinator=True))
    return Exposure(
        observer=observer,
        what=What.SUMS,
        value=f"sums of {sum_names(part)}",
        of=Subject.ALL,
        form=Form.SEALED,
        detail="encrypted by the channel; without the channel the network sees what the "
        "coordinator sees",
        when=seen_when(part),
        guarantee=replace(hidden(), insiders=without.insiders),
        assumption=CHANNEL,
    )


# --- what sums tell together ---------------------------------------------------------------------


def _together(plan: Plan, observer: Observer) -> Iterator[Exposure]:
    if not _sees_sums(plan, observer):
        return
    yield from _differences(plan, observer)
    yield from _chosen_state(plan, observer)


def _sees_sums(plan: Plan, observer: Observer) -> bool:
    return observer.coordinator or any(_receives(part, observer) for part in plan.stage_plans)


def _apart(plan: Plan, observer: Observer) -> Guarantee:
    """The guarantee where an observer can tell ownership groups apart, in the worst stage."""
    return _worst_of(of_sums(part, observer, apart=True) for part in plan.stage_plans)


def _worst_of(guarantees: Iterable[Guarantee]) -> Guarantee:
    """What is guaranteed about what several stages tell together."""
    found = tuple(guarantees)
    unbounded = any(guarantee.insiders is None for guarantee in found)
    return Guarantee(
        unit=worst(guarantee.unit for guarantee in found),
        group=worst(guarantee.group for guarantee in found),
        insiders=None if unbounded else found[0].insiders,
    )


def _differences(plan: Plan, observer: Observer) -> Iterator[Exposure]:
    """Sums over different parties differ by what these parties contributed."""
    if plan.cohorts is not None:
        yield from _class_totals(plan, observer)
        return
    if plan.rounds == 1 or not plan.dropouts or plan.fixed_crowd:
        return
    guarantee = _apart(plan, observer)
    exact = isinstance(plan.noise, NoNoise)
    yield Exposure(
        observer=observer,
        what=What.CONTRIBUTION,
        value="differences of sums across rounds",
        of=Subject.MISSING,
        form=Form.DIFFERENCE,
        detail="parties missing from one round's sum and not from another's, up to "
        f"{plan.dropouts} at a time: the difference is what they contributed, plus the change "
        "of the others' part"
        + (
            "; a value that does not change, such as a number of rows, can be recovered, up to "
            "rounding"
            if exact
            else ", and the noise of both sums"
        ),
        when=f"each pair of {plan.rounds} rounds",
        condition=Condition.ONCE_MISSING,
        guarantee=guarantee,
        remedy="" if guarantee.group is Verdict.PRIVATE else _CROWD_REMEDY,
        stage=None,
    )


def _class_totals(plan: Plan, observer: Observer) -> Iterator[Exposure]:
    """Sums over cohorts differ by totals of classes, of parties that are in the same cohorts."""
    if plan.rounds == 1:
        return
    within, names, groups = smallest_class(plan)
    told_apart = plan.finding(Attack.ROUND_DIFFERENCES).outcome is Outcome.REPORTED
    always = not told_apart or groups < plan.least_class
    guarantee = _worst_of(of_sums(p, observer, apart=told_apart) for p in plan.stage_plans)
    yield Exposure(
        observer=observer,
        what=What.SUMS,
        value="differences of the cohorts' sums",
        of=Subject.OTHERS if observer.parties else Subject.ALL,
        form=Form.DIFFERENCE,
        detail="totals over classes (parties that are in the same cohorts), plus the change of "
        f"their part; the smallest class is the {len(names)} parties that are in "
        f"{', '.join(within)} alone, of {groups} ownership groups",
        when=f"each pair of {plan.rounds} rounds",
        condition=Condition.EVERY_RUN if always else Condition.ONCE_MISSING,
        guarantee=guarantee,
        remedy="" if guarantee.group is not Verdict.NOT_PRIVATE else _CROWD_REMEDY,
        stage=None,
    )


def _chosen_state(plan: Plan, observer: Observer) -> Iterator[Exposure]:
    """A coordinator or party that lies chooses the state that parties are asked about."""
    if plan.finding(Attack.CHOSEN_STATE).outcome is not Outcome.REPORTED:
        return
    announces = observer.coordinator and announces_freely(plan)
    joins = observer.parties > 0 and lying_parties(plan)
    if not (announces or joins):
        return
    yield Exposure(
        observer=observer,
        what=What.CONTRIBUTION,
        value="sums about a state of its choice",
        of=Subject.EACH_PARTY,
        form=Form.SUM,
        detail="it "
        + ("announces false sums" if announces else "contributes what it likes")
        + ", and so chooses the state that the next round asks about: a model chosen for this "
        "purpose reveals single records in the sum of the updates",
        when=f"in each of {plan.rounds} rounds but the first",
        condition=Condition.BY_CHEATING,
        guarantee=_apart(plan, observer),
        remedy="noise per ownership group (neighbours.unit = 'party' with noise in shares), "
        + ("a coordinator that is not malicious" if announces else "parties that are not malicious")
        + ", or one round",
        stage=None,
    )


# --- metadata ------------------------------------------------------------------------------------


def _metadata(plan: Plan, observer: Observer) -> Iterator[Exposure]:
    seen = []
    hides = plan.only_sums_open or plan.attested
    if observer.coordinator or (hides and observer.party is not None):
        seen.append(TOOK_PART)
    if observer.network:
        seen.append(TRAFFIC)
    if observer.coordinator:
        seen.append(DURATIONS)
    if observer.coordinator or observer.party is not None:
        seen += turns(plan)
    for value in seen:
        yield Exposure(
            observer=observer,
            what=What.METADATA,
            value=value,
            of=Subject.EACH_PARTY,
            form=Form.METADATA,
            detail="by taking part",
            when=seen_when(plan),
            guarantee=Guarantee(unit=Verdict.HIDDEN, group=Verdict.NOT_PRIVATE),
            stage=None,
        )


def turns(plan: Plan) -> tuple[str, ...]:
    """Which cohort is asked when, and what may be missing: a clause for each cohort."""
    return tuple(_turns(plan))


def _turns(plan: Plan) -> Iterator[str]:
    if plan.cohorts is None:
        return
    missing = f"up to {plan.dropouts}" if plan.dropouts else "none"
    for place, cohort in enumerate(plan.cohorts.cohorts):
        numbers = range(place, plan.rounds, len(plan.cohorts.cohorts))
        shown = ", ".join(map(str, numbers[:3])) + (", …" if len(numbers) > 3 else "")
        yield (
            f"that cohort {cohort.name!r} ({', '.join(cohort.parties)}) is asked in "
            + (f"rounds {shown}" if numbers else "no round")
            + f", with {missing} of them missing"
            + ("; a loss that leaves a class too small ends the run" if _may_end(plan) else "")
        )


def _may_end(plan: Plan) -> bool:
    return bool(plan.dropouts) and plan.refuses_openings
