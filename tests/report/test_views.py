"""Who learns what: each statement of a report is checked against what really happens.

Where a report says that somebody sees something, somebody here does it and sees it; where it says
that so many are needed, one fewer try and fail. Only the rest is held against the declaration.
"""

import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from tests.aggregation import support
from tests.aggregation.adversary import (
    Loot,
    another_story,
    around,
    call_for_unmasking,
    signature_of,
)
from tests.aggregation.encrypted.loot import Loot as KeyLoot
from tests.plan.examples import changed, plans
from tests.report.support import (
    CURIOUS,
    HONEST,
    MALICIOUS,
    TRUSTED,
    against,
    clear_plan,
    plan_of,
    rows_of,
    sparse_plan,
    totals,
)

from confide.aggregation import Layout, decode
from confide.aggregation.sharing import wire
from confide.engines import Drop, simulate
from confide.errors import ConfideError, PlanError, VerificationError
from confide.plan import (
    Adversary,
    Aim,
    CentralNoise,
    Clear,
    Condition,
    Coordinator,
    Corruption,
    Encrypted,
    FixedCrowd,
    Masked,
    Neighbours,
    NoiseShares,
    NoNoise,
    Norm,
    OpenCrowd,
    Outcome,
    Party,
    PublicValue,
    Recipients,
    Relation,
    Release,
    Sum,
    SumGroup,
    Threat,
    Unit,
)
from confide.privacy.guarantee import statement
from confide.privacy.rounding import rounded_up
from confide.report import views

PLANS = {
    "clear": clear_plan(),
    "complete": plan_of(),
    "encrypted": plan_of(aggregation=Encrypted()),
    "sparse": sparse_plan(),
}

every_plan = pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)


def influence(plan):
    """What the stated adversary can do to the result."""
    return [f for f in views(plan).findings if f.aim is Aim.INTEGRITY]


def seen_by(plan, observer):
    """Form of each value in a view, by what it is."""
    return {o.value: o.form for o in views(plan).view(observer).observations}


def beyond(plan):
    """Coalitions beyond the threat that the report warns of, with what they do."""
    return {
        v.observer: v.observations[0].form
        for v in views(plan).views
        if not v.within_threat and v.observer.startswith("coordinator and")
    }


def how_many(observer):
    """The number of parties in a coalition's name."""
    (number,) = [int(word) for word in observer.split() if word.isdigit()]
    return number


class TestObservers:
    @every_plan
    def test_are_every_party_the_coordinator_and_the_network(self, plan):
        observers = [v.observer for v in views(plan).views]
        n = len(plan.parties)
        assert observers[: n + 2] == [*(p.name for p in plan.parties), "coordinator", "network"]
        assert len(set(observers)) == len(observers)
        assert all(v.within_threat for v in views(plan).views[:n])

    @pytest.mark.parametrize("colluding", [0, 1, 2, 3])
    @pytest.mark.parametrize("coordinator", [HONEST, CURIOUS, MALICIOUS])
    def test_are_the_largest_coalitions_that_the_threat_allows(self, colluding, coordinator):
        plan = plan_of(8, threat=against(colluding, coordinator=coordinator))
        coalitions = {
            v.observer for v in views(plan).views if v.within_threat and "any" in v.observer
        }
        expected = {f"any {colluding} parties together"} if colluding > 1 else set()
        if colluding and coordinator is not HONEST:
            parties = "1 party" if colluding == 1 else f"{colluding} parties together"
            expected.add(f"coordinator and any {parties}")
        elif colluding:  # The network is malicious and pools what it sees with them.
            parties = "1 party" if colluding == 1 else f"{colluding} parties together"
            expected.add(f"network and any {parties}")
        assert coalitions == expected

    @pytest.mark.parametrize("colluding", [2, 3])
    def test_of_a_clear_plan_are_coalitions_of_parties_alone(self, colluding):
        """Its coordinator is honest, or the plan could not be made."""
        plan = clear_plan(threat=against(colluding, coordinator=HONEST))
        observers = [v.observer for v in views(plan).views[len(plan.parties) + 2 :]]
        together = f"any {colluding} parties together"
        assert observers == [together, f"network and {together}"]

    @pytest.mark.parametrize(
        ("threat", "inside"),
        [
            (against(1, HONEST), {"coordinator": False, "network": False}),
            (against(1, CURIOUS), {"coordinator": True, "network": True}),
            (against(1, MALICIOUS, network=HONEST), {"coordinator": True, "network": False}),
        ],
        ids=["honest", "curious", "malicious coordinator"],
    )
    def test_are_marked_where_the_threat_does_not_count_them(self, threat, inside):
        report = views(plan_of(threat=threat))
        assert {name: report.view(name).within_threat for name in inside} == inside

    def test_that_are_none_are_no_view(self):
        with pytest.raises(KeyError, match="p999"):
            views(PLANS["clear"]).view("p999")

    def test_that_see_the_same_stand_together(self):
        report = views(PLANS["complete"])
        names = [[v.observer for v in group] for group in report.grouped]
        assert names[0] == [f"p{i:03}" for i in range(7)]
        assert [name for group in names for name in group] == [v.observer for v in report.views]
        for group in report.grouped:
            assert len({(v.within_threat, v.observations) for v in group}) == 1


