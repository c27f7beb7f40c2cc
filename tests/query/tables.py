"""Small declared tables with people in several groups, and odd values."""

import numpy as np
import pandas as pd

from confide.query import DuckDbEngine, catalog_of

DECLARED = """
CREATE TABLE loans (
    customer INTEGER,
    county TEXT VALUES ('a', 'b', 'c'),
    line TEXT,
    amount DOUBLE BETWEEN 0 AND 100,
    free DOUBLE,
    paid DATE,
    approved BOOLEAN
) UNIT PERSON (customer) GROUPS 2 ROWS 2;

CREATE TABLE incomes (customer INTEGER, income DOUBLE BETWEEN 0 AND 9)
    UNIT PERSON (customer) GROUPS 1 ROWS 1;

CREATE TABLE visits (ward TEXT VALUES ('x', 'y'), cost DOUBLE BETWEEN -5 AND 5, county TEXT)
    UNIT ROW;

CREATE TABLE shifts (nurse TEXT, day DATE, hours DOUBLE BETWEEN 0 AND 24)
    UNIT PERSON DAY (nurse, day) GROUPS 1 ROWS 1;

CREATE PUBLIC TABLE counties (county TEXT, region TEXT VALUES ('n', 's'), size DOUBLE
    BETWEEN 0 AND 9) KEY (county);
"""

CATALOG = catalog_of(DECLARED)

COUNTIES = pd.DataFrame(
    {"county": ["a", "b", "c"], "region": ["n", "n", "s"], "size": [1.0, 2.0, 3.0]}
)


def loans(rows=600, people=120, seed=0):
    draw = np.random.default_rng(seed)
    return pd.DataFrame({
        "customer": draw.integers(0, people, rows),
        "county": draw.choice(["a", "b", "c", "z"], rows),
        "line": draw.choice(["p", "q"], rows),
        "amount": draw.normal(50, 20, rows).round(3),
        "free": draw.normal(0, 1e6, rows),
        "paid": draw.choice(["2020-01-02", "2021-03-04"], rows),
        "approved": draw.random(rows) < 0.5,
    })  # fmt: skip


def visits(rows=50):
    draw = np.random.default_rng(1)
    return pd.DataFrame({
        "ward": draw.choice(["x", "y"], rows), "cost": draw.normal(0, 2, rows),
        "county": draw.choice(["a", "b", "c"], rows),
    })  # fmt: skip


def sources(**given):
    return {
        "loans": loans(),
        "incomes": pd.DataFrame({"customer": range(100), "income": [1.0, 2.0] * 50}),
        "visits": visits(),
        "shifts": pd.DataFrame({
            "nurse": ["ann", "ann", "bob"], "day": ["2020-01-01", "2020-01-02", "2020-01-01"],
            "hours": [8.0, 9.0, 30.0],
        }),
        "counties": COUNTIES,
    } | given  # fmt: skip


def engine(**given):
    return DuckDbEngine(CATALOG, sources(**given), threads=1)
