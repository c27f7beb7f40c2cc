import re
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from confide.errors import DataError, PlanError
from confide.learning.models import GeneralisedLinearModel
from confide.learning.models.families import Bernoulli, Categorical, Gaussian, Poisson

seeds = st.integers(0, 2**32 - 1)


def model_of(family, *, d=3, l2=0.1, fit_intercept=True):
    return GeneralisedLinearModel(family=family, n_features=d, l2=l2, fit_intercept=fit_intercept)


def difference_quotients(function, point, step=1e-5):
    """Central differences along every coordinate, stacked."""
    nudges = step * np.eye(len(point))
    return np.array([(function(point + n) - function(point - n)) / (2 * step) for n in nudges])


@pytest.fixture(params=[True, False], ids=["intercept", "no intercept"], scope="module")
def fit_intercept(request):
    return request.param


class TestDerivatives:
    @given(seed=seeds)
    def test_the_gradient_is_the_derivative_of_the_loss(self, family, fit_intercept, draw, seed):
        model = model_of(family, fit_intercept=fit_intercept)
        x, _, y = draw(family, seed, m=8)
        rng = np.random.default_rng(seed)
        point, weights = rng.normal(size=model.n_parameters) / 2, rng.random(8) + 0.1

        def loss(parameters):
            return model.loss(parameters, x, y, sample_weight=weights)

        gradient = model.gradient(point, x, y, sample_weight=weights)
        scale = 1 + np.abs(gradient).max()
        np.testing.assert_allclose(
            gradient, difference_quotients(loss, point), atol=1e-6 * scale, rtol=1e-6
        )

    @given(seed=seeds)
    def test_the_hessian_is_the_derivative_of_the_gradient(self, family, fit_intercept, draw, seed):
        model = model_of(family, fit_intercept=fit_intercept)
        x, _, y = draw(family, seed, m=8)
        rng = np.random.default_rng(seed)
        point, weights = rng.normal(size=model.n_parameters) / 2, rng.random(8) + 0.1

        def gradient(parameters):
            return model.gradient(parameters, x, y, sample_weight=weights)

        hessian = model.hessian(point, x, sample_weight=weights)
        scale = 1 + np.abs(hessian).max()
        np.testing.assert_allclose(
            hessian, difference_quotients(gradient, point), atol=1e-6 * scale, rtol=1e-6
        )
        np.testing.assert_allclose(hessian, hessian.T, atol=1e-14 * scale)

    @given(seed=seeds)
    def test_the_records_gradients_add_up_to_the_gradient(self, family, fit_intercept, draw, seed):
        model = model_of(family, fit_intercept=fit_intercept)
        x, _, y = draw(family, seed, m=8)
        point = np.random.default_rng(seed).normal(size=model.n_parameters)
        rows = model.per_record_gradients(point, x, y)
        expected = model.gradient(point, x, y)
        mean = rows.mean(axis=0) + model.penalty_gradient(point)
        np.testing.assert_allclose(mean, expected, rtol=1e-10, atol=1e-10 * np.abs(rows).max())

    def test_a_record_alone_has_its_row_of_the_gradients(self, family, fit_intercept, draw):
        model = model_of(family, fit_intercept=fit_intercept, l2=0.0)
        x, _, y = draw(family, 7, m=5)
        point = np.random.default_rng(8).normal(size=model.n_parameters)
        rows = model.per_record_gradients(point, x, y)
        assert rows.shape == (5, model.n_parameters)
        for record, row in enumerate(rows):
            one = slice(record, record + 1)
            np.testing.assert_allclose(row, model.gradient(point, x[one], y[one]), atol=1e-13)

    def test_a_record_of_weight_two_counts_as_two(self, family, draw):
        model = model_of(family)
        x, _, y = draw(family, 9, m=4)
        twice = [0, 1, 1, 2, 3]
        point = np.random.default_rng(9).normal(size=model.n_parameters)
        weights = [1, 2, 1, 1]
        for function in (model.loss, model.gradient):
            np.testing.assert_allclose(
                function(point, x, y, sample_weight=weights), function(point, x[twice], y[twice])
            )
        np.testing.assert_allclose(
            model.hessian(point, x, sample_weight=weights), model.hessian(point, x[twice])
        )


