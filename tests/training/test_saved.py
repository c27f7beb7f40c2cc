"""A model of each kind, saved and loaded: it predicts the same, and refuses what does not fit."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.training.tables import SECRET, numbers_only, owner

import confide as cf
from confide.errors import DataError

KINDS: dict[str, dict[str, Any]] = {
    "logistic": {"label": "ill", "rounds": 2},
    "linear": {"label": "time", "rounds": 2},
    "softmax": {"label": "stage", "classes": ("0", "1", "2"), "rounds": 2},
    "poisson": {"label": "stage", "rounds": 2},
    "trees": {"label": "ill", "trees": 2, "depth": 2},
    "naive_bayes": {"label": "stage", "classes": ("0", "1", "2")},
    "cox": {"label": "time", "event": "ill", "rounds": 2, "cells": 8},
    "k_means": {"features": ["age", "ill"], "clusters": 3, "starts": 2, "rounds": 2},
    "pca": {"features": ["age", "time"], "components": 2},
}


def of(table):
    stage = np.digitize(table["age"], [45, 55])
    return table.assign(stage=stage, time=100 - table["age"] + table["ill"])


@pytest.fixture(scope="module")
def data():
    return {name: of(table) for name, table in numbers_only(rows=60).items()}


@pytest.fixture(scope="module")
def models(data, tmp_path_factory):
    """Each kind's model, and the same one from its file."""
    made, folder = {}, tmp_path_factory.mktemp("models")

    def model(kind):
        if kind not in made:
            trained = cf.train(kind, data, metrics=False, **KINDS[kind])
            trained.save(folder / f"{kind}.confide")
            made[kind] = trained.model, cf.load_model(folder / f"{kind}.confide")
        return made[kind]

    return model


@pytest.mark.parametrize("kind", KINDS)
class TestModel:
    def test_from_its_file_predicts_the_same(self, models, kind):
        trained, loaded = models(kind)
        rows = of(owner(9, rows=40))
        assert repr(loaded) == repr(trained)
        ways = ["transform"] if kind == "pca" else ["predict"]
        ways += ["transform"] * (kind == "k_means")
        ways += ["predict_proba"] * (kind in ("logistic", "softmax", "trees", "naive_bayes"))
        for way in ways:
            one, other = (getattr(model, way)(rows) for model in (trained, loaded))
            assert len(np.unique(one, axis=0)) > 1
            assert np.array_equal(one, other)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda t: t.drop(columns="age"), "no column 'age'"),
            (lambda t: t.rename(columns={"age": "Age"}), "no column 'age'; did you mean 'Age'"),
            (lambda t: t.assign(age=f"x{SECRET}"), "column 'age' has in row 0.*not a number"),
            (lambda t: t.to_numpy(), "columns"),
        ],
        ids=["lacks a column", "has another name", "has texts", "has no names"],
    )
    def test_refuses_rows_that_do_not_fit(self, models, kind, change, message):
        rows: pd.DataFrame = of(owner(9, rows=40))
        for model in models(kind):
            predict = model.transform if kind == "pca" else model.predict
            with pytest.raises(DataError, match=message) as error:
                predict(change(rows))
            assert str(SECRET) not in str(error.value)
