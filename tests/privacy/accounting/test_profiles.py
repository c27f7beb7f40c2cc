"""Profiles against exact formulas, a second library, and what must hold of any."""

import itertools
import math

import dp_accounting as dp
import mpmath
import numpy as np
import pytest
from dp_accounting import dp_event
from dp_accounting.pld import privacy_loss_distribution as library
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from confide.errors import PlanError
from confide.plan import Relation
from confide.privacy.accounting import profile_of
from confide.privacy.accounting.mixtures import MixedGaussian
from confide.privacy.accounting.pairs import PureResponse, SampledGaussian

ADD, REPLACE = Relation.ADD_OR_REMOVE_ONE, Relation.REPLACE_ONE
DELTAS = [0.1, 1e-3, 1e-6, 1e-10, 1e-15]


def sampled(rate, multiplier, steps=1):
    once = dp.PoissonSampledDpEvent(rate, dp.GaussianDpEvent(multiplier))
    return dp.SelfComposedDpEvent(once, steps)


def exact_delta(rate, multiplier, epsilon, relation):
    """δ(ε) of one sampled Gaussian, to forty digits: the worse direction."""
    with mpmath.workdps(40):
        q, c, e = mpmath.mpf(rate), 1 / mpmath.mpf(multiplier), mpmath.mpf(epsilon)
        zero, up, down = [(1, 0)], [(1 - q, 0), (q, c)], [(1 - q, 0), (q, -c)]
        pairs = [(up, down)] if relation is REPLACE else [(up, zero), (zero, down)]
        return float(max(_hockey_stick(upper, lower, e) for upper, lower in pairs))


def _hockey_stick(upper, lower, epsilon):
    def density(mixture, x):
        return mpmath.fsum(w * mpmath.exp(c * x - c * c / 2) for w, c in mixture)

    def loss(x):
        return mpmath.log(density(upper, x)) - mpmath.log(density(lower, x))

    low, high = mpmath.mpf(-200), mpmath.mpf(200)
    if loss(high) <= epsilon:
        return mpmath.mpf(0)
    for _ in range(140):
        middle = (low + high) / 2
        low, high = (middle, high) if loss(middle) < epsilon else (low, middle)

    def above(mixture):
        return mpmath.fsum(w * mpmath.ncdf(c - high) for w, c in mixture)

    return above(upper) - mpmath.exp(epsilon) * above(lower)


@pytest.mark.parametrize("relation", [ADD, REPLACE])
@pytest.mark.parametrize("rate", [0.001, 0.1, 0.9])
@pytest.mark.parametrize("multiplier", [0.4, 1.0, 6.0])
def test_one_sampled_gaussian_is_that_of_the_formula(relation, rate, multiplier):
    profile = profile_of(sampled(rate, multiplier), relation)
    for epsilon in (0.0, 0.05, 0.3, 1.0, 2.5, 6.0):
        exact = exact_delta(rate, multiplier, epsilon, relation)
        found = profile.delta(epsilon)
        assert found >= exact * (1 - 1e-9)
        assert found <= exact * 1.01 + 1e-25


@pytest.mark.parametrize("relation", [ADD, REPLACE])
def test_two_sampled_gaussians_are_those_of_the_integral(relation):
    # δ of two runs is the mean over the first run's loss L of δ of one run at ε - L.
    rate, multiplier, epsilon = 0.3, 0.8, 1.2
    centre, x = 1 / multiplier, np.linspace(-14, 16, 400_001)
    up = np.log1p(rate * np.expm1(centre * x - centre**2 / 2))
    down = np.log1p(rate * np.expm1(-centre * x - centre**2 / 2))
    losses = up - down if relation is REPLACE else up
    wanted = epsilon - losses
    at = np.interp(wanted, losses, x, left=-math.inf, right=math.inf)
    upper = (1 - rate) * norm.sf(at) + rate * norm.sf(at - centre)
    lower = norm.sf(at)
    if relation is REPLACE:
        lower = (1 - rate) * norm.sf(at) + rate * norm.sf(at + centre)
    density = (1 - rate) * norm.pdf(x) + rate * norm.pdf(x - centre)
    exact = float(np.trapezoid(density * (upper - np.exp(wanted) * lower), x))
    found = profile_of(sampled(rate, multiplier, 2), relation).delta(epsilon)
    assert exact * (1 - 1e-7) <= found <= exact * (1 + 1e-3)


