"""The run of a plan as two state machines, a coordinator's and a party's: bytes in, bytes out."""

from confide.runtime.coordinator import CoordinatorRun, Outbox
from confide.runtime.events import (
    AttemptFailed,
    Event,
    PartyRefused,
    ResultReleased,
    RoundSkipped,
    RoundStarted,
    SurvivorsAnnounced,
)
from confide.runtime.party import PartyRun
from confide.runtime.wire import Refusal

__all__ = [
    "AttemptFailed",
    "CoordinatorRun",
    "Event",
    "Outbox",
    "PartyRefused",
    "PartyRun",
    "Refusal",
    "ResultReleased",
    "RoundSkipped",
    "RoundStarted",
    "SurvivorsAnnounced",
]
