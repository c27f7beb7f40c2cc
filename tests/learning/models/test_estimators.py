import numpy as np
import pandas as pd
import pytest
from sklearn import linear_model
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from confide.errors import ConfideError, DataError, NotFittedError, PlanError
from confide.learning.models import (
    ConvergenceWarning,
    GeneralisedLinearModel,
    LinearRegression,
    LogisticRegression,
    PoissonRegression,
    SoftmaxRegression,
)
from confide.learning.models.families import Bernoulli, Categorical, Gaussian, Poisson

FAMILIES = {
    LinearRegression: Gaussian(),
    PoissonRegression: Poisson(),
    LogisticRegression: Bernoulli(),
    SoftmaxRegression: Categorical(n_classes=3),
}
CLASSIFIERS = (LogisticRegression, SoftmaxRegression)


@pytest.fixture(params=FAMILIES, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


@pytest.fixture
def records(kind, draw):
    x, _, y = draw(FAMILIES[kind], 61, m=90)
    return x, y


@pytest.fixture
def fitted(kind, records):
    return kind(l2=0.01).fit(*records)


ESTIMATORS = [
    LinearRegression(),
    PoissonRegression(),
    LogisticRegression(),
    # Its checks fit separable classes, which have no optimum without a penalty.
    SoftmaxRegression(l2=0.01),
]


DIFFERENCES = {
    "check_estimators_unfitted": "wants scikit-learn's own NotFittedError",
    "check_dtype_object": "wants a TypeError, in Python's words",
    "check_supervised_y_2d": "wants a warning of scikit-learn's; we refuse a column vector",
}


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
@pytest.mark.filterwarnings("ignore:Estimator .* does not inherit")
@pytest.mark.filterwarnings("ignore::confide.learning.models.ConvergenceWarning")
def test_passes_scikit_learns_conformance_suite(estimator):
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    failed = {r["check_name"]: str(r["exception"]) for r in results if r["status"] == "failed"}
    assert {name: why for name, why in failed.items() if name not in DIFFERENCES} == {}
    assert set(failed) == set(DIFFERENCES)
    assert sum(r["status"] == "passed" for r in results) > 50


class TestFit:
    def test_returns_itself_with_its_attributes(self, kind, records):
        x, y = records
        estimator = kind()
        assert estimator.fit(x, y) is estimator
        assert estimator.n_features_in_ == 3
        assert estimator.n_iter_ >= 1
        assert not hasattr(estimator, "feature_names_in_")
        shape = {LogisticRegression: (1, 3), SoftmaxRegression: (3, 3)}.get(kind, (3,))
        assert estimator.coef_.shape == shape
        assert np.shape(estimator.intercept_) == shape[:-1]

    def test_predicts_what_the_coefficients_say(self, fitted, records):
        x, _ = records
        eta = x @ fitted.coef_.T + fitted.intercept_
        if isinstance(fitted, SoftmaxRegression):
            assert np.array_equal(fitted.predict(x), eta.argmax(axis=1))
        elif isinstance(fitted, LogisticRegression):
            assert np.array_equal(fitted.predict(x), eta[:, 0] > 0)
        else:
            mean = np.exp(eta) if isinstance(fitted, PoissonRegression) else eta
            np.testing.assert_allclose(fitted.predict(x), mean)

    def test_without_intercept(self, kind, records):
        estimator = kind(fit_intercept=False, l2=0.01).fit(*records)
        assert not np.any(estimator.intercept_)

    def test_weights_are_repetitions(self, kind, records):
        x, y = records
        twice = np.concatenate([np.arange(90), np.arange(10)])
        weights = 1 + (np.arange(90) < 10)
        np.testing.assert_allclose(
            kind(l2=0.01).fit(x, y, sample_weight=weights).coef_,
            kind(l2=0.01).fit(x[twice], y[twice]).coef_,
            rtol=1e-9,
        )

    def test_keeps_the_constructors_parameters(self, kind):
        estimator = kind(l2=0.5, fit_intercept=False, max_iter=7)
        assert estimator.get_params() == {"fit_intercept": False, "l2": 0.5, "max_iter": 7}
        assert estimator.get_params(deep=False) == estimator.get_params()
        assert estimator.set_params(l2=1.5) is estimator
        assert estimator.l2 == 1.5

    def test_shows_what_differs_from_the_defaults(self, kind):
        assert repr(kind()) == f"{kind.__name__}()"
        assert repr(kind(l2=0.5)) == f"{kind.__name__}(l2=0.5)"

    def test_says_that_there_is_no_optimum(self):
        x = np.arange(20.0).reshape(-1, 1)
        message = r"LogisticRegression has no finite optimum.* set l2 above 0, or raise max_iter"
        with pytest.warns(ConvergenceWarning, match=message) as caught:
            LogisticRegression().fit(x, x[:, 0] > 9)
        assert caught[0].filename == __file__

    def test_says_that_the_steps_ran_out(self, kind, records):
        with pytest.warns(ConvergenceWarning, match="in 1 of max_iter = 1 steps"):
            kind(max_iter=1).fit(*[part[:60] for part in records])


class TestScore:
    def test_agrees_with_scikit_learn(self, kind, draw):
        x, _, y = draw(FAMILIES[kind], 62, m=200)
        m, l2 = 150, 0.02
        peer = {
            LinearRegression: linear_model.Ridge(alpha=l2 * m),
            PoissonRegression: linear_model.PoissonRegressor(alpha=l2, tol=1e-10),
        }.get(kind, linear_model.LogisticRegression(C=1 / (l2 * m), tol=1e-10))
        ours = kind(l2=l2).fit(x[:m], y[:m])
        theirs = peer.fit(x[:m], y[:m])
        assert ours.score(x[m:], y[m:]) == pytest.approx(theirs.score(x[m:], y[m:]), rel=1e-6)
        np.testing.assert_allclose(ours.predict(x[m:]), theirs.predict(x[m:]), rtol=1e-5)
        if kind in CLASSIFIERS:
            np.testing.assert_allclose(
                ours.predict_proba(x[m:]), theirs.predict_proba(x[m:]), rtol=1e-5
            )
            np.testing.assert_allclose(
                ours.decision_function(x[m:]), theirs.decision_function(x[m:]), rtol=1e-4, atol=1e-6
            )

    @pytest.mark.parametrize("kind", [LinearRegression, PoissonRegression])
    def test_of_a_constant_target(self, kind, records):
        x, y = records
        model = GeneralisedLinearModel(family=FAMILIES[kind], n_features=3)
        perfect = kind.from_parameters(model, model.init())
        value = float(perfect.predict(x)[0])
        assert perfect.score(x, np.full(len(x), value)) == 1
        assert kind().fit(x, y).score(x, np.full(len(x), value)) == 0

    def test_refuses_other_lengths(self, fitted, records):
        x, y = records
        with pytest.raises(DataError, match=r"90 records|shape \(89,\)"):
            fitted.score(x, y[:-1])


class TestFrames:
    def test_names_are_remembered(self, kind, records):
        x, y = records
        frame = pd.DataFrame(x, columns=["age", "income", "debt"])
        estimator = kind(l2=0.01).fit(frame, pd.Series(y))
        assert estimator.feature_names_in_.tolist() == ["age", "income", "debt"]
        plain = kind(l2=0.01).fit(x, y)
        assert np.array_equal(estimator.coef_, plain.coef_)
        assert np.array_equal(estimator.predict(frame), plain.predict(x))
        assert np.array_equal(estimator.predict(x), plain.predict(x))
        assert np.array_equal(plain.predict(frame), plain.predict(x))

    def test_columns_in_another_order_are_refused(self, kind, records):
        x, y = records
        frame = pd.DataFrame(x, columns=["age", "income", "debt"])
        estimator = kind(l2=0.01).fit(frame, y)
        with pytest.raises(DataError, match="column 0 of X is 'debt'; when fitted it was 'age'"):
            estimator.predict(frame[["debt", "age", "income"]])

    def test_names_are_forgotten_with_the_next_fit(self, kind, records):
        x, y = records
        frame = pd.DataFrame(x, columns=["age", "income", "debt"])
        assert not hasattr(kind(l2=0.01).fit(frame, y).fit(x, y), "feature_names_in_")

    def test_numbered_columns_are_no_names(self, kind, records):
        x, y = records
        assert not hasattr(kind(l2=0.01).fit(pd.DataFrame(x), y), "feature_names_in_")

    def test_a_missing_value_is_named(self, kind, records):
        x, y = records
        frame = pd.DataFrame(x, columns=["age", "income", "debt"])
        frame.loc[5, "income"] = np.nan
        with pytest.raises(
            DataError, match="x has a value out of range in record 5, feature 'income'"
        ):
            kind().fit(frame, y)

    def test_mixed_numeric_columns(self):
        frame = pd.DataFrame(
            {
                "flag": [True, False, True, False, True],
                "count": pd.array([3, 1, 2, 5, 4], dtype="Int64"),
                "rate": np.array([0.5, 1.5, 2.5, 0.0, 1.0], np.float32),
            }
        )
        estimator = LinearRegression().fit(frame, [1, 2, 3, 4, 5.5])
        assert estimator.n_features_in_ == 3

    def test_text_is_refused(self):
        frame = pd.DataFrame({"age": [1.0, 2.0], "city": ["Bern", "Basel"]})
        with pytest.raises(DataError, match="x holds"):
            LinearRegression().fit(frame, [1, 2])


class TestClasses:
    @pytest.mark.parametrize(
        "names",
        [["no", "yes"], [False, True], [-1, 1], [0.0, 1.0], np.array(["a", "b"], object)],
        ids=str,
    )
    def test_keep_their_names(self, draw, names):
        x, _, y = draw(Bernoulli(), 63)
        named = np.asarray(names)[y]
        for kind in CLASSIFIERS:
            estimator = kind(l2=0.01).fit(x, named)
            assert estimator.classes_.tolist() == list(names)
            assert estimator.classes_.dtype == named.dtype
            assert set(estimator.predict(x).tolist()) <= set(names)
            assert estimator.score(x, named) == pytest.approx(kind(l2=0.01).fit(x, y).score(x, y))

    def test_a_text_series_of_pandas(self, draw):
        x, _, y = draw(Bernoulli(), 63)
        named = pd.Series(np.array(["no", "yes"])[y])
        assert LogisticRegression().fit(x, named).classes_.tolist() == ["no", "yes"]
        assert LogisticRegression().fit(x, named.astype("category")).classes_.tolist() == [
            "no",
            "yes",
        ]

    def test_probabilities_add_up_to_one(self, draw):
        for kind in CLASSIFIERS:
            x, _, y = draw(FAMILIES[kind], 64)
            estimator = kind(l2=0.01).fit(x, y)
            probability = estimator.predict_proba(x)
            assert probability.shape == (len(x), len(estimator.classes_))
            np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-14)
            assert np.array_equal(
                estimator.classes_[probability.argmax(axis=1)], estimator.predict(x)
            )

    def test_softmax_of_two_classes_is_logistic_with_twice_the_penalty(self, draw):
        # Its two rows ±w/2 have half the squared length of w.
        x, _, y = draw(Bernoulli(), 65)
        softmax = SoftmaxRegression(l2=0.02).fit(x, y)
        logistic = LogisticRegression(l2=0.01).fit(x, y)
        np.testing.assert_allclose(softmax.predict_proba(x), logistic.predict_proba(x), rtol=1e-9)
        np.testing.assert_allclose(
            softmax.decision_function(x), logistic.decision_function(x), rtol=1e-9
        )

    @pytest.mark.parametrize(
        ("kind", "y", "message"),
        [
            (LogisticRegression, ["a"] * 4, r"y holds 1 class \(\['a'\]\); at least 2"),
            (SoftmaxRegression, [3, 3, 3, 3], r"y holds 1 class \(\[3\]\); at least 2"),
            (LogisticRegression, [0, 1, 2, 0], "y holds 3 classes.*: use SoftmaxRegression"),
            (
                LogisticRegression,
                [0, 1, 0.5, 0],
                "Unknown label type: the number in record 2 is not a class",
            ),
            (
                SoftmaxRegression,
                [0, 1, np.nan, 0],
                "Unknown label type: the number in record 2 is not a class",
            ),
            (
                SoftmaxRegression,
                [0, 1, np.inf, 0],
                "Unknown label type: the number in record 2 is not a class",
            ),
            (
                SoftmaxRegression,
                np.array(["a", "b", None, "a"], object),
                "y is missing in record 2",
            ),
            (SoftmaxRegression, np.array([0, 1, "a", 0], object), "cannot be compared"),
            (SoftmaxRegression, np.array([0, 1, np.nan, 0], object), "y is missing in record 2"),
            (SoftmaxRegression, pd.Series(["a", "b", None, "a"]), "y is missing in record 2"),
            (SoftmaxRegression, np.array([0, 1, pd.NA, 0], object), "cannot be compared"),
            (SoftmaxRegression, [["a"], ["b"], ["a"], ["b"]], r"y of shape \(4, 1\)"),
        ],
    )
    def test_refuses_labels(self, kind, y, message):
        with pytest.raises(DataError, match=message):
            kind().fit(np.eye(4), y)


