"""Messy tables: each is read rightly, or one error says where and what to write."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.training.tables import SECRET, numbers_only

import confide as cf
from confide.engines import NoiseWarning
from confide.errors import DataError, PlanError
from confide.tables import Schema, check_table, read_table
from confide.tables.grid import coarse_bin, coarse_range
from confide.tables.values import dates
from confide.training import planned


def with_south(change):
    data = numbers_only(rows=40)
    return {**data, "south": change(data["south"])}


def range_of(counts):
    found = coarse_range(counts.astype(float), 0.0)
    assert found is not None
    return found


def everywhere(change):
    return {name: change(table) for name, table in numbers_only(rows=40).items()}


def text(form):
    return lambda t: t.assign(age=[form.format(v) for v in t["age"]])


class TestFiles:
    @pytest.mark.parametrize(
        "written",
        [
            "sep=;\nage;ill\n50,5;1\n49,5;0\n",
            "age;ill;;\n50,5;1;;\n49,5;0;;\n",
            '"age";"note";"ill"\n50,5;"a\nb; ""c"", d";1\n49,5;"x\ny";0\n',
            "\ufeff age | ill \n50.5|1\n49.5|0\n",
        ],
        ids=["says its delimiter", "delimiters at the end", "quoted newlines", "mark and blanks"],
    )
    def test_of_spreadsheets_are_read(self, tmp_path, written):
        (tmp_path / "south.csv").write_text(written, encoding="utf-8")
        found = read_table(tmp_path / "south.csv")
        assert found["age"].tolist() == ["50.5", "49.5"]
        assert found["ill"].tolist() == ["1", "0"]
        assert "" not in found.columns

    @pytest.mark.parametrize(
        ("written", "message"),
        [
            ("\x00\x01,\x00\n4711,2\n", "is not text; convert it"),
            ("# from the ward\nage,ill\n4711,1\n", "begin with the line of column names"),
            (",age,ill\n0,4711,1\n", "owner 'south' has a column without a name.*index=False"),
            ("age,ill\n4711,1\n47\n", "column 'ill': 1 of 2 values are missing: leave these rows"),
            ("Age,ill\n4711,1\n", "owner 'south' has no column 'age'; did you mean 'Age'"),
        ],
    )  # fmt: skip
    def test_that_cannot_be_read_say_why(self, tmp_path, written, message):
        (tmp_path / "south.csv").write_text(written)
        with pytest.raises(DataError, match=message) as error:
            planned("logistic", with_south(lambda _: tmp_path / "south.csv"), label="ill")
        assert str(SECRET) not in str(error.value)


class TestNumbers:
    @pytest.mark.parametrize(
        ("form", "beside"),
        [
            ("{:.1f} %", "a percent sign"),
            ("${:.2f}", "a currency sign"),
            ("{:.0f},471", "separators of thousands"),
            ("1'0{:.0f}'471.5", "separators of thousands"),
            ("{:.0f},5", "a decimal comma"),
            ("inf", "infinity"),
        ],
    )
    @pytest.mark.parametrize("privacy", [None, cf.Epsilon(3.0)], ids=["exact", "noise"])
    def test_with_something_beside_are_no_texts(self, form, beside, privacy):
        message = f"owner 'south', column 'age' has numbers written with {beside}: write them as"
        with pytest.raises(DataError, match=message):
            planned("logistic", with_south(text(form)), label="ill", privacy=privacy)

    def test_a_category_of_such_texts_can_be_declared(self):
        wanted = cf.Category(values=("10 %", "20 %"))
        data = everywhere(lambda t: t.assign(age=np.where(t["age"] > 50, "10 %", "20 %")))
        plan = planned("logistic", data, label="ill", columns={"age": wanted}).plan
        assert "summaries" not in [stage.name for stage in plan.stages]

    def test_one_slip_of_the_keyboard_leaves_the_others_apart(self):
        typed = np.append(np.random.default_rng(0).normal(50, 10, 999), 5e12)
        counts = np.bincount(coarse_bin(typed), minlength=513).astype(float)
        assert 75 < range_of(counts)[1] < 200
        assert -200 < range_of(np.bincount(coarse_bin(-typed), minlength=513))[0] < -75

    def test_a_few_among_zeros_are_no_slip(self):
        counts = np.bincount(coarse_bin(np.append(np.zeros(990), [5e4] * 10)), minlength=513)
        assert range_of(counts)[1] > 5e4

    def test_that_no_row_has_are_refused_and_found_as_such(self):
        data = everywhere(lambda t: t.assign(empty=np.nan))
        with pytest.raises(DataError, match="column 'empty' has no values at any owner"):
            planned("logistic", data, label="ill")
        declared = {"empty": cf.Number(missing=cf.Missing.INDICATOR)}
        made = cf.train("logistic", data, label="ill", columns=declared, rounds=2)
        assert made.model.predict({"age": [30, 80], "empty": [np.nan] * 2}).tolist() == [0, 1]

    def test_of_few_rows_are_found_in_joined_bins_under_noise(self):
        rng = np.random.default_rng(0)
        values = rng.uniform(25, 350, 265)  # four octaves: no bin alone is above the noise
        counts = np.bincount(coarse_bin(values), minlength=513) + rng.normal(0, 15, 513)
        assert counts.max() < 4.5 * 15
        lower, upper = coarse_range(counts, 15.0) or (0.0, 0.0)
        assert 0 <= lower <= 100
        assert 200 < upper < 1000

    def test_that_the_noise_hides_are_no_range(self):
        rng = np.random.default_rng(0)
        tables = rng.normal(0, 15, (300, 513))
        assert sum(coarse_range(counts, 15.0) is not None for counts in tables) < 20

    def test_that_the_noise_hides_are_told_of(self):
        data = {name: t.assign(y=t["age"]) for name, t in numbers_only(rows=20).items()}
        with pytest.warns(NoiseWarning, match=r"no bounds were found of '.*cf\.\w+\(bounds="):
            cf.train("linear", data, label="y", privacy=cf.Epsilon(0.1), rounds=1, metrics=False)

    def test_huge_and_single_rows_pass(self):
        data = with_south(lambda t: t.head(1))
        data = {n: t.assign(huge=t["age"] * 1e300) for n, t in data.items()}
        assert cf.train("logistic", data, label="ill", rounds=3).metrics["auc"] > 0.8

    @pytest.mark.parametrize("kind", ["logistic", "trees"])
    @pytest.mark.parametrize("row", range(3))
    def test_an_owner_whose_only_row_is_held_out_contributes_nothing(self, kind, row):
        data = with_south(lambda t: t.iloc[[row]])
        few: dict[str, Any] = {"rounds": 2} if kind == "logistic" else {"trees": 1, "depth": 1}
        made = cf.train(kind, data, label="ill", holdout=0.5, **few)
        assert made.model.predict({"age": [20.0]}).shape == (1,)


class TestDates:
    @pytest.mark.parametrize(
        "cells",
        [
            ["2026-01-31", "2026-02-01"],
            ["2026-01-31T23:30:00+02:00", "2026-02-01 00:10"],
            ["31.01.2026", "01.02.2026"],
            ["31/01/2026", "01/02/2026"],
            ["01/31/2026", "02/01/2026"],
            ["31-1-2026", "1-2-2026"],
            ["31 Jan 2026", "February 1, 2026"],
        ],
    )
    def test_are_read_in_the_order_that_their_column_shows(self, cells):
        assert dates(cells, "seen").tolist() == [20484.0, 20485.0]

    @pytest.mark.parametrize(
        ("cells", "message"),
        [
            (["01/02/2026", "03/02/2026"], "day or month first"),
            (["31/01/2026", "01/31/2026"], "others with the month first"),
            (["31/01/2026", "32/01/2026"], r"in row 1 \(from 0\) a value that is not a date"),
            (["now", "2026-01-31"], r"in row 0 \(from 0\) a value that is not a date"),
        ],
    )
    def test_that_may_be_another_day_are_refused(self, cells, message):
        with pytest.raises(DataError, match=message):
            dates(cells, "seen")

    def test_months_are_texts(self):
        data = everywhere(lambda t: t.assign(month="May"))
        with pytest.raises(PlanError, match="column 'month' of texts"):
            planned("logistic", data, label="ill")


class TestLabels:
    @pytest.mark.parametrize("words", [("no", " Yes "), ("F", "T"), ("off", "on")])
    def test_of_yes_and_no_are_predicted_as_booleans(self, words):
        data = everywhere(lambda t: t.assign(ill=np.array(words)[t["ill"]]))
        made = cf.train("logistic", data, label="ill", rounds=3)
        assert made.model.predict({"age": [20, 80]}).tolist() == [False, True]

    @pytest.mark.parametrize("change", [lambda y: y + 1, lambda y: 2 * y - 1])
    def test_of_other_numbers_say_what_to_write_once(self, change):
        data = everywhere(lambda t: t.assign(ill=change(t["ill"])))
        with pytest.raises(DataError, match=r"as classes=.*also at 'south', 'west'") as error:
            planned("logistic", data, label="ill")
        assert len(str(error.value)) < 300

    def test_of_numbers_that_a_gap_made_fractions_are_read(self, tmp_path):
        data = numbers_only(rows=40)
        with_gap = data["south"].assign(ill=data["south"]["ill"].astype(float))
        with_gap.to_csv(tmp_path / "south.csv", index=False)
        assert "1.0" in (tmp_path / "south.csv").read_text()
        files = {**data, "south": tmp_path / "south.csv"}
        made = [
            cf.train("logistic", d, label="ill", rounds=1, metrics=False) for d in (data, files)
        ]
        assert np.array_equal(made[0].model.coef_, made[1].model.coef_)

    def test_of_counts_are_at_least_zero(self):
        data = with_south(lambda t: t.assign(ill=-1))
        with pytest.raises(DataError, match=r"owner 'south', column 'ill'.* a count below 0"):
            planned("poisson", data, label="ill")

    def test_of_large_counts_are_learned(self):
        data = everywhere(lambda t: t.assign(n=(t["age"] / 2).round()).drop(columns="ill"))
        made = cf.train("poisson", data, label="n")
        assert made.model.predict({"age": [60.0]})[0] == pytest.approx(30, rel=0.1)


class TestTables:
    @pytest.mark.parametrize(
        ("south", "message"),
        [
            (lambda t: t.set_axis(["age", "age"], axis=1), "owner 'south' has column 'age' twice"),
            (lambda t: t.assign(age=[[SECRET]] * len(t)), "owner 'south', column 'age' has lists"),
            (lambda _: None, "owner 'south': a NoneType; give a data frame, a path"),
        ],
    )
    def test_that_are_none_say_whose(self, south, message):
        with pytest.raises(DataError, match=message) as error:
            planned("logistic", with_south(south), label="ill")
        assert str(SECRET) not in str(error.value)

    def test_numbers_and_booleans_of_one_column_say_to_declare_it(self):
        data = everywhere(lambda t: t.assign(smoker=t["ill"]))
        data["south"]["smoker"] = data["south"]["smoker"] == 1
        with pytest.raises(DataError, match=r"columns=\{'smoker': cf\.Boolean\(\)\}"):
            planned("logistic", data, label="ill")
        plan = planned("logistic", data, label="ill", columns={"smoker": cf.Boolean()}).plan
        features = plan.stages[-1].task.read()["table"]["features"]
        assert [f["kind"] for f in features] == ["number", "boolean"]

    def test_columns_of_another_order_and_further_ones_pass(self):
        data = with_south(lambda t: t[["ill", "age"]].assign(extra=SECRET))
        made = planned("logistic", data, label="ill").plan
        assert made.hash == planned("logistic", numbers_only(rows=40), label="ill").plan.hash

    def test_a_column_that_stands_twice_is_not_read(self):
        schema = Schema(features={"age": cf.Number(bounds=(0, 99))}, label="ill")
        table = pd.DataFrame([[1.0, 2.0, 0]], columns=["age", "age", "ill"])
        with pytest.raises(DataError, match="column 'age' stands 2 times"):
            schema.read(table)

    def test_of_one_owner_lacks_the_label(self):
        data = with_south(lambda t: t.drop(columns="ill"))
        with pytest.raises(DataError, match=r"owner 'south' has no column 'ill'.*is predicted"):
            planned("logistic", data, label="ill")

    @pytest.mark.parametrize(
        ("name", "cells", "told"),
        [
            ("n", np.arange(100, 140), True),
            ("patient id", np.arange(40) * 7919 % 99_991, True),
            ("patientId", np.arange(40) * 7919 % 99_991, True),
            ("pay", np.arange(40) * 7919 % 99_991, False),
            ("acid", np.arange(40) * 7919 % 99_991, False),
            ("id", np.arange(40) // 2, False),
            ("id", np.arange(40) + 0.5, False),
            ("note", [f"note {i}" for i in range(40)], True),
            ("ward", ["A", "B"] * 20, False),
        ],
    )
    def test_with_an_identifier_tell_its_owner(self, name, cells, told):
        kind = cf.Category(most=20) if isinstance(cells, list) else cf.Number()
        check = check_table(pd.DataFrame({name: cells}), Schema(features={name: kind}))
        assert (check.columns[0].hint != "") is told
        assert check.fits

    @pytest.mark.parametrize("capacity", [0, "10", 2.5])
    def test_no_capacity(self, capacity):
        with pytest.raises(PlanError, match=r"capacity is .*; it is a whole number of rows"):
            planned("logistic", numbers_only(), label="ill", capacity=capacity)
