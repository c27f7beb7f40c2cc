"""Statements: rounded up, and never kinder than the numbers."""

import math

import dp_accounting as dp
import numpy as np
import pytest
from dp_accounting import dp_event
from scipy.special import ndtr, ndtri

from confide.errors import PlanError
from confide.plan import Relation, Unit
from confide.privacy.accounting import PrivacyStatement, profile_of

SAMPLED = dp.SelfComposedDpEvent(dp.PoissonSampledDpEvent(0.01, dp.GaussianDpEvent(1.1)), 1000)


def statement(event, **options):
    return PrivacyStatement.of_event(event, **({"delta": 1e-5} | options))


def test_of_a_gaussian_is_exact():
    found = statement(dp.GaussianDpEvent(2.0))
    assert (found.mu, found.mu_regret) == (0.5, 0.0)
    assert found.tpr == pytest.approx([float(ndtr(ndtri(a) + 0.5)) for a in (0.001, 0.01, 0.1)])
    assert str(found) == "ε = 2.00 at δ = 1e-05, μ = 0.500, per record"


def test_is_that_of_the_reference():
    """dp.md, row 2: 0.00336, 0.02535, 0.17912 at 0.1 %, 1 % and 10 % false alarms."""
    found = statement(SAMPLED)
    assert found.epsilon == pytest.approx(1.5154, abs=2e-4)
    assert found.tpr == pytest.approx([0.00336, 0.02535, 0.17912], abs=1e-5)
    assert found.sentence == (
        "An attacker who knows everything else and has a 1 % false-positive rate detects at most "
        "2.6 % of the records that took part; guessing detects 1 %."
    )


@pytest.mark.parametrize(
    "event",
    [
        SAMPLED,
        dp.LaplaceDpEvent(1.0),
        dp_event.RandomizedResponseDpEvent(0.5, 2),
        dp.ComposedDpEvent([SAMPLED, dp.GaussianDpEvent(3.0)]),
    ],
)
def test_the_fit_is_nowhere_more_private_than_the_event(event):
    """At rates that the fit did not look at."""
    found, profile = statement(event), profile_of(event)
    for rate in np.random.default_rng(1).uniform(1e-5, 0.98, 50):
        allowed = float(ndtr(ndtri(rate) + found.mu))
        assert profile.tpr(float(rate)) <= allowed + 2e-3
        assert allowed - profile.tpr(float(rate)) <= found.mu_regret + 2e-3


def test_a_bad_fit_says_so():
    found = statement(dp_event.RandomizedResponseDpEvent(0.2, 2))
    assert found.mu_regret > 0.01
    assert "a fit that is off by" in str(found)
    many = dp.SelfComposedDpEvent(dp.PoissonSampledDpEvent(0.01, dp.GaussianDpEvent(4.0)), 10_000)
    assert statement(many).mu_regret < 0.01
    assert "a fit" not in str(statement(many))


def test_closeness_is_added_to_epsilon_and_to_what_is_found():
    without, within = (statement(SAMPLED, closeness=c) for c in (0.0, 0.01))
    assert within.epsilon >= without.epsilon + 0.02
    assert all(a > b for a, b in zip(within.tpr, without.tpr, strict=True))
    for bad in (-0.1, 1.0, math.nan):
        with pytest.raises(PlanError, match="closeness is"):
            statement(SAMPLED, closeness=bad)


@pytest.mark.parametrize(
    ("multiplier", "shown"), [(3.7306, "ε = 1.01"), (3.73064, "ε = 1.00"), (0.31, "ε = 18.4")]
)
def test_numbers_are_rounded_up(multiplier, shown):
    found = statement(dp.GaussianDpEvent(multiplier))
    assert str(found).startswith(shown)
    assert float(shown.partition("= ")[2]) >= found.epsilon - 1e-4


def test_what_nothing_protects_says_so():
    found = statement(dp_event.NonPrivateDpEvent(), unit=Unit.PERSON)
    assert str(found) == "ε = ∞"
    assert found.sentence == (
        "Nothing keeps an attacker from finding out whether a given person took part."
    )


def test_whole_parties_are_named_in_the_plural():
    found = statement(dp.GaussianDpEvent(2.0), unit=Unit.PARTY)
    assert "of the parties that took part" in found.sentence


def test_the_relation_is_a_part_of_it():
    added, replaced = (statement(SAMPLED, relation=r) for r in Relation)
    assert replaced.epsilon == pytest.approx(2.4778, abs=2e-4)
    assert added.epsilon < replaced.epsilon


@pytest.mark.parametrize("delta", [0.0, 1.0, -1e-5, math.nan])
def test_a_delta_out_of_range(delta):
    with pytest.raises(PlanError, match="delta is"):
        statement(SAMPLED, delta=delta)
