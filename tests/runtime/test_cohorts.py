"""Cohorts in turn: what their sums tell together, and what parties refuse."""

from collections.abc import Sequence
from contextlib import closing
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from tests.runtime.liar import Liar, close_to, drift, rows

from confide.aggregation import LedgerRegister
from confide.aggregation.sharing.party import SharingParty
from confide.computation import Account, read_plan
from confide.engines import Drop, simulate
from confide.errors import DropoutError, OpeningError, PlanError
from confide.plan import (
    Adversary,
    Clear,
    Cohort,
    Cohorts,
    Condition,
    Corruption,
    Encrypted,
    Masked,
    Neighbours,
    NoiseShares,
    Opening,
    Outcome,
    Plan,
    Threat,
    Unit,
    Verdict,
    What,
    exposures,
)
from confide.plan.crowds import check_openings, smallest_class
from confide.plan.findings import Attack
from confide.privacy.ledger import Cap, Filter, Ledger
from confide.report import estimate, views

NAMES = tuple(f"p{i}" for i in range(9))
THIRDS = (range(3), range(3, 6), range(6, 9))
GOOD = tuple([*one, *other] for one, other in combinations(THIRDS, 2))
"""Any two of three classes of three: each class is in two cohorts."""
BY_ONE = (range(9), range(8))
CURIOUS = Threat(
    confidentiality=Adversary(coordinator=Corruption.CURIOUS, network=Corruption.CURIOUS)
)
HONEST = Threat(confidentiality=Adversary(coordinator=Corruption.HONEST))
PER_FIRM = {"neighbours": Neighbours(unit=Unit.PARTY), "noise": NoiseShares(8.0, 1e-3)}


def cohorts(*members: Sequence[int] | range) -> Cohorts:
    return Cohorts(
        cohorts=tuple(
            Cohort(name="abcd"[i], parties=tuple(NAMES[j] for j in each))
            for i, each in enumerate(members)
        )
    )


def plan_of(*members, **fields: Any) -> Plan:
    fields = {"rounds": 6, "dropouts": 0, "aggregation": Masked(verified=False), **fields}
    return drift().plan(parties=list(NAMES), crowd=cohorts(*(members or GOOD)), **fields)


def wide_plan(**fields: Any) -> Plan:
    """Twelve parties, any two of three classes of four, of whom one may be missing."""
    names = tuple(f"p{i:02}" for i in range(12))
    parts = [names[:4], names[4:8], names[8:]]
    crowd = Cohorts(
        cohorts=tuple(
            Cohort(name="abc"[i], parties=(*one, *other))
            for i, (one, other) in enumerate(combinations(parts, 2))
        )
    )
    fields = {"rounds": 6, "dropouts": 1, "aggregation": Masked(verified=False), **fields}
    return drift().plan(parties=list(names), crowd=crowd, **fields)


def differences(plan):
    return plan.finding(Attack.ROUND_DIFFERENCES)


def open_frozen(liar, times):
    """The sums of several rounds at one state: what a coordinator that lies can open."""
    sums = []
    for _ in range(times):
        sums.append(liar.open_round())
        liar.freeze()
    return sums