class TestPenalty:
    def test_spares_the_intercept(self, family):
        model = model_of(family, l2=0.5)
        point = model.flatten(np.zeros((3, family.n_outputs)), 7.0)
        assert model.penalty(point) == 0
        assert not model.penalty_gradient(point).any()

    def test_is_half_the_squared_length(self):
        model = model_of(Gaussian(), l2=0.5)
        point = model.flatten([[1.0], [2.0], [3.0]], [9.0])
        assert model.penalty(point) == 0.25 * 14
        assert model.penalty_gradient(point).tolist() == [0.5, 1, 1.5, 0]

    def test_is_part_of_the_loss(self, family, draw):
        x, _, y = draw(family, 3)
        model = model_of(family, l2=0.5)
        point = np.random.default_rng(0).normal(size=model.n_parameters)
        plain = replace(model, l2=0.0)
        expected = plain.loss(point, x, y) + model.penalty(point)
        assert model.loss(point, x, y) == pytest.approx(expected, rel=1e-14)


class TestParameters:
    def test_start_at_zero(self, family, fit_intercept):
        model = model_of(family, fit_intercept=fit_intercept)
        assert model.init().shape == (model.n_parameters,)
        assert model.init().dtype == np.float64
        assert not model.init().any()

    def test_taken_apart_and_put_together_are_the_same(self, family, fit_intercept):
        model = model_of(family, fit_intercept=fit_intercept)
        vector = np.arange(model.n_parameters, dtype=np.float64)
        coef, intercept = model.unflatten(vector)
        assert coef.shape == (3, family.n_outputs)
        assert intercept.shape == (family.n_outputs,)
        assert model.flatten(coef, intercept).tolist() == vector.tolist()

    def test_lie_row_by_row_with_the_intercept_last(self):
        model = model_of(Categorical(n_classes=2), d=2)
        coef, intercept = model.unflatten(np.arange(6.0))
        assert coef.tolist() == [[0, 1], [2, 3]]
        assert intercept.tolist() == [4, 5]

    def test_without_intercept_it_is_zero(self):
        _, intercept = model_of(Gaussian(), fit_intercept=False).unflatten(np.ones(3))
        assert intercept.tolist() == [0]

    def test_predict_the_linear_predictor(self, family, draw):
        model = model_of(family)
        x, coef, _ = draw(family, 2)
        eta = model.linear_predictor(model.flatten(coef, 0.3), x)
        np.testing.assert_allclose(eta, x @ coef + 0.3, rtol=1e-12)
        expected = family.inverse_link(eta)
        assert np.array_equal(model.mean_response(model.flatten(coef, 0.3), x), expected)

    def test_are_not_changed(self, family, draw):
        model = model_of(family)
        x, _, y = draw(family, 2)
        point = np.ones(model.n_parameters)
        model.gradient(point, x, y)
        model.hessian(point, x)
        assert (point == 1).all()


class TestExtremes:
    def test_huge_predictors_give_finite_gradients_without_a_warning(self, family, draw):
        model = model_of(family)
        x, _, y = draw(family, 5, m=6)
        for scale in (1e3, 1e10, 1e50):
            point = scale * np.random.default_rng(1).normal(size=model.n_parameters)
            assert np.isfinite(model.loss(point, x, y))
            assert np.isfinite(model.gradient(point, x, y)).all()
            assert np.isfinite(model.per_record_gradients(point, x, y)).all()
            assert np.isfinite(model.hessian(point, x)).all()

    def test_an_empty_batch_has_no_gradients(self, family):
        model = model_of(family)
        rows = model.per_record_gradients(model.init(), np.empty((0, 3)), [])
        assert rows.shape == (0, model.n_parameters)

    def test_a_mean_over_nobody_is_refused(self, family):
        model = model_of(family)
        nobody = np.empty((0, 3))
        for function in (model.loss, model.gradient):
            with pytest.raises(DataError, match="a mean over 0 records; at least 1"):
                function(model.init(), nobody, [])
        with pytest.raises(DataError, match="a mean over 0 records; at least 1"):
            model.hessian(model.init(), nobody)


def test_takes_data_frames_and_lists(family, draw):
    model = model_of(family)
    x, _, y = draw(family, 6)
    point = np.random.default_rng(6).normal(size=model.n_parameters)
    expected = model.gradient(point, x, y)
    frame, series = pd.DataFrame(x, columns=list("abc")), pd.Series(y)
    assert np.array_equal(model.gradient(point, frame, series), expected)
    assert np.array_equal(model.gradient(point, x.tolist(), y.tolist()), expected)
    np.testing.assert_allclose(
        model.gradient(point, x.astype(np.float32), y), expected, rtol=1e-4, atol=1e-5
    )


