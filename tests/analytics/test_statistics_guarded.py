"""Statistics under every protection, under noise, and before those who ask too much."""

from contextlib import ExitStack
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.analytics.tables import CAPACITY, TABLE, owner, owners, plan_of, pooled, run, stage
from tests.tee.support import BUILD, SimulatedAttester, enclave, relying_party

import confide as cf
from confide.analytics import (
    covariances,
    distinct,
    groups,
    heavy_hitters,
    histograms,
    moments,
    quantiles,
    rounds_of_quantiles,
    statistics,
    statistics_table,
    survival_curve,
)
from confide.analytics.bisection import quantiles_from_settings
from confide.analytics.counts import histograms_from_settings
from confide.analytics.grouping import groups_from_settings
from confide.analytics.means import covariances_from_settings, moments_from_settings
from confide.analytics.presences import distinct_from_settings
from confide.analytics.survival import survival_from_settings
from confide.computation import Account
from confide.errors import DataError, PlanError, PrivacyBudgetError
from confide.privacy.ledger import Cap, Filter, Ledger

HONEST = cf.Threat(confidentiality=cf.Adversary(coordinator=cf.Corruption.HONEST))
CURIOUS = cf.Threat(confidentiality=cf.Adversary(coordinator=cf.Corruption.CURIOUS))
ODD: Any = 3
FACTORIES = {
    "moments": moments_from_settings,
    "covariances": covariances_from_settings,
    "histograms": histograms_from_settings,
    "groups": groups_from_settings,
    "quantiles": quantiles_from_settings,
    "distinct": distinct_from_settings,
    "survival-curve": survival_from_settings,
}


def everything():
    """One of each statistic, small."""
    steps = {"months": 8.0}
    made = [
        moments(TABLE, capacity=CAPACITY, weight="weight"),
        covariances(TABLE, capacity=CAPACITY, columns=["age", "cost"]),
        histograms(TABLE, capacity=CAPACITY, columns=["age", "ward"], bins=4),
        groups(TABLE, capacity=CAPACITY, by=["ward"], columns=["cost"]),
        distinct("cost", buckets=64),
        survival_curve(TABLE, time="months", event="died", times=(12, 24), capacity=CAPACITY),
        quantiles(TABLE, capacity=CAPACITY, columns=["months"], resolution=steps),
    ]
    return made, [1] * 6 + [rounds_of_quantiles(TABLE, ["months"], steps)]


@pytest.fixture(scope="module")
def data():
    return owners((40, 30, 50, 20))


def under(data, **fields):
    """The released integers of all statistics under a protection."""
    made, rounds = everything()
    stages = [stage(c, f"s{i}", n, 1 / 7) for i, (c, n) in enumerate(zip(made, rounds))]  # noqa: B905
    host = fields.pop("enclave", None)
    plan = plan_of(data, stages, **fields)
    done = cf.simulate(plan, data, computation=made, enclave=host)
    return [result.totals.tolist() for result in done.totals]


class TestProtections:
    @pytest.fixture(scope="class")
    @classmethod
    def clear(cls, data):
        return under(data, aggregation=cf.Clear(), threat=HONEST)

    @pytest.mark.parametrize(
        "fields",
        [
            {"aggregation": cf.Masked(), "threat": CURIOUS},
            {"aggregation": cf.Masked(verified=True)},
            {"aggregation": cf.Encrypted(), "threat": CURIOUS},
        ],
        ids=["masked", "verified", "encrypted"],
    )
    def test_release_the_same_integers(self, clear, data, fields):
        assert under(data, **fields) == clear

    def test_an_enclave_does_too(self, clear, data):
        threat = cf.Threat(hardware=cf.Hardware.ASSUMED_SOUND)
        host = cf.EnclaveHost(SimulatedAttester(), BUILD, relying_party())
        assert under(data, aggregation=enclave(), threat=threat, enclave=host) == clear

    def test_settings_make_the_same_computation(self):
        for computation in everything()[0]:
            again = FACTORIES[computation.task.name](computation.task.read())
            assert (again.task, again.sums) == (computation.task, computation.sums)


@pytest.fixture(scope="module")
def crowd():
    return {name: owner(900, seed) for seed, name in enumerate("abcd")}


