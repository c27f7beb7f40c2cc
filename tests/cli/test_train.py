"""The door on the command line: train, predict, data check, plan new --from."""

import io
import json
import tomllib
from contextlib import closing

import numpy as np
import pandas as pd
import pytest
from tests.training.tables import NAMES, numbers_only, owner, owners

import confide as package
from confide.computation import registry
from confide.learning.algorithms.fed_metrics import fed_metrics_from_settings

DATA = [part for name in NAMES for part in ("--data", f"{name}={name}.csv")]


@pytest.fixture
def files(folder):
    """Three owners' files as a German spreadsheet writes them."""
    for name, table in numbers_only().items():
        table.to_csv(f"{name}.csv", index=False, sep=";", decimal=",", encoding="latin-1")
    return folder


@pytest.fixture
def model(confide, files):
    done = confide("--quiet", "train", "logistic", *DATA, "--label", "ill", "--set", "rounds=4",
                   "--out", "m.confide")  # fmt: skip
    assert (done.code, done.err) == (0, "")
    return done


class TestTrain:
    def test_shows_verdicts_and_metrics(self, model, files):
        assert model.out.startswith("Each record NOT PRIVATE")
        assert "auc" in model.out
        assert (files / "m.confide").exists()

    def test_as_json(self, confide, files):
        done = confide("train", "logistic", *DATA, "--label", "ill", "--set", "rounds=2", "--json",
                       "--report", "card.html", "--plan", "plan.bin")  # fmt: skip
        found = json.loads(done.out)
        assert found["verdicts"][0].startswith("Each record NOT PRIVATE")
        assert 0.5 < found["metrics"]["auc"] <= 1
        assert (
            package.Plan.from_canonical((files / "plan.bin").read_bytes()).hash.hex()
            == found["plan"]
        )
        assert found["plan"] in (files / "card.html").read_text()

    def test_may_only_say_who_would_learn_what(self, confide, files):
        done = confide("train", "logistic", *DATA, "--label", "ill", "--epsilon", "3", "--dry-run")
        assert done.out.startswith("Each record PRIVATE at ε = 3")

    def test_charges_a_ledger_anew_each_time(self, confide, files):
        with closing(package.Ledger.open("north.db")) as ledger:
            ledger.open_dataset("rows")
            cap = package.Cap(epsilon=1.6, delta=1e-5, filter=package.Filter.GAUSSIAN)
            ledger.cap("rows", cap)
        asked = ("train", "logistic", *DATA, "--label", "ill", "--set", "rounds=1", "--epsilon",
                 "1", "--ledger", "north=north.db")  # fmt: skip
        assert [confide(*asked).code for _ in range(4)] == [0, 0, 0, 4]

    def test_says_what_to_write(self, refused, folder):
        for name, table in owners().items():
            table.to_csv(f"{name}.csv", index=False)
        error = refused("train", "logistic", *DATA, "--label", "ill", code=2)
        assert "column 'ward' of texts: write down the values that count" in error
        assert error.endswith(
            "On the command line: --category COLUMN=A,B, --features A,B, --epsilon 3"
        )

    def test_tells_of_columns_that_seem_to_be_identifiers(self, confide, folder):
        for name, table in numbers_only().items():
            table.assign(patient=np.arange(len(table)) + 100_000).to_csv(f"{name}.csv", index=False)
        done = confide("train", "logistic", *DATA, "--label", "ill", "--set", "rounds=1", "--json")
        assert done.err.count("column 'patient': each row has another value") == len(NAMES)
        assert "100000" not in done.err
        assert json.loads(done.out)["metrics"]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--delta", "1e-5"], "--delta without --epsilon"),
            (["--set", "l2"], "--set 'l2'; write NAME=VALUE"),
            (["--category", "ward"], "--category 'ward'; write COLUMN=A,B"),
        ],
    )
    def test_says_what_is_wrong_with_an_option(self, refused, files, arguments, message):
        assert message in refused("train", "logistic", *DATA, "--label", "ill", *arguments, code=2)

    @pytest.mark.parametrize(
        ("arguments", "kind"),
        [
            ([*DATA, "--label", "il"], "DataError"),
            ([*DATA], "PlanError"),
            (["--sets"], "UsageError"),
        ],
    )
    def test_errors_under_json_are_json(self, confide, files, arguments, kind):
        done = confide("train", "logistic", *arguments, "--json")
        error = json.loads(done.err)["error"]
        assert (error["kind"], error["exit_code"]) == (kind, done.code)
        assert error["message"]
        assert done.out == ""


