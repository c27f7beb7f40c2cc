"""A model's metrics on everybody's rows, as one round of bounded sums.

For two classes a row counts once in a histogram of scores by class, from which AUC, accuracy, the
base rate, calibration and the confusion matrix follow; for more classes once in the confusion
matrix; for numbers with its residual's and its label's squares. Each row also counts its loss, up
to a limit. Where the plan adds noise the sums have it, and it is charged like everything else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.computation import Computation, Data, State, Totals
from confide.errors import PlanError
from confide.learning.algorithms.score_histogram import auc_of_histogram
from confide.learning.models.families import Bernoulli, Categorical, Family, Gaussian
from confide.learning.predictors import PREDICTORS, Predictor
from confide.learning.settings import Inputs, TableSettings, read_table, table_settings
from confide.plan import Norm, Sum, SumGroup, Task
from confide.plan.literals import Literal

__all__ = ["SUMS", "fed_metrics", "fed_metrics_from_settings", "metrics_of"]

Reals = NDArray[np.float64]

SUMS: Final = "metrics"
"""Where a state has the sums that `metrics_of` reads."""

BINS: Final = 20
"""Cells of equal width that probabilities are sorted into."""

_MOST_LOSS: Final = 8.0
"""The loss of one row counts up to here, in nats."""

_MOST_DEVIATIONS: Final = 4.0
"""Scaled labels and residuals are clipped at this many standard deviations."""


def fed_metrics(predictor: Predictor, table: Inputs, *, capacity: int) -> Computation:
    """A stage that measures the model that the stage before trained.

    Args:
        predictor: The model.
        table: The table that it reads.
        capacity: The most rows that a party counts; public, never the number of its rows.

    Returns:
        A computation of one round over records. Its state has the sums; `metrics_of` reads them.

    Raises:
        PlanError: If the model predicts something that has no metrics yet.
    """
    size, bound = _size(predictor)
    sums = Sum(
        name="metrics", shape=(size,), unit_bound=bound, norm=Norm.L2, capacity=capacity,
        meaning="how well the model predicts all rows: losses, and scores or residuals by class",
        cells=_cells(predictor.family),
    )  # fmt: skip

    def contribute(state: State, data: Data, _: np.random.Generator) -> Mapping[str, Any]:
        scores = predictor.scores(table, data, state)
        return {"metrics": _row_terms(predictor, scores, table.targets(data, state))}

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


def metrics_of(predictor: Predictor, sums: Reals) -> dict[str, Any]:
    """Metrics from the sums of a stage of `fed_metrics`.

    Args:
        predictor: The model that was measured.
        sums: The state's array `SUMS`.

    Returns:
        `loss` in nats; for classes `accuracy`, `base_rate` (the accuracy of always saying the most
        frequent class) and `confusion` (rows are true classes); for two of them also `auc` and
        `calibration` (for each bin of scores its middle, the share of positives, and its rows);
        for numbers `r2`.
    """
    family = predictor.family
    rest, loss = sums[:-1], float(sums[-1]) * _MOST_LOSS
    if isinstance(family, Bernoulli | Categorical):
        counts = np.maximum(rest, 0.0)
        total = max(float(counts.sum()), 1.0)
        found = _of_two(counts) if isinstance(family, Bernoulli) else _of_classes(counts)
        return {"loss": max(loss, 0.0) / total, **found}
    rows = max(float(rest[0]), 1.0)
    found = {"loss": max(loss, 0.0) / rows, "rows": rows}
    if isinstance(family, Gaussian):
        mean, squares, missed = (float(v) / rows for v in rest[1:4])
        scale = _MOST_DEVIATIONS**2
        spread = squares * scale - (mean * _MOST_DEVIATIONS) ** 2
        r2 = 1 - missed * scale / spread if spread > 0 else 0.0
        return {"r2": min(r2, 1.0), **found}
    return found


def _cells(family: Family) -> str | None:
    if isinstance(family, Bernoulli):
        return "bins of scores by class"
    return "pairs of true and predicted class" if isinstance(family, Categorical) else None


def _kept(state: State, totals: Totals) -> State:
    return {**state, SUMS: totals["metrics"]}


def _size(predictor: Predictor) -> tuple[int, float]:
    """How many numbers a row counts in, and how far it moves them."""
    family = predictor.family
    if isinstance(family, Bernoulli):
        return 2 * BINS + 1, math.sqrt(2)
    if isinstance(family, Categorical):
        return family.n_classes**2 + 1, math.sqrt(2)
    return 5, math.sqrt(5)


def _row_terms(predictor: Predictor, scores: Reals, targets: Reals) -> Reals:
    """What each row counts, shape `(rows, size)`; each term is at most 1 in magnitude."""
    family = predictor.family
    size, _ = _size(predictor)
    y = family.encode(targets)
    terms = np.zeros((len(scores), size))
    terms[:, -1] = np.minimum(family.half_deviance(scores, y), _MOST_LOSS) / _MOST_LOSS
    means = family.inverse_link(scores)
    rows = np.arange(len(scores))
    if isinstance(family, Bernoulli):
        cell = np.minimum((means[:, 0] * BINS).astype(np.intp), BINS - 1)
        terms[rows, targets.astype(np.intp) * BINS + cell] = 1.0
    elif isinstance(family, Categorical):
        cell = targets.astype(np.intp) * family.n_classes + means.argmax(axis=1)
        terms[rows, cell] = 1.0
    else:
        label = np.clip(targets / _MOST_DEVIATIONS, -1, 1)
        missed = np.clip((targets - means[:, 0]) / _MOST_DEVIATIONS, -1, 1)
        terms[:, :4] = np.column_stack([np.ones(len(rows)), label, label**2, missed**2])
    return terms


def _of_two(counts: Reals) -> dict[str, Any]:
    """Metrics of two classes from a histogram of scores, negatives first."""
    table = counts.reshape(2, BINS)
    low, high = table[:, : BINS // 2].sum(axis=1), table[:, BINS // 2 :].sum(axis=1)
    held = table.sum(axis=0)
    middles = (np.arange(BINS) + 0.5) / BINS
    calibration = [
        [float(middle), float(positives / rows), float(rows)]
        for middle, positives, rows in zip(middles, table[1], held, strict=True)
        if rows >= 1
    ]
    return {
        "auc": auc_of_histogram(table),
        **_of_classes(np.column_stack([low, high]).ravel()),
        "calibration": calibration,
    }


def _of_classes(counts: Reals) -> dict[str, Any]:
    """Metrics from a confusion matrix, rows of true classes one after the other."""
    classes = math.isqrt(len(counts))
    confusion = counts.reshape(classes, classes)
    total = max(float(confusion.sum()), 1.0)
    return {
        "accuracy": float(np.trace(confusion)) / total,
        "base_rate": float(confusion.sum(axis=1).max()) / total,
        "rows": total,
        "confusion": confusion.tolist(),
    }
