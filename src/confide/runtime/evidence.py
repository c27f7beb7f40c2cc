"""Evidence against a coordinator: two announcements that contradict each other.

The coordinator signs each announcement over plan, round and attempt, so a holder of two that
contradict each other can show them to anybody who has the plan. What a coordinator that follows the
protocol never signs:

* two values of what all parties are told alike, in one attempt;
* a set with a party that was not in the set before it: present, sharers, survivors, signers;
* another attempt at a round whose survivors it announced, or which it declared over;
* a history of openings that leaves out, adds or changes what it announced before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, NamedTuple

from confide.aggregation import Round
from confide.aggregation.sharing.wire import history_of, members_of
from confide.errors import ProtocolError, VerificationError
from confide.plan import Opening, Plan
from confide.runtime.wire import RESULT, SKIP, kind_of, result_limit, unframed

__all__ = ["Announcement", "Contradiction", "Evidence", "Heard", "contradiction"]

_OPEN: Final = "open"
_SAME_FOR_ALL: Final[Mapping[str, tuple[str, ...]]] = {
    _OPEN: ("history", "state"),
    "roster": ("commitments",),
    "neighbours": ("reveals",),
    RESULT: ("totals", "receipt", "opening"),
}
"""What an announcement of each kind says to all parties alike, besides sets of parties."""

_SETS: Final = ("present", "sharers", "survivors", "signers")
"""The sets of parties in an attempt, each within the one before."""


class Announcement(NamedTuple):
    """Where an announcement belongs."""

    number: int
    attempt: int
    kind: str

    def __str__(self) -> str:
        return f"{self.kind!r} of round {self.number}, attempt {self.attempt}"


@dataclass(frozen=True)
class Contradiction:
    """Two signed announcements that cannot both be true.

    Attributes:
        first: The earlier one.
        second: The later one.
        what: What was signed, in words.
    """

    first: Announcement
    second: Announcement
    what: str

    def __str__(self) -> str:
        both = " and ".join(dict.fromkeys(map(str, (self.first, self.second))))
        return f"the coordinator signed {self.what} ({both})"


@dataclass(frozen=True)
class Evidence:
    """What a party shows others about a coordinator that contradicted itself.

    Attributes:
        first: One announcement, as it was received.
        second: The other one.
        says: How they contradict each other; anybody finds the same by `contradiction`.
    """

    first: bytes = field(repr=False)
    second: bytes = field(repr=False)
    says: Contradiction


def contradiction(plan: Plan, first: bytes, second: bytes) -> Contradiction:
    """Checks two messages of a coordinator as evidence against it.

    Args:
        plan: The plan that both are announced under; its public keys are all that is needed.
        first: A message as a party received it.
        second: Another one, received by the same or another party.

    Raises:
        VerificationError: If the coordinator did not sign both under this plan, or both can be
            true.
        ProtocolError: If one is malformed.
    """
    one, other = sorted((_Said.of(plan, first), _Said.of(plan, second)), key=lambda s: s.place)
    what = next(_contradicting(one, other), None)
    if what is None:
        raise VerificationError(
            f"{one.name} and {other.name} of plan {plan.short_hash} do not contradict each other"
        )
    return Contradiction(one.name, other.name, what)


class Heard:
    """The announcements that a party keeps to prove that a later one contradicts them.

    Two are enough: the last history, which holds all openings before it, and the last set of
    survivors.

    Args:
        plan: The plan.
        kept: What an earlier run kept.
    """

    def __init__(self, plan: Plan, kept: Mapping[str, bytes] | None = None) -> None:
        self._plan = plan
        self.kept: dict[str, bytes] = dict(kept or {})

    def keep(self, message: bytes) -> None:
        """Keeps a message that the party followed, if it may be needed."""
        kind = kind_of(unframed(message)[2])
        if kind in {_OPEN, "survivors"}:
            self.kept[kind] = message

    def against(self, message: bytes) -> Evidence | None:
        """Evidence that a message contradicts what is kept; None if it does not."""
        for kept in self.kept.values():
            try:
                return Evidence(kept, message, contradiction(self._plan, kept, message))
            except ProtocolError:
                continue
        return None


@dataclass(frozen=True)
class _Said:
    """A verified announcement."""

    round_: Round
    kind: str
    values: Mapping[str, Any]

    @classmethod
    def of(cls, plan: Plan, message: bytes) -> _Said:
        number, attempt, announcement = unframed(message)
        round_ = Round(plan, number, attempt)
        kind = kind_of(announcement)
        if not plan.opens(number):
            raise VerificationError(f"{round_} belongs to an exchange: no coordinator announces it")
        # A long list costs no more than the message that holds it.
        most = max(len(announcement), result_limit(round_))
        return cls(round_, kind, round_.read_announcement(announcement, kind, most, most))

    @property
    def place(self) -> tuple[int, int]:
        return self.round_.number, self.round_.attempt

    @property
    def name(self) -> Announcement:
        return Announcement(*self.place, self.kind)

    @cached_property
    def history(self) -> tuple[Opening, ...] | None:
        """The openings that it says were before it; None if it does not say."""
        said = self.values.get("history") if self.kind == _OPEN else None
        names = [party.name for party in self.round_.plan.parties]
        return history_of(said, names) if isinstance(said, bytes) else None

    @cached_property
    def sets(self) -> Mapping[str, frozenset[str]]:
        """The sets of parties in it, by name."""
        parties, found = self.round_.plan.parties, {}
        for name in _SETS:
            if isinstance(said := self.values.get(name), bytes):
                members = members_of(said, len(parties))
                found[name] = frozenset(p.name for p, m in zip(parties, members, strict=True) if m)
        return found

    @property
    def opening(self) -> Opening | None:
        """The opening that it announces."""
        survivors = self.sets.get("survivors")
        return None if survivors is None else Opening(*self.place, tuple(sorted(survivors)))

    @property
    def ends(self) -> bool:
        """Whether no other attempt at the round follows it."""
        return self.kind in {RESULT, SKIP} or "survivors" in self.sets


def _contradicting(one: _Said, other: _Said) -> Iterator[str]:
    """What two announcements, in order, say that cannot both be true."""
    for said in (one, other):
        yield from _impossible(said)
    if one.place == other.place:
        yield from _in_one_attempt(one, other)
    elif one.round_.number == other.round_.number:
        yield from _in_two_attempts(one, other)
    if one.place < other.place and other.history is not None:
        yield from _lost(one, other.history)


def _impossible(said: _Said) -> Iterator[str]:
    """What no coordinator that follows the protocol signs at all."""
    if said.history is None:
        return
    rounds = [opening.number for opening in said.history]
    places = [(opening.number, opening.attempt) for opening in said.history]
    if rounds != sorted(set(rounds)) or any(place >= said.place for place in places):
        yield "a history that is not in order, or opens a round twice"


def _in_one_attempt(one: _Said, other: _Said) -> Iterator[str]:
    if {one.kind, other.kind} == {RESULT, SKIP}:
        yield "a result, and that there is none"
    if one.kind == other.kind:
        for name in _SAME_FOR_ALL.get(one.kind, ()):
            if one.values.get(name) != other.values.get(name):
                yield f"two values of {name!r}"
    for inner, members in other.sets.items():
        for outer, around in one.sets.items():
            yield from _not_within(outer, around, inner, members)
            yield from _not_within(inner, members, outer, around)


def _not_within(
    outer: str, around: frozenset[str], inner: str, members: frozenset[str]
) -> Iterator[str]:
    if outer == inner and around != members:
        yield f"two values of {outer!r}"
    elif _SETS.index(outer) < _SETS.index(inner) and not members <= around:
        yield f"{inner!r} with a party that is not among the {outer!r}"


def _in_two_attempts(one: _Said, other: _Said) -> Iterator[str]:
    if one.ends:
        yield "another attempt at a round whose sum counts as opened"
    states = [said.values["state"] for said in (one, other) if "state" in said.values]
    if len(states) == 2 and states[0] != states[1]:
        yield "two states before one round"


def _lost(one: _Said, history: tuple[Opening, ...]) -> Iterator[str]:
    """What a later history leaves out or adds, by an earlier announcement."""
    if one.opening is not None and one.opening not in history:
        yield f"{one.opening}, and a later history of openings without it"
    if one.history is not None:
        before = tuple(o for o in history if (o.number, o.attempt) < one.place)
        if before != one.history:
            yield "two histories, of which the later one changes what was before the earlier one"