class TestFromParameters:
    def test_is_as_if_fitted(self, fitted, records):
        x, y = records
        estimator = type(fitted).from_parameters(fitted.model_, fitted.parameters_)
        assert np.array_equal(estimator.coef_, fitted.coef_)
        assert np.array_equal(estimator.intercept_, fitted.intercept_)
        assert np.array_equal(estimator.predict(x), fitted.predict(x))
        assert estimator.score(x, y) == fitted.score(x, y)
        assert estimator.l2 == 0.01

    def test_keeps_its_own_copy(self, fitted, records):
        vector = fitted.parameters_.copy()
        estimator = type(fitted).from_parameters(fitted.model_, vector)
        before = estimator.predict(records[0])
        vector[:] = 7
        assert np.array_equal(estimator.predict(records[0]), before)

    def test_names_classes_and_features(self):
        model = GeneralisedLinearModel(family=Bernoulli(), n_features=2)
        estimator = LogisticRegression.from_parameters(
            model, np.array([1.0, 0.0, 0.0]), classes=["no", "yes"], feature_names=["age", "debt"]
        )
        frame = pd.DataFrame({"age": [-1.0, 1.0], "debt": [0.0, 0.0]})
        assert estimator.predict(frame).tolist() == ["no", "yes"]
        with pytest.raises(DataError, match="column 0 of X is 'debt'; when fitted it was 'age'"):
            estimator.predict(frame[["debt", "age"]])

    @pytest.mark.parametrize(
        ("kind", "family", "options", "error", "message"),
        [
            (LinearRegression, Poisson(), {}, PlanError, "a poisson model for LinearRegression"),
            (
                LogisticRegression,
                Categorical(n_classes=2),
                {},
                PlanError,
                "a categorical model for LogisticRegression, which takes the family bernoulli",
            ),
            (SoftmaxRegression, Bernoulli(), {}, PlanError, "a bernoulli model for Softmax"),
            (
                LogisticRegression,
                Bernoulli(),
                {"classes": ["a", "b", "c"]},
                DataError,
                "the model has 2 classes: name each once",
            ),
            (
                LogisticRegression,
                Bernoulli(),
                {"classes": ["a", "a"]},
                DataError,
                "the model has 2 classes: name each once",
            ),
            (PoissonRegression, Poisson(), {"classes": [0, 1]}, DataError, "predicts a number"),
            (
                PoissonRegression,
                Poisson(),
                {"feature_names": ["a"]},
                DataError,
                "1 feature names; the model takes 2",
            ),
        ],
    )
    def test_refuses(self, kind, family, options, error, message):
        model = GeneralisedLinearModel(family=family, n_features=2)
        with pytest.raises(error, match=message):
            kind.from_parameters(model, model.init(), **options)

    def test_refuses_parameters_that_are_none(self, kind):
        model = GeneralisedLinearModel(family=FAMILIES[kind], n_features=2)
        with pytest.raises(DataError, match="parameters of shape"):
            kind.from_parameters(model, np.zeros(2))
        with pytest.raises(DataError, match="parameter 0 is out of range"):
            kind.from_parameters(model, model.init() * np.nan)


