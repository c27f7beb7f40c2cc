"""Verdicts: what is guaranteed against one observer, and against all that the threat allows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from confide.plan import (
    Condition,
    Exchange,
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
_SUMS: Final = "the sums"
_MOST_NAMES: Final = 5
"""A verdict names up to this many observers."""

_ROLES: Final = ("coordinator", "network", "enclave")
_READABLE: Final = frozenset(
    {Form.PLAINTEXT, Form.SUM, Form.NOISY_SUM, Form.DIFFERENCE, Form.RESULT}
)
_Said = tuple[Claim, tuple[tuple[str, Fact], ...]]
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
        where: "the sums" or the name of an exchange, in a plan that has both, or several
            exchanges; else empty. The sums of all stages count together, because their ε adds up.
        group: Whether it is about ownership groups.
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
    where: str
    group: bool
    verdict: Verdict
    against: tuple[str, ...]
    conditions: tuple[Condition, ...]
    insiders: int | None
    statement: PrivacyStatement | None
    remedies: tuple[str, ...]
    breaches: tuple[Breach, ...] = ()
    exact: bool = False

    @property
    def of_sums(self) -> bool:
        """Whether it is about sums, alone or with all else that the plan has."""
        return self.where in ("", _SUMS)


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
    made = [v for where in _parts(plan) for v in _in_part(plan, where, feared)]
    return tuple(_rated(plan, v, None) for v in made) if rated else tuple(made)


def verdicts_of(
    plan: Plan, found: Iterable[Exposure], *, statement: PrivacyStatement | None = None
) -> tuple[PlanVerdict, ...]:
    """The verdicts over what one observer sees, or several that pool what they see.

    Args:
        plan: The plan.
        found: The exposures.
        statement: The noise's guarantee, if it is known.
    """
    seen = tuple(found)
    known = [where for where in _parts(plan) if _of_part(plan, where, seen)]
    made = (v for where in known for v in _in_part(plan, where, seen))
    return tuple(_rated(plan, v, statement) for v in made)


def _parts(plan: Plan) -> tuple[str, ...]:
    """What has verdicts of its own: the sums and each exchange; the plan, if it is only one."""
    made = [_SUMS] if plan.sum_stages else []
    made += [repr(exchange.name) for exchange in plan.exchanges]
    return tuple(made) if len(made) > 1 else ("",)


def _of_part(plan: Plan, where: str, found: Iterable[Exposure]) -> tuple[Exposure, ...]:
    """The exposures of a part of the plan."""
    if not where:
        return tuple(found)
    return tuple(e for e in found if _part_of(plan, e) == where)


def _part_of(plan: Plan, exposure: Exposure) -> str:
    stage = None if exposure.stage is None else plan.stages[exposure.stage]
    return repr(stage.name) if isinstance(stage, Exchange) else _SUMS


def _in_part(plan: Plan, where: str, found: Iterable[Exposure]) -> Iterator[PlanVerdict]:
    of_data = (e for e in found if e.what in _OF_DATA and e.form in _READABLE)
    seen = _of_part(plan, where, of_data)
    if plan.neighbours.unit is not Unit.PARTY:
        yield _verdict(plan, where, [(e, e.guarantee.unit) for e in seen], group=False)
    yield _verdict(plan, where, [(e, e.guarantee.group) for e in seen], group=True)


def _verdict(
    plan: Plan, where: str, seen: list[tuple[Exposure, Verdict]], *, group: bool
) -> PlanVerdict:
    bad = [e for e, v in seen if v is Verdict.NOT_PRIVATE]
    bounded = [
        e.guarantee.insiders
        for e, v in seen
        if v is Verdict.PRIVATE and e.guarantee.insiders is not None
    ]
    return PlanVerdict(
        who=owner_word(plan) if group else plan.neighbours.unit.value,
        where=where,
        group=group,
        verdict=worst(v for _, v in seen) if seen else Verdict.HIDDEN,
        against=_observers(plan, bad),
        conditions=tuple(dict.fromkeys(e.condition for e in bad)),
        insiders=max(bounded) if bounded else None,
        statement=None,
        remedies=tuple(dict.fromkeys(e.remedy for e in bad if e.remedy)),
        breaches=tuple(_breaches(plan, bad)),
        exact=any(e.guarantee.insiders is None for e in bad),
    )


def _breaches(plan: Plan, bad: list[Exposure]) -> Iterator[Breach]:
    """Who sees it under which condition; an observer is listed under the first that it needs."""
    listed: set[str] = set()
    for condition in Condition:
        names = _observers(plan, (e for e in bad if e.condition is condition))
        if new := tuple(name for name in names if name not in listed):
            yield Breach(condition, new)
        listed.update(names)


def _observers(plan: Plan, bad: Iterable[Exposure]) -> tuple[str, ...]:
    """The names of the observers; of sums that all parties see, "each party"."""
    found = tuple(bad)
    alone = {e.observer.party for e in found if e.observer.party is not None and not e.whose}
    every = len(alone) == len(plan.parties)
    names = (_EACH if every and e.observer.party in alone else e.observer.name for e in found)
    return tuple(dict.fromkeys(names))


def _rated(plan: Plan, verdict: PlanVerdict, statement: PrivacyStatement | None) -> PlanVerdict:
    if verdict.insiders is None:
        return verdict
    known = statement or total_statement(plan, insiders=verdict.insiders)
    return replace(verdict, statement=known)


# --- in words ------------------------------------------------------------------------------------

_WHEN: Final = {
    Condition.EVERY_RUN: "",
    Condition.ONCE_MISSING: " once a party is missing from a sum",
    Condition.BY_CHEATING: " if somebody lies",
    Condition.BEYOND: " beyond the threat",
}


def verdict_sentences(
    plan: Plan, verdicts: Iterable[PlanVerdict], seen: Iterable[Exposure], *, named: bool
) -> Iterator[Sentence]:
    """Verdicts in words, the worst part of the plan first; units with the same share a sentence.

    Args:
        plan: The plan.
        verdicts: The verdicts.
        seen: The exposures that they are about.
        named: Whether to say against whom.
    """
    made, found = tuple(verdicts), tuple(seen)
    parts: dict[str, dict[_Said, list[str]]] = {}
    for verdict in sorted(made, key=lambda v: _severity(v.where, made), reverse=True):
        claim, facts = _told(verdict, _of_part(plan, verdict.where, found), named=named)
        said = parts.setdefault(verdict.where, {})
        said.setdefault((claim, tuple(facts.items())), []).append(verdict.who)
    same = len(parts) > 1 and all(said == next(iter(parts.values())) for said in parts.values())
    for where, said in parts.items():
        each = f"{_heading(where)}: each" if where and not same else "Each"
        for (claim, pairs), who in said.items():
            yield Sentence.of(claim, each=each, who=" and each ".join(who), **dict(pairs))
        if same:
            return


def _severity(where: str, verdicts: tuple[PlanVerdict, ...]) -> tuple[int, bool]:
    """How bad the worst verdict of a part is; exact and NOT PRIVATE is the worst."""
    order = list(Verdict)
    return max((order.index(v.verdict), v.exact) for v in verdicts if v.where == where)


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


def _heading(where: str) -> str:
    return "Sums" if where == _SUMS else where


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
    if len(kept) > _MOST_NAMES + 1:
        kept = [*kept[:_MOST_NAMES], f"{len(kept) - _MOST_NAMES:,} more"]
    return " and ".join([", ".join(kept[:-1]), kept[-1]]) if len(kept) > 1 else "".join(kept)


def _in_words(name: str) -> str:
    base, joined, rest = name.partition(" and ")
    role = f"the {base}" if base in _ROLES else base
    return f"{role} with {rest}" if joined else role


def _said_already(name: str, names: Collection[str]) -> bool:
    base, joined, _ = name.partition(" and any ")
    pooled = bool(joined) or name.startswith("any ")
    return pooled and (base in names or _EACH in names)
