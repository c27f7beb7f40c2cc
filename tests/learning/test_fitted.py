"""From a run's state to a model to use, and its quality on public data."""

import numpy as np
import pandas as pd
import pytest

from confide.computation import Computation
from confide.engines import simulate
from confide.errors import DataError, PlanError
from confide.learning import (
    LinearRegression,
    LogisticRegression,
    PoissonRegression,
    SoftmaxRegression,
    Table,
    fed_avg,
    fed_sgd,
    fitted_estimator,
    quality,
    trained_model,
)
from confide.learning.models import GeneralisedLinearModel, accuracy, auc
from confide.learning.models.families import Bernoulli, Categorical, Gaussian, Poisson
from confide.plan import Sum, SumGroup, Task, Unit

NAMES = ("north", "south", "west")
TABLE = Table(features=("a", "b"), label="y", scaling={"b": (1.0, 2.0)}, limit=4.0)
KINDS = {
    "bernoulli": (Bernoulli(), LogisticRegression),
    "categorical": (Categorical(n_classes=3), SoftmaxRegression),
    "gaussian": (Gaussian(), LinearRegression),
    "poisson": (Poisson(), PoissonRegression),
}


def draw_rows(rows: int, seed: int) -> pd.DataFrame:
    """Rows whose label suits every family: 0, 1 (or 2, for some)."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, rows))
    label = (a + 0.5 * rng.normal(size=rows) > 0).astype(int)
    return pd.DataFrame({"a": a, "b": 1 + 2 * b, "y": label})


def train(family, algorithm=fed_avg, **settings):
    """A run of three parties; its plan is what the tests read everything from."""
    model = GeneralisedLinearModel(family=family, n_features=2, l2=0.01)
    computation = algorithm(model, TABLE, clip_norm_l2=5.0, **settings)
    data = {name: draw_rows(40, i) for i, name in enumerate(NAMES)}
    return simulate(computation.plan(parties=NAMES, rounds=2), data)


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def run(kind):
    return train(KINDS[kind][0], weight_cap=50)


@pytest.fixture(scope="module")
def binary():
    return train(Bernoulli(), weight_cap=50)


PUBLIC = draw_rows(60, 99)


class TestTrainedModel:
    def test_is_read_from_the_plan_alone(self, kind, run):
        model, table = trained_model(run.plan)
        family, _ = KINDS[kind]
        assert model == GeneralisedLinearModel(family=family, n_features=2, l2=0.01)
        assert table == TABLE

    def test_is_the_same_under_every_algorithm(self):
        run = train(Bernoulli(), fed_sgd, capacity=50)
        assert trained_model(run.plan) == trained_model(train(Bernoulli(), weight_cap=50).plan)

    def test_is_refused_where_the_task_trains_none(self):
        total = Sum(name="total", unit=Unit.PARTY, unit_bound=1.0, capacity=1)
        counting = Computation(
            task=Task.of("counting", table={}), sums=SumGroup((total,)), columns=("a",), init=dict,
            contribute=lambda state, data, rng: {"total": 1.0}, update=lambda state, totals: {},
        )  # fmt: skip
        with pytest.raises(PlanError, match="'counting' trains no model"):
            trained_model(counting.plan(parties=NAMES))


class TestFittedEstimator:
    def test_predicts_as_the_model_does_with_the_run_s_parameters(self, kind, run):
        estimator = fitted_estimator(run.plan, run.state)
        model, table = trained_model(run.plan)
        assert type(estimator) is KINDS[kind][1]
        x = table.inputs(PUBLIC)
        mean = model.mean_response(run.state["parameters"], x)
        predict = getattr(estimator, "predict_proba", estimator.predict)
        assert np.allclose(predict(x).reshape(60, -1)[:, -mean.shape[1] :], mean, rtol=1e-12)

    def test_has_learned(self, run):
        assert np.abs(run.state["parameters"]).max() > 0.05

    def test_knows_its_columns(self, run):
        estimator = fitted_estimator(run.plan, run.state)
        inputs = pd.DataFrame(TABLE.inputs(PUBLIC), columns=["a", "b"])
        estimator.predict(inputs)
        with pytest.raises(DataError, match="column 0 of X is 'b'"):
            estimator.predict(inputs[["b", "a"]])

    def test_takes_no_other_model_s_parameters(self, run):
        with pytest.raises(DataError, match="parameters of shape"):
            fitted_estimator(run.plan, {"parameters": np.zeros(4)})


class TestQuality:
    def test_is_the_loss_on_the_public_rows(self, run):
        model, table = trained_model(run.plan)
        measured = quality(run.plan, PUBLIC)(run.state)
        parameters = run.state["parameters"]
        assert isinstance(table, Table)
        assert measured["loss"] == model.loss(parameters, table.inputs(PUBLIC), PUBLIC["y"])

    def test_of_two_classes_is_auc_and_accuracy_too(self, binary):
        measured = quality(binary.plan, PUBLIC)(binary.state)
        estimator = fitted_estimator(binary.plan, binary.state)
        assert isinstance(estimator, LogisticRegression)
        x = TABLE.inputs(PUBLIC)
        assert measured.keys() == {"loss", "auc", "accuracy"}
        assert measured["auc"] == auc(PUBLIC["y"], estimator.decision_function(x))
        assert measured["accuracy"] == accuracy(PUBLIC["y"], estimator.predict(x))
        assert 0.7 < measured["accuracy"] < 1

    def test_of_a_model_that_has_learned_nothing_is_that_of_the_estimator(self, binary):
        """Every score is one half: a tie, which both give to class 0."""
        start = {"parameters": np.zeros(3)}
        measured = quality(binary.plan, PUBLIC)(start)
        estimator = fitted_estimator(binary.plan, start)
        assert isinstance(estimator, LogisticRegression)
        assert measured["auc"] == 0.5
        assert measured["accuracy"] == estimator.score(TABLE.inputs(PUBLIC), PUBLIC["y"])
        assert measured["loss"] == pytest.approx(np.log(2))

    def test_of_other_families_is_the_loss_alone(self, kind, run):
        if kind != "bernoulli":
            assert quality(run.plan, PUBLIC)(run.state).keys() == {"loss"}

    def test_is_measured_after_each_round_of_a_run(self, binary):
        data = {name: draw_rows(40, i) for i, name in enumerate(NAMES)}
        measure = quality(binary.plan, PUBLIC)
        again = simulate(binary.plan, data, measure=measure)
        assert len(again.history) == 2
        assert again.history["loss"].is_monotonic_decreasing
        assert dict(again.history.loc[1, ["loss", "auc", "accuracy"]]) == measure(binary.state)

    def test_needs_the_plan_s_columns(self, binary):
        with pytest.raises(DataError, match="no column 'b'; known here"):
            quality(binary.plan, PUBLIC.drop(columns="b"))