class TestContributions:
    """Who reads a party's own contribution."""

    def test_in_clear_are_read_by_the_coordinator_by_party(self):
        seen = seen_by(PLANS["clear"], "coordinator")
        assert seen["each party's contribution to 'columns' and 'rows'"] == "in clear, by party"

    @pytest.mark.parametrize("name", ["complete", "sparse"])
    def test_under_masks_reach_the_coordinator_as_uniform_numbers(self, name):
        seen = seen_by(PLANS[name], "coordinator")
        assert seen["each party's masked vector"] == "uniformly distributed numbers"
        assert not any("in clear" in form for form in seen.values())

    @pytest.mark.parametrize(
        "plan", [support.plan_of(6, size=4000), support.sparse_plan(size=4000)],
        ids=["complete", "sparse"],
    )  # fmt: skip
    def test_under_masks_really_are_spread_over_all_residues(self, plan):
        """All parties contribute nothing; half of what each sends lies in either half."""
        nothing = {p.name: np.zeros(plan.sums.size, np.int64) for p in plan.parties}
        attempt = support.Federation(plan, nothing).attempt().until("contribution")
        attempt.deliver()
        bits, loot = plan.sum_bits(plan.sums.sums[0]), Loot(attempt)
        for name in nothing:
            integers = Layout.of_sum(plan).to_integers(loot.vector(name))
            eighths = np.bincount(((integers >> (bits - 3)) % 8).astype(int), minlength=8)
            assert eighths.min() > 350

    @every_plan
    def test_are_seen_in_full_by_whoever_makes_them(self, plan):
        assert seen_by(plan, "p001")["its own rows and contributions"] == "in full"

    @every_plan
    def test_of_others_are_in_no_party_s_view(self, plan):
        for view in views(plan).views[: len(plan.parties)]:
            assert not any("in clear" in o.form for o in view.observations)

    def test_on_the_wire_are_as_safe_as_the_channel_and_under_masks_uniform_beneath_it(self):
        (clear,) = views(PLANS["clear"]).view("network").observations
        assert clear.form == "encrypted by the channel"
        assert "TLS" in clear.voided_by
        masked, sums = views(PLANS["complete"]).view("network").observations
        assert masked.form.endswith("inside it, uniformly distributed")
        assert "X25519" in masked.voided_by
        assert sums.form.endswith("the network sees what the coordinator sees")
        assert "TLS" in sums.voided_by
        assert "ε = ∞" in sums.privacy

    def test_under_encryption_reach_the_coordinator_and_the_wire_as_ciphertexts(self):
        seen = seen_by(PLANS["encrypted"], "coordinator")
        assert seen["each party's encrypted vector"] == "seemingly uniform numbers"
        assert "short polynomial" in seen["the sum of the survivors' keys, and of their errors"]
        assert not any("in clear" in form for form in seen.values())
        hidden, _ = views(PLANS["encrypted"]).view("network").observations
        assert hidden.form.endswith("inside it, seemingly uniform")
        assert "ring-LWE" in hidden.voided_by
        form = seen_by(PLANS["encrypted"], "p000")[
            "keys, encrypted shares and signatures of its neighbours"
        ]
        assert form == "one share of the key of each of 6 neighbours; 6 are needed to open one"

    def test_under_masks_are_hidden_behind_shares_of_so_many_neighbours(self):
        for name in ("complete", "sparse"):
            masking = PLANS[name].masking
            form = seen_by(PLANS[name], "p000")[
                "keys, encrypted shares and signatures of its neighbours"
            ]
            assert f"{masking.degree} neighbours" in form
            assert f"{masking.threshold} are needed to open one" in form
        assert PLANS["complete"].masking.complete
        assert not PLANS["sparse"].masking.complete


