"""Evidence against a coordinator: two announcements that contradict each other.

The coordinator signs each announcement over plan, round and attempt, so a holder of two that
contradict each other can show them to anybody who has the plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from confide.aggregation import Round
from confide.errors import VerificationError
from confide.runtime.wire import RESULT, SKIP, kind_of, result_limit, unframed

__all__ = ["Contradiction", "contradiction"]

_SAME_FOR_ALL: Final[Mapping[str, tuple[str, ...]]] = {
    "open": ("history", "state"),
    "roster": ("present", "commitments"),
    "neighbours": ("present",),
    "deliver": ("sharers",),
    "survivors": ("survivors",),
    RESULT: ("survivors", "totals", "receipt", "opening"),
}
"""What an announcement of each kind says to all parties alike; the rest is for one of them."""


@dataclass(frozen=True)
class Contradiction:
    """Two signed announcements of one attempt that cannot both be true.

    Attributes:
        number: The round.
        attempt: The attempt.
        kinds: Kinds of both.
        field: What they say differently; empty if a result stands against a round without one.
    """

    number: int
    attempt: int
    kinds: tuple[str, str]
    field: str

    def __str__(self) -> str:
        what = f"two values of {self.field!r}" if self.field else "a result, and that there is none"
        return (
            f"the coordinator signed {what} in round {self.number}, attempt {self.attempt} "
            f"({' and '.join(dict.fromkeys(self.kinds))})"
        )


def contradiction(round_: Round, first: bytes, second: bytes) -> Contradiction:
    """Checks two messages of a coordinator as evidence against it.

    Args:
        round_: The attempt that both are of, with the plan.
        first: A message as a party received it.
        second: Another one, received by the same or another party.

    Raises:
        VerificationError: If the coordinator did not sign both for this attempt, or both can be
        true.
    """
    kinds, values = [], []
    for message in (first, second):
        number, attempt, announcement = unframed(message)
        if (number, attempt) != (round_.number, round_.attempt):
            raise VerificationError(f"a message of another attempt is not evidence about {round_}")
        kind = kind_of(announcement)
        most = max(len(announcement), result_limit(round_))
        values.append(round_.read_announcement(announcement, kind, most, most))
        kinds.append(kind)
    field = _difference(kinds, values)
    if field is None:
        raise VerificationError(
            f"a {kinds[0]!r} and a {kinds[1]!r} message of {round_} that do not contradict each "
            "other"
        )
    return Contradiction(round_.number, round_.attempt, (kinds[0], kinds[1]), field)


def _difference(kinds: list[str], values: list[Mapping[str, Any]]) -> str | None:
    """The field that differs, an empty text for a result against none, or None."""
    if set(kinds) == {RESULT, SKIP}:
        return ""
    fields = {"survivors"} if set(kinds) == {"survivors", RESULT} else set()
    if kinds[0] == kinds[1]:
        fields = set(_SAME_FOR_ALL.get(kinds[0], ()))
    return next((f for f in sorted(fields) if values[0].get(f) != values[1].get(f)), None)
