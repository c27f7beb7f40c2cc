"""What has no bound is refused before data are read, with the rule and the smallest change."""

import pytest
from tests.query.tables import CATALOG, engine

from confide.errors import DataError, PlanError
from confide.query import Budget, Contribution, DuckDbEngine, Field, Kind, catalog_of, prepared
from confide.query.parse import parse

ONE = Contribution(groups=1, rows_per_group=1)
ONE_EPSILON = Budget(1.0)


def refused(sql, message, budget=ONE_EPSILON, contribution=None, catalog=CATALOG):
    with pytest.raises((PlanError, DataError), match=message):
        prepared(parse(sql), catalog, budget, contribution=contribution)


@pytest.mark.parametrize(("sql", "message"), [
    ("SELECT sum(free) AS s FROM loans", r"sum of an expression without bounds.*clamp"),
    ("SELECT avg(amount / size) AS s FROM loans JOIN counties USING (county)", "without bounds"),
    ("SELECT line, count(*) AS n FROM loans GROUP BY line", "not public need a delta"),
    ("SELECT count(*) AS n FROM lones", "'lones' is not declared.*did you mean 'loans'"),
    ("SELECT sum(amont) AS n FROM loans", "'amont' is unknown.*did you mean 'amount'"),
    ("SELECT amount, count(*) FROM loans", "neither an aggregate nor in GROUP BY"),
    ("SELECT amount FROM loans", "would release rows"),
    ("SELECT max(amount) AS m FROM loans", "max is not an aggregate with noise"),
    ("SELECT free, count(*) AS n FROM loans GROUP BY free", "group by texts.*or by bin"),
    ("SELECT count(*) AS n FROM loans l JOIN incomes i ON l.amount = i.income",
     "rows of one person would meet rows of another. Join by the person's ID"),
    ("SELECT count(*) AS n FROM loans l JOIN visits v ON l.county = v.county",
     "table 'loans' with table 'visits': one row could meet any number"),
    ("SELECT count(*) AS n FROM visits v JOIN counties c ON v.ward = c.region",
     "table 'visits' with a public table on columns that are not its key"),
    ("SELECT count(*) AS n FROM counties c LEFT JOIN loans l ON c.county = l.county",
     "left join of a public table"),
    ("SELECT count(*) AS n FROM counties", "public tables alone"),
    ("SELECT avg(clamp(n, 0, 9)) AS m FROM (SELECT line, count(*) AS n FROM loans GROUP BY 1) x",
     "without the unit's ID"),
    ("SELECT sum(s) AS s FROM (SELECT customer, sum(free) AS s FROM loans GROUP BY customer) x",
     "sum in a subquery of an expression without bounds"),
    ("SELECT random() AS r, count(*) AS n FROM loans GROUP BY r", "not one of the functions"),
    ("SELECT county, sum(amount) OVER () AS n FROM loans GROUP BY county", "one aggregate"),
    ("SELECT count(*) AS n FROM loans UNION SELECT count(*) FROM loans", "one SELECT"),
    ("SELECT count(*) AS n FROM (SELECT * FROM loans LIMIT 5) x", "LIMIT in a subquery"),
    ("SELECT count(*) AS n FROM loans WHERE amount IN (SELECT income FROM incomes)", "IN takes"),
    ("DROP TABLE loans", "one SELECT"), ("SELECT FROM", "not SQL|one SELECT|FROM"),
    ("SELECT count(*) AS n, count(*) AS n FROM loans", "twice"),
    ("SELECT count(*) AS n FROM loans HAVING x > 1", "'x', which the answer lacks"),
    ("SELECT county, count(*) AS n FROM loans GROUP BY county HAVING county > 1",
     "different kinds"),
    ("SELECT count(*) AS n, count(amount) AS n_low FROM loans", "occurs twice"),
    ("SELECT count(*) AS n FROM read_csv('/etc/passwd')", "name a declared table"),
    ("SELECT count(*) AS n FROM loans ORDER BY m", "not in the answer"),
    ("SELECT sum(clamp(amount, income, 9)) AS s FROM loans JOIN incomes USING (customer)",
     "constants as bounds"),
    ("SELECT sum(CAST(amount AS INTEGER)) AS s FROM loans", "do not cast"),
    ("SELECT customer, count(*) AS n FROM loans GROUP BY customer", "need a delta"),
])  # fmt: skip
def test_a_query_without_a_bound(sql, message):
    refused(sql, message)


def test_contributions_are_declared_or_refused():
    bare = catalog_of("CREATE TABLE t (id INTEGER, ok BOOLEAN) UNIT PERSON (id)")
    refused("SELECT count(*) AS n FROM t", "table 't': one unit is all rows of one person.*Declare",
            catalog=bare)  # fmt: skip
    refused("SELECT count(*) AS n FROM visits", "bounds itself", contribution=ONE)


def test_a_column_that_is_computed_again_loses_its_bounds_and_its_owner():
    """opendp/opendp#2949: there a truncation stays when its column is computed again."""
    bounds = (
        "WITH x AS (SELECT *, amount * free AS amount FROM loans) SELECT sum(amount) AS s FROM x"
    )
    refused(bounds, "without bounds")
    wider = prepared(
        parse("WITH x AS (SELECT *, amount * 1000 AS amount FROM loans) "
              "SELECT sum(amount) AS s FROM x"), CATALOG, Budget(1.0),
    )  # fmt: skip
    assert wider.bounded.parts[0].most >= 100_000
    again = """WITH x AS (SELECT *, bin(amount, 0, 9, 2) AS customer FROM loans)
               SELECT count(*) AS n FROM x a JOIN incomes i ON a.customer = i.customer"""
    refused(again, "unchanged, on both sides")
    inner = """SELECT avg(clamp(k, 0, 9)) AS k FROM (
                 WITH x AS (SELECT *, bin(amount, 0, 9, 2) AS customer FROM loans)
                 SELECT customer, count(*) AS k FROM x GROUP BY customer) y"""
    refused(inner, "without the unit's ID")


