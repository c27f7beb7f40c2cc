"""Federated SGD (McMahan et al. 2017, §2): one gradient step on everybody's rows a round.

Each row's gradient is clipped by itself, so the unit is the record: adding a row moves the sum of
gradients by at most the clipping norm. With g_i the gradient of row i at w and m the rows of all,

    w ← w - η (Σ_i clip(g_i) / m + λ w),

where both Σ_i clip(g_i) and m are released sums.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from confide.computation import Computation, Data, State, Totals
from confide.errors import PlanError
from confide.learning.models import GeneralisedLinearModel
from confide.learning.settings import (
    check_features,
    inputs_and_targets,
    model_settings,
    table_settings,
)
from confide.learning.tables import Table
from confide.plan import Norm, Sum, SumGroup, Task, Unit

__all__ = ["fed_sgd"]


def fed_sgd(
    model: GeneralisedLinearModel,
    table: Table,
    *,
    capacity: int,
    clip_norm_l2: float,
    learning_rate: float = 0.5,
) -> Computation:
    """Makes federated SGD of a model.

    Args:
        model: What is trained.
        table: Which columns are features and label.
        capacity: The most rows that a party counts.
        clip_norm_l2: Bound on one row's gradient.
        learning_rate: η.

    Raises:
        PlanError: If a number is out of its range.
    """
    check_features(model, table)
    if not learning_rate > 0:
        raise PlanError(f"learning_rate is {learning_rate}; it is positive")
    gradient = Sum(
        name="gradient", shape=(model.n_parameters,), unit=Unit.RECORD, unit_bound=clip_norm_l2,
        norm=Norm.L2, capacity=capacity, meaning="clipped gradients of all rows",
    )  # fmt: skip
    records = Sum(
        name="records", unit=Unit.RECORD, unit_bound=1.0, capacity=capacity,
        meaning="number of rows of all parties",
    )  # fmt: skip

    def contribute(state: State, data: Data, _: np.random.Generator) -> Mapping[str, ArrayLike]:
        x, y = inputs_and_targets(model, table, data)
        gradients = model.per_record_gradients(state["parameters"], x, y)
        return {"gradient": gradients, "records": np.ones(len(x))}

    def step(state: State, totals: Totals) -> State:
        parameters, rows = state["parameters"], float(totals["records"])
        if rows <= 0:
            return state
        mean = totals["gradient"] / rows + model.penalty_gradient(parameters)
        return {"parameters": parameters - learning_rate * mean}

    return Computation(
        task=Task.of(
            "fed-sgd",
            model=model_settings(model),
            table=table_settings(table),
            capacity=capacity,
            clip_norm_l2=clip_norm_l2,
            learning_rate=learning_rate,
        ),
        sums=SumGroup((gradient, records)),
        columns=table.columns,
        init=lambda: {"parameters": model.init()},
        contribute=contribute,
        update=step,
    )