class TestErrors:
    def test_not_fitted(self, kind, records):
        x, y = records
        for call in (lambda: kind().predict(x), lambda: kind().score(x, y)):
            with pytest.raises(NotFittedError, match=rf"this {kind.__name__} is not fitted; call"):
                call()
        if kind in CLASSIFIERS:
            for name in ("predict_proba", "decision_function"):
                with pytest.raises(NotFittedError, match="is not fitted"):
                    getattr(kind(), name)(x)

    def test_a_refused_fit_leaves_it_not_fitted(self, kind, records):
        x, y = records
        estimator = kind()
        with pytest.raises(DataError):
            estimator.fit(x * np.nan, y)
        with pytest.raises(NotFittedError):
            estimator.predict(x)

    def test_another_number_of_features(self, fitted, records):
        x, _ = records
        with pytest.raises(DataError, match=r"X has 2 features, but .* is expecting 3 features"):
            fitted.predict(x[:, :2])

    def test_a_missing_value_in_what_is_predicted(self, fitted, records):
        x = records[0].copy()
        x[4, 1] = np.nan
        with pytest.raises(DataError, match="x has a value out of range in record 4, feature 1"):
            fitted.predict(x)

    def test_no_target(self, kind, records):
        with pytest.raises(DataError, match="requires y to be passed, but the target y is None"):
            kind().fit(records[0], None)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"l2": -1}, "l2 is -1; it is finite and at least 0"),
            ({"max_iter": 0}, "max_iter is 0; at least 1"),
        ],
    )
    def test_parameters_are_checked_when_fitted(self, kind, records, options, message):
        with pytest.raises(PlanError, match=message):
            kind(**options).fit(*records)

    def test_an_unknown_parameter(self, kind):
        message = f"{kind.__name__} has no parameter 'C'; it has fit_intercept, l2, max_iter"
        with pytest.raises(PlanError, match=message):
            kind().set_params(C=1.0)

    def test_every_error_is_ours_and_a_value_error(self):
        for error in (DataError, NotFittedError, PlanError):
            assert issubclass(error, ConfideError)
            assert issubclass(error, ValueError)


