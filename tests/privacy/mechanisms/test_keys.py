"""Naming unknown keys: the published recurrence, and that no number of units is told by more."""

import math

import mpmath
import pytest
from tests.privacy.mechanisms.closed_forms import assert_counts_fit

from confide.errors import DataError, PlanError
from confide.noise.exact import WORD_BITS
from confide.privacy.mechanisms import KeySelection


def recurrence(epsilon, delta, units):
    """π(0) … π(n) to 50 digits."""
    with mpmath.workdps(50):
        e, d = mpmath.exp(mpmath.mpf(epsilon)), mpmath.mpf(delta)
        found = [mpmath.mpf(0)]
        for _ in range(units):
            p = found[-1]
            found.append(min(e * p + d, 1 - (1 - p - d) / e, mpmath.mpf(1)))
        return found


def test_reference_values():
    """2006.03684's recurrence at ε = 1, δ = 1e-5."""
    selection = KeySelection(epsilon=1.0, delta=1e-5)
    assert selection.probability(5) == pytest.approx(8.579e-4, rel=1e-3)
    assert selection.probability(10) == pytest.approx(0.128183, abs=1e-6)
    assert selection.probability(12) == pytest.approx(0.760310, abs=1e-6)
    threshold = 1 + math.log(1 / (2 * 1e-5))
    assert threshold == pytest.approx(11.8198, abs=1e-4)
    # Laplace noise and that threshold name a key of ten with 8 %, where this names it with 13 %.
    assert math.exp(-(threshold - 10)) / 2 < selection.probability(10)


@pytest.mark.parametrize(
    ("epsilon", "delta"), [(1.0, 1e-5), (0.1, 1e-9), (5.0, 1e-3), (1e-6, 0.01), (50.0, 1e-50)]
)
@pytest.mark.parametrize("bits", [64, 128, 512])
def test_bounds_hold_the_recurrence_and_are_as_tight_as_asked(epsilon, delta, bits):
    selection = KeySelection(epsilon=epsilon, delta=delta)
    for units, true in enumerate(recurrence(epsilon, delta, 150)):
        low, high = selection._bounds(units, bits)
        assert high - low <= 2
        with mpmath.workdps(50):
            if bits == WORD_BITS:
                assert low <= true * 2**64 <= high


@pytest.mark.parametrize(("epsilon", "delta"), [(1.0, 1e-5), (0.2, 1e-3), (3.0, 1e-8)])
def test_neighbours_differ_by_no_more_than_epsilon_and_delta(epsilon, delta):
    """Of the four inequalities one is tight at every number of units: no better is possible."""
    p = recurrence(epsilon, delta, 80)
    with mpmath.workdps(50):
        e, d, spare = mpmath.exp(epsilon), mpmath.mpf(delta), mpmath.mpf(10) ** -40
        for i in range(80):
            for one, other in ((p[i], p[i + 1]), (p[i + 1], p[i])):
                assert one <= e * other + d + spare
                assert 1 - one <= e * (1 - other) + d + spare
            tight = (e * p[i] + d - p[i + 1], e * (1 - p[i + 1]) + d - (1 - p[i]), 1 - p[i + 1])
            assert min(map(abs, tight)) < spare


@pytest.mark.parametrize("units", [0, 1, 10, 12, 40])
def test_names_as_often_as_it_says(units):
    selection = KeySelection(epsilon=1.0, delta=1e-3)
    named = sum(len(selection.release(dict.fromkeys(range(100), units)).value) for _ in range(60))
    p = float(recurrence(1.0, 1e-3, units)[-1])
    assert_counts_fit([named, 6000 - named], [p, 1 - p])


def test_what_nobody_has_is_never_named_and_what_many_have_always():
    selection = KeySelection(epsilon=0.5, delta=1e-6)
    assert selection.release({"many": 10**9, None: 0}).value == {"many"}


def test_the_probability_of_a_single_unit_is_delta():
    assert KeySelection(epsilon=2.0, delta=1e-7).probability(1) == pytest.approx(1e-7, rel=1e-12)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"epsilon": 0.0}, "epsilon is 0.0"),
        ({"epsilon": 51.0}, "at most 50"),
        ({"delta": 0.0}, "delta is 0.0"),
        ({"delta": 1.0}, "delta is 1.0"),
        ({"delta": math.nan}, "delta is nan"),
    ],
)
def test_declarations_out_of_range(given, named):
    with pytest.raises(PlanError, match=named):
        KeySelection(**({"epsilon": 1.0, "delta": 1e-6} | given))


@pytest.mark.parametrize("count", [-1, 1.0, True, None])
def test_counts_that_are_none(count):
    with pytest.raises(DataError, match="whole numbers"):
        KeySelection(epsilon=1.0, delta=1e-6).release({"a": count})
