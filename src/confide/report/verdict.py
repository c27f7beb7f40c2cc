"""Verdicts: what is guaranteed against one observer, and against all that the threat allows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
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
from confide.privacy.rounding import rounded_up
from confide.report.claims import Claim, Fact, Sentence
from confide.report.failures import MISSING_NOISE, held
from confide.report.privacy import owner_word, total_statement

if TYPE_CHECKING:
    from confide.privacy.accounting.statement import PrivacyStatement

__all__ = ["Breach", "PlanVerdict", "plan_verdicts", "verdict_sentences", "verdicts_of"]

_EACH: Final = "each party"
_ROLES: Final = ("coordinator", "network", "enclave")
_READABLE: Final = frozenset(
    {Form.PLAINTEXT, Form.SUM, Form.NOISY_SUM, Form.DIFFERENCE, Form.RESULT}
)
_OF_DATA: Final = frozenset({What.CONTRIBUTION, What.SUMS, What.CELLS, What.STATE, What.RESULT})


@dataclass(frozen=True)
class Breach:
    """Who sees something that is not private, under one condition.

    Attributes:
        condition: When.
        observers: Who: names of views, and "each party" for all of them.
    """

    condition: Condition
    observers: tuple[str, ...]


@dataclass(frozen=True)
class PlanVerdict:
    """What a plan guarantees about one kind of unit.

    Attributes:
        who: The unit: "record", "person", "party" or "ownership group".
        verdict: The worst of all that the stated adversary sees.
        against: Who sees the worst, where it is not private.
        conditions: Under which conditions it does, where it is not private.
        insiders: How many shares of the noise are known to the strongest observer that the noise
            protects the unit from; None if it protects nobody from anybody.
        statement: What the noise is worth against the strongest observer that it protects the
            unit from; None if it protects nobody from anybody.
        remedies: What would end what is not private.
        breaches: Who sees the worst under which condition, where it is not private.
        exact: Whether somebody sees what is not private without any noise: ε = ∞.
    """

    who: str
    verdict: Verdict
    against: tuple[str, ...]
    conditions: tuple[Condition, ...]
    insiders: int | None
    statement: PrivacyStatement | None
    remedies: tuple[str, ...]
    breaches: tuple[Breach, ...] = ()
    exact: bool = False


def plan_verdicts(
    plan: Plan, found: Iterable[Exposure], *, rated: bool = True
) -> tuple[PlanVerdict, ...]:
    """The verdict for each unit of privacy and, if that is another, for each ownership group.

    Args:
        plan: The plan.
        found: Its exposures; those of the stated adversary count.
        rated: Whether to compute the noise's guarantee, which takes the longest.
    """
    feared = [e for e in found if e.observer.standing is Standing.ADVERSARY]
    return verdicts_of(plan, feared, rated=rated)


def verdicts_of(
    plan: Plan,
    found: Iterable[Exposure],
    *,
    rated: bool = True,
    statement: PrivacyStatement | None = None,
) -> tuple[PlanVerdict, ...]:
    """The verdict for each unit of privacy, and for each ownership group, over these exposures.

    Args:
        plan: The plan.
        found: The exposures of one observer, or of several that pool what they see.
        rated: Whether to compute the noise's guarantee.
        statement: The noise's guarantee, if it is known.
    """
    seen = [e for e in found if e.what in _OF_DATA and e.form in _READABLE]
    unit = plan.neighbours.unit
    groups = _verdict(plan, owner_word(plan), [(e, e.guarantee.group) for e in seen])
    made = [groups]
    if unit is not Unit.PARTY:
        made.insert(0, _verdict(plan, unit.value, [(e, e.guarantee.unit) for e in seen]))
    if not rated:
        return tuple(made)
    return tuple(_rated(plan, verdict, statement) for verdict in made)


def _verdict(plan: Plan, who: str, seen: list[tuple[Exposure, Verdict]]) -> PlanVerdict:
    del plan
    bad = [e for e, v in seen if v is Verdict.NOT_PRIVATE]
    bounded = [
        e.guarantee.insiders
        for e, v in seen
        if v is Verdict.PRIVATE and e.guarantee.insiders is not None
    ]
    return PlanVerdict(
        who=who,
        verdict=worst(v for _, v in seen) if seen else Verdict.HIDDEN,
        against=tuple(dict.fromkeys(_observer(e) for e in bad)),
        conditions=tuple(dict.fromkeys(e.condition for e in bad)),
        insiders=max(bounded) if bounded else None,
        statement=None,
        remedies=tuple(dict.fromkeys(e.remedy for e in bad if e.remedy)),
        breaches=tuple(_breaches(bad)),
        exact=any(e.guarantee.insiders is None for e in bad),
    )


def _breaches(bad: list[Exposure]) -> Iterator[Breach]:
    """Who sees it under which condition; an observer is listed under the first that it needs."""
    listed: set[str] = set()
    for condition in Condition:
        names = dict.fromkeys(_observer(e) for e in bad if e.condition is condition)
        if new := tuple(name for name in names if name not in listed):
            yield Breach(condition, new)
        listed.update(names)


def _rated(plan: Plan, verdict: PlanVerdict, statement: PrivacyStatement | None) -> PlanVerdict:
    if verdict.insiders is None:
        return verdict
    known = statement or total_statement(plan, insiders=verdict.insiders)
    return replace(verdict, statement=known)


def _observer(exposure: Exposure) -> str:
    observer, named = exposure.observer, bool(exposure.whose)
    return observer.name if observer.party is None or named else _EACH


# --- in words ------------------------------------------------------------------------------------

_WHEN: Final = {
    Condition.EVERY_RUN: "",
    Condition.ONCE_MISSING: " once a party is missing from a sum",
    Condition.BY_CHEATING: " if somebody lies",
    Condition.BEYOND: " beyond the threat",
}


def verdict_sentences(
    verdicts: Iterable[PlanVerdict], seen: Iterable[Exposure], *, named: bool
) -> Iterator[Sentence]:
    """Verdicts in words; units with the same verdict share a sentence.

    Args:
        verdicts: The verdicts.
        seen: The exposures that they are about.
        named: Whether to say against whom.
    """
    found = tuple(seen)
    told: dict[tuple[Claim, tuple[tuple[str, Fact], ...]], list[str]] = {}
    for verdict in verdicts:
        claim, facts = _told(verdict, found, named=named)
        told.setdefault((claim, tuple(facts.items())), []).append(verdict.who)
    for (claim, pairs), who in told.items():
        yield Sentence.of(claim, who=" and each ".join(who), **dict(pairs))


def _told(
    verdict: PlanVerdict, seen: tuple[Exposure, ...], *, named: bool
) -> tuple[Claim, dict[str, Fact]]:
    if verdict.verdict is Verdict.NOT_PRIVATE:
        claim = Claim.EXACT if verdict.exact else Claim.NOT_PRIVATE
        return claim, {"when": "; or".join(_when(verdict, named=named))}
    if verdict.verdict is Verdict.HIDDEN or verdict.statement is None:
        return Claim.HIDDEN, {"holds": _holds(seen, noise=False)}
    return Claim.PRIVATE, {
        "epsilon": rounded_up(verdict.statement.epsilon),
        "delta": f"{verdict.statement.delta:g}",
        "holds": _holds(seen, noise=True),
    }


def _when(verdict: PlanVerdict, *, named: bool) -> Iterator[str]:
    """When, and if `named` against whom, something is not private."""
    always = {
        n for b in verdict.breaches if b.condition is Condition.EVERY_RUN for n in b.observers
    }
    for breach in verdict.breaches:
        names = tuple(name for name in breach.observers if not _said_already(name, always))
        if not named:
            if breach.condition is Condition.EVERY_RUN or not always:
                yield _WHEN[breach.condition]
        elif names:
            yield f"{_WHEN[breach.condition]}, against {_all_of(names)}"


def _holds(seen: tuple[Exposure, ...], *, noise: bool) -> str:
    """What must hold for a verdict to hold: about the sums, or else about what hides them."""
    of_sums = [e for e in seen if e.assumption and e.what is What.SUMS and e.form in _READABLE]
    sealed = [e for e in seen if e.assumption and e.form is Form.SEALED]
    hidden = [e for e in seen if e.assumption]
    chosen = of_sums or sealed or hidden
    return held((e.assumption for e in chosen), leave_out=() if noise else (MISSING_NOISE,))


def _all_of(observers: tuple[str, ...]) -> str:
    """Observers as a list; a coalition is left out if one of its members is listed."""
    kept = [_in_words(name) for name in observers if not _said_already(name, observers)]
    return " and ".join([", ".join(kept[:-1]), kept[-1]]) if len(kept) > 1 else "".join(kept)


def _in_words(name: str) -> str:
    base, joined, rest = name.partition(" and ")
    role = f"the {base}" if base in _ROLES else base
    return f"{role} with {rest}" if joined else role


def _said_already(name: str, names: Collection[str]) -> bool:
    base, joined, _ = name.partition(" and any ")
    pooled = bool(joined) or name.startswith("any ")
    return pooled and (base in names or _EACH in names)
