"""What the values accept, and the probabilities and tails that they state."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.noise.laws import KINDS, energy, mass, reach

from confide.errors import DataError, PlanError
from confide.noise import (
    LARGEST_SCALE,
    LEAST_SCALE,
    Backend,
    DiscreteGaussian,
    DiscreteLaplace,
    DiscreteNoise,
    backend,
    kernel,
)
from confide.randomness import SystemRandom

pytestmark = pytest.mark.parametrize("kind", KINDS)


class TestScales:
    @pytest.mark.parametrize(
        "scale",
        [math.nan, math.inf, -math.inf, 0, 0.0, -1, -0.5, 0.0999, 2**40 + 1, 1e300, 10**400],
    )
    def test_refused(self, kind, scale):
        with pytest.raises(PlanError, match=r"number of lattice steps from 0\.1 to 2\^40"):
            kind(scale)

    @pytest.mark.parametrize("scale", ["1", None, True, 1j, np.ones(2), b"1"])
    def test_of_other_types_are_refused(self, kind, scale):
        with pytest.raises(PlanError, match="takes a number of lattice steps"):
            kind(scale)

    def test_of_endless_denominators_are_refused(self, kind):
        with pytest.raises(PlanError, match="limit_denominator"):
            kind(1 + Fraction(1, 3**400))

    @pytest.mark.parametrize(
        "scale", [0.1, LEAST_SCALE, 1, 2**40, LARGEST_SCALE, np.float32(3.7), np.int64(9)]
    )
    def test_accepted_are_taken_exactly(self, kind, scale):
        law = kind(scale).law
        exact = Fraction(scale.item() if isinstance(scale, np.generic) else scale)
        assert {law.quadratic, law.linear} & {1 / (2 * exact**2), 1 / exact}

    def test_equal_numbers_make_equal_values(self, kind):
        assert kind(0.5) == kind(Fraction(1, 2))
        assert hash(kind(2)) == hash(kind(2.0))
        assert kind(2) != kind(2, bound=5)


class TestBounds:
    @pytest.mark.parametrize("bound", [0, -1, 2**61 + 1, 2**100])
    def test_refused(self, kind, bound):
        with pytest.raises(PlanError, match="leave it out"):
            kind(1, bound=bound)

    @pytest.mark.parametrize("bound", [1.0, "3", True, Fraction(3)])
    def test_of_other_types_are_refused(self, kind, bound):
        with pytest.raises(PlanError, match="whole number"):
            kind(1, bound=bound)

    def test_largest_is_accepted(self, kind):
        samples = kind(2**40, bound=2**61).sample(100, SystemRandom())
        assert np.abs(samples).max() < 2**47


class TestSample:
    @pytest.mark.parametrize("size", [-1, 1.0, True, "3", None])
    def test_refuses_sizes(self, kind, size):
        with pytest.raises(PlanError, match="size"):
            kind(1).sample(size, SystemRandom())

    def test_takes_no_predictable_generator(self, kind):
        for source in (np.random.default_rng(1), np.random.RandomState(1)):
            with pytest.raises(PlanError, match="predict"):
                kind(1).sample(1, source)

    def test_makes_no_noise_of_a_source_that_runs_dry(self, kind):
        class Dry:
            def bytes(self, count):
                return bytes(count - 1)

        with pytest.raises(DataError, match="31 bytes of 32"):
            kind(1).sample(1, Dry())

    def test_names_a_kernel_that_is_not_there(self, kind, monkeypatch):
        monkeypatch.setattr(kernel, "_kernel", lambda: None)
        assert backend() is Backend.REFERENCE
        assert kind(1).sample(3, SystemRandom()).shape == (3,)
        with pytest.raises(PlanError, match="confide-native"):
            kind(1).sample(1, SystemRandom(), backend=Backend.KERNEL)

    def test_is_read_only_a_value(self, kind):
        with pytest.raises(AttributeError):
            kind(1).scale = 2
        assert repr(kind(1.5, 3)) == f"{kind.__name__}(scale=1.5, bound=3)"


def test_the_base_is_no_distribution(kind):
    assert issubclass(kind, DiscreteNoise)
    with pytest.raises(TypeError, match="abstract"):
        DiscreteNoise(1.0)  # type: ignore[abstract]


@pytest.mark.parametrize("bound", [None, 1, 7, 10**5])
@pytest.mark.parametrize("scale", [0.1, 0.5, 1, 3.7, 100, 5000.25, 2**20 + 0.5, 2**40])
def test_probabilities_are_those_of_mpmath(kind, scale, bound):
    noise = kind(scale, bound)
    far = reach(noise)
    total = 1 + 2 * mass(noise, 1, far)
    for x in (0, 1, -1, far // 40, -far // 3, far):
        expected = mpmath.log(mpmath.exp(-energy(noise, x)) / total)
        assert math.isclose(noise.log_pmf(x), expected, rel_tol=1e-7 if scale > 999 else 1e-11)
    assert noise.pmf(far) == np.exp(noise.log_pmf(far))
    if bound is not None:
        assert noise.pmf([bound + 1, -bound - 1]).tolist() == [0, 0]


@pytest.mark.parametrize("bound", [None, 40_000, 70_000, 200_000])
@pytest.mark.parametrize("scale", [2000.5, 30_000])
def test_probabilities_add_up_to_one(kind, scale, bound):
    noise = kind(scale, bound)
    x = np.arange(-40 * 30_000, 40 * 30_000 + 1)
    assert math.isclose(math.fsum(noise.pmf(x)), 1, rel_tol=1e-11)


def test_probabilities_are_of_integers(kind):
    with pytest.raises(PlanError, match="integers"):
        kind(1).pmf(0.5)


@pytest.mark.parametrize("bound", [None, 2, 9, 60])
@given(scale=st.floats(0.1, 20), t=st.integers(-1, 80))
def test_tails_are_bounds_and_exact_for_laplace(kind, bound, scale, t):
    noise = kind(scale, bound)
    x = np.arange(max(t, 1), 2000)
    true = 1.0 if t <= 0 else 2 * math.fsum(noise.pmf(x))
    assert noise.tail(t) >= true * (1 - 1e-13)
    assert noise.tail(t) <= 1
    if kind is DiscreteLaplace and scale > 1:
        assert noise.tail(t) <= true * (1 + 1e-9)


@pytest.mark.parametrize("bits", [-1, -20, -60.5, -1000])
@pytest.mark.parametrize("bound", [None, 5])
@pytest.mark.parametrize("scale", [0.1, 1, 3.7, 2**40])
def test_the_quantile_bound_is_the_least_that_the_tail_proves(kind, scale, bound, bits):
    noise = kind(scale, bound)
    t = noise.quantile_bound(bits)
    assert noise.tail(t + 1) <= 2.0**bits
    assert t == 0 or noise.tail(t) > 2.0**bits
    if bound is not None:
        assert t <= bound


@pytest.mark.parametrize("bits", [0, 1, -1001, math.nan, -math.inf])
def test_refuses_probabilities_that_none_are(kind, bits):
    with pytest.raises(PlanError, match="log2_probability"):
        kind(1).quantile_bound(bits)


def test_tails_never_claim_to_vanish(kind):
    """A bound of zero would be a claim that no float supports."""
    assert kind(1).tail(10**6) > 0
    assert kind(1, bound=9).tail(10) == 0


def test_gaussian_reach_covers_the_lattice_of_plans(kind):
    """`confide.plan.noise` reserves room by the same bound: 2·exp(-t²/2σ²) ≤ 2^-60."""
    if kind is DiscreteGaussian:
        assert DiscreteGaussian(100).quantile_bound(-60) <= math.ceil(
            100 * math.sqrt(2 * math.log(2.0**61))
        )