class TestScikitLearn:
    def test_clones(self, fitted):
        copy = clone(fitted)
        assert copy.get_params() == fitted.get_params()
        assert not hasattr(copy, "coef_")

    def test_knows_what_it_is(self, kind):
        assert is_classifier(kind()) == (kind in CLASSIFIERS)
        assert is_regressor(kind()) == (kind not in CLASSIFIERS)

    def test_cross_validates_arrays_and_frames(self, kind, records):
        x, y = records
        scores = cross_val_score(kind(l2=0.01), x, y)
        assert scores.shape == (5,)
        frame = pd.DataFrame(x, columns=list("abc"))
        np.testing.assert_allclose(cross_val_score(kind(l2=0.01), frame, y), scores, rtol=1e-9)

    def test_searches_for_its_penalty_in_a_pipeline(self, kind, records):
        x, y = records
        name = kind.__name__.lower()
        search = GridSearchCV(
            make_pipeline(StandardScaler(), kind()), {f"{name}__l2": [0.01, 1000.0]}, cv=3
        )
        assert search.fit(x, y).best_params_[f"{name}__l2"] == 0.01

    def test_is_scored_by_area_under_the_curve(self, draw):
        x, _, y = draw(Bernoulli(), 66)
        scores = cross_val_score(LogisticRegression(l2=0.01), x, y, scoring="roc_auc")
        assert np.isfinite(scores).all()
