"""Computations to test with: one for each unit of privacy."""

from typing import Any

import numpy as np

from confide.aggregation import Identity
from confide.computation import Computation, Participant
from confide.plan import Neighbours, Sum, SumGroup, Task, Unit

NAMES = ("a", "b", "c", "d")


def contribute_values(state, data, rng):
    return {"total": data["value"], "count": np.ones(len(data["value"]))}


def update_mean(state, totals):
    return {"mean": totals["total"] / totals["count"]}


def mean(capacity=100, **changes):
    """The mean of a column over records."""
    fields: dict[str, Any] = {
        "task": Task.of("mean"),
        "sums": SumGroup(
            (
                Sum(name="total", unit_bound=8, capacity=capacity),
                Sum(name="count", unit_bound=1, capacity=capacity),
            )
        ),
        "columns": ("value",),
        "init": dict,
        "contribute": contribute_values,
        "update": update_mean,
    }
    return Computation(**fields | changes)


def contribute_total(state, data, rng):
    return {"total": data["value"]}


def update_total(state, totals):
    return {"total": totals["total"]}


def total_of(unit, capacity=100, **changes):
    """The sum of a column over records or persons."""
    declared = Sum(name="total", unit=unit, unit_bound=8, capacity=capacity)
    fields: dict[str, Any] = {
        "task": Task.of("total"),
        "sums": SumGroup((declared,)),
        "contribute": contribute_total,
        "update": update_total,
    }
    if unit is Unit.PERSON:
        fields["person_column"] = "who"
    return mean(**fields | changes)


def participant(computation, data, *, round_seed=0, name="a", **fields):
    if computation.person_column:
        fields = {"neighbours": Neighbours(unit=Unit.PERSON)} | fields
    plan = computation.plan(parties=NAMES, seed=round_seed, **fields)
    return Participant(plan, computation, Identity.simulation(name), data)
