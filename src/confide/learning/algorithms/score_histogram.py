"""The AUC of a model on everybody's private rows, as a charged sum: a histogram of scores by class.

A row falls into one of `bins` cells of its class by its score, so it moves the histogram by 1. The
AUC of the released histogram takes rows of one bin as ties: with p_i and q_i the positives and
negatives in bin i, AUC = Σ_i p_i (Σ_{j<i} q_j + q_i / 2) / (Σ p · Σ q).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.computation import Computation, Data, State, Totals
from confide.errors import PlanError
from confide.learning.models import GeneralisedLinearModel
from confide.learning.models.families import Bernoulli
from confide.learning.settings import (
    Inputs,
    check_features,
    inputs_and_targets,
    model_settings,
    table_settings,
)
from confide.plan import Norm, Sum, SumGroup, Task, Unit

__all__ = ["auc_of_histogram", "score_histogram"]

Reals = NDArray[np.float64]


def score_histogram(
    model: GeneralisedLinearModel,
    table: Inputs,
    *,
    parameters: Sequence[float] | Reals,
    capacity: int,
    bins: int = 40,
) -> Computation:
    """Makes a federated AUC of a model with two classes.

    Args:
        model: A model of the Bernoulli family.
        table: Which columns are features and label.
        parameters: The model's parameters, shape `(n_parameters,)`: public, as they stand in the
            plan.
        capacity: The most rows that a party counts.
        bins: Cells of equal width that probabilities are sorted into.

    Returns:
        A computation of one round. Its state has the `parameters`; `counts`, shape `(2, bins)`,
        negatives first; and `auc`, which is 0.5 where noise leaves no positives or no negatives.

    Raises:
        PlanError: If the model has more than two classes, or a number is out of range.

    Example:
        >>> from confide.learning import Table
        >>> model = GeneralisedLinearModel(family=Bernoulli(), n_features=1)
        >>> table = Table(features=("dose",), label="cured")
        >>> check = score_histogram(model, table, parameters=[2.0, 0.0], capacity=500)
        >>> check.sums.sums[0].shape
        (2, 40)
    """
    check_features(model, table)
    if not isinstance(model.family, Bernoulli):
        raise PlanError(
            f"an AUC of family {model.family.name!r}; two classes are needed: 'bernoulli'"
        )
    if not 2 <= bins <= 10_000:
        raise PlanError(f"bins is {bins}; 2 to 10,000 cells")
    trained = np.asarray(parameters, np.float64)
    model.unflatten(trained)
    counts = Sum(
        name="counts", shape=(2, bins), unit=Unit.RECORD, unit_bound=1.0, norm=Norm.L2,
        capacity=capacity, meaning="how many rows of either class have which score",
        cells="bins of scores by class",
    )  # fmt: skip

    def contribute(state: State, data: Data, _: np.random.Generator) -> Mapping[str, ArrayLike]:
        x, y = inputs_and_targets(model, table, data, state)
        score = model.mean_response(state["parameters"], x)[:, 0]
        cells = np.zeros((len(x), 2, bins))
        cell = np.minimum((score * bins).astype(np.int64), bins - 1)
        cells[np.arange(len(x)), y.astype(np.int64), cell] = 1.0
        return {"counts": cells}

    def update(state: State, totals: Totals) -> State:
        found = {"counts": totals["counts"], "auc": np.array(auc_of_histogram(totals["counts"]))}
        return {**state, **found}

    return Computation(
        task=Task.of(
            "score-histogram",
            model=model_settings(model),
            table=table_settings(table),
            parameters=trained.tolist(),
            capacity=capacity,
            bins=bins,
        ),
        sums=SumGroup((counts,)),
        columns=table.columns,
        read=table.read,
        init=lambda: {"parameters": trained},
        contribute=contribute,
        update=update,
    )


def auc_of_histogram(counts: ArrayLike) -> float:
    """The AUC of a histogram of scores; rows of one bin count as ties.

    Args:
        counts: Negatives and positives in each bin, from low to high scores, shape `(2, bins)`;
            noise may make some negative, which count as zero.

    Example:
        >>> auc_of_histogram([[3, 1], [1, 3]])
        0.75
    """
    negatives, positives = np.maximum(np.asarray(counts, np.float64), 0.0)
    pairs = float(positives.sum() * negatives.sum())
    if pairs <= 0:
        return 0.5
    below = np.cumsum(negatives) - negatives / 2
    return float(positives @ below) / pairs
