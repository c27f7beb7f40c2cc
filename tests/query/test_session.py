"""Queries go through the ledger's one door."""

import json

import numpy as np
import pandas as pd
import pytest
from tests.query.tables import CATALOG, engine, loans, sources

from confide.errors import DataError, PlanError, PrivacyBudgetError
from confide.plan import Unit
from confide.privacy.ledger import Cap, Ledger
from confide.query import Contribution, DuckDbEngine, Session

SQL = "SELECT county, count(*) AS n, avg(amount) AS m FROM loans GROUP BY county"


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "ledger.db") as opened:
        opened.open_dataset("loans", unit=Unit.PERSON)
        opened.cap("loans", Cap(epsilon=2.0, delta=1e-6))
        yield opened


def session(ledger, here, dataset="loans", observers=("analyst",)):
    return Session(ledger, dataset, CATALOG, here, observers=observers)


def test_the_same_query_again_is_free_and_the_same(ledger):
    asked = session(ledger, engine())
    first = asked.run(SQL, epsilon=1.5)
    again = asked.run(SQL + " ", epsilon=1.5)
    assert (first.charged, again.charged) == (True, False)
    assert first.table.equals(again.table)
    assert len(ledger.charges("loans")) == 1
    # Averaging needs fresh noise, and fresh noise is charged.
    with pytest.raises(PrivacyBudgetError):
        asked.run(SQL.replace("AS n", "AS k"), epsilon=1.5)


def test_what_makes_a_query_another_one(ledger):
    asked = session(ledger, engine())
    asked.run(SQL, epsilon=0.2)
    changed = loans()
    changed.loc[0, "amount"] = 1.0
    others = [
        lambda: asked.run(SQL, epsilon=0.1),
        lambda: asked.run(SQL, epsilon=0.2, contribution=Contribution(groups=1, rows_per_group=1)),
        lambda: session(ledger, engine(loans=changed)).run(SQL, epsilon=0.2),
        lambda: session(ledger, engine(), observers=("press",)).run(SQL, epsilon=0.2),
    ]
    assert all(other().charged for other in others)
    assert not session(ledger, engine()).run(SQL, epsilon=0.2).charged


def test_the_table_says_what_it_is(ledger):
    answer = session(ledger, engine()).run(SQL, epsilon=1.0)
    facts = json.loads(answer.table.schema.metadata[b"confide"])
    assert facts["unit"] == "all rows of one person (customer)"
    assert facts["mechanism"] == "discrete Laplace noise"
    assert facts["epsilon"] == 1.0
    assert 0 < facts["spent_epsilon"] <= 1.0 + 1e-9
    ends = ("", "_standard_error", "_low", "_high")
    columns = [f"{name}{end}" for name in "nm" for end in ends]
    assert answer.table.column_names == ["county", *columns]


def test_an_estimate_reads_nothing_and_is_what_the_answer_has(ledger):
    class Unread:
        dialect = DuckDbEngine.dialect

        def run(self, statement):
            raise AssertionError("an estimate read data")

        def digest(self):
            raise AssertionError("an estimate read data")

    price = session(ledger, Unread()).estimate(SQL, epsilon=1.0, rows=150)
    answer = session(ledger, engine()).run(SQL, epsilon=1.0)
    found = answer.table["n_standard_error"][0].as_py()
    assert price.standard_errors["n"] == pytest.approx(found)
    assert price.interval_widths["m"] > price.standard_errors["m"] > 0
    assert not ledger.charges("loans")[1:]


def test_a_refused_query_costs_nothing(ledger):
    asked = session(ledger, engine())
    for sql in ("SELECT sum(free) AS s FROM loans", "SELECT count(*) AS n FROM nothing"):
        with pytest.raises((PlanError, DataError)):
            asked.run(sql, epsilon=1.0)
    assert ledger.charges("loans") == ()


