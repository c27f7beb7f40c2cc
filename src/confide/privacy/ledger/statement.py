"""A ledger's statement: what each dataset may lose, has lost, and to whom, for people to read."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from confide.canonical import decode
from confide.markup import facts_html
from confide.privacy.ledger.balance import Remaining, Spent
from confide.privacy.ledger.caps import Filter, Period
from confide.privacy.ledger.entries import MAX_ENTRY_BYTES, Entry
from confide.privacy.ledger.ledger import Ledger
from confide.privacy.ledger.rounds import OpenedSums, Rounds
from confide.privacy.ledger.tally import Charge, is_time

__all__ = [
    "CapLine",
    "ChargeLine",
    "DatasetStatement",
    "OpeningLine",
    "RoundsLine",
    "Statement",
    "described",
    "exported",
    "statement",
]

_WORDS: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
"""Where the words of a class's name part."""

_SHORT: Final = 16
"""Characters of a plan's hash that people are shown."""


@dataclass(frozen=True, kw_only=True)
class CapLine:
    """A cap and what it leaves.

    Attributes:
        epsilon: ε.
        delta: δ.
        filter: The filter.
        counts: Whose observations it counts.
        period: How often it starts anew; "" for never.
        rho: ρ, of a cap of that; else 0.
        left: What is left, from 0 to 1.
        epsilon_left: What is left of ε for one more plan.
        mu_left: The largest μ of one more Gaussian event.
    """

    epsilon: float
    delta: float
    filter: str
    counts: str
    period: str
    rho: float
    left: float
    epsilon_left: float
    mu_left: float


@dataclass(frozen=True, kw_only=True)
class ChargeLine:
    """A reservation.

    Attributes:
        number: Its entry.
        time: When, in UTC.
        event: One run, in words.
        count: How many runs were reserved.
        charged: How many of them count.
        state: "open", "committed" or "cancelled".
        observers: Who sees the answers.
        meaning: What it was for.
        plan_hash: The plan that asked.
        release: SHA-256 of what was released.
    """

    number: int
    time: str
    event: str
    count: int
    charged: int
    state: str
    observers: tuple[str, ...]
    meaning: str
    plan_hash: str
    release: str


@dataclass(frozen=True, kw_only=True)
class OpeningLine:
    """Sums over a dataset that the owner helped to open, over the same parties.

    Attributes:
        plan_hash: The plan.
        openings: How many sums.
        parties: How many parties were in each; 0 if that is not known.
        exact: Whether no noise covers what one ownership group contributes.
        words: All of it in words.
    """

    plan_hash: str
    openings: int
    parties: int
    exact: bool
    words: str


@dataclass(frozen=True, kw_only=True)
class RoundsLine:
    """The rounds of a plan that the owner took part in.

    Attributes:
        plan_hash: The plan.
        opened: Rounds whose sum it helped to open.
        latest: The latest round that it took part in.
        attempt: The latest attempt at it.
    """

    plan_hash: str
    opened: tuple[int, ...]
    latest: int
    attempt: int


