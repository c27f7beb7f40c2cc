"""Where numbers can lie: every number that an expression takes lies in its range."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial import Chebyshev, Polynomial

from confide.he.ranges import (
    Range,
    alike,
    once,
    reach_of_member,
    reach_of_power,
    reach_of_powers,
    reach_of_series,
)

ENDS = st.floats(-100, 100, allow_nan=False)
PERIODS = st.sampled_from([1, 2, 4, 8])


@st.composite
def ranges(draw):
    """A range, and numbers in it: one for all slots, or one for each."""
    period = draw(PERIODS)
    ends = np.array([sorted((draw(ENDS), draw(ENDS))) for _ in range(period)])
    within = np.array([draw(st.floats(0, 1)) for _ in range(period)])
    low, high = ends.T
    numbers = low + within * (high - low)
    if period == 1:
        return Range(float(low[0]), float(high[0])), float(numbers[0])
    return Range(low, high), numbers


def holds(lies, numbers):
    low, high, x = alike(lies.low, lies.high, numbers)
    slack = 1e-9 * (1 + lies.largest)
    return bool(np.all((np.asarray(low) - slack <= x) & (x <= np.asarray(high) + slack)))


@given(ranges(), ranges())
def test_operations_keep_numbers_inside(first, second):
    (a, x), (b, y) = first, second
    x_each, y_each = alike(x, y)
    assert holds(a + b, x_each + y_each)
    assert holds(a - b, x_each - y_each)
    assert holds(a * b, x_each * y_each)
    assert holds(a.squared(), x * x)
    assert holds(a.times(-3), -3 * np.asarray(x))
    assert holds(a.turned(1), np.roll(x, -1) if np.ndim(x) else x)
    assert holds(a.compact(), x)
    assert a.hull() == (np.min(a.low), np.max(a.high))


@given(ranges(), st.integers(1, 9))
def test_powers_and_members(lies_and_numbers, k):
    lies, x = lies_and_numbers
    assert holds(reach_of_power(k, lies), np.asarray(x) ** float(k))
    small = lies.times(0.012)
    member = Chebyshev.basis(k)(0.012 * np.asarray(x))
    assert holds(reach_of_member(k, small), member)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=12), ENDS, ENDS)
def test_polynomials(coefficients, one, other):
    low, high = sorted((one / 40, other / 40))
    lies, x = Range(low, high), np.linspace(low, high, 501)
    c = np.array(coefficients)
    assert holds(reach_of_series(c, lies), Chebyshev(c)(x))
    assert holds(reach_of_powers(c, lies), Polynomial(c)(x))


def test_a_polynomial_is_bounded_tightly():
    """By 2 % of what it takes, where a sum of the sizes of its terms would be 16 times as much."""
    series = np.array([0.0, *[(-1) ** k for k in range(16)]])
    reach = reach_of_series(series, Range(-1.0, 1.0))
    values = Chebyshev(series)(np.linspace(-1, 1, 20_001))
    assert reach.low == pytest.approx(values.min(), abs=0.02 * np.ptp(values))
    assert reach.high == pytest.approx(values.max(), abs=0.02 * np.ptp(values))


def test_members_stay_within_one_however_high():
    """The review's case: doubling bounded T_64 by some 2^64."""
    assert reach_of_member(64, Range(-1.0, 1.0)).largest == 1.0
    assert reach_of_member(3, Range(0.0, 2.0)).largest == pytest.approx(26.0)


def test_complex_numbers_lie_in_a_disc():
    disc = Range.of(np.array([1 + 1j, 0.5j]))
    assert not disc.real
    assert disc.largest == pytest.approx(math.sqrt(2))
    shifted = disc + Range(1.0, 1.0)
    assert shifted.hull() == (-shifted.largest, shifted.largest)
    assert (disc * disc).largest == pytest.approx(2.0)
    # What is known of real numbers is not known of these: i is no number between -1 and 1.
    assert disc.meets(Range(-0.1, 0.1)) is disc
    assert not Range(1.0, 2.0).meets(Range(1.5, 3.0)).low < 1.5


def test_what_repeats_stands_once():
    assert once(np.tile([1, 2, 3, 4], 8)).tolist() == [1, 2, 3, 4]
    assert once(np.array([1, 2, 1, 3])).tolist() == [1, 2, 1, 3]
    assert once(np.zeros(1024)).shape == (1,)
    assert [x.size for x in map(np.asarray, alike(np.ones(2), np.ones(8), 1.0))] == [8, 8, 1]
