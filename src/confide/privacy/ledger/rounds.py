"""Rounds that a party took part in, and the sums that it consented to open over its datasets.

A coordinator that may lie can keep the state as it was by announcing a false sum, and call a party
missing in a later round: the difference of the two sums is what that party contributed. Parties
that were in exactly the same opened sums form a class, and every combination of the sums is one of
class totals (So et al. 2023, Securing Secure Aggregation, §3). So a party remembers

* of each plan: the latest attempt that it took part in, and each set of survivors that it consented
  to. From its consent on the sum counts as opened, whatever is announced about it later;
* of each dataset: the crowds over which exact sums of it were opened. A party cannot know what
  other parties opened under other plans, so exact sums of one dataset keep the same crowd.

What noise hides is counted by the caps; here *exact* means: without noise in what the adversary
sees. Noise per record or person protects that unit in every combination of sums, and no ownership
group; the reports of a plan say so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, TypeVar

from confide.errors import DataError, OpeningError, ProtocolError
from confide.privacy.ledger.entries import (
    Answered,
    Claimed,
    Consented,
    Gathered,
    Imported,
    RoundFact,
)

__all__ = [
    "Attempt",
    "Book",
    "Crowd",
    "Opened",
    "OpenedSums",
    "Rounds",
    "crowd_digest",
    "gathered",
    "imported",
]

_FINGERPRINT_BYTES: Final = 32
_FINGERPRINTS_PER_ENTRY: Final = 1 << 14
"""512 KiB of fingerprints: half of the largest entry."""

_ROUNDS_PER_ENTRY: Final = 10_000

Survivors = TypeVar("Survivors", bytes, tuple[str, ...])


class Attempt(NamedTuple):
    """One attempt at one round of a plan."""

    plan_hash: bytes
    number: int
    attempt: int

    def __str__(self) -> str:
        plan = self.plan_hash[:8].hex()
        return f"round {self.number}, attempt {self.attempt} of plan {plan}"

    @property
    def place(self) -> tuple[int, int]:
        """The round and the attempt: attempts of a plan are ordered by it."""
        return self.number, self.attempt


class Opened(NamedTuple, Generic[Survivors]):
    """A set of survivors that was consented to; an empty one is a set that is not known."""

    number: int
    attempt: int
    survivors: Survivors


@dataclass(slots=True)
class Rounds(Generic[Survivors]):
    """What one party did under one plan.

    Attributes:
        latest: The latest attempt that was claimed.
        openings: What was consented to, in order.
        answers: The digest of each step answered in the latest attempt.
    """

    latest: tuple[int, int] = (-1, 0)
    openings: list[Opened[Survivors]] = field(default_factory=list)
    _spent: set[int] = field(default_factory=set)
    answers: dict[int, bytes] = field(default_factory=dict)

    def check_claim(self, attempt: Attempt) -> None:
        """Checks that an attempt may begin.

        Raises:
            ProtocolError: If it, or a later one, was claimed before, or the round is spent.
        """
        if attempt.number in self._spent:
            raise ProtocolError(
                f"{attempt} is used up: this party has helped to open its sum, and a second sum "
                "over other survivors would single parties out. Continue with the next "
                "round, or make a new plan to run everything again"
            )
        if attempt.place <= self.latest:
            raise ProtocolError(f"{attempt} is not after what this party took part in: a replay")

    def check_consent(self, attempt: Attempt, survivors: Survivors, *, exact: bool) -> None:
        """Checks that a party may consent to a set of survivors.

        Raises:
            ProtocolError: If a later attempt was claimed, or the round was consented to before.
            OpeningError: If the sum is exact and its survivors are known, but those of an earlier
                one are not, so that nobody can say what both tell together.
        """
        if attempt.number in self._spent or attempt.place != self.latest:
            raise ProtocolError(f"{attempt} is not the attempt that this party takes part in")
        unknown = next((o for o in self.openings if not o.survivors), None)
        # Without survivors there are no classes to keep: the coordinator sees each contribution.
        if exact and survivors and unknown is not None:
            raise OpeningError(
                f"{attempt}: this party helped to open round {unknown.number} of the same plan and "
                "does not know over which parties, so it cannot check what both sums tell "
                "together. This sum is not opened. Make a new plan with noise, "
                "or over a dataset of new rows"
            )

    def check_answer(self, attempt: Attempt, step: int, digest: bytes) -> bool:
        """Checks that a step of the latest attempt may be answered so; whether it was already.

        Raises:
            ProtocolError: If the step had another announcement or answer, or the attempt is not
                the latest: the run continues from a save that is older than this record.
        """
        if attempt.place != self.latest:
            raise ProtocolError(f"{attempt} is not the attempt that this party takes part in")
        known = self.answers.get(step)
        if known not in (None, digest):
            raise ProtocolError(
                f"step {step} of {attempt} had another announcement or answer: this run "
                "continues from an older save, or from a copy of a run that went further, "
                "or the data have changed since. Restart the party without the save: it "
                "takes part again from the next attempt on"
            )
        return known is not None

    def claim(self, attempt: Attempt) -> None:
        """Takes in that an attempt began, checked before."""
        self.latest, self.answers = attempt.place, {}

    def answer(self, step: int, digest: bytes) -> None:
        """Takes in what a step of the latest attempt answered, checked before."""
        self.answers[step] = digest

    @property
    def spent(self) -> frozenset[int]:
        """The rounds that were consented to."""
        return frozenset(self._spent)

    def consent(self, attempt: Attempt, survivors: Survivors) -> None:
        """Takes in a consent, checked before."""
        self._spent.add(attempt.number)
        self.openings.append(Opened(attempt.number, attempt.attempt, survivors))

    def has(self, number: int, attempt: int, *, spent: bool) -> bool:
        """Whether it is known already that an attempt began, or that its round is spent."""
        return number in self._spent if spent else (number, attempt) <= self.latest

    def merge(self, number: int, attempt: int, survivors: Survivors, *, spent: bool) -> None:
        """Takes in what is known from elsewhere: an attempt, and whether its round is spent."""
        if (number, attempt) > self.latest:
            # What was answered here was at an earlier attempt.
            self.latest, self.answers = (number, attempt), {}
        if spent and number not in self._spent:
            self._spent.add(number)
            self.openings.append(Opened(number, attempt, survivors))


class Crowd(NamedTuple):
    """The parties of exact sums of a dataset.

    Attributes:
        plan_hash: The plan under which they were opened.
        members: Fingerprints of the parties' keys; empty if it is not known who they were.
        openings: How many sums were opened over them.
    """

    plan_hash: bytes
    members: frozenset[str]
    openings: int


class OpenedSums(NamedTuple):
    """Sums of a dataset over one crowd under one plan.

    Attributes:
        plan_hash: The plan.
        crowd: The digest of the crowd; empty if it is not known or the sums are not exact.
        parties: How many parties were in them; 0 if that is not known.
        exact: Whether no noise covers what one ownership group contributes.
    """

    plan_hash: bytes
    crowd: bytes
    parties: int
    exact: bool


@dataclass(slots=True)
class Book:
    """The rounds and openings in a ledger's entries.

    Attributes:
        rounds: By plan hash.
        sums: By dataset: how many sums were opened over each crowd.
        crowd_members: The fingerprints of each crowd, joined.
        whole_crowds: Crowds of which all members are recorded.
    """

    rounds: dict[bytes, Rounds[bytes]] = field(default_factory=dict)
    sums: dict[str, dict[OpenedSums, int]] = field(default_factory=dict)
    crowd_members: dict[bytes, bytes] = field(default_factory=dict)
    whole_crowds: set[bytes] = field(default_factory=set)

    def of(self, plan_hash: bytes) -> Rounds[bytes]:
        """The rounds of a plan; those of an unknown plan are empty, and not kept."""
        return self.rounds.get(plan_hash, Rounds())

    def knows(self, crowd: bytes) -> bool:
        """Whether the members of a crowd were written down."""
        return crowd in self.crowd_members

    def crowds(self, dataset: str) -> Iterator[Crowd]:
        """The crowds of a dataset's exact sums."""
        for sums, count in self.sums.get(dataset, {}).items():
            if sums.exact:
                yield Crowd(sums.plan_hash, self.members(sums.crowd), count)

    def members(self, crowd: bytes) -> frozenset[str]:
        """The fingerprints of a crowd."""
        joined = self.crowd_members.get(crowd, b"")
        starts = range(0, len(joined), _FINGERPRINT_BYTES)
        return frozenset(joined[start : start + _FINGERPRINT_BYTES].hex() for start in starts)

    def take_in(self, fact: RoundFact) -> None:
        """Takes in an entry.

        Raises:
            ProtocolError: If no ledger would have written it.
            DataError: If a crowd is not the one that its digest names.
        """
        match fact:
            case Claimed():
                attempt = Attempt(fact.plan_hash, fact.round_number, fact.attempt)
                rounds = self.rounds.setdefault(fact.plan_hash, Rounds())
                rounds.check_claim(attempt)
                rounds.claim(attempt)
            case Answered():
                attempt = Attempt(fact.plan_hash, fact.round_number, fact.attempt)
                rounds = self.rounds.setdefault(fact.plan_hash, Rounds())
                rounds.check_answer(attempt, fact.step, fact.digest)
                rounds.answer(fact.step, fact.digest)
            case Gathered():
                if fact.crowd in self.whole_crowds:
                    raise DataError("a crowd written down twice")
                self.crowd_members[fact.crowd] = (
                    self.crowd_members.get(fact.crowd, b"") + fact.members
                )
            case Consented():
                self._consent(fact)
            case Imported():
                self._import(fact)

    def _consent(self, fact: Consented) -> None:
        attempt = Attempt(fact.plan_hash, fact.round_number, fact.attempt)
        rounds = self.rounds.setdefault(fact.plan_hash, Rounds())
        rounds.check_consent(attempt, fact.survivors, exact=fact.exact)
        parties = sum(byte.bit_count() for byte in fact.survivors)
        if fact.crowd:
            self._check_members(fact.crowd, parties)
        rounds.consent(attempt, fact.survivors)
        for dataset in fact.datasets:
            self._count(dataset, OpenedSums(fact.plan_hash, fact.crowd, parties, fact.exact))

    def _check_members(self, crowd: bytes, parties: int) -> None:
        members = self.crowd_members.get(crowd, b"")
        if len(members) != parties * _FINGERPRINT_BYTES:
            raise DataError(f"a crowd of other parties than the {parties} survivors")
        if crowd not in self.whole_crowds and hashlib.sha256(members).digest() != crowd:
            raise DataError("a crowd that is not the one of its digest")
        self.whole_crowds.add(crowd)

    def _import(self, fact: Imported) -> None:
        rounds = self.rounds.setdefault(fact.plan_hash, Rounds())
        for number, attempt, spent in zip(fact.numbers, fact.attempts, fact.spent, strict=True):
            rounds.merge(number, attempt, b"", spent=spent)
            for dataset in fact.datasets if spent else ():
                # Of a sum that nobody describes the worst is assumed: that it was exact.
                self._count(dataset, OpenedSums(fact.plan_hash, b"", 0, exact=True))

    def _count(self, dataset: str, sums: OpenedSums) -> None:
        counts = self.sums.setdefault(dataset, {})
        counts[sums] = counts.get(sums, 0) + 1

    def check_crowd(
        self, dataset: str, related: Iterable[str], plan_hash: bytes, crowd: frozenset[str]
    ) -> None:
        """Checks that a dataset's exact sums of other plans were over the same crowd.

        Args:
            dataset: The dataset.
            related: Datasets that may share rows with it, itself included.
            plan_hash: The plan that asks; sums opened under it are not checked here.
            crowd: The fingerprints of the parties in the new sum; empty if they are not known.

        Raises:
            OpeningError: If a crowd differs, or one of the two is not known.
        """
        digest = crowd_digest(crowd)
        for name in related:
            for sums in self.sums.get(name, {}):
                if not sums.exact or sums.plan_hash == plan_hash:
                    continue
                if not (crowd and sums.crowd == digest):
                    raise OpeningError(_split(dataset, name, self.members(sums.crowd), crowd, sums))


