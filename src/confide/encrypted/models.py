"""Scorers of models: those of confide, of scikit-learn and of PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.encrypted.circuits import Circuit, Linear, Tree, Trees
from confide.encrypted.networks import Affine, layers_of_torch, network_of
from confide.encrypted.readings import Reading, TableReading, TreeReading, limits_of
from confide.encrypted.score import PRECISION, ScoreJob, Scorer
from confide.errors import PlanError
from confide.learning.algorithms.fed_trees import forest_of
from confide.learning.answers import Answers
from confide.learning.models.families import Bernoulli, Categorical, Family, Gaussian, Poisson
from confide.learning.predictors import LinearPredictor, TreePredictor
from confide.learning.table_model import TableModel
from confide.tables import Label, Number, Scale, Schema
from confide.tables.schema import CONSTANT_PREFIX

__all__ = ["scorer_of"]

Reals = NDArray[np.float64]

Bounds = Mapping[str, tuple[float, float]] | tuple[float, float]
"""Of each column by name in order, or of all alike."""

_NETWORK_PRECISION: Final = 1e-3


def scorer_of(
    model: Any,
    *,
    bounds: Bounds | None = None,
    samples: ArrayLike | None = None,
    shape: tuple[int, ...] | None = None,
    degree: int = 7,
    rows: int = 1 << 15,
    precision: float | None = None,
    job: ScoreJob | None = None,
) -> Scorer:
    """What scores encrypted rows by a model.

    Args:
        model: A `TableModel` of a generalised linear model or of trees; a fitted linear model in
            scikit-learn's shape, with `coef_` and `intercept_`; its `MLPClassifier` or
            `MLPRegressor`; or a `torch.nn.Sequential` of linear layers, convolutions, average pools
            and activations.
        bounds: For models without a schema: each column's name and bounds, in the order of the
            model's inputs, or one pair for all. They are public, and rows beyond them are refused.
        samples: For networks: inputs like the rows to be scored, (samples, columns), on which
            activations are fitted.
        shape: Of one row, for a network that begins with a convolution, as (1, 28, 28).
        degree: Of the polynomials in place of activations.
        rows: How many rows are expected at a time, so that blocks are no longer than that.
        precision: The largest error of a score: 1e-6, or 1e-3 of a network, unless given. The
            error of polynomials in place of activations is not part of it.
        job: An earlier job of the same model, whose ring is to be used.

    Raises:
        PlanError: If the model is of another kind, or bounds are missing or too many.
        EncryptionError: If no ring suffices.
    """
    if isinstance(model, TableModel):
        if bounds is not None:
            raise PlanError("bounds are for models without a table; this one has its schema")
        circuit, reading = _of_table_model(model)
    elif hasattr(model, "coefs_") or hasattr(model, "state_dict"):
        circuit, reading = _of_network(model, bounds, samples, shape, degree)
        precision = precision or _NETWORK_PRECISION
    elif hasattr(model, "coef_"):
        circuit, reading = _of_linear(model, bounds)
    else:
        raise PlanError(
            f"a {type(model).__name__} is not scored on ciphertexts: give a model that"
            " confide trained or load_model read, a fitted linear model with coef_, or a network of"
            " scikit-learn or PyTorch"
        )
    return Scorer(circuit, reading, rows=rows, precision=precision or PRECISION, job=job)


# --- confide's models ----------------------------------------------------------------------------


def _of_table_model(model: TableModel) -> tuple[Circuit, Reading]:
    predictor, constants = model.predictor, _constants(model)
    if isinstance(predictor, LinearPredictor):
        weights, intercept = predictor.model.unflatten(model.state["parameters"])
        limits = limits_of(model.table, constants)
        answers = Answers(model.table, predictor.family, constants)
        reading = TableReading(answers=answers, limits=limits)
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
    answers = Answers(predictor.table, predictor.family, _constants(model))
    reading = TreeReading(answers=answers, how=predictor.how, questions=questions)
    return Trees(len(questions), trees), reading


# --- models in scikit-learn's shape --------------------------------------------------------------

_COUNTS: Final = frozenset({"PoissonRegressor", "PoissonRegression"})


def _of_linear(model: Any, bounds: Bounds | None) -> tuple[Circuit, Reading]:
    weights = np.atleast_2d(np.asarray(model.coef_, np.float64))
    intercept = np.broadcast_to(np.asarray(model.intercept_, np.float64), len(weights))
    classes = getattr(model, "classes_", None)
    family = _family(model, classes, len(weights))
    reading, inputs = _numbers(model, bounds, weights.shape[1], family, classes)
    made = inputs.then(Affine(weights.T, intercept))
    return Linear(made.weights, made.bias), reading


def _of_network(
    model: Any,
    bounds: Bounds | None,
    samples: ArrayLike | None,
    shape: tuple[int, ...] | None,
    degree: int,
) -> tuple[Circuit, Reading]:
    if samples is None:
        raise PlanError(
            "a network's activations are fitted to the range of their inputs: give samples=, rows"
            " like those that will be scored (public ones, or the model's own training rows)"
        )
    given = np.asarray(samples, np.float64)
    given = given.reshape(len(given), -1)
    if hasattr(model, "coefs_"):
        layers, family, classes = _of_perceptron(model)
    else:
        layers, link = layers_of_torch(model, shape or given.shape[1:])
        family, classes = _of_link(link, layers)
    reading, inputs = _numbers(model, bounds, given.shape[1], family, classes)
    scaled = (given - inputs.bias) / np.diag(inputs.weights)
    if np.abs(scaled).max() > 1 + 1e-9:
        raise PlanError("samples are beyond the bounds: widen the bounds, or leave these out")
    return network_of([inputs, *layers], scaled, degree), reading


def _of_perceptron(model: Any) -> tuple[list[Affine | str], Family, Any]:
    """scikit-learn's multi-layer perceptron."""
    layers: list[Affine | str] = []
    for weights, bias in zip(model.coefs_, model.intercepts_, strict=True):
        layers.append(Affine(np.asarray(weights, np.float64), np.asarray(bias, np.float64)))
        if model.activation != "identity":
            layers.append(model.activation)
    if model.activation != "identity":
        layers.pop()
    classes = getattr(model, "classes_", None)
    return layers, _family(model, classes, len(model.intercepts_[-1])), classes