class TestSums:
    """Who sees which sums, over how many, and how many are left when insiders subtract."""

    @every_plan
    @pytest.mark.parametrize("observer", ["p000", "coordinator"])
    def test_are_seen_by_everybody_over_the_fewest_survivors(self, plan, observer):
        n, least = len(plan.parties), len(plan.parties) - plan.dropouts
        form = seen_by(plan, observer)["'columns' and 'rows'"]
        assert form.startswith(f"one sum over at least {least} of {n} parties")

    @every_plan
    def test_less_a_party_s_own_part_are_over_one_fewer(self, plan):
        others = len(plan.parties) - plan.dropouts - 1
        form = seen_by(plan, "p000")["'columns' and 'rows'"]
        assert form.endswith(f"without its own part, the sum of at least {others} others")

    @pytest.mark.parametrize("colluding", [2, 3])
    @pytest.mark.parametrize("who", ["any {} parties together", "coordinator and any {} parties together"])  # fmt: skip # noqa: E501
    def test_less_a_coalition_s_own_part_are_over_so_many_fewer(self, colluding, who):
        plan = plan_of(9, dropouts=2, threat=against(colluding))
        form = seen_by(plan, who.format(colluding))["'columns' and 'rows'"]
        assert form.endswith(f"without their own part, the sum of at least {7 - colluding} others")

    def test_that_go_to_the_coordinator_alone_are_in_no_party_s_view(self):
        plan = plan_of(rounds=1, release=Release(to=Recipients.COORDINATOR))
        assert "'columns' and 'rows'" not in seen_by(plan, "p000")
        assert "'columns' and 'rows'" in seen_by(plan, "coordinator")

    @every_plan
    def test_come_with_the_state_that_follows_from_them(self, plan):
        for observer in ("p000", "coordinator"):
            once = seen_by(changed(plan, rounds=1), observer)
            assert "the state after each round" in seen_by(plan, observer)
            assert "the state after each round" not in once
            assert "the result" in once

    @every_plan
    def test_are_seen_as_often_as_there_are_rounds(self, plan):
        for rounds, words in ((1, "once"), (3, "in each of 3 rounds"), (40, "40 rounds")):
            for observation in views(changed(plan, rounds=rounds)).view("coordinator").observations:
                assert words in observation.when or "pair of" in observation.when

    @pytest.mark.parametrize("protection", ["clear", "complete", "encrypted"])
    def test_hide_as_many_as_the_report_says(self, protection):
        """The fewest survive, and two of them subtract: what they get is over the others."""
        plan = PLANS[protection]
        data = rows_of(plan)
        run = simulate(plan, data, computation=totals(), drops=[Drop("p006", 0, 2)])
        total = decode(plan.sums, run.totals[0].totals)
        assert len(run.totals[0].survivors) == plan.min_survivors == 6
        own = sum(data[name]["values"].sum(axis=0) for name in ("p000", "p001"))
        others = sum(data[f"p{i:03}"]["values"].sum(axis=0) for i in (2, 3, 4, 5))
        assert np.allclose(total["columns"] - own, others)
        assert total["rows"] - 8 == 4 * 4


OPEN = {
    "clear": clear_plan(crowd=OpenCrowd()),
    "complete": plan_of(crowd=OpenCrowd(), threat=against(1, CURIOUS)),
    "encrypted": plan_of(crowd=OpenCrowd(), threat=against(1, CURIOUS), aggregation=Encrypted()),
}


class TestDifferencesAcrossRounds:
    @pytest.mark.parametrize("plan", OPEN.values(), ids=OPEN)
    @pytest.mark.parametrize("observer", ["p000", "coordinator"])
    def test_are_reported_where_parties_may_drop_out_of_some_rounds(self, plan, observer):
        (seen,) = [o for o in views(plan).view(observer).observations if "differences" in o.value]
        assert f"up to {plan.dropouts} at a time" in seen.form
        assert "can be recovered, up to rounding" in seen.form
        assert seen.condition is Condition.ONCE_MISSING
        assert seen.verdict == "each record NOT PRIVATE; each party NOT PRIVATE"
        assert "crowd 'fixed'" in seen.remedy

    @pytest.mark.parametrize(
        "fields", [{"rounds": 1}, {"dropouts": 0}, {"crowd": FixedCrowd()}],
        ids=["round", "nobody", "fixed"],
    )  # fmt: skip
    @pytest.mark.parametrize("plan", OPEN.values(), ids=OPEN)
    def test_are_not_reported_where_there_are_none(self, plan, fields):
        for view in views(changed(plan, **fields)).views:
            assert not any("differences" in o.value for o in view.observations)

    @pytest.mark.parametrize("protection", OPEN)
    def test_really_tell_what_the_missing_party_contributed(self, protection):
        """The others contribute the same in both rounds, so nothing is left to guess."""
        plan, missing = OPEN[protection], "p003"
        data = rows_of(plan)
        data[missing] = {"values": np.full((5, 3), 0.125)}
        run = simulate(plan, data, computation=totals(), drops=[Drop(missing, 1)])
        with_it, without = (decode(plan.sums, t.totals) for t in run.totals[:2])
        assert with_it["rows"] - without["rows"] == 5
        # The dither of a round moves each party's total by less than a step of the lattice.
        off = 7 * plan.sums["columns"].lattice.resolution
        assert np.allclose(with_it["columns"] - without["columns"], 5 / 8, atol=off)

    def test_are_bounded_by_noise_per_ownership_group(self):
        plan = plan_of(
            crowd=OpenCrowd(),
            threat=against(1, CURIOUS),
            noise=NoiseShares(3.0),
            computation=totals(unit=Unit.PARTY),
            neighbours=Neighbours(unit=Unit.PARTY),
        )
        (seen,) = [o for o in views(plan).view("p000").observations if "differences" in o.value]
        assert seen.verdict == "each party PRIVATE"
        assert seen.privacy == str(statement(plan))
        assert seen.remedy == ""

    def test_are_not_bounded_for_a_party_by_noise_per_record(self):
        plan = plan_of(crowd=OpenCrowd(), threat=against(1, CURIOUS), noise=NoiseShares(3.0))
        (seen,) = [o for o in views(plan).view("p000").observations if "differences" in o.value]
        assert seen.verdict == "each record PRIVATE; each party NOT PRIVATE"


