"""Bytes of a round before it runs: messages of the right sizes, counted."""

from __future__ import annotations

from dataclasses import dataclass

from confide.aggregation.machinery import Sent, machinery_of
from confide.aggregation.modular import Layout
from confide.plan.plan import Plan

__all__ = ["RoundBytes", "received_bytes", "round_bytes"]


@dataclass(frozen=True)
class RoundBytes:
    """Bytes of one round at one party when nobody drops out.

    Attributes:
        sent: From the party to the coordinator.
        received: From the coordinator to the party.
        plain: The party's lattice vector alone, as aggregation in clear sends it.
        opening: What a party checks a verified sum by, which comes with the sum; 0 if it does not.
    """

    sent: int
    received: int
    plain: int
    opening: int = 0


def round_bytes(plan: Plan, openings: int = 0) -> RoundBytes:
    """Counts the bytes of a round, at the party of the longest name.

    Args:
        plan: A plan of one stage.
        openings: How many openings came before, which each round's announcement lists.
    """
    sent = _sent(plan)
    plain = Layout.of_contribution(plan).wire_bytes
    return RoundBytes(
        sum(sent.answers), sum(sent.told) + sent.history(openings), plain, sent.opening
    )


def received_bytes(plan: Plan, first: int = 0) -> int:
    """Counts what a party receives in all rounds of a plan of one stage.

    Args:
        plan: The plan.
        first: How many openings come before its first round.
    """
    sent = _sent(plan)
    return plan.rounds * sum(sent.told) + sum(
        sent.history(openings) for openings in range(first, first + plan.rounds)
    )


def _sent(plan: Plan) -> Sent:
    name = max((p.name for p in plan.parties), key=len)
    return machinery_of(plan.aggregation).sent(plan, name)
