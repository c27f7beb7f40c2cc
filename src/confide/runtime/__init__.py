"""The run of a plan as two state machines, for coordinator and party: bytes in, bytes out."""

from confide.runtime.coordinator import CoordinatorRun, Outbox
from confide.runtime.events import (
    AttemptFailed,
    ContributionCounted,
    Event,
    FalseSharesFound,
    PartyRefused,
    ResultReleased,
    RoundSkipped,
    RoundStarted,
    SurvivorsAnnounced,
)
from confide.runtime.evidence import Contradiction, Evidence, contradiction
from confide.runtime.party import PartyRun
from confide.runtime.wire import Refusal

__all__ = [
    "AttemptFailed",
    "Contradiction",
    "ContributionCounted",
    "CoordinatorRun",
    "Event",
    "Evidence",
    "FalseSharesFound",
    "Outbox",
    "PartyRefused",
    "PartyRun",
    "Refusal",
    "ResultReleased",
    "RoundSkipped",
    "RoundStarted",
    "SurvivorsAnnounced",
    "contradiction",
]
