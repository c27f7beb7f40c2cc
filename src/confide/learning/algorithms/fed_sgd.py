"""Federated SGD (McMahan et al. 2017, §2): one gradient step on everybody's rows a round.

Each row's gradient is clipped by itself, so the unit is the record: adding a row moves the sum of
gradients by at most the clipping norm. With g_i the gradient of row i at w and m the rows of all,

    w ← w - η (Σ_i clip(g_i) / m + λ w),

where both Σ_i clip(g_i) and m are released sums. With m agreed in advance, as an expected number,
only the gradients are released, and all of a plan's noise goes to them: with noise and a secret
Poisson sample that is DP-SGD (Abadi et al. 2016, Algorithm 1). If rows are about persons and a
person column is named, a person's gradients are added up before they are clipped, so the unit is
the person.

Averaged, the model after t steps is not the last w but the mean of w_1 … w_t with weights 1 … t
(Lacoste-Julien, Schmidt and Bach 2012, arXiv:1212.2002, §3), which follows from the released sums:
it costs no privacy, and much of the noise of single steps cancels in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from confide.computation import Computation, Data, State, Totals
from confide.errors import PlanError
from confide.learning.models import GeneralisedLinearModel
from confide.learning.settings import (
    Inputs,
    check_features,
    inputs_and_targets,
    model_settings,
    table_settings,
)
from confide.plan import Norm, Sum, SumGroup, Task, Unit
from confide.tables.schema import ROWS

__all__ = ["fed_sgd"]

_ITERATE, _STEPS = "iterate", "steps"


def fed_sgd(
    model: GeneralisedLinearModel,
    table: Inputs,
    *,
    capacity: int,
    clip_norm_l2: float,
    learning_rate: float = 0.5,
    expected_units: float | None = None,
    rows_found: bool = False,
    averaged: bool = False,
    person_column: str | None = None,
) -> Computation:
    """Makes federated SGD of a model.

    Args:
        model: What is trained.
        table: Which columns are features and label.
        capacity: The most rows, or persons, that a party counts.
        clip_norm_l2: Bound on one row's, or person's, gradient.
        learning_rate: η.
        expected_units: About how many rows, or persons, contribute to a round at all parties:
            public, and never taken from the data. Given, it is m, and no count is released.
        rows_found: Whether m is what the stage of summaries before found; then no count is released
            either.
        averaged: Whether the model is the mean of all steps, later ones weighing more, and not the
            last one.
        person_column: The column that says who a row is about, if persons are protected.

    Raises:
        PlanError: If a number is out of its range.
    """
    check_features(model, table)
    if not learning_rate > 0:
        raise PlanError(f"learning_rate is {learning_rate}; it is positive")
    if expected_units is not None and not 1 <= expected_units < math.inf:
        raise PlanError(f"expected_units is {expected_units}; at least 1 unit, or leave it out")
    if rows_found and (expected_units is not None or person_column):
        raise PlanError("rows_found with expected_units or a person_column; m is one of them")
    agreed = expected_units is not None or rows_found
    unit = Unit.PERSON if person_column else Unit.RECORD
    gradient = Sum(
        name="gradient", shape=(model.n_parameters,), unit=unit, unit_bound=clip_norm_l2,
        norm=Norm.L2, capacity=capacity, meaning=f"clipped gradients of all {unit.value}s",
    )  # fmt: skip
    counted = Sum(
        name=f"{unit.value}s", unit=unit, unit_bound=1.0, capacity=capacity,
        meaning=f"number of {unit.value}s of all parties",
    )  # fmt: skip

    current = _ITERATE if averaged else "parameters"

    def contribute(state: State, data: Data, _: np.random.Generator) -> Mapping[str, ArrayLike]:
        x, y = inputs_and_targets(model, table, data, state)
        given = {"gradient": model.per_record_gradients(state[current], x, y)}
        return given if agreed else given | {counted.name: np.ones(len(x))}

    def units_of(state: State, totals: Totals) -> float:
        if not rows_found:
            return expected_units or float(totals[counted.name])
        if ROWS not in state:
            raise PlanError(
                "the number of rows should come from sums, but the state has none: run "
                "`summaries(schema)` as the stage before, or leave rows_found out"
            )
        return float(state[ROWS])

    def step(state: State, totals: Totals) -> State:
        parameters = state[current]
        units = units_of(state, totals)
        if units < 1:  # Noise may leave less than nothing of a count.
            return state
        mean = totals["gradient"] / units + model.penalty_gradient(parameters)
        after = {**state, current: parameters - learning_rate * mean}
        return _averaged(after) if averaged else after

    return Computation(
        task=Task.of(
            "fed-sgd",
            model=model_settings(model),
            table=table_settings(table),
            capacity=capacity,
            clip_norm_l2=clip_norm_l2,
            learning_rate=learning_rate,
            expected_units=None if expected_units is None else float(expected_units),
            rows_found=rows_found,
            averaged=averaged,
            person_column=person_column,
        ),
        sums=SumGroup((gradient,) if agreed else (gradient, counted)),
        columns=table.columns,
        read=table.read,
        init=lambda: _start(model, averaged=averaged),
        contribute=contribute,
        update=step,
        person_column=person_column,
    )


def _start(model: GeneralisedLinearModel, *, averaged: bool) -> State:
    start = {"parameters": model.init()}
    return {**start, _ITERATE: model.init(), _STEPS: np.array(0.0)} if averaged else start


def _averaged(state: State) -> State:
    """The state with the latest step in the mean: of t steps it weighs t / (1 + … + t)."""
    steps = float(state[_STEPS]) + 1
    mean = state["parameters"] + 2 / (steps + 1) * (state[_ITERATE] - state["parameters"])
    return {**state, "parameters": mean, _STEPS: np.array(steps)}
