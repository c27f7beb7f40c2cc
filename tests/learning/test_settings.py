"""Models and tables as a plan carries them: to settings, through JSON, and back."""

import json

import pytest

from confide.errors import PlanError
from confide.learning import LogisticRegression, Table, fed_avg, fed_sgd
from confide.learning.models import GeneralisedLinearModel
from confide.learning.models.families import Bernoulli, Categorical, Gaussian, Poisson
from confide.learning.settings import (
    ModelSettings,
    check_features,
    model_settings,
    read_table,
    table_settings,
)

FAMILIES = [Bernoulli(), Categorical(n_classes=2), Categorical(n_classes=7), Gaussian(), Poisson()]
TABLES = {
    "plain": Table(features=("a", "b"), label="y"),
    "scaled": Table(features=("b", "a"), label="y", scaling={"a": (0.1, 3.0)}, limit=2.5),
}


class TestModelSettings:
    @pytest.mark.parametrize("family", FAMILIES, ids=repr)
    @pytest.mark.parametrize("fit_intercept", [True, False])
    @pytest.mark.parametrize("l2", [0.0, 0.1, 1e-9])
    def test_give_back_the_model_they_were_made_of(self, family, fit_intercept, l2):
        model = GeneralisedLinearModel(
            family=family, n_features=5, l2=l2, fit_intercept=fit_intercept
        )
        text = json.dumps(model_settings(model))
        assert ModelSettings.read(json.loads(text), "model").model(5) == model

    def test_leave_the_number_of_features_to_the_table(self):
        """Never two parameters that can contradict."""
        model = GeneralisedLinearModel(family=Gaussian(), n_features=5)
        assert "n_features" not in model_settings(model)
        assert ModelSettings(family="gaussian").model(9).n_features == 9

    def test_have_defaults_for_all_but_the_family(self):
        assert ModelSettings.read({"family": "poisson"}, "model").model(2) == (
            GeneralisedLinearModel(family=Poisson(), n_features=2)
        )

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            pytest.param({"family": "bernouli"}, "did you mean 'bernoulli'", id="misspelt family"),
            pytest.param({"family": "Bernoulli"}, "known here: bernoulli", id="capital"),
            pytest.param({"family": "categorical"}, "without n_classes", id="no classes"),
            pytest.param(
                {"family": "bernoulli", "n_classes": 2}, "only 'categorical'", id="odd classes"
            ),
            pytest.param({"family": "categorical", "n_classes": 1}, "at least 2", id="one class"),
            pytest.param({"family": "categorical", "n_classes": 2.5}, "n_classes", id="half class"),
            pytest.param({"family": "gaussian", "l2": -1.0}, "'l2' is -1.0", id="negative l2"),
            pytest.param({"family": "gaussian", "l2": float("nan")}, "'l2' is nan", id="nan l2"),
            pytest.param({"family": "gaussian", "l2": float("inf")}, "'l2' is inf", id="inf l2"),
            pytest.param({"family": "gaussian", "l1": 1.0}, "'l1', did you mean 'l2'", id="l1"),
            pytest.param({"l2": 1.0}, "'family' is missing", id="no family"),
        ],
    )
    def test_that_make_no_model_are_refused(self, settings, message):
        with pytest.raises(PlanError, match=message):
            ModelSettings.read(settings, "model").model(3)


class TestTableSettings:
    @pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
    def test_give_back_the_table_they_were_made_of(self, table):
        text = json.dumps(table_settings(table))
        back = read_table(json.loads(text))
        assert back == table
        assert back.columns == table.columns

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            pytest.param({"features": ["a"]}, "'table.label' is missing", id="no label"),
            pytest.param({"features": "a", "label": "y"}, "'table.features' is 'a'", id="one text"),
            pytest.param({"features": [], "label": "y"}, "at least one column", id="no features"),
            pytest.param(
                {"features": ["a"], "label": "y", "scaling": {"a": [1.0]}}, "scaling", id="half"
            ),
            pytest.param(
                {"features": ["a"], "label": "y", "scale": {}}, "did you mean 'scaling'", id="key"
            ),
            pytest.param(
                {"features": ["a"], "label": "y", "limit": float("inf")},
                "'table.limit'",
                id="no limit",
            ),
        ],
    )
    def test_that_make_no_table_are_refused(self, settings, message):
        with pytest.raises(PlanError, match=message):
            read_table(settings)


class TestCheckFeatures:
    @pytest.mark.parametrize("algorithm", [fed_avg, fed_sgd])
    def test_refuses_an_estimator(self, algorithm):
        with pytest.raises(PlanError, match=r"LogisticRegression; .*n_features=2"):
            algorithm(
                LogisticRegression(), TABLES["plain"], clip_norm_l2=1.0,
                **{"weight_cap": 1} if algorithm is fed_avg else {"capacity": 1},
            )  # fmt: skip

    def test_refuses_a_model_over_another_number_of_columns(self):
        model = GeneralisedLinearModel(family=Gaussian(), n_features=3)
        with pytest.raises(PlanError, match="3 features over a table of 2"):
            check_features(model, TABLES["plain"])

    def test_takes_a_model_over_as_many(self):
        check_features(GeneralisedLinearModel(family=Gaussian(), n_features=2), TABLES["plain"])