@pytest.mark.parametrize("delta", [1e-3, 1e-20, 1e-60, 1e-200])
def test_tiny_deltas_stay_honest(delta):
    # 400 unsampled Gaussians, forced through the grid beside one that hardly costs anything.
    grid = dp.ComposedDpEvent([
        dp.SelfComposedDpEvent(dp.GaussianDpEvent(20.0), 400),
        sampled(1e-6, 50.0),
    ])  # fmt: skip
    found, exact = (
        profile_of(grid).epsilon(delta),
        profile_of(dp.GaussianDpEvent(1.0)).epsilon(delta),
    )
    assert found >= exact
    if delta >= 1e-30:
        assert found == pytest.approx(exact, rel=1e-3)
    else:
        # Beyond thirteen deviations no grid claims anything, and a Rényi curve does.
        assert found == pytest.approx(exact, rel=0.1)


@pytest.mark.parametrize(
    ("rate", "multiplier", "steps"),
    [(0.01, 1.1, 1000), (0.2, 0.7, 20), (0.004, 0.6, 300), (0.5, 3.0, 50), (0.999, 4.0, 7)],
)
@pytest.mark.parametrize("relation", [ADD, REPLACE])
def test_lies_between_the_library_s_bounds(rate, multiplier, steps, relation):
    between = dp.NeighboringRelation[relation.name]
    found = profile_of(sampled(rate, multiplier, steps), relation).epsilon(1e-6)
    low, high = (
        library.from_gaussian_mechanism(
            multiplier,
            sampling_prob=rate,
            pessimistic_estimate=pessimistic,
            value_discretization_interval=3e-4,
            use_connect_dots=pessimistic,
            neighboring_relation=between,
        )
        .self_compose(steps)
        .get_epsilon_for_delta(1e-6)
        for pessimistic in (False, True)
    )
    assert low <= found <= high * 1.001


def test_laplace_noise_of_both_kinds():
    event = dp.ComposedDpEvent([
        dp.SelfComposedDpEvent(dp.LaplaceDpEvent(4.0), 30),
        dp_event.DiscreteLaplaceDpEvent(0.1, 7),
        dp.SelfComposedDpEvent(dp.PoissonSampledDpEvent(0.1, dp.LaplaceDpEvent(1.0)), 20),
    ])  # fmt: skip
    oracle = dp.pld.PLDAccountant().compose(event)
    for delta in (1e-2, 1e-6, 1e-9):
        found = profile_of(event).epsilon(delta)
        assert found == pytest.approx(oracle.get_epsilon(delta), rel=1e-3)
    assert profile_of(event, REPLACE) is not None
    assert profile_of(event).epsilon(1e-290) == pytest.approx(
        30 / 4 + 0.7 + 20 * math.log1p(0.1 * math.expm1(1)), rel=1e-9
    )


def test_discrete_laplace_is_exact():
    a, moved, runs, epsilon = 0.3, 3, 3, 1.1
    x = np.arange(-400, 401)
    noise = math.tanh(a / 2) * np.exp(-a * np.abs(x))
    losses = a * (np.abs(x) - np.abs(x - moved))
    upper = math.tanh(a / 2) * np.exp(-a * np.abs(x - moved))
    atoms: dict[int, float] = {}
    for loss, p in zip(np.round(losses / a).astype(int), upper, strict=True):
        atoms[loss] = atoms.get(loss, 0.0) + p
    total = {0: 1.0}
    for _ in range(runs):
        grown: dict[int, float] = {}
        for (one, p), (two, q) in itertools.product(total.items(), atoms.items()):
            grown[one + two] = grown.get(one + two, 0.0) + p * q
        total = grown
    exact = sum(p * max(0.0, -math.expm1(epsilon - a * k)) for k, p in total.items())
    event = dp.SelfComposedDpEvent(dp_event.DiscreteLaplaceDpEvent(a, moved), runs)
    found = profile_of(event).delta(epsilon)
    assert exact * (1 - 1e-9) <= found <= exact * (1 + 1e-3)
    assert noise.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(("noise", "buckets"), [(0.3, 2), (0.9, 4), (2 / (1 + math.e**0.2), 2)])
