"""Sums, means and histograms: their derived sensitivity, by replaying the noise on neighbours."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.privacy.mechanisms.closed_forms import hockey_stick

from confide.errors import DataError, PlanError
from confide.plan import Relation
from confide.privacy.accounting import profile_of
from confide.privacy.mechanisms import (
    ClampedMean,
    ClampedSum,
    GaussianNoise,
    Histogram,
    LaplaceNoise,
)
from confide.privacy.mechanisms.additive import noisy
from confide.privacy.mechanisms.queries import _total
from confide.randomness import InsecureReplayableRandom, public_generator

ADD, REPLACE = Relation.ADD_OR_REMOVE_ONE, Relation.REPLACE_ONE
NOISES = [LaplaceNoise(0.8), GaussianNoise(1.3)]
EVERY = pytest.mark.parametrize(
    "declared",
    [{"noise": n, "relation": r} for n, r in itertools.product(NOISES, Relation)],
    ids=lambda declared: f"{type(declared['noise']).__name__}-{declared['relation'].value}",
)
MANY = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
VALUES = st.floats(allow_nan=False) | st.sampled_from([-3.0, 0.0, 7.0, 7.1])
SETS = st.lists(VALUES, max_size=6)


@pytest.fixture
def exact(monkeypatch):
    """The steps that noise is added to, as they come by."""
    seen = []

    def listening(noise, drawn, lattice, steps, random):
        seen.append(steps.copy())
        return noisy(noise, drawn, lattice, steps, random)

    monkeypatch.setattr("confide.privacy.mechanisms.queries.noisy", listening)

    def of(query, values):
        seen.clear()
        query.release(values)
        return seen[0]

    return of


def neighbours(values, one, other, relation):
    return [*values, one], [*values, other] if relation is REPLACE else values


def within(apart, moves):
    """Whether a difference moves as many coordinates as accounted for, by no more in each."""
    moved = sorted((abs(int(a)) for a in apart if a), reverse=True)
    return len(moved) <= len(moves) and all(
        m <= most for m, most in zip(moved, sorted(moves, reverse=True), strict=False)
    )


@EVERY
class TestSensitivity:
    @settings(
        max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(SETS, VALUES, VALUES)
    def test_of_sums(self, exact, declared, values, one, other):
        query = ClampedSum(lower=-3.0, upper=7.1, **declared)
        mine, theirs = neighbours(values, one, other, declared["relation"])
        assert within(exact(query, mine) - exact(query, theirs), query._moves)

    @settings(
        max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(SETS.filter(len), VALUES, VALUES)
    def test_of_means(self, exact, declared, values, one, other):
        query = ClampedMean(lower=-3.0, upper=7.1, **declared)
        mine, theirs = neighbours(values, one, other, declared["relation"])
        assert within(exact(query, mine) - exact(query, theirs), query._moves)

    @settings(
        max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(st.lists(st.sampled_from("abcx")), st.sampled_from("abcx"), st.sampled_from("abcx"))
    def test_of_histograms(self, exact, declared, values, one, other):
        query = Histogram(keys=tuple("abc"), **declared)
        mine, theirs = neighbours(values, one, other, declared["relation"])
        assert within(exact(query, mine) - exact(query, theirs), query._moves)

    def test_is_reached(self, exact, declared):
        """Nothing is charged that no neighbours differ by."""
        total = ClampedSum(lower=-3.0, upper=7.1, **declared)
        mine, theirs = neighbours([1.0], 99.0, -99.0, declared["relation"])
        assert abs(exact(total, mine) - exact(total, theirs)) == total._moves
        mean = ClampedMean(lower=-3.0, upper=7.1, **declared)
        assert sorted(abs(exact(mean, mine) - exact(mean, theirs))) == sorted(mean._moves)
        count = Histogram(keys=tuple("abc"), **declared)
        mine, theirs = neighbours(["a"], "b", "c", declared["relation"])
        apart = abs(exact(count, mine) - exact(count, theirs))
        assert sorted(apart[apart > 0]) == sorted(count._moves)


@pytest.mark.parametrize("relation", Relation)
@pytest.mark.parametrize("noise", [LaplaceNoise(30.0), GaussianNoise(0.05)])
def test_events_say_no_less_than_the_noise_gives_away(noise, relation):
    """δ(ε) of the worst neighbours, of all coordinates that move together."""
    for query in (
        ClampedSum(lower=-3.0, upper=7.1, noise=noise, relation=relation),
        Histogram(keys=tuple("abc"), noise=noise, relation=relation),
    ):
        profile = profile_of(query.event, relation)
        if len(query._moves) == 1 or isinstance(noise, GaussianNoise):
            moved = math.ceil(noise.norm(query._moves))
            for epsilon in (0.5, 5.0, 29.0):
                exact = hockey_stick(query.drawn, moved, epsilon)
                assert exact <= profile.delta(epsilon) * (1 + 1e-4) + 1e-15
        if isinstance(noise, LaplaceNoise):
            assert 30 <= profile.epsilon(1e-30) < 30 * (1 + 1e-9)


@EVERY
def test_noise_is_wide_enough_for_all_that_moves_together(declared):
    """Laplace: Σ|moves|/ε; Gaussian: z·√Σ moves²."""
    noise = declared["noise"]
    for query in (
        ClampedSum(lower=-3.0, upper=7.1, **declared),
        ClampedMean(lower=-3.0, upper=7.1, **declared),
        Histogram(keys=tuple("abc"), **declared),
    ):
        moves = np.array(query._moves, float)
        if isinstance(noise, LaplaceNoise):
            least = moves.sum() / noise.epsilon
        else:
            least = noise.noise_multiplier * math.sqrt((moves**2).sum())
        assert least * (1 - 1e-15) <= float(query.drawn.scale) < least * 1.001


class TestSums:
    """Casacuberta et al. 2022: what floating-point sums give away."""

    QUERY = ClampedSum(lower=0, upper=1e6, noise=LaplaceNoise(1.0))

    def test_do_not_depend_on_the_order(self, exact):
        """In floats, 2^53 ones after 2^53 vanish."""
        values = public_generator("order").uniform(0, 1e6, 10_000)
        assert sum(values[::-1]) != sum(values)
        assert exact(self.QUERY, values) == exact(self.QUERY, values[::-1])

    def test_do_not_round_again_and_again(self, exact):
        """A unit's contribution is what it is, whoever else is there."""
        alone = exact(self.QUERY, [0.1])
        crowd = [1e6] * 5000
        assert exact(self.QUERY, [*crowd, 0.1]) - exact(self.QUERY, crowd) == alone

    def test_do_not_wrap_around(self, exact):
        query = ClampedSum(lower=0, upper=1, noise=LaplaceNoise(1e-3))
        assert exact(query, np.ones(3_000_000))[0] == 3_000_000 * query._moves[0]
        full = _total(np.full(1 << 21, 2**41))
        assert full == 2**61

    def test_of_nothing_is_noise(self):
        released = self.QUERY.release([])
        assert released.value != 0
        assert abs(released.value) < 100 * released.standard_error

    @pytest.mark.parametrize("power", [1, 2])
    def test_are_bounded_whatever_was_done_to_the_values_before(self, exact, power):
        """Bounds that a later rewrite undoes were none (opendp/opendp#2949, #2923)."""
        query = ClampedSum(lower=0, upper=3.0**power, noise=LaplaceNoise(1.0))
        for scale in (1, 1e3, 1e9):
            values = (np.array([0.5, 2.0, 3.0]) * scale) ** power
            apart = exact(query, values) - exact(query, values[:-1])
            assert 0 < apart[0] <= query._moves[0]