def test_is_a_frozen_value():
    model = model_of(Poisson())
    assert model == model_of(Poisson())
    assert hash(model) == hash(model_of(Poisson()))
    with pytest.raises(FrozenInstanceError):
        model.l2 = 1.0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_features": 0}, "n_features is 0; at least 1"),
        ({"l2": -0.1}, "l2 is -0.1; it is finite and at least 0"),
        ({"l2": float("nan")}, "l2 is nan; it is finite"),
        ({"l2": float("inf")}, "l2 is inf; it is finite"),
    ],
)
def test_refuses_a_specification(changed, message):
    with pytest.raises(PlanError, match=message):
        replace(model_of(Gaussian()), **changed)


X = np.ones((4, 3))
Y = np.array([0, 1, 0, 1])


def with_value(value):
    x = X.copy()
    x[2, 1] = value
    return x


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X[0], Y, "x of shape (3,); it must be (records, features). Reshape your data"),
        (X[:, :2], Y, "x has 2 features, but the model takes 3"),
        (X[:, :0], Y, "x has 0 feature(s) (shape=(4, 0)) while a minimum of 1 is required"),
        (X, Y[:3], "x has 4 records, y has 3; each needs one target"),
        (X, [Y], "y of shape (1, 4); it must be (records,)"),
        (
            with_value(np.nan),
            Y,
            "x has a value out of range in record 2, feature 1; values are neither NaN",
        ),
        (
            with_value(np.inf),
            Y,
            "x has a value out of range in record 2, feature 1; values are neither NaN",
        ),
        (
            with_value(-np.inf),
            Y,
            "x has a value out of range in record 2, feature 1; values are neither NaN",
        ),
        (
            with_value(1e200),
            Y,
            "x has a value out of range in record 2, feature 1; values are neither NaN",
        ),
        ([["1", "2", "3"]] * 4, Y, "x holds values of type str"),
        (np.array([["a", 2, 3]] * 4, object), Y, "x holds values of type str"),
        (np.array([[None, 2, 3]] * 4, object), Y, "x holds a NoneType, which is not a number"),
        (np.array([[pd.NA, 2, 3]] * 4, object), Y, "x holds a NAType"),
        (sparse.csr_array(X), Y, "x is sparse; sparse data are not supported: pass x.toarray()"),
        (X.astype("M8[s]"), Y, "x holds values of type datetime64[s]"),
        (X + 1j, Y, "x: Complex data not supported"),
    ],
)
def test_refuses_data(x, y, message):
    model = model_of(Bernoulli())
    for function in (model.loss, model.gradient, model.per_record_gradients):
        with pytest.raises(DataError, match=re.escape(message)):
            function(np.ones(4), x, y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (np.ones(3), "parameters of shape (3,); this model takes (4,): start from init()"),
        (np.ones((4, 1)), "parameters of shape (4, 1); this model takes (4,)"),
        ([1, np.nan, 0, 0], "parameter 1 is out of range; parameters are finite"),
        ([1, 0, np.inf, 0], "parameter 2 is out of range; parameters are finite"),
        ([1, 0, 0, 1e101], "parameter 3 is out of range; parameters are finite and at most 1e+100"),
        ([1e100, 0, 0, 1e100], "record 0 has a linear predictor out of range; at most 1e+100"),
    ],
)
def test_refuses_parameters(parameters, message):
    model = model_of(Bernoulli())
    with pytest.raises(DataError, match=re.escape(message)):
        model.gradient(np.asarray(parameters), X, Y)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 1, 1], "sample_weight of shape (3,); 4 records take (4,)"),
        ([1, 1, -1, 1], "a sample_weight out of range in record 2; weights are from 0"),
        ([1, np.nan, 1, 1], "a sample_weight out of range in record 1; weights are from 0"),
        ([0, 0, 0, 0], "every sample_weight is zero; at least one must be positive"),
    ],
)
def test_refuses_weights(weights, message):
    model = model_of(Bernoulli())
    with pytest.raises(DataError, match=re.escape(message)):
        model.loss(np.ones(4), X, Y, sample_weight=weights)


@pytest.mark.parametrize(
    ("coef", "intercept"), [(np.ones((1, 3)), None), (np.ones((3, 1)), np.ones(2)), (np.ones(3), 0)]
)
def test_refuses_coefficients(coef, intercept):
    with pytest.raises(DataError, match=r"this model takes \(3, 1\) and \(1,\)"):
        model_of(Bernoulli()).flatten(coef, intercept)