def test_randomised_response_counts_every_run(noise, buckets):
    # dp-accounting 0.6.0 composes it once, however often it is run.
    event = dp.SelfComposedDpEvent(dp.RandomizedResponseDpEvent(noise, buckets), 40)
    oracle = library.from_randomized_response(
        noise, buckets, value_discretization_interval=1e-5
    ).self_compose(40)
    for relation in (ADD, REPLACE):
        found = profile_of(event, relation).epsilon(1e-6)
        assert found == pytest.approx(oracle.get_epsilon_for_delta(1e-6), rel=1e-3)


def test_mixtures_with_one_distance_are_sampled_gaussians():
    mixture = dp_event.MixtureOfGaussiansDpEvent(1.1, [0.0, 1.0], [0.9, 0.1])
    for delta in (1e-2, 1e-8):
        one = profile_of(dp.SelfComposedDpEvent(mixture, 30)).epsilon(delta)
        assert one == pytest.approx(profile_of(sampled(0.1, 1.1, 30)).epsilon(delta), rel=1e-4)


def test_sums_that_share_a_sample_are_one_event():
    together = dp.PoissonSampledDpEvent(
        0.1, dp.ComposedDpEvent([dp.GaussianDpEvent(2.0), dp.GaussianDpEvent(3.0)])
    )
    joint = (2.0**-2 + 3.0**-2) ** -0.5
    one = profile_of(sampled(0.1, joint)).epsilon(1e-6)
    assert profile_of(together).epsilon(1e-6) == pytest.approx(one, rel=1e-12)
    apart = dp.ComposedDpEvent([sampled(0.1, 2.0), sampled(0.1, 3.0)])
    assert profile_of(apart).epsilon(1e-6) < one


class TestRelation:
    def test_is_in_the_multiplier_of_an_unsampled_gaussian(self):
        event = dp.ComposedDpEvent([dp.GaussianDpEvent(2.0), dp.LaplaceDpEvent(3.0)])
        assert profile_of(event, ADD).epsilon(1e-6) == profile_of(event, REPLACE).epsilon(1e-6)

    def test_is_counted_under_sampling_at_rate_one_too(self):
        once = profile_of(sampled(1.0, 4.0, 10), ADD).epsilon(1e-6)
        twice = profile_of(sampled(1.0, 4.0, 10), REPLACE).epsilon(1e-6)
        of_two = dp.SelfComposedDpEvent(dp.GaussianDpEvent(2.0), 10)
        assert once < twice
        assert twice == pytest.approx(profile_of(of_two).epsilon(1e-6), rel=1e-12)

    def test_rate_one_is_where_rates_near_one_lead(self):
        for relation in (ADD, REPLACE):
            near = profile_of(sampled(1 - 1e-12, 4.0, 10), relation).epsilon(1e-6)
            one = profile_of(sampled(1.0, 4.0, 10), relation).epsilon(1e-6)
            assert near == pytest.approx(one, rel=1e-4)

    def test_of_sampled_laplace_noise_is_bounded_by_pure_privacy(self):
        event = dp.PoissonSampledDpEvent(0.1, dp.LaplaceDpEvent(1.0))
        most = math.log((0.9 + 0.1 * math.e) / (0.9 + 0.1 / math.e))
        assert profile_of(event, REPLACE).epsilon(1e-300) == pytest.approx(most, rel=1e-9)
        assert profile_of(event, ADD).epsilon(1e-3) < profile_of(event, REPLACE).epsilon(1e-3)

    def test_of_mixtures_with_one_distance_is_that_of_sampled_gaussians(self):
        mixture = dp_event.MixtureOfGaussiansDpEvent(1.1, [0.0, 1.0], [0.9, 0.1])
        one = profile_of(sampled(0.1, 1.1, 20), REPLACE).epsilon(1e-6)
        same = profile_of(dp.SelfComposedDpEvent(mixture, 20), REPLACE).epsilon(1e-6)
        assert same == pytest.approx(one, rel=1e-4)