class TestCoalitionAtTheThreshold:
    """It sees everything, and the report says how many it takes."""

    def test_of_a_complete_graph_is_any_so_many_parties(self):
        plan = support.plan_of(7, dropouts=2)
        (threshold,) = [how_many(o) for o, form in beyond(plan).items() if "shares" in form]
        federation = support.Federation(plan)
        attempt = federation.attempt().until("contribution")
        attempt.deliver()
        names = federation.names
        for size, opens in ((threshold, True), (threshold - 1, False)):
            for coalition in combinations(names[1:], size):
                loot = Loot(attempt).corrupt(coalition)
                assert recovered(loot, federation, names[0]) is opens

    def test_of_a_sparse_graph_is_so_many_that_share_one_neighbour(self):
        plan = support.sparse_plan(dropouts=3)
        (named,) = [o for o, form in beyond(plan).items() if "shares" in form]
        assert named.endswith("parties that share one neighbour")
        federation = support.Federation(plan)
        attempt = federation.attempt().until("contribution")
        attempt.deliver()
        neighbours = around(attempt, "p000")
        strangers = [n for n in federation.names if n not in {"p000", *neighbours}]
        opens = {
            "at the threshold": (neighbours[: how_many(named)], True),
            "one fewer": (neighbours[: how_many(named) - 1], False),
            "no neighbours": (strangers[: how_many(named)], False),
        }
        for coalition, sees in opens.values():
            assert recovered(Loot(attempt).corrupt(coalition), federation, "p000") is sees

    @pytest.mark.parametrize("name", ["complete", "sparse"])
    def test_is_reported_as_beyond_the_threat_with_nothing_left_to_protect(self, name):
        plan = PLANS[name]
        (view,) = [
            v for v in views(plan).views
            if any("their shares open the masks" in o.form for o in v.observations)
        ]  # fmt: skip
        assert not view.within_threat
        assert how_many(view.observer) == plan.masking.threshold > plan.colluding
        (seen,) = view.observations
        assert seen.value.startswith("every contribution")
        assert "ε = ∞" in seen.privacy
        assert f"at most {plan.colluding} collude" in seen.form
        assert view.heading == "(beyond the stated threat)"

    def test_voids_what_the_coordinator_is_said_to_see(self):
        for name in ("complete", "sparse"):
            plan = PLANS[name]
            (seen,) = [
                o for o in views(plan).view("coordinator").observations if "masked" in o.value
            ]
            assert f"{plan.masking.threshold} parties pooling their shares" in seen.voided_by

    def test_of_keys_is_any_so_many_parties(self):
        """Under encryption: the report's number reads a contribution, one fewer does not."""
        plan = support.plan_of(6, dropouts=2, aggregation=Encrypted())
        (threshold,) = [how_many(o) for o, form in beyond(plan).items() if "open the keys" in form]
        federation = support.Federation(plan)
        attempt = federation.attempt().until("contribution")
        attempt.deliver()
        names = federation.names
        expected = federation.contributions[names[0]].tolist()
        for size, opens in ((threshold, True), (threshold - 1, False)):
            for coalition in combinations(names[1:], size):
                loot = KeyLoot(attempt).corrupt(coalition)
                assert (loot.read(names[0]) == expected) is opens
        (seen,) = [o for o in views(plan).view("coordinator").observations if "keys" in o.value]
        assert f"{threshold} parties pooling their shares" in seen.voided_by
        assert "ring-LWE" in seen.voided_by

    def test_is_none_in_clear(self):
        assert beyond(PLANS["clear"]) == {}


