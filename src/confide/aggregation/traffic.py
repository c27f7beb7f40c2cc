"""Bytes of a round before it runs: messages of the right sizes, counted."""

from __future__ import annotations

from dataclasses import dataclass

from confide.aggregation.machinery import machinery_of
from confide.aggregation.modular import Layout
from confide.plan.plan import Plan

__all__ = ["RoundBytes", "round_bytes"]


@dataclass(frozen=True)
class RoundBytes:
    """Bytes of one round at one party when nobody drops out.

    Attributes:
        sent: From the party to the coordinator.
        received: From the coordinator to the party.
        plain: The party's lattice vector alone, as aggregation in clear sends it.
    """

    sent: int
    received: int
    plain: int


def round_bytes(plan: Plan) -> RoundBytes:
    """Counts the bytes of a round of a plan of one stage, at the party of the longest name."""
    name = max((p.name for p in plan.parties), key=len)
    sent = machinery_of(plan.aggregation).sent(plan, name)
    plain = Layout.of_contribution(plan).wire_bytes
    return RoundBytes(sum(sent.answers), sum(sent.told), plain)