class TestProperties:
    @settings(max_examples=12, derandomize=True)
    @given(
        st.floats(0.001, 1.0),
        st.floats(0.5, 8.0),
        st.integers(1, 300),
        st.sampled_from([ADD, REPLACE]),
    )
    def test_more_runs_more_data_and_less_noise_lose_more(self, rate, multiplier, steps, relation):
        def epsilon(q, z, t, delta=1e-6, between=relation):
            return profile_of(sampled(q, z, t), between).epsilon(delta)

        here = epsilon(rate, multiplier, steps) * (1 - 2e-4)
        assert here <= epsilon(rate, multiplier, steps + 1)
        assert here <= epsilon(min(1.0, 1.1 * rate), multiplier, steps)
        assert here <= epsilon(rate, 0.9 * multiplier, steps)
        assert here <= epsilon(rate, multiplier, steps, 1e-7)
        assert here <= epsilon(rate, multiplier, steps, 1e-6, REPLACE)
        unsampled = dp.SelfComposedDpEvent(dp.GaussianDpEvent(multiplier / 2), steps)
        assert here <= profile_of(unsampled).epsilon(1e-6)

    @settings(max_examples=10, derandomize=True)
    @given(st.floats(0.01, 1.0), st.floats(0.6, 6.0), st.integers(1, 100))
    def test_never_below_the_library_s_optimistic_bound(self, rate, multiplier, steps):
        low = library.from_gaussian_mechanism(
            multiplier,
            sampling_prob=rate,
            pessimistic_estimate=False,
            value_discretization_interval=1e-3,
            use_connect_dots=False,
        ).self_compose(steps)
        assert profile_of(sampled(rate, multiplier, steps)).epsilon(
            1e-6
        ) >= low.get_epsilon_for_delta(1e-6)

    @pytest.mark.parametrize(
        "event",
        [
            sampled(0.05, 0.9, 100),
            dp.GaussianDpEvent(0.7),
            dp.LaplaceDpEvent(1.3),
            dp.ZCDpEvent(0.3),
            dp.ComposedDpEvent([dp.GaussianDpEvent(2.0), dp.LaplaceDpEvent(2.0)]),
        ],
    )
    def test_epsilon_and_delta_are_inverse_and_fall(self, event):
        profile = profile_of(event)
        found = [profile.epsilon(delta) for delta in DELTAS]
        assert found == sorted(found)
        for epsilon, delta in zip(found, DELTAS, strict=True):
            assert profile.delta(epsilon) <= delta * 1.02
            assert epsilon == 0 or profile.delta(0.99 * epsilon) >= 0.98 * delta

    @pytest.mark.parametrize("event", [sampled(0.05, 0.9, 100), dp.LaplaceDpEvent(1.3)])
    def test_the_trade_off_curve_is_convex_and_ends_in_its_corners(self, event):
        profile = profile_of(event)
        rates = np.linspace(0, 1, 41)
        missed = np.array([1 - profile.tpr(rate) for rate in rates])
        assert np.all(np.diff(missed) <= 1e-12)
        assert np.all(np.diff(missed, 2) >= -1e-6)
        assert missed[-1] == pytest.approx(0.0, abs=1e-12)
        assert np.all(missed <= 1 - rates + 1e-12)
        assert profile.delta(0.0) == pytest.approx(np.max(1 - rates - missed), abs=5e-3)

    def test_composing_nothing_costs_nothing(self):
        for event in (
            dp.NoOpDpEvent(),
            dp.ComposedDpEvent([]),
            sampled(0.0, 1.0, 9),
            sampled(0.1, 1.0, 0),
            dp.RandomizedResponseDpEvent(1.0, 5),
            dp_event.DiscreteLaplaceDpEvent(1.0, 0),
        ):
            assert profile_of(event).epsilon(1e-9) == 0
            assert profile_of(event).delta(0.1) == 0


