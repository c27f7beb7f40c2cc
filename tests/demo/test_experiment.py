"""The demonstration's parts, on few rounds and seeds."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.report.support import Page, squeezed

from confide.aggregation import Identity, RoundResult, decode
from confide.cli.console import output
from confide.cli.demo import show
from confide.computation import Participant, checked_state, find_computation
from confide.demo import Experiment, compute_spread, findings, read_spread, write_report
from confide.demo.experiment import (
    DROP,
    ROUNDS,
    Scores,
    _fairness,
    lenders_plan,
    private_plan,
    same_bits,
)
from confide.demo.lenders import LENDERS, TABLE, load_market
from confide.demo.received import contribution_as_received
from confide.demo.spread import MODELS, SEEDS
from confide.engines import simulate
from confide.learning import quality, trained_model
from confide.plan import Clear, Corruption, FixedCrowd, Masked, Outcome, Plan
from confide.privacy.guarantee import statement
from confide.report import views

FEW = 4
"""Rounds enough for learning curves; the dropout is in the first one."""


def few_rounds(plan: Plan) -> Plan:
    return plan.with_stage(rounds=FEW)


@pytest.fixture(scope="module")
def market():
    return load_market(5)


@pytest.fixture(scope="module")
def plans(market):
    return {
        "clear": lenders_plan(market, 5, Clear()),
        "masked": lenders_plan(market, 5, Masked()),
    }


@pytest.fixture(scope="module")
def runs(market, plans):
    """Both plans for a few rounds, one lender missing from the second."""
    return {
        name: simulate(
            few_rounds(plan), market.lenders, drops=[DROP],
            measure=quality(plan, market.hold_out),
        )
        for name, plan in plans.items()
    }  # fmt: skip


@pytest.fixture(scope="module")
def private(market):
    """The plan with noise for a few rounds."""
    plan = few_rounds(private_plan(market, 5))
    return simulate(
        plan, market.lenders, drops=[DROP], measure=quality(plan, market.hold_out)
    )  # fmt: skip


@pytest.fixture(scope="module")
def experiment(market, plans, runs, private):
    """An experiment of real parts, each shorter than in the demonstration."""
    return Experiment(
        seed=5,
        market=market,
        alone={name: Scores(0.5 + i / 100, 0.8) for i, name in enumerate(LENDERS)},
        pooled=Scores(0.9, 0.95),
        clear=simulate(
            few_rounds(plans["clear"]),
            market.lenders,
            measure=quality(plans["clear"], market.hold_out),
        ),
        masked=runs["masked"],
        private=private,
        privacy=statement(private.plan),
        accounts=dict.fromkeys(LENDERS, "μ = 0.7 spent, 0 % of the cap left"),
        refusal="dataset 'applications' has no room left",
        masked_equals_clear=same_bits(runs["clear"], runs["masked"]),
        seen={
            name: contribution_as_received(plan, market.lenders, DROP.party)["update"]
            for name, plan in plans.items()
        },
        fairness=_fairness(market, runs["masked"]),
    )


@pytest.fixture
def spread():
    """Three seeds of which one is a loss for the federation, and one far from the pooled model."""
    return pd.DataFrame(
        {
            "alder": [0.70, 0.74, 0.72],
            "birch": [0.90, 0.94, 0.92],
            "cedar": [0.80, 0.84, 0.82],
            "dogwood": [0.80, 0.84, 0.82],
            "elm": [0.80, 0.84, 0.82],
            "pooled": [0.90, 0.85, 0.86],
            "clear": [0.81, 0.83, 0.86],
            "masked": [0.80, 0.85, 0.87],
            "private": [0.80, 0.82, 0.84],
        },
        index=pd.Index([0, 1, 2], name="seed"),
    )


class TestPlans:
    def test_say_what_they_fear(self, plans):
        clear, masked = (plans[name].threat.confidentiality for name in ("clear", "masked"))
        assert clear.coordinator is Corruption.HONEST
        assert masked.coordinator is masked.network is Corruption.MALICIOUS
        assert masked.colluding_parties == 2
        assert masked.parties is Corruption.CURIOUS

    def test_fix_the_crowd_so_that_no_difference_of_rounds_is_one_lenders(self, plans, market):
        for plan in (plans["masked"], private_plan(market, 5)):
            assert plan.crowd == FixedCrowd()
            (found,) = [f for f in plan.findings if f.attack == "differences across rounds"]
            assert found.outcome is Outcome.DEFEATED

    def test_differ_in_protection_and_threat_alone(self, plans):
        clear, masked = plans.values()
        same = replace(
            clear, name=masked.name, aggregation=masked.aggregation, threat=masked.threat
        )
        assert same.hash == masked.hash

    def test_bear_the_dropout_that_the_demonstration_shows(self, plans):
        for plan in plans.values():
            assert (plan.rounds, plan.dropouts) == (ROUNDS, 1)
            assert DROP.first_round == 0
            assert plan.party(DROP.party)

    def test_name_the_hold_out_as_public(self, plans, market):
        assert plans["masked"].public == market.public


class TestRuns:
    def test_are_equal_bit_for_bit_over_the_same_survivors(self, runs):
        clear, masked = runs.values()
        assert same_bits(clear, masked)
        assert len(masked.totals) == FEW
        for released in masked.totals:
            assert set(released.survivors) == {*LENDERS} - {DROP.party}

    @pytest.mark.parametrize("what", ["a number", "a survivor", "a round"])
    def test_are_not_called_equal_if_they_are_not(self, runs, what):
        clear, masked = runs.values()
        *others, last = masked.totals
        odd = {
            "a number": RoundResult(last.survivors, last.totals + np.eye(1, len(last.totals))[0]),
            "a survivor": RoundResult(last.survivors[1:], last.totals),
        }
        changed = replace(masked, totals=(*others, *([odd[what]] if what in odd else [])))
        assert not same_bits(clear, changed)
        assert not same_bits(changed, clear)


class TestContributionAsReceived:
    def test_in_clear_is_what_the_lender_contributed(self, plans, market):
        plan = plans["clear"]
        computation = find_computation(plan.task)
        cedar = Participant(
            plan, computation, Identity.simulation("cedar"), market.lenders["cedar"]
        )
        own = decode(plan.sums, cedar.contribution(0, checked_state(computation.init())))
        seen = contribution_as_received(plan, market.lenders, "cedar")["update"]
        assert np.array_equal(seen, own["update"])
        assert 0.01 < np.linalg.norm(seen) <= plan.sums["update"].unit_bound * 1.01

    def test_masked_is_spread_over_all_that_the_bits_can_say(self, plans, market):
        plan = plans["masked"]
        update = plan.sums["update"]
        ends = 2.0 ** (plan.sum_bits(update) - 1) * update.lattice.resolution
        seen = np.array(
            [contribution_as_received(plan, market.lenders, "cedar")["update"] for _ in range(8)]
        )
        assert np.abs(seen).max() <= ends
        # Of 192 uniform numbers the share in the outer half is not below 1/4 but with odds 1e-12.
        assert (np.abs(seen) > ends / 2).mean() > 1 / 4
        assert np.abs(seen.mean()) < ends / 4

    def test_masked_is_another_each_time(self, plans, market):
        one, other = (
            contribution_as_received(plans["masked"], market.lenders, "elm")["update"]
            for _ in range(2)
        )
        assert one.shape == other.shape == (len(TABLE.features) + 1,)
        assert not np.isclose(one, other).all()


class TestFairness:
    def test_approves_as_large_a_share_as_the_lenders_did(self, experiment):
        everybody = experiment.fairness.loc["all"]
        assert everybody["model_approves"] == pytest.approx(everybody["lenders_approved"], abs=0.01)
        assert everybody["applications"] == 497

    def test_counts_each_group_in_the_hold_out(self, experiment, market):
        counted = experiment.fairness["applications"]
        assert counted["black"] == (market.hold_out["black"] == 1).sum() > 0
        assert counted["men"] == (market.hold_out["male"] == 1).sum()
        assert counted["women"] == (market.hold_out["male"] == 0).sum()
        assert counted["white"] + counted["black"] + counted["hispanic"] == 497

    def test_measures_the_masked_model(self, experiment, runs, market):
        model, _ = trained_model(runs["masked"].plan)
        score = model.mean_response(
            runs["masked"].state["parameters"], TABLE.inputs(market.hold_out)
        )[:, 0]
        black = market.hold_out["black"].to_numpy() == 1
        cut = np.quantile(score, 1 - TABLE.targets(market.hold_out).mean())
        row = experiment.fairness.loc["black"]
        assert row["model_approves"] == (score[black] >= cut).mean()
        assert row["lenders_approved"] == TABLE.targets(market.hold_out)[black].mean()


class TestFindings:
    def test_state_losses_as_they_are(self, experiment, spread):
        """Worse than alone in one of three seeds, and 0.09 below the pooled model at worst."""
        seeds = findings(experiment, spread)["seeds"]
        assert seeds["count"] == 3
        assert seeds["better_than_alone"] == 2
        assert seeds["largest_gap_to_pooled"] == 0.09
        assert seeds["auc_mean"] == {
            "alone": 0.82,
            "pooled": 0.87,
            "clear": 0.8333,
            "masked": 0.84,
            "private": 0.82,
        }
        assert seeds["auc_sd"]["alone"] == round(float(np.std([0.80, 0.84, 0.82])), 4)

    def test_say_what_each_lender_gains(self, experiment, spread):
        found = findings(experiment, spread)
        masked = found["models"]["masked"]["auc"]
        assert list(found["gains"]) == list(LENDERS)
        for name, gain in found["gains"].items():
            assert gain["masked"] == pytest.approx(masked - experiment.alone[name].auc, abs=1e-4)
        counted = {name: gain["seeds_that_gain"] for name, gain in found["gains"].items()}
        assert counted == {"alder": 3, "birch": 0, "cedar": 2, "dogwood": 2, "elm": 2}

    def test_have_the_base_rate_that_accuracies_are_read_against(self, experiment, spread, market):
        found = findings(experiment, spread)["models"]["approve_all"]
        approved = market.hold_out[TABLE.label].mean()
        assert found == {"auc": 0.5, "accuracy": round(float(approved), 4)}

    def test_have_the_verdicts_of_each_plan(self, experiment, spread):
        found = findings(experiment, spread)["verdicts"]
        assert found["clear"] == {"record": "NOT PRIVATE", "party": "NOT PRIVATE"}
        assert found["masked"] == {"record": "NOT PRIVATE", "party": "HIDDEN"}
        assert found["private"]["record"].startswith("PRIVATE at ε = ")
        assert found["private"]["party"] == "HIDDEN"

    def test_are_of_the_experiment(self, experiment, spread):
        found = findings(experiment, spread)
        runs = {"clear": experiment.clear, "masked": experiment.masked}
        assert found["models"]["clear"] != found["models"]["masked"]  # cedar is missing from one
        assert found["seed"] == 5
        assert found["models"]["alone"]["auc"] == 0.52
        assert found["models"]["alone"]["lenders"]["elm"] == {"auc": 0.54, "accuracy": 0.8}
        assert found["models"]["pooled"] == {"auc": 0.9, "accuracy": 0.95}
        for name, run in runs.items():
            last = run.history.iloc[-1]
            assert found["models"][name]["auc"] == round(last["auc"], 4)
            assert found["models"][name]["accuracy"] == round(last["accuracy"], 4)
            assert found["plans"][name] == run.plan.hash.hex()
            assert len(found["history"][name]) == FEW

    def test_count_the_applications(self, experiment, spread, market):
        counted = findings(experiment, spread)["applications"]
        assert counted["lenders"] == {n: len(rows) for n, rows in market.lenders.items()}
        assert sum(counted["lenders"].values()) + counted["hold_out"] == 1989

    @pytest.mark.parametrize("equal", [True, False])
    def test_say_whether_masks_changed_anything(self, experiment, spread, tmp_path, equal):
        """A difference would be a bug, and the page says so."""
        odd = replace(experiment, masked_equals_clear=equal)
        assert findings(odd, spread)["masked_equals_clear"] is equal
        page, _ = write_report(odd, spread, tmp_path / "new folder")
        text = Page(page.read_text(encoding="utf-8")).text
        assert ("equalbitforbit" in text) is equal
        assert ("Thismustnothappen" in text) is not equal

    def test_are_told_on_the_page_as_they_are(self, experiment, spread, tmp_path):
        page, _ = write_report(experiment, spread, tmp_path)
        text = Page(page.read_text(encoding="utf-8")).text
        assert "atworst0.0900AUCbelowthepooledone" in text
        assert "betterthanthelenders'ownonaveragein2of3" in text
        assert "(d)federatedandmasked,withoutcedar" in text
        assert "Itstaysoutuntiltheend" in text

    def test_show_both_contributions_as_received(self, experiment, spread, tmp_path):
        """The picture is made of what was received: other numbers make another picture."""
        other = replace(experiment, seen={**experiment.seen, "masked": experiment.seen["clear"]})
        one, two = (
            write_report(e, spread, tmp_path / str(i))[0].read_text(encoding="utf-8")
            for i, e in enumerate((experiment, other))
        )
        pictures = [
            [a["src"] for tag, a in Page(html).elements if tag == "img"] for html in (one, two)
        ]
        assert pictures[0][0] != pictures[1][0]
        assert pictures[0][1:] == pictures[1][1:]

    def test_have_the_views_of_the_masked_plan(self, experiment, spread, runs):
        found = findings(experiment, spread)["views"]
        assert found["promise"] == views(runs["masked"].plan).promise
        assert found["plan_hash"] == runs["masked"].plan.hash.hex()


class TestFairnessNotes:
    def test_say_for_how_many_the_sex_is_unknown_and_which_groups_are_small(
        self, experiment, spread, market, tmp_path
    ):
        unknown = int(market.hold_out["male"].isna().sum())
        assert unknown > 0
        counted = experiment.fairness["applications"]
        few = [f"{group} ({int(counted[group])})" for group in counted.index if counted[group] < 50]
        assert few
        notes = findings(experiment, spread)["fairness_notes"]
        assert notes[0].startswith(f"Sex is unknown for {unknown} applications")
        assert notes[1].startswith(f"Groups of fewer than 50 applications: {', '.join(few)}.")
        page, _ = write_report(experiment, spread, tmp_path)
        text = Page(page.read_text(encoding="utf-8")).text
        assert all(squeezed(note) in text for note in notes)

    def test_are_not_made_where_there_is_nothing_to_say(self, experiment, spread):
        fairness = experiment.fairness.assign(applications=100.0)
        fairness.loc["all", "applications"] = 200.0
        odd = replace(experiment, fairness=fairness)
        assert findings(odd, spread)["fairness_notes"] == []


class TestShown:
    @pytest.mark.parametrize("room", [(60, 55), (80, 38)])
    def test_is_one_screen(self, experiment, spread, capsys, monkeypatch, room):
        width, lines = room
        monkeypatch.setattr(output, "width", width)
        show(findings(experiment, spread))
        out = capsys.readouterr().out
        assert out.count("\n") <= lines
        assert all(len(line) <= width for line in out.splitlines())
        assert "everybody" in out
        assert "NOT PRIVATE" in out
        assert "above the mean of (a) in 2" in " ".join(out.split())
        assert all(name in out for name in LENDERS)

    def test_says_who_gains_and_who_loses(self, experiment, spread, capsys):
        found = findings(experiment, spread)
        show(found)
        out = capsys.readouterr().out
        for gain in found["gains"].values():
            assert f"{gain['masked']:+.3f}" in out
            assert f"{gain['private']:+.3f}" in out


class TestSpread:
    def test_comes_with_the_package_for_twenty_seeds(self):
        spread = read_spread()
        assert spread.index.tolist() == list(SEEDS) == list(range(20))
        assert list(spread) == [*LENDERS, *MODELS]
        assert 0.6 < spread.to_numpy().min() < spread.to_numpy().max() < 1

    def test_is_what_its_command_computes(self):
        """One seed of twenty; but for the noise, nothing of it is left to chance."""
        told = []
        seed = range(7, 8)
        computed = compute_spread(
            seed, lambda *done: told.append(done), models=("pooled", "clear", "masked")
        )
        assert told == [("seeds", 1, 1)]
        stored = read_spread()[list(computed)].loc[list(seed)]
        assert np.allclose(computed, stored, atol=2e-4)

    def test_with_noise_is_what_noise_of_that_size_allows(self):
        """Of each seed one draw: below what is exact, and far from chance."""
        spread = read_spread()
        assert (spread["private"] > 0.7).all()
        assert spread["private"].mean() < spread["masked"].mean()
