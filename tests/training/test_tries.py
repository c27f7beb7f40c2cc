"""Every row of a newcomer's table of tries works, or says what to write; never a value of data."""

import numpy as np
import pandas as pd
import pytest
from tests.training.tables import NAMES, SECRET, numbers_only, owner, owners

import confide as cf
from confide.errors import DataError, PlanError
from confide.training import planned

WARDS = {"ward": cf.Category(values=("A", "B"))}


def as_files(folder, write, name="{}.csv"):
    files = {}
    for owner_name, table in owners().items():
        files[owner_name] = str(folder / name.format(owner_name))
        write(table, files[owner_name])
    return files


class TestFiles:
    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("{}.csv", {}),
            ("{}.csv", {"sep": ";"}),
            ("{}.csv", {"sep": ";", "decimal": ","}),
            ("{}.tsv", {"sep": "\t"}),
            ("{}.csv.gz", {}),
            ("{}.csv", {"encoding": "latin-1"}),
            ("{}.csv", {"encoding": "utf-8-sig"}),
        ],
        ids=["comma", "semicolon", "decimal comma", "tabs", "gzip", "latin-1", "mark"],
    )
    def test_make_the_plan_that_frames_make(self, tmp_path, name, options):
        def write(table, file):
            table.rename(columns={"age": "âge"}).to_csv(file, index=False, **options)

        files = as_files(tmp_path, write, name)
        frames = {n: t.rename(columns={"age": "âge"}) for n, t in owners().items()}
        by_file, by_frame = (
            planned("logistic", d, label="ill", columns=WARDS).plan for d in (files, frames)
        )
        assert by_file.hash == by_frame.hash

    def test_a_model_from_files_is_that_from_frames(self, tmp_path):
        files = as_files(tmp_path, lambda t, f: t.to_csv(f, index=False, sep=";", decimal=","))
        made = [
            cf.train("logistic", d, label="ill", columns=WARDS, rounds=3)
            for d in (files, owners(), {**owners(), "south": files["south"]})
        ]
        assert all(np.array_equal(made[0].model.coef_, m.model.coef_) for m in made)
        assert made[0].model.metrics(owner(9))["auc"] > 0.85

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "is empty; give a file with a line of column names"),
            ("age,ward,ill\n", "has no rows below its line of column names"),
            ("4711,4711,4711\n1,2,3\n", "is not a line of column names"),
            ("age,age\n4711,1\n", "has column 'age' twice"),
        ],
    )
    def test_that_are_no_tables_name_the_owner(self, tmp_path, text, message):
        (tmp_path / "south.csv").write_text(text)
        data = {**owners(), "south": tmp_path / "south.csv"}
        with pytest.raises(DataError, match=message) as error:
            planned("logistic", data, label="ill", columns=WARDS)
        assert "owner 'south'" in str(error.value)
        assert str(SECRET) not in str(error.value)

    def test_that_are_not_there(self):
        with pytest.raises(DataError, match=r"owner 'south': cannot read none\.csv"):
            planned("logistic", {**owners(), "south": "none.csv"}, label="ill", columns=WARDS)


class TestColumns:
    def test_unscaled_features_are_scaled_by_what_sums_found(self):
        result = cf.train("logistic", numbers_only(salary=True), label="ill")
        assert result.metrics["auc"] > 0.85
        assert result.model.metrics(owner(9, salary=True))["auc"] > 0.85

    def test_a_salary_around_90_000_is_predicted(self):
        data = numbers_only(salary=True)
        for table in data.values():
            table["pay"] = table["age"] * 1.1 + 500 * np.sin(table["age"])
        result = cf.train("linear", data, label="pay")
        assert result.metrics["r2"] > 0.99
        assert result.model.metrics(data["west"])["r2"] > 0.99
        assert result.model.predict({"age": [90_000], "ill": [0]})[0] == pytest.approx(
            99_000, rel=0.02
        )

    def test_texts_are_asked_for_under_exact_sums(self):
        with pytest.raises(PlanError, match=r"columns=\{'ward': cf\.Category\(values=\(…\)\)\}"):
            planned("logistic", owners(), label="ill")

    def test_texts_are_found_by_sums_with_noise(self):
        plan = planned("logistic", owners(), label="ill", privacy=cf.Epsilon(3.0)).plan
        assert [s.name for s in plan.stages] == ["vocabularies", "summaries", "training", "metrics"]
        assert sum(s.budget for s in plan.sum_stages) == pytest.approx(1)

    def test_missing_values_are_an_input_of_their_own(self):
        data = numbers_only()
        for table in data.values():
            table.loc[table.index % 7 == 0, "age"] = np.nan
        result = cf.train("logistic", data, label="ill", rounds=4)
        assert result.model.feature_names_in_.tolist() == ["age", "age missing"]
        assert result.model.predict({"age": [np.nan, 90]}).shape == (2,)
        assert result.owners["north"].check.columns[0].missing == 22

    def test_whether_values_are_missing_does_not_show_in_the_plan(self):
        data = numbers_only()
        full = planned("logistic", data, label="ill").plan
        data["south"].loc[3, "age"] = np.nan
        assert planned("logistic", data, label="ill").plan.hash == full.hash

    def test_nothing_of_the_plan_follows_from_values_or_their_number(self):
        first = planned("logistic", numbers_only(), label="ill").plan
        other = planned("logistic", numbers_only(rows=80, salary=True), label="ill").plan
        assert first.hash == other.hash

    def test_dates_and_booleans(self):
        data = numbers_only()
        for table in data.values():
            table["seen"] = pd.date_range("2026-01-01", periods=len(table))
            table["smoker"] = table["age"] > 50
        schema = planned("logistic", data, label="ill").plan.stages[0].task.read()["table"]
        assert [f["kind"] for f in schema["features"]] == ["number", "date", "boolean"]

    def test_owners_that_disagree_on_a_type_are_named(self):
        data = numbers_only()
        data["south"]["age"] = data["south"]["age"].astype(str) + "x4711"
        with pytest.raises(
            DataError, match="column 'age' has numbers at 'north', texts at 'south'"
        ) as e:
            planned("logistic", data, label="ill")
        assert str(SECRET) not in str(e.value)

    def test_a_column_that_an_owner_lacks_is_named(self):
        data = numbers_only()
        data["west"] = data["west"].rename(columns={"age": "alter"})
        with pytest.raises(DataError, match="owner 'west' has no column 'age'"):
            planned("logistic", data, label="ill")

    def test_a_declared_column_that_does_not_fit_is_named(self):
        data = numbers_only()
        data["south"]["age"] = data["south"]["age"].astype(object)
        data["south"].loc[2, "age"] = f"x{SECRET}"
        with pytest.raises(DataError, match=r"owner 'south', column 'age' has in row 2") as error:
            planned("logistic", data, label="ill", columns={"age": cf.Number()})
        assert str(SECRET) not in str(error.value)