class TestUnprotected:
    @pytest.mark.parametrize(
        "event",
        [
            dp.NonPrivateDpEvent(),
            dp.GaussianDpEvent(0.0),
            dp.ComposedDpEvent([dp.GaussianDpEvent(1.0), dp.NonPrivateDpEvent()]),
            dp.PoissonSampledDpEvent(0.1, dp.GaussianDpEvent(0.0)),
            dp.RandomizedResponseDpEvent(0.0, 3),
        ],
    )
    def test_bounds_nothing(self, event):
        profile = profile_of(event)
        assert profile.epsilon(1e-6) == math.inf
        assert profile.delta(5.0) == 1
        assert profile.tpr(0.01) == 1


class Stranger(dp.DpEvent):  # type: ignore[misc]
    pass


class TestRefused:
    @pytest.mark.parametrize(
        ("event", "named"),
        [
            (dp.UnsupportedDpEvent(), "UnsupportedDpEvent"),
            (Stranger(), "Stranger"),
            (dp.ComposedDpEvent([dp.GaussianDpEvent(1.0), Stranger()]), "Stranger"),
            (dp.SampledWithReplacementDpEvent(100, 10, dp.GaussianDpEvent(1.0)), "Replacement"),
            (dp.GaussianDpEvent(-1.0), "out of range"),
            (dp.GaussianDpEvent(math.nan), "nan"),
            (dp.GaussianDpEvent(math.inf), "inf"),
            (dp.LaplaceDpEvent(-2.0), "out of range"),
            (sampled(1.5, 1.0), "out of range"),
            (sampled(-0.1, 1.0), "out of range"),
            (dp.SelfComposedDpEvent(dp.GaussianDpEvent(1.0), -1), "-1"),
            (dp.SelfComposedDpEvent(dp.GaussianDpEvent(1.0), 1.5), "1.5"),
            (dp.RandomizedResponseDpEvent(1.5, 2), "out of range"),
            (dp_event.DiscreteLaplaceDpEvent(0.0, 1), "out of range"),
            (dp_event.MixtureOfGaussiansDpEvent(1.0, [0.0, 1.0], [0.5, 0.6]), "add up"),
            (dp_event.MixtureOfGaussiansDpEvent(1.0, [0.0, -1.0], [0.5, 0.5]), "negative"),
            (dp.PoissonSampledDpEvent(0.1, dp.ZCDpEvent(0.1)), "PoissonSampled"),
            (dp.PoissonSampledDpEvent(0.1, sampled(0.1, 1.0)), "PoissonSampled"),
        ],
    )
    def test_an_event_that_is_unknown_or_out_of_range(self, event, named):
        with pytest.raises(PlanError, match=named):
            profile_of(event).epsilon(1e-6)

    @pytest.mark.parametrize("delta", [0.0, 1.0, -1e-9, math.nan, math.inf])
    def test_a_delta_out_of_range(self, delta):
        for event in (sampled(0.1, 1.0), dp.GaussianDpEvent(1.0), dp.ZCDpEvent(0.1)):
            with pytest.raises(PlanError, match="delta"):
                profile_of(event).epsilon(delta)

    def test_noise_too_small_for_any_grid(self):
        found = profile_of(sampled(0.1, 0.001)).epsilon(1e-6)
        assert found > 1e4


def test_what_one_run_loses_is_a_probability_under_both():
    for run in (
        SampledGaussian(0.1, 0.7, 1),
        MixedGaussian(1.0, (0.0, 1.0, 3.0), (0.5, 0.4, 0.1), 1),
        PureResponse(0.8, 0.2, 1),
    ):
        step = 1e-3
        for loss in run.directions(ADD, step):
            x = step * loss.points
            assert loss.mass.sum() + loss.infinite == pytest.approx(1.0, abs=1e-12)
            # Connecting the dots keeps Q's mass: it may only be short of what P never reaches.
            assert loss.mass @ np.exp(-x) <= 1 + 1e-9


def test_the_integral_of_the_gaussian_s_profile():
    # ∫ δ(ε) dε over ε > 0 is E[L⁺ - 1 + e^-L⁺], here of one Gaussian.
    profile = profile_of(dp.GaussianDpEvent(1.0))
    left, _ = quad(profile.delta, 0, 30)
    right, _ = quad(lambda x: norm.pdf(x, 0.5, 1) * (x + math.expm1(-x)), 0, 30)
    assert left == pytest.approx(right, rel=1e-6)
