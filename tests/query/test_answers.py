"""Answers with hardly any noise are those of plain SQL on the same bounded rows."""

import numpy as np
import pandas as pd
import pytest
from tests.query.tables import CATALOG, engine, loans

from confide.query import Aggregate, Budget, Contribution, col, prepared
from confide.query.frame import frame
from confide.query.parse import parse

LOUD = Budget(50.0)
EVERYTHING = Contribution(groups=4, rows_per_group=100)


@pytest.fixture(scope="module")
def here():
    return engine()


def ask(here, sql, budget=LOUD, contribution=EVERYTHING):
    query = parse(sql) if isinstance(sql, str) else sql
    mechanism = prepared(query, CATALOG, budget, contribution=contribution)
    return mechanism.release(here).value.to_pandas()


def close(found, wanted, error):
    """Within six standard errors: a false alarm in less than a million."""
    return np.all(np.abs(np.asarray(found) - np.asarray(wanted)) <= 6 * np.asarray(error) + 1e-3)


def test_moments_by_county(here):
    found = ask(here, """
        SELECT county, count(*) AS n, sum(amount) AS total, avg(amount) AS mean,
               variance(amount) AS spread, count(DISTINCT customer) AS people
        FROM loans GROUP BY county""")  # fmt: skip
    rows = loans()
    rows["amount"] = rows["amount"].clip(0, 100)
    wanted = rows[rows.county != "z"].groupby("county").agg(
        n=("amount", "size"), total=("amount", "sum"), mean=("amount", "mean"),
        spread=("amount", "var"), people=("customer", "nunique"),
    ).reset_index()  # fmt: skip
    assert found["county"].tolist() == ["a", "b", "c"]
    for name in ("n", "total", "mean", "spread", "people"):
        assert close(found[name], wanted[name], found[f"{name}_standard_error"]), name
        assert (found[f"{name}_low"] <= found[name]).all()
        assert (found[name] <= found[f"{name}_high"]).all()


def test_every_public_key_is_emitted_even_if_nobody_has_it():
    found = ask(
        engine(loans=loans()[:0]), "SELECT county, count(*) AS n FROM loans GROUP BY county"
    )
    assert found["county"].tolist() == ["a", "b", "c"]


def test_private_keys_need_delta_and_hide_what_one_person_has():
    rows = loans()
    rows.loc[0, "line"] = "secret"
    found = ask(
        engine(loans=rows), "SELECT line, count(*) AS n FROM loans GROUP BY line",
        Budget(20.0, 1e-6), Contribution(groups=3, rows_per_group=20),
    )  # fmt: skip
    assert found["line"].tolist() == ["p", "q"]


def test_several_quantiles_in_one_budget(here):
    found = ask(here, "SELECT quantile(amount, [0.25, 0.5, 0.75]) AS q FROM loans",
                contribution=Contribution(groups=1, rows_per_group=20))  # fmt: skip
    wanted = loans()["amount"].clip(0, 100).quantile([0.25, 0.5, 0.75]).to_numpy()
    assert np.allclose(found[["q_25", "q_50", "q_75"]].to_numpy()[0], wanted, atol=6)


def test_covariance_of_a_private_join(here):
    found = ask(here, """
        SELECT covar_pop(l.amount, i.income) AS c, count(*) AS n
        FROM loans l JOIN incomes i ON l.customer = i.customer""",
        contribution=Contribution(groups=1, rows_per_group=20))  # fmt: skip
    rows = loans().merge(
        pd.DataFrame({"customer": range(100), "income": [1.0, 2.0] * 50}), on="customer"
    )
    wanted = np.cov(rows["amount"].clip(0, 100), rows["income"], ddof=0)[0, 1]
    assert close(found["c"], wanted, found["c_standard_error"])
    assert close(found["n"], len(rows), found["n_standard_error"])


def test_a_join_with_a_public_table_and_its_keys(here):
    found = ask(
        here,
        """
        SELECT c.region, sum(amount * size / 9) AS s FROM loans l
        JOIN counties c ON l.county = c.county WHERE approved AND amount > 20 GROUP BY c.region""",
    )
    rows = loans().merge(
        pd.DataFrame({"county": ["a", "b", "c"], "region": list("nns"), "size": [1.0, 2, 3]}),
        on="county",
    )
    rows = rows[rows.approved & (rows.amount > 20)]
    wanted = (rows["amount"] * rows["size"] / 9).clip(0, 100).groupby(rows["region"]).sum()
    assert found["region"].tolist() == ["n", "s"]
    assert close(found["s"], wanted.to_numpy(), found["s_standard_error"])


