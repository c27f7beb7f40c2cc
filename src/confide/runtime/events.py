"""What happens in a run, as the coordinator sees it: for progress, history and the console."""

from __future__ import annotations

from dataclasses import dataclass

from confide.aggregation import RoundResult
from confide.plan import Opening
from confide.runtime.wire import Refusal

__all__ = [
    "AttemptFailed",
    "Event",
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

    Whoever keeps the run on a disk writes this down before the announcement leaves.

    Attributes:
        opening: The round, the attempt and the survivors.
    """

    opening: Opening


@dataclass(frozen=True)
class AttemptFailed:
    """An attempt ended without a result.

    Attributes:
        number: The round.
        attempt: The attempt.
        reason: What it failed of, in words.
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
        refused: Who took no part until the end though it was asked, with the reason it gave.
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


Event = (
    RoundStarted | PartyRefused | SurvivorsAnnounced | AttemptFailed | ResultReleased | RoundSkipped
)
