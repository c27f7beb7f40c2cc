"""Parties that drop out of a simulation, as they would over the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from confide.aggregation.rounds import MESSAGE_KINDS, message_kinds
from confide.errors import DataError, PlanError
from confide.plan import Plan
from confide.plan.codec import nearest

__all__ = ["Drop", "check_drops"]


@dataclass(frozen=True)
class Drop:
    """A party that does not answer: in these rounds, from this kind of message on.

    Attributes:
        party: Its name.
        first_round: The first round it drops out of, from zero.
        last_round: The last one; the first only, if not given.
        at: The kind of message that it fails to send: 'advertise', 'reveal', 'shares',
            'contribution', 'consent' or 'opened', before an enclave 'challenge', or one that the
            plan's protection adds. One that the protection does not have stands for 'contribution',
            or for its first kind if it has no 'contribution'.
    """

    party: str
    first_round: int
    last_round: int | None = None
    at: str = "contribution"

    def covers(self, round_number: int) -> bool:
        """Whether the party drops out of a round."""
        last = self.first_round if self.last_round is None else self.last_round
        return self.first_round <= round_number <= last


def check_drops(plan: Plan, drops: Sequence[Drop]) -> None:
    """Refuses drops of nobody, and in no round or at no message of the plan.

    Raises:
        DataError, PlanError: Naming the party.
    """
    names = {p.name for p in plan.parties}
    if drops and not plan.sum_stages:
        raise PlanError(f"plan {plan.name!r} has no sums, and drops are only for sums")
    kinds = tuple(dict.fromkeys((*MESSAGE_KINDS, *(message_kinds(plan) if drops else ()))))
    for drop in drops:
        if drop.party not in names:
            raise DataError(f"{drop.party!r} cannot drop out; {nearest(drop.party, names)}")
        if not 0 <= drop.first_round < plan.rounds:
            raise DataError(
                f"{drop.party!r} drops out of round {drop.first_round}; rounds are 0 to "
                f"{plan.rounds - 1}"
            )
        if drop.at not in kinds:
            raise DataError(f"{drop.party!r} drops out at {drop.at!r}; {nearest(drop.at, kinds)}")
        if drop.last_round is not None and drop.last_round < drop.first_round:
            raise DataError(
                f"{drop.party!r} drops out of round {drop.first_round} and is back after round "
                f"{drop.last_round}; the last round is not before the first"
            )