class TestFewestThatSingleOneOut:
    """Fewer than the threshold suffice to subtract, and the report names the fewest."""

    @staticmethod
    def named(plan):
        (found,) = [(how_many(o), form) for o, form in beyond(plan).items() if "subtract" in form]
        return found

    @pytest.mark.parametrize("n", range(3, 10))
    def test_are_as_enumerated(self, n):
        """Over everything that a plan of a few parties may bear: whoever survives, whoever signs
        and opens which story. No formula of the report is used."""
        compared = 0
        for dropouts in range(n):
            for colluding in range(1, n):
                for role in (CURIOUS, MALICIOUS):
                    try:
                        plan = support.plan_of(
                            n, dropouts=dropouts, threat=support.threat(colluding, role)
                        )
                    except PlanError:
                        continue
                    fewest = next(m for m in range(n) if can_single_out(plan, m))
                    assert self.named(plan)[0] == fewest > colluding, plan.masking
                    compared += 1
        assert compared

    def test_subtract_their_own_part_from_a_sum_over_one_other(self):
        plan = support.plan_of(5, dropouts=1)
        members, form = self.named(plan)
        assert form.startswith("in clear: they subtract their own part")
        federation = support.Federation(plan)
        result = federation.run(silent={"p004": "contribution"})
        own = support.sum_of(federation.contributions, federation.names[:members])
        left = [total - part for total, part in zip(result.totals.tolist(), own, strict=True)]
        assert left == federation.contributions["p003"].tolist()

    @pytest.mark.parametrize(
        ("dropouts", "members", "works"), [(2, 3, True), (2, 2, False), (1, 3, False)]
    )
    def test_confirm_two_stories_and_subtract(self, dropouts, members, works):
        """Seven parties: with two dropouts three liars can have both stories opened, two cannot;
        with one dropout three find two quorums, but not the shares."""
        plan = support.plan_of(7, dropouts=dropouts, aggregation=Masked(verified=False))
        assert (self.named(plan)[0] <= members) is works
        assert ("confirm two sets" in self.named(plan)[1]) is (dropouts == 2)
        assert self.two_stories(plan, members) is works

    def two_stories(self, plan, members):
        """Whether a lying coordinator and so many colluders get the first party's vector."""
        federation = support.Federation(plan)
        victim, colluders = "p000", federation.names[-members:]
        honest = [name for name in federation.names if name not in colluders]
        attempt = federation.attempt().until("contribution")
        attempt.deliver()
        loot = Loot(attempt).corrupt(colluders)
        denied = dict(another_story(attempt, without=[victim]).advance())
        attempt.advance()
        deniers = honest[len(honest) // 2 :]
        stories: dict[bool, dict[str, bytes]] = {True: {}, False: {}}
        for name in honest:
            denies = name in deniers
            answer = attempt.answer(name, denied[name] if denies else None)
            stories[denies][name] = signature_of(answer)
        for denies, signatures in stories.items():
            survivors = np.array([not (denies and name == victim) for name in federation.names])
            payload = wire.consent_payload(loot.party(honest[0])._transcript, survivors)
            for name in colluders:
                key = federation.identities[name].key
                signatures[name] = attempt.round_.sign(key, name, "consent", payload)
        for name in honest:
            try:
                attempt.answer(name, call_for_unmasking(attempt, stories[name in deniers]))
            except VerificationError as error:
                assert "signatures on the survivors" in str(error)  # noqa: PT017
        return recovered(loot.take_opened(), federation, victim)

    def test_have_one_set_only_to_confirm_where_nobody_may_drop_out(self):
        """Not even in a sparse graph, where few hold what opens a secret."""
        plan = plan_of(129, dropouts=0)
        assert 2 * plan.masking.quorum - 129 < 128
        assert 2 * plan.masking.threshold - (plan.masking.degree + 1) < 128
        members, form = self.named(plan)
        assert members == 128
        assert "their own part" in form

    def test_need_to_be_neighbours_where_the_graph_is_so_sparse_that_shares_are_short(self):
        """Four neighbours of whom four hold what opens a secret: two stories need three of them."""
        plan = plan_of(129)
        assert (plan.masking.degree, plan.masking.threshold) == (4, 4)
        (observer,) = [o for o, form in beyond(plan).items() if "subtract" in form]
        assert observer == "coordinator and 3 parties together"
        (observer,) = [o for o, form in beyond(sparse_plan()).items() if "subtract" in form]
        assert observer == "coordinator and any 12 parties together"


def can_single_out(plan, members):
    """Whether the coordinator and so many parties can get one other's contribution.

    Either from one sum, or, if it may lie, from two over sets of survivors that differ in one
    honest party. An honest party signs and opens one story, a colluder both; a sum is opened by so
    many shares, which only survivors and colluders hold.
    """
    n, least, masking = len(plan.parties), plan.min_survivors, plan.masking
    assert masking.complete
    honest = n - members
    if any(size - members == 1 for size in range(max(least, members), n + 1)):
        return True
    if not plan.coordinator_may_lie:
        return False
    for survivors in range(
        least + 1, n + 1
    ):  # of the story with the victim; the other has one less
        dropped = n - survivors
        if dropped > honest - 1:
            continue
        witnesses = honest - dropped  # who can take part in either; the victim only in the first
        for first in range(1, witnesses + 1):
            if min(first, witnesses - first) + members >= max(masking.quorum, masking.threshold):
                return True
    return False


def recovered(loot, federation, name):
    """Whether the adversary holds a party's contribution."""
    return loot.strip(name).tolist() == federation.contributions[name].tolist()


class TestInfluence:
    """What one malicious party, and the coordinator, can do to the result."""

    @pytest.mark.parametrize(
        ("plan", "can"),
        [(plan, "move" if name == "clear" else "set") for name, plan in PLANS.items()],
        ids=PLANS,
    )
    def test_of_one_party_is_reported(self, plan, can):
        (found,) = [f for f in influence(plan) if "poison" in f.attack]
        assert found.outcome is Outcome.REPORTED
        assert f"one party can {can} the result" in found.reason

    def test_of_one_party_sets_a_masked_sum_to_what_it_likes(self):
        plan = support.plan_of(5)
        target = np.array([123, -456, 789])
        honest = support.draw_contributions(plan)
        others = np.array(support.sum_of(honest, ["p001", "p002", "p003", "p004"]))
        run = support.Federation(plan, {**honest, "p000": target - others}).run()
        assert run.totals.tolist() == target.tolist()
        limit = plan.sums.sums[0].lattice.party_range
        assert np.abs(target - others).max() > limit

    def test_of_one_party_moves_a_clear_sum_by_its_range_at_most(self):
        plan = support.clear_plan()
        limit = plan.sums.sums[0].lattice.party_range
        honest = support.draw_contributions(plan)
        at_the_end = np.full(3, limit)
        moved = support.Federation(plan, {**honest, "p000": at_the_end}).run().totals
        others = support.sum_of(honest, ["p001", "p002", "p003", "p004"])
        assert moved.tolist() == [total + limit for total in others]
        with pytest.raises(VerificationError, match="its range is"):
            support.Federation(plan, {**honest, "p000": at_the_end + 1}).run()

    @every_plan
    def test_of_the_coordinator_is_reported(self, plan):
        (found,) = [f for f in influence(plan) if f.attack == "false sum"]
        assert found.outcome is Outcome.REPORTED
        assert "the coordinator can set the result" in found.reason

    def test_is_nobody_s_where_nobody_may_try(self):
        harmless = Adversary(
            coordinator=HONEST, network=HONEST, parties=HONEST, colluding_parties=0
        )
        plan = plan_of(threat=Threat(integrity=harmless))
        assert {f.outcome for f in influence(plan)} == {Outcome.ABSENT}


class TestMetadata:
    def test_says_who_learns_who_took_part(self):
        for name, who in (("clear", "the coordinator"), ("complete", "everybody")):
            assert f"{who} learns which parties took part in each round and which dropped out" in (
                views(PLANS[name]).metadata
            )

    def test_says_that_the_coordinator_of_a_clear_plan_reads_numbers_of_rows(self):
        """It reads each contribution, and so 'rows' of each party."""
        clear = [m for m in views(PLANS["clear"]).metadata if "number of rows, except" in m]
        masked = [m for m in views(PLANS["complete"]).metadata if "number of rows, except" in m]
        assert clear[0].startswith("nobody but the coordinator, which reads each contribution,")
        assert masked[0].startswith("nobody learns")

    @pytest.mark.parametrize("protection", ["clear", "complete", "encrypted"])
    def test_is_right_that_sizes_of_messages_depend_on_the_plan_alone(self, protection):
        """Whatever the data and however many rows there are."""
        plan = changed(PLANS[protection], rounds=1)
        assert any("sizes depend on the plan alone" in m for m in views(plan).metadata)
        few, many = rows_of(plan, rows=1), rows_of(plan, rows=50)
        zeros = {name: {"values": np.zeros((7, 3))} for name in few}
        sizes = {
            tuple(run.history[["bytes_sent_per_party", "bytes_received_per_party"]].loc[0])
            for data in (few, many, zeros)
            for run in [simulate(plan, data, computation=totals())]
        }
        assert len(sizes) == 1


class TestSumFacts:
    def test_follow_from_the_declaration(self):
        plan = plan_of()
        columns, rows = views(plan).sums
        assert (columns.name, columns.meaning, columns.shape) == ("columns", "column sums", (3,))
        assert columns.bound == (
            "one record more or less moves it by at most 4 in L2, and rounding adds at most 1 % to "
            "that; a party counts at most 50 records; at a party that has as many or more, a "
            "record moves it twice as far, because another takes its place"
        )
        assert columns.party_range == 200
        assert 4 < columns.sensitivity <= 4.04
        assert columns.resolution <= 0.04 / np.sqrt(3)
        assert (rows.meaning, rows.shape, rows.party_range) == ("rows", (), 50)

    def test_have_bits_for_everybody_s_range(self):
        plan = plan_of()
        for facts, declared in zip(views(plan).sums, plan.sums.sums, strict=True):
            steps = len(plan.parties) * declared.lattice.party_range
            assert 2 ** (facts.bits - 1) > steps >= 2 ** (facts.bits - 2)

    def test_of_a_party_s_sum_name_no_capacity(self):
        (columns, _) = views(plan_of(computation=totals(unit=Unit.PARTY))).sums
        assert columns.bound.startswith("one record more or less moves it by at most 8 in L2,")
        assert "because it changes what its party contributes" in columns.bound
        assert "counts at most" not in columns.bound

    @pytest.mark.parametrize("norm", Norm)
    @pytest.mark.parametrize("neighbours", [
        Neighbours(unit=unit, relation=relation, person_at_several_parties=several)
        for unit in Unit for relation in Relation for several in (False, True)
        if unit is Unit.PERSON or not several
    ], ids=str)  # fmt: skip
    @pytest.mark.parametrize("bound", [1.0, 0.3, 12345.678, 1e9])
    def test_say_the_sensitivity_without_rounding(self, norm, neighbours, bound):
        """Every plan: the first number of the sentence is the sensitivity but for at most 1 %."""
        for unit in filter(lambda unit: unit.covers(neighbours.unit), Unit):
            capacity = 1 if unit is Unit.PARTY else 50
            declared = Sum(
                name="x", shape=(3,), unit=unit, unit_bound=bound, norm=norm, capacity=capacity
            )
            plan = changed(plan_of(), sums=SumGroup((declared,)), neighbours=neighbours)
            (facts,) = views(plan).sums
            said = re.match(
                r"one (\w+) (more or less|replaced) moves it by at most (\S+) in (\w+),",
                facts.bound,
            )
            assert said is not None
            assert said[1] == neighbours.unit.value
            assert said[4].upper() == norm.name
            assert float(said[3]) == pytest.approx(plan.reach * bound * neighbours.distance(unit))
            assert float(said[3]) < facts.sensitivity <= 1.01 * float(said[3])
            assert ("all 7 parties" in facts.bound) == neighbours.person_at_several_parties

    def test_of_an_ownership_group_say_how_many_parties_it_has(self):
        computation = totals(size=1, unit=Unit.PARTY)
        plan = plan_of(8, computation=computation, neighbours=Neighbours(unit=Unit.PARTY))
        joined = tuple(Party.simulation(p.name, "north") for p in plan.parties[:2])
        plan = replace(plan, parties=(*joined, *plan.parties[2:]))
        (columns, _) = views(plan).sums
        assert columns.bound.startswith("one party more or less moves it by at most 8 in L2,")
        assert columns.bound.endswith("; an ownership group has up to 2 parties, and each counts")

    def test_of_persons_at_several_parties_are_what_a_run_shows(self):
        """A new person at all parties: the exact sums of two runs, subtracted."""
        computation = totals(size=1, unit=Unit.PERSON)
        neighbours = Neighbours(unit=Unit.PERSON, person_at_several_parties=True)
        plan = plan_of(computation=computation, neighbours=neighbours)
        before = {
            p.name: {"values": np.zeros((2, 1)), "who": np.array([1, 2])} for p in plan.parties
        }
        after = {
            name: {"values": np.array([[0.0], [0.0], [4.0]]), "who": np.array([1, 2, 99])}
            for name in before
        }
        one, other = (
            simulate(plan, rows, computation=computation).totals[0].totals
            for rows in (before, after)
        )
        (columns, _) = views(plan).sums
        moved = float((other - one)[0]) * columns.resolution
        assert len(plan.parties) * 4 * 0.99 < moved <= columns.sensitivity
        assert f"at most {len(plan.parties) * 4} in L2" in columns.bound

    def test_name_a_sum_without_meaning_by_its_name(self):
        group = SumGroup((Sum(name="cell_counts", unit_bound=1.0, capacity=5),))
        (facts,) = views(changed(plan_of(), sums=group)).sums
        assert facts.meaning == "cell counts"


class TestPromise:
    def test_names_the_adversary(self):
        promise = views(plan_of(8, threat=against(3, CURIOUS))).promise
        assert (
            "This holds in each round against a curious coordinator, a curious network and any 3 "
            "malicious parties together."
        ) in promise
        assert "only sums over at least 7 of 8 parties" in promise

    def test_leaves_out_whom_it_trusts(self):
        promise = views(clear_plan(threat=against(1, HONEST))).promise
        assert "This holds in each round against any 1 malicious party." in promise
        assert "and the coordinator, which is trusted with it," in promise

    def test_against_nobody_says_so(self):
        nobody = against(0, HONEST, parties=HONEST)
        assert "This holds in each round against nobody." in views(plan_of(threat=nobody)).promise

    def test_in_clear_rests_on_the_channel_where_the_network_is_corrupt(self):
        wired = replace(TRUSTED.confidentiality, network=Corruption.MALICIOUS)
        plan = clear_plan(threat=replace(TRUSTED, confidentiality=wired))
        assert "as long as the encrypted channel (TLS 1.3) holds" in views(plan).promise
        assert "channel" not in views(plan_of()).promise

    @pytest.mark.parametrize("plan", OPEN.values(), ids=OPEN)
    def test_is_not_private_once_somebody_is_missing(self, plan):
        promise = views(plan).promise
        assert "Each record NOT PRIVATE (ε = ∞), against" in promise
        assert "Each party NOT PRIVATE (ε = ∞) once a party is missing from a sum" in promise
        fixed = views(changed(plan, crowd=FixedCrowd())).promise
        assert "once a party is missing" not in fixed

    def test_says_both_what_noise_does_and_what_it_does_not(self):
        plan = plan_of(crowd=OpenCrowd(), threat=against(1, CURIOUS), noise=NoiseShares(3.0))
        promise = views(plan).promise
        assert f"Each record PRIVATE at ε = {rounded_up(statement(plan).epsilon)} and" in promise
        assert "Each party NOT PRIVATE once a party is missing from a sum" in promise

    def test_of_one_sum_hides_each_party_in_it(self):
        promise = views(plan_of(rounds=1)).promise
        assert "In all: Each record NOT PRIVATE (ε = ∞), against" in promise
        assert "Each party HIDDEN while fewer than 2 collude." in promise

    def test_says_each_verdict_once_and_names_no_coalition_beside_its_members(self):
        promise = views(plan_of(threat=against(1, CURIOUS, parties=CURIOUS))).promise
        assert promise.endswith(
            "Over all rounds together: Each record NOT PRIVATE (ε = ∞), against each party and the "
            "coordinator. Each party HIDDEN while fewer than 2 collude."
        )

    def test_counts_with_who_lies_about_the_state(self):
        """A lying party moves the sums, and with them what the next round asks about."""
        lying = views(plan_of(threat=against(1, CURIOUS, parties=MALICIOUS)))
        honest = views(plan_of(threat=against(1, CURIOUS, parties=CURIOUS)))
        assert "Each party NOT PRIVATE (ε = ∞) if somebody lies" in lying.promise
        assert "Each party HIDDEN" in honest.promise
        assert lying.verdicts[1].conditions == (Condition.BY_CHEATING,)

    def test_of_masks_trusts_nobody(self):
        assert "trusted" not in views(plan_of()).promise


class TestPrivacy:
    """No noise bounds nothing, and the coordinator's own noise bounds nothing against itself."""

    def told(self, noise, **changes):
        """What each view says of the sums that it sees."""
        return {
            view.observer: (seen.privacy, view.statement)
            for view in views(plan_of(noise=noise, **changes)).views if view.within_threat
            for seen in view.observations if seen.value.startswith(("'", "differences"))
        }  # fmt: skip

    def test_of_exact_sums_is_infinite_in_every_view(self):
        for privacy, found in self.told(NoNoise()).values():
            assert "ε = ∞" in privacy
            assert found is None

    def test_of_the_coordinators_noise_is_infinite_against_the_coordinator(self):
        for observer, (privacy, found) in self.told(CentralNoise(3.0)).items():
            assert (found is None) == ("coordinator" in observer) == ("ε = ∞" in privacy)
            assert found is None or str(found) == privacy

    def test_of_shares_falls_with_the_shares_that_an_observer_takes_away(self):
        plan = plan_of(noise=NoiseShares(3.0))
        told = self.told(NoiseShares(3.0))
        alone, together = told["coordinator"][1], told["coordinator and any 1 party"][1]
        assert alone.epsilon < together.epsilon == statement(plan).epsilon
        shares = plan.min_survivors
        assert alone.mu / together.mu == pytest.approx(np.sqrt((shares - 1) / shares), rel=1e-3)

    def test_of_shares_counts_what_the_threat_allows(self):
        """μ = √rounds · 1/z, for z the multiplier with the fewest survivors less colluders."""
        plan = plan_of(noise=NoiseShares(3.0))
        assert statement(plan).mu == pytest.approx(np.sqrt(plan.rounds) / 3.0, rel=1e-3)

    def test_of_a_party_that_fills_its_capacity_is_that_of_a_replaced_record(self):
        found = views(plan_of(noise=NoiseShares(3.0))).noise
        assert found.at_capacity is not None
        assert found.statement is not None
        assert found.at_capacity.mu == pytest.approx(2 * found.statement.mu, rel=0.02)
        text = views(plan_of(noise=NoiseShares(3.0))).full
        assert "as many units as the capacity or more" in " ".join(text.split())

    def test_beyond_the_threat_is_one_share(self):
        plan = plan_of(noise=NoiseShares(3.0))
        beyond = [v for v in views(plan).views if not v.within_threat]
        left = str(statement(plan, insiders=plan.min_survivors - 1))
        assert all(left in v.observations[0].privacy for v in beyond)

    def test_of_exact_sums_says_so(self):
        (seen, *_) = views(plan_of()).view("coordinator").observations
        assert seen.privacy == "ε = ∞ (exact sums, no noise)"


class TestReport:
    def test_names_the_plan_it_is_about(self):
        plan = plan_of()
        report = views(plan)
        assert (report.plan_name, report.plan_hash) == (plan.name, plan.hash.hex())
        assert report.findings == plan.findings

    @pytest.mark.parametrize("simulated", [0, 1, 7])
    def test_says_that_simulated_keys_protect_nothing(self, simulated):
        own = [Party(f"p{i:03}", bytes([i + 1]) * 32) for i in range(7)]
        made = [Party.simulation(f"p{i:03}") for i in range(7)]
        parties = tuple(made[:simulated] + own[simulated:])
        plan = replace(plan_of(), parties=parties, coordinator=Coordinator(b"\xc0" * 32))
        assert bool(views(plan).warnings) is bool(simulated)

    def test_lists_what_was_agreed_to_be_public(self):
        value = PublicValue(name="hold-out", digest=bytes(32), meaning="agreed", rows=9)
        assert views(plan_of(public=(value,))).public == (value,)


class TestAnyPlan:
    """Whatever plan can be made."""

    @given(plans())
    @settings(max_examples=20)
    def test_has_a_view_for_everybody_that_names_every_sum(self, plan):
        report = views(plan)
        observers = {v.observer for v in report.views}
        assert {*(p.name for p in plan.parties), "coordinator", "network"} <= observers
        sums = " ".join(o.value for o in report.view("coordinator").observations)
        names = [s.name for stage in plan.sum_stages for s in stage.sums.sums]
        assert all(f"'{name}'" in sums for name in names)
        assert [s.name for s in report.sums] == names

    @given(plans())
    @settings(max_examples=20)
    def test_leaves_nobody_in_the_threat_with_a_contribution_in_clear(self, plan):
        for view in views(plan).views:
            if view.within_threat:
                assert not any(o.form.startswith("in clear") for o in view.observations)

    @given(plans())
    @settings(max_examples=20)
    def test_lets_no_coalition_in_the_threat_single_one_out(self, plan):
        """At least two others are in whatever is left when insiders subtract."""
        for view in views(plan).views:
            for seen in view.observations:
                if view.within_threat and "the sum of at least" in seen.form:
                    assert int(seen.form.split()[-2]) >= 2

    @given(plans())
    @settings(max_examples=20)
    def test_warns_of_coalitions_beyond_the_threat_only(self, plan):
        for observer in beyond(plan):
            assert how_many(observer) > plan.threat.confidentiality.colluding_parties


def test_a_plan_that_would_need_another_report_cannot_be_made():
    """A clear plan under a coordinator that reads what it should not has no views to give."""
    with pytest.raises(ConfideError, match="read contributions"):
        plan_of(aggregation=Clear())
    assert views(plan_of(aggregation=Masked())).view("coordinator").within_threat
    assert not views(plan_of(aggregation=Clear(), threat=TRUSTED)).view("coordinator").within_threat
