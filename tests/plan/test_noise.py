import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plan.examples import PARTIES, make_plan, make_plan_with_sums, make_sum

from confide.errors import PlanError
from confide.plan import (
    Adversary,
    CentralNoise,
    Clear,
    Corruption,
    FullBatch,
    Masked,
    Neighbours,
    NoiseShares,
    NoNoise,
    PoissonSampling,
    Relation,
    Threat,
    Unit,
)
from confide.plan.noise import LEAST_STEPS, noise_tail


class TestScale:
    @given(multiplier=st.floats(0.5, 100), dropouts=st.integers(0, 1))
    def test_of_the_fewest_honest_shares_is_the_multiplier_times_the_sensitivity(
        self, multiplier, dropouts
    ):
        plan = make_plan(noise=NoiseShares(multiplier), dropouts=dropouts)
        (declared,) = plan.sums.sums
        left = plan.min_survivors - plan.colluding
        variance = left * (plan.noise_steps(declared) * declared.lattice.resolution) ** 2
        asked = multiplier * plan.joint_sensitivity * declared.unit_bound
        assert 1 <= math.sqrt(variance) / asked < 1 + 1e-9

    def test_of_central_noise_is_drawn_once(self):
        plan = make_plan(noise=CentralNoise(2.0))
        (declared,) = plan.sums.sums
        drawn = plan.noise_steps(declared) * declared.lattice.resolution
        assert drawn == pytest.approx(2 * plan.sensitivity(declared), rel=1e-9)

    def test_is_the_same_in_clip_normalised_units_for_all_sums(self):
        plan = make_plan_with_sums(
            make_sum(name="a", unit_bound=0.001), make_sum(name="b", unit_bound=70.0),
            noise=CentralNoise(1.0),
        )  # fmt: skip
        a, b = (plan.noise_steps(s) * s.lattice.resolution / s.unit_bound for s in plan.sums.sums)
        assert a == pytest.approx(b) == pytest.approx(plan.joint_sensitivity)

    def test_without_noise_is_zero(self):
        plan = make_plan(noise=NoNoise())
        assert plan.noise_steps(plan.sums.sums[0]) == 0


class TestReach:
    def test_of_a_person_at_several_parties_is_all_of_them(self):
        one, everywhere = (
            make_plan_with_sums(
                make_sum(unit=Unit.PERSON),
                neighbours=Neighbours(unit=Unit.PERSON, person_at_several_parties=several),
                noise=CentralNoise(1.0),
            )
            for several in (False, True)
        )
        assert everywhere.joint_sensitivity == pytest.approx(5 * one.joint_sensitivity)
        (declared,) = one.sums.sums
        assert everywhere.noise_steps(declared) == pytest.approx(5 * one.noise_steps(declared))

    def test_of_a_replaced_record_doubles_the_noise(self):
        added = make_plan(noise=CentralNoise(1.0))
        replaced = make_plan(
            noise=CentralNoise(1.0), neighbours=Neighbours(relation=Relation.REPLACE_ONE)
        )
        ratio = replaced.joint_sensitivity / added.joint_sensitivity
        assert 1.98 < ratio <= 2


class TestModulus:
    def test_has_room_for_all_shares(self):
        quiet, noisy = make_plan(), make_plan(noise=NoiseShares(100.0))
        (declared,) = quiet.sums.sums
        largest = 5 * declared.lattice.party_range + noise_tail(noisy, declared)
        assert noisy.sum_bits(declared) == (2 * largest).bit_length() > quiet.sum_bits(declared)

    def test_has_none_for_noise_that_is_added_later(self):
        (declared,) = make_plan().sums.sums
        assert make_plan(noise=CentralNoise(100.0)).sum_bits(declared) == (
            make_plan().sum_bits(declared)
        )

    @pytest.mark.parametrize("size", [1, 1000])
    def test_tail_is_left_with_probability_at_most_2_to_the_minus_60(self, size):
        plan = make_plan_with_sums(make_sum(shape=(size,)), noise=NoiseShares(1.0))
        (declared,) = plan.sums.sums
        deviation = math.sqrt(5) * plan.noise_steps(declared)
        tail = noise_tail(plan, declared)
        assert 2 * size * math.exp(-((tail / deviation) ** 2) / 2) <= 2.0**-60
        assert 2 * size * math.exp(-(((tail - 1) / deviation) ** 2) / 2) > 2.0**-61


class TestRefusals:
    @pytest.mark.parametrize("noise", [CentralNoise, NoiseShares])
    def test_delta_that_allows_to_publish_a_record(self, noise):
        units = 5 * make_plan().sums.sums[0].capacity
        with pytest.raises(PlanError, match=f"the plan counts up to {units:,} records"):
            make_plan(noise=noise(1.0, delta=1 / units))
        make_plan(noise=noise(1.0, delta=float(Fraction(99, 100 * units))))

    @pytest.mark.parametrize("delta", [0.0, -1e-9, 1.0, math.nan, math.inf])
    def test_delta_out_of_range(self, delta):
        with pytest.raises(PlanError, match="delta is"):
            CentralNoise(1.0, delta=delta)

    def test_lattices_too_coarse_say_which_multiplier_would_do(self):
        with pytest.raises(PlanError, match="cannot hold its noise") as refused:
            make_plan(noise=NoiseShares(0.001))
        enough = float(str(refused.value).rsplit("at least ", 1)[1])
        plan = make_plan(noise=NoiseShares(enough * 1.01))
        assert plan.noise_steps(plan.sums.sums[0]) >= LEAST_STEPS

    def test_lattices_too_narrow(self):
        with pytest.raises(PlanError, match=r"at most 1.1e\+12 fit|at most 1.09951e\+12 fit"):
            make_plan(noise=CentralNoise(1e15))

    def test_shares_that_only_colluders_would_add(self):
        trusting = Adversary(
            coordinator=Corruption.HONEST, network=Corruption.CURIOUS, colluding_parties=3
        )
        with pytest.raises(PlanError):
            make_plan(
                noise=NoiseShares(1.0), parties=PARTIES[:3], aggregation=Masked(),
                threat=Threat(confidentiality=trusting),
            )  # fmt: skip

    @pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, 1.5, math.nan])
    def test_rates_out_of_range(self, rate):
        with pytest.raises(PlanError, match="sampling rate is"):
            PoissonSampling(rate)

    def test_sampling_of_parties(self):
        with pytest.raises(PlanError, match="so sampling parties hides nothing"):
            make_plan_with_sums(
                make_sum(unit=Unit.PARTY, capacity=1),
                neighbours=Neighbours(unit=Unit.PARTY), sampling=PoissonSampling(0.1),
            )  # fmt: skip

    def test_nothing_of_a_plan_without_noise(self):
        make_plan(noise=NoNoise(), sampling=FullBatch())
        trusting = Adversary(coordinator=Corruption.HONEST, network=Corruption.CURIOUS)
        make_plan(aggregation=Clear(), threat=Threat(confidentiality=trusting))