class TestNoise:
    def test_errors_are_as_large_as_they_say(self, crowd):
        """Of 20 intervals of 95 % fewer than 14 hold the truth once in about 30,000 tries."""
        rows, held = pooled(crowd), 0
        names = ["age", "weight", "months", "smoker", "died"]
        of = moments(TABLE, capacity=CAPACITY, columns=names)
        truth = rows[names].astype(float).mean().to_numpy()
        for seed in range(4):
            made = run(crowd, of, epsilon=1.0, seed=seed)[0]["moments"]
            assert made.noise > 1
            held += int((np.abs(made.mean - truth) < 1.96 * made.mean_error).sum())
        assert held >= 14

    def test_intervals_of_quantiles_hold_them(self, crowd):
        rows = pooled(crowd)
        table = statistics_table({"cost": cf.Number(bounds=(0, 2000))})
        of = quantiles(table, capacity=CAPACITY, at=(0.5,), log2_steps=7, interpolate=False)
        made = run(crowd, of, rounds=[rounds_of_quantiles(table, log2_steps=7)], epsilon=4.0)[0]
        found = made["quantiles"]
        low, high = found.interval[0, 0]
        assert low <= rows["cost"].median() <= high
        assert low <= found.values[0, 0] <= high
        assert 0 < high - low < 2000
        below = (rows["cost"] <= found.values[0, 0]).sum()
        assert abs(below - len(rows) / 2) < 3 * found.rank_error

    def test_distinct_values_are_fitted_to_what_noise_leaves(self):
        data = {n: pd.DataFrame({"id": [f"{n}{i}" for i in range(300)] + list(range(200))})
                for n in "abc"}  # fmt: skip
        found = run(data, distinct("id", buckets=2048), epsilon=30.0)[0]["distinct"]
        assert not found.exact
        assert abs(found.count - 1100) < 4 * found.error
        assert found.error < 150

    def test_heavy_hitters_need_no_dictionary(self):
        rng = np.random.default_rng(3)
        words = ["influenza"] * 400 + ["asthma"] * 250 + [f"rare {i}" for i in range(50)]
        data = {n: pd.DataFrame({"code": rng.permutation(words)}) for n in "abc"}
        found = run(data, *heavy_hitters("code", most=4, capacity=CAPACITY), rounds=[2, 1],
                    epsilon=8.0)[0]["heavy-hitters"]["code"]  # fmt: skip
        assert found.labels == ("influenza", "asthma", "other")
        assert found.counts == pytest.approx([1200, 750, 150], abs=5 * found.noise)

    def test_what_is_found_is_refused_as_exact_sums(self):
        data = {n: pd.DataFrame({"code": ["x"] * 9}) for n in "abc"}
        first, second = heavy_hitters("code", most=4, capacity=CAPACITY)
        with pytest.raises(PlanError, match="words that few rows hold would be spelled out"):
            run(data, first, second, rounds=[2, 1])
        with pytest.raises(PlanError, match="a value that few rows hold would be counted"):
            run(data, second)
        table = statistics_table({"code": cf.Category(most=4)})
        with pytest.raises(PlanError, match="exact sums: a value that few rows hold"):
            run(data, groups(table, by=["code"], capacity=5))


class TestAttacks:
    def test_a_lone_record_is_open_under_exact_sums_and_the_first_page_says_so(self, data):
        """Whoever is alone in a group has its mean for a value; only noise ends that."""
        lone = pd.DataFrame({"age": [77.0], "cost": [123.0], "weight": [1], "months": [5.0],
                             "ward": ["A"], "smoker": [True], "died": [False],
                             "day": [pd.Timestamp("2026-05-05")]})  # fmt: skip
        others = {n: t.assign(ward="B") for n, t in data.items()}
        attacked = {**others, "a": pd.concat([others["a"], lone], ignore_index=True)}
        asked = groups(TABLE, by=["ward"], columns=["cost"], capacity=CAPACITY, digits=3)
        found, done = run(attacked, asked)
        assert found["groups"].table.loc["A", "rows"] == 1
        assert found["groups"].table.loc["A", "mean cost"] == pytest.approx(123.0, abs=0.01)
        page = " ".join(s.text for s in cf.views(done.plan).first_page.sentences)
        assert "alone in one of the groups by 'ward'" in page
        noisy, private = run(attacked, asked, epsilon=1.0)
        assert noisy["groups"].mean_error[0, 0] > 100
        assert "alone in one of" not in str(cf.views(private.plan))

    def test_a_value_beyond_the_bounds_moves_a_sum_no_further_than_the_bound(self, data):
        asked = moments(TABLE, capacity=CAPACITY, columns=["cost"], digits=3)
        honest = run(data, asked)[0]["moments"]
        liar = {**data, "a": data["a"].assign(cost=[1e12, *data["a"]["cost"][1:]])}
        moved = run(liar, asked)[0]["moments"]
        rows = honest.counts[0]
        assert moved.counts[0] == rows
        assert 0 < (moved.mean[0] - honest.mean[0]) * rows <= 2050 * 1.001

    def test_rows_beyond_the_capacity_do_not_count(self, data):
        made = run(data, moments(TABLE, capacity=10, columns=["cost"]))[0]["moments"]
        assert made.rows == 40

    def test_two_descriptions_that_differ_in_a_record_are_both_charged(self, data, tmp_path):
        """Differencing costs what both answers cost, until the ledger refuses."""
        asked = moments(TABLE, capacity=CAPACITY, columns=["cost"])
        with ExitStack() as stack:
            accounts = {}
            for name in data:
                ledger = stack.enter_context(Ledger.open(tmp_path / f"{name}.db"))
                ledger.open_dataset("rows")
                ledger.cap("rows", Cap(epsilon=2.5, delta=1e-5, filter=Filter.GAUSSIAN))
                accounts[name] = Account(ledger, "rows")
            for seed, table in enumerate((data["a"], data["a"].iloc[1:])):
                plan = plan_of(data, [stage(asked)], epsilon=1.0, seed=seed)
                cf.simulate(plan, {**data, "a": table}, computation=asked, accounts=accounts)
            assert [len(a.ledger.charges("rows")) for a in accounts.values()] == [2] * 4
            more = plan_of(data, [stage(asked)], epsilon=6.0, seed=2)
            with pytest.raises(PrivacyBudgetError):
                cf.simulate(more, data, computation=asked, accounts=accounts)

    def test_presences_tell_parties_and_not_rows(self):
        """A thousand rows of one value at one owner are one presence."""
        data = {n: pd.DataFrame({"id": ["x"] * 1000 + [n]}) for n in "abc"}
        computation = distinct("id", values=("x", "a"))
        done = run(data, computation)[1]
        assert done.state["distinct"].tolist() == [3.0, 1.0]


