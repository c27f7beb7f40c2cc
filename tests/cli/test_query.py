"""`confide query`: from files to an answer, its estimate, and clear errors."""

import json

import numpy as np
import pandas as pd
import pytest

from confide.errors import DataError, PlanError, PrivacyBudgetError

DDL = """
CREATE TABLE loans (customer INTEGER, county TEXT VALUES ('1', '2'), amount DOUBLE BETWEEN 0 AND 9)
    UNIT PERSON (customer) GROUPS 1 ROWS 1;
"""
SQL = "SELECT county, count(*) AS n, avg(amount) AS mean FROM loans GROUP BY county"


@pytest.fixture
def asked(confide, folder):
    (folder / "tables.sql").write_text(DDL)
    pd.DataFrame({
        "customer": np.arange(400), "county": ["1", "2"] * 200, "amount": 3.0,
    }).to_csv(folder / "loans.csv", index=False)  # fmt: skip
    assert confide("ledger", "cap", "l.db", "--dataset", "loans", "--unit", "person",
                   "--epsilon", 2, "--delta", 1e-6).code == 0  # fmt: skip

    def run(sql, *options, epsilon=1.0):
        return confide("query", sql, "--tables", "tables.sql", "--data", "loans=loans.csv",
                       "--ledger", "l.db", "--dataset", "loans", "--observer", "analyst",
                       "--epsilon", epsilon, *options)  # fmt: skip

    return run


def test_an_answer_and_the_same_again(asked):
    first, again = (json.loads(asked(SQL, "--json").out) for _ in range(2))
    assert (first["charged"], again["charged"]) == (True, False)
    assert first["rows"] == again["rows"]
    assert abs(first["rows"][0]["n"] - 200) < 60
    assert first["unit"] == "all rows of one person (customer)"
    text = asked(SQL)
    assert "released before, free" in text.err
    assert " to 3." in text.out


def test_an_estimate_charges_nothing(asked):
    found = json.loads(asked(SQL, "--estimate", "--json", epsilon=1.9).out)
    assert found["standard_errors"]["n"] > 1
    assert "standard error" in asked(SQL, "--estimate").out
    assert asked(SQL, epsilon=1.9).code == 0


def test_errors_are_one_line(asked):
    for sql, error in (("SELECT sum(amoun) AS s FROM loans", DataError),
                       ("SELECT amount FROM loans", PlanError)):  # fmt: skip
        found = asked(sql)
        assert found.code == error.exit_code
    assert asked(SQL, epsilon=1.5).code == 0
    assert asked(SQL, "--groups", 1, "--rows", 2, epsilon=1.5).code == PrivacyBudgetError.exit_code
    assert asked(SQL, "--groups", 2).code == PlanError.exit_code
