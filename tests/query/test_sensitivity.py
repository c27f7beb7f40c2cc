"""No unit moves a part by more than the analysis says: every unit is taken away, by brute force."""

from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.query.tables import CATALOG, COUNTIES, engine

from confide.errors import PlanError
from confide.query import Aggregate, Budget, Contribution, col, prepared
from confide.query.bounding import SampleKey
from confide.query.frame import frame
from confide.query.parse import parse
from confide.query.parts import LEVELS
from confide.query.tree import Call, Column, Literal
from confide.randomness import InsecureReplayableRandom

NUMBERS = st.sampled_from([0.0, 1.0, -3.5, 50.0, 99.0, 1e308, -1e308, np.inf, -np.inf, np.nan])


@st.composite
def tables(draw):
    """A few people with a few rows each, odd values among them."""
    rows = draw(st.integers(1, 12))

    def column(values):
        return draw(st.lists(values, min_size=rows, max_size=rows))

    return pd.DataFrame({
        "customer": pd.array(column(st.sampled_from([1, 2, 3, None])), dtype="Int64"),
        "county": column(st.sampled_from(["a", "b", "c", "z", None])),
        "line": column(st.sampled_from(["p", "q", None])),
        "amount": column(NUMBERS), "free": column(NUMBERS),
        "paid": column(st.sampled_from(["2020-01-02", "2021-12-31", "no date"])),
        "approved": pd.array(column(st.sampled_from([True, False, None])), dtype="boolean"),
    })  # fmt: skip


INCOMES = pd.DataFrame({"customer": [1, 1, 2, 3], "income": [1.0, 5.0, np.nan, 100.0]})

numeric = st.recursive(
    st.sampled_from([col("amount"), col("free"), Literal(2), Literal(0), Literal(-0.25)]),
    lambda inner: st.one_of(
        st.builds(lambda f, a, b: Call(f, (a, b)), st.sampled_from("+-*/"), inner, inner),
        st.builds(lambda f, a: Call(f, (a,)), st.sampled_from(["neg", "abs", "floor"]), inner),
        st.builds(lambda a: a.clamp(-5, 60), inner),
        st.builds(lambda a, b: Call("greatest", (a, b)), inner, inner),
        st.builds(lambda a: a.or_else(3), inner),
    ),
    max_leaves=4,
)
conditions = st.one_of(
    st.builds(lambda a, b: a > b, numeric, numeric),
    st.builds(lambda a: ~a.is_missing(), numeric),
    st.just(col("approved")),
    st.builds(lambda a, b: a.equals(b) | col("approved"), numeric, numeric),
    st.just(col("paid") > "2020-06-01"),
)


@st.composite
def frames(draw):
    """A relation over loans: every step that the analysis lets through."""
    rows = frame("loans")
    for _ in range(draw(st.integers(0, 3))):
        step = draw(st.sampled_from(["where", "compute", "public", "private", "id"]))
        if step == "where":
            rows = rows.where(draw(conditions))
        elif step == "compute":
            rows = rows.compute(amount=draw(numeric))
        elif step == "id":
            # The ID is computed again; who owns a row stays.
            rows = rows.compute(customer=Call("bin", (col("amount"), *map(Literal, (0, 9, 2)))))
            break
        elif step == "public" and "size" not in str(rows):
            rows = rows.join(frame("counties").compute(size=col("size")), "county")
        elif step == "private" and "incomes" not in str(rows):
            rows = rows.join(frame("incomes"), "customer", outer=draw(st.booleans()))
    if draw(st.booleans()):
        return rows, {"county": col("county")}
    if draw(st.booleans()):
        return rows, {"line": col("line")}
    return rows, {"b": draw(numeric).bin(0, 10, 3)} if draw(st.booleans()) else {}


