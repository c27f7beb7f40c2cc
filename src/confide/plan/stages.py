"""Stages: what a plan does, in order. Later stages start from the public state of earlier ones.

All stages are agreed on, charged and judged together: one hash, one charge. Rounds are numbered
through the whole plan, so a message of one stage means nothing in another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from confide.errors import PlanError
from confide.plan.exchange import Exchange
from confide.plan.fields import Written, in_file
from confide.plan.parties import Unit
from confide.plan.protection import FullBatch, Sampling
from confide.plan.sums import SumGroup
from confide.plan.task import Code, Task
from confide.plan.value import Value

__all__ = ["Recipients", "Release", "Stage", "Sums"]

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"


class Recipients(Enum):
    """Who receives a result. The coordinator always does: it computes the sums."""

    COORDINATOR = "coordinator"
    NAMED = "named"
    EVERYONE = "everyone"


@dataclass(frozen=True, kw_only=True)
class Release(Value):
    """To whom a stage's results go, and when at the earliest.

    Attributes:
        to: The coordinator alone, the parties that `parties` names as well, or all parties. A
            stage of several rounds, or one before another, releases to everyone, because each next
            state follows from the sums.
        parties: The names of the parties that receive the results, for named recipients.
        not_before: The earliest time of the release, in UTC, like "2027-01-31T09:00:00Z"; at once
            if omitted.
    """

    to: Recipients = Recipients.EVERYONE
    parties: tuple[str, ...] | None = None
    not_before: str | None = None

    def _check(self) -> None:
        if (self.to is Recipients.NAMED) != bool(self.parties):
            raise PlanError(
                f"a release to {self.to.value!r} with parties {list(self.parties or ())}; name "
                "parties if, and only if, the release is to 'named' ones"
            )
        if self.parties is not None:
            object.__setattr__(self, "parties", tuple(sorted(set(self.parties))))
        if self.not_before is not None:
            _ = self.earliest

    @property
    def earliest(self) -> datetime | None:
        """`not_before` as a time with a time zone, or None."""
        if self.not_before is None:
            return None
        try:
            return datetime.strptime(self.not_before, _TIME).replace(tzinfo=UTC)
        except ValueError as error:
            raise PlanError(
                f"not_before is {self.not_before!r}; write a time in UTC like "
                "'2027-01-31T09:00:00Z'"
            ) from error

    def reaches(self, party: str) -> bool:
        """Whether a party receives the results."""
        return self.to is Recipients.EVERYONE or party in (self.parties or ())


@dataclass(frozen=True, kw_only=True)
class Sums(Value):
    """A stage of bounded sums: a computation that runs for some rounds.

    Attributes:
        name: Lower-case identifier, unique within the plan.
        task: What is computed, by name.
        code: Which installed package computes it.
        sums: What leaves a party in each round.
        rounds: How many rounds.
        sampling: Which units contribute to a round.
        release: To whom the sums go.
        keeps_own_state: Whether each party keeps a private state besides the public one, which
            never leaves it.
        budget: The share of the plan's noise budget that the stage uses, above 0 and at most 1;
            the shares of all stages add up to 1. Before amplification by sampling, a stage with
            twice the share may cost twice as much privacy (in μ² of Gaussian differential privacy,
            Dong, Roth and Su 2022, Corollary 3.3).
    """

    name: str = "sums"
    task: Task = field(metadata=in_file(form=Written.OPEN))
    code: Code = field(metadata=in_file(follows=True))
    sums: SumGroup = field(metadata=in_file(follows=True))
    rounds: int = 1
    sampling: Sampling = field(default=FullBatch(), metadata=in_file(form=Written.SECTION))
    release: Release = Release()
    keeps_own_state: bool = field(default=False, metadata=in_file(follows=True))
    budget: float = 1.0

    def _check(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise PlanError(f"a stage named {self.name!r}; a name is like 'training' or 'means'")
        if self.rounds < 1:
            raise PlanError(f"rounds is {self.rounds}; it is at least 1")
        if not 0 < self.budget <= 1:
            raise PlanError(
                f"stage {self.name!r} has budget {self.budget}; it is a share of the plan's noise "
                "budget, above 0 and at most 1"
            )
        if self.rounds > 1 and self.release.to is not Recipients.EVERYONE:
            raise PlanError(
                f"{self.rounds} rounds with a release to {self.release.to.value!r}; the parties "
                "need each round's sums for the next state: release to 'everyone', or run one round"
            )
        self._check_sampling()

    def _check_sampling(self) -> None:
        if isinstance(self.sampling, FullBatch):
            return
        if self.sums.unit is Unit.PARTY:
            raise PlanError(
                "the sums are over parties, and everybody sees which parties take part, so "
                "sampling parties hides nothing. Leave sampling out, or declare the sums per "
                "record or person"
            )
        if len({s.capacity for s in self.sums.sums}) > 1:
            raise PlanError(
                "sampling over sums with capacities "
                + ", ".join(f"{s.capacity:,} ({s.name})" for s in self.sums.sums)
                + "; a sampled batch is cut to one capacity before it is drawn: give them the same"
            )


Stage = Sums | Exchange
"""The kinds of stages."""
