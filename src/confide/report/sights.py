"""Exposures as sentences of the first page: what an observer sees, can find out, and cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from confide.plan import (
    Condition,
    Exposure,
    Form,
    Observer,
    Plan,
    Standing,
    Subject,
    What,
)
from confide.plan.crowds import smallest_class
from confide.plan.disclosure import DURATIONS, TOOK_PART, TRAFFIC, turns
from confide.plan.protections.judgements import announces_freely
from confide.report.claims import Claim, Sentence
from confide.report.failures import COLLUSION, MISSING_NOISE, clause, failures

__all__ = ["Fewest", "cannot", "sentences_of"]

_MOST_NAMES: Final = 3
"""A sentence lists up to this many names of sums; the full report lists all."""


def sentences_of(plan: Plan, exposure: Exposure) -> Iterator[Sentence]:
    """An exposure in words; nothing for an observer's own data.

    Args:
        plan: The plan.
        exposure: One of its exposures.
    """
    if exposure.what is not What.OWN_DATA:
        yield from _WORDS.get(exposure.what, _other)(plan, exposure)


def _part(plan: Plan, exposure: Exposure) -> Plan:
    return plan.stage_plans[exposure.stage or 0]


def _sums(plan: Plan, e: Exposure) -> Iterator[Sentence]:
    part = _part(plan, e)
    if e.form is Form.SEALED:
        yield Sentence.of(Claim.CARRIES_SUMS, vector=part.hiding.vector if part.hiding else "")
        return
    if e.form is Form.DIFFERENCE:
        yield from _differences(plan, e)
        return
    yield Sentence.of(
        Claim.NOISY_SUMS if e.form is Form.NOISY_SUM else Claim.EXACT_SUMS,
        sums=_names(part),
        over=_over(part),
        when=_often(plan, e),
    )
    if e.observer.parties:
        yield Sentence.of(
            Claim.OTHERS_SUMS,
            others=max(part.min_survivors - e.observer.parties, 0),
        )


def _differences(plan: Plan, e: Exposure) -> Iterator[Sentence]:
    """Sums over different parties, subtracted: totals of classes, or one party that is missing."""
    exact = e.guarantee.insiders is None
    if e.condition is Condition.ONCE_MISSING:
        yield Sentence.of(Claim.DIFFERENCES if exact else Claim.NOISY_DIFFERENCES)
        return
    _, parties, _ = smallest_class(plan)
    noise = "" if exact else ", with the noise of each sum"
    yield Sentence.of(Claim.CLASSES, fewest=len(parties), noise=noise)


def _over(part: Plan) -> str:
    least, parties = part.min_survivors, len(part.parties)
    if least == parties:
        return f"all {parties:,} parties"
    return f"at least {least:,} of {parties:,} parties"


def _often(plan: Plan, e: Exposure) -> str:
    part = _part(plan, e)
    times = "once" if part.rounds == 1 else f"{part.rounds:,} times"
    return times if len(plan.stages) == 1 else f"{times} in stage {part.stage.name!r}"


def _names(part: Plan) -> str:
    names = [f"'{declared.name}'" for declared in part.sums.sums]
    more = len(names) - _MOST_NAMES
    if more > 0:
        return f"{', '.join(names[:_MOST_NAMES])} and {more} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _state(plan: Plan, e: Exposure) -> Iterator[Sentence]:
    yield Sentence.of(Claim.RESULT if _part(plan, e).rounds == 1 else Claim.STATE)


def _contribution(plan: Plan, e: Exposure) -> Iterator[Sentence]:
    if e.of is Subject.NAMED:
        yield from _other(plan, e)
    elif e.form is Form.DIFFERENCE:
        yield from _differences(plan, e)
    elif e.condition is Condition.BY_CHEATING:
        announces = e.observer.coordinator and announces_freely(plan)
        yield Sentence.of(Claim.STATE_BY_COORDINATOR if announces else Claim.STATE_BY_PARTY)
    elif e.form is Form.PLAINTEXT:
        yield Sentence.of(Claim.READS_EACH, sums=_names(_part(plan, e)), when=_often(plan, e))
    else:
        yield from _hidden(plan, e)


def _hidden(plan: Plan, e: Exposure) -> Iterator[Sentence]:
    hiding = _part(plan, e).hiding
    if e.observer.network and hiding and e.form is not Form.SEALED:
        return  # It stands beside the sums, which it carries too.
    if e.observer.network or e.form is Form.SEALED or hiding is None:
        # The network carries, inside the channel, what is hidden already.
        vector = hiding.vector if hiding and e.form is not Form.SEALED else "contribution"
        yield Sentence.of(Claim.CARRIES, vector=vector, how=e.detail.partition(";")[0])
    else:
        yield Sentence.of(Claim.VECTORS, vector=hiding.vector, looks=hiding.looks)


def _keys(plan: Plan, e: Exposure) -> Iterator[Sentence]:
    part = None if e.of is Subject.NAMED else _part(plan, e)
    if part is None or not part.secrets:
        yield from _other(plan, e)
    elif e.form is Form.SHARE:
        masking = part.masking
        yield Sentence.of(
            Claim.SHARES,
            secrets=part.secrets,
            of=f"{masking.degree:,} other {'party' if masking.degree == 1 else 'parties'}",
            threshold=masking.threshold,
        )
    else:
        yield Sentence.of(Claim.SUM_OF_KEYS)


def _metadata(plan: Plan, e: Exposure) -> Iterator[Sentence]:
    if e.value in _METADATA:
        yield Sentence.of(_METADATA[e.value])
    elif e.of is Subject.NAMED:
        if not (e.observer.network and plan.sum_stages):  # The traffic of all stages is one.
            yield from _other(plan, e)
    elif plan.cohorts and e.value in turns(plan):
        yield Sentence.of(Claim.TURNS, cohorts=len(plan.cohorts.cohorts))
    else:
        yield Sentence.of(Claim.MORE_METADATA, value=e.value)


def _other(_: Plan, e: Exposure) -> Iterator[Sentence]:
    if e.of is not Subject.NAMED:
        yield Sentence.of(Claim.OTHER, value=e.value, how=e.detail)
    elif e.what is What.METADATA:
        yield Sentence.of(Claim.MORE_METADATA, value=e.value)
    elif e.what is not What.KEYS or e.whose != (e.observer.name,):
        whose = " and ".join(e.whose)
        value = f"public keys of {whose}" if e.what is What.KEYS else f"{e.value}, of {whose}"
        yield Sentence.of(Claim.MESSAGE, value=value, how=e.detail.partition("; it")[0])


_METADATA: Final = {
    TOOK_PART: Claim.TOOK_PART,
    TRAFFIC: Claim.TRAFFIC,
    DURATIONS: Claim.DURATIONS,
}

_WORDS: Final[Mapping[What, Callable[[Plan, Exposure], Iterator[Sentence]]]] = {
    What.SUMS: _sums,
    What.STATE: _state,
    What.CONTRIBUTION: _contribution,
    What.KEYS: _keys,
    What.METADATA: _metadata,
}


# --- what an observer cannot do ------------------------------------------------------------------


def cannot(observer: Observer, seen: Iterable[Exposure], beyond: Fewest) -> Iterator[Sentence]:
    """What stays closed to an observer, and which failures would open it.

    Args:
        observer: Who looks.
        seen: All its exposures.
        beyond: The fewest beyond the threat that single one out.
    """
    for e in seen:
        if e.assumption and e.form is not Form.PLAINTEXT:
            yield from _closed(e)
    if beyond.members and not observer.enclave and any(e.form in _ADDED for e in seen):
        yield Sentence.of(Claim.SINGLE_OUT, helpers=beyond.helpers_of(observer))


def _closed(e: Exposure) -> Iterator[Sentence]:
    failure = clause(e.assumption)
    if e.of is Subject.NAMED:
        if e.what is not What.KEYS and e.form is not Form.SEALED:
            yield Sentence.of(Claim.OPEN_MESSAGES, holder="others", failure=failure)
    elif e.what is What.SUMS and e.form is Form.SEALED:
        yield Sentence.of(Claim.OPEN_SUMS, failure=failure)
    elif e.what is What.SUMS:
        for single in failures(e.assumption):
            if single == MISSING_NOISE:
                yield Sentence.of(Claim.MISS_NOISE, failure=clause(single))
            elif not COLLUSION.fullmatch(single):
                yield Sentence.of(Claim.OPEN_VECTORS, failure=clause(single))
    elif e.what is What.CONTRIBUTION and not (e.observer.network and e.form is not Form.SEALED):
        # Behind the channel the network would have what the coordinator has, and open no more.
        carried = e.form is Form.SEALED
        yield Sentence.of(Claim.OPEN_CARRIED if carried else Claim.OPEN_VECTORS, failure=failure)


_ADDED: Final = (Form.SUM, Form.NOISY_SUM)


@dataclass(frozen=True)
class Fewest:
    """The fewest parties that single one out together with the coordinator, beyond the threat.

    Attributes:
        members: How many parties; 0 if nobody can.
        assumed: How many the threat lets collude at most.
    """

    members: int
    assumed: int

    @classmethod
    def of(cls, plan: Plan, found: Iterable[Exposure]) -> Fewest:
        """The fewest of a plan with these exposures."""
        members = [
            e.observer.parties
            for e in found
            if e.observer.standing is Standing.BEYOND
            and e.observer.coordinator
            and e.of is Subject.ONE_OF_CHOICE
        ]
        return cls(min(members, default=0), plan.colluding)

    def helpers_of(self, observer: Observer) -> str:
        """Who must join an observer, as the start of a clause."""
        if observer.coordinator:
            assumed = f"at most {self.assumed:,}" if self.assumed else "none"
            help_ = "help" if self.members > 1 else "helps"
            return f"{_parties(self.members)} {help_} it (you assume {assumed})"
        others = max(self.members - observer.parties, 0)
        if not others:
            return "the coordinator helps it"
        return f"the coordinator and {_parties(others)} help it"


def _parties(count: int) -> str:
    return f"{count:,} {'party' if count == 1 else 'parties'}"
