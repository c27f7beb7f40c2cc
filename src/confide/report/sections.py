"""The sections of a first page: one for each observer, or for several that see the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from confide.plan import (
    COORDINATOR,
    Condition,
    Corruption,
    Exposure,
    Observer,
    Plan,
    Standing,
    Subject,
    Verdict,
)
from confide.plan.exchange_exposures import IN_CHANNEL
from confide.report.alike import Alike
from confide.report.claims import Claim, Sentence
from confide.report.failures import clause, held
from confide.report.privacy import statement_of
from confide.report.sights import Fewest, cannot, sentences_of
from confide.report.verdict import PlanVerdict, verdict_sentences, verdicts_of

__all__ = ["Section", "as_above", "sections", "without"]

_EVERY: Final = "EACH PARTY"
_MOST_NAMES: Final = 5
"""Up to this many parties are listed by name in a title."""


@dataclass(frozen=True)
class Section:
    """What a first page says of one observer, or of several that see the same.

    Attributes:
        name: Who they are, in short.
        title: Who they are, and with whom they pool what they see.
        assumed: What the plan assumes of them.
        standing: Whether the threat counts them.
        observers: The names of their views.
        verdicts: What is guaranteed against them.
        sees: What they see in every run.
        can: What they could find out or do besides.
        cannot: What they cannot, and which failures would change that.
        besides: Whether the section before it holds for them too, so that this one says the rest.
    """

    name: str
    title: str
    assumed: str
    standing: Standing
    observers: tuple[str, ...]
    verdicts: tuple[Sentence, ...]
    sees: tuple[Sentence, ...]
    can: tuple[Sentence, ...]
    cannot: tuple[Sentence, ...]
    besides: bool = False

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """All its sentences, in order."""
        return (*self.verdicts, *self.sees, *self.can, *self.cannot)


def sections(plan: Plan, groups: Iterable[Alike]) -> tuple[Section, ...]:
    """The sections of a plan: who adds up first, then parties, then who carries messages.

    A coalition joins the section of its role, or else that of the parties, where the verdict is
    the same: it sees all that its members see, so its numbers hold for each of them too.

    Args:
        plan: The plan.
        groups: Its observers, those together that see the same.
    """
    together = tuple(groups)
    fewest = Fewest.of(plan, (e for group in together for e in group.seen))
    alone = sorted((g for g in together if not _pools(g.first)), key=_place)
    joined: dict[Alike, list[Alike]] = {group: [] for group in alone}
    apart: list[Alike] = []
    for pool in (g for g in together if _is_coalition(g.first)):
        kinds = _kinds(plan, pool)
        bases = [b for b in alone if _joins(pool.first, b.first) and kinds <= _kinds(plan, b)]
        (joined[bases[0]] if bases else apart).append(pool)
    made = [_section(plan, (group, *joined[group]), fewest) for group in alone]
    made += [_section(plan, (pool,), fewest) for pool in apart]
    return tuple(_said_once(_each_party_once(plan, made)))


def _each_party_once(plan: Plan, made: list[Section]) -> list[Section]:
    """The sections; if one holds for every party, the other parties' say only what they add."""
    of_parties = [s for s in made if {*s.observers} & {*plan.owners}]
    if len(of_parties) < 2:
        return made
    for base in of_parties:
        others = [s for s in of_parties if s is not base]
        if all(base.title == base.name and _holds_for(base, other) for other in others):
            every = replace(base, name=_EVERY, title=_EVERY, observers=tuple(plan.owners))
            added = [_besides(other, base) for other in others]
            first = made.index(of_parties[0])
            rest = [s for s in made[first:] if s not in of_parties]
            return [*made[:first], every, *added, *rest]
    return made


def _holds_for(base: Section, other: Section) -> bool:
    """Whether all that a section says holds for the observers of another one too."""
    same = (base.assumed, base.standing) == (other.assumed, other.standing)
    return same and {*base.sentences} <= {*other.sentences}


def _besides(section: Section, base: Section) -> Section:
    """What a section says besides another one that holds for its observers as well."""

    def new(sentences: tuple[Sentence, ...]) -> tuple[Sentence, ...]:
        return tuple(s for s in sentences if s not in base.sentences)

    return replace(
        section,
        title=f"{section.title}, besides",
        besides=True,
        verdicts=new(section.verdicts),
        sees=new(section.sees),
        can=new(section.can),
        cannot=new(section.cannot),
    )