@dataclass(frozen=True, kw_only=True)
class DatasetStatement:
    """One dataset.

    Attributes:
        name: Its name.
        unit: Whom its caps protect.
        relation: What two neighbours differ in.
        parent: What it was made from; "" for nothing.
        caps: Its caps.
        lost: What it has lost, in words.
        epsilon: The least ε that is known of all of it, at `delta`.
        delta: δ, without that of events that have one of their own.
        mu: μ, if all of it is Gaussian, else ∞.
        charges: Its own charges.
        openings: The sums over it that the owner helped to open.
        notes: What these numbers do not say.
    """

    name: str
    unit: str
    relation: str
    parent: str
    caps: tuple[CapLine, ...]
    lost: str
    epsilon: float
    delta: float
    mu: float
    charges: tuple[ChargeLine, ...]
    openings: tuple[OpeningLine, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A ledger.

    Attributes:
        ledger: Which, in hexadecimal.
        entries: How many entries it has.
        head: The hash of the last.
        time: When that was written, in UTC.
        datasets: Its datasets.
        rounds: The rounds of each plan that its owner took part in.
    """

    ledger: str
    entries: int
    head: str
    time: str
    datasets: tuple[DatasetStatement, ...]
    rounds: tuple[RoundsLine, ...]

    def __repr__(self) -> str:
        names = ", ".join(repr(d.name) for d in self.datasets[:5])
        return f"Statement(ledger={self.ledger[:8]}…, {self.entries:,} entries, datasets {names})"

    def _repr_html_(self) -> str:
        """What a notebook shows: each cap and what it leaves."""
        facts: list[tuple[str, object]] = []
        for dataset in self.datasets:
            facts += [
                (f"{dataset.name}: cap of {_amount(cap)}", f"{cap.left:.0%} left, {cap.counts}")
                for cap in dataset.caps
            ]
            facts.append((f"{dataset.name}: charges", f"{len(dataset.charges):,}"))
        facts += [("entries", f"{self.entries:,}"), ("head", self.head)]
        return facts_html(f"Ledger {self.ledger[:8]}…", facts)


def _amount(cap: CapLine) -> str:
    return f"ρ = {cap.rho:g}" if cap.rho else f"ε = {cap.epsilon:g}, δ = {cap.delta:g}"


def statement(ledger: Ledger, dataset: str | None = None, *, delta: float = 1e-6) -> Statement:
    """The statement of a ledger, or of one of its datasets.

    Args:
        ledger: The ledger.
        dataset: Only this one.
        delta: δ at which to state ε.

    Raises:
        DataError: If there is no such dataset.
    """
    head = ledger.position()
    names = [d.name for d in ledger.datasets()] if dataset is None else [dataset]
    return Statement(
        ledger=head.ledger.hex(),
        entries=head.number,
        head=head.hash.hex(),
        time=_utc(head.time),
        datasets=tuple(_dataset(ledger, name, delta) for name in names),
        rounds=tuple(_rounds(*found) for found in ledger.rounds().items()),
    )


def _dataset(ledger: Ledger, name: str, delta: float) -> DatasetStatement:
    spent, remaining = ledger.spent(name, delta=delta), ledger.remaining(name)
    found = next(d for d in ledger.datasets() if d.name == name)
    charges, sums = ledger.charges(name), ledger.opened_sums(name)
    return DatasetStatement(
        name=name,
        unit=found.unit.value,
        relation=found.relation.value,
        parent=found.parent,
        caps=tuple(map(_cap, remaining)),
        lost=_lost(spent),
        epsilon=_epsilon(spent),
        delta=delta,
        mu=spent.mu,
        charges=tuple(map(_charge, charges)),
        openings=tuple(_opening(*found) for found in sums.items()),
        notes=(*_notes(spent, remaining), *_crowd_notes(charges, sums)),
    )


def _cap(left: Remaining) -> CapLine:
    cap = left.cap
    return CapLine(
        epsilon=cap.epsilon,
        delta=cap.delta,
        filter=cap.filter.value,
        counts="everybody" if cap.observers is None else ", ".join(sorted(cap.observers)),
        period=cap.period.value if cap.period else "",
        rho=cap.rho,
        left=left.fraction,
        epsilon_left=left.epsilon,
        mu_left=left.mu,
    )


def _charge(charge: Charge) -> ChargeLine:
    fact = charge.fact
    return ChargeLine(
        number=charge.number,
        time=_utc(charge.time),
        event=described(decode(fact.event, MAX_ENTRY_BYTES)),
        count=fact.count,
        charged=charge.charged,
        state=charge.closed or "open",
        observers=fact.observers,
        meaning=fact.meaning,
        plan_hash=fact.plan_hash.hex(),
        release=charge.release.hex(),
    )


def _opening(sums: OpenedSums, count: int) -> OpeningLine:
    kind = "exact" if sums.exact else "noisy"
    over = f"{sums.parties} parties" if sums.parties else "parties that are not known"
    plan = sums.plan_hash.hex()
    return OpeningLine(
        plan_hash=plan,
        openings=count,
        parties=sums.parties,
        exact=sums.exact,
        words=f"{count} {kind} sum{'s' * (count > 1)} over {over}, of plan {plan[:_SHORT]}",
    )


def _rounds(plan_hash: bytes, rounds: Rounds[bytes]) -> RoundsLine:
    latest, attempt = rounds.latest
    return RoundsLine(
        plan_hash=plan_hash.hex(),
        opened=tuple(sorted(opening.number for opening in rounds.openings)),
        latest=latest,
        attempt=attempt,
    )


def _crowd_notes(charges: Iterable[Charge], sums: Mapping[OpenedSums, int]) -> Iterator[str]:
    if any(found.exact for found in sums):
        yield (
            "Exact sums of it, or of data that share rows with it, are opened over the same "
            "parties only; other exact sums are refused."
        )
    recorded = {found.plan_hash for found in sums}
    charged = {c.fact.plan_hash for c in charges if c.charged and c.fact.plan_hash}
    missing = len(charged - recorded)
    if missing:
        yield (
            f"It was charged by {missing} plan{'s' * (missing > 1)} of whose sums no opening is "
            "recorded: over whom they were, later sums are not compared with."
        )


def _epsilon(spent: Spent) -> float:
    found = [spent.pure_epsilon, spent.renyi_epsilon]
    if 0 < spent.mu < math.inf:
        from confide.privacy.accounting.gaussian import epsilon_of_mu

        found.append(epsilon_of_mu(spent.mu, spent.delta))
    return min(found)


def _lost(spent: Spent) -> str:
    if not spent.charges:
        return "nothing was charged"
    if spent.whole_epsilon < _epsilon(spent) and spent.whole_delta <= spent.delta:
        still = f", {spent.open} still open and counted in full" if spent.open else ""
        return (
            f"ε = {spent.whole_epsilon:.4g} at δ = {spent.whole_delta:.3g}, of {spent.charges} "
            f"charges, each counted whole{still}"
        )
    delta = spent.delta + spent.approximate_delta
    epsilon = _epsilon(spent)
    pure = " and δ = 0" if epsilon == spent.pure_epsilon else f" at δ = {delta:.3g}"
    gaussian = f", μ = {spent.mu:.4g}" if spent.mu < math.inf else ""
    still = f", {spent.open} still open and counted in full" if spent.open else ""
    return f"ε = {epsilon:.4g}{pure}{gaussian}, of {spent.charges} charges{still}"


def _notes(spent: Spent, remaining: tuple[Remaining, ...]) -> Iterator[str]:
    caps = [left.cap for left in remaining]
    if not caps:
        yield "No cap: only those of the datasets that it was made from bind its charges."
    for period in Period:
        if any(cap.period is period for cap in caps):
            yield (
                f"A cap that starts anew each {period.value} guarantees each {period.value} for "
                f"itself; what is learnt over several {period.value}s adds up."
            )
    if any(cap.observers is not None for cap in caps):
        yield "A cap on some observers holds against them alone, not if others join them."
    if spent.charges and any(cap.filter is Filter.RENYI for cap in caps):
        yield (
            "The ε lost holds for whoever stops to look at a time that the answers did not decide; "
            "the cap holds whatever they decide."
        )


def described(event: object) -> str:
    """A plain event in words: its kind and its numbers."""
    if isinstance(event, Mapping):
        kind = _WORDS.sub(" ", str(event.get("type", "event")).removesuffix("DpEvent")).lower()
        inner = [
            f"{name.replace('_', ' ')} {described(value)}"
            for name, value in event.items()
            if name not in ("type", "event")
        ]
        if "event" in event:
            inner.insert(0, described(event["event"]))
        return f"{kind} ({', '.join(inner)})" if inner else kind
    if isinstance(event, list):
        return f"[{', '.join(map(described, event))}]"
    # Real numbers stand as texts of all their digits; `export` keeps those.
    return f"{float(event):.4g}" if isinstance(event, str) else str(event)


def exported(entry: Entry) -> dict[str, Any]:
    """An entry as what JSON holds: bytes in hexadecimal, its event as a value."""
    body = decode(entry.data, MAX_ENTRY_BYTES)
    if "event" in body:
        body["event"] = decode(body["event"], MAX_ENTRY_BYTES)
    values = {k: v.hex() if isinstance(v, bytes) else v for k, v in body.items()}
    return {
        "number": entry.number,
        "kind": entry.kind,
        "utc": _utc(entry.time),
        **values,
        "hash": entry.hash.hex(),
    }


def _utc(time: int) -> str:
    if not is_time(time):
        return f"{time} s (no time)"
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S")
