"""The least noise: certified from above, and not much more than the least."""

import math

import dp_accounting as dp
import pytest
from dp_accounting import dp_event

from confide.errors import PlanError
from confide.plan import Relation
from confide.privacy.accounting import calibrate, noise_multiplier, profile_of

ADD, REPLACE = Relation.ADD_OR_REMOVE_ONE, Relation.REPLACE_ONE


def sampled(rate, multiplier, steps):
    once = dp.PoissonSampledDpEvent(rate, dp.GaussianDpEvent(multiplier))
    return dp.SelfComposedDpEvent(once, steps)


@pytest.mark.parametrize("relation", [ADD, REPLACE])
@pytest.mark.parametrize(
    ("epsilon", "delta", "rate", "steps"),
    [
        (1.0, 1e-5, 0.01, 10_000),
        (0.1, 1e-6, 0.001, 500),
        (8.0, 1e-7, 0.1, 200),
        (3.0, 1e-5, 0.5, 1),
        (30.0, 1e-5, 0.02, 30),
        (0.01, 1e-4, 0.2, 3),
    ],
)
def test_is_certified_and_the_least(epsilon, delta, rate, steps, relation):
    found = noise_multiplier(
        epsilon=epsilon, delta=delta, rate=rate, steps=steps, relation=relation
    )
    assert profile_of(sampled(rate, found, steps), relation).epsilon(delta) <= epsilon
    less = profile_of(sampled(rate, found * 0.999, steps), relation).epsilon(delta)
    assert less > epsilon * (1 - 1e-4)


@pytest.mark.parametrize(
    "event",
    [
        dp.LaplaceDpEvent,
        lambda z: dp.SelfComposedDpEvent(dp.LaplaceDpEvent(z), 20),
        lambda z: dp.PoissonSampledDpEvent(0.1, dp.LaplaceDpEvent(z)),
        lambda z: dp.ZCDpEvent(1 / z**2),
        lambda z: dp.SingleEpochTreeAggregationDpEvent(z, 1000),
        lambda z: dp.ComposedDpEvent([dp.GaussianDpEvent(z), dp.GaussianDpEvent(9.0)]),
        lambda z: dp.ComposedDpEvent([dp.GaussianDpEvent(z), dp.LaplaceDpEvent(9.0)]),
        lambda z: dp.ComposedDpEvent([sampled(0.1, z, 10), dp.GaussianDpEvent(2 * z)]),
        lambda z: dp_event.MixtureOfGaussiansDpEvent(z, [0.0, 1.0, 2.0], [0.5, 0.25, 0.25]),
    ],
)
def test_of_any_event(event):
    found = calibrate(event, epsilon=1.5, delta=1e-6)
    assert profile_of(event(found)).epsilon(1e-6) <= 1.5
    assert profile_of(event(0.99 * found)).epsilon(1e-6) > 1.5 * (1 - 1e-3)


def test_of_compositions_of_gaussians_is_in_closed_form():
    one = noise_multiplier(epsilon=1.0, delta=1e-6)
    assert noise_multiplier(epsilon=1.0, delta=1e-6, steps=9) == pytest.approx(3 * one, rel=1e-11)
    assert one == pytest.approx(4.224679, abs=1e-6)


def test_replaced_units_take_more_noise():
    more = noise_multiplier(epsilon=1.0, delta=1e-6, rate=0.05, steps=50, relation=REPLACE)
    assert more > 1.2 * noise_multiplier(epsilon=1.0, delta=1e-6, rate=0.05, steps=50)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.nan, math.inf])
def test_an_epsilon_out_of_range(epsilon):
    with pytest.raises(PlanError, match="epsilon"):
        noise_multiplier(epsilon=epsilon, delta=1e-5, rate=0.1, steps=10)


@pytest.mark.parametrize("delta", [0.0, -1e-5, 1.0, 1.5, math.nan])
def test_a_delta_out_of_range(delta):
    with pytest.raises(PlanError, match="delta"):
        noise_multiplier(epsilon=1.0, delta=delta, rate=0.1, steps=10)


def test_a_delta_that_allows_to_publish_one_of_the_units():
    with pytest.raises(PlanError, match="1,000 units"):
        calibrate(dp.GaussianDpEvent, epsilon=1.0, delta=1e-3, units=1000)
    assert calibrate(dp.GaussianDpEvent, epsilon=1.0, delta=9e-4, units=1000) > 0


@pytest.mark.parametrize(("rate", "steps"), [(0.0, 1), (1.1, 1), (math.nan, 1), (0.5, 0)])
def test_a_sampling_out_of_range(rate, steps):
    with pytest.raises(PlanError, match=r"rate|steps"):
        noise_multiplier(epsilon=1.0, delta=1e-5, rate=rate, steps=steps)


def test_what_no_noise_can_keep():
    with pytest.raises(PlanError, match="no noise"):
        calibrate(
            lambda z: dp.ComposedDpEvent([sampled(0.1, z, 3), dp.GaussianDpEvent(1.0)]),
            epsilon=1.0,
            delta=1e-6,
        )


def test_an_event_that_is_unknown():
    with pytest.raises(PlanError, match="Unsupported"):
        calibrate(lambda _: dp.UnsupportedDpEvent(), epsilon=1.0, delta=1e-6)
