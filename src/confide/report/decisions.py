"""The decisions asked of the reader: changes that help, and what accepting the plan means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from confide.errors import PlanError
from confide.plan import (
    CentralNoise,
    Corruption,
    Exposure,
    FixedCrowd,
    Masked,
    NoiseShares,
    NoNoise,
    Outcome,
    Plan,
    Unit,
    Verdict,
    What,
    exposures,
)
from confide.plan.findings import Attack
from confide.privacy.rounding import rounded_up
from confide.report.claims import Claim, Sentence
from confide.report.privacy import owner_words
from confide.report.verdict import PlanVerdict, plan_verdicts

__all__ = ["WAYS_OUT", "WayOut", "decisions", "tried"]

_TRIED_MULTIPLIER: Final = 1.0
"""The noise that is tried. Verdicts depend on whether there is noise, only ε on how much."""

_Fields = dict[str, Any]


@dataclass(frozen=True)
class WayOut:
    """A change to a plan that may remove a NOT PRIVATE verdict.

    Attributes:
        step: What to do, in words.
        setting: The same as a plan file has it.
        changes: Adds its changed fields of a plan to the fields that are changed already.
    """

    step: str
    setting: str
    changes: Callable[[Plan, _Fields], None]

    @property
    def change(self) -> str:
        """What to do, with the setting."""
        return f"{self.step} ({self.setting})"

    def made(self, plan: Plan) -> Plan:
        """The changed plan.

        Raises:
            PlanError: If the plan does not allow the change.
        """
        fields: _Fields = {}
        self.changes(plan, fields)
        return replace(plan, **fields)

    def __and__(self, other: WayOut) -> WayOut:
        def changes(plan: Plan, fields: _Fields) -> None:
            self.changes(plan, fields)
            other.changes(plan, fields)

        return WayOut(f"{self.step} and {other.step}", f"{self.setting}, {other.setting}", changes)


def _add_noise(plan: Plan, fields: _Fields) -> None:
    delta = {} if isinstance(plan.noise, NoNoise) else {"delta": plan.noise.delta}
    fields["noise"] = NoiseShares(_TRIED_MULTIPLIER, **delta)


def _protect_parties(plan: Plan, fields: _Fields) -> None:
    fields["neighbours"] = replace(
        plan.neighbours, unit=Unit.PARTY, person_at_several_parties=False
    )
    _add_noise(plan, fields)


def _trust(role: str) -> Callable[[Plan, _Fields], None]:
    def changes(plan: Plan, fields: _Fields) -> None:
        threat = fields.get("threat", plan.threat)
        adversary = replace(threat.confidentiality, **{role: Corruption.CURIOUS})
        fields["threat"] = replace(threat, confidentiality=adversary)

    return changes


def _set(**changed: Any) -> Callable[[Plan, _Fields], None]:
    return lambda _, fields: fields.update(changed)


def _central(plan: Plan, fields: _Fields) -> None:
    _add_noise(plan, fields)
    shares = fields["noise"]
    fields["noise"] = CentralNoise(shares.noise_multiplier, shares.delta)


_MASK: Final = WayOut("add masks", "aggregation = 'masked'", _set(aggregation=Masked()))
_NOISE: Final = WayOut("add noise in shares", "placement = 'shares'", _add_noise)
_CENTRAL: Final = WayOut("add noise to the sums", "placement = 'central'", _central)
_FIX: Final = WayOut("fix the crowd", "crowd = 'fixed'", _set(crowd=FixedCrowd()))
_WAIT: Final = WayOut("allow no dropouts", "dropouts = 0", _set(dropouts=0))
_PARTY_NOISE: Final = WayOut(
    "add noise for each party", "unit = 'party', placement = 'shares'", _protect_parties
)
_COORDINATOR: Final = WayOut(
    "trust the coordinator not to lie", "coordinator = 'curious'", _trust("coordinator")
)
_PARTIES: Final = WayOut("trust the parties not to lie", "parties = 'curious'", _trust("parties"))
_EVALUATOR: Final = WayOut(
    "trust the evaluator not to lie", "evaluator = 'curious'", _trust("evaluator")
)

WAYS_OUT: Final = (
    (_MASK, _NOISE, _CENTRAL, _FIX, _WAIT, _PARTY_NOISE, _COORDINATOR, _PARTIES, _EVALUATOR),
    (
        _MASK & _NOISE, _FIX & _COORDINATOR, _FIX & _PARTIES, _WAIT & _PARTIES,
        _COORDINATOR & _PARTIES, _PARTIES & _EVALUATOR,
    ),
    (_FIX & _COORDINATOR & _PARTIES,),
)  # fmt: skip
"""The changes in the order of trying; later ones are tried only where no earlier one helps."""


_Name = tuple[str, str]
"""Whose verdict it is: the unit or group, and the part of the plan that it is about."""


def tried(plan: Plan, way: WayOut) -> Mapping[_Name, Verdict]:
    """The verdict for each unit and group under a changed plan; empty if it cannot be made."""
    try:
        changed = way.made(plan)
    except PlanError:
        return MappingProxyType({})
    seen = exposures(changed, of_each_kind=True)
    return {_name(v): v.verdict for v in plan_verdicts(changed, seen, rated=False)}


def decisions(
    plan: Plan,
    verdicts: Iterable[PlanVerdict],
    feared: Iterable[Exposure],
    readers: Iterable[str],
) -> Iterator[Sentence]:
    """The changes to a plan that help, and what its reader accepts without them.

    Args:
        plan: The plan.
        verdicts: What is guaranteed over the whole plan.
        feared: What the stated adversary sees.
        readers: Who is trusted with each contribution.
    """
    found, seen = tuple(verdicts), tuple(feared)
    yield from _ways(plan, {_name(v) for v in found if v.verdict is Verdict.NOT_PRIVATE})
    results = tuple(dict.fromkeys(_results(seen)))
    exact = any(e.what is What.SUMS and e.guarantee.unit is Verdict.NOT_PRIVATE for e in seen)
    if exact:
        yield Sentence.of(Claim.ACCEPT_EXACT, units=plan.neighbours.unit.plural)
    for verdict in found:
        yield from _accepted(plan, verdict, known=exact or bool(results))
    yield from results
    for reader in readers:
        yield Sentence.of(Claim.ACCEPT_TRUST, reader=reader)
    if (part := plan.sums_part) is not None:
        yield from _influence(part)


def _influence(plan: Plan) -> Iterator[Sentence]:
    """What the adversary against integrity can do to the result.

    Where parties verify each sum, a coordinator sets it with the help of a party that lies, which
    could do so by itself.
    """
    reported = {f.attack for f in plan.findings if f.outcome is Outcome.REPORTED}
    party, sets = Attack.POISONING.value in reported, []
    if party and plan.hiding is not None:
        sets.append("one party")
    if Attack.FALSE_SUM.value in reported and not plan.verified:
        sets.append("the coordinator")
    if sets:
        yield Sentence.of(Claim.ACCEPT_SET, who=" or ".join(sets))
    if party and plan.hiding is None:
        yield Sentence.of(Claim.ACCEPT_MOVE)


def _results(seen: Iterable[Exposure]) -> Iterator[Sentence]:
    """What is read of exchanges, as declared."""
    for e in seen:
        if e.what is What.RESULT and e.guarantee.unit is Verdict.NOT_PRIVATE:
            yield Sentence.of(Claim.ACCEPT_RESULT, who=e.observer.name, value=e.value)


def _name(verdict: PlanVerdict) -> _Name:
    return verdict.who, verdict.where


def _ways(plan: Plan, bad: set[_Name]) -> Iterator[Sentence]:
    unsolved = set(bad)
    for ways in WAYS_OUT:
        if not unsolved:
            return
        solved = set()
        for way in ways:
            after = tried(plan, way)
            better = [
                name
                for name, verdict in after.items()
                if name in unsolved and verdict is not Verdict.NOT_PRIVATE
            ]
            if better:
                solved.update(better)
                effect = _effect({name: after[name] for name in better}, bad)
                yield Sentence.of(Claim.WAY_OUT, change=way.change, effect=effect)
        unsolved -= solved


def _effect(after: Mapping[_Name, Verdict], bad: set[_Name]) -> str:
    """What becomes of each verdict; of which part of the plan, if several parts have a bad one."""
    alike: dict[tuple[Verdict, str], list[str]] = {}
    for (who, where), verdict in after.items():
        several = sum(name == who for name, _ in bad) > 1
        alike.setdefault((verdict, _in(where) if several else ""), []).append(f"each {who}")
    return " and ".join(
        f"{' and '.join(who)} {verdict.value}{where}" for (verdict, where), who in alike.items()
    )


def _in(where: str) -> str:
    return f" in {where}" if where else ""


def _accepted(plan: Plan, found: PlanVerdict, *, known: bool) -> Iterator[Sentence]:
    """What accepting a verdict means, unless the lines on sums and results say it already."""
    unit = plan.neighbours.unit
    if found.verdict is Verdict.PRIVATE and found.statement is not None:
        yield Sentence.of(
            Claim.ACCEPT_EPSILON,
            units=unit.plural if unit is not Unit.PARTY else owner_words(plan),
            found=rounded_up(100 * found.statement.tpr[1], digits=2),
        )
    elif found.verdict is Verdict.HIDDEN:
        if found.of_sums and plan.sum_stages:
            yield Sentence.of(Claim.ACCEPT_HIDDEN, who=found.who)
    elif not known or found.who != unit.value:
        yield Sentence.of(Claim.ACCEPT_GROUP, who=found.who, where=_in(found.where))
