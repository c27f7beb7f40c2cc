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
        assert isinstance(table, Table)
        assert type(estimator.estimator) is KINDS[kind][1]
        mean = model.mean_response(run.state["parameters"], table.inputs(PUBLIC))
        classifies = kind in ("bernoulli", "categorical")
        found = (estimator.predict_proba if classifies else estimator.predict)(PUBLIC)
        assert np.allclose(found.reshape(60, -1)[:, -mean.shape[1] :], mean, rtol=1e-12)

    def test_has_learned(self, run):
        assert np.abs(run.state["parameters"]).max() > 0.05

    def test_knows_its_columns(self, run):
        estimator = fitted_estimator(run.plan, run.state)
        right = estimator.predict(PUBLIC)
        assert np.array_equal(estimator.predict(PUBLIC[["y", "b", "a"]]), right)
        assert np.array_equal(estimator.predict({"a": PUBLIC["a"], "b": PUBLIC["b"]}), right)
        with pytest.raises(DataError, match="no column 'b'"):
            estimator.predict(PUBLIC[["a"]])
        assert estimator.feature_names == ("a", "b")

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            (np.array([[4711.0, 2.0]]), "rows are a ndarray; give a data frame"),
            ([[4711.0, 2.0]], "rows are a list; give a data frame"),
            ({"a": [1.0], "b": ["4711x"]}, "column 'b' has in row 0"),
            ({"a": [1.0], "b": [np.nan]}, "column 'b' has no value in row 0"),
            ({"a": [1.0, 4711.0], "b": [1.0]}, "columns of different lengths: a 2, b 1"),
        ],
    )
    def test_refuses_what_it_cannot_read_without_a_cell(self, run, rows, message):
        with pytest.raises(DataError, match=message) as error:
            fitted_estimator(run.plan, run.state).predict(rows)
        assert "4711" not in str(error.value)

    def test_classes_are_numbers_where_the_label_has_numbers(self, binary):
        estimator = fitted_estimator(binary.plan, binary.state)
        assert set(estimator.predict(PUBLIC)) == {0, 1}
        assert estimator.score(PUBLIC) == np.mean(estimator.predict(PUBLIC) == PUBLIC["y"])

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
        assert measured.keys() == {"loss", "auc", "accuracy"}
        assert measured["auc"] == auc(PUBLIC["y"], estimator.predict_proba(PUBLIC)[:, 1])
        assert measured["accuracy"] == accuracy(PUBLIC["y"], estimator.predict(PUBLIC))
        assert 0.7 < measured["accuracy"] < 1

    def test_of_a_model_that_has_learned_nothing_is_that_of_the_estimator(self, binary):
        """Every score is one half: a tie, which both give to class 0."""
        start = {"parameters": np.zeros(3)}
        measured = quality(binary.plan, PUBLIC)(start)
        estimator = fitted_estimator(binary.plan, start)
        assert measured["auc"] == 0.5
        assert measured["accuracy"] == estimator.score(PUBLIC)
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
        with pytest.raises(DataError, match="no column 'b'"):
            quality(binary.plan, PUBLIC.drop(columns="b"))
