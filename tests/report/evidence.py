"""What really happens under a plan: real parties and coordinators, small, each run once."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from tests.aggregation import support
from tests.aggregation.adversary import payload_of
from tests.runtime.liar import Liar

from confide import canonical
from confide.aggregation import Layout
from confide.computation import Computation
from confide.engines import simulate
from confide.errors import ConfideError
from confide.plan import (
    Adversary,
    Clear,
    Corruption,
    FixedCrowd,
    NoNoise,
    Plan,
    Sum,
    SumGroup,
    Task,
    Threat,
    Unit,
)

__all__ = [
    "SMALL", "carried", "first", "opened", "runnable", "shown_by_a_lying_coordinator",
    "shown_by_a_lying_party", "tells_apart",
]  # fmt: skip

SMALL = 10
"""So many parties are run for real; plans of more are of the same code."""

TRUSTED = Threat(confidentiality=Adversary(coordinator=Corruption.HONEST))


@cache
def runnable(plan: Plan) -> Plan:
    """The plan's sums as they are protected beneath an enclave, exact, and without other stages."""
    part = plan.sums_part
    assert part is not None
    if part.attested:
        threat = TRUSTED if part.inner.hiding is None else part.threat
        part = replace(part, aggregation=part.inner, threat=threat, noise=NoNoise())
    return part.stage_plans[0].simulated()


def opened(plan: Plan, contributions: Any = None, *, missing: tuple[int, ...] = ()) -> Any:
    """The results of the first rounds of a plan, by the real protocol; those refused are None.

    Args:
        plan: A plan that `runnable` gave.
        contributions: What each party contributes; drawn, if not given.
        missing: How many parties are missing in each round, the last ones by name.
    """
    federation = support.Federation(plan, contributions or {})
    results: list[Any] = []
    for number, gone in enumerate(missing or (0,)):
        silent = dict.fromkeys(federation.names[len(federation.names) - gone :], "contribution")
        try:
            results.append(federation.run(silent=silent, number=number))
        except ConfideError:
            results.append(None)
    return federation, results


@cache
def first(plan: Plan) -> Any:
    """A round of a plan with as many dropouts as it allows."""
    return opened(plan, missing=(plan.dropouts,))


@cache
def tells_apart(plan: Plan, members: int) -> bool:
    """Whether members can tell which of two others contributed what, from all sums they can get.

    The contributions of two others are exchanged. If every sum stays the same, nobody can tell.
    One of the two is missing from the second round, if the plan allows it.
    """
    # In clear the coordinator, which is trusted to follow the protocol, keeps the crowd fixed.
    kept_by_coordinator = plan.fixed_crowd and isinstance(plan.aggregation, Clear)
    gone = 0 if kept_by_coordinator else min(plan.dropouts, 1)
    if plan.min_survivors - members < 2:
        return True
    rounds = (0, gone) if plan.rounds > 1 and gone else (plan.dropouts,)
    contributions = support.draw_contributions(plan)
    names = list(contributions)
    kept = names[: len(names) - (0 if len(rounds) > 1 else plan.dropouts)]
    one, other = kept[-1], kept[-2]
    swapped = {**contributions, one: contributions[other], other: contributions[one]}
    _, before = opened(plan, contributions, missing=rounds)
    _, after = opened(plan, swapped, missing=rounds)
    return [None if r is None else r.totals.tolist() for r in before] != [
        None if r is None else r.totals.tolist() for r in after
    ]


@cache
def carried(plan: Plan, name: str) -> tuple[list[int], list[int]]:
    """What a party sends, read as numbers by who has no secret, and what it contributes."""
    federation = support.Federation(plan)
    attempt = federation.attempt().until("contribution")
    attempt.deliver()
    payload = payload_of(attempt.answers["contribution", name])
    clear = isinstance(plan.aggregation, Clear)
    layout = Layout.of_contribution(plan) if clear else Layout.of_sum(plan)
    sent = canonical.decode(payload, len(payload))["vector"] if clear else payload
    vector = layout.to_integers(layout.unpack(sent[-layout.wire_bytes :]))
    return vector.tolist(), federation.contributions[name].tolist()


# --- a state made to show single records --------------------------------------------------------

_VOTES = 100.0
"""Values of this and more are votes about the next state, less this."""


def gate() -> Computation:
    """Sums the values above the state; parties vote about the state, as updates of a model do."""
    sums = SumGroup(
        tuple(Sum(name=n, unit=Unit.PARTY, unit_bound=32.0, capacity=1) for n in ("shown", "vote"))
    )

    def contribute(state: Any, data: Any, rng: np.random.Generator) -> dict[str, Any]:
        x = data["x"]
        values = x[x < _VOTES]
        return {
            "shown": values[values > state["w"]].sum(),
            "vote": (x[x >= _VOTES] - _VOTES).sum(),
        }

    return Computation(
        task=Task.of("gate"), sums=sums, columns=("x",), init=lambda: {"w": np.array(0.0)},
        contribute=contribute, update=lambda state, totals: {"w": totals["vote"]},
    )  # fmt: skip


def _gated(plan: Plan, **fields: Any) -> Plan:
    names = [f"p{i}" for i in range(7)]
    return gate().plan(parties=names, rounds=2, dropouts=0, **fields)


@cache
def shown_by_a_lying_party(plan: Plan) -> float:
    """The record that a party sees which lies about its own data: it should be 24.

    It votes for a state of 22, above all values but one record of the last party.
    """
    protection = plan.inner if plan.attested else plan.aggregation
    threat = TRUSTED if isinstance(protection, Clear) else plan.threat
    made = _gated(plan, aggregation=protection, threat=replace(threat, hardware=Threat().hardware))
    rows = {f"p{i}": {"x": np.array([1.0, 2.0, 6.0]) + 3 * i} for i in range(7)}
    rows["p0"] = {"x": np.array([_VOTES + 22.0])}
    run = simulate(made, rows, computation=gate())
    resolution = made.sums["shown"].lattice.resolution
    return float(run.totals[1].totals[0] * resolution)


@cache
def shown_by_a_lying_coordinator(plan: Plan) -> float | None:
    """The same for a coordinator that announces a false sum; None if parties refuse it."""
    crowd = FixedCrowd() if plan.cohorts else plan.crowd  # The attack needs one cohort alone.
    made = _gated(plan, aggregation=plan.aggregation, threat=plan.threat, crowd=crowd)
    liar = Liar(made, gate())
    true = liar.open_round()
    resolution = made.sums["vote"].lattice.resolution
    liar.announce(np.array([0, round(22 / resolution)]), true.survivors)
    if liar.failures:
        return None
    return float(liar.open_round().totals[0] * resolution)
