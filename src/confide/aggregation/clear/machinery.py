"""What runs sums in clear, and what they cost: one signed vector a party."""

from __future__ import annotations

from confide import canonical
from confide.aggregation.clear.session import ClearCoordinator, ClearParty
from confide.aggregation.envelope import Round
from confide.aggregation.machinery import Machinery, Sent, Work, announced, answered
from confide.aggregation.modular import Layout
from confide.plan.plan import Plan

__all__ = ["CLEAR"]

_ROOM: int = 4096
"""For what stands around a vector."""


def _sent(plan: Plan, name: str) -> Sent:
    vector = bytes(Layout.of_contribution(plan).wire_bytes)
    payload = canonical.encode({"state": bytes(32), "vector": vector})
    return Sent(
        answers=(answered(name, "contribution", payload),),
        told=(announced("open", state=bytes(32)),),
    )


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
    coordinator=lambda round_, state, invited, announcer, _: ClearCoordinator(
        round_, state, invited, announcer
    ),
    kinds_of=lambda _: ("contribution",),
    sent=_sent,
    most_bytes=_most_bytes,
    work=_work,
)
