"""One table learned by us and by others, each judged on the rows held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import confide as cf
from benchmarks import peers
from benchmarks.tabular.data import Subject
from confide.learning import TableModel
from confide.privacy.guarantee import Calibrated, plan_with
from confide.tables import Category, Label, Schema
from confide.training import Trained, planned

__all__ = [
    "diffprivlib",
    "encoded",
    "ours",
    "pooled_private",
    "quality",
    "schema_of",
    "scikit_learn",
    "xgboost",
]

Reals = NDArray[np.float64]

METRICS: Final[Mapping[str, str]] = {
    "logistic": "AUC", "softmax": "AUC", "linear": "R²", "poisson": "D²",
}  # fmt: skip
"""What each kind is judged by: the area under the curve (of each class against the others, the
mean), the share of the variance, and of Poisson's deviance."""


@dataclass(frozen=True)
class Encoded:
    """A table as a model of ours reads it.

    Attributes:
        inputs: The scaled inputs of a linear model, shape `(rows, inputs)`.
        values: The numbers of each column, NaN where one is missing, shape `(rows, columns)`.
        types: Of each of these columns: "c" for a category, "q" for a number.
        targets: The label, shape `(rows,)`.
    """

    inputs: Reals
    values: Reals
    types: list[str]
    targets: Reals


EPSILON: Final = 3.0


def ours(kind: str, subject: Subject, owners: Mapping[str, pd.DataFrame], **more: Any) -> Trained:
    """The model by `train` with no option but the label, and what it asks for."""
    columns = {} if "privacy" in more else subject.columns
    return cf.train(
        kind, owners, label=subject.label, classes=subject.classes, columns=columns, **more
    )


def pooled_private(kind: str, subject: Subject, owners: Mapping[str, pd.DataFrame]) -> TableModel:
    """Our own model with the same ε, where one who is trusted adds up in clear and adds noise."""
    made = planned(
        kind, owners, label=subject.label, classes=subject.classes, privacy=cf.Epsilon(EPSILON)
    )
    trusted = cf.Adversary(
        coordinator=cf.Corruption.HONEST, network=cf.Corruption.CURIOUS, colluding_parties=0
    )
    plan = plan_with(
        Calibrated(kind=cf.CentralNoise, epsilon=EPSILON, delta=1e-6),
        name=made.plan.name, parties=made.plan.parties, stages=made.plan.stages,
        crowd=made.plan.crowd, aggregation=cf.Clear(), neighbours=made.plan.neighbours,
        threat=cf.Threat(confidentiality=trusted),
    )  # fmt: skip
    run = cf.simulate(plan, owners, computation=made.computations)
    return cf.fitted_estimator(run.plan, run.state)


def encoded(model: TableModel, frame: pd.DataFrame) -> Encoded:
    """The same columns as the model reads them."""
    schema = schema_of(model)
    rows = schema.rows(frame)
    values = np.where(rows["missing"], np.nan, rows["values"])
    types = ["c" if isinstance(c, Category) else "q" for c in schema.features.values()]
    return Encoded(schema.inputs(rows, model.state), values, types, rows["targets"])


def schema_of(model: TableModel) -> Schema:
    """The schema of a model that `train` made."""
    assert isinstance(model.table, Schema)  # noqa: S101 - narrows the type
    return model.table


def quality(model: TableModel, held: pd.DataFrame) -> float:
    """A model's metric on the rows held out."""
    schema = schema_of(model)
    truth = schema.rows(held)["targets"]
    if isinstance(schema.target, Label):
        return judged(truth, model.predict_proba(held), "AUC")
    metric = "D²" if getattr(schema.target, "count", False) else "R²"
    return judged(truth, np.asarray(model.predict(held), float), metric)


def judged(truth: Reals, predicted: Reals, metric: str) -> float:
    """Predictions beside the truth.

    Args:
        truth: Shape `(rows,)`: classes from 0, or numbers.
        predicted: Probabilities of shape `(rows, classes)`, or numbers of shape `(rows,)`.
        metric: One of `METRICS`.
    """
    from sklearn.metrics import d2_tweedie_score, r2_score, roc_auc_score

    if metric == "AUC":
        chances = predicted[:, 1] if predicted.shape[1] == 2 else predicted
        return float(roc_auc_score(truth, chances, multi_class="ovr"))
    if metric == "D²":
        return float(d2_tweedie_score(truth, np.maximum(predicted, 1e-9), power=1))
    return float(r2_score(truth, predicted))


def scikit_learn(kind: str, train: Encoded, held: Encoded) -> float:
    """scikit-learn's estimator of a kind with its defaults, on all rows in one place."""
    from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor

    made = {
        "logistic": LogisticRegression(max_iter=1000), "softmax": LogisticRegression(max_iter=1000),
        "linear": LinearRegression(), "poisson": PoissonRegressor(alpha=1e-3, max_iter=1000),
    }[kind]  # fmt: skip
    made.fit(train.inputs, train.targets)
    predict = made.predict_proba if METRICS[kind] == "AUC" else made.predict
    return judged(held.targets, predict(held.inputs), METRICS[kind])


def xgboost(train: Encoded, held: Encoded, classes: int, folder: str) -> dict[str, Any]:
    """XGBoost with the settings of our trees, on all rows in one place."""
    file = f"{folder}/table.npz"
    np.savez(file, x=train.values, y=train.targets, held=held.values)
    answer = peers.run(
        "pooled", "pooled_models.py",
        {"file": file, "method": "xgboost", "classes": classes, "types": train.types},
    )  # fmt: skip
    metric = "AUC" if classes else "R²"
    return {**answer, "metric": judged(held.targets, np.load(f"{folder}/made.npy"), metric)}


def diffprivlib(kind: str, train: Encoded, held: Encoded, folder: str) -> dict[str, Any]:
    """The models of diffprivlib on all rows in one place, with columns scaled for nothing."""
    file = f"{folder}/table.npz"
    columns = train.inputs.shape[1]
    np.savez(file, x=train.inputs, y=train.targets, held=held.inputs)
    wanted = {"file": file, "epsilon": EPSILON, "norm": columns**0.5, "trees": 10, "depth": 5}
    method = "forest" if kind == "trees" else "logistic"
    answer = peers.run("pooled", "pooled_models.py", {**wanted, "method": method})
    return {**answer, "metric": judged(held.targets, np.load(f"{folder}/made.npy"), "AUC")}