AGGREGATES = st.lists(
    st.one_of(
        st.just(Aggregate("count")),
        st.builds(lambda a: Aggregate("count", (a,)), numeric),
        st.builds(lambda a: Aggregate("sum", (a.clamp(-7, 3),)), numeric),
        st.builds(lambda a: Aggregate("mean", (a.clamp(0, 10),)), numeric),
        st.builds(lambda a: Aggregate("variance", (a.clamp(0, 10),)), numeric),
        st.builds(lambda a, b: Aggregate("covariance", (a.clamp(0, 9), b.clamp(-1, 1))), numeric,
                  numeric),
        st.just(Aggregate("distinct", (Column("line"),))),
        st.just(Aggregate("distinct", (Column("customer"),))),
        st.builds(lambda a: Aggregate("quantile", (a.clamp(0, 10),)), numeric),
    ),
    min_size=1, max_size=3,
)  # fmt: skip
CONTRIBUTIONS = st.builds(
    Contribution, groups=st.integers(1, 2), rows_per_group=st.integers(1, 3),
    rows=st.one_of(st.none(), st.integers(1, 3)),
)  # fmt: skip


def counters(mechanism, here, key):
    """Every counter that gets noise, in steps, by part, group and cell."""
    found = {}
    for group, values in mechanism.exact(here, SampleKey(key)).items():
        for place, part in enumerate(mechanism.bounded.parts):
            step = mechanism.noises.parts[place].row_steps if part.counts else 1
            if part.kind != "levels":
                found[place, group, 0] = values[place] * step
                continue
            for cell, count in values[place].items():
                node = cell + (1 << LEVELS)
                while node > 1:
                    at = place, group, node
                    found[at] = found.get(at, 0) + count * step
                    node //= 2
    return found


def check(mechanism, rows, without, incomes=INCOMES):
    """Compares a table with all tables from which one unit is gone."""
    key = b"one key for all neighbours"
    with engine_of(rows, incomes) as here:
        whole = counters(mechanism, here, InsecureReplayableRandom(key))
    for less in without:
        with engine_of(*less) as here:
            part = counters(mechanism, here, InsecureReplayableRandom(key))
        moves: list[dict] = [{} for _ in mechanism.bounded.parts]
        for at in whole.keys() | part.keys():
            moves[at[0]][at[1:]] = abs(whole.get(at, 0) - part.get(at, 0))
        for noise, moved in zip(mechanism.noises.parts, moves, strict=True):
            assert sum(moved.values()) <= noise.reach.rows * noise.row_steps
            squares = sum(value**2 for value in moved.values())
            assert squares <= noise.reach.squares * noise.row_steps**2
            assert sum(value > 0 for value in moved.values()) <= noise.reach.groups
        groups = {at[1] for at in whole.keys() | part.keys()}
        assert mechanism.keys is None or groups <= set(mechanism.keys)


@contextmanager
def engine_of(rows, incomes=INCOMES):
    here = engine(loans=rows, incomes=incomes, counties=COUNTIES)
    yield here
    here.close()


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(rows=tables(), made=frames(), aggregates=AGGREGATES, contribution=CONTRIBUTIONS)
def test_no_person_moves_an_answer_further(rows, made, aggregates, contribution):
    source, keys = made
    query = source.group_by(**keys).aggregate(
        **{f"a{place}": each for place, each in enumerate(aggregates)}
    )
    try:
        mechanism = prepared(query, CATALOG, Budget(1.0, 1e-6), contribution=contribution)
    except ValueError:
        # A constant, an ID that is gone, a name in two tables: refused before data are read.
        return
    check(mechanism, rows, [
        (rows[rows["customer"].fillna(0) != person], INCOMES[INCOMES["customer"] != person])
        for person in (1, 2, 3)
    ])  # fmt: skip