class TestPlanning:
    @pytest.mark.parametrize("fields", [{}, {"threat": CURIOUS}, {"aggregation": Encrypted()}])
    def test_cohorts_that_differ_by_one_cannot_be_made(self, fields):
        with pytest.raises(PlanError, match="differences of opened sums") as error:
            plan_of(*BY_ONE, **fields)
        told = str(error.value)
        assert "'p8' are in the cohorts 'a' and in no others" in told
        for way_out in ("at least 3 ownership groups", "crowd 'fixed'", "noise per ownership group",
                        "'clear'"):  # fmt: skip
            assert way_out in told

    @pytest.mark.parametrize("colluding", [1, 2])
    def test_classes_keep_room_for_the_colluders(self, colluding):
        threat = Threat(confidentiality=Adversary(colluding_parties=colluding))
        if colluding == 1:
            assert differences(plan_of(threat=threat)).outcome is Outcome.DEFEATED
        else:
            with pytest.raises(PlanError):
                plan_of(threat=threat)

    def test_cohorts_may_differ_by_anybody_under_noise_per_group(self):
        assert differences(plan_of(*BY_ONE, **PER_FIRM)).outcome is Outcome.DEFEATED

    def test_in_clear_it_is_reported(self):
        honest = Threat(confidentiality=Adversary(coordinator=Corruption.HONEST))
        plan = plan_of(*BY_ONE, aggregation=Clear(), threat=honest)
        assert differences(plan).outcome is Outcome.REPORTED
        assert "'p8'" in differences(plan).reason

    def test_small_cohorts_that_a_lying_coordinator_could_tell_two_histories_are_refused(self):
        with pytest.raises(
            PlanError, match="equivocation: 5 of 9 parties may be in no sum"
        ) as error:
            plan_of(range(4), range(4, 9))
        assert "Also" not in str(error.value)
        assert plan_of(range(4), range(4, 9), threat=CURIOUS).min_survivors == 4

    @pytest.mark.parametrize(
        ("make", "told"),
        [
            (lambda: cohorts(range(9)), "1 cohorts; it takes at least 2"),
            (lambda: cohorts(range(9), range(9)), "2 cohorts have the parties"),
            (lambda: Cohorts(cohorts=(Cohort(name="a", parties=("x",)),) * 2), "share the name"),
            (lambda: Cohort(name="A", parties=("x",)), "a cohort named 'A'"),
            (lambda: plan_of(range(6), range(2, 8)), "party 'p8' is in no cohort"),
            (lambda: drift().plan(parties=list(NAMES[:8]), crowd=cohorts(*GOOD), rounds=3),
             "no party 'p8'"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_is_one_clear_error(self, make, told):
        with pytest.raises(PlanError) as error:
            make()
        assert told in str(error.value)

    def test_bytes_are_read_back(self):
        plan = plan_of()
        assert Plan.from_canonical(plan.canonical()) == plan

    def test_a_file_names_them(self):
        text = PLAN_FILE.replace("CROWD", COHORTS_IN_FILE)
        plan, _ = read_plan(text, "plan.toml")
        assert plan.crowd == cohorts(*GOOD)
        with pytest.raises(PlanError, match="did you mean 'parties'"):
            read_plan(text.replace("parties = ", "party = "), "plan.toml")


COHORTS_IN_FILE = 'crowd = "cohorts"\n' + "".join(
    f'[[cohorts.cohort]]\nname = "{c.name}"\nparties = {list(c.parties)}\n'
    for c in cohorts(*GOOD).cohorts
)
PLAN_FILE = (
    'name = "x"\nrounds = 3\nCROWD'
    + "".join(f'[[party]]\nname = "{name}"\n' for name in NAMES)
    + '[task]\nname = "fed-avg"\nweight_cap = 50\nclip_norm_l2 = 1.0\nlocal_steps = 2\n'
    '[task.model]\nfamily = "bernoulli"\n[task.table]\nfeatures = ["x"]\nlabel = "y"\n'
)


class TestDifferences:
    """What the findings say is what a coordinator that freezes the state computes."""

    @pytest.mark.parametrize("aggregation", [Masked(verified=False), Encrypted()])
    def test_of_good_cohorts_are_totals_of_classes_and_no_less(self, aggregation):
        liar = Liar(plan_of(aggregation=aggregation))
        sums = open_frozen(liar, 3)
        assert [s.survivors for s in sums] == [liar.plan.asked(number) for number in range(3)]
        assert not any(isinstance(e, DropoutError) for e in liar.failures.values())
        # (AB + AC - BC) / 2 is the total of class A: that is all there is to compute.
        total = (sums[0].totals + sums[1].totals - sums[2].totals) // 2
        true = np.sum([liar.contribution(name) for name in NAMES[:3]], axis=0)
        assert close_to(total, true, liar.plan)
        # No combination of the three sums is over fewer than the three groups of a class.
        members = np.array([[name in s.survivors for name in NAMES] for s in sums]).astype(float)
        for name in NAMES:
            alone = np.array([other == name for other in NAMES]).astype(float)
            _, left, *_ = np.linalg.lstsq(members.T, alone, rcond=None)
            assert left[0] > 0.5

    def test_of_cohorts_that_differ_by_one_are_that_one(self, monkeypatch):
        """The plan cannot be made; without the rules it would give the ninth party away."""
        monkeypatch.setattr(Plan, "least_class", 1)
        liar = Liar(plan_of(*BY_ONE, rounds=2))
        monkeypatch.undo()
        monkeypatch.setattr(SharingParty, "_check_opening", lambda self: None)
        full, without = open_frozen(liar, 2)
        assert close_to(full.totals - without.totals, liar.contribution(NAMES[8]), liar.plan)

    def test_parties_refuse_such_cohorts_though_the_plan_were_made(self, monkeypatch):
        monkeypatch.setattr(Plan, "least_class", 1)
        liar = Liar(plan_of(*BY_ONE, rounds=2))
        monkeypatch.undo()
        liar.open_round()
        liar.freeze()
        with pytest.raises(DropoutError):
            liar.open_round()
        assert {type(e) for n, e in liar.failures.items() if n != NAMES[8]} == {OpeningError}

    @pytest.mark.parametrize("aggregation", [Masked(verified=False), Encrypted()])
    def test_a_party_that_was_there_and_is_missing_is_not_told_apart(self, aggregation):
        liar = Liar(wide_plan(aggregation=aggregation))
        assert differences(liar.plan).outcome is Outcome.DEFEATED
        open_frozen(liar, 3)
        with pytest.raises(DropoutError):
            liar.open_round(ignoring=["p00"])
        assert OpeningError in {type(e) for e in liar.failures.values()}

    def test_and_would_be_without_the_rule(self, monkeypatch):
        monkeypatch.setattr(SharingParty, "_check_opening", lambda self: None)
        liar = Liar(wide_plan())
        sums = open_frozen(liar, 3)
        again = liar.open_round(ignoring=["p00"])
        assert close_to(sums[0].totals - again.totals, liar.contribution("p00"), liar.plan)

    @pytest.mark.parametrize("attack", ["other", "outside"])
    def test_survivors_outside_the_cohort_of_the_round_are_refused(self, attack, monkeypatch):
        liar = Liar(plan_of())
        if attack == "outside":
            # Parties outside collude, and answer though the round does not ask them.
            monkeypatch.setattr(Plan, "asked", lambda plan, number: NAMES)
        else:
            asked = liar.plan.asked(1)
            monkeypatch.setattr(Plan, "asked", lambda plan, number: asked)
        with pytest.raises(DropoutError):
            liar.open_round()
        monkeypatch.undo()
        refused = [e for e in liar.failures.values() if isinstance(e, OpeningError)]
        assert refused
        assert all("cohort 'a'" in str(e) for e in refused)

    def test_who_is_not_asked_says_so(self):
        liar = Liar(plan_of())
        liar.open_round(invited=NAMES)
        assert set(liar.failures) == set(NAMES[6:])
        assert all("not in the cohort of that round" in str(e) for e in liar.failures.values())


NOISES: dict[str, dict[str, Any]] = {
    "none": {},
    "record": {"noise": NoiseShares(0.05, 1e-3)},
    "party": PER_FIRM,
}


class TestEveryPlan:
    GRID = tuple(product((GOOD, BY_ONE), ("none", "record", "party"), ("curious", "malicious")))

    @pytest.mark.parametrize(("members", "noise", "coordinator"), GRID)
    def test_views_say_of_groups_what_findings_say(self, members, noise, coordinator):
        fields = {**NOISES[noise], "threat": CURIOUS if coordinator == "curious" else Threat()}
        if members is BY_ONE and noise == "none":
            with pytest.raises(PlanError):
                plan_of(*members, **fields)
            return
        plan = plan_of(*members, **fields)
        (told,) = {
            (e.guarantee.group, e.condition)
            for e in exposures(plan)
            if e.value.startswith("differences") and e.what is What.SUMS
        }
        expected = {
            "party": Verdict.PRIVATE,
            "none": Verdict.HIDDEN,
            "record": Verdict.HIDDEN if members is GOOD else Verdict.NOT_PRIVATE,
        }[noise]
        assert told == (expected, Condition.EVERY_RUN)
        reported = differences(plan).outcome is Outcome.REPORTED
        assert reported is (expected is Verdict.NOT_PRIVATE)


class TestRuns:
    @pytest.mark.parametrize("aggregation", [Masked(), Encrypted()])
    def test_ask_each_cohort_in_turn(self, aggregation):
        plan = plan_of(aggregation=aggregation, rounds=4)
        run = simulate(plan, rows(NAMES), computation=drift())
        assert [r.survivors for r in run.totals] == [plan.asked(number) for number in range(4)]
        assert set(run.history["dropped"]) == {""}

    def test_everybody_ends_in_one_state(self):
        one = simulate(plan_of(), rows(NAMES), computation=drift())
        clear = simulate(
            plan_of(aggregation=Clear(), threat=HONEST), rows(NAMES), computation=drift()
        )
        assert one.state["w"] == clear.state["w"]
        assert [r.totals.tolist() for r in one.totals] == [r.totals.tolist() for r in clear.totals]

    def test_who_misses_the_first_sum_of_a_cohort_stays_out_of_it(self):
        plan = wide_plan()
        names = tuple(plan.owners)
        run = simulate(plan, rows(names), computation=drift(), drops=[Drop("p00", 0, 1)])
        there = ["p00" in r.survivors for r in run.totals]
        assert there == [False] * 6
        assert {len(r.survivors) for r in run.totals} == {7, 8}

    @pytest.mark.parametrize(
        ("aggregation", "threat"), [(Clear(), HONEST), (Masked(verified=False), CURIOUS)]
    )
    def test_a_large_cohort_may_lose_as_few_as_a_small_one(self, aggregation, threat):
        """Of nine and six parties nobody may be missing, though six are enough for a sum."""
        plan = plan_of(range(9), range(6), aggregation=aggregation, threat=threat)
        assert differences(plan).outcome is Outcome.DEFEATED
        with pytest.raises(DropoutError, match=r"8 of 9 .* the plan allows 0 dropouts"):
            simulate(plan, rows(NAMES), computation=drift(), drops=[Drop("p8", 0)])

    def test_a_loss_that_splits_a_class_ends_the_run(self):
        plan = wide_plan()
        with pytest.raises(OpeningError, match="told apart"):
            simulate(plan, rows(tuple(plan.owners)), computation=drift(), drops=[Drop("p00", 3, 3)])

    def test_charge_a_party_for_the_rounds_that_ask_it(self, tmp_path):
        plan = plan_of(*GOOD, rounds=4, **PER_FIRM)
        with closing(Ledger.open(tmp_path / "p8.db")) as ledger:
            ledger.open_dataset("rows")
            ledger.cap("rows", Cap(epsilon=100.0, delta=1e-2, filter=Filter.GAUSSIAN))
            accounts = {"p8": Account(ledger, "rows")}
            simulate(plan, rows(NAMES), computation=drift(), accounts=accounts)
            (charge,) = ledger.charges("rows")
            assert charge.closed
            assert (charge.used, charge.fact.count) == (2, 2)  # Cohorts b and c of a, b, c, a.
            opened = [o.survivors for o in LedgerRegister(ledger, plan, ("rows",)).openings]
            assert opened == [plan.asked(1), plan.asked(2)]


class TestReports:
    def test_say_who_is_asked_when(self):
        report = views(wide_plan())
        told = " ".join(report.metadata)
        assert "cohort 'a' (p00, p01, p02, p03, p04, p05, p06, p07) is asked in rounds 0, 3" in told
        assert "up to 1 of them missing" in told
        assert "a loss that leaves a class too small ends the run" in told
        (seen,) = [o for o in report.view("coordinator").observations if "cohorts' sums" in o.value]
        assert "of 4 ownership groups" in seen.form
        assert estimate(plan_of(), dict.fromkeys(NAMES, 3)).notes[1].startswith("each round asks")

    def test_the_smallest_class_is_named(self):
        plan = plan_of(range(9), range(6), threat=CURIOUS)
        assert smallest_class(plan) == (("a",), NAMES[6:], 3)


def test_openings_of_a_cohort_keep_its_parties():
    plan = plan_of()
    check_openings(plan, [Opening(0, 0, plan.asked(0)), Opening(1, 0, plan.asked(1))])
    with pytest.raises(OpeningError, match="has 'p6' in it, and the plan asks cohort 'a'"):
        check_openings(plan, [Opening(0, 0, NAMES)])
