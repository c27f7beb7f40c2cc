"""What runs sums in clear, and what they cost: one signed vector a party."""

from __future__ import annotations

from confide import canonical
from confide.aggregation.chunks import pieces_of, sizes_of
from confide.aggregation.clear.session import ClearCoordinator, ClearParty
from confide.aggregation.envelope import Round
from confide.aggregation.machinery import (
    Machinery,
    Sent,
    Work,
    announced,
    answered,
    without_aggregator,
)
from confide.aggregation.modular import Layout
from confide.plan.plan import Plan

__all__ = ["CLEAR"]

_ROOM: int = 4096
"""Room for the envelope of a vector."""


def _sent(plan: Plan, name: str) -> Sent:
    layout, state = Layout.of_contribution(plan), bytes(32)
    told = announced("open", state=state)
    pieces = pieces_of(layout, plan)
    if len(pieces) == 1:
        payload = canonical.encode({"state": state, "vector": bytes(layout.wire_bytes)})
        return Sent(answers=(answered(name, "contribution", payload),), told=(told,))
    sizes = [piece.wire_bytes for _, piece in pieces]
    contribution, asked = sizes_of(name, len(state), sizes)
    return Sent(answers=tuple(contribution), told=(told, *asked))


def _most_bytes(round_: Round) -> int:
    return Layout.of_contribution(round_.part).wire_bytes + _ROOM


def _work(plan: Plan) -> Work:
    n, vector = len(plan.parties), Layout.of_sum(plan).vector_bytes
    return Work(
        party={"sign": 1, "byte": vector},
        coordinator={"verify": n, "byte": n * vector},
        party_bytes=4 * vector,
        coordinator_bytes=4 * vector,
    )


CLEAR = Machinery(
    party=ClearParty,
    coordinator=without_aggregator(ClearCoordinator),
    kinds_of=lambda _: ("contribution",),
    sent=_sent,
    most_bytes=_most_bytes,
    work=_work,
)
