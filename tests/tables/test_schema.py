"""Schemas: cells to numbers, numbers to inputs, and what is refused without showing a cell."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from confide.errors import DataError, PlanError
from confide.learning.settings import read_table, table_settings
from confide.tables import (
    Boolean,
    Category,
    Date,
    Label,
    Missing,
    Number,
    Scale,
    Schema,
    Target,
)

SCHEMA = Schema(
    features={
        "age": Number(bounds=(0, 120), scale=Scale.RANGE),
        "income": Number(missing=Missing.INDICATOR),
        "ward": Category(values=("A", "B"), missing=Missing.IMPUTE),
        "region": Category(most=5, missing=Missing.INDICATOR),
        "smoker": Boolean(missing=Missing.IMPUTE),
        "admitted": Date(bounds=("2020-01-01", "2026-01-01")),
    },
    label="outcome",
    target=Label(classes=("well", "ill")),
)
CANARY = "canary-7391"


def one(schema, **cells):
    return schema.read({name: [cell] for name, cell in cells.items()}, label=False)


@pytest.mark.parametrize("target", [Label(classes=("a", "b", "c")), Target(bounds=(0, 10)),
                                    Target(bounds=(0, 9), count=True), Target()])  # fmt: skip
def test_a_schema_is_the_same_after_its_settings(target):
    schema = Schema(features=SCHEMA.features, label="y", target=target)
    back = read_table(json.loads(json.dumps(table_settings(schema))))
    assert back == schema
    assert list(back.features) == list(schema.features)


@pytest.mark.parametrize(
    ("cell", "number"),
    [("12.5", 12.5), (" 7 ", 7), ("1e3", 1000), (3, 3), (np.int64(4), 4), (Decimal("0.5"), 0.5),
     (True, 1), ("", np.nan), ("NA", np.nan), (None, np.nan), (pd.NA, np.nan), ("n/a", np.nan)],
)  # fmt: skip
def test_numbers_are_read_as_they_are_written(cell, number):
    schema = Schema(features={"x": Number(scale=Scale.NONE, missing=Missing.IMPUTE)}, label="y")
    rows = one(schema, x=cell)
    assert rows["missing"][0, 0] == np.isnan(number)
    assert rows["values"][0, 0] == (0 if np.isnan(number) else number)


@pytest.mark.parametrize(
    "cell",
    [
        "2021-03-04",
        date(2021, 3, 4),
        pd.Timestamp("2021-03-04 18:00"),
        np.datetime64("2021-03-04"),
        "2021-03-04T10:00:00+00:00",
    ],
)
def test_dates_of_all_containers_are_one_day(cell):
    schema = Schema(features={"x": Date(bounds=("2020-01-01", "2022-01-01"))}, label="y")
    assert one(schema, x=cell)["values"][0, 0] == (date(2021, 3, 4) - date(1970, 1, 1)).days


def test_containers_of_one_table_agree():
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "c": ["A", "B", "C"], "y": [0, 1, 0]})
    schema = Schema(features={"x": Number(), "c": Category(values=("A", "B"))}, label="y")
    expected = schema.read(frame)
    arrow = pytest.importorskip("pyarrow").Table.from_pandas(frame)
    others = [frame.astype({"c": "category"}), frame.astype(str), arrow, frame.to_dict("list")]
    for other in others:
        found = schema.read({name: other[name] for name in frame})
        for name, values in expected.items():
            assert np.array_equal(found[name], values), name


def test_inputs_follow_the_declaration():
    assert SCHEMA.names == (
        "age", "income", "income missing", "ward=A", "ward=B", "ward=other",
        "region=#1", "region=#2", "region=#3", "region=#4", "region=#5", "region=other",
        "region missing", "smoker", "admitted",
    )  # fmt: skip
    schema = Schema(
        features={
            "n": Number(bounds=(-1, 1), scale=Scale.NONE, missing=Missing.INDICATOR),
            "c": Category(values=("A", "B"), missing=Missing.IMPUTE),
            "b": Boolean(missing=Missing.IMPUTE),
        },
        label="y",
    )
    rows = schema.read({"n": ["5", ""], "c": ["B", ""], "b": ["yes", ""], "y": ["1", "0"]})
    assert schema.inputs(rows, {}).tolist() == [[1, 0, 0, 1, 0, 1], [0, 1, 0, 0, 1, 0.5]]
    assert rows["targets"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("features", "cells", "message"),
    [
        ({"x": Number()}, {"x": CANARY}, "row 0 .*a value that is not a number"),
        ({"x": Number()}, {"x": "inf"}, "a value that is not a number"),
        ({"x": Number()}, {"x": np.inf}, "infinity in row 0"),
        ({"x": Number()}, {"x": ""}, "no value in row 0 .*'impute' or 'indicator'"),
        ({"x": Number()}, {"x": [1, CANARY]}, "a value that is not a number"),
        ({"x": Date()}, {"x": CANARY}, "a date like 2026-01-31"),
        ({"x": Date()}, {"x": 20260131}, "a date like 2026-01-31"),
        ({"x": Boolean()}, {"x": CANARY}, "yes or no"),
        ({"x": Number()}, {"z": "1"}, "no column 'x'; known here: z"),
        ({"x": Category(values=("A",))}, {"x": None}, "no value in row 0"),
    ],
)
def test_what_does_not_fit_is_named_without_its_cell(features, cells, message):
    with pytest.raises(DataError, match=message) as raised:
        one(Schema(features=features, label="y"), **cells)
    assert CANARY not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_a_label_outside_its_classes_is_refused():
    schema = Schema(features={"x": Number()}, label="y", target=Label(classes=("no", "yes")))
    with pytest.raises(DataError, match="none of the classes no, yes") as raised:
        schema.read({"x": [1, 2], "y": ["yes", CANARY]})
    assert CANARY not in str(raised.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Number(bounds=(3, 1)), "the first is below the second"),
        (lambda: Number(bounds=(float("nan"), 1)), "the first is below the second"),
        (lambda: Number(bounds="ab"), "two numbers"),  # type: ignore[arg-type]
        (lambda: Number(scale=Scale.RANGE), "no bounds"),
        (lambda: Date(bounds=("x", "y")), "two dates"),
        (Category, "without values and with most None"),
        (lambda: Category(values=("a", "a")), "twice"),
        (lambda: Category(values="ab"), "a list of texts"),  # type: ignore[arg-type]
        (lambda: Category(values=("a",), most=3), "values and most"),
        (lambda: Label(classes=("a",)), "at least two"),
        (lambda: Target(count=True), "the most events"),
        (lambda: Schema(features="age", label="y"), "a map from each column"),  # type: ignore[arg-type]
        (lambda: Schema(features={}, label="y"), "without features"),
        (lambda: Schema(features={"y": Number()}, label="y"), "feature and label"),
        (lambda: Schema(features={"x": "number"}, label="y"), "is a str"),  # type: ignore[dict-item]
    ],
)
def test_declarations_that_make_no_sense_are_refused(make, message):
    with pytest.raises(PlanError, match=message):
        make()


def test_constants_that_were_not_found_are_asked_for():
    schema = Schema(features={"x": Number()}, label="y")
    with pytest.raises(PlanError, match="run `summaries"):
        schema.inputs(one(schema, x="1"), {})
