"""Laplace and Gaussian mechanisms: what they draw, what it is accounted as, what they refuse."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.noise.laws import assert_fits
from tests.privacy.mechanisms.closed_forms import hockey_stick

from confide.errors import DataError, PlanError
from confide.plan import Relation
from confide.privacy.accounting import event_from_plain, event_to_plain, profile_of
from confide.privacy.mechanisms import GaussianMechanism, LaplaceMechanism
from confide.privacy.mechanisms.lattice import finite
from confide.randomness import InsecureReplayableRandom, SystemRandom, public_generator


def replayed():
    return InsecureReplayableRandom(b"the same noise twice")


def exactly(mechanism, answer):
    """What a release puts its noise on, found by a replay: noise is all that it takes away."""
    noise = mechanism.drawn.sample(mechanism.size, replayed()) * mechanism.steps.size
    return mechanism.release(answer, random=replayed()).value - noise


class TestDraws:
    @pytest.mark.parametrize(
        "mechanism",
        [
            LaplaceMechanism(epsilon=0.5, sensitivity=3, integer=True, size=100_000),
            LaplaceMechanism(epsilon=0.5, sensitivity=1e-3, size=100_000),
            GaussianMechanism(noise_multiplier=0.1, sensitivity=7.5, size=100_000),
            GaussianMechanism(noise_multiplier=3, sensitivity=2, integer=True, size=100_000),
        ],
    )
    def test_what_it_says(self, mechanism):
        released = mechanism.release(np.zeros(mechanism.size), random=SystemRandom()).value
        if mechanism.integer and mechanism.steps.log2_size < 0:
            assert np.array_equal(released, np.rint(released))
            assert released.std() == pytest.approx(mechanism.standard_error, rel=0.02)
        else:
            steps = released / mechanism.steps.size
            assert np.array_equal(steps, np.rint(steps))
            assert_fits(steps.astype(np.int64), mechanism.drawn)

    def test_the_deviation_of_a_gaussian_is_the_multiplier_times_the_sensitivity(self):
        for z, size in itertools.product((0.01, 1, 1000), (1, 50)):
            mechanism = GaussianMechanism(noise_multiplier=z, sensitivity=3.3, size=size)
            assert 3.3 * z < mechanism.standard_error < 3.3 * z * 1.011

    @pytest.mark.parametrize("noise", [1e-6, 1e-3, 1, 400])
    @pytest.mark.parametrize("sensitivity", [1e-90, 0.3, 1e90])
    def test_any_scale(self, noise, sensitivity):
        laplace = LaplaceMechanism(epsilon=noise, sensitivity=sensitivity)
        assert math.isfinite(laplace.release(0.0).value)
        gaussian = GaussianMechanism(noise_multiplier=1 / noise, sensitivity=sensitivity)
        released = gaussian.release(0.0)
        assert abs(released.value) < 50 * released.standard_error

    def test_intervals_hold_as_often_as_they_say(self):
        for mechanism in (
            LaplaceMechanism(epsilon=1, sensitivity=1, size=20_000),
            LaplaceMechanism(epsilon=1, sensitivity=1, size=20_000, integer=True),
            GaussianMechanism(noise_multiplier=1, sensitivity=1, size=20_000),
        ):
            low, high = mechanism.release(np.full(mechanism.size, 7.0)).interval
            held = ((low <= 7) & (high >= 7)).mean()
            # Six deviations of the share that holds, below 1e-9; whole steps hold more often.
            assert 0.95 - 0.0096 < held < (0.95 + 0.0096 if not mechanism.integer else 1)


class TestSensitivity:
    """Answers as far apart as declared land no further apart than is accounted."""

    @settings(max_examples=200, deadline=None)
    @given(st.floats(-1e6, 1e6), st.floats(0, 1), st.sampled_from([0.1, 1.0, 77.7]))
    def test_of_one_number(self, answer, part, sensitivity):
        mechanism = LaplaceMechanism(epsilon=1.0, sensitivity=sensitivity)
        there = answer + part * sensitivity
        if abs(there - answer) > sensitivity:  # the sum of two floats was rounded up
            there = answer
        apart = abs(exactly(mechanism, there) - exactly(mechanism, answer))
        assert apart / mechanism.steps.size <= mechanism.event.sensitivity

    def test_counts_the_step_that_rounding_adds(self):
        """Answers 2^20 + 0.9 steps apart, from 0.5 to 2^20 + 1.4, land 2^20 + 1 apart."""
        mechanism = LaplaceMechanism(epsilon=1.0, sensitivity=1 + 0.9 * 2**-20)
        step = mechanism.steps.size
        low, high = (exactly(mechanism, x * step) for x in (0.5, 2**20 + 1.4))
        assert (high - low) / step == mechanism.event.sensitivity == 2**20 + 1

    @pytest.mark.parametrize("size", [2, 1000])
    def test_of_many_numbers(self, size):
        rng = public_generator("directions", size)
        laplace = LaplaceMechanism(epsilon=1.0, sensitivity=2.0, size=size)
        gaussian = GaussianMechanism(noise_multiplier=1.0, sensitivity=2.0, size=size)
        for _ in range(100):
            here, direction = rng.uniform(-9, 9, size), rng.standard_normal(size)
            for mechanism, norm in ((laplace, 1), (gaussian, 2)):
                there = here + direction / np.linalg.norm(direction, norm) * 2 * (1 - 1e-12)
                apart = exactly(mechanism, there) - exactly(mechanism, here)
                steps = np.linalg.norm(apart / mechanism.steps.size, norm)
                # What the scale was made for, back from it.
                counted = float(mechanism.drawn.scale) * (1.0 if norm == 1 else 1 + 1e-9)
                assert steps <= counted

    def test_of_answers_beyond_all_bounds_is_no_larger(self):
        mechanism = LaplaceMechanism(epsilon=1.0, sensitivity=1.0)
        huge = [exactly(mechanism, x).item() for x in (1e300, 1.7e308, 2.0**41)]
        assert len(set(huge)) == 1
        assert exactly(mechanism, -1e300) == -huge[0]

    @pytest.mark.parametrize("integer", [False, True])
    @pytest.mark.parametrize("make", [int, np.int64, np.uint64, lambda x: np.array(x, object)])
    def test_of_whole_numbers_that_no_float_holds_is_no_larger(self, integer, make):
        """2^53 + 1 and 2^53 + 2 are one apart, and 2 once they are floats."""
        mechanism = LaplaceMechanism(epsilon=1.0, sensitivity=1, integer=integer)
        # In steps: what leaves is rounded to floats, but only after the noise.
        near = [int(mechanism.steps.nearest(finite(make(2**53 + i), "x"))) for i in range(4)]
        apart = [abs(b - a) for a, b in itertools.pairwise(near)]
        assert max(apart) <= mechanism.event.sensitivity

    @pytest.mark.parametrize(
        "answer", [np.float32(3), np.int8(3), np.array(3), True, np.array([3])[0], 10**400]
    )
    def test_numbers_of_many_kinds(self, answer):
        mechanism = LaplaceMechanism(epsilon=1.0, sensitivity=1, integer=True)
        expected = min(int(answer), 2**61)
        assert abs(mechanism.release(answer).value - expected) < 100

    @pytest.mark.parametrize("answer", [1j, "3", None, [object()], b"3", {3}, {3: 1}])
    def test_what_is_no_number_of_64_bits(self, answer):
        mechanism = LaplaceMechanism(epsilon=1.0, sensitivity=1, integer=True)
        with pytest.raises(DataError, match="the answer"):
            mechanism.release(answer)

    def test_whole_answers_are_not_rounded(self):
        mechanism = GaussianMechanism(noise_multiplier=1.0, sensitivity=5.0, integer=True)
        assert math.ldexp(5.0, -mechanism.steps.log2_size) == pytest.approx(
            float(mechanism.drawn.scale), rel=1e-9
        )
        assert LaplaceMechanism(epsilon=1.0, sensitivity=5, integer=True).drawn.scale == 5


class TestEvents:
    @pytest.mark.parametrize(
        "mechanism",
        [
            LaplaceMechanism(epsilon=25.0, sensitivity=1.0),
            LaplaceMechanism(epsilon=0.3, sensitivity=4, integer=True),
            LaplaceMechanism(epsilon=1 / 3, sensitivity=7, integer=True),
            LaplaceMechanism(epsilon=30.0, sensitivity=1, integer=True),
            GaussianMechanism(noise_multiplier=0.04, sensitivity=1.0),
            GaussianMechanism(noise_multiplier=0.07, sensitivity=3.0, integer=True),
        ],
    )
    def test_say_no_less_than_the_noise_gives_away(self, mechanism):
        """δ(ε) of the integers that are drawn, at the largest distance, by summing them all."""
        moved = int(mechanism._norm)
        profile = profile_of(mechanism.event, Relation.REPLACE_ONE)
        for epsilon in (0.0, 0.1, 1.0, 20.0, 300.0):
            exact = hockey_stick(mechanism.drawn, moved, epsilon)
            stated = profile.delta(epsilon)
            assert exact <= stated + 1e-15
            assert stated <= exact * 1.01 + 1e-6

    def test_of_laplace_are_pure(self):
        for size in (1, 3):
            mechanism = LaplaceMechanism(epsilon=0.7, sensitivity=1.0, size=size)
            assert 0.7 <= profile_of(mechanism.event).epsilon(1e-30) < 0.7 * (1 + 1e-9)
            assert mechanism.closeness == 0

    def test_are_what_ledgers_store(self):
        for mechanism in (
            LaplaceMechanism(epsilon=0.7, sensitivity=1.0),
            LaplaceMechanism(epsilon=0.7, sensitivity=1.0, size=3),
            GaussianMechanism(noise_multiplier=0.7, sensitivity=1.0),
        ):
            assert event_from_plain(event_to_plain(mechanism.event)) == mechanism.event

    def test_of_gaussians_come_with_their_closeness(self):
        mechanism = GaussianMechanism(noise_multiplier=1.0, sensitivity=1.0, size=1000)
        assert 0 < mechanism.closeness < 1e-29


class TestRefused:
    @pytest.mark.parametrize("sensitivity", [0, -1.0, math.nan, math.inf, 1e200, None, "1"])
    def test_sensitivity(self, sensitivity):
        for declare in (
            lambda: LaplaceMechanism(epsilon=1.0, sensitivity=sensitivity),
            lambda: GaussianMechanism(noise_multiplier=1.0, sensitivity=sensitivity),
        ):
            with pytest.raises(PlanError, match=r"sensitivity is .*finite number above 0"):
                declare()

    @pytest.mark.parametrize(
        "epsilon", [0, -1.0, math.nan, math.inf, 1e-12, 501.0, None, "1", True]
    )
    def test_epsilon(self, epsilon):
        with pytest.raises(PlanError, match="epsilon is"):
            LaplaceMechanism(epsilon=epsilon, sensitivity=1.0)

    @pytest.mark.parametrize("z", [0, -1.0, math.nan, math.inf, 1e-9, None])
    def test_noise_multiplier(self, z):
        with pytest.raises(PlanError, match="noise_multiplier is"):
            GaussianMechanism(noise_multiplier=z, sensitivity=1.0)

    def test_but_not_a_root_for_whole_answers_in_l2(self):
        """Two counts that change by one each."""
        mechanism = GaussianMechanism(
            noise_multiplier=1.0, sensitivity=math.sqrt(2), integer=True, size=3
        )
        assert mechanism.standard_error == pytest.approx(math.sqrt(2), rel=1e-6)
        released = mechanism.release([1, 2, 3]).value
        assert np.array_equal(released, np.rint(released))

    def test_noise_beyond_the_lattice(self):
        with pytest.raises(PlanError, match=r"noise of 1e\+11 times the sensitivity"):
            GaussianMechanism(noise_multiplier=1e11, sensitivity=1.0)

    def test_broken_whole_sensitivity(self):
        with pytest.raises(PlanError, match=r"sensitivity is 1.5 for whole answers"):
            LaplaceMechanism(epsilon=1.0, sensitivity=1.5, integer=True)

    @pytest.mark.parametrize("size", [0, -1, 2.0, True])
    def test_size(self, size):
        with pytest.raises(PlanError, match="size is"):
            LaplaceMechanism(epsilon=1.0, sensitivity=1.0, size=size)

    @pytest.mark.parametrize(
        ("answer", "named"),
        [
            (math.nan, "not finite"),
            (math.inf, "not finite"),
            ("x", "one value for each unit"),
            ([1.0, 2.0], r"shape \(2,\)"),
            (1.5, "not whole"),
        ],
    )
    def test_answers(self, answer, named):
        mechanism = LaplaceMechanism(epsilon=1.0, sensitivity=1, integer=True)
        with pytest.raises(DataError, match=named):
            mechanism.release(answer)

    def test_messages_hold_nothing_of_the_answer(self):
        mechanism = LaplaceMechanism(epsilon=1.0, sensitivity=1, size=2)
        with pytest.raises(DataError) as raised:
            mechanism.release([123456.0, math.nan])
        assert "123456" not in str(raised.value)

    def test_generators_of_numpy(self):
        with pytest.raises(PlanError, match="anybody may predict"):
            LaplaceMechanism(epsilon=1.0, sensitivity=1).release(
                1.0, random=np.random.default_rng(1)
            )
