"""Robust rules: what they give, and how far liars move them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize
from tests.aggregation.support import Federation, attested_plan

from confide.aggregation.enclave.robust import geometric_median, krum, median, trimmed_mean
from confide.plan import Clear, Rule

RULES = {
    Rule.MEDIAN: median,
    Rule.TRIMMED_MEAN: trimmed_mean,
    Rule.KRUM: krum,
    Rule.GEOMETRIC_MEDIAN: geometric_median,
}
tables = st.integers(3, 9).flatmap(
    lambda n: arrays(np.int64, (n, 4), elements=st.integers(-(2**30), 2**30))
)
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.__name__)


@given(tables)
def test_the_median_is_numpys(table):
    assert (median(table, 1) == np.median(table, axis=0) * len(table)).all()


@pytest.mark.parametrize("rule", [median, trimmed_mean, krum])
def test_of_the_largest_numbers_that_a_lattice_has_does_not_wrap(rule):
    """A sum takes up to 62 bits; n times a sum, as an intermediate, would not fit."""
    largest = (1 << 61) // 9
    table = np.array([[largest, -largest]] * 9, np.int64)
    assert rule(table, 2).tolist() == [9 * largest, -9 * largest]


@given(tables, st.integers(0, 4))
def test_the_trimmed_mean_is_that_of_the_middle(table, liars):
    cut = min(liars, (len(table) - 1) // 2)
    kept = np.sort(table, axis=0)[cut : len(table) - cut]
    assert np.abs(trimmed_mean(table, liars) - kept.mean(axis=0) * len(table)).max() <= 0.51


@given(tables, st.integers(0, 3))
def test_krum_is_a_contribution_of_the_least_score(table, liars):
    n = len(table)
    near = max(1, n - liars - 2)
    exact = [
        [int(((a - b) ** 2).sum()) for b in table.astype(object)] for a in table.astype(object)
    ]
    scores = [sum(sorted(row)[1 : near + 1]) for row in exact]
    chosen = krum(table, liars) // n
    place = next(i for i, row in enumerate(table) if (row == chosen).all())
    assert scores[place] <= min(scores) * (1 + 1e-9)


def test_the_geometric_median_is_scipys():
    rng = np.random.default_rng(1)
    table = rng.integers(-10_000, 10_000, (9, 3))

    def distance(point):
        return np.sqrt(((table - point) ** 2).sum(axis=1)).sum()

    found = minimize(distance, table.mean(axis=0), method="Nelder-Mead", tol=1e-9).x
    assert np.abs(geometric_median(table, 1) / len(table) - found).max() < 1


@every_rule
def test_of_equal_contributions_is_their_sum(rule):
    table = np.tile(np.array([5, -7, 0]), (6, 1))
    assert rule(table, 2).tolist() == [30, -42, 0]


@every_rule
def test_does_not_depend_on_the_order(rule):
    table = np.random.default_rng(2).integers(-99, 99, (7, 5))
    assert (rule(table, 2) == rule(table[::-1], 2)).all()


@every_rule
def test_liars_below_a_half_move_it_little_and_a_sum_as_they_like(rule):
    rng = np.random.default_rng(3)
    honest = 1000 + rng.integers(-10, 11, (9, 4))
    lies = np.full((3, 4), 10**9)
    moved = rule(np.vstack([honest, lies]), 3) / 12
    assert np.abs(moved - 1000).max() < 30
    assert np.abs(np.vstack([honest, lies]).sum(axis=0) / 12 - 1000).min() > 10**8


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.value)
def test_stands_in_the_place_of_the_sum(rule):
    federation = Federation(attested_plan(Clear(), rule=rule, dropouts=1))
    result = federation.attempt().finish({"p004": "contribution"})
    names = [name for name in federation.names if name != "p004"]
    table = np.stack([federation.contributions[name] for name in names])
    liars = federation.plan.threat.integrity.colluding_parties
    assert result.totals.tolist() == RULES[rule](table, liars).tolist()
    assert list(result.survivors) == names
