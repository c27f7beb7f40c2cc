"""The AUC by histogram: scikit-learn's on binned scores, and private when noise is asked for."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tests.learning.algorithms.plain import MODEL, PROTECTIONS, TABLE, draw_rows, together

from confide.engines import simulate
from confide.errors import DataError, PlanError
from confide.learning import GeneralisedLinearModel, auc_of_histogram, score_histogram
from confide.learning.algorithms.registered import score_histogram_from_settings
from confide.learning.models.families import Categorical
from confide.plan import CentralNoise

W = np.array([1.5, -0.7, 0.2])
DATA = {"north": draw_rows(30), "south": draw_rows(80), "west": draw_rows(217)}


def check(bins=40, protection="clear", **fields):
    computation = score_histogram(MODEL, TABLE, parameters=W, capacity=500, bins=bins)
    plan = computation.plan(parties=list(DATA), **PROTECTIONS[protection], **fields)
    return simulate(plan, DATA)


def binned_scores(bins):
    rows = together(*DATA.values())
    score = MODEL.mean_response(W, TABLE.inputs(rows))[:, 0]
    return rows["y"], np.minimum(np.floor(score * bins), bins - 1)


@pytest.mark.parametrize("protection", PROTECTIONS)
@pytest.mark.parametrize("bins", [2, 40, 1000])
def test_is_that_of_the_pooled_binned_scores(protection, bins):
    run = check(bins, protection)
    assert float(run.state["auc"]) == pytest.approx(roc_auc_score(*binned_scores(bins)), abs=1e-9)


def test_counts_every_row_once():
    counts = check().state["counts"]
    labels = together(*DATA.values())["y"]
    assert counts.sum(axis=1).tolist() == [np.sum(labels == 0), np.sum(labels == 1)]


def test_with_noise_is_near_the_truth():
    # At σ = 1 row per cell the AUC of 327 rows moves by hundredths; 0.25 is beyond ten of them.
    run = check(bins=20, noise=CentralNoise(1.0, delta=1e-5))
    assert abs(float(run.state["auc"]) - roc_auc_score(*binned_scores(20))) < 0.25
    assert not np.array_equal(run.state["counts"], check(bins=20).state["counts"])


def test_of_nothing_is_one_half():
    assert auc_of_histogram(np.zeros((2, 5))) == 0.5
    assert auc_of_histogram([[-3.0, -1.0], [4.0, 4.0]]) == 0.5


def test_moves_by_one_row_only():
    (declared,) = score_histogram(MODEL, TABLE, parameters=W, capacity=5).sums.sums
    assert (declared.unit_bound, declared.norm.value) == (1.0, "l2")


def test_comes_back_from_a_plan():
    plan = check().plan
    assert score_histogram_from_settings(plan.task.read()).task == plan.task


@pytest.mark.parametrize("bins", [1, 10_001])
def test_of_too_few_or_many_bins_is_refused(bins):
    with pytest.raises(PlanError, match=f"bins is {bins}"):
        score_histogram(MODEL, TABLE, parameters=W, capacity=5, bins=bins)


def test_of_three_classes_is_refused():
    model = GeneralisedLinearModel(family=Categorical(n_classes=3), n_features=2)
    with pytest.raises(PlanError, match="two classes are needed"):
        score_histogram(model, TABLE, parameters=model.init(), capacity=5)


def test_of_another_models_parameters_is_refused():
    with pytest.raises(DataError, match="parameters of shape"):
        score_histogram(MODEL, TABLE, parameters=[1.0], capacity=5)
