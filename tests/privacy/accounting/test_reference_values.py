"""Published values, and those that three libraries agree on."""

import math

import dp_accounting as dp
import pytest
from dp_accounting import dp_event

from confide.plan import Relation
from confide.privacy.accounting import (
    PrivacyStatement,
    calibrate,
    noise_multiplier,
    profile_of,
    rdp_curve,
    rdp_to_epsilon,
)

ORDERS = [1 + x / 10 for x in range(1, 100)] + [float(x) for x in range(11, 64)] + [128.0, 256.0]
DELTA = 1e-5


def sampled(rate, multiplier, steps):
    once = dp.PoissonSampledDpEvent(rate, dp.GaussianDpEvent(multiplier))
    return dp.SelfComposedDpEvent(once, steps)


@pytest.mark.parametrize(
    ("event", "delta", "epsilon", "renyi"),
    [
        (sampled(0.01, 1.1, 10_000), DELTA, 5.1926, 5.6320),
        (sampled(0.01, 1.1, 1000), DELTA, 1.5154, 1.7118),
        (sampled(0.04, 1.5, 2250), DELTA, 6.7688, 7.32911117143),
        (sampled(0.01, 4.0, 10_000), DELTA, 0.9470, 1.0355),
        (sampled(256 / 60_000, 1.1, 60 * 60_000 // 256), DELTA, 2.382, 2.597),
    ],
    ids=["T=10000", "T=1000", "opacus", "little", "mnist"],
)
def test_sampled_gaussians(event, delta, epsilon, renyi):
    assert profile_of(event).epsilon(delta) == pytest.approx(epsilon, rel=2e-4)
    curve = rdp_curve(event, ORDERS, Relation.ADD_OR_REMOVE_ONE)
    assert rdp_to_epsilon(ORDERS, curve, delta) == pytest.approx(renyi, rel=2e-3)


def test_lies_in_the_interval_that_prv_certifies_and_above_the_clt():
    found = profile_of(sampled(0.01, 1.1, 10_000)).epsilon(DELTA)
    assert 5.1823 < found < 5.2029
    assert found > 5.0647  # what a central limit theorem says, which is too little


def test_replaced_units_lose_more():
    event = sampled(0.01, 1.1, 1000)
    found = profile_of(event, Relation.REPLACE_ONE).epsilon(DELTA)
    assert found == pytest.approx(2.4778, rel=2e-4)


def test_what_an_attacker_finds():
    profile = profile_of(sampled(0.01, 1.1, 1000))
    found = [profile.tpr(rate) for rate in (0.001, 0.01, 0.1)]
    assert found == pytest.approx([0.00336, 0.02535, 0.17912], abs=1e-5)
    assert profile.delta(0.0) == pytest.approx(0.14032, abs=1e-5)
    assert profile.delta(0.0) == pytest.approx(0.14032, abs=1e-5)


@pytest.mark.parametrize(
    ("epsilon", "delta", "multiplier"),
    [
        (1.0, 1e-5, 3.730632),
        (0.1, 1e-5, 30.749566),
        (0.5, 1e-5, 7.031827),
        (8.0, 1e-5, 0.600229),
        (1.0, 1e-6, 4.224679),
    ],
)
def test_the_analytic_gaussian(epsilon, delta, multiplier):
    found = calibrate(dp.GaussianDpEvent, epsilon=epsilon, delta=delta)
    assert found == pytest.approx(multiplier, abs=1e-6)
    classical = math.sqrt(2 * math.log(1.25 / delta)) / epsilon
    assert found < classical
    if (epsilon, delta) == (1.0, 1e-5):
        assert classical == pytest.approx(4.844805, abs=1e-6)


def test_three_gaussians():
    event = dp.SelfComposedDpEvent(dp.GaussianDpEvent(math.sqrt(3)), 3)
    profile = profile_of(event)
    assert profile.delta(1.0) == pytest.approx(0.126936, abs=1e-6)
    assert profile.tpr(0.1) == pytest.approx(0.38914, abs=1e-5)
    assert PrivacyStatement.of_event(event, delta=DELTA).mu == pytest.approx(1.0, rel=1e-12)


def test_three_sampled_gaussians():
    profile = profile_of(sampled(0.2, 0.5, 3))
    assert profile.delta(1.0) == pytest.approx(0.15594, abs=2e-5)
    assert profile.epsilon(0.15594) == pytest.approx(1.0, abs=1e-3)


def test_sampled_laplace_is_pure():
    once = dp.PoissonSampledDpEvent(0.2, dp.LaplaceDpEvent(0.5))
    profile = profile_of(dp.SelfComposedDpEvent(once, 3))
    assert profile.epsilon(1e-14) == pytest.approx(2.46964, abs=1e-5)
    assert profile.delta(2.46965) == 0


def test_batches_that_are_cut_off():
    event = dp.ComposedDpEvent([
        dp.SelfComposedDpEvent(dp.TruncatedSubsampledGaussianDpEvent(4, 0.5, 2, 1.0), 3),
        dp.SelfComposedDpEvent(dp.TruncatedSubsampledGaussianDpEvent(3, 0.5, 2, 1.0), 2),
    ])  # fmt: skip
    profile = profile_of(event)
    assert profile.epsilon(1e-6) == pytest.approx(17.904330, abs=1e-5)
    assert profile.delta(17.904330) == pytest.approx(1e-6, rel=1e-4)


def test_mixtures_of_gaussians():
    first = dp_event.MixtureOfGaussiansDpEvent(1.0, [0.0, 1.0, 2.0], [0.2, 0.6, 0.2])
    second = dp_event.MixtureOfGaussiansDpEvent(2.0, [0.0, 2.0, 3.0], [0.33, 0.34, 0.33])
    event = dp.ComposedDpEvent([
        dp.SelfComposedDpEvent(first, 3),
        dp.SelfComposedDpEvent(second, 2),
    ])  # fmt: skip
    assert profile_of(event).epsilon(1e-6) == pytest.approx(17.193115, abs=1e-5)


@pytest.mark.parametrize(("multiplier", "below"), [(1.13, 19.74), (8.83, 2.04)])
def test_tree_aggregation(multiplier, below):
    tree = dp.SingleEpochTreeAggregationDpEvent(multiplier, 1600)
    found = profile_of(tree).epsilon(1e-6)
    # Eleven nodes hold a step, so it is one Gaussian of that much less noise.
    same = profile_of(dp.GaussianDpEvent(multiplier / math.sqrt(11))).epsilon(1e-6)
    assert found == pytest.approx(same, rel=1e-9)
    assert found < below
    curve = rdp_curve(tree, ORDERS, Relation.ADD_OR_REMOVE_ONE)
    assert found < rdp_to_epsilon(ORDERS, curve, 1e-6) < below


def test_concentrated_privacy_and_its_exact_gaussian():
    assert profile_of(dp.ZCDpEvent(0.5)).epsilon(DELTA) == pytest.approx(4.7284, abs=1e-4)
    bun_steinke = 0.5 + 2 * math.sqrt(0.5 * math.log(1 / DELTA))
    assert bun_steinke == pytest.approx(5.2985, abs=1e-4)
    assert profile_of(dp.GaussianDpEvent(1.0)).epsilon(DELTA) == pytest.approx(4.3772, abs=1e-4)


def test_a_hundred_laplaces():
    profile = profile_of(dp.SelfComposedDpEvent(dp.LaplaceDpEvent(10.0), 100))
    assert profile.epsilon(1e-6) == pytest.approx(4.6927, abs=1e-4)
    assert profile.epsilon(1e-300) == pytest.approx(10.0, rel=1e-9)


def test_secret_poisson_sampling_at_little_noise():
    found = profile_of(sampled(1e-4, 0.5, 10_000)).epsilon(1e-6)
    assert found == pytest.approx(1.953, abs=1e-3)
    # A shuffled epoch is no Poisson sample: at least 10.994, so it must not be called one.
    assert profile_of(dp.GaussianDpEvent(0.5)).epsilon(1e-6) > 10.994


def test_calibration_inverts():
    found = noise_multiplier(epsilon=5.1926, delta=DELTA, rate=0.01, steps=10_000)
    assert found == pytest.approx(1.1, rel=1e-4)
    assert profile_of(sampled(0.01, found, 10_000)).epsilon(DELTA) <= 5.1926
