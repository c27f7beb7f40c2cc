"""Quantiles against a search through every candidate."""

import math
from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.privacy.mechanisms.closed_forms import assert_counts_fit, softmax

from confide.errors import DataError, PlanError
from confide.plan import Relation
from confide.privacy.accounting import profile_of
from confide.privacy.mechanisms import Quantile
from confide.randomness import public_generator

SMALL: dict[str, Any] = {"lower": 0.0, "upper": 10.0, "resolution": 1.0, "epsilon": 1.2}
QUANTILES = st.sampled_from([0.5, 0.25, 0.9, 1 / 3, 0.001])
PLACES = st.lists(st.integers(0, 10), max_size=12)


def missed(quantile, values, candidate):
    """By how many units a candidate misses its rank."""
    q = Fraction(quantile).limit_denominator(10**6)
    below, at_most = sum(v < candidate for v in values), sum(v <= candidate for v in values)
    return max(Fraction(0), below - q * len(values), q * len(values) - at_most)


def published_rate(mechanism):
    """ε/2Δ for a unit, where the sensitivity is max(q, 1 - q), or 1."""
    q = Fraction(mechanism.quantile).limit_denominator(10**6)
    comes = mechanism.relation is Relation.ADD_OR_REMOVE_ONE
    return mechanism.epsilon / (2 * float(max(q, 1 - q) if comes else 1))


def probabilities(mechanism, values):
    rate = published_rate(mechanism)
    return softmax([-rate * float(missed(mechanism.quantile, values, c)) for c in range(11)])


@pytest.mark.parametrize("values", [[], [3], [0, 10], [2, 2, 2, 2, 7], [5] * 40])
@pytest.mark.parametrize("quantile", [0.5, 0.1])
def test_chooses_as_often_as_it_should(values, quantile):
    mechanism = Quantile(quantile=quantile, **SMALL)
    drawn = Counter(mechanism.release(values).value for _ in range(3000))
    assert_counts_fit([drawn[float(c)] for c in range(11)], probabilities(mechanism, values))


@settings(max_examples=200, deadline=None)
@given(PLACES, QUANTILES)
def test_runs_hold_every_candidate_once_with_its_score(values, quantile):
    mechanism = Quantile(quantile=quantile, **SMALL)
    first, last, scores = mechanism._runs(np.sort(np.array(values, np.int64)))
    found = {c: s for f, t, s in zip(first, last, scores, strict=True) for c in range(f, t + 1)}
    b = Fraction(quantile).limit_denominator(10**6).denominator
    assert {c: Fraction(int(-s), b) for c, s in found.items()} == {
        c: missed(quantile, values, c) for c in range(11)
    }
    assert (last - first + 1).sum() == 11


@settings(max_examples=300, deadline=None)
@given(PLACES, st.integers(0, 10), st.integers(0, 10), QUANTILES, st.sampled_from(Relation))
def test_no_neighbours_are_further_apart_than_epsilon(values, one, other, quantile, relation):
    mechanism = Quantile(quantile=quantile, relation=relation, **SMALL)
    mine = [*values, one]
    theirs = [*values, other] if relation is Relation.REPLACE_ONE else values
    unit = Fraction(quantile).limit_denominator(10**6).denominator
    assert float(mechanism._rate) * unit == pytest.approx(published_rate(mechanism), rel=1e-12)
    apart = np.log(probabilities(mechanism, mine)) - np.log(probabilities(mechanism, theirs))
    assert np.abs(apart).max() <= mechanism.epsilon * (1 + 1e-12)


@pytest.mark.parametrize("resolution", [1.0, 1e-3, 2e-9])
def test_is_as_near_as_it_says(resolution):
    values = public_generator("values").uniform(0, 1000, 5001)
    mechanism = Quantile(quantile=0.5, lower=0, upper=1000, resolution=resolution, epsilon=0.5)
    allowed = mechanism.rank_error(0.999) + 5001 * resolution / 1000 + 1
    ranks = [(values < mechanism.release(values).value).sum() for _ in range(20)]
    assert max(abs(rank - 2500.5) for rank in ranks) < allowed < 300


def test_of_a_million_values():
    values = public_generator("many").normal(3, 2, 1_000_000)
    mechanism = Quantile(quantile=0.25, lower=-100, upper=100, resolution=1e-6, epsilon=0.05)
    assert mechanism.release(values).value == pytest.approx(np.quantile(values, 0.25), abs=0.02)


def test_values_beyond_the_bounds_count_as_the_bounds():
    mechanism = Quantile(quantile=0.5, lower=0, upper=1, resolution=0.1, epsilon=50.0)
    assert mechanism.release([math.inf] * 100).value == 1
    assert mechanism.release([-math.inf] * 100).value == 0
    assert mechanism.release([-1e300] * 100 + [1e300] * 99).value == 0


def test_a_missing_value_counts_as_declared_or_is_an_error():
    values = [math.nan] * 200
    declared = Quantile(quantile=0.5, lower=0, upper=1, resolution=0.1, epsilon=50.0, missing=0.7)
    assert declared.release(values).value == pytest.approx(0.7)
    with pytest.raises(DataError, match="missing"):
        Quantile(quantile=0.5, lower=0, upper=1, resolution=0.1, epsilon=50.0).release(values)


def test_is_what_the_event_says():
    event = Quantile(quantile=0.5, **SMALL).event
    assert 1.2 <= profile_of(event).epsilon(1e-30) < 1.2 * (1 + 1e-9)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"quantile": 0.0}, "quantile is 0.0"),
        ({"quantile": math.nan}, "quantile is nan"),
        ({"lower": None}, "lower is None; without a bound"),
        ({"upper": math.inf}, "upper is inf; without a bound"),
        ({"lower": 10.0}, "lower < upper"),
        ({"resolution": 0.0}, "resolution is 0.0"),
        ({"resolution": 11.0}, "divides them into 1 to"),
        ({"resolution": 1e-12}, "divides them into 1 to"),
        ({"epsilon": 0.0}, "epsilon is 0.0"),
        ({"missing": 11.0}, "missing is 11.0"),
    ],
)
def test_refused(given, named):
    with pytest.raises(PlanError, match=named):
        Quantile(**({"quantile": 0.5} | SMALL | given))
