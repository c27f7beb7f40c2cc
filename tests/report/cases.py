"""Plans of every kind, whose first pages are read and tested: each name says what is special."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from itertools import combinations
from typing import Any, Final

import pytest
from tests.aggregation.support import attested_plan
from tests.report.support import CURIOUS, HONEST, MALICIOUS, against, plan_of, totals

from confide.computation import STARTER, read_plan
from confide.demo.experiment import lenders_plan, private_plan
from confide.demo.lenders import load_market
from confide.plan import (
    CentralNoise,
    Clear,
    Cohort,
    Cohorts,
    Enclave,
    Encrypted,
    Hardware,
    Masked,
    Neighbours,
    NoiseShares,
    OpenCrowd,
    Party,
    Plan,
    PoissonSampling,
    Recipients,
    Release,
    Sum,
    SumGroup,
    Sums,
    Task,
    Threat,
    Unit,
)
from confide.report import ViewReport, views

READING: Final = against(1, CURIOUS, parties=CURIOUS)
"""Nobody lies: coordinator, network and one party pool what they read."""

TO_COORDINATOR: Final = Release(to=Recipients.COORDINATOR)
PERSONS: Final = Neighbours(unit=Unit.PERSON, person_at_several_parties=True)


def _sound(over: Any, *, simulated: bool = False, **fields: Any) -> Plan:
    """An enclave whose hardware the plan assumes sound."""
    aggregation = Enclave(policy=bytes(32), over=over, simulated=simulated)
    threat = replace(fields.pop("threat", Threat()), hardware=Hardware.ASSUMED_SOUND)
    return plan_of(6, aggregation=aggregation, threat=threat, **fields)


def _grouped() -> Plan:
    """Three parties of one owner, with noise for each owner."""
    computation = totals(size=1, unit=Unit.PARTY)
    plan = plan_of(10, dropouts=0, computation=computation, neighbours=Neighbours(unit=Unit.PARTY),
                   noise=NoiseShares(9.0))  # fmt: skip
    owners = [
        Party.simulation(p.name, "holding" if place < 3 else None)
        for place, p in enumerate(plan.parties)
    ]
    return replace(plan, parties=tuple(owners))


def _cohorts(*fewer: int, **fields: Any) -> Plan:
    """Twelve parties; rounds ask two of three classes of four in turn, or all and then all but."""
    names = [f"p{place:03}" for place in range(12)]
    parts = [names[at : at + 4] for at in (0, 4, 8)]
    asked = [[*one, *other] for one, other in combinations(parts, 2)]
    if fewer:
        asked = [names, [n for place, n in enumerate(names) if place not in fewer]]
    cohorts = tuple(
        Cohort(name="abc"[place], parties=tuple(each)) for place, each in enumerate(asked)
    )
    fields = {"rounds": 6, "aggregation": Masked(verified=False), **fields}
    return plan_of(12, crowd=Cohorts(cohorts=cohorts), **fields)


def _stages() -> Plan:
    """A count, and then a training, under one noise budget."""
    plan = plan_of(dropouts=0, threat=READING, noise=NoiseShares(8.0))
    group = SumGroup((Sum(name="count", unit_bound=1.0, capacity=50),))
    first = Sums(name="counts", task=Task("counts"), code=plan.code, sums=group, budget=0.25)
    training = plan.stage
    assert isinstance(training, Sums)
    return replace(plan, stages=(first, replace(training, name="training", budget=0.75)))


def _exchange() -> Plan:
    pytest.importorskip("confide_native")
    from tests.exchange.scores import declared
    from tests.exchange.scores import plan_of as of_scores

    return of_scores(declared(rows=1, rounds=2))


def _mixed() -> Plan:
    pytest.importorskip("confide_native")
    from tests.report.test_exchange_views import mixed

    return mixed()


def _three_roles() -> Plan:
    from tests.plan.test_plan import with_exchange

    return with_exchange()


def _relays() -> Plan:
    from tests.aggregation.test_fifth_protection import relayed

    return relayed()


_PER_PARTY: Final[dict[str, Any]] = {
    "computation": totals(unit=Unit.PARTY),
    "neighbours": Neighbours(unit=Unit.PARTY),
    "noise": NoiseShares(9.0),
}

CASES: Final[Mapping[str, Callable[[], Plan]]] = {
    "the starter": lambda: read_plan(STARTER, "starter")[0],
    "the demo, masked": lambda: lenders_plan(load_market(0), 0, Masked()),
    "the demo, in clear": lambda: lenders_plan(load_market(0), 0, Clear()),
    "the demo, with noise": lambda: private_plan(load_market(0), 0),
    "nobody colludes, to the coordinator": lambda: plan_of(
        3, rounds=1, dropouts=0, release=TO_COORDINATOR, threat=against(0)
    ),
    "3 parties": lambda: plan_of(3, dropouts=0),
    "3 parties, noise": lambda: plan_of(3, dropouts=0, noise=NoiseShares(3.0)),
    "clear, noise by the coordinator": lambda: plan_of(
        5, aggregation=Clear(), threat=against(1, HONEST, network=MALICIOUS),
        noise=CentralNoise(3.0),
    ),
    "masked, noise by a coordinator that reads": lambda: plan_of(
        5, threat=READING, noise=CentralNoise(3.0)
    ),
    "persons at several parties": lambda: plan_of(
        5, computation=totals(unit=Unit.PERSON), neighbours=PERSONS, noise=NoiseShares(20.0)
    ),
    "persons at several parties, sampled": lambda: plan_of(
        5, computation=totals(unit=Unit.PERSON), neighbours=PERSONS, noise=NoiseShares(20.0),
        sampling=PoissonSampling(rate=0.01),
    ),
    "records, sums per person": lambda: plan_of(
        5, computation=totals(unit=Unit.PERSON), noise=NoiseShares(3.0)
    ),
    "records, sampled": lambda: plan_of(
        5, rounds=100, noise=NoiseShares(3.0), sampling=PoissonSampling(rate=0.01)
    ),
    "one round": lambda: plan_of(7, dropouts=2, rounds=1),
    "encrypted": lambda: plan_of(6, dropouts=2, aggregation=Encrypted()),
    "open crowd, nobody lies": lambda: plan_of(7, crowd=OpenCrowd(), dropouts=2, threat=READING),
    "open crowd, a party lies": lambda: plan_of(
        7, crowd=OpenCrowd(), threat=against(1, CURIOUS, parties=MALICIOUS)
    ),
    "open crowd, noise per record": lambda: plan_of(
        7, crowd=OpenCrowd(), threat=READING, noise=NoiseShares(3.0)
    ),
    "masked, coordinator and network trusted": lambda: plan_of(
        7, dropouts=2, threat=against(1, HONEST, parties=CURIOUS)
    ),
    "masked, coordinator trusted": lambda: plan_of(
        7, dropouts=2, threat=against(1, HONEST, network=MALICIOUS, parties=CURIOUS)
    ),
    "parties, noise": lambda: plan_of(20, dropouts=2, crowd=OpenCrowd(), **_PER_PARTY),
    "200 parties": lambda: plan_of(200, dropouts=20, threat=against(10)),
    "3 colluding, to the coordinator": lambda: plan_of(
        7, rounds=1, release=TO_COORDINATOR, threat=against(3)
    ),
    "3 colluding": lambda: plan_of(9, dropouts=2, threat=against(3, CURIOUS, parties=CURIOUS)),
    "ownership groups": _grouped,
    "to one party": lambda: plan_of(
        5, rounds=1, release=Release(to=Recipients.NAMED, parties=("p001",))
    ),
    "two stages": _stages,
    "cohorts": lambda: _cohorts(threat=READING),
    "cohorts, the coordinator lies": _cohorts,
    "cohorts, the coordinator trusted": lambda: _cohorts(
        aggregation=Clear(), threat=against(1, HONEST, network=MALICIOUS)
    ),
    "cohorts, noise for each party": lambda: _cohorts(**_PER_PARTY),
    "cohorts that differ by one party": lambda: _cohorts(5, dropouts=0, noise=NoiseShares(8.0)),
    "enclave over clear": lambda: _sound(Clear()),
    "enclave over clear, noise": lambda: _sound(Clear(), noise=CentralNoise(3.0)),
    "enclave over masked": lambda: _sound(Masked()),
    "simulated enclave over clear": lambda: attested_plan(Clear()),
    "simulated enclave over encrypted": lambda: attested_plan(Encrypted()),
    "an exchange": _exchange,
    "sums and an exchange": _mixed,
    "sums and an exchange of three roles": _three_roles,
    "a protection of another package": _relays,
}  # fmt: skip
"""Every plan; `made` makes each once."""


@cache
def made(name: str) -> Plan:
    """A plan by its name."""
    return CASES[name]()


@cache
def report_of(name: str) -> ViewReport:
    """Its report."""
    return views(made(name))