def _split(
    dataset: str, name: str, earlier: frozenset[str], now: frozenset[str], sums: OpenedSums
) -> str:
    """Explains how two crowds of exact sums differ, what that reveals, and what to do instead."""
    rows = f"dataset {dataset!r}" + (
        "" if name == dataset else f", which shares rows with {name!r}"
    )
    plan = sums.plan_hash[:8].hex()
    if earlier and now:
        joined, left = len(now - earlier), len(earlier - now)
        how = (
            f"was in exact sums of plan {plan} over {len(earlier)} parties; in this one {joined} "
            f"joined and {left} left"
        )
    else:
        unknown = (
            "it is not known which parties were in them"
            if now
            else ("it is not known which parties will be in this one")
        )
        how = f"was in exact sums of plan {plan}, and {unknown}"
    return (
        f"{rows}, {how}. The difference of such sums is what the parties that differ contribute, "
        "so this sum is not opened. Sum over the same parties, add noise, or "
        "use a dataset of new rows"
    )


def crowd_digest(crowd: Iterable[str]) -> bytes:
    """SHA-256 of a crowd's fingerprints in order; empty for an unknown crowd."""
    joined = _joined(crowd)
    return hashlib.sha256(joined).digest() if joined else b""


def gathered(crowd: frozenset[str]) -> Iterator[Gathered]:
    """The entries that write a crowd down, each with a part of its members."""
    digest, joined = crowd_digest(crowd), _joined(crowd)
    step = _FINGERPRINTS_PER_ENTRY * _FINGERPRINT_BYTES
    for start in range(0, len(joined), step):
        yield Gathered(crowd=digest, members=joined[start : start + step])


def imported(
    plan_hash: bytes,
    found: Sequence[tuple[int, int, bool]],
    known: Rounds[bytes],
    datasets: tuple[str, ...],
) -> Iterator[Imported]:
    """The entries that take over what is not known yet of a plan's rounds.

    Args:
        plan_hash: The plan.
        found: Round, latest attempt, and whether it was spent.
        known: What the ledger knows of the plan.
        datasets: What the contributions were computed from.
    """
    new = sorted(row for row in found if not known.has(row[0], row[1], spent=row[2]))
    for start in range(0, len(new), _ROUNDS_PER_ENTRY):
        numbers, attempts, spent = zip(*new[start : start + _ROUNDS_PER_ENTRY], strict=True)
        yield Imported(
            plan_hash=plan_hash, numbers=numbers, attempts=attempts, spent=spent, datasets=datasets
        )


def _joined(crowd: Iterable[str]) -> bytes:
    return b"".join(sorted(map(bytes.fromhex, crowd)))
