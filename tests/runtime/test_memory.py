"""What a run holds at a time, in vectors of 64-bit numbers."""

import tracemalloc

import numpy as np
import pytest

from confide.aggregation import Identity
from confide.computation import Computation
from confide.plan import Encrypted, Masked, Norm, Sum, SumGroup, Task, Unit
from confide.runtime import CoordinatorRun, PartyRun

SIZE = 400_000
NAMES = ("ash", "birch", "cedar", "dogwood")


def large():
    vector = Sum(
        name="vector", shape=(SIZE,), unit=Unit.PARTY, unit_bound=1.0, norm=Norm.LINF, capacity=1
    )
    return Computation(
        task=Task.of("large"),
        sums=SumGroup((vector,)),
        columns=("x",),
        init=lambda: {"first": np.zeros(1)},
        contribute=lambda state, data, rng: {"vector": np.full(SIZE, 0.25)},
        update=lambda state, totals: {"first": totals["vector"][:1]},
    )


class Meter:
    """Peaks of what each role allocates, in vectors of `SIZE` 64-bit numbers."""

    def __init__(self):
        self.held, self.peak = {}, {}

    def __call__(self, role, call, *args):
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        result = call(*args)
        after, peak = tracemalloc.get_traced_memory()
        held = self.held.get(role, 0)
        self.peak[role] = max(self.peak.get(role, 0), (held + peak - before) / (8 * SIZE))
        self.held[role] = held + after - before
        return result


@pytest.mark.parametrize(
    ("aggregation", "most"),
    [(Masked(verified=False), 3.0), (Masked(), 4.5), (Encrypted(), 4.6)],
    ids=["masked", "verified", "encrypted"],
)
def test_of_each_role_is_a_few_vectors(aggregation, most):
    plan = large().plan(parties=list(NAMES), aggregation=aggregation)
    parties = {
        name: PartyRun(plan, [large()], Identity.simulation(name), {"x": np.ones(2)}, records=False)
        for name in NAMES
    }
    coordinator, meter = CoordinatorRun(plan, [large()]), Meter()
    tracemalloc.start()
    try:
        outbox = meter("coordinator", coordinator.begin)
        while outbox:
            for name, messages in outbox.items():
                for message in messages:
                    answer = meter(name, parties[name].receive, message)
                    if answer is not None:
                        meter("coordinator", coordinator.receive, answer)
            outbox = meter("coordinator", coordinator.advance)
    finally:
        tracemalloc.stop()
    assert float(coordinator.state["first"][0]) == 1.0
    assert all(party.failure is None for party in parties.values())
    assert max(meter.peak.values()) <= most, meter.peak