def _said_once(made: list[Section]) -> Iterator[Section]:
    """The sections; none repeats all that the section before it says."""
    before: Section | None = None
    for section in _messages_once(made):
        if before and section.sees == before.sees and section.verdicts == before.verdicts:
            same = Sentence.of(Claim.SAME, other=before.name.lower())
            yield replace(section, sees=(same,), can=(), cannot=())
        else:
            yield section
        before = section


def _messages_once(made: list[Section]) -> Iterator[Section]:
    """The sections; messages that others see as the coordinator does are listed there alone."""
    first = COORDINATOR.upper()
    known = next((_messages(s) for s in made if s.name == first), ())
    for section in made:
        told = _messages(section)
        inside = tuple((value, how.removeprefix(IN_CHANNEL)) for value, how in told)
        if section.name == first or not told or inside != known:
            yield section
            continue
        claim = Claim.SAME_MESSAGES if inside == told else Claim.CARRIED
        same = Sentence.of(claim, other=COORDINATOR)
        sees = dict.fromkeys(same if s.claim is Claim.MESSAGE else s for s in section.sees)
        left = (s for s in section.cannot if s.claim is not Claim.OPEN_MESSAGES)
        yield replace(section, sees=tuple(sees), cannot=tuple(left))


def _messages(section: Section) -> tuple[tuple[str, str], ...]:
    """What messages of exchanges hold, and how the section's observers see it."""
    told = (s.facts for s in section.sees if s.claim is Claim.MESSAGE)
    return tuple((str(facts["value"]), str(facts["how"])) for facts in told)


def as_above(section: Section, headline: Iterable[Sentence]) -> Section:
    """A section that refers to the verdicts of the headline where noise gives it the same."""
    said = tuple(headline)
    same = tuple(v for v in section.verdicts if v.claim in _TOLD and v in said)
    if Claim.PRIVATE not in (v.claim for v in same):
        return section
    words = " and each ".join(f"{v.facts['who']} {_TOLD[v.claim]}" for v in same)
    above = Sentence.of(Claim.AS_ABOVE, each=same[0].facts["each"], verdicts=words)
    kept = (v for v in section.verdicts if v not in same)
    return replace(section, verdicts=(*kept, above))


_TOLD: Final = {Claim.PRIVATE: Verdict.PRIVATE.value, Claim.HIDDEN: Verdict.HIDDEN.value}


def without(section: Section, shared: tuple[Sentence, ...]) -> Section:
    """A section without what is said elsewhere."""
    return replace(section, sees=tuple(s for s in section.sees if s not in shared))


def _pools(observer: Observer) -> bool:
    """Whether an observer is several together: a coalition, or one beyond the threat."""
    return observer.party is None and observer.parties > 0


def _is_coalition(observer: Observer) -> bool:
    """Whether an observer is a coalition that has a section; who singles one out has a line."""
    line = observer.standing is Standing.BEYOND and observer.coordinator
    return _pools(observer) and not line


def _joins(pool: Observer, base: Observer) -> bool:
    """Whether an observer is one of a coalition: the role that is in it, or one of its parties."""
    if base.enclave or pool.standing is not base.standing:
        return False
    roles = (base.coordinator, base.network)
    return roles in ((pool.coordinator, pool.network), (False, False))


def _place(group: Alike) -> int:
    observer = group.first
    order = (observer.coordinator, observer.party is not None, observer.network)
    return [*order, True].index(True)


def _kinds(plan: Plan, group: Alike) -> set[object]:
    return {(v.who, v.where, v.verdict, v.conditions) for v in verdicts_of(plan, group.seen)}


def _section(plan: Plan, groups: tuple[Alike, ...], fewest: Fewest) -> Section:
    """The section of an observer, and of the coalitions that it is in.

    Of a coalition with another role only the verdict is its own: what that role sees is said there.
    """
    group = groups[0]
    pools = [g for g in groups[1:] if _same_role(g.first, group.first)]
    last, strongest = groups[-1], (pools or [group])[-1]
    seen = tuple(dict.fromkeys(e for each in (group, *pools) for e in each.seen))
    found = [
        (e, s)
        for e in seen
        for s in sentences_of(plan, e)
        if s.claim is not Claim.OTHERS_SUMS or e.observer == strongest.first
    ]
    besides = (Condition.ONCE_MISSING, Condition.BY_CHEATING)
    of_exchanges = tuple(e for e in seen if e.of is Subject.NAMED)
    found_of = (*of_exchanges, *last.seen)
    rated = verdicts_of(plan, found_of, statement=statement_of(plan, last.seen))
    # What a verdict rests on is what each member's rests on too.
    verdicts = tuple(verdict_sentences(plan, rated, (*seen, *last.seen), named=False))
    closed = dict.fromkeys(cannot(strongest.first, seen, fewest))
    return Section(
        name=_name(plan, group),
        title=_title(plan, groups),
        assumed=_assumed(plan, group.first),
        standing=group.first.standing,
        observers=tuple(o.name for each in groups for o in each.observers),
        verdicts=verdicts,
        sees=_messages_together(s for e, s in found if e.condition not in besides),
        can=tuple(dict.fromkeys(s for e, s in found if e.condition in besides)),
        cannot=tuple(_not_said(closed, seen, rated, verdicts)),
    )


