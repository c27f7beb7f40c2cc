"""What a run holds at a time, in vectors of 64-bit numbers."""

import tracemalloc

import numpy as np
import pytest

from confide.aggregation import Identity, chunks
from confide.computation import Computation
from confide.plan import (
    Adversary,
    CentralNoise,
    Clear,
    Corruption,
    Encrypted,
    Masked,
    NoiseShares,
    NoNoise,
    Sum,
    SumGroup,
    Task,
    Threat,
    Unit,
)
from confide.plan.protection import Protection
from confide.runtime import CoordinatorRun, PartyRun

SIZE = 400_000
MOST = 3.0
NAMES = ("ash", "birch", "cedar", "dogwood")
HONEST = Threat(confidentiality=Adversary(coordinator=Corruption.HONEST))


def large(size: int = SIZE) -> Computation:
    """A model of many coordinates, of which a run keeps one number."""
    vector = Sum(name="vector", shape=(size,), unit=Unit.PARTY, unit_bound=5.0, capacity=1)
    return Computation(
        task=Task.of("large"),
        sums=SumGroup((vector,)),
        columns=("x",),
        init=lambda: {"first": np.zeros(1)},
        contribute=lambda state, data, rng: {"vector": np.full(size, 2.0**-10)},
        update=lambda state, totals: {"first": totals["vector"][:1]},
    )


class Meter:
    """Peaks of what each role holds, messages that it was sent included.

    Args:
        size: Coordinates; a peak is in vectors of so many 64-bit numbers.
    """

    def __init__(self, size: int = SIZE) -> None:
        self._vector = 8 * size
        self._held: dict[str, int] = {}
        self.peak: dict[str, float] = {}

    def __call__(self, role, call, message=b""):
        """Calls a role with a message of its own, or with none."""
        arguments = [bytes(bytearray(message))] if message else []
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        result = call(*arguments)
        after, peak = tracemalloc.get_traced_memory()
        held = self._held.get(role, 0)
        most = (held + peak - before + len(message)) / self._vector
        self.peak[role] = max(self.peak.get(role, 0), most)
        # A party's answer leaves it, for the coordinator to have a copy.
        answer = len(result) if isinstance(result, bytes) else 0
        self._held[role] = held + after - before - answer
        return result


def peaks_of(plan, computation, size: int = SIZE) -> tuple[dict[str, float], float]:
    """Runs a plan of one round; the peak of each role, and the number that is kept."""
    parties = {
        name: PartyRun(
            plan, [computation], Identity.simulation(name), {"x": np.ones(2)}, records=False
        )
        for name in NAMES
    }
    coordinator, meter = CoordinatorRun(plan, [computation]), Meter(size)

    def deliver(name, messages):
        while messages:
            answer = meter(name, parties[name].receive, messages.pop(0))
            if answer is not None:
                messages += meter("coordinator", coordinator.receive, answer)

    tracemalloc.start()
    try:
        outbox = meter("coordinator", coordinator.begin)
        while outbox:
            for name, messages in outbox.items():
                deliver(name, list(messages))
            outbox = meter("coordinator", coordinator.advance)
    finally:
        tracemalloc.stop()
    assert all(party.failure is None for party in parties.values())
    return meter.peak, float(coordinator.state["first"][0])


@pytest.mark.parametrize(
    ("aggregation", "noise", "fields"),
    [
        (Clear(), NoNoise(), {"threat": HONEST}),
        (Clear(), CentralNoise(3.0), {"threat": HONEST}),
        (Masked(verified=False), NoNoise(), {}),
        (Masked(verified=False), NoiseShares(3.0), {}),
        (Masked(), NoNoise(), {}),
        (Masked(), NoiseShares(3.0), {}),
        (Encrypted(), NoNoise(), {}),
        (Encrypted(), NoiseShares(3.0), {}),
    ],
    ids=lambda value: value.name if isinstance(value, Protection) else "",
)
def test_of_each_role_is_three_vectors_at_most(aggregation, noise, fields, monkeypatch):
    # As many chunks as five million coordinates come in.
    monkeypatch.setattr(chunks, "CHUNK_BYTES", chunks.CHUNK_BYTES * SIZE // 5_000_000)
    plan = large().plan(parties=list(NAMES), aggregation=aggregation, noise=noise, **fields)
    peak, first = peaks_of(plan, large())
    assert abs(first - 2.0**-8) < (1e-4 if isinstance(noise, NoNoise) else 100)
    assert max(peak.values()) <= MOST, peak
