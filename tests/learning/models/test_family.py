import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from confide.errors import DataError, PlanError
from confide.learning.models.families import Bernoulli, Categorical, Gaussian, Poisson

EXTREMES = np.array([-1e100, -1e5, -800.0, -40.0, 0.0, 40.0, 101.0, 800.0, 1e5, 1e100])


def likely_targets(family, records):
    values = {"gaussian": [0.0, -3.5, 1e6], "poisson": [0.0, 1.0, 2.5, 1e6]}
    known = values.get(family.name, np.arange(max(2, family.n_outputs)))
    return np.resize(known, records)


def columns(family, eta):
    """η for the last output, zero for the others."""
    wide = np.zeros((len(eta), family.n_outputs))
    wide[:, -1] = eta
    return wide


class TestEveryFamily:
    def test_extreme_predictors_give_finite_values_without_a_warning(self, family):
        for y in np.unique(likely_targets(family, 4)):
            encoded = family.encode(np.full(len(EXTREMES), y))
            eta = columns(family, EXTREMES)
            mean = family.inverse_link(eta)
            assert np.isfinite(mean).all()
            assert np.isfinite(family.half_deviance(eta, encoded)).all()
            assert np.isfinite(family.covariance(mean)).all()

    def test_the_mean_less_the_target_is_the_derivative_of_the_loss(self, family):
        step = 1e-6
        rng = np.random.default_rng(1)
        eta = rng.normal(size=(6, family.n_outputs))
        y = family.encode(likely_targets(family, 6) % 7)
        for output in range(family.n_outputs):
            nudge = step * np.eye(family.n_outputs)[output]
            rise = family.half_deviance(eta + nudge, y) - family.half_deviance(eta - nudge, y)
            expected = (family.inverse_link(eta) - y)[:, output]
            np.testing.assert_allclose(rise / (2 * step), expected, atol=1e-7)

    def test_the_covariance_is_the_derivative_of_the_mean(self, family):
        step = 1e-6
        eta = np.random.default_rng(2).normal(size=(6, family.n_outputs))
        covariance = family.covariance(family.inverse_link(eta))
        for output in range(family.n_outputs):
            nudge = step * np.eye(family.n_outputs)[output]
            rise = family.inverse_link(eta + nudge) - family.inverse_link(eta - nudge)
            np.testing.assert_allclose(rise / (2 * step), covariance[:, output], atol=1e-8)

    def test_the_link_undoes_its_inverse(self, family):
        eta = np.random.default_rng(3).normal(size=(6, family.n_outputs))
        mean = family.inverse_link(eta)
        np.testing.assert_allclose(family.inverse_link(family.link(mean)), mean, rtol=1e-12)

    def test_the_link_of_an_impossible_mean_is_finite(self, family):
        for mean in (0.0, 1.0):
            assert np.isfinite(family.link(np.full(family.n_outputs, mean))).all()

    def test_a_perfect_fit_costs_nothing(self, family):
        y = family.encode(likely_targets(family, 6))
        loss = family.half_deviance(family.link(y), y)
        np.testing.assert_allclose(loss / (1 + y.max()), 0, atol=1e-8)

    @pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf, 1e101])
    def test_refuses_a_missing_target(self, family, missing):
        with pytest.raises(
            DataError, match="a target out of range in record 1; targets are finite"
        ):
            family.encode([0, missing, 1])

    def test_refuses_a_column_vector(self, family):
        with pytest.raises(DataError, match=r"y of shape \(2, 1\); it must be \(records,\)"):
            family.encode([[0], [1]])

    def test_refuses_text(self, family):
        with pytest.raises(DataError, match="y holds values of type str"):
            family.encode(["0", "1"])

    def test_takes_no_targets(self, family):
        assert family.encode([]).shape == (0, family.n_outputs)


class TestOracle:
    """The loss differs from scipy's negative log-likelihood by what does not depend on η."""

    @staticmethod
    def check(family, targets, log_likelihood):
        eta = np.linspace(-4, 4, 9)
        for y in targets:
            loss = family.half_deviance(eta[:, np.newaxis], family.encode(np.full(9, y)))
            difference = loss + log_likelihood(y, eta)
            np.testing.assert_allclose(difference, difference[0], rtol=1e-12, atol=1e-12)

    def test_gaussian(self):
        self.check(Gaussian(), [-2.0, 0.0, 7.5], stats.norm.logpdf)

    def test_bernoulli(self):
        self.check(
            Bernoulli(), [0, 1], lambda y, e: stats.bernoulli.logpmf(y, 1 / (1 + np.exp(-e)))
        )

    def test_poisson(self):
        self.check(Poisson(), [0, 1, 17], lambda y, e: stats.poisson.logpmf(y, np.exp(e)))

    def test_categorical(self):
        eta = np.random.default_rng(4).normal(size=(9, 3))
        y = np.arange(9) % 3
        p = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
        family = Categorical(n_classes=3)
        expected = -np.log(p[np.arange(9), y])
        np.testing.assert_allclose(
            family.half_deviance(eta, family.encode(y)), expected, rtol=1e-12
        )


