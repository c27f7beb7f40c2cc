"""The arithmetic in whole numbers against mpmath."""

from fractions import Fraction

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.noise.laws import KINDS, energy, rational, reach

from confide.noise import DiscreteGaussian, DiscreteLaplace
from confide.noise.exact import exp_bounds
from confide.noise.law import unfolded
from confide.noise.table import floors, found, table_of

EXPONENTS = st.fractions(min_value=0, max_value=200, max_denominator=10**9)


@given(EXPONENTS, st.integers(0, 300))
def test_bounds_enclose_the_exponential_tightly(exponent, bits):
    low, high = exp_bounds(exponent, bits)
    with mpmath.workprec(700):
        true = mpmath.exp(-rational(exponent)) * mpmath.mpf(2) ** bits
        assert low <= true <= high
    assert high - low <= 2


def test_the_exponential_of_zero_is_one():
    assert exp_bounds(Fraction(0), 64) == (2**64, 2**64)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("scale", "bound"),
    [(0.1, None), (0.1, 1), (1, None), (1, 3), (Fraction(22, 7), None), (9.5, None), (20, 600),
     (33, None), (100.7, 40), (2**40, None), (2**40, 2**39), (2**40, 1)],
)  # fmt: skip
@pytest.mark.parametrize("bits", [8, 64, 128])
def test_floors_are_those_of_the_cumulative_probabilities(kind, scale, bound, bits):
    noise = kind(scale, bound)
    with mpmath.workprec(400):
        weights = _weights(noise)
        total, below, expected = mpmath.fsum(weights), mpmath.mpf(0), []
        for weight in weights[:-1] if bound is not None else weights:
            below += weight
            expected.append(int(mpmath.floor(below / total * mpmath.mpf(2) ** bits)))
    last = 2**bits - 1
    if last in expected:
        expected = expected[: expected.index(last) + 1]
    assert floors(noise.law, bits) == expected


def _weights(noise):
    """exp(-E(start)) for each cell, as far as 400 bits reach."""
    width = 2**noise.law.shift
    weights: list[mpmath.mpf] = []
    while True:
        j = unfolded(len(weights))
        start = j * width if j >= 0 else (-j - 1) * width + 1
        if (noise.bound is not None and start > noise.bound) or start > 4 * reach(noise) + width:
            return weights
        weights.append(mpmath.exp(-energy(noise, start)))


def test_a_word_is_decided_unless_its_step_holds_the_end_of_a_cell():
    grid = [10, 20, 20, 255]
    assert [found(grid, word) for word in (0, 9, 10, 11, 19, 20, 21, 254, 255)] == [
        0, 0, None, 1, 1, None, 3, 3, None,
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [0.1, 1, 31.9, 32, 10**6, 2**40])
def test_tables_are_small_and_cells_decided_by_their_first_bits(kind, scale):
    table = table_of(kind(scale).law)
    assert table.floors.size < 3000
    ambiguous = (table.guide == -(2**15)).mean()
    assert ambiguous < 0.1


@given(
    st.integers(-(2**50), 2**50),
    st.sampled_from([DiscreteGaussian(5000.5), DiscreteLaplace(2**30), DiscreteGaussian(2**40)]),
)
def test_the_excess_is_the_energy_above_that_of_the_cells_start(x, noise):
    law = noise.law
    cell = x >> law.shift
    inside = [cell << law.shift, (cell << law.shift) + 2**law.shift - 1]
    least = min(abs(end) for end in inside)
    assert law.excess(x) == law.energy(abs(x)) - law.energy(least)
    assert law.excess(x) >= 0
