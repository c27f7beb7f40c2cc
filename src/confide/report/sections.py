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
)
from confide.plan.exchange_exposures import IN_CHANNEL
from confide.report.alike import Alike
from confide.report.claims import Claim, Sentence
from confide.report.privacy import statement_of
from confide.report.sights import Fewest, cannot, sentences_of
from confide.report.verdict import verdict_sentences, verdicts_of

__all__ = ["Section", "sections", "without"]

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
        bases = [b for b in alone if _joins(pool.first, b.first) and _kinds(plan, b) == kinds]
        (joined[bases[0]] if bases else apart).append(pool)
    made = [_section(plan, (group, *joined[group]), fewest) for group in alone]
    made += [_section(plan, (pool,), fewest) for pool in apart]
    return tuple(_said_once(made))


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
        sees = (same if s.claim is Claim.MESSAGE else s for s in section.sees)
        yield replace(section, sees=tuple(dict.fromkeys(sees)))


def _messages(section: Section) -> tuple[tuple[str, str], ...]:
    """What messages of exchanges hold, and how the section's observers see it."""
    told = (s.facts for s in section.sees if s.claim is Claim.MESSAGE)
    return tuple((str(facts["value"]), str(facts["how"])) for facts in told)


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


def _kinds(plan: Plan, group: Alike) -> object:
    return [(v.who, v.verdict, v.conditions) for v in verdicts_of(plan, group.seen)]


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
    verdicts = tuple(_verdicts(plan, last.seen, (*seen, *last.seen)))
    closed = tuple(dict.fromkeys(cannot(strongest.first, seen, fewest)))
    if {s.claim for s in closed} == {Claim.OPEN_MESSAGES} and _all_hidden(verdicts):
        closed = ()  # The verdict names the same failures.
    return Section(
        name=_name(plan, group),
        title=_title(plan, groups),
        assumed=_assumed(plan, group.first),
        standing=group.first.standing,
        observers=tuple(o.name for each in groups for o in each.observers),
        verdicts=verdicts,
        sees=_messages_together(s for e, s in found if e.condition not in besides),
        can=tuple(dict.fromkeys(s for e, s in found if e.condition in besides)),
        cannot=closed,
    )


def _all_hidden(verdicts: tuple[Sentence, ...]) -> bool:
    return {s.claim for s in verdicts} == {Claim.HIDDEN}


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


def _verdicts(
    plan: Plan, seen: tuple[Exposure, ...], by_members: tuple[Exposure, ...]
) -> Iterator[Sentence]:
    """The verdict against a coalition; what it rests on is what each member's rests on too."""
    found = verdicts_of(plan, seen, statement=statement_of(plan, seen))
    yield from verdict_sentences(found, by_members, named=False)


# --- names ---------------------------------------------------------------------------------------


def _name(plan: Plan, group: Alike) -> str:
    observer = group.first
    if observer.party is None:
        return observer.name.upper()
    if len(group.observers) == len(plan.parties):
        return "EACH PARTY"
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
        told = "simulated: no hardware stands behind it" if simulated else "hardware trusted"
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
