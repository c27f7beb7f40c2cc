"""What a training gives: metrics by charged sums, a model in a file, pages and pictures."""

import json
from contextlib import ExitStack
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.metrics import accuracy_score, log_loss, r2_score, roc_auc_score
from tests.training.tables import numbers_only, owner

import confide as cf
from confide.errors import DataError, PrivacyBudgetError
from confide.learning.algorithms.fed_metrics import fed_metrics_from_settings
from confide.plan import Verdict
from confide.tables import Part
from confide.training import plot_calibration, plot_coefficients, plot_confusion, plot_metrics


@pytest.fixture(scope="module")
def result():
    return cf.train("logistic", numbers_only(), label="ill")


@pytest.fixture(scope="module")
def rows(result):
    return held_out(result, numbers_only())


def held_out(result, data):
    """All owners' rows that are held out."""
    pooled = pd.concat(data.values(), ignore_index=True)
    table = result.model.table.of_part(Part.HELD_OUT)
    return pooled[table.holdout.counted(table.columns, table.rows(pooled))]


class TestLedger:
    @pytest.fixture
    def accounts(self, tmp_path):
        with ExitStack() as stack:
            opened = {}
            for name in numbers_only():
                ledger = stack.enter_context(cf.Ledger.open(tmp_path / f"{name}.db"))
                ledger.open_dataset("rows")
                ledger.cap("rows", cf.Cap(epsilon=1.6, delta=1e-5, filter=cf.Filter.GAUSSIAN))
                opened[name] = cf.Account(ledger, "rows")
            yield opened

    @pytest.mark.filterwarnings("ignore::confide.engines.NoiseWarning")
    def test_charges_each_of_the_same_trainings_until_the_cap_is_full(self, accounts):
        asked: dict[str, Any] = {
            "label": "ill", "privacy": cf.Epsilon(1.0), "rounds": 1, "accounts": accounts,
        }  # fmt: skip
        ledger = accounts["north"].ledger
        plans, left = [], [1.0]
        for _ in range(3):
            plans.append(cf.train("logistic", numbers_only(), **asked).plan)
            left.append(ledger.remaining("rows")[0].fraction)
        with pytest.raises(PrivacyBudgetError, match="Nothing was charged"):
            cf.train("logistic", numbers_only(), **asked)
        assert [plan.seed for plan in plans] == [0, 1, 2]
        assert np.diff(left) == pytest.approx(np.diff(left)[0], rel=0.01)
        charged = {charge.fact.plan_hash for charge in ledger.charges("rows")}
        assert charged == {plan.hash for plan in plans}

    def test_asks_for_an_account_where_a_ledger_is_given(self, accounts):
        given: Any = {"north": accounts["north"].ledger}
        with pytest.raises(DataError, match=r"account of 'north' is a Ledger.*cf\.Account\(ledger"):
            cf.train("logistic", numbers_only(), label="ill", accounts=given)


class TestMetrics:
    def test_are_those_of_the_rows_held_out(self, result, rows):
        chance = result.model.predict_proba(rows)[:, 1]
        assert result.metrics["accuracy"] == pytest.approx(
            accuracy_score(rows["ill"], result.model.predict(rows)), abs=1e-3
        )
        # The histogram takes scores of one bin of twenty as ties.
        assert result.metrics["auc"] == pytest.approx(roc_auc_score(rows["ill"], chance), abs=0.01)
        assert result.metrics["loss"] == pytest.approx(log_loss(rows["ill"], chance), rel=1e-3)
        assert result.metrics["rows"] == pytest.approx(len(rows), abs=0.1)
        assert np.sum(result.metrics["confusion"]) == pytest.approx(len(rows), abs=0.1)

    def test_of_numbers_are_r2(self, rows):
        data = {
            n: t.assign(y=t["age"] * 2 + np.sin(t["age"]) * 10) for n, t in numbers_only().items()
        }
        made = cf.train("linear", data, label="y")
        pooled = held_out(made, data)
        assert made.metrics["r2"] == pytest.approx(
            r2_score(pooled["y"], made.model.predict(pooled)), abs=0.01
        )

    def test_of_several_classes(self):
        data = {
            n: t.assign(ill=np.digitize(t["age"], [45, 55]).astype(str))
            for n, t in numbers_only().items()
        }
        made = cf.train("softmax", data, label="ill", classes=("0", "1", "2"))
        pooled = held_out(made, data)
        accuracy = np.mean(made.model.predict(pooled).astype(str) == pooled["ill"])
        assert made.metrics["accuracy"] == pytest.approx(accuracy, abs=1e-3)
        assert np.shape(made.metrics["confusion"]) == (3, 3)

    def test_are_charged_with_the_rest(self):
        made = cf.train("logistic", numbers_only(), label="ill", privacy=cf.Epsilon(3.0), rounds=5)
        assert [v.verdict for v in made.views.verdicts] == [Verdict.PRIVATE, Verdict.HIDDEN]
        assert made.plan.stages[-1].name == "metrics"
        assert 0 < made.plan.sum_stages[-1].budget < 0.1
        assert str(made.verdicts).startswith("Each record PRIVATE at ε = 3")
        assert 0 <= made.metrics["auc"] <= 1
        rows = len(held_out(made, numbers_only()))
        assert 10 < made.margins["rows"] < 1000
        assert abs(made.metrics["rows"] - rows) < 2 * made.margins["rows"]
        # So few rows under so much noise say nothing, and this is said.
        assert made.margins["auc"] > 0.1
        assert f"± {made.margins['auc']:.2g}" in repr(made)
        assert "In 19 of 20 runs" in made.to_html()

    def test_of_exact_sums_have_no_margins(self, result):
        assert result.margins == {}
        assert "±" not in repr(result) + result.to_html()

    def test_may_be_left_out(self):
        made = cf.train("logistic", numbers_only(), label="ill", metrics=False, rounds=2)
        assert made.metrics == {}
        assert [s.name for s in made.plan.stages] == ["summaries", "training"]

    def test_of_an_owner_stay_with_it(self, result):
        north = result.owners["north"]
        assert north.metrics == result.model.metrics(owner(0))
        assert set(north.metrics) == {"accuracy", "base_rate", "auc"}

    def test_are_made_again_from_the_plan(self, result):
        stage = result.plan.stages[-1]
        assert fed_metrics_from_settings(stage.task.read()).stage(name="metrics").sums == stage.sums


