import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import linear_model

from confide.errors import DataError, PlanError
from confide.learning.models import GeneralisedLinearModel, fit_to_convergence, fitting
from confide.learning.models.families import Bernoulli, Categorical, Gaussian, Poisson

TIGHT = {"tol": 1e-13, "max_iter": 10_000}


def model_of(family, x, *, l2=0.0, fit_intercept=True):
    return GeneralisedLinearModel(
        family=family, n_features=x.shape[1], l2=l2, fit_intercept=fit_intercept
    )


def assert_agree(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


def coefficients(model, x, y, **options):
    fit = fit_to_convergence(model, x, y, **options)
    assert fit.converged
    coef, intercept = model.unflatten(fit.parameters)
    return coef.T.squeeze(), intercept


@pytest.fixture(params=[True, False], ids=["intercept", "no intercept"])
def fit_intercept(request):
    return request.param


@pytest.fixture(params=[0.0, 1e-3, 0.3], ids="l2={}".format)
def l2(request):
    return request.param


@pytest.fixture(params=[(1.0, 0.0), (1e-6, 3.0), (1e6, 0.0)], ids="scale={0[0]}".format)
def stretched(request, draw):
    """Records whose first feature has another scale and offset than the others."""
    scale, offset = request.param

    def records(family):
        x, _, y = draw(family, 11, m=200)
        x[:, 0] = scale * x[:, 0] + offset
        return x, y

    return records


class TestOracle:
    """Coefficients agree with scikit-learn's; its penalties are scaled otherwise."""

    def test_linear(self, stretched, l2, fit_intercept):
        x, y = stretched(Gaussian())
        ridge = linear_model.Ridge(alpha=l2 * len(x), fit_intercept=fit_intercept, solver="svd")
        plain = linear_model.LinearRegression(fit_intercept=fit_intercept, tol=1e-14)
        peer = (ridge if l2 else plain).fit(x, y)
        coef, intercept = coefficients(
            model_of(Gaussian(), x, l2=l2, fit_intercept=fit_intercept), x, y
        )
        assert_agree(coef, peer.coef_)
        assert_agree(intercept, peer.intercept_)

    def test_logistic(self, draw, l2, fit_intercept):
        x, _, y = draw(Bernoulli(), 12, m=200)
        peer = linear_model.LogisticRegression(
            C=1 / (l2 * len(x)) if l2 else np.inf,
            fit_intercept=fit_intercept,
            solver="newton-cholesky",
            **TIGHT,
        ).fit(x, y)
        coef, intercept = coefficients(
            model_of(Bernoulli(), x, l2=l2, fit_intercept=fit_intercept), x, y
        )
        assert_agree(coef, peer.coef_[0])
        assert_agree(intercept, peer.intercept_)

    def test_softmax(self, draw, l2, fit_intercept):
        x, _, y = draw(Categorical(n_classes=4), 13, m=300)
        peer = linear_model.LogisticRegression(
            C=1 / (l2 * len(x)) if l2 else np.inf,
            fit_intercept=fit_intercept,
            solver="newton-cg",
            **TIGHT,
        ).fit(x, y)
        coef, intercept = coefficients(
            model_of(Categorical(n_classes=4), x, l2=l2, fit_intercept=fit_intercept), x, y
        )
        assert_agree(coef, peer.coef_ - peer.coef_.mean(axis=0))
        assert_agree(intercept, peer.intercept_ - np.mean(peer.intercept_))

    def test_poisson(self, draw, l2, fit_intercept):
        x, _, y = draw(Poisson(), 14, m=200)
        peer = linear_model.PoissonRegressor(
            alpha=l2, fit_intercept=fit_intercept, solver="newton-cholesky", **TIGHT
        ).fit(x, y)
        coef, intercept = coefficients(
            model_of(Poisson(), x, l2=l2, fit_intercept=fit_intercept), x, y
        )
        assert_agree(coef, peer.coef_)
        assert_agree(intercept, peer.intercept_)

    def test_weights(self, draw):
        x, _, y = draw(Poisson(), 15, m=200)
        weights = np.random.default_rng(0).random(200)
        peer = linear_model.PoissonRegressor(alpha=0.1, solver="newton-cholesky", **TIGHT)
        peer.fit(x, y, sample_weight=weights)
        model = model_of(Poisson(), x, l2=0.1)
        coef, _ = coefficients(model, x, y, sample_weight=weights)
        assert_agree(coef, peer.coef_)


class TestOptimum:
    @given(seed=st.integers(0, 2**32 - 1), l2=st.sampled_from([1e-3, 1.0]))
    @settings(max_examples=25)
    def test_the_gradient_vanishes(self, family, draw, seed, l2):
        x, _, y = draw(family, seed, m=80)
        model = model_of(family, x, l2=l2)
        fit = fit_to_convergence(model, x, y)
        assert fit.converged
        start = np.abs(model.gradient(model.init(), x, y)).max()
        assert np.abs(model.gradient(fit.parameters, x, y)).max() <= 1e-11 * (1 + start)

    @pytest.mark.parametrize("l2", [0.0, 0.1])
    def test_units_change_coefficients_and_nothing_else(self, family, draw, l2):
        x, _, y = draw(family, 21, m=200)
        moved = x * [1e-4, 1.0, 1e5] + [2.0, -1e3, 0.0]
        first, second = model_of(family, x, l2=0.0), model_of(family, moved, l2=0.0)
        np.testing.assert_allclose(
            first.mean_response(fit_to_convergence(first, x, y).parameters, x),
            second.mean_response(fit_to_convergence(second, moved, y).parameters, moved),
            rtol=1e-7,
            atol=1e-10,
        )

    def test_a_nearly_constant_column_is_fitted(self):
        rng = np.random.default_rng(1)
        x = 1e6 + rng.normal(size=(50, 1))
        y = 3 * (x[:, 0] - 1e6) + 1
        coef, intercept = coefficients(model_of(Gaussian(), x), x, y)
        assert coef == pytest.approx(3, rel=1e-8)
        assert intercept[0] == pytest.approx(1 - 3e6, rel=1e-8)

    @pytest.mark.parametrize("constant", [0.0, 1.0, 0.1, 1e30])
    def test_a_constant_column_gets_no_coefficient(self, family, draw, constant):
        x, _, y = draw(family, 22, m=100)
        padded = np.column_stack([x, np.full(100, constant)])
        bare, full = model_of(family, x), model_of(family, padded)
        coef, intercept = full.unflatten(fit_to_convergence(full, padded, y).parameters)
        expected, b = bare.unflatten(fit_to_convergence(bare, x, y).parameters)
        np.testing.assert_allclose(coef, np.vstack([expected, 0 * b]), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(intercept, b, rtol=1e-9, atol=1e-12)

    def test_a_column_of_zeros_gets_no_coefficient_without_intercept(self, family, draw):
        x, _, y = draw(family, 22, m=100)
        x[:, 1] = 0
        model = model_of(family, x, fit_intercept=False)
        coef, _ = model.unflatten(fit_to_convergence(model, x, y).parameters)
        assert not coef[1].any()
        assert coef[0].all()

    def test_nearly_collinear_columns_are_told_apart(self, draw):
        x, _, _ = draw(Gaussian(), 22, m=100)
        x[:, 1] = x[:, 0] + 1e-5 * x[:, 1]
        coef, _ = coefficients(model_of(Gaussian(), x), x, x @ [1.0, 2.0, 3.0])
        np.testing.assert_allclose(coef, [1, 2, 3], rtol=1e-8)

    @pytest.mark.parametrize("copies", [2, 3])
    def test_identical_columns_share_their_coefficient(self, family, draw, copies):
        x, _, y = draw(family, 23, m=200)
        wide = np.column_stack([x, *[x[:, 0]] * (copies - 1)])
        bare, full = model_of(family, x), model_of(family, wide)
        coef, _ = full.unflatten(fit_to_convergence(full, wide, y).parameters)
        expected, _ = bare.unflatten(fit_to_convergence(bare, x, y).parameters)
        np.testing.assert_allclose(coef[0], expected[0] / copies, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(coef[-1], coef[0], rtol=1e-7, atol=1e-9)

    def test_a_full_set_of_dummies_is_fitted(self, family, draw):
        x, _, y = draw(family, 24, m=300)
        dummies = np.eye(4)[np.arange(300) % 4]
        full = model_of(family, np.column_stack([x, dummies]))
        bare = model_of(family, np.column_stack([x, dummies[:, 1:]]))
        wide, narrow = np.column_stack([x, dummies]), np.column_stack([x, dummies[:, 1:]])
        fits = [fit_to_convergence(m, z, y) for m, z in ((full, wide), (bare, narrow))]
        assert [fit.converged for fit in fits] == [True, True]
        np.testing.assert_allclose(
            full.mean_response(fits[0].parameters, wide),
            bare.mean_response(fits[1].parameters, narrow),
            rtol=1e-8,
        )

    def test_more_features_than_records(self):
        x = np.random.default_rng(3).normal(size=(5, 12))
        y = np.arange(5.0)
        model = model_of(Gaussian(), x)
        fit = fit_to_convergence(model, x, y)
        assert fit.converged
        np.testing.assert_allclose(model.mean_response(fit.parameters, x)[:, 0], y, atol=1e-10)

    def test_softmax_coefficients_add_up_to_zero(self, draw, l2):
        x, _, y = draw(Categorical(n_classes=4), 25, m=200)
        x = x * [1e-3, 1, 1e3] + 7
        coef, intercept = coefficients(model_of(Categorical(n_classes=4), x, l2=l2), x, y)
        np.testing.assert_allclose(coef.sum(axis=0) / np.abs(coef).max(axis=0), 0, atol=1e-7)
        assert abs(intercept.sum()) <= 1e-7 * np.abs(intercept).max()

    @pytest.mark.parametrize("size", [1e-9, 1e-3, 1e6, 1e12])
    def test_least_squares_in_any_unit_of_the_target(self, draw, size):
        x, _, y = draw(Gaussian(), 26)
        coef, _ = coefficients(model_of(Gaussian(), x), x, y)
        scaled, _ = coefficients(model_of(Gaussian(), x), x, size * y)
        np.testing.assert_allclose(scaled, size * coef, rtol=1e-9)

    @pytest.mark.parametrize("size", [1e-3, 1.0, 1e6, 1e12])
    def test_rates_of_any_size(self, draw, size, fit_intercept):
        x, _, _ = draw(Poisson(), 27, m=100)
        eta = x @ [0.3, -0.5, 0.1] + (np.log(size) if fit_intercept else 0.0)
        model = model_of(Poisson(), x, fit_intercept=fit_intercept)
        coef, _ = coefficients(model, x, np.exp(eta))
        np.testing.assert_allclose(coef, [0.3, -0.5, 0.1], rtol=1e-9)

    def test_far_away_without_an_intercept_to_start_from(self):
        x = np.random.default_rng(5).uniform(1, 2, size=(50, 1))
        y = np.round(np.exp(20 * x[:, 0]))
        coef, _ = coefficients(model_of(Poisson(), x, fit_intercept=False), x, y)
        assert coef == pytest.approx(20, rel=1e-6)

    @pytest.mark.parametrize("target", [0.0, 5.0, -1e9, 1e-9])
    def test_a_constant_target(self, target):
        x = np.random.default_rng(4).normal(size=(20, 2))
        coef, intercept = coefficients(model_of(Gaussian(), x), x, np.full(20, target))
        np.testing.assert_allclose(coef, 0, atol=1e-14 * abs(target))
        assert intercept[0] == pytest.approx(target, rel=1e-14)

    def test_starts_from_the_best_constant(self):
        x = np.random.default_rng(4).normal(size=(20, 2))
        assert fit_to_convergence(model_of(Poisson(), x), x, np.full(20, 1e9)).iterations == 1

    def test_a_long_constant_column(self):
        x = np.column_stack([np.arange(100_001.0), np.full(100_001, 0.1)])
        coef, _ = coefficients(model_of(Gaussian(), x), x, 2 * x[:, 0])
        assert coef[0] == pytest.approx(2, rel=1e-12)
        assert coef[1] == 0

    def test_records_of_weight_zero_do_not_count(self, family, draw):
        x, _, y = draw(family, 29, m=80)
        weights = np.arange(80) % 4 > 0
        model = model_of(family, x, l2=0.01)
        some = fit_to_convergence(model, x[weights], y[weights])
        weighted = fit_to_convergence(model, x, y, sample_weight=weights)
        np.testing.assert_allclose(weighted.parameters, some.parameters, rtol=1e-9)

    def test_one_record(self):
        model = model_of(Gaussian(), np.ones((1, 2)))
        fit = fit_to_convergence(model, [[3.0, 4.0]], [7.0])
        assert fit.parameters.tolist() == [0, 0, 7]

    def test_is_the_same_each_time(self, family, draw):
        x, _, y = draw(family, 28)
        model = model_of(family, x, l2=0.1)
        first, second = (fit_to_convergence(model, x, y).parameters for _ in range(2))
        assert np.array_equal(first, second)


class TestNoOptimum:
    """Where the loss falls for ever, the fit says so and stays finite."""

    def check(self, family, x, y):
        model = model_of(family, np.asarray(x))
        fit = fit_to_convergence(model, x, y)
        assert not fit.converged
        assert np.isfinite(fit.parameters).all()
        penalised = fit_to_convergence(replace(model, l2=1e-3), x, y)
        assert penalised.converged or len(set(y)) == 1

    def test_separated_classes(self):
        self.check(Bernoulli(), np.arange(20.0).reshape(-1, 1), [0] * 9 + [1] * 11)

    def test_separated_by_a_dummy_beside_ordinary_features(self, draw):
        x, _, y = draw(Bernoulli(), 31, m=200)
        dummy = (np.arange(200) % 10 == 0) & (y == 1)
        self.check(Bernoulli(), np.column_stack([x, dummy]), y)

    def test_one_record_separated_among_many_features(self, draw):
        x, _, y = draw(Bernoulli(), 34, m=2000, d=40, spread=0.1)
        only = np.arange(2000) == np.argmax(y)
        self.check(Bernoulli(), np.column_stack([x, only]), y)

    def test_separated_among_three(self):
        x = np.arange(30.0).reshape(-1, 1)
        self.check(Categorical(n_classes=3), x, [0] * 10 + [1] * 10 + [2] * 10)

    def test_a_group_without_events(self):
        group = np.repeat([0.0, 1.0], 50)
        self.check(Poisson(), group.reshape(-1, 1), [0] * 50 + [1, 3] * 25)

    def test_no_events_at_all(self):
        self.check(Poisson(), np.random.default_rng(0).normal(size=(30, 2)), [0] * 30)

    @pytest.mark.parametrize("label", [0, 1])
    def test_one_class(self, label):
        self.check(Bernoulli(), np.random.default_rng(0).normal(size=(30, 2)), [label] * 30)

    def test_too_few_steps(self, draw):
        x, _, y = draw(Poisson(), 32)
        fit = fit_to_convergence(model_of(Poisson(), x), x, y, max_iter=1)
        assert (fit.converged, fit.iterations) == (False, 1)


class TestManyParameters:
    def test_both_methods_find_the_same_optimum(self, family, draw, monkeypatch):
        x, _, y = draw(family, 41, m=200)
        x = x * [1e-3, 1, 1e3] + 7
        model = model_of(family, x, l2=0.01)
        dense = fit_to_convergence(model, x, y)
        monkeypatch.setattr(fitting, "_DENSE", 0)
        limited = fit_to_convergence(model, x, y)
        assert limited.converged
        assert limited.iterations != dense.iterations
        np.testing.assert_allclose(
            model.mean_response(limited.parameters, x),
            model.mean_response(dense.parameters, x),
            rtol=1e-5,
        )

    @pytest.mark.parametrize("size", [0.0, 1e-9, 1e12])
    def test_in_any_unit_of_the_target(self, draw, monkeypatch, size):
        monkeypatch.setattr(fitting, "_DENSE", 0)
        x, _, y = draw(Gaussian(), 42)
        scaled, _ = coefficients(model_of(Gaussian(), x), x, size * y)
        coef, _ = coefficients(model_of(Gaussian(), x), x, y)
        np.testing.assert_allclose(scaled, size * coef, rtol=1e-5, atol=0)

    def test_more_than_a_hessian_is_made_for(self):
        rng = np.random.default_rng(6)
        x, y = rng.normal(size=(60, 400)), np.arange(60) % 3
        model = model_of(Categorical(n_classes=3), x, l2=0.1)
        fit = fit_to_convergence(model, x, y)
        assert fit.converged
        assert np.abs(model.gradient(fit.parameters, x, y)).max() < 1e-7


@pytest.mark.parametrize(
    ("y", "weights", "message"),
    [
        ([0, 1], None, "x has 3 records, y has 2; each needs one target"),
        ([0, 1, 2], None, "a target out of range in record 2"),
        ([0, 1, 0], [1, 1], r"sample_weight of shape \(2,\); 3 records take \(3,\)"),
    ],
)
def test_refuses_what_does_not_fit(y, weights, message):
    x = np.arange(3.0).reshape(-1, 1)
    with pytest.raises(DataError, match=message):
        fit_to_convergence(model_of(Bernoulli(), x), x, y, sample_weight=weights)


def test_refuses_no_steps():
    model = model_of(Gaussian(), np.ones((1, 1)))
    with pytest.raises(PlanError, match="max_iter is 0; at least 1"):
        fit_to_convergence(model, [[1.0]], [1.0], max_iter=0)


def test_refuses_no_records():
    model = model_of(Gaussian(), np.ones((1, 1)))
    with pytest.raises(DataError, match="x has 0 records; at least 1"):
        fit_to_convergence(model, np.empty((0, 1)), [])


def test_huge_features_give_no_warning(family, draw):
    x, _, y = draw(family, 51)
    model = model_of(family, x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for scale in (1e-90, 1e90):
            assert np.isfinite(fit_to_convergence(model, scale * x, y).parameters).all()
