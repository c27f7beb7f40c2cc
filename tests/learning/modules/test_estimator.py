"""Estimators of scikit-learn: a round of one party is what `partial_fit` does."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, SGDClassifier, SGDRegressor
from sklearn.neural_network import MLPClassifier
from tests.learning.algorithms.plain import PROTECTIONS
from tests.learning.modules.nets import party

import confide as cf
from confide.computation import find_computation
from confide.errors import DataError, PlanError
from confide.learning.algorithms import fed_avg, scaffold
from confide.learning.modules import PartialFitModel

ROWS = party(30)
DATA = {f"f{i}": ROWS["x"][:, i] for i in range(4)} | {"y": ROWS["y"]}
FIELDS: dict[str, Any] = {"features": ["f0", "f1", "f2", "f3"], "label": "y"}
SGD = {"loss": "log_loss", "learning_rate": "constant", "eta0": 0.3}
CLEAR = PROTECTIONS["clear"]
EVERY: dict[str, Any] = {
    "weight_cap": 50,
    "clip_norm_l2": 50.0,
    "local_epochs": 1,
    "learning_rate": 1.0,
}


def classifier(**fields):
    return PartialFitModel(SGDClassifier, **FIELDS, classes=[0, 1, 2], arguments=SGD, **fields)


def test_a_step_is_partial_fit():
    model = classifier()
    session = model.open(model.init(), DATA, np.random.default_rng(0))
    stepped = session.start - session.gradient(session.start, slice(0, 1))
    alone = SGDClassifier(**SGD, random_state=0)
    alone.partial_fit(ROWS["x"][:1].astype(float), ROWS["y"][:1], classes=[0, 1, 2])
    expected = np.concatenate([alone.coef_.ravel(), alone.intercept_])
    assert np.allclose(stepped, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (SGDClassifier, {"classes": [0, 1, 2], "arguments": SGD}),
        (SGDRegressor, {"arguments": {"learning_rate": "constant", "eta0": 0.01}}),
        (
            MLPClassifier,
            {
                "classes": [0, 1, 2], "arrays": ["coefs_", "intercepts_"],
                "arguments": {
                    "hidden_layer_sizes": [5], "learning_rate_init": 0.3, "solver": "sgd"
                },
            },
        ),
    ],
)  # fmt: skip
def test_train_together(kind, fields):
    model = PartialFitModel(kind, **FIELDS, **fields)
    training = fed_avg(model, batch_rows=10, **EVERY)
    plan = training.plan(parties=list("abcd"), rounds=6, **CLEAR)
    data = dict.fromkeys("abcd", DATA)
    assert find_computation(plan.task).task == training.task
    run = cf.simulate(plan, data)
    x = np.column_stack([DATA[name] for name in FIELDS["features"]])
    before, after = (
        model.estimator(state).score(x, DATA["y"]) for state in (model.init(), run.state)
    )
    assert after > before + 0.1


def test_is_corrected_by_scaffold_like_any_gradient():
    training = scaffold(classifier(), control_clip_norm_l2=50.0, **EVERY)
    plan = training.plan(parties=list("abcd"), rounds=2, **CLEAR)
    run = cf.simulate(plan, dict.fromkeys("abcd", DATA), computation=training)
    assert np.isfinite(run.state["coef_"]).all()


def test_refuses_what_has_no_partial_fit():
    with pytest.raises(PlanError, match="LinearRegression has no partial_fit"):
        PartialFitModel(LinearRegression, **FIELDS)


def test_refuses_arrays_that_it_does_not_have():
    with pytest.raises(PlanError, match="SGDClassifier has no 'coefs_' after partial_fit"):
        classifier(arrays=["coefs_"])


def test_refuses_classes_that_were_not_agreed_on():
    odd = {**DATA, "y": np.where(np.arange(30) == 4, 9, DATA["y"])}
    with pytest.raises(DataError, match="not agreed on, first in record 4"):
        classifier().open(classifier().init(), odd, np.random.default_rng(0))