class TestPredict:
    def test_gives_what_the_library_gives(self, confide, model, files):
        done = confide("predict", "m.confide", "west.csv", "--json")
        found = json.loads(done.out)
        loaded = package.load_model("m.confide")
        assert np.array_equal(found["ill"], loaded.predict("west.csv"))
        assert np.array_equal(found["probability of 1"], loaded.predict_proba("west.csv")[:, 1])

    def test_writes_a_file(self, confide, model, files):
        done = confide("predict", "m.confide", "west.csv", "--out", "found.csv")
        assert done.err == "wrote 150 predictions to found.csv\n"
        assert len(pd.read_csv("found.csv")) == 150

    def test_refuses_what_does_not_fit(self, refused, model, files):
        owner(0).drop(columns="age").to_csv("odd.csv", index=False)
        assert "no column 'age'" in refused("predict", "m.confide", "odd.csv", code=3)
        assert "is not a model" in refused("predict", "west.csv", "west.csv", code=3)


@pytest.fixture
def registered(monkeypatch):
    """The task of metrics, as an installed release offers it."""
    real = registry.offered_computations()

    def make(name, settings):
        if name == "fed-metrics":
            return fed_metrics_from_settings(settings)
        return registry.make_computation(name, settings)

    monkeypatch.setattr("confide.computation.planfile.make_computation", make)
    monkeypatch.setattr(
        "confide.computation.planfile.offered_computations", lambda: [*real, "fed-metrics"]
    )


class TestPlanFromAFile:
    def test_is_the_plan_that_the_door_makes(self, confide, files, registered):
        done = confide("plan", "new", "made.toml", "--from", "west.csv", "--label", "ill")
        assert (done.code, done.out) == (0, "")
        shown = json.loads(confide("plan", "show", "made.toml").out)
        made = package.training.planned("logistic", numbers_only(), label="ill").plan
        assert shown["derived"]["hash"] == made.hash.hex()

    def test_asks_before_it_publishes_values(self, confide, folder, monkeypatch):
        owner(0).to_csv("w.csv", index=False)
        asked = []
        monkeypatch.setattr("typer.confirm", lambda text, **_: asked.append(text))
        command = ("--from", "w.csv", "--label", "ill", "--epsilon", "3")
        confide("plan", "new", "no.toml", *command)
        assert asked == [
            "vocabulary of 'ward': the line would publish the 2 values in this file. Write it?"
        ]
        ward = tomllib.loads((folder / "no.toml").read_text())["stage"][0]["task"]["table"]
        assert [f for f in ward["features"] if f["name"] == "ward"] == [
            {"kind": "category", "name": "ward", "most": 20, "missing": "indicator"}
        ]
        confide("plan", "new", "yes.toml", *command, "--yes")
        assert '["A", "B"]' in (folder / "yes.toml").read_text()
        assert len(asked) == 1

    def test_says_what_to_write_where_nobody_can_answer(self, confide, folder, monkeypatch):
        owner(0).to_csv("w.csv", index=False)
        monkeypatch.setattr("sys.stdin", io.StringIO())
        command = ("plan", "new", "made.toml", "--from", "w.csv", "--label", "ill")
        done = confide(*command)
        error = done.err
        assert done.code == 2
        assert "left out, because nobody is here to be asked" in error
        assert "column 'ward' has texts: --yes writes its values" in error
        assert confide(*command, "--features", "age").code == 0

    def test_says_what_of_the_file_does_not_fit(self, refused, folder):
        owner(0).assign(ill=lambda t: t["ill"].where(t.index != 3)).to_csv("w.csv", index=False)
        error = refused("plan", "new", "x.toml", "--from", "w.csv", "--label", "ill", "--features",
                        "age", code=3)  # fmt: skip
        assert "owner 'w.csv', column 'ill': 1 of 150 values are missing" in error
        assert "also at" not in error

    def test_needs_a_label(self, refused, files):
        refused("plan", "new", "x.toml", "--from", "west.csv", code=2)


class TestDataCheck:
    @pytest.fixture
    def plan(self, confide, files, registered):
        confide("plan", "new", "made.toml", "--from", "west.csv", "--label", "ill")

    def test_says_what_fits_with_counts_that_stay_here(self, confide, plan):
        table = owner(3).drop(columns="ward")
        table.loc[:4, "age"] = np.nan
        table.to_csv("own.csv", index=False)
        done = confide("data", "check", "own.csv", "--schema", "made.toml")
        assert done.code == 0
        assert "they stay on this machine" in done.out
        found = json.loads(
            confide("data", "check", "own.csv", "--schema", "made.toml", "--json").out
        )
        assert [(c["name"], c["missing"]) for c in found["columns"]] == [("age", 5), ("ill", 0)]
        assert found["fits"] is True

    def test_ends_with_an_error_if_it_does_not_fit(self, confide, plan):
        owner(3).drop(columns="age").to_csv("own.csv", index=False)
        done = confide("data", "check", "own.csv", "--schema", "made.toml")
        assert done.code == 3
        assert done.err == "error: own.csv does not fit the plan: 'age'\n"

    def test_needs_a_plan_with_a_schema(self, refused, plan):
        assert "has no schema" in refused(
            "data", "check", "west.csv", "--schema", "plan.toml", code=2
        )


def test_completion_is_offered(confide):
    assert "--show-completion" in confide("--help").out
