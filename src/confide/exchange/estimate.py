"""What an exchange costs at most, before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from confide.exchange.registry import find_exchange, find_program
from confide.plan import Plan

__all__ = ["ExchangeEstimate", "estimate_exchange"]


@dataclass(frozen=True, kw_only=True)
class ExchangeEstimate:
    """What an exchange costs at most.

    Attributes:
        stage: The name of the stage.
        rounds: How many rounds.
        message_bytes: By message, the most bytes of its content in a round.
        seconds: About how long the computing on ciphertexts takes in all rounds, on one thread of
            this machine. Keys, encryption and reading of messages come on top.
    """

    stage: str
    rounds: int
    message_bytes: Mapping[str, int]
    seconds: float

    @property
    def total_bytes(self) -> int:
        """The most bytes that all messages of all rounds have."""
        return self.rounds * sum(self.message_bytes.values())


def estimate_exchange(plan: Plan, stage: str | None = None) -> ExchangeEstimate:
    """Estimates an exchange.

    Args:
        plan: The plan.
        stage: The name of the stage; the plan's only exchange if omitted.

    Raises:
        PlanError: If there is no such exchange, or this release does not run it.
    """
    exchange = find_exchange(plan, stage)
    return ExchangeEstimate(
        stage=exchange.name,
        rounds=exchange.rounds,
        message_bytes={message.name: message.max_bytes for message in exchange.messages},
        seconds=exchange.rounds * find_program(exchange).seconds_per_round,
    )
