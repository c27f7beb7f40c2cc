"""Scorers of models: those of confide, and linear ones in scikit-learn's shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.encrypted.circuits import Circuit, Linear, Tree, Trees
from confide.encrypted.readings import Reading, TableReading, TreeReading, limits_of
from confide.encrypted.score import PRECISION, ScoreJob, Scorer
from confide.errors import PlanError
from confide.learning.algorithms.fed_trees import forest_of
from confide.learning.models.families import Bernoulli, Categorical, Family, Gaussian, Poisson
from confide.learning.predictors import LinearPredictor, TreePredictor
from confide.learning.table_model import TableModel
from confide.tables import Label, Number, Scale, Schema
from confide.tables.schema import CONSTANT_PREFIX

__all__ = ["scorer_of"]

Reals = NDArray[np.float64]

Bounds = Mapping[str, tuple[float, float]]


def scorer_of(
    model: Any,
    *,
    bounds: Bounds | None = None,
    rows: int = 1 << 15,
    precision: float = PRECISION,
    job: ScoreJob | None = None,
) -> Scorer:
    """What scores encrypted rows by a model.

    Args:
        model: A `TableModel` of a generalised linear model or of trees; or a fitted linear model
            in scikit-learn's shape, with `coef_` and `intercept_`.
        bounds: For a model in scikit-learn's shape: each column's name and bounds, in the order of
            its coefficients. They are public, and rows beyond them are refused.
        rows: How many rows are expected at a time, so that blocks are no longer than that.
        precision: The largest error of a score.
        job: An earlier job of the same model, whose ring is to be used.

    Raises:
        PlanError: If the model is of another kind, or bounds are missing or too many.
        EncryptionError: If no ring suffices.
    """
    if isinstance(model, TableModel):
        if bounds is not None:
            raise PlanError("bounds are for models without a table; this one has its schema")
        circuit, reading = _of_table_model(model)
    elif hasattr(model, "coef_"):
        circuit, reading = _of_linear(model, bounds)
    else:
        raise PlanError(
            f"a {type(model).__name__} is not scored on ciphertexts: give a model that"
            " confide trained or load_model read, or a fitted linear model with coef_"
        )
    return Scorer(circuit, reading, rows=rows, precision=precision, job=job)


# --- confide's models ----------------------------------------------------------------------------


def _of_table_model(model: TableModel) -> tuple[Circuit, Reading]:
    predictor, constants = model.predictor, _constants(model)
    if isinstance(predictor, LinearPredictor):
        weights, intercept = predictor.model.unflatten(model.state["parameters"])
        limits = limits_of(model.table, constants)
        reading = TableReading(
            table=model.table, family=predictor.family, limits=limits, state=constants
        )
        return Linear(weights * limits[:, np.newaxis], intercept), reading
    if isinstance(predictor, TreePredictor):
        return _of_trees(model, predictor)
    raise PlanError(
        f"{predictor.word} is not scored on ciphertexts; generalised linear models and boosted"
        " trees are"
    )


def _constants(model: TableModel) -> dict[str, NDArray[Any]]:
    return {n: np.asarray(x) for n, x in model.state.items() if n.startswith(CONSTANT_PREFIX)}


def _of_trees(model: TableModel, predictor: TreePredictor) -> tuple[Circuit, Reading]:
    forest, count = forest_of(model.state), int(model.state["trees"])
    places: dict[tuple[int, bytes], int] = {}
    asked = np.full((count, *forest.column.shape[1:]), -1, np.intp)
    for node in np.ndindex(*asked.shape):
        if not forest.left[node].all():
            question = int(forest.column[node]), forest.left[node].tobytes()
            asked[node] = places.setdefault(question, len(places))
    if not places:
        raise PlanError("trees that ask nothing: every row has the same score")
    questions = [(column, np.frombuffer(yes, np.bool_)) for column, yes in places]
    trees = [
        [Tree(asked[t, output], forest.value[t, output]) for t in range(count)]
        for output in range(predictor.family.n_outputs)
    ]
    reading = TreeReading(
        table=predictor.table, family=predictor.family, how=predictor.how,
        questions=questions, state=_constants(model),
    )  # fmt: skip
    return Trees(len(questions), trees, np.zeros(len(trees))), reading


# --- models in scikit-learn's shape --------------------------------------------------------------

_COUNTS: Final = frozenset({"PoissonRegressor", "PoissonRegression"})


def _of_linear(model: Any, bounds: Bounds | None) -> tuple[Circuit, Reading]:
    weights = np.atleast_2d(np.asarray(model.coef_, np.float64))
    intercept = np.broadcast_to(np.asarray(model.intercept_, np.float64), len(weights))
    low, high = _checked(model, bounds, weights.shape[1])
    classes = getattr(model, "classes_", None)
    family = _family(model, classes, len(weights))
    schema = Schema(
        features={
            name: Number(bounds=(a, b), scale=Scale.RANGE)
            for name, a, b in zip(bounds or {}, low, high, strict=True)
        },
        label="" if classes is None else "prediction",
        target=None if classes is None else Label(classes=tuple(map(str, classes))),
    )
    reading = TableReading(table=schema, family=family, limits=np.ones(len(low)), strict=True)
    # x = middle + half·u with u from -1 to 1.
    middle, half = (low + high) / 2, (high - low) / 2
    return Linear((weights * half).T, intercept + weights @ middle), reading


def _family(model: Any, classes: Sequence[Any] | None, outputs: int) -> Family:
    if classes is None:
        return Poisson() if type(model).__name__ in _COUNTS else Gaussian()
    if not hasattr(model, "predict_proba"):
        raise PlanError(
            f"a {type(model).__name__} has no probabilities; give one with predict_proba"
        )
    return Bernoulli() if outputs == 1 else Categorical(n_classes=outputs)


def _checked(model: Any, bounds: Bounds | None, count: int) -> tuple[Reals, Reals]:
    if bounds is None or len(bounds) != count:
        raise PlanError(
            f"bounds of {len(bounds or {})} columns for a model of {count}: give each column's"
            " name and public bounds in the order of its coefficients, as"
            " bounds={'age': (0, 120), 'income': (0, 1e6)}"
        )
    names = getattr(model, "feature_names_in_", None)
    if names is not None and list(names) != list(bounds):
        raise PlanError("bounds name other columns than the model, or in another order")
    both = np.array([bounds[name] for name in bounds], np.float64)
    return both[:, 0], both[:, 1]
