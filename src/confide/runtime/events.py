"""What happens in a run, as each side sees it: for progress, history and the console."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from confide.aggregation import FalseShare, RoundResult
from confide.plan import Opening
from confide.runtime.wire import Refusal

__all__ = [
    "AttemptFailed",
    "ContributionCounted",
    "Event",
    "FalseSharesFound",
    "PartyRefused",
    "ResultReleased",
    "RoundSkipped",
    "RoundStarted",
    "SurvivorsAnnounced",
]


@dataclass(frozen=True)
class RoundStarted:
    """An attempt at a round begins.

    Attributes:
        number: The round, counted through the plan.
        attempt: The attempt.
        invited: Names of the parties that are asked.
    """

    number: int
    attempt: int
    invited: tuple[str, ...]


@dataclass(frozen=True)
class PartyRefused:
    """A party takes no further part in an attempt.

    Attributes:
        number: The round.
        party: Its name.
        reason: The reason that it gives, or the coordinator's for not taking its message.
    """

    number: int
    party: str
    reason: Refusal


@dataclass(frozen=True)
class SurvivorsAnnounced:
    """The survivors are about to be announced: from now on the sum counts as opened.

    A service that stores the run on a disk must record this before it sends the announcement.

    Attributes:
        opening: The round, the attempt and the survivors.
    """

    opening: Opening


@dataclass(frozen=True)
class FalseSharesFound:
    """Parties opened false shares. The sum is right without them, but some party lies.

    Attributes:
        number: The round.
        attempt: The attempt.
        shares: Whose secret each should be of, where that is known, and who opened it.
    """

    number: int
    attempt: int
    shares: tuple[FalseShare, ...]


@dataclass(frozen=True)
class AttemptFailed:
    """An attempt ended without a result.

    Attributes:
        number: The round.
        attempt: The attempt.
        reason: Why it failed, in words.
    """

    number: int
    attempt: int
    reason: str


@dataclass(frozen=True)
class ResultReleased:
    """A round is over, and its sum is released.

    Attributes:
        number: The round.
        result: Survivors and sums.
        refused: Parties that were asked but did not take part until the end, each with its reason.
    """

    number: int
    result: RoundResult
    refused: dict[str, Refusal]


@dataclass(frozen=True)
class RoundSkipped:
    """A round counts as opened and has no result: the state stays as it was.

    Attributes:
        number: The round.
    """

    number: int


@dataclass(frozen=True)
class ContributionCounted:
    """How a party's rows were counted in its contribution to a round.

    For the party alone: it follows from its data, and nothing of it is sent. If most of a party's
    units are clipped, its contribution differs from what it expects.

    Attributes:
        number: The round.
        rows: How many rows were read.
        clipped: For each sum, how many of the units that it counts were longer than its bound.
        beyond_capacity: For each sum, how many units it had no room for.
    """

    number: int
    rows: int
    clipped: Mapping[str, int]
    beyond_capacity: Mapping[str, int]


Event = (
    RoundStarted
    | PartyRefused
    | SurvivorsAnnounced
    | FalseSharesFound
    | AttemptFailed
    | ResultReleased
    | RoundSkipped
)
"""What a coordinator sees."""
