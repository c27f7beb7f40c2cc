"""Noise and batches of a plan: full without the colluders, exact, secret, on the lattice."""

import inspect
import math

import numpy as np
import pytest
from tests.plan.examples import PARTIES, make_plan, make_plan_with_sums, make_sum

from confide.aggregation import RoundResult, release
from confide.plan import CentralNoise, FullBatch, NoiseShares, NoNoise, PoissonSampling
from confide.privacy import federation
from confide.privacy.federation import add_noise, draw_batch
from confide.randomness import InsecureReplayableRandom, SystemRandom

MANY = 20_000


def draw_noise(plan, random):
    """One draw of a plan's noise."""
    totals = np.zeros(plan.sums.size, np.int64)
    add_noise(plan, totals, random)
    return totals


def wide(noise, **changes):
    """A plan whose one sum has many coordinates: as many draws at once."""
    return make_plan_with_sums(make_sum(shape=(MANY,)), noise=noise, **changes)


def deviation(plan, drawn):
    """Of a draw, in units of what one record can move the sum, and asked-for multiplier."""
    (declared,) = plan.sums.sums
    scale = declared.lattice.resolution / declared.unit_bound / plan.joint_sensitivity
    return float(np.sqrt(np.mean((np.asarray(drawn, np.float64) * scale) ** 2)))


# The root mean square of 20,000 Gaussians is off by 3.5 % with probability below 1e-11.
OFF = 0.035


class TestShares:
    def test_of_the_honest_survivors_are_all_of_the_noise(self):
        """The coordinator and its colluders take their shares away, and the fewest survive."""
        plan = wide(NoiseShares(3.0), parties=PARTIES[:8], dropouts=2)
        left = sum(draw_noise(plan, SystemRandom()) for _ in range(plan.honest_survivors))
        assert deviation(plan, left) == pytest.approx(3.0, rel=OFF)

    def test_of_one_fewer_are_too_little(self):
        """The attack that the plan's threat excludes: one colluder more than it allows."""
        plan = wide(NoiseShares(3.0), parties=PARTIES[:8], dropouts=2)
        left = sum(draw_noise(plan, SystemRandom()) for _ in range(plan.honest_survivors - 1))
        assert deviation(plan, left) < 3.0 * (1 - OFF)

    def test_are_whole_numbers_that_nobody_repeats(self):
        plan = wide(NoiseShares(1.0))
        one, other = (draw_noise(plan, SystemRandom()) for _ in range(2))
        assert one.dtype == np.int64
        assert not np.array_equal(one, other)
        first, again = (draw_noise(plan, InsecureReplayableRandom(b"a")) for _ in range(2))
        assert np.array_equal(first, again)

    def test_of_several_sums_are_as_wide_as_their_bounds(self):
        plan = make_plan_with_sums(
            make_sum(name="a", shape=(MANY,), unit_bound=0.01),
            make_sum(name="b", shape=(MANY,), unit_bound=50.0),
            noise=CentralNoise(2.0),
        )
        drawn = draw_noise(plan, SystemRandom())
        for declared, part in zip(plan.sums.sums, np.split(drawn, 2), strict=True):
            steps = declared.lattice.resolution / declared.unit_bound
            spread = float(np.sqrt(np.mean((part * steps) ** 2)))
            assert spread == pytest.approx(2.0 * plan.joint_sensitivity, rel=OFF)

    def test_of_no_noise_are_zero(self):
        assert not draw_noise(wide(NoNoise()), SystemRandom()).any()


class TestRelease:
    def test_adds_the_coordinators_noise_and_no_other(self):
        exact = RoundResult(("a",), np.arange(MANY))
        for noise in (NoNoise(), NoiseShares(2.0)):
            assert release(wide(noise), exact, SystemRandom()) is exact
        plan = wide(CentralNoise(2.0))
        before = exact.totals.copy()
        noisy = release(plan, exact, SystemRandom())
        assert deviation(plan, noisy.totals - before) == pytest.approx(2.0, rel=OFF)
        assert noisy.survivors == exact.survivors


class TestBatch:
    @pytest.mark.parametrize("rate", [0.001, 0.3, 0.999])
    def test_holds_each_unit_with_the_rate(self, rate):
        plan = make_plan(sampling=PoissonSampling(rate))
        drawn = draw_batch(plan, 100_000, SystemRandom())
        spread = math.sqrt(100_000 * rate * (1 - rate))
        assert abs(drawn.sum() - 100_000 * rate) < 6.5 * spread + 1  # beyond: 1e-10

    def test_is_everybody_where_nothing_is_sampled(self):
        assert draw_batch(make_plan(sampling=FullBatch()), 7, SystemRandom()).all()

    def test_of_nobody_is_empty(self):
        assert draw_batch(make_plan(sampling=PoissonSampling(0.5)), 0, SystemRandom()).size == 0

    def test_never_holds_more_than_the_rate_says(self):
        """A rate is rounded down to a multiple of 2^-64: below that, nobody is ever drawn."""
        plan = make_plan(sampling=PoissonSampling(1e-30))
        assert not draw_batch(plan, 10_000, SystemRandom()).any()

    def test_is_not_what_the_public_seed_says(self):
        """The attack: predict the batch from all that the plan makes public."""
        plan = make_plan(sampling=PoissonSampling(0.5), seed=5)
        one, other = (draw_batch(plan, 1000, SystemRandom()) for _ in range(2))
        assert not np.array_equal(one, other)
        assert "public_generator" not in inspect.getsource(federation)
