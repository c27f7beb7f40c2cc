"""A hold-out by a hash of rows: each row is in one part, in every stage, wherever it stands."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import confide as cf
from confide.errors import PlanError
from confide.learning.settings import read_table, table_settings
from confide.tables import Boolean, HoldOut, Missing, Number, Part, Schema

FEATURES: dict[str, Any] = {"x": Number(missing=Missing.INDICATOR), "flag": Boolean()}
SCHEMA: Any = Schema(features=FEATURES, label="y", holdout=HoldOut())


def frame(rows, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    x[rng.random(rows) < 0.1] = np.nan
    return pd.DataFrame({"x": x, "flag": rng.random(rows) < 0.5, "y": rng.integers(0, 2, rows)})


def parts(table, schema=SCHEMA):
    return (schema.of_part(part).read(table) for part in (Part.TRAINING, Part.HELD_OUT))


class TestHoldOut:
    def test_has_about_its_share_of_rows(self):
        training, held = parts(frame(5000))
        assert len(held["values"]) == pytest.approx(1000, abs=120)
        assert len(held["values"]) + len(training["values"]) == 5000

    @settings(max_examples=15, deadline=None)
    @given(seed=st.integers(0, 10_000), rows=st.integers(1, 12))
    def test_puts_a_row_where_it_is_alone(self, seed, rows):
        table = frame(rows, seed)
        whole = SCHEMA.holdout.counted(SCHEMA.columns, SCHEMA.rows(table))
        for row in range(rows):
            alone = SCHEMA.rows(table[row : row + 1])
            assert SCHEMA.holdout.counted(SCHEMA.columns, alone) == whole[row : row + 1]

    def test_does_not_depend_on_how_a_file_is_written(self):
        table = frame(200)
        written = {c: table[c].astype(str).to_numpy() for c in ("x", "flag", "y")}
        for frames, texts in zip(parts(table), parts(written), strict=True):
            assert np.array_equal(frames["values"], texts["values"])

    def test_keeps_rows_of_equal_columns_together(self):
        table = pd.concat([frame(50).assign(flag=k) for k in (True, False)], ignore_index=True)
        schema = Schema(features=FEATURES, label="y", holdout=HoldOut(columns=("x", "y")))
        training, held = parts(table, schema)
        pairs = [set(zip(p["values"][:, 0], p["targets"], strict=True)) for p in (training, held)]
        assert not {p for p in pairs[0] & pairs[1] if p[0]}  # missing values are one value

    def test_of_another_key_is_another_one(self):
        other = Schema(features=FEATURES, label="y", holdout=HoldOut(key="again"))
        first, second = (next(iter(parts(frame(300), s)))["values"] for s in (SCHEMA, other))
        assert not np.array_equal(first, second)

    def test_stands_in_the_plan(self):
        for part in Part:
            schema = SCHEMA.of_part(part)
            assert read_table(table_settings(schema)) == schema

    @pytest.mark.parametrize("share", [0.0, 1.0, -0.1, "0.2", True])
    def test_refuses_a_share_out_of_range(self, share):
        with pytest.raises(PlanError, match="share of the hold-out"):
            HoldOut(share=share)

    def test_refuses_a_column_that_is_not_there(self):
        with pytest.raises(PlanError, match="did you mean 'flag'"):
            Schema(features=FEATURES, label="y", holdout=HoldOut(columns=("flagg",)))


@pytest.fixture(scope="module")
def data():
    owners = {n: frame(300, k) for k, n in enumerate(("north", "south", "west"))}
    for table in owners.values():
        table["x"] = table["x"] + table["y"]
    owners["tiny"] = owners["west"][:2]  # it may have no rows held out
    return owners


class TestTrain:
    def test_trains_on_what_a_training_of_those_rows_alone_has(self, data):
        made = cf.train("logistic", data, label="y", rounds=4)
        table: Any = made.model.table
        table = table.of_part(Part.TRAINING)
        kept = {n: t[table.holdout.counted(table.columns, table.rows(t))] for n, t in data.items()}
        alone = cf.train("logistic", kept, label="y", rounds=4, holdout=0)
        assert made.model.coef_ == pytest.approx(alone.model.coef_, abs=1e-3)

    def test_measures_on_the_others(self, data):
        made = cf.train("logistic", data, label="y", rounds=4)
        table: Any = made.model.table
        table = table.of_part(Part.HELD_OUT)
        pooled = pd.concat(data.values(), ignore_index=True)
        held = pooled[table.holdout.counted(table.columns, table.rows(pooled))]
        assert made.metrics["rows"] == pytest.approx(len(held), abs=0.1)
        assert made.metrics["accuracy"] == pytest.approx(
            made.model.metrics(held)["accuracy"], abs=1e-3
        )
        assert made.model.about["measured on"] == "the 20% of rows held out"

    def test_measures_on_public_rows(self, data):
        test = frame(200, 9)
        made = cf.train("logistic", data, label="y", rounds=3, test=test)
        assert made.metrics == made.model.metrics(test)
        assert [s.name for s in made.plan.stages] == ["summaries", "training"]
        assert [(p.name, p.rows) for p in made.plan.public] == [("test-rows", 200)]

    def test_charges_training_and_metrics_both(self, data):
        """Parts are disjoint, but the accounting adds them up: safe, and never too little."""
        from confide.training import planned

        plan = planned("logistic", data, label="y", privacy=cf.Epsilon(3.0)).plan
        assert sum(s.budget for s in plan.sum_stages) == pytest.approx(1)
