"""The algorithms by name: a plan's settings make the very computation that the plan was made of."""

import json

import pytest
from tests.learning.algorithms.plain import MODEL, TABLE

from confide.computation import find_computation, make_computation
from confide.errors import PlanError
from confide.learning import GeneralisedLinearModel, fed_avg, fed_sgd
from confide.learning.models.families import Categorical
from confide.plan import Task

SOFTMAX = GeneralisedLinearModel(
    family=Categorical(n_classes=3), n_features=2, l2=0.5, fit_intercept=False
)
COMPUTATIONS = {
    "fed-avg by default": fed_avg(MODEL, TABLE, weight_cap=50, clip_norm_l2=1.0),
    "fed-avg with all set": fed_avg(
        SOFTMAX, TABLE, weight_cap=9, clip_norm_l2=0.1, local_steps=3, batch_rows=4,
        learning_rate=0.125, server_learning_rate=0.75,
    ),
    "fed-sgd by default": fed_sgd(MODEL, TABLE, capacity=50, clip_norm_l2=1.0),
    "fed-sgd with all set": fed_sgd(
        SOFTMAX, TABLE, capacity=9, clip_norm_l2=0.1, learning_rate=0.125
    ),
}  # fmt: skip

MINIMAL = {
    "model": {"family": "bernoulli"},
    "table": {"features": ["a", "b"], "label": "y"},
    "clip_norm_l2": 1.0,
}


@pytest.mark.parametrize("computation", COMPUTATIONS.values(), ids=COMPUTATIONS)
class TestTask:
    def test_makes_the_computation_that_made_it(self, computation):
        found = find_computation(computation.task)
        assert (found.task, found.sums, found.columns) == (
            computation.task, computation.sums, computation.columns,
        )  # fmt: skip

    def test_refuses_to_leave_something_open(self, computation):
        """Or two releases with other defaults would run one plan differently."""
        settings = json.loads(computation.task.settings)
        del settings["learning_rate"]
        with pytest.raises(PlanError, match="are incomplete"):
            find_computation(Task.of(computation.task.name, **settings))

    def test_refuses_a_key_it_does_not_know(self, computation):
        settings = dict(computation.task.read())
        with pytest.raises(PlanError, match="'learning_rat', did you mean 'learning_rate'"):
            make_computation(computation.task.name, {**settings, "learning_rat": 1.0})


class TestSettings:
    def test_of_a_file_may_leave_out_what_has_defaults(self):
        averaging = make_computation("fed-avg", {**MINIMAL, "weight_cap": 50})
        stepping = make_computation("fed-sgd", {**MINIMAL, "capacity": 50})
        read = averaging.task.read()
        assert (read["local_steps"], read["batch_rows"]) == (10, None)
        assert (read["learning_rate"], read["server_learning_rate"]) == (0.5, 1.0)
        assert stepping.task.read()["learning_rate"] == 0.5

    @pytest.mark.parametrize(
        ("name", "settings", "message"),
        [
            pytest.param("fed-avg", MINIMAL, "'weight_cap' is missing", id="no cap"),
            pytest.param("fed-sgd", MINIMAL, "'capacity' is missing", id="no capacity"),
            pytest.param(
                "fed-sgd", {**MINIMAL, "capacity": 5, "clip_norm_l2": None}, "clip_norm_l2",
                id="no bound",
            ),
            pytest.param(
                "fed-avg", {**MINIMAL, "weight_cap": 2.5}, "'weight_cap' is 2.5", id="half a row"
            ),
            pytest.param(
                "fed-sgd", {**MINIMAL, "capacity": 5, "model": {"family": "bernouli"}},
                "did you mean 'bernoulli'", id="misspelt family",
            ),
            pytest.param(
                "fed-sgd", {**MINIMAL, "capacity": 5, "model": {"famly": "poisson"}},
                "'model.famly', did you mean 'family'", id="misspelt key inside",
            ),
            pytest.param("fed-sdg", {}, "did you mean 'fed-sgd'", id="misspelt task"),
        ],
    )  # fmt: skip
    def test_that_do_not_fit_are_refused(self, name, settings, message):
        with pytest.raises(PlanError, match=message):
            make_computation(name, settings)