class TestMeans:
    @EVERY
    def test_are_near(self, declared):
        values = public_generator("mean").uniform(-3, 4, 50_000)
        query = ClampedMean(lower=-3, upper=7, **declared)
        released = query.release(values)
        assert abs(released.value - values.mean()) < 10 * released.standard_error < 0.1

    @EVERY
    def test_have_intervals_that_hold(self, declared):
        values = public_generator("mean").uniform(-3, 4, 400)
        query = ClampedMean(lower=-3, upper=7, **declared)
        releases = [query.release(values) for _ in range(600)]
        held = sum(low <= values.mean() <= high for low, high in (r.interval for r in releases))
        # 95 % less six deviations; the delta method adds up L1 reaches as if they were normal.
        assert held / 600 > 0.95 - 0.055

    def test_of_nobody_say_so(self):
        query = ClampedMean(lower=10, upper=20, noise=LaplaceNoise(1.0))
        for _ in range(50):
            released = query.release([])
            assert 10 <= released.value <= 20
        assert max(query.release([]).interval[1] for _ in range(50)) == 20

    def test_of_nobody_are_refused_where_the_count_is_public(self):
        query = ClampedMean(lower=10, upper=20, noise=LaplaceNoise(1.0), relation=REPLACE)
        with pytest.raises(DataError, match="at least one"):
            query.release([])


