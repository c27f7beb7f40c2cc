"""The one-run audit: published values, and that it is seldom wrong about a known mechanism."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from confide.errors import PlanError
from confide.privacy.accounting import audited_epsilon


@pytest.mark.parametrize(
    ("canaries", "guesses", "correct", "delta", "epsilon"),
    [
        (1000, 1000, 700, 0.0, 0.732011),
        (5000, 1000, 900, 1e-5, 2.018259),
        (1000, 1000, 1000, 1e-5, 5.782283),
        (100, 100, 100, 0.0, 3.492965),
        (1000, 1000, 1000, 0.0, 5.809068),
    ],
)
def test_reference_values(canaries, guesses, correct, delta, epsilon):
    found = audited_epsilon(canaries=canaries, guesses=guesses, correct=correct, delta=delta)
    assert found == pytest.approx(epsilon, abs=2e-6)


@pytest.mark.parametrize("guesses", [100, 1000])
def test_of_a_perfect_attack_is_in_closed_form(guesses):
    """log(q/(1 - q)) with q = p^(1/r)."""
    q = 0.05 ** (1 / guesses)
    found = audited_epsilon(canaries=guesses, guesses=guesses, correct=guesses, delta=0.0)
    assert found == pytest.approx(math.log(q / (1 - q)), abs=1e-6)


@pytest.mark.parametrize("epsilon", [0.5, 2.0])
def test_is_above_the_truth_no_more_often_than_it_says(epsilon):
    """Randomised response, the best that ε allows; six deviations over 2,000 runs."""
    right = 1 / (1 + math.exp(-epsilon))
    correct = np.random.default_rng(5).binomial(300, right, 2000)
    found = {
        int(v): audited_epsilon(canaries=300, guesses=300, correct=int(v), delta=0.0)
        for v in set(correct)
    }
    wrong = np.mean([found[int(v)] > epsilon for v in correct])
    assert wrong <= 0.05 + 6 * math.sqrt(0.05 * 0.95 / 2000)
    assert max(found.values()) > epsilon / 2
    assert binom.sf(min(v for v, e in found.items() if e > epsilon) - 1, 300, right) <= 0.05


def test_guessing_shows_nothing():
    assert audited_epsilon(canaries=1000, guesses=1000, correct=500, delta=1e-6) == 0
    assert audited_epsilon(canaries=10, guesses=0, correct=0, delta=0.0) == 0


def test_delta_and_abstaining_leave_less():
    def audit(**changes):
        given = {"canaries": 1000, "guesses": 200, "correct": 190, "delta": 1e-6}
        return audited_epsilon(**(given | changes))

    assert audit(delta=1e-3) < audit() < audit(delta=0.0)
    assert audit(canaries=100_000) < audit()
    assert audit(error=0.001) < audit() < audit(correct=199)


@pytest.mark.parametrize(
    "given",
    [
        {"correct": 11},
        {"guesses": 21},
        {"correct": -1},
        {"canaries": 0, "guesses": 0, "correct": 0},
        {"delta": 1.0},
        {"error": 0.0},
        {"error": math.nan},
    ],
)
def test_numbers_that_do_not_fit(given):
    with pytest.raises(PlanError):
        audited_epsilon(**({"canaries": 20, "guesses": 10, "correct": 5, "delta": 0.0} | given))