def _of_link(link: str | None, layers: Sequence[Affine | str]) -> tuple[Family, Any]:
    """What a PyTorch network predicts: classes if it has several outputs or ends with a link."""
    last = layers[-1] if layers else ""
    outputs = len(last.bias) if isinstance(last, Affine) else 1
    if link == "logistic" and outputs == 1:
        return Bernoulli(), np.arange(2)
    if link == "softmax" or outputs > 1:
        return Categorical(n_classes=outputs), np.arange(outputs)
    return Gaussian(), None


def _numbers(
    model: Any, bounds: Bounds | None, count: int, family: Family, classes: Any
) -> tuple[Reading, Affine]:
    """How rows of plain numbers are read; and from -1 to 1 back to them."""
    names, low, high = _checked(model, bounds, count)
    schema = Schema(
        features={
            name: Number(bounds=(a, b), scale=Scale.RANGE)
            for name, a, b in zip(names, low, high, strict=True)
        },
        label="" if classes is None else "prediction",
        target=None if classes is None else Label(classes=tuple(map(str, classes))),
    )
    answers = Answers(schema, family, {})
    reading = TableReading(answers=answers, limits=np.ones(count), strict=True)
    return reading, Affine(np.diag((high - low) / 2), (low + high) / 2)


def _family(model: Any, classes: Sequence[Any] | None, outputs: int) -> Family:
    if classes is None:
        return Poisson() if type(model).__name__ in _COUNTS else Gaussian()
    if not hasattr(model, "predict_proba"):
        raise PlanError(
            f"a {type(model).__name__} has no probabilities; give one with predict_proba"
        )
    return Bernoulli() if outputs == 1 else Categorical(n_classes=outputs)


def _checked(model: Any, bounds: Bounds | None, count: int) -> tuple[list[str], Reals, Reals]:
    names = getattr(model, "feature_names_in_", None)
    if isinstance(bounds, tuple):
        known = [f"x{j}" for j in range(count)] if names is None else list(map(str, names))
        bounds = dict.fromkeys(known, bounds)
    if bounds is None or len(bounds) != count:
        raise PlanError(
            f"bounds of {len(bounds or {})} columns for a model of {count}: give each column's"
            " name and public bounds in the order of its inputs, as"
            " bounds={'age': (0, 120), 'income': (0, 1e6)}, or one pair for all"
        )
    if names is not None and list(names) != list(bounds):
        raise PlanError("bounds name other columns than the model, or in another order")
    both = np.array(list(bounds.values()), np.float64)
    return list(bounds), both[:, 0], both[:, 1]
