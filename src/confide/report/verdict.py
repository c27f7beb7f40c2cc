"""The verdict over a whole plan: what is guaranteed against all that the threat allows at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from confide.plan import (
    Condition,
    Exposure,
    Form,
    Plan,
    Standing,
    Unit,
    Verdict,
    What,
)
from confide.plan.exposures import worst
from confide.report.privacy import owner_word, total_statement

if TYPE_CHECKING:
    from confide.privacy.accounting.statement import PrivacyStatement

__all__ = ["PlanVerdict", "plan_verdicts", "verdict_in_words"]

_READABLE: Final = frozenset(
    {Form.PLAINTEXT, Form.SUM, Form.NOISY_SUM, Form.DIFFERENCE, Form.RESULT}
)
_OF_DATA: Final = frozenset({What.CONTRIBUTION, What.SUMS, What.STATE, What.RESULT})


@dataclass(frozen=True)
class PlanVerdict:
    """What a plan guarantees about one kind of unit.

    Attributes:
        who: The unit: "record", "person", "party" or "ownership group".
        verdict: The worst of all that the stated adversary sees.
        against: Who sees the worst, where it is not private.
        conditions: Under which conditions it does, where it is not private.
        statement: What the noise is worth against the strongest observer that it protects the
            unit from; None if it protects nobody from anybody.
        remedies: What would end what is not private.
    """

    who: str
    verdict: Verdict
    against: tuple[str, ...]
    conditions: tuple[Condition, ...]
    statement: PrivacyStatement | None
    remedies: tuple[str, ...]


def plan_verdicts(plan: Plan, found: Iterable[Exposure]) -> tuple[PlanVerdict, ...]:
    """The verdict for each unit of privacy and, if that is another, for each ownership group.

    Args:
        plan: The plan.
        found: Its exposures.
    """
    seen = [
        e
        for e in found
        if e.observer.standing is Standing.ADVERSARY and e.what in _OF_DATA and e.form in _READABLE
    ]
    unit = plan.neighbours.unit
    groups = _verdict(plan, owner_word(plan), [(e, e.guarantee.group) for e in seen])
    if unit is Unit.PARTY:
        return (groups,)
    return _verdict(plan, unit.value, [(e, e.guarantee.unit) for e in seen]), groups


def _verdict(plan: Plan, who: str, seen: list[tuple[Exposure, Verdict]]) -> PlanVerdict:
    verdict = worst(v for _, v in seen) if seen else Verdict.HIDDEN
    bad = [e for e, v in seen if v is Verdict.NOT_PRIVATE]
    bounded = [
        e.guarantee.insiders
        for e, v in seen
        if v is Verdict.PRIVATE and e.guarantee.insiders is not None
    ]
    return PlanVerdict(
        who=who,
        verdict=verdict,
        against=tuple(dict.fromkeys(_observer(e) for e in bad)),
        conditions=tuple(dict.fromkeys(e.condition for e in bad)),
        statement=total_statement(plan, insiders=max(bounded)) if bounded else None,
        remedies=tuple(dict.fromkeys(e.remedy for e in bad if e.remedy)),
    )


def _observer(exposure: Exposure) -> str:
    observer, named = exposure.observer, bool(exposure.whose)
    return observer.name if observer.party is None or named else "each party"


def verdict_in_words(plan: Plan, verdicts: tuple[PlanVerdict, ...]) -> str:
    """The verdicts as the end of the promise."""
    over = "In all" if plan.rounds == 1 else "Over all rounds together"
    remedies = tuple(dict.fromkeys(r for v in verdicts for r in v.remedies))
    ends = f" To end this takes {'; and '.join(remedies)}." if remedies else ""
    return f"{over}: {'; '.join(map(_words, verdicts))}.{ends}"


def _words(verdict: PlanVerdict) -> str:
    start = f"each {verdict.who} {verdict.verdict.value}"
    if verdict.verdict is Verdict.PRIVATE:
        return f"{start} at {verdict.statement}"
    if verdict.verdict is Verdict.HIDDEN:
        return f"{start}: it is in sums with others only, and no noise bounds what these tell"
    always = Condition.EVERY_RUN in verdict.conditions
    when = "in every run" if always else ", and ".join(c.value for c in verdict.conditions)
    rest = f"; against others PRIVATE at {verdict.statement}" if verdict.statement else ""
    return f"{start} {when}, against {', '.join(verdict.against)}{rest}"
