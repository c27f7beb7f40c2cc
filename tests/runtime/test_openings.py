"""The difference of opened sums: what a lying coordinator gets, and what stops it."""

from collections.abc import Mapping
from contextlib import suppress
from itertools import product
from typing import Any

import numpy as np
import pytest
from tests.runtime.liar import KEY, NAMES, Liar, close_to, drift, rows, steal

from confide.aggregation import Announcer, Round, coordinator_session
from confide.aggregation.sharing.party import SharingParty
from confide.computation import state_hash
from confide.engines import Drop, simulate
from confide.errors import DropoutError, OpeningError, PlanError, ProtocolError
from confide.plan import (
    Adversary,
    Corruption,
    Encrypted,
    FixedCrowd,
    Masked,
    Neighbours,
    NoiseShares,
    OpenCrowd,
    Opening,
    Outcome,
    Party,
    Threat,
    Unit,
)
from confide.runtime.wire import framed

CURIOUS = Threat(
    confidentiality=Adversary(coordinator=Corruption.CURIOUS, network=Corruption.CURIOUS)
)
PER_FIRM = Neighbours(unit=Unit.PARTY)
PROTECTIONS = {"masked": Masked(verified=False), "encrypted": Encrypted()}


def plan_of(**fields):
    fields = {
        "rounds": 6,
        "dropouts": 2,
        "crowd": FixedCrowd(),
        "aggregation": PROTECTIONS["masked"],
        **fields,
    }
    return drift().plan(parties=list(NAMES), **fields)


def outcome(plan, attack="differences across rounds"):
    return next(f.outcome for f in plan.findings if f.attack == attack)


@pytest.fixture(params=PROTECTIONS, name="protection")
def _protection(request):
    return PROTECTIONS[request.param]


class TestAFrozenState:
    """The coordinator opens a sum, announces a false one, and calls somebody missing."""

    def test_gives_everybody_away_without_the_rule(self, protection, monkeypatch):
        monkeypatch.setattr(SharingParty, "_check_opening", lambda self: None)
        for victim in NAMES[:3]:
            liar = Liar(plan_of(aggregation=protection))
            stolen = steal(liar, victim)
            assert stolen is not None
            assert close_to(stolen, liar.contribution(victim), liar.plan)

    @pytest.mark.parametrize("victim", NAMES[:3])
    def test_gets_nothing_from_a_fixed_crowd(self, protection, victim):
        liar = Liar(plan_of(aggregation=protection))
        assert steal(liar, victim) is None
        assert outcome(liar.plan) is Outcome.DEFEATED
        assert {type(e) for e in liar.failures.values()} == {OpeningError}
        assert len(liar.failures) == len(NAMES) - 1
        assert all("fixed crowd" in str(e) for e in liar.failures.values())

    def test_cannot_be_planned_for_an_open_crowd(self, protection):
        with pytest.raises(PlanError, match="differences of opened sums") as error:
            plan_of(aggregation=protection, crowd=OpenCrowd())
        for way_out in ("crowd 'fixed'", "dropouts = 0", "noise per ownership group", "'curious'"):
            assert way_out in str(error.value)

    def test_is_reported_where_the_coordinator_follows_the_protocol_and_then_works(self):
        # Beyond the threat: this coordinator lies, and the plan said that it does not.
        liar = Liar(plan_of(crowd=OpenCrowd(), threat=CURIOUS))
        assert outcome(liar.plan) is Outcome.REPORTED
        stolen = steal(liar, NAMES[2])
        assert stolen is not None
        assert close_to(stolen, liar.contribution(NAMES[2]), liar.plan)

    def test_is_reported_and_works_without_a_lie_on_what_does_not_depend_on_the_state(self):
        # A dropout is enough: nobody lies, and a number such as that of rows does not change.
        plan = plan_of(crowd=OpenCrowd(), threat=CURIOUS)
        liar = Liar(plan)
        full = liar.open_round()
        liar.announce(full.totals, full.survivors)
        without = liar.open_round(ignoring=[NAMES[4]])
        stolen = (full.totals - without.totals)[:1]
        assert close_to(stolen, liar.contribution(NAMES[4])[:1], plan)

    def test_meets_the_noise_of_a_whole_firm(self):
        plan = plan_of(
            crowd=OpenCrowd(), neighbours=PER_FIRM, noise=NoiseShares(4.0, 1e-3), rounds=2
        )
        assert outcome(plan) is Outcome.DEFEATED
        exact, off = exact_contribution(plan, NAMES[2]), []
        for _ in range(20):
            stolen = steal(Liar(plan), NAMES[2])
            assert stolen is not None
            off.append(stolen - exact)
        # What is left is the noise of both sums, each at least what the plan says.
        assert np.std(np.array(off)[:, 0]) > steps_of_noise(plan)

    @pytest.mark.parametrize("nudge", [1, -3, 40])
    def test_a_nudged_state_gets_nothing_either(self, nudge):
        liar = Liar(plan_of())
        full = liar.open_round()
        liar.announce(np.array([0, nudge]), full.survivors)
        with pytest.raises(DropoutError):
            liar.open_round(ignoring=[NAMES[1]])

    def test_several_missing_in_two_rounds_get_nothing(self):
        liar = Liar(plan_of())
        liar.open_round(ignoring=[NAMES[0], NAMES[1]])
        liar.freeze()
        for ignoring in ([NAMES[1], NAMES[2]], [NAMES[0], NAMES[2]], [NAMES[2]], []):
            fresh = Liar(liar.plan)
            fresh.open_round(ignoring=[NAMES[0], NAMES[1]])
            fresh.freeze()
            with pytest.raises(DropoutError):
                fresh.open_round(ignoring=ignoring)

    def test_the_same_crowd_goes_on(self):
        liar = Liar(plan_of())
        for _ in range(liar.plan.rounds):
            result = liar.open_round(ignoring=[NAMES[3]])
            liar.announce(result.totals, result.survivors)
        assert set(liar.failures) <= {NAMES[3]}