def test_one_row_a_person_then_a_histogram(here):
    found = ask(here, """
        WITH each AS (SELECT customer, sum(amount) AS total, count(*) AS k
                      FROM loans GROUP BY customer)
        SELECT bin(total, 0, 1000, 4) AS b, count(*) AS n, avg(clamp(k, 0, 20)) AS k
        FROM each GROUP BY b""", contribution=Contribution(groups=1, rows_per_group=1))  # fmt: skip
    totals = (
        loans().assign(amount=loans()["amount"].clip(0, 100)).groupby("customer")["amount"].sum()
    )
    wanted = np.histogram(totals.clip(0, 999.9), bins=4, range=(0, 1000))[0]
    assert found["b"].tolist() == [0, 1, 2, 3]
    assert close(found["n"], wanted, found["n_standard_error"])


def test_case_when_gives_public_keys(here):
    found = ask(
        here,
        """
        SELECT CASE WHEN paid >= DATE '2021-01-01' THEN 'late' ELSE 'early' END AS when_,
               count(*) AS n FROM loans GROUP BY 1""",
    )
    assert sorted(found["when_"]) == ["early", "late"]
    assert close(found["n"].sum(), 600, 2 * found["n_standard_error"][0])


def test_order_limit_and_having_work_on_what_is_released(here):
    found = ask(here, "SELECT county, count(*) AS n FROM loans GROUP BY county HAVING n > 0 AND "
                      "county <> 'a' ORDER BY n DESC LIMIT 1")  # fmt: skip
    assert len(found) == 1
    assert found["county"][0] in ("b", "c")


def test_rows_as_units_and_filter_clauses(here):
    found = ask(here, "SELECT ward, sum(cost) FILTER (WHERE cost > 0) AS s, count(*) AS n FROM "
                      "visits GROUP BY ward", contribution=None)  # fmt: skip
    assert close(found["n"].sum(), 50, 2 * found["n_standard_error"][0])


def test_person_days_are_bounded_by_day(here):
    found = ask(here, "SELECT sum(hours) AS h, count(DISTINCT nurse) AS nurses FROM shifts",
                contribution=Contribution(groups=1, rows_per_group=1))  # fmt: skip
    # 30 hours count as 24, and one nurse on two days is one value of a column.
    assert close(found["h"], 41, found["h_standard_error"])
    assert close(found["nurses"], 2, found["nurses_standard_error"])


def test_the_frame_makes_the_same_tree_as_sql():
    made = (
        frame("loans").where((col("amount") > 10) & col("approved")).group_by("county")
        .aggregate(n=Aggregate("count"), s=Aggregate("sum", (col("amount").clamp(0, 50),)))
    )  # fmt: skip
    assert made == parse(
        "SELECT county, count(*) AS n, sum(clamp(amount, 0, 50)) AS s FROM loans "
        "WHERE amount > 10 AND approved GROUP BY county"
    )


def test_bounds_leave_out_at_random_and_afresh(here):
    narrow = Contribution(groups=1, rows_per_group=1)
    sql = parse("SELECT county, sum(amount) AS s FROM loans GROUP BY county")
    mechanism = prepared(sql, CATALOG, LOUD, contribution=narrow)
    from confide.query.bounding import SampleKey
    from confide.randomness import SystemRandom

    drawn = [mechanism.exact(here, SampleKey(SystemRandom())) for _ in range(3)]
    people = loans().query("county != 'z'")["customer"].nunique()
    assert all(sum(values[-1] for values in each.values()) == people for each in drawn)
    assert len({str(sorted(each.items())) for each in drawn}) > 1


def test_intervals_cover_the_exact_answer(here):
    sql = parse("SELECT avg(amount) AS m, variance(amount) AS v, sum(amount) AS s FROM loans")
    wide = Contribution(groups=1, rows_per_group=20)
    mechanism = prepared(sql, CATALOG, Budget(3.0, 1e-6), contribution=wide)
    amounts = loans()["amount"].clip(0, 100)
    truth = {"m": amounts.mean(), "v": amounts.var(), "s": amounts.sum()}
    # 60 intervals of 95 %: fewer than 48 cover with probability below 1e-5 each.
    inside = dict.fromkeys(truth, 0)
    for _ in range(60):
        row = mechanism.release(here).value.to_pylist()[0]
        for name, value in truth.items():
            inside[name] += row[f"{name}_low"] <= value <= row[f"{name}_high"]
    assert all(count >= 48 for count in inside.values()), inside


def test_dates_compare_with_texts_and_have_parts(here):
    found = ask(here, "SELECT month(paid) AS m, count(*) AS n FROM loans WHERE paid > '2020-06-01' "
                      "GROUP BY m ORDER BY n DESC LIMIT 1")  # fmt: skip
    assert found["m"][0] == 3
