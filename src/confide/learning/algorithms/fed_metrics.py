"""A model's metrics on everybody's rows, as one round of bounded sums.

What a row counts is its predictor's `Measure`: a cell of a histogram of scores by class, of a
confusion matrix, or of times by risks; or its residual's squares. Where the plan adds noise the
sums have it, and it is charged like everything else. Which rows count, the table's hold-out says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.computation import Computation, Data, State, Totals
from confide.errors import PlanError
from confide.learning.predictor_kinds import PREDICTORS
from confide.learning.predictors import Predictor
from confide.learning.settings import Inputs, TableSettings, read_table, table_settings
from confide.plan import Norm, Sum, SumGroup, Task
from confide.plan.literals import Literal

__all__ = ["SUMS", "fed_metrics", "fed_metrics_from_settings", "metrics_of"]

Reals = NDArray[np.float64]

SUMS: Final = "metrics"
"""Where a state has the sums that `metrics_of` reads."""


def fed_metrics(predictor: Predictor, table: Inputs, *, capacity: int) -> Computation:
    """A stage that measures the model that the stage before trained.

    Args:
        predictor: The model.
        table: The table that it reads; of a hold-out, the part that is measured.
        capacity: The most rows that a party counts; public, never the number of its rows.

    Returns:
        A computation of one round over records. Its state has the sums; `metrics_of` reads them.
    """
    measure = predictor.measure(table)
    sums = Sum(
        name="metrics", shape=(measure.size,), unit_bound=measure.unit_bound, norm=Norm.L2,
        capacity=capacity, cells=measure.cells,
        meaning="how well the model describes rows: losses, and scores or residuals by class",
    )  # fmt: skip

    def contribute(state: State, data: Data, _: np.random.Generator) -> Mapping[str, Any]:
        return {"metrics": measure.terms(*predictor.rated(table, data, state))}

    return Computation(
        task=Task.of(
            "fed-metrics",
            **{predictor.key: predictor.settings()},
            table=table_settings(table),
            capacity=capacity,
        ),
        sums=SumGroup((sums,)),
        columns=table.columns,
        read=table.read,
        init=dict,
        contribute=contribute,
        update=_kept,
    )


class _Settings(Literal):
    table: TableSettings
    capacity: int


def fed_metrics_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'fed-metrics'."""
    rest = dict(settings)
    kinds = [kind for key, kind in PREDICTORS.items() if key in rest]
    if len(kinds) != 1:
        raise PlanError(f"task fed-metrics needs one of {', '.join(PREDICTORS)}")
    described = rest.pop(kinds[0].key)
    read = _Settings.read(rest, "task fed-metrics")
    table = read_table(rest["table"])
    return fed_metrics(kinds[0].read(described, table), table, capacity=read.capacity)


def metrics_of(predictor: Predictor, table: Inputs, sums: Reals) -> dict[str, Any]:
    """Metrics from the sums of a stage of `fed_metrics`.

    Args:
        predictor: The model that was measured.
        table: The table that it reads.
        sums: The state's array `SUMS`.

    Returns:
        For classes `loss` in nats, `accuracy`, `base_rate` (the accuracy of always saying the most
        frequent class) and `confusion` (rows are true classes); for two of them also `auc` and
        `calibration` (for each bin of scores its middle, the share of positives, and its rows);
        for numbers `loss` and `r2`; for counts `deviance`, per row, and `d2`, the share of the
        mean's deviance that is explained; for times `concordance` and `events`; for clusters and
        components `inertia`, the squared distance per row that is left, and `explained`, the share
        of all that is not. And `rows`, how many were counted.
    """
    return predictor.measure(table).metrics(sums)


def _kept(state: State, totals: Totals) -> State:
    return {**state, SUMS: totals["metrics"]}