def exact_contribution(plan, victim):
    """What a victim contributes, without noise."""
    return Liar(plan_of(rounds=plan.rounds)).contribution(victim)


def steps_of_noise(plan):
    """The standard deviation of the noise that is in a sum at least, in lattice steps."""
    return float(plan.noise_steps(plan.sums.sums[0]) * np.sqrt(plan.honest_survivors))


class TestVerifiedSums:
    """Parties that check each sum themselves end false sums, and not differences."""

    def plan(self, **fields):
        return plan_of(aggregation=Masked(), **fields)

    def test_are_the_default_where_the_coordinator_may_lie(self):
        assert self.plan().verified
        assert not plan_of(threat=CURIOUS, aggregation=Masked()).verified

    @pytest.mark.parametrize("nudge", [0, 1])
    def test_keep_the_coordinator_from_choosing_the_state(self, nudge):
        liar = Liar(self.plan())
        full = liar.open_round()
        false = np.zeros(2, np.int64) if nudge == 0 else full.totals + nudge
        liar.announce(false, full.survivors)
        assert set(liar.failures) == set(NAMES)
        assert all("false sum" in str(e) or "opening" in str(e) for e in liar.failures.values())
        assert {party.number for party in liar.parties.values()} == {0}

    def test_do_not_keep_a_dropout_from_telling_what_stays_the_same(self, monkeypatch):
        monkeypatch.setattr(SharingParty, "_check_opening", lambda self: None)
        liar = Liar(self.plan())
        full = liar.open_round()
        liar.announce(full.totals, full.survivors)
        without = liar.open_round(ignoring=[NAMES[4]])
        stolen = (full.totals - without.totals)[:1]
        assert close_to(stolen, liar.contribution(NAMES[4])[:1], liar.plan)

    def test_of_a_fixed_crowd_open_no_difference_at_all(self):
        liar = Liar(self.plan())
        full = liar.open_round()
        liar.announce(full.totals, full.survivors)
        with pytest.raises(DropoutError):
            liar.open_round(ignoring=[NAMES[4]])
        assert {type(e) for e in liar.failures.values()} == {OpeningError}


class TestRetries:
    def test_a_consented_attempt_counts_as_opened_though_it_failed(self):
        # The coordinator has the shares and says that it lost them; it tries the round again.
        liar = Liar(plan_of())
        with pytest.raises(DropoutError):
            liar.open_round(loses=NAMES[:4])
        with pytest.raises(DropoutError):
            liar.open_round(ignoring=[NAMES[5]], attempt=1)
        assert all("used up" in str(e) for e in liar.failures.values())

    def test_and_the_next_round_keeps_its_crowd(self):
        liar = Liar(plan_of())
        with pytest.raises(DropoutError):
            liar.open_round(loses=NAMES[:4])
        liar.skip()
        with pytest.raises(DropoutError):
            liar.open_round(ignoring=[NAMES[5]])
        assert {type(e) for e in liar.failures.values()} == {OpeningError}


class TestAHistory:
    def test_that_leaves_an_opening_out_is_refused_before_anything_is_sent(self):
        liar = Liar(plan_of())
        liar.open_round()
        liar.freeze()
        with pytest.raises(DropoutError, match="advertise"):
            liar.open_round(history=())
        assert all("leaves out" in str(e) for e in liar.failures.values())

    def test_with_another_set_for_an_attempt_is_refused(self):
        liar = Liar(plan_of())
        liar.open_round()
        liar.freeze()
        with pytest.raises(DropoutError):
            liar.open_round(history=(Opening(0, 0, NAMES[:5]),))

    def test_with_two_sets_for_an_attempt_is_refused(self):
        liar = Liar(plan_of())
        liar.open_round()
        liar.freeze()
        with pytest.raises(DropoutError):
            liar.open_round(history=(Opening(0, 0, NAMES), Opening(0, 0, NAMES[:5])))
        assert all("not in order" in str(e) for e in liar.failures.values())

    def test_told_differently_to_two_halves_opens_no_sum(self):
        # A false opening in the history of some only: their keys differ from the others'.
        liar = Liar(plan_of())
        liar.open_round()
        liar.freeze()
        halves = {name: i % 2 == 0 for i, name in enumerate(NAMES)}
        more = (*liar.openings, Opening(0, 1, NAMES))
        with pytest.raises(DropoutError):
            tell_two_stories(liar, halves, more)
        assert not liar.sums.get(1)