def test_bernoulli_is_a_softmax_of_zero_and_eta():
    eta = np.linspace(-30, 30, 13)
    binary, softmax = Bernoulli(), Categorical(n_classes=2)
    y = np.arange(13) % 2
    wide = columns(softmax, eta)
    np.testing.assert_allclose(
        binary.half_deviance(eta[:, np.newaxis], binary.encode(y)),
        softmax.half_deviance(wide, softmax.encode(y)),
        atol=1e-14,
    )
    np.testing.assert_allclose(
        binary.inverse_link(eta[:, np.newaxis])[:, 0], softmax.inverse_link(wide)[:, 1], rtol=1e-14
    )


def test_small_probabilities_and_losses_keep_their_digits():
    eta = np.array([[-700.0]])
    tiny = pytest.approx(np.exp(-700), rel=1e-12, abs=0)
    assert Bernoulli().inverse_link(eta)[0, 0] == tiny
    assert Bernoulli().half_deviance(-eta, np.ones((1, 1)))[0] == tiny


@given(st.integers(0, 40), st.floats(-30, 30))
def test_a_common_shift_changes_no_probability(seed, shift):
    eta = np.random.default_rng(seed).normal(size=(5, 4))
    family = Categorical(n_classes=4)
    np.testing.assert_allclose(
        family.inverse_link(eta + shift), family.inverse_link(eta), rtol=1e-11
    )


@given(eta=st.floats(-1e6, 1e6), later=st.floats(-1e6, 1e6), count=st.integers(0, 1000))
def test_the_saturated_poisson_loss_stays_convex(eta, later, count):
    family = Poisson()
    points = np.array([[eta], [(eta + later) / 2], [later]])
    left, middle, right = family.half_deviance(points, np.full((3, 1), float(count)))
    assert middle <= (left + right) / 2 * (1 + 1e-9) + 1e-6


def test_poisson_saturates_as_its_tangent():
    family, y = Poisson(), np.zeros((2, 1))
    assert family.inverse_link(np.array([[1e6]])) == np.exp(100)
    below, above = family.half_deviance(np.array([[100.0], [103.0]]), y)
    assert above - below == pytest.approx(3 * np.exp(100))


@pytest.mark.parametrize(
    ("family", "target", "message"),
    [
        (Bernoulli(), 2, "a target out of range in record 2; a binary target is 0 or 1"),
        (Bernoulli(), 0.5, "a target out of range in record 2; a binary target is 0 or 1"),
        (Bernoulli(), -1, "a target out of range in record 2; a binary target is 0 or 1"),
        (Categorical(n_classes=3), 3, "a target out of range in record 2; classes are .* 0 to 2"),
        (Categorical(n_classes=3), 0.5, "a target out of range in record 2; classes are .* 0 to 2"),
        (Categorical(n_classes=3), -1, "a target out of range in record 2; classes are .* 0 to 2"),
        (Poisson(), -1, "a target out of range in record 2; a count is at least 0"),
    ],
)
def test_refuses_a_target_out_of_range(family, target, message):
    with pytest.raises(DataError, match=message):
        family.encode([0, 1, target])


def test_does_not_say_what_a_refused_target_is():
    with pytest.raises(DataError) as refusal:
        Bernoulli().encode([0, 987654])
    assert "987654" not in str(refusal.value)


def test_encodes():
    assert Gaussian().encode([1, -2.5]).tolist() == [[1], [-2.5]]
    assert Bernoulli().encode([True, False]).tolist() == [[1], [0]]
    assert Poisson().encode([0, 2.5]).tolist() == [[0], [2.5]]
    assert Categorical(n_classes=3).encode([2, 0]).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_one_class_is_no_classification():
    with pytest.raises(PlanError, match="n_classes is 1; at least 2"):
        Categorical(n_classes=1)


def test_families_are_values():
    assert Poisson() == Poisson()
    assert Categorical(n_classes=3) == Categorical(n_classes=3) != Categorical(n_classes=4)
    assert len({Gaussian(), Gaussian(), Bernoulli()}) == 2
