"""What each side of a run sees: an operator who lied, and a party what became of its own rows."""

import numpy as np
from tests.aggregation.support import TRUSTED

from confide import canonical
from confide.aggregation import FalseShare, Identity, Round
from confide.computation import Computation
from confide.plan import Clear, FixedCrowd, Masked, Norm, Sum, SumGroup, Task, simulation_key
from confide.runtime import ContributionCounted, CoordinatorRun, Event, FalseSharesFound, PartyRun
from confide.runtime.wire import kind_of

NAMES = [f"p{i}" for i in range(9)]
ROWS = {"x": np.array([2.0, 70.0, 5.0, 9.0, 90.0, 1.0])}
LIAR = "p3"


def capped():
    """A sum of records that counts three of them, each clipped to 10."""
    declared = Sum(name="total", unit_bound=10.0, norm=Norm.LINF, capacity=3)
    return Computation(
        task=Task.of("capped"),
        sums=SumGroup((declared,)),
        columns=("x",),
        init=lambda: {"total": np.zeros(1)},
        contribute=lambda state, data, rng: {"total": data["x"]},
        update=lambda state, totals: {"total": totals["total"].reshape(1)},
    )


def run(plan, *, told=None, events=None, altered=lambda name, answer: answer):
    """Runs a plan; all that parties sent."""
    on_party = {name: (told.append if name == LIAR else None) for name in NAMES} if told else {}
    parties = {
        name: PartyRun(
            plan, [capped()], Identity.simulation(name), ROWS, on_event=on_party.get(name)
        )
        for name in NAMES
    }
    coordinator = CoordinatorRun(
        plan, [capped()], on_event=None if events is None else events.append
    )
    sent, outbox = [], coordinator.begin()
    while outbox:
        for name, messages in outbox.items():
            for message in messages:
                answer = parties[name].receive(message)
                if answer is not None:
                    sent.append(altered(name, answer))
                    coordinator.receive(sent[-1])
        outbox = coordinator.advance()
    assert not any(party.failure for party in parties.values())
    return sent, coordinator


def test_a_party_is_told_what_was_clipped_and_what_had_no_room():
    plan = capped().plan(parties=NAMES, aggregation=Clear(), threat=TRUSTED)
    told: list[ContributionCounted] = [ContributionCounted(-1, 0, {}, {})]
    sent, coordinator = run(plan, told=told)
    assert told[1:] == [ContributionCounted(0, 6, {"total": 1}, {"total": 3})]
    assert coordinator.state["total"] == len(NAMES) * (2 + 10 + 5)
    assert sent == run(plan)[0]  # Nobody else learns of it.


def test_an_operator_sees_who_opened_false_shares():
    plan = capped().plan(
        parties=NAMES, aggregation=Masked(verified=False), dropouts=2, crowd=FixedCrowd()
    )
    events: list[Event] = []

    def altered(name, answer):
        if name != LIAR or kind_of(answer) != "opened":
            return answer
        _, _, payload, _ = canonical.decode(answer, len(answer))
        opened = canonical.decode(payload, len(payload))
        members, shares = opened["seeds"]
        opened["seeds"] = [members, bytes([shares[0] ^ 1]) + shares[1:]]
        payload = canonical.encode(opened)
        return Round(plan, 0).seal(simulation_key(name), name, "opened", payload)

    _, coordinator = run(plan, events=events, altered=altered)
    (found,) = [event for event in events if isinstance(event, FalseSharesFound)]
    assert found == FalseSharesFound(0, 0, (FalseShare(NAMES[0], LIAR),))
    assert coordinator.state["total"] == len(NAMES) * (2 + 10 + 5)