def tell_two_stories(liar, halves, other_history):
    """Runs a round with one history for one half and another for the other half."""
    round_ = Round(liar.plan, liar.number)
    session, other = (
        coordinator_session(
            round_, state_hash(liar.state), NAMES, None, Announcer(KEY, tuple(history))
        )
        for history in (liar.openings, other_history)
    )
    opened = {True: session.open(), False: other.open()}
    outbox: Mapping[str, bytes] = {name: opened[halves[name]][name] for name in NAMES}
    while outbox:
        for name, said in outbox.items():
            answer = liar.parties[name].receive(framed(round_, said))
            if answer is not None and liar.parties[name].failure is None:
                with suppress(ProtocolError):
                    session.receive(answer)
        outbox = session.advance()


class TestEveryPlan:
    """What the findings say is what happens, in both directions."""

    GRID = (
        *product(
            ["masked"],
            ["open", "fixed"],
            [0, 1, 2],
            ["none", "record", "party"],
            ["curious", "malicious"],
        ),
        *product(["encrypted"], ["open", "fixed"], [2], ["none"], ["curious", "malicious"]),
    )

    @pytest.mark.parametrize(("protection", "crowd", "dropouts", "noise", "coordinator"), GRID)
    def test_a_victim_is_told_apart_if_and_only_if_the_findings_say_so(
        self, protection, crowd, dropouts, noise, coordinator
    ):
        fields = {
            "aggregation": PROTECTIONS[protection],
            "crowd": FixedCrowd() if crowd == "fixed" else OpenCrowd(),
            "dropouts": dropouts,
            "threat": CURIOUS if coordinator == "curious" else Threat(),
            **NOISES[noise],
        }
        broken = crowd == "open" and dropouts and noise == "none" and coordinator == "malicious"
        if broken:
            with pytest.raises(PlanError, match="differences of opened sums"):
                plan_of(**fields)
            return
        plan = plan_of(**fields)
        stolen = steal(Liar(plan), NAMES[2])
        if noise == "party":
            # The noise in a sum is at least as large as all that a firm can contribute.
            assert outcome(plan) is Outcome.DEFEATED
            of_a_firm = plan.sums.sums[0].lattice.party_range
            assert steps_of_noise(plan) >= of_a_firm
            return
        assert (stolen is not None) is (outcome(plan) is Outcome.REPORTED)
        if stolen is not None:
            off = np.abs(stolen - exact_contribution(plan, NAMES[2])).max()
            assert off <= 2 * len(NAMES) + 10 * steps_of_noise(plan)


NOISES: dict[str, dict[str, Any]] = {
    "none": {},
    "record": {"noise": NoiseShares(0.05, 1e-3)},
    "party": {"neighbours": PER_FIRM, "noise": NoiseShares(8.0, 1e-3)},
}


class TestOwnershipGroups:
    def test_parties_of_one_owner_hide_nobody(self):
        # Seven parties of three owners: the colluding owner subtracts its three.
        owners = ("a", "a", "a", "b", "b", "c", "c")
        parties = [Party.simulation(n, g) for n, g in zip(NAMES, owners, strict=True)]
        with pytest.raises(PlanError, match="ownership groups"):
            drift().plan(parties=parties, rounds=3, dropouts=2, crowd=FixedCrowd())
        made = drift().plan(parties=parties, rounds=3, dropouts=0)
        assert made.colluding == 3
        assert made.colluding_owners == 1

    def test_noise_per_owner_covers_all_of_its_parties(self):
        owners = ("a", "a", "a", "b", "c", "d", "e")
        parties = [Party.simulation(n, g) for n, g in zip(NAMES, owners, strict=True)]
        alone = drift().plan(parties=list(NAMES), neighbours=PER_FIRM)
        grouped = drift().plan(parties=parties, neighbours=PER_FIRM)
        assert grouped.reach == 3
        assert grouped.joint_sensitivity == pytest.approx(3 * alone.joint_sensitivity)


class TestSimulation:
    def test_a_later_loss_ends_a_run_with_a_fixed_crowd(self):
        with pytest.raises(OpeningError, match="fixed crowd"):
            simulate(plan_of(), rows(), computation=drift(), drops=[Drop(NAMES[0], 2)])

    def test_who_misses_the_first_round_stays_out(self):
        run = simulate(plan_of(), rows(), computation=drift(), drops=[Drop(NAMES[0], 0)])
        assert set(run.history["survivors"]) == {6}
        assert all(NAMES[0] in dropped for dropped in run.history["dropped"])
