"""What the coordinator has in its hands after one round: read off the real messages."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from confide import canonical
from confide.aggregation import (
    CoordinatorSession,
    FalseShare,
    Identity,
    Layout,
    Round,
    RoundResult,
    coordinator_session,
    decode,
    run_round,
)
from confide.computation import (
    Columns,
    Computation,
    Participant,
    checked_state,
    find_computation,
    state_hash,
)
from confide.plan import Clear, Opening, Plan

__all__ = ["contribution_as_received"]


class _Recorder:
    """A coordinator that follows the protocol and keeps what it is sent: a curious one."""

    def __init__(self, inner: CoordinatorSession, round_: Round) -> None:
        self._inner, self._round = inner, round_
        self.contributions: dict[str, bytes] = {}

    def open(self) -> Mapping[str, bytes]:
        return self._inner.open()

    def receive(self, message: bytes) -> Mapping[str, bytes]:
        if self.awaits == "contribution":
            envelope = self._round.open(message, self.awaits, len(message))
            self.contributions[envelope.sender] = envelope.payload
        return self._inner.receive(message)

    def advance(self) -> Mapping[str, bytes]:
        return self._inner.advance()

    @property
    def awaits(self) -> str:
        return self._inner.awaits

    @property
    def opening(self) -> Opening | None:
        return self._inner.opening

    @property
    def false_shares(self) -> tuple[FalseShare, ...]:
        return self._inner.false_shares

    @property
    def result(self) -> RoundResult:
        return self._inner.result


def contribution_as_received(
    plan: Plan, data: Mapping[str, Columns], party: str, computation: Computation | None = None
) -> dict[str, NDArray[np.float64]]:
    """A party's first contribution as the coordinator receives it, read as well as it can be read.

    Args:
        plan: A plan in clear or masked.
        data: Each party's rows.
        party: Whose contribution.
        computation: What is computed; found by the plan's task if omitted.

    Returns:
        By sum: in clear the contribution itself, masked what the bits say.
    """
    computed = computation or find_computation(plan.task)
    state, round_ = checked_state(computed.init()), Round(plan, 0)
    sessions = {
        name: Participant(plan, computed, Identity.simulation(name), rows).session(round_, state)
        for name, rows in data.items()
    }
    inner = coordinator_session(round_, state_hash(state), tuple(sessions))
    coordinator = _Recorder(inner, round_)
    run_round(coordinator, sessions)
    payload = coordinator.contributions[party]
    if isinstance(plan.aggregation, Clear):
        layout = Layout.of_contribution(plan)
        payload = canonical.decode(payload, len(payload))["vector"]
    else:
        layout = Layout.of_sum(plan)
        # Before the vector, where a quorum is asked for, stands a signature for the neighbours.
        payload = payload[-layout.wire_bytes :]
    return decode(plan.sums, layout.to_integers(layout.unpack(payload)))