class TestErrors:
    @pytest.mark.parametrize(
        ("make", "said"),
        [
            (lambda: moments(TABLE, capacity=5, columns=["ward"]), "is a Category; it takes numb"),
            (lambda: moments(TABLE, capacity=5, columns=["agee"]), "no column 'agee'; did you"),
            (lambda: moments(TABLE, capacity=5, columns="age"), "columns is the text 'age'"),
            (lambda: moments(TABLE, capacity=5, weight="cost"), "declare the heaviest"),
            (lambda: moments(TABLE, capacity=5, digits=9), "digits is 9; from 1 to 6"),
            (lambda: moments(TABLE, capacity=5, name="A b"), "a statistic named 'A b'"),
            (lambda: moments(ODD, capacity=5), "a table of type int; make one by"),
            (lambda: covariances(TABLE, capacity=5, columns=["age"]), "name two columns or more"),
            (lambda: histograms(TABLE, capacity=5, bins=0), "bins is 0; 1 to 10,000"),
            (lambda: groups(TABLE, capacity=5, by=["age"]), "it takes categories or booleans"),
            (lambda: groups(TABLE, capacity=5, by=["smoker"], columns=["smoker"]), "by themselves"),
            (lambda: quantiles(TABLE, capacity=5, at=(50,)), "a quantile is 50; it is from 0 to 1"),
            (lambda: quantiles(TABLE, capacity=5, at=()), "no quantile; name some"),
            (lambda: quantiles(TABLE, capacity=5, resolution={"x": 1}), "resolution of 'x', which"),
            (lambda: distinct("cost", buckets=2), "buckets is 2; 16 to"),
            (lambda: statistics_table({"age": ODD}), "column 'age' is a int; it is a Number"),
            (lambda: statistics_table(ODD), "columns are a int; give a map"),
        ],
    )  # fmt: skip
    def test_name_the_value_and_what_to_write(self, make, said):
        with pytest.raises(PlanError) as refused:
            make()
        assert said in str(refused.value)

    def test_of_a_cell_name_column_and_row_and_no_value(self, data):
        odd = {**data, "b": data["b"].astype(object)}
        odd["b"].loc[3, "cost"] = "4711 secret"
        with pytest.raises(DataError) as refused:
            run(odd, moments(TABLE, capacity=CAPACITY))
        assert "'b'" in str(refused.value)
        assert "column 'cost' has in row 3" in str(refused.value)
        assert "4711" not in str(refused.value)


class TestResults:
    @pytest.fixture(scope="class")
    @classmethod
    def found(cls, data):
        made, rounds = everything()
        return run(data, *made, rounds=rounds, epsilon=20.0)[0]

    def test_have_short_words_a_table_and_a_picture(self, found):
        assert len(found) == 7
        for name, result in found.items():
            assert len(repr(result)) < 120
            assert "<table" in result._repr_html_()
            assert len(result.table) > 0
            if name != "histograms":
                assert result.plot().get_figure() is not None
        assert found["histograms"]["age"].plot().patches
        with pytest.raises(PlanError, match=r"plot each: result\['age'\]"):
            found["histograms"].plot()

    def test_of_noise_say_how_large_it_is(self, found):
        assert {"mean from", "mean to"} <= set(found["moments"].table.columns)
        assert {"from", "to"} <= set(found["histograms"]["ward"].table.columns)
        assert "noise ±" in repr(found["groups"])

    def test_of_a_plan_without_statistics_are_none(self, data):
        computation = cf.Computation(
            task=cf.Task.of("sum"),
            sums=cf.SumGroup((cf.Sum(name="x", unit_bound=1, capacity=50),)),
            columns=("age",),
            init=dict,
            contribute=lambda s, d, r: {"x": np.ones(len(d["age"]))},
            update=lambda s, t: {**s, "x": t["x"]},
        )  # fmt: skip
        filled = {n: t.assign(age=1.0) for n, t in data.items()}
        done = cf.simulate(plan_of(data, [stage(computation)]), filled, computation=computation)
        assert statistics(done.plan, done.state) == {}
