"""Statistics over owners are those of the pooled table, however its rows are split."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.analytics.tables import CAPACITY, TABLE, owners, pooled, run

import confide as cf
from confide.analytics import (
    covariances,
    distinct,
    groups,
    histograms,
    moments,
    quantiles,
    rounds_of_quantiles,
    statistics_table,
    survival_curve,
)
from confide.analytics.interval import log_log
from confide.errors import PlanError

NUMBERS = ["age", "cost", "weight", "months"]


@pytest.fixture(scope="module")
def data():
    return owners()


@pytest.fixture(scope="module")
def rows(data):
    return pooled(data)


@pytest.fixture(scope="module")
def found(data):
    """One plan of all statistics that take one round."""
    of = [
        moments(TABLE, capacity=CAPACITY, digits=3),
        moments(TABLE, capacity=CAPACITY, digits=3, weight="weight", name="weighted"),
        covariances(TABLE, capacity=CAPACITY, digits=3, columns=["age", "cost", "smoker"]),
        histograms(TABLE, capacity=CAPACITY, bins=7),
        groups(TABLE, capacity=CAPACITY, digits=3, by=["ward", "smoker"], columns=["age", "cost"]),
        distinct("ward", values=("A", "B", "Q"), name="wards"),
        distinct("cost"),
    ]
    return run(data, *of)[0]


class TestMoments:
    def test_are_pandas_on_all_rows(self, found, rows):
        made = found["moments"]
        assert list(made.columns) == [*NUMBERS, "smoker", "died", "day"]
        of = rows[[*NUMBERS, "smoker", "died"]].astype(float)
        np.testing.assert_array_equal(made.counts[:6], of.count())
        np.testing.assert_array_equal(made.missing[:6], of.isna().sum())
        np.testing.assert_allclose(made.mean[:6], of.mean(), rtol=1e-5)
        np.testing.assert_allclose(made.variance[:6], of.var(), rtol=1e-4)
        assert made.rows == len(rows)
        day = (rows["day"] - pd.Timestamp(1970, 1, 1)).dt.days
        assert made.mean[6] == pytest.approx(day.mean(), abs=1e-3)

    def test_with_weights_are_numpy_s_average(self, found, rows):
        made = found["weighted"]
        here = rows.dropna(subset="age")
        mean = np.average(here["age"], weights=here["weight"])
        assert made.mean[0] == pytest.approx(mean, rel=1e-5)
        spread = np.average((here["age"] - mean) ** 2, weights=here["weight"])
        assert made.variance[0] == pytest.approx(spread, rel=1e-4)
        assert made.weights[0] == here["weight"].sum()
        assert "weight" not in made.columns

    def test_a_mean_of_means_is_another_number(self, found, data, rows):
        of_means = np.mean([table["cost"].mean() for table in data.values()])
        assert abs(of_means - rows["cost"].mean()) > 20
        assert found["moments"].mean[1] == pytest.approx(rows["cost"].mean(), rel=1e-5)

    def test_covariances_are_those_of_complete_rows(self, found, rows):
        of = rows[["age", "cost", "smoker"]].dropna().astype(float)
        made = found["covariances"]
        np.testing.assert_allclose(made.covariance, of.cov(), rtol=1e-4, atol=1e-2)
        np.testing.assert_allclose(made.table, of.corr(), atol=1e-5)
        assert made.rows == len(of)

    def test_a_digit_more_is_64_times_as_exact(self, data, rows):
        errors = []
        for digits in (1, 2):
            computation = moments(TABLE, capacity=CAPACITY, columns=["cost"], digits=digits)
            seeds = range(8)
            errors.append(
                np.std([
                    run(data, computation, seed=seed)[0]["moments"].mean[0] - rows["cost"].mean()
                    for seed in seeds
                ])
            )  # fmt: skip
        assert errors[1] < errors[0] / 8

    def test_of_nothing_is_no_number(self):
        empty = {n: pd.DataFrame({"x": [np.nan, np.nan]}) for n in "abc"}
        table = statistics_table({"x": cf.Number(bounds=(0, 1))})
        made = run(empty, moments(table, capacity=5))[0]["moments"]
        assert np.isnan(made.mean[0])
        assert made.missing[0] == 6


class TestCounts:
    def test_of_numbers_are_numpy_s_histogram(self, found, rows):
        made = found["histograms"]["age"]
        counts, edges = np.histogram(rows["age"].dropna(), bins=7, range=(0, 120))
        np.testing.assert_array_equal(made.counts, counts)
        np.testing.assert_array_equal(made.edges, edges)
        assert made.missing == rows["age"].isna().sum()

    def test_of_values_are_value_counts(self, found, rows):
        made = found["histograms"]["ward"]
        of = rows["ward"].value_counts()
        assert made.labels == ("A", "B", "other")
        assert made.counts.tolist() == [of["A"], of["B"], of["Z"]]
        assert made.missing == rows["ward"].isna().sum()
        smoker = found["histograms"]["smoker"]
        assert smoker.counts.tolist() == [(~rows["smoker"]).sum(), rows["smoker"].sum()]

    def test_of_declared_values_that_differ_are_exact(self, found):
        assert (found["wards"].count, found["wards"].error, found["wards"].exact) == (2, 0, True)

    def test_of_any_values_that_differ_are_an_estimate_with_its_error(self, found, rows):
        made = found["distinct"]
        assert abs(made.count - rows["cost"].nunique()) < 4 * made.error
        assert 0 < made.error < 10


class TestGroups:
    def test_are_pandas_groupby(self, found, rows):
        keyed = rows.assign(ward=rows["ward"].replace("Z", "other").fillna("missing"))
        of = keyed.groupby(["ward", "smoker"])
        table = found["groups"].table
        for (ward, smoker), part in of:
            row = table.loc[(ward, str(smoker).lower())]
            assert row["rows"] == len(part)
            assert row["mean age"] == pytest.approx(part["age"].mean(), rel=1e-5, nan_ok=True)
            if part["cost"].count() > 1:
                assert row["std cost"] == pytest.approx(part["cost"].std(), rel=1e-4)
        assert table["rows"].sum() == len(rows)


class TestQuantiles:
    @pytest.mark.parametrize("interpolate", [True, False])
    def test_are_numpy_s_on_all_rows(self, data, rows, interpolate):
        columns, at = ["age", "cost", "months"], (0.0, 0.1, 0.5, 0.9, 1.0)
        steps = {"age": 1.0, "cost": 0.01, "months": 1.0}
        asked = quantiles(
            TABLE, capacity=CAPACITY, columns=columns, at=at, resolution=steps,
            interpolate=interpolate,
        )  # fmt: skip
        rounds = rounds_of_quantiles(TABLE, columns, steps)
        made = run(data, asked, rounds=[rounds])[0]["quantiles"]
        method: Any = "linear" if interpolate else "inverted_cdf"
        for place, name in enumerate(columns):
            true = np.quantile(rows[name].dropna(), at, method=method)
            np.testing.assert_allclose(made.values[place], true, atol=1e-6)
        assert rounds == 19  # one to count, and 2^18 steps of a cent

    def test_to_the_declared_resolution_and_no_further(self, data, rows):
        table = statistics_table({"cost": cf.Number(bounds=(0, 2000))})
        asked = quantiles(table, capacity=CAPACITY, at=(0.5,), resolution={"cost": 10.0})
        rounds = rounds_of_quantiles(table, resolution={"cost": 10.0})
        made = run(data, asked, rounds=[rounds])[0]["quantiles"]
        assert abs(made.values[0, 0] - rows["cost"].median()) <= 5
        assert made.values[0, 0] % 5 == 0


@st.composite
def splits(draw):
    """Numbers, spread over three owners in any way that gives each at least one."""
    values = draw(st.lists(st.integers(0, 40), min_size=3, max_size=25))
    where = draw(st.lists(st.integers(0, 2), min_size=len(values) - 3, max_size=len(values) - 3))
    return values, [0, 1, 2, *where]


@given(splits())
@settings(max_examples=8, deadline=None)
def test_any_split_gives_the_pooled_answer(split):
    values, where = np.array(split[0], float), np.array(split[1])
    table = statistics_table({"x": cf.Number(bounds=(0, 64)), "g": cf.Category(values=("u",))})
    data = {n: pd.DataFrame({"x": values[where == i], "g": "u"}) for i, n in enumerate("abc")}
    asked = quantiles(table, capacity=50, columns=["x"], at=(0.3,), resolution={"x": 1.0})
    found, _ = run(
        data, moments(table, capacity=50, columns=["x"], digits=3),
        histograms(table, capacity=50, columns=["x"], bins=64), asked,
        rounds=[1, 1, rounds_of_quantiles(table, ["x"], {"x": 1.0})],
        aggregation=cf.Clear(), threat=cf.Threat(
            confidentiality=cf.Adversary(coordinator=cf.Corruption.HONEST)
        ),
    )  # fmt: skip
    assert found["moments"].mean[0] == pytest.approx(values.mean(), abs=1e-4)
    assert found["quantiles"].values[0, 0] == np.quantile(values, 0.3)
    counts = np.bincount(values.astype(int), minlength=64)
    assert found["histograms"]["x"].counts.tolist() == counts.tolist()


# Freireich et al. 1963, the remission of leukaemia, 6-MP: published in Kalbfleisch and Prentice
# 2002, table 1.1 and section 1.4; times with events and censored ones.
EVENTS = [6, 6, 6, 7, 10, 13, 16, 22, 23]
CENSORED = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
SURVIVAL = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
GREENWOOD = {6: 0.0764, 7: 0.0869, 10: 0.0963, 13: 0.1068, 16: 0.1141, 22: 0.1282, 23: 0.1346}


@pytest.fixture(scope="module")
def curve():
    times = np.array(EVENTS + CENSORED, float)
    came = np.arange(len(times)) < len(EVENTS)
    order = np.random.default_rng(1).permutation(len(times))
    data = {
        n: pd.DataFrame({"t": times[part], "e": came[part]})
        for n, part in zip("abc", np.array_split(order, [3, 10]), strict=True)
    }
    table = statistics_table({"t": cf.Number(bounds=(0, 36)), "e": cf.Boolean()})
    made = survival_curve(table, time="t", event="e", times=range(1, 37), capacity=30)
    return run(data, made)[0]["survival"]


class TestSurvival:
    def test_is_the_published_curve(self, curve):
        table = curve.table
        for time, value in SURVIVAL.items():
            assert table.loc[time, "survival"] == pytest.approx(value, abs=6e-4)
        assert table.loc[6, "at risk"] == 21
        assert curve.curves[""].median == 23

    def test_has_greenwood_s_error(self, curve):
        of = curve.curves[""]
        for time, value in GREENWOOD.items():
            place = time - 1
            error = of.survival[place] * np.sqrt(of.variance[place])
            assert error == pytest.approx(value, abs=6e-5)
            low, high = of.interval[place]
            assert 0 < low < of.survival[place] < high < 1

    def test_has_an_interval_also_where_nobody_is_left(self):
        ends = log_log(np.array([1.0, 0.5, 0.25, 0.0]), np.array([0.0, 0.1, 0.2, 1e9]))
        assert ends[0].tolist() == [1, 1]
        assert ends[3].tolist() == [0, ends[2, 1]]
        assert ends[1, 0] < 0.5 < ends[1, 1]

    def test_by_groups_is_one_curve_each(self, data, rows):
        made = survival_curve(
            TABLE, time="months", event="died", times=range(1, 61), by="ward", capacity=CAPACITY
        )
        found = run(data, made)[0]["survival"]
        assert set(found.curves) == {"A", "B", "other", "missing"}
        part = rows[rows["ward"] == "A"]
        at_risk = [(part["months"] >= t).sum() for t in range(1, 61)]
        np.testing.assert_array_equal(found.curves["A"].at_risk, at_risk)

    @pytest.mark.parametrize("times", [[], [3, 2], [0, 1], [1, np.inf], "12"])
    def test_needs_a_grid_that_rises(self, times):
        with pytest.raises((PlanError, ValueError)):
            survival_curve(TABLE, time="months", event="died", times=times, capacity=5)