def test_an_engine_that_fails_half_way_has_spent(ledger, tmp_path):
    path = tmp_path / "loans.parquet"
    loans().to_parquet(path)
    here = DuckDbEngine(CATALOG, sources(loans=path))
    whole = path.read_bytes()
    # The footer stays, so the file opens; the pages are gone.
    path.write_bytes(whole[:4] + bytes(len(whole) // 2) + whole[4 + len(whole) // 2 :])
    with pytest.raises(DataError, match="the engine failed") as caught:
        session(ledger, here).run(SQL, epsilon=1.5)
    assert caught.value.__cause__ is None
    with pytest.raises(PrivacyBudgetError):
        session(ledger, engine()).run(SQL, epsilon=1.5)


def test_parquet_answers_as_the_frame_does(ledger, tmp_path):
    path = tmp_path / "loans.parquet"
    loans().to_parquet(path)
    (tmp_path / "loans.csv").write_text(loans().to_csv(index=False))
    found = []
    for source in (loans(), path, tmp_path / "loans.csv"):
        here = DuckDbEngine(CATALOG, sources(loans=source))
        from confide.query import Budget, prepared
        from confide.query.bounding import SampleKey
        from confide.query.parse import parse
        from confide.randomness import InsecureReplayableRandom

        mechanism = prepared(parse(SQL), CATALOG, Budget(1.0))
        found.append(mechanism.exact(here, SampleKey(InsecureReplayableRandom(b"one"))))
    assert found[0] == found[1] == found[2]


def test_a_dataset_of_another_unit(ledger):
    ledger.open_dataset("rows", unit=Unit.RECORD, fresh=True)
    ledger.cap("rows", Cap(epsilon=10.0, delta=1e-6))
    # Removing a record changes its person, which leaves and comes back: twice the charge.
    answer = session(ledger, engine(), "rows").run(SQL, epsilon=1.0)
    assert 1.5 < answer.spent_epsilon <= 2.0 + 1e-9
    with pytest.raises(DataError, match="protects each person"):
        session(ledger, engine()).run("SELECT sum(cost) AS s FROM visits", epsilon=0.1)
    with pytest.raises(DataError, match="protects a person's day only"):
        session(ledger, engine()).run("SELECT sum(hours) AS s FROM shifts", epsilon=0.1)
    assert (
        session(ledger, engine(), "rows")
        .run("SELECT sum(hours) AS s FROM shifts", epsilon=0.1)
        .charged
    )


def test_private_keys_and_gaussian_noise_are_charged_with_their_delta(ledger):
    asked = session(ledger, engine())
    answer = asked.run(
        "SELECT line, count(*) AS n FROM loans GROUP BY line", epsilon=1.0, delta=5e-8
    )
    assert 0 < answer.spent_epsilon <= 1.01
    price = asked.estimate(
        "SELECT county, " + ", ".join(f"sum(clamp(free, 0, {k})) AS s{k}" for k in range(1, 30))
        + " FROM loans GROUP BY county", epsilon=1.0, delta=1e-7,
    )  # fmt: skip
    assert "Gaussian" in price.mechanism


def test_odd_values_reveal_nothing():
    """Missing, NaN, infinite, huge and unreadable values, division by 0: answers, never errors."""
    odd = loans(40, 10).astype({"amount": object, "customer": object})
    odd.loc[:9, "amount"] = [None, np.nan, np.inf, -np.inf, 1e308, "x", "12", "", "1e999", -0.0]
    odd.loc[3, ["customer", "county", "paid"]] = [None, None, "32.13.2020"]
    here = engine(loans=odd)
    from confide.query import Budget, prepared
    from confide.query.bounding import SampleKey
    from confide.query.parse import parse
    from confide.randomness import InsecureReplayableRandom

    sql = parse(
        """
        SELECT county, count(*) AS n, count(amount) AS k,
          sum(clamp(amount * 1e300 * 1e300, -1, 1)) AS s,
          avg(clamp(1 / amount + floor(amount) - ceil(free), 0, 9)) AS m FROM loans
        WHERE year(paid) > 1990 OR paid IS NULL GROUP BY county"""
    )
    mechanism = prepared(sql, CATALOG, Budget(1.0))
    exact = mechanism.exact(here, SampleKey(InsecureReplayableRandom(b"a")))
    assert set(exact) <= {("a",), ("b",), ("c",)}
    shuffled = odd.sample(frac=1, random_state=7)
    again = mechanism.exact(engine(loans=shuffled), SampleKey(InsecureReplayableRandom(b"a")))
    assert exact == again


def test_texts_of_queries_are_quoted():
    evil = "a' OR 1=1 --\\"
    rows = pd.DataFrame(loans(20, 5))
    rows.loc[0, "line"] = evil
    from confide.query import Budget, col, prepared
    from confide.query.frame import frame
    from confide.query.tree import Aggregate

    query = frame("loans").where(col("line").equals(evil)).aggregate(n=Aggregate("count"))
    mechanism = prepared(query, CATALOG, Budget(50.0))
    assert abs(mechanism.release(engine(loans=rows)).value["n"][0].as_py() - 1) <= 2