def _not_said(
    closed: Iterable[Sentence],
    seen: tuple[Exposure, ...],
    rated: Iterable[PlanVerdict],
    verdicts: tuple[Sentence, ...],
) -> Iterator[Sentence]:
    """What stays closed, without what a verdict says or denies."""
    holds = {v.facts["holds"] for v in verdicts if v.claim is Claim.HIDDEN}
    named = {clause(e.assumption) for e in seen if e.assumption and held([e.assumption]) in holds}
    single = any(v.of_sums and v.verdict is Verdict.NOT_PRIVATE and v.group for v in rated)
    for sentence in closed:
        denied = single and sentence.claim is Claim.SINGLE_OUT
        failure = "" if sentence.claim is Claim.OPEN_SUMS else sentence.facts.get("failure")
        if not denied and failure not in named:
            yield sentence


def _same_role(pool: Observer, base: Observer) -> bool:
    return (pool.coordinator, pool.network) == (base.coordinator, base.network)


def _messages_together(sentences: Iterable[Sentence]) -> tuple[Sentence, ...]:
    """The sentences, each once; messages of exchanges that are seen in one form share one."""
    values: dict[object, list[str]] = {}
    for s in dict.fromkeys(sentences):
        key = s.facts["how"] if s.claim is Claim.MESSAGE else s
        values.setdefault(key, []).append(str(s.facts.get("value", "")))
    return tuple(
        key
        if isinstance(key, Sentence)
        else Sentence.of(Claim.MESSAGE, value="; ".join(told), how=str(key))
        for key, told in values.items()
    )


# --- names ---------------------------------------------------------------------------------------


def _name(plan: Plan, group: Alike) -> str:
    observer = group.first
    if observer.party is None:
        return observer.name.upper()
    if len(group.observers) == len(plan.parties):
        return _EVERY
    names = [o.name for o in group.observers]
    more = len(names) - _MOST_NAMES
    listed = ", ".join(names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")
    return f"{'PARTY' if len(names) == 1 else 'PARTIES'} {listed}"


def _title(plan: Plan, groups: tuple[Alike, ...]) -> str:
    base = groups[0].first
    others = [w for pool in groups[1:] if (w := _with_whom(plan, pool.first, base))]
    name = _name(plan, groups[0])
    return f"{name}, alone or with {' or '.join(dict.fromkeys(others))}" if others else name


def _with_whom(plan: Plan, pool: Observer, base: Observer) -> str:
    """Who the other members of an observer's coalition are."""
    count = pool.groups - (base.party is not None)
    parties = f"any {count:,} {_owners(plan, count)}" if count else ""
    role = ""
    if not _same_role(pool, base):
        role = "the coordinator" if pool.coordinator else "the network"
    return " and ".join(filter(None, (role, parties)))


def _owners(plan: Plan, count: int) -> str:
    alone = len(set(plan.owners.values())) == len(plan.parties)
    if alone:
        return "party" if count == 1 else "parties"
    return "ownership group" if count == 1 else "ownership groups"


_ASSUMED: Final = {
    Corruption.HONEST: "trusted",
    Corruption.CURIOUS: "follows the protocol, and reads",
    Corruption.MALICIOUS: "may lie",
}


def _assumed(plan: Plan, observer: Observer) -> str:
    """What the plan assumes of an observer, as an aside."""
    adversary = plan.threat.confidentiality
    if observer.standing is Standing.BEYOND:
        told = "assumed not to happen"
    elif observer.enclave:
        simulated = bool(plan.aggregation.warning)
        told = "simulated: no hardware" if simulated else "hardware trusted"
    elif observer.standing is Standing.TRUSTED:
        told = "trusted"
    elif observer.coordinator:
        told = _ASSUMED[adversary.coordinator]
    elif observer.network:
        told = _ASSUMED[adversary.network]
    elif not adversary.colluding_parties:
        told = "tells nobody what it sees"
    else:
        told = _ASSUMED[adversary.parties]
    return told
