"""Groups of units, against what their events are made of."""

import math

import dp_accounting as dp
import numpy as np
import pytest
from dp_accounting import dp_event
from scipy.stats import binom, norm

from confide.errors import PlanError
from confide.privacy.accounting import (
    delta_of_mu,
    gaussian_mu,
    group_bound,
    group_epsilon,
    group_event,
    profile_of,
)

SAMPLED = dp.PoissonSampledDpEvent(0.1, dp.GaussianDpEvent(1.3))


class TestEvents:
    @pytest.mark.parametrize("units", [1, 2, 7])
    def test_of_gaussians_move_as_many_times_as_far(self, units):
        event = dp.SelfComposedDpEvent(dp.GaussianDpEvent(3.0), 4)
        mu = gaussian_mu(group_event(event, units))
        assert mu == pytest.approx(2 / 3 * units)
        profile = profile_of(group_event(event, units))
        assert profile.delta(1.0) == pytest.approx(delta_of_mu(2 / 3 * units, 1.0))

    @pytest.mark.parametrize(
        "event", [dp.LaplaceDpEvent(5.0), dp_event.DiscreteLaplaceDpEvent(0.2, 1)]
    )
    def test_of_laplace_noise_cost_as_many_epsilons(self, event):
        assert profile_of(group_event(event, 3)).epsilon(1e-30) == pytest.approx(0.6)

    def test_of_trees_move_as_many_times_as_far(self):
        tree = dp.SingleEpochTreeAggregationDpEvent(4.0, 15)
        assert gaussian_mu(group_event(tree, 2)) == pytest.approx(2 * 2 / 4)

    @pytest.mark.parametrize("units", [2, 3])
    @pytest.mark.parametrize("epsilon", [0.1, 0.5, 2.0])
    def test_of_samples_are_what_the_sum_itself_gives(self, units, epsilon):
        """δ of Σ Binomial(k, q)·N(i, σ²) against N(0, σ²), by integrating both, in both ways."""
        sigma, x = 1.3, np.linspace(-15, 20, 400_001)
        weights = binom.pmf(range(units + 1), units, 0.1)
        mixed = sum(w * norm.pdf(x, i, sigma) for i, w in enumerate(weights))
        plain = norm.pdf(x, 0, sigma)
        exact = max(
            np.trapezoid(np.maximum(p - math.exp(epsilon) * q, 0), x)
            for p, q in ((mixed, plain), (plain, mixed))
        )
        stated = profile_of(group_event(SAMPLED, units)).delta(epsilon)
        assert exact * (1 - 1e-6) <= stated <= exact * 1.01 + 1e-9

    def test_of_one_are_the_event(self):
        assert group_event(SAMPLED, 1) is SAMPLED

    def test_of_compositions_are_compositions(self):
        event = dp.ComposedDpEvent([SAMPLED, dp.SelfComposedDpEvent(dp.GaussianDpEvent(2.0), 3)])
        grouped = group_event(event, 2)
        assert grouped.events[1].event.noise_multiplier == 1.0
        assert isinstance(grouped.events[0], dp_event.MixtureOfGaussiansDpEvent)


class TestBounds:
    @pytest.mark.parametrize("mu", [0.1, 0.5])
    @pytest.mark.parametrize("units", [2, 5])
    def test_hold_for_gaussians(self, mu, units):
        """Vadhan 2017, Lemma 2.2, where the group's own profile is known."""
        for epsilon in (0.05, 0.2, 1.0):
            together, delta = group_bound(epsilon, delta_of_mu(mu, epsilon), units)
            assert delta_of_mu(units * mu, together) <= delta

    def test_are_a_plain_sum(self):
        epsilon, delta = group_bound(0.3, 1e-9, 4)
        assert epsilon == pytest.approx(1.2)
        assert delta == pytest.approx(1e-9 * sum(math.exp(0.3 * i) for i in range(4)))

    def test_stay_finite_where_exponentials_do_not(self):
        assert group_bound(300.0, 1e-300, 50) == (15_000.0, 1.0)
        assert group_bound(300.0, 0.0, 50) == (15_000.0, 0.0)

    @pytest.mark.parametrize("units", [1, 2, 5])
    def test_of_any_event_are_searched_for_the_least(self, units):
        exact = profile_of(group_event(SAMPLED, units)).epsilon(1e-5)
        found = group_epsilon(SAMPLED, units, 1e-5)
        assert exact <= found * (1 + 1e-9)
        profile = profile_of(SAMPLED)

        def bound(together):
            return group_bound(together / units, profile.delta(together / units), units)[1]

        assert bound(found) <= 1e-5 < bound(found * 0.999)

    def test_of_what_nothing_protects_is_infinite(self):
        assert group_epsilon(dp_event.NonPrivateDpEvent(), 2, 1e-5) == math.inf


@pytest.mark.parametrize(
    ("event", "units", "named"),
    [
        (dp.PoissonSampledDpEvent(0.1, dp.LaplaceDpEvent(1.0)), 2,
         "no event is known for 2 units sampled"),
        (dp_event.RandomizedResponseDpEvent(0.5, 2), 2, "scale its ε and δ by group_bound"),
        (SAMPLED, 0, "units is 0; a group"),
        (SAMPLED, 2.0, "units is 2.0; a group"),
        (SAMPLED, 1_000_001, "1 to 1,000,000"),
    ],
)  # fmt: skip
def test_refused(event, units, named):
    with pytest.raises(PlanError, match=named):
        group_event(event, units)
