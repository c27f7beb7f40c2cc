"""Compositions of very many runs: stages of grids, against other bounds and other grids."""

import math

import dp_accounting as dp
import numpy as np
import pytest
from dp_accounting.pld import privacy_loss_distribution as library
from scipy.stats import norm

from confide.plan import Relation
from confide.privacy.accounting import profile_of, rdp_curve, rdp_to_epsilon
from confide.privacy.accounting.composition import Aim, composed_tails
from confide.privacy.accounting.gaussian import epsilon_of_mu
from confide.privacy.accounting.losses import connect_dots, graded
from confide.privacy.accounting.pairs import SampledGaussian

ADD, REPLACE = Relation.ADD_OR_REMOVE_ONE, Relation.REPLACE_ONE


def sampled(rate, multiplier, steps):
    once = dp.PoissonSampledDpEvent(rate, dp.GaussianDpEvent(multiplier))
    return dp.SelfComposedDpEvent(once, steps)


@pytest.mark.parametrize(
    ("rate", "multiplier", "steps", "delta"),
    [(1e-5, 1.0, 10**8, 1e-8), (1e-4, 2.0, 10**7, 1e-6)],
)
def test_is_near_the_limit_and_below_the_renyi_bound(rate, multiplier, steps, delta):
    """The central limit (Bu, Dong, Long and Su 2020) is no bound; of so many runs it is near."""
    event = sampled(rate, multiplier, steps)
    found = profile_of(event).epsilon(delta)
    orders = [1 + x for x in np.geomspace(0.1, 100, 60)]
    renyi = rdp_to_epsilon(orders, rdp_curve(event, orders, ADD), delta)
    limit = epsilon_of_mu(rate * math.sqrt(steps * math.expm1(multiplier**-2)), delta)
    assert limit * 0.999 < found < renyi
    assert found == pytest.approx(limit, rel=0.01)


@pytest.mark.parametrize("delta", [1e-5, 1e-12])
def test_unsampled_gaussians_in_stages_are_exact(delta):
    """10^6 Gaussians of multiplier 2000 are one of multiplier 2, from a grid of their own."""
    runs = (SampledGaussian(1.0, 2000.0, 10**6),)
    needed = math.log(1 / delta)
    aim = Aim(lambda tilt, k: (k + needed) / tilt, lambda _: -needed, 1e-6)
    found = max(tail.epsilon(delta) for tail in composed_tails(runs, ADD, 0.015 / 2000, aim))
    exact = epsilon_of_mu(0.5, delta)
    assert exact <= found <= exact * (1 + 1e-4)


@pytest.mark.parametrize("relation", [ADD, REPLACE])
def test_lies_between_the_library_s_bounds(relation):
    found = profile_of(sampled(1e-3, 0.8, 10**5), relation).epsilon(1e-6)
    low, high = (
        library.from_gaussian_mechanism(
            0.8,
            sampling_prob=1e-3,
            pessimistic_estimate=pessimistic,
            value_discretization_interval=1e-4,
            use_connect_dots=pessimistic,
            neighboring_relation=dp.NeighboringRelation[relation.name],
        )
        .self_compose(10**5)
        .get_epsilon_for_delta(1e-6)
        for pessimistic in (False, True)
    )
    assert low <= found <= high * 1.001


def test_a_graded_grid_keeps_both_masses_and_few_points():
    points, step = graded(10**9), 1e-8
    assert len(points) < 2**20
    assert points[0] <= -(10**9)
    assert points[-1] >= 10**9
    x = points * step + 0.5  # N(1, 1) against N(0, 1) loses x - 1/2
    p, q = np.diff(norm.cdf(x - 1)), np.diff(norm.cdf(x))
    loss = connect_dots(points, p, q, step=step, below=norm.cdf(x[0] - 1), above=norm.sf(x[-1] - 1))
    assert loss.mass.sum() + loss.infinite == pytest.approx(1, abs=1e-9)
    assert loss.mass @ np.exp(-loss.points * step) == pytest.approx(1, abs=1e-6)