def test_person_days_do_not_join_persons():
    catalog = catalog_of("""
        CREATE TABLE a (id INTEGER, day DATE) UNIT PERSON DAY (id, day) GROUPS 1 ROWS 1;
        CREATE TABLE b (id INTEGER, x DOUBLE) UNIT PERSON (id) GROUPS 1 ROWS 1;
        CREATE TABLE firms (id INTEGER) UNIT ORGANISATION (id) GROUPS 1 ROWS 1;
    """)
    refused("SELECT count(*) AS n FROM a JOIN b USING (id)", "would meet rows of another",
            catalog=catalog)  # fmt: skip
    refused("SELECT count(*) AS n FROM firms JOIN b USING (id)", "a organisation and the other",
            catalog=catalog)  # fmt: skip


def test_links_lead_to_persons():
    catalog = catalog_of("""
        CREATE TABLE orders (key INTEGER, customer INTEGER) UNIT PERSON (customer);
        CREATE TABLE items (item INTEGER, key INTEGER, price DOUBLE BETWEEN 0 AND 9)
            UNIT LINK (key) TO orders (key) GROUPS 1 ROWS 5 KEY (item);
    """)
    import pandas as pd

    here = DuckDbEngine(catalog, {
        "orders": pd.DataFrame({"key": [1, 2, 3], "customer": [1, 1, 2]}),
        "items": pd.DataFrame({"item": range(9), "key": [1, 2, 3] * 3, "price": 1.0}),
    })  # fmt: skip
    from confide.query.bounding import SampleKey
    from confide.randomness import SystemRandom

    for sql in ("SELECT count(*) AS n FROM items",
                "SELECT count(*) AS n FROM items i JOIN orders o ON i.key = o.key"):  # fmt: skip
        mechanism = prepared(parse(sql), catalog, Budget(1.0),
                             contribution=Contribution(groups=1, rows_per_group=5))  # fmt: skip
        # Customer 1 has six items, of which five count.
        assert mechanism.exact(here, SampleKey(SystemRandom()))[()][0] == 8
    with pytest.raises(PlanError, match="linked to 'x'"):
        catalog_of("CREATE TABLE t (a INTEGER) UNIT LINK (a) TO x (b)")


@pytest.mark.parametrize(("text", "message"), [
    ("CREATE TABLE t (a INTEGER)", "does not say whose rows"),
    ("CREATE TABLE t (a BLOB) UNIT ROW", "kinds are"),
    ("CREATE TABLE t (a INTEGER) UNIT PERSON (b)", "'b' identifies rows and is not declared"),
    ("CREATE TABLE t (a TEXT BETWEEN 1 AND 2) UNIT ROW", "only numbers have bounds"),
    ("CREATE TABLE t (a DOUBLE BETWEEN 2 AND 1) UNIT ROW", "the lower is below"),
    ("CREATE TABLE t (a INTEGER, A INTEGER) UNIT ROW", "upper and lower case"),
    ("CREATE TABLE t (confide_x INTEGER) UNIT ROW", "do not begin"),
    ("CREATE PUBLIC TABLE t (a INTEGER) UNIT ROW", "leave it out, or leave out PUBLIC"),
    ("CREATE TABLE t (a INTEGER) UNIT ROW; CREATE TABLE t (a INTEGER) UNIT ROW", "twice"),
    ("CREATE TABLE t (a INTEGER) UNIT PERSON (a) GROUPS 0 ROWS 1", "from 1 to 1,000,000"),
    ("CREATE TABLE t (a INTEGER", r"needs \)|ends too early"), ("SELECT 1", "needs CREATE"),
    ("", "no table is declared"), ("CREATE TABLE t (a TEXT VALUES ('x', 'x')) UNIT ROW", "once"),
    ("CREATE TABLE t (a 'x') UNIT ROW", "needs a name"),
])  # fmt: skip
def test_a_declaration_that_says_too_little(text, message):
    with pytest.raises(PlanError, match=message):
        catalog_of(text)


def test_sources_that_do_not_fit(tmp_path):
    catalog = catalog_of(
        "CREATE TABLE t (a INTEGER) UNIT ROW; CREATE PUBLIC TABLE p (k TEXT) KEY (k)"
    )
    import pandas as pd

    good, keys = pd.DataFrame({"a": [1]}), pd.DataFrame({"k": ["x"]})
    broken = tmp_path / "t.parquet"
    broken.write_bytes(b"PAR1 this is not one PAR1")
    for sources, message in (
        ({"t": good}, "'p' is declared and has no source"),
        ({"t": good, "p": keys, "q": good}, "'q' has a source and is not declared"),
        ({"t": keys, "p": keys}, "lacks the declared column 'a'"),
        ({"t": good, "p": pd.DataFrame({"k": ["x", "x"]})}, "two rows share the key"),
        ({"t": broken, "p": keys}, "not a Parquet file, or damaged"),
        ({"t": tmp_path / "none.parquet", "p": keys}, "there is no file"),
    ):
        with pytest.raises(DataError, match=message):
            DuckDbEngine(catalog, sources)


def test_declarations_in_python_are_checked_too():
    with pytest.raises(PlanError, match="only numbers have bounds"):
        Field(kind=Kind.TEXT, bounds=(0, 1))
    with pytest.raises(PlanError, match="from 1 to"):
        Contribution(groups=1, rows_per_group=0)
    with pytest.raises(PlanError, match="above 0"):
        Budget(0.0)
    assert engine().dialect.name == "duckdb"