class TestHistograms:
    def test_put_out_every_key_and_no_other(self):
        query = Histogram(keys=("a", "b", None), noise=LaplaceNoise(1.0))
        released = query.release(["a", "a", "stranger", None])
        assert list(released.value) == ["a", "b", None]
        assert all(isinstance(count, int) for count in released.value.values())
        low, high = released.interval
        assert all(low[key] < released.value[key] < high[key] for key in query.keys)

    def test_do_not_fail_on_values_that_could_be_no_key(self, exact):
        """An error would tell that such a value is there."""
        query = Histogram(keys=("a", (1, 2)), noise=LaplaceNoise(1.0))
        values = ["a", [1], {}, (1, []), np.array([1]), math.nan, (1, 2), None]
        assert np.array_equal(exact(query, values), np.array([1, 1]) * query._one)

    @pytest.mark.parametrize("keys", [(1, True), (1, 1.0), (0.0, -0.0)])
    def test_refuse_keys_that_are_equal(self, keys):
        with pytest.raises(PlanError, match="each once"):
            Histogram(keys=keys, noise=LaplaceNoise(1.0))

    def test_refuse_a_key_that_nothing_equals(self):
        with pytest.raises(PlanError, match="NaN"):
            Histogram(keys=(1.0, math.nan), noise=LaplaceNoise(1.0))

    def test_of_nobody_look_like_of_somebody(self):
        """Absent keys are as noisy as those that are there: which are there does not show."""
        query = Histogram(keys=tuple("ab"), noise=LaplaceNoise(0.5))
        seen = Counter(query.release(list("a")).value["b"] for _ in range(400))
        assert len(seen) > 5

    def test_are_not_cut_off_at_zero(self):
        query = Histogram(keys=tuple("a"), noise=LaplaceNoise(0.5))
        assert min(query.release(list("")).value["a"] for _ in range(200)) < 0

    @pytest.mark.parametrize("noise", NOISES)
    def test_of_many_keys(self, noise):
        query = Histogram(keys=range(5000), noise=noise)
        released = query.release(list(range(5000)) * 3)
        errors = np.array(list(released.value.values())) - 3
        assert errors.std() == pytest.approx(released.standard_error, rel=0.15)


class TestAlwaysNoisy:
    """OpenDP's SmartNoise, issue 317: without bounds, answers without noise. Here, none at all."""

    @pytest.mark.parametrize("bound", [None, math.nan, math.inf, "10", True, 1e300])
    @pytest.mark.parametrize("kind", [ClampedSum, ClampedMean])
    def test_bounds_are_declared(self, kind, bound):
        for bounds in ({"lower": bound, "upper": 10.0}, {"lower": -1.0, "upper": bound}):
            with pytest.raises(PlanError, match="without a bound"):
                kind(noise=LaplaceNoise(1.0), **bounds)

    def test_bounds_are_in_order(self):
        for low, high in ((1, 1), (2, 1)):
            with pytest.raises(PlanError, match="lower < upper"):
                ClampedSum(lower=low, upper=high, noise=LaplaceNoise(1.0))

    def test_bounds_far_from_zero_for_their_distance(self):
        with pytest.raises(PlanError, match="subtract a public constant"):
            ClampedSum(lower=1e15, upper=1e15 + 1, noise=LaplaceNoise(1.0), relation=REPLACE)

    @EVERY
    def test_no_two_answers_are_alike(self, declared):
        query = ClampedSum(lower=0, upper=1, **declared)
        assert len({query.release([0.5] * 10).value for _ in range(20)}) == 20

    def test_the_same_noise_comes_back_only_from_a_replay(self):
        query = ClampedSum(lower=0, upper=1, noise=LaplaceNoise(1.0))
        one, two = (query.release([1], random=InsecureReplayableRandom(b"a")) for _ in range(2))
        assert one == two

    @pytest.mark.parametrize("kind", [ClampedSum, ClampedMean])
    def test_missing_values_count_as_declared_or_are_an_error(self, exact, kind):
        values = [0.5, math.nan, 0.25]
        with pytest.raises(DataError, match="missing"):
            kind(lower=0, upper=1, noise=LaplaceNoise(1.0)).release(values)
        declared = kind(lower=0, upper=1, noise=LaplaceNoise(1.0), missing=0.75)
        assert np.array_equal(exact(declared, values), exact(declared, [0.5, 0.75, 0.25]))
        with pytest.raises(PlanError, match="missing is 2"):
            kind(lower=0, upper=1, noise=LaplaceNoise(1.0), missing=2)

    @pytest.mark.parametrize("values", ["abc", [[1.0]], 1.0, [object()]])
    def test_what_is_no_list_of_numbers(self, values):
        with pytest.raises(DataError, match=r"one value for each unit|no number"):
            ClampedSum(lower=0, upper=1, noise=LaplaceNoise(1.0)).release(values)

    @pytest.mark.parametrize("keys", [(), ("a", "a")])
    def test_keys_that_are_none_or_twice(self, keys):
        with pytest.raises(PlanError, match="each once"):
            Histogram(keys=keys, noise=LaplaceNoise(1.0))