class TestTrees:
    def test_predict_raw_rows_and_are_kept(self, tmp_path):
        data = {n: t.assign(ill=(abs(t["age"] - 50) > 7) * 1) for n, t in numbers_only().items()}
        made = cf.train("trees", data, label="ill", trees=3, depth=2)
        assert made.model.metrics(data["west"])["auc"] > 0.95
        assert not hasattr(made.model, "coef_")
        made.save(tmp_path / "trees.confide")
        again = cf.load_model(tmp_path / "trees.confide")
        assert np.array_equal(
            again.predict_proba(data["west"]), made.model.predict_proba(data["west"])
        )
        assert made.plot().axes
        assert made.metrics["accuracy"] > 0.9


class TestFile:
    def test_has_the_same_model(self, result, tmp_path):
        file = tmp_path / "model.confide"
        result.save(file)
        again = cf.load_model(str(file))
        assert np.array_equal(again.predict_proba(owner(9)), result.model.predict_proba(owner(9)))
        assert again.about == json.loads(json.dumps(result.model.about))
        assert repr(again) == repr(result.model)
        result.save(tmp_path / "again.confide")
        assert file.read_bytes() == (tmp_path / "again.confide").read_bytes()

    def test_of_public_constants_is_kept_too(self, tmp_path):
        table = cf.Table(features=("age",), label="ill", scaling={"age": (50.0, 10.0)})
        model = cf.GeneralisedLinearModel(family=cf.families.Bernoulli(), n_features=1)
        training = cf.fed_sgd(model, table, capacity=200, clip_norm_l2=1.0)
        run = cf.simulate(training.plan(parties=list(numbers_only()), rounds=3), numbers_only())
        made = cf.fitted_estimator(run.plan, run.state)
        made.save(tmp_path / "m")
        assert np.array_equal(
            cf.load_model(tmp_path / "m").predict(owner(9)), made.predict(owner(9))
        )

    def test_that_is_damaged_or_foreign_is_one_error(self, result, tmp_path):
        good = tmp_path / "model.confide"
        result.save(good)
        data = good.read_bytes()
        bad = tmp_path / "bad.confide"
        changed = [
            b"",
            b"\x80\x04K\x01.",
            data[:-1],
            data[: len(data) // 2],
            data[:-3] + bytes([data[-3] ^ 1]) + data[-2:],
            data.replace(b'"l2\\":0.001', b'"l2\\":0.002'),
        ]
        for content in changed:
            assert content != data
            bad.write_bytes(content)
            with pytest.raises(DataError, match=r"bad\.confide is (not a model|damaged)"):
                cf.load_model(bad)
        save_file({"x": np.ones(2)}, bad)
        with pytest.raises(DataError, match="is not a model of confide"):
            cf.load_model(bad)
        with pytest.raises(DataError, match="cannot read the model"):
            cf.load_model(tmp_path / "none.confide")
        assert "parameters" in load_file(good)


class TestShown:
    def test_in_a_line(self, result):
        assert repr(result).startswith(
            "Trained(TableModel(logistic regression of 'ill' from 1 columns"
        )
        assert len(repr(result)) < 200

    def test_as_verdicts(self, result):
        assert str(result.verdicts).splitlines()[0].startswith("Each record NOT PRIVATE")

    def test_as_a_page_that_loads_nothing(self, result):
        page = result.to_html()
        assert "Each record NOT PRIVATE" in page
        assert result.plan.hash.hex() in page
        assert "http://" not in page.replace("http://www.w3.org", "")
        assert "<table>" in result._repr_html_()

    def test_as_pictures(self, result):
        assert [a.get_title() for a in result.plot().axes] == [
            "Metrics", "Calibration", "Confusion matrix", "What the model looks at"
        ]  # fmt: skip
        assert result.plot()._repr_png_().startswith(b"\x89PNG")
        assert plot_metrics(result.metrics).patches
        assert plot_calibration(result.metrics).collections
        assert plot_confusion(result.metrics, ["well", "ill"]).texts
        assert plot_coefficients(result.model).patches
        with pytest.raises(DataError, match="no calibration"):
            plot_calibration({"r2": 0.5})
