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
from confide.learning.models.cox import concordance
from confide.privacy.guarantee import Calibrated, plan_with
from confide.tables import Category, Label, Schema, Survival
from confide.training import Prepared, Trained, planned

__all__ = [
    "diffprivlib",
    "encoded",
    "exact",
    "ours",
    "pooled_private",
    "quality",
    "schema_of",
    "scikit_learn",
    "xgboost",
    "xgboost_cox",
]

Reals = NDArray[np.float64]

METRICS: Final[Mapping[str, str]] = {
    "logistic": "AUC", "softmax": "AUC", "linear": "R²", "poisson": "D²", "naive_bayes": "AUC",
    "cox": "concordance", "k_means": "explained", "pca": "explained",
}  # fmt: skip
"""What each kind is judged by: the area under the curve (of each class against the others, the
mean), the share of the variance, of Poisson's deviance, Harrell's concordance, and the share of the
rows' spread that centres or components leave nothing of."""


@dataclass(frozen=True)
class Encoded:
    """A table as a model of ours reads it.

    Attributes:
        inputs: The scaled inputs of a linear model, shape `(rows, inputs)`.
        values: The numbers of each column, NaN where one is missing, shape `(rows, columns)`.
        types: Of each of these columns: "c" for a category, "q" for a number.
        targets: The label, shape `(rows,)`; zeros without one.
        events: Of times, 1 where the event came, shape `(rows,)`; else ones.
    """

    inputs: Reals
    values: Reals
    types: list[str]
    targets: Reals
    events: Reals


EPSILON: Final = 3.0


def ours(kind: str, subject: Subject, owners: Mapping[str, pd.DataFrame], **more: Any) -> Trained:
    """The model by `train` with no option but the label, and what it asks for."""
    columns = {} if "privacy" in more else subject.columns
    return cf.train(kind, owners, **_asked(kind, subject), columns=columns, **more)


def exact(kind: str, subject: Subject, owners: Mapping[str, pd.DataFrame]) -> TableModel:
    """The same model without noise, its sums added up in clear: they are the same integers."""
    made = planned(kind, owners, **_asked(kind, subject), columns=subject.columns)
    return _trusted(made, owners, cf.NoNoise())


def _asked(kind: str, subject: Subject) -> dict[str, Any]:
    """What `train` asks for of a table."""
    asked: dict[str, Any] = {"label": subject.label or None}
    if kind in ("logistic", "softmax", "naive_bayes", "trees"):
        asked["classes"] = subject.classes
    return asked | ({"event": subject.event} if subject.event else {})


def _trusted(made: Prepared, owners: Mapping[str, pd.DataFrame], noise: Any) -> TableModel:
    """Runs a plan's stages where one who is trusted adds up in clear."""
    trusted = cf.Adversary(
        coordinator=cf.Corruption.HONEST, network=cf.Corruption.CURIOUS, colluding_parties=0
    )
    plan = plan_with(
        noise, name=made.plan.name, parties=made.plan.parties, stages=made.plan.stages,
        crowd=made.plan.crowd, aggregation=cf.Clear(), neighbours=made.plan.neighbours,
        threat=cf.Threat(confidentiality=trusted),
    )  # fmt: skip
    run = cf.simulate(plan, owners, computation=made.computations)
    return cf.fitted_estimator(run.plan, run.state)


def pooled_private(kind: str, subject: Subject, owners: Mapping[str, pd.DataFrame]) -> TableModel:
    """Our own model with the same ε, where one who is trusted adds up in clear and adds noise."""
    made = planned(kind, owners, **_asked(kind, subject), privacy=cf.Epsilon(EPSILON))
    return _trusted(made, owners, Calibrated(kind=cf.CentralNoise, epsilon=EPSILON, delta=1e-6))


def encoded(model: TableModel, frame: pd.DataFrame) -> Encoded:
    """The same columns as the model reads them."""
    schema = schema_of(model)
    rows = schema.rows(frame)
    values = np.where(rows["missing"], np.nan, rows["values"])
    types = ["c" if isinstance(c, Category) else "q" for c in schema.features.values()]
    targets = rows.get("targets", np.zeros(len(values)))
    events = rows.get("events", np.ones(len(values)))
    return Encoded(schema.inputs(rows, model.state), values, types, targets, events)


def schema_of(model: TableModel) -> Schema:
    """The schema of a model that `train` made."""
    assert isinstance(model.table, Schema)  # noqa: S101 - narrows the type
    return model.table


def quality(model: TableModel, held: pd.DataFrame) -> float:
    """A model's metric on the rows held out."""
    schema = schema_of(model)
    if schema.target is None:
        inputs = schema.inputs(schema.rows(held), model.state)
        return explained(inputs, model.estimator)
    truth = schema.rows(held)["targets"]
    if isinstance(schema.target, Survival):
        return concordance(truth, schema.rows(held)["events"], model.predict(held))
    if isinstance(schema.target, Label):
        return judged(truth, model.predict_proba(held), "AUC")
    metric = "D²" if getattr(schema.target, "count", False) else "R²"
    return judged(truth, np.asarray(model.predict(held), float), metric)


def explained(inputs: Reals, made: Any) -> float:
    """The share of the rows' spread that the centres or components of an estimator explain."""
    if hasattr(made, "cluster_centers_"):
        apart = ((inputs[:, np.newaxis] - made.cluster_centers_) ** 2).sum(axis=2).min(axis=1)
    else:
        along = (inputs - made.mean_) @ made.components_.T
        apart = ((inputs - made.mean_) ** 2).sum(axis=1) - (along**2).sum(axis=1)
    return float(1 - apart.sum() / ((inputs - inputs.mean(axis=0)) ** 2).sum())


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
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.naive_bayes import GaussianNB

    if kind in ("k_means", "pca"):
        groups: Any = KMeans(8, n_init=10, random_state=0) if kind == "k_means" else PCA(2)
        return explained(held.inputs, groups.fit(train.inputs))
    if kind == "naive_bayes":
        bayes = GaussianNB().fit(train.inputs, train.targets)
        return judged(held.targets, bayes.predict_proba(held.inputs), METRICS[kind])
    return _linear(kind, train, held)


def _linear(kind: str, train: Encoded, held: Encoded) -> float:
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


def xgboost_cox(train: Encoded, held: Encoded, folder: str) -> dict[str, Any]:
    """XGBoost's linear model of Cox's partial likelihood, without a penalty, on all rows."""
    file = f"{folder}/table.npz"
    times = np.where(train.events > 0, train.targets, -train.targets)
    np.savez(file, x=train.inputs, y=times, held=held.inputs)
    answer = peers.run("pooled", "pooled_models.py", {"file": file, "method": "cox"})
    risks = np.load(f"{folder}/made.npy")
    return {**answer, "metric": concordance(held.targets, held.events, risks)}


def diffprivlib(kind: str, train: Encoded, held: Encoded, folder: str) -> dict[str, Any]:
    """The models of diffprivlib on all rows in one place, with columns scaled for nothing."""
    file = f"{folder}/table.npz"
    columns = train.inputs.shape[1]
    np.savez(file, x=train.inputs, y=train.targets, held=held.inputs)
    wanted = {"file": file, "epsilon": EPSILON, "norm": columns**0.5, "trees": 10, "depth": 5}
    method = "forest" if kind == "trees" else "logistic"
    answer = peers.run("pooled", "pooled_models.py", {**wanted, "method": method})
    return {**answer, "metric": judged(held.targets, np.load(f"{folder}/made.npy"), "AUC")}