class TestLabels:
    def test_of_texts_ask_for_their_classes(self):
        data = {
            n: t.assign(ill=t["ill"].map({0: "well", 1: "ill"})) for n, t in numbers_only().items()
        }
        with pytest.raises(PlanError, match=r"name its classes in order.*classes=\('no', 'yes'\)"):
            planned("logistic", data, label="ill")
        result = cf.train("logistic", data, label="ill", classes=("well", "ill"), rounds=4)
        assert result.model.predict({"age": [20, 80]}).tolist() == ["well", "ill"]

    def test_of_booleans_are_predicted_as_booleans(self):
        data = {n: t.assign(ill=t["ill"] == 1) for n, t in numbers_only().items()}
        result = cf.train("logistic", data, label="ill", rounds=4)
        assert result.model.predict({"age": [20, 80]}).tolist() == [False, True]

    def test_with_another_class_are_refused_without_it(self):
        data = numbers_only()
        data["west"].loc[5, "ill"] = SECRET
        with pytest.raises(DataError, match="owner 'west', column 'ill' has in row 5") as error:
            planned("logistic", data, label="ill")
        assert str(SECRET) not in str(error.value)

    def test_of_texts_are_no_numbers(self):
        data = {n: t.assign(ill="x") for n, t in numbers_only().items()}
        with pytest.raises(
            DataError, match="label 'ill' has texts, and the model predicts a number"
        ):
            planned("linear", data, label="ill")


class TestArguments:
    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"kind": "logistics"}, "did you mean 'logistic'"),
            ({"privacy": 3.0}, r"write privacy=cf\.Epsilon\(3\.0\)"),
            ({"features": "age"}, "features is the text 'age'; give a list"),
            ({"classes": "ill"}, "classes is the text 'ill'"),
            ({"columns": {"agee": cf.Number()}}, "did you mean 'age'"),
            ({"label": "il"}, "has no column 'il'; did you mean 'ill'"),
            ({"l3": 1.0}, "unknown key 'l3'"),
            ({"data": [1, 2]}, "data are a list; give a map from each owner's name"),
            ({"data": {}}, "data name no owner"),
            ({"data": {"north": np.ones((3, 2))}}, "a ndarray, whose columns have no names"),
            (
                {"data": {"north": pd.DataFrame({"age": [], "ill": []})}},
                "owner 'north' has no rows",
            ),
            ({"data": {"north": {"age": [1.0], "ill": [1, 0]}}}, "columns of different lengths"),
        ],
    )
    def test_that_are_wrong_are_said(self, given, message):
        full = {"kind": "logistic", "data": numbers_only(), "label": "ill"} | given
        with pytest.raises((PlanError, DataError), match=message):
            planned(full.pop("kind"), full.pop("data"), **full)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ((0,), "epsilon is 0"),
            (("3",), "epsilon is '3'"),
            ((1.0, "party"), "privacy per 'party'"),
            ((1.0, "record", 1), "delta is 1"),
        ],
    )
    def test_no_epsilon(self, given, message):
        with pytest.raises(PlanError, match=message):
            cf.Epsilon(*given)

    def test_two_owners_hide_nothing_from_each_other(self):
        data = {n: numbers_only()[n] for n in NAMES[:2]}
        with pytest.raises(PlanError, match="cannot be made"):
            planned("logistic", data, label="ill")