SHAPES = {
    "inner sum": """
        WITH each AS (SELECT customer, county, sum(amount) AS s, max(free) AS m, min(paid) AS d,
                      count(*) AS k FROM loans GROUP BY customer, county)
        SELECT county, sum(clamp(s * m, -5, 5)) AS t, avg(clamp(k, 0, 2)) AS k FROM each
        WHERE d > '2020-02-02' OR k > 1 GROUP BY county""",
    "self join": """
        SELECT a.county, count(*) AS n, count(DISTINCT b.line) AS d, median(a.amount) AS m
        FROM loans a JOIN loans b ON a.customer = b.customer AND a.county = b.county
        GROUP BY a.county""",
    "redefined twice": """
        WITH x AS (SELECT *, amount * 1000 AS amount FROM loans),
             y AS (SELECT *, amount / 0 AS free, amount + 1 AS amount FROM x)
        SELECT sum(amount) AS s, count(free) AS f FROM y""",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_no_person_moves_these_shapes_further(shape):
    draw = np.random.default_rng(3)
    rows = pd.DataFrame({
        "customer": draw.integers(1, 5, 60), "county": draw.choice(["a", "b", "c"], 60),
        "line": draw.choice(["p", "q", "r", "s"], 60), "amount": draw.normal(50, 60, 60),
        "free": draw.choice([1e308, np.nan, -np.inf, 3.0], 60),
        "paid": draw.choice(["2020-01-01", "2021-01-01", "x"], 60), "approved": True,
    })  # fmt: skip
    mechanism = prepared(parse(SHAPES[shape]), CATALOG, Budget(1.0))
    check(mechanism, rows, [(rows[rows["customer"] != person], INCOMES) for person in range(1, 5)])


def test_a_bound_is_reached():
    """The property would hold of a bound that is far too large: here it is met exactly."""
    mechanism = prepared(
        parse("SELECT county, sum(clamp(free, -1, 1)) AS s FROM loans GROUP BY county"),
        CATALOG, Budget(1.0), contribution=Contribution(groups=2, rows_per_group=3, rows=5),
    )  # fmt: skip
    rows = pd.DataFrame({
        "customer": 1, "county": ["a", "b", "c"] * 10, "line": "p", "amount": 1.0, "free": 9.0,
        "paid": None, "approved": True,
    })  # fmt: skip
    rows["free"] += np.arange(30)
    reached = []
    for turn in range(8):
        with engine_of(rows) as here:
            found = counters(mechanism, here, InsecureReplayableRandom(bytes([turn])))
        reached.append(sum(found.values()))
    noise = mechanism.noises.parts[0]
    assert max(reached) == noise.reach.rows * noise.row_steps


@pytest.mark.parametrize("clamp", [(0, 5e-324), (1e15, 1e15 + 0.25), (0, 1e200)])
def test_bounds_that_cannot_be_computed_with_are_refused(clamp):
    """Found by the property: a width that vanishes made 0/0, which fails where such a row is."""
    query = frame("loans").aggregate(m=Aggregate("mean", (col("free").clamp(*clamp),)))
    with pytest.raises(PlanError, match="part in 2\\^40"):
        prepared(query, CATALOG, Budget(1.0))


def test_rows_as_units_keep_their_factor_through_a_public_join():
    sql = """SELECT region, sum(cost) AS s, count(*) AS n FROM visits v
             JOIN counties c ON v.county = c.county GROUP BY region"""
    mechanism = prepared(parse(sql), CATALOG, Budget(1.0))
    assert all(noise.reach.rows == 1 for noise in mechanism.noises.parts)
    rows = pd.DataFrame(
        {"ward": ["x", "y", "x"], "cost": [9.0, np.nan, -9.0], "county": list("abb")}
    )
    whole = engine(visits=rows)
    parts = [engine(visits=rows.drop(index=row)) for row in rows.index]
    key = b"rows"
    full = counters(mechanism, whole, InsecureReplayableRandom(key))
    for part in parts:
        less = counters(mechanism, part, InsecureReplayableRandom(key))
        for place, noise in enumerate(mechanism.noises.parts):
            moved = [abs(full.get(at, 0) - less.get(at, 0))
                     for at in full.keys() | less.keys() if at[0] == place]  # fmt: skip
            assert sum(moved) <= noise.row_steps
