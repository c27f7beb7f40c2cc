"""Bytes of a round before it runs: messages of the right sizes, counted."""

from __future__ import annotations

from dataclasses import dataclass

from confide.aggregation.machinery import Sent, announced, machinery_of
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
        result: The result, which the coordinator sends at the end to whom it is released.
    """

    sent: int
    received: int
    plain: int
    result: int


def round_bytes(plan: Plan, openings: int = 0) -> RoundBytes:
    """Counts the bytes of a round, at the party of the longest name.

    Args:
        plan: A plan of one stage.
        openings: How many openings came before, which each round's announcement lists.
    """
    sent = _sent(plan)
    plain = Layout.of_contribution(plan).wire_bytes
    told = sum(sent.told) + sent.history(openings)
    return RoundBytes(sum(sent.answers), told, plain, _result(plan, sent))


def received_bytes(plan: Plan, first: int = 0) -> int:
    """Counts what a party receives in all rounds of a plan of one stage, results too.

    Args:
        plan: The plan.
        first: How many openings come before its first round.
    """
    sent = _sent(plan)
    reached = any(plan.release.reaches(party.name) for party in plan.parties)
    each = sum(sent.told) + (_result(plan, sent) if reached else 0)
    return plan.rounds * each + sum(
        sent.history(openings) for openings in range(first, first + plan.rounds)
    )


def _result(plan: Plan, sent: Sent) -> int:
    """Bytes of the announced result: parties compute a verified sum from its opening."""
    totals = 0 if sent.opening else Layout.of_release(plan).wire_bytes
    return announced(
        "result",
        survivors=bytes(-(-len(plan.parties) // 8)),
        totals=bytes(totals),
        receipt=bytes(sent.receipt),
        opening=bytes(sent.opening),
    )


def _sent(plan: Plan) -> Sent:
    name = max((p.name for p in plan.parties), key=len)
    return machinery_of(plan.aggregation).sent(plan, name)
