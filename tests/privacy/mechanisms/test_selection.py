"""Choices against closed forms, and never more telling than ε."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from tests.privacy.mechanisms.closed_forms import assert_counts_fit, permute_and_flip, softmax

from confide.errors import DataError, PlanError
from confide.privacy.accounting import profile_of
from confide.privacy.mechanisms import ExponentialMechanism, PermuteAndFlip

BOTH = pytest.mark.parametrize("kind", [ExponentialMechanism, PermuteAndFlip])
SCORES = [0.0, 1.0, 2.5, 2.5, -4.0]


def probabilities(mechanism, scores):
    """As the mechanism draws them: of the scores in steps."""
    exponents = mechanism._lattice.nearest(np.asarray(scores, float)) * float(mechanism._rate)
    exponents -= exponents.max()
    exponential = isinstance(mechanism, ExponentialMechanism)
    return softmax(exponents) if exponential else permute_and_flip(exponents)


@BOTH
class TestChooses:
    @pytest.mark.parametrize("monotone", [False, True])
    def test_as_often_as_it_should(self, kind, monotone):
        mechanism = kind(epsilon=1.5, sensitivity=1, candidates=5, monotone=monotone)
        drawn = Counter(mechanism.release(SCORES).value for _ in range(10_000))
        rate = 1.5 if monotone else 0.75
        exponents = rate * (np.array(SCORES) - max(SCORES))
        meant = softmax(exponents) if kind is ExponentialMechanism else permute_and_flip(exponents)
        assert_counts_fit([drawn[i] for i in range(5)], meant)

    def test_the_only_candidate(self, kind):
        assert kind(epsilon=1.0, sensitivity=1, candidates=1).release([-1e300]).value == 0

    def test_among_many(self, kind):
        scores = np.zeros(50_000)
        scores[777] = 100.0
        assert kind(epsilon=1.0, sensitivity=1, candidates=50_000).release(scores).value == 777

    def test_within_its_shortfall(self, kind):
        mechanism = kind(epsilon=1.0, sensitivity=2, candidates=100)
        scores = np.arange(100.0)
        short = sum(
            99 - mechanism.release(scores).value > mechanism.shortfall() for _ in range(500)
        )
        assert short < 0.05 * 500 + 6 * math.sqrt(0.05 * 0.95 * 500)

    def test_without_floating_point_ties(self, kind):
        """Scores that floats tell apart by their last place are told apart by no more."""
        mechanism = kind(epsilon=1.0, sensitivity=1, candidates=2)
        p = probabilities(mechanism, [1e15, 1e15 + 0.125])
        assert p == pytest.approx([0.5, 0.5], abs=0.05)


@BOTH
class TestPrivacy:
    def test_no_neighbours_are_further_apart_than_epsilon(self, kind):
        """All ways in which each score moves by Δ, 0 or -Δ, and by all of a step's rounding."""
        epsilon, sensitivity = 0.8, 1 + 0.9 * 2**-20
        mechanism = kind(epsilon=epsilon, sensitivity=sensitivity, candidates=4)
        scores = np.array([0.5 * 2**-20, 1.0, 3.0, 2.0])
        before = np.log(probabilities(mechanism, scores))
        worst = max(
            np.abs(np.log(probabilities(mechanism, scores + np.array(moved))) - before).max()
            for moved in itertools.product((-sensitivity, 0, sensitivity), repeat=4)
        )
        assert worst <= epsilon * (1 + 1e-12)

    def test_monotone_scores_too(self, kind):
        mechanism = kind(epsilon=0.8, sensitivity=1, candidates=4, monotone=True)
        scores = np.array([0.0, 1.0, 3.0, 2.0])
        before = np.log(probabilities(mechanism, scores))
        worst = [
            np.abs(np.log(probabilities(mechanism, scores + np.array(moved))) - before).max()
            for moved in itertools.product((0, 1), repeat=4)
        ]
        assert 0.4 < max(worst) <= 0.8 * (1 + 1e-12)

    def test_calling_scores_monotone_that_are_not_would_break_it(self, kind):
        mechanism = kind(epsilon=0.8, sensitivity=1, candidates=2, monotone=True)
        before, after = (np.log(probabilities(mechanism, s)) for s in ([9.0, 0.0], [8.0, 1.0]))
        assert np.abs(after - before).max() > 0.8

    def test_is_what_the_event_says(self, kind):
        event = kind(epsilon=0.8, sensitivity=1, candidates=4).event
        assert 0.8 <= profile_of(event).epsilon(1e-30) < 0.8 * (1 + 1e-9)


def test_permute_and_flip_is_never_worse():
    """McKenna and Sheldon 2020, Theorem 2, on the closed forms and on ours."""
    for scores in ([0, 1], [0, 0, 3], [5, 4, 3, 2, 1, 0]):
        losses = []
        for kind in (PermuteAndFlip, ExponentialMechanism):
            mechanism = kind(epsilon=1.0, sensitivity=1, candidates=len(scores))
            losses.append(max(scores) - probabilities(mechanism, scores) @ scores)
        assert losses[0] < losses[1]


@BOTH
class TestRefused:
    @pytest.mark.parametrize(
        ("given", "named"),
        [
            ({"epsilon": 0.0}, "epsilon is 0.0"),
            ({"epsilon": math.inf}, "epsilon is inf"),
            ({"sensitivity": 0.0}, "sensitivity is 0.0"),
            ({"sensitivity": math.inf}, "sensitivity is inf"),
            ({"candidates": 0}, "candidates is 0"),
            ({"candidates": 2.0}, "candidates is 2.0"),
        ],
    )
    def test_declarations(self, kind, given, named):
        with pytest.raises(PlanError, match=named):
            kind(**({"epsilon": 1.0, "sensitivity": 1.0, "candidates": 3} | given))

    @pytest.mark.parametrize(
        ("scores", "named"),
        [
            ([1.0, 2.0], "shape"),
            ([1.0, 2.0, math.nan], "not finite"),
            ("abc", "one value for each unit"),
        ],
    )
    def test_scores(self, kind, scores, named):
        with pytest.raises(DataError, match=named):
            kind(epsilon=1.0, sensitivity=1.0, candidates=3).release(scores)

    @pytest.mark.parametrize("confidence", [0, 1, math.nan])
    def test_confidence(self, kind, confidence):
        with pytest.raises(PlanError, match="confidence is"):
            kind(epsilon=1.0, sensitivity=1.0, candidates=3).shortfall(confidence)
