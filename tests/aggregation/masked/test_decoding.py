"""Reed-Solomon decoding of shares: finds as many false ones as can be found, and no more."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.aggregation.masked.decoding import decode, evaluate, interpolate
from confide.aggregation.masked.shamir import PRIME


def word(shares, threshold, false, seed):
    """A polynomial, and its values of which so many are false."""
    rng = np.random.default_rng(seed)
    polynomial = [int(c) for c in rng.integers(1, PRIME, threshold)]
    points = [int(p) for p in rng.choice(np.arange(1, 300), shares, replace=False)]
    values = {x: evaluate(polynomial, x) for x in points}
    for x in points[:false]:
        values[x] = (values[x] + int(rng.integers(1, PRIME))) % PRIME
    return polynomial, values


@given(st.integers(1, 24), st.integers(0, 12), st.integers(0, 2**32 - 1))
def test_as_many_false_values_as_half_the_spare_ones_are_found(threshold, spare, seed):
    for false in range(spare // 2 + 1):
        polynomial, values = word(threshold + spare, threshold, false, seed)
        assert decode(values, threshold) == polynomial


@given(st.integers(2, 12), st.integers(0, 8), st.integers(0, 2**32 - 1))
def test_more_false_values_give_no_polynomial_that_enough_values_lie_on(threshold, spare, seed):
    polynomial, values = word(threshold + spare, threshold, spare // 2 + 1, seed)
    found = decode(values, threshold)
    assert found != polynomial
    if found is not None:
        agreeing = sum(evaluate(found, x) == y for x, y in values.items())
        assert agreeing >= len(values) - spare // 2


def test_a_polynomial_of_lower_degree_is_found_as_well():
    values = dict.fromkeys(range(1, 9), 7) | {3: 8}
    assert decode(values, 4) == [7]
    assert decode(dict.fromkeys(range(1, 9), 0) | {3: 8}, 4) == []


def test_values_that_somebody_chose_to_look_like_another_polynomial_are_not_taken_for_it():
    """Two liars of seven, threshold three: five values decide, whatever the two agree on."""
    truth, bait = [5, 6, 7], [1, 2, 3]
    values = {x: evaluate(bait if x <= 2 else truth, x) for x in range(1, 8)}
    assert decode(values, 3) == truth


@pytest.mark.parametrize("count", [1, 2, 9])
def test_interpolation_goes_through_all_values(count):
    _, values = word(count, count, count, 3)
    polynomial = interpolate(values)
    assert len(polynomial) <= count
    assert all(evaluate(polynomial, x) == y for x, y in values.items())
