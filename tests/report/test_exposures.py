"""Exposures: questions to a report are filters, and each verdict is one that can be computed."""

import itertools
from dataclasses import replace

import pytest
from tests.aggregation import support
from tests.aggregation.adversary import Loot
from tests.report.support import CURIOUS, HONEST, MALICIOUS, against, clear_plan, plan_of, totals

from confide.errors import PlanError
from confide.plan import (
    CentralNoise,
    Clear,
    Condition,
    Corruption,
    Enclave,
    Encrypted,
    FixedCrowd,
    Form,
    Hardware,
    Masked,
    Neighbours,
    NoiseShares,
    NoNoise,
    OpenCrowd,
    Outcome,
    Party,
    Plan,
    Recipients,
    Release,
    Standing,
    Subject,
    Sum,
    SumGroup,
    Sums,
    Task,
    Unit,
    Verdict,
    What,
    exposures,
)
from confide.plan.findings import Attack
from confide.privacy.guarantee import statement
from confide.report import estimate, to_json, views

READING = against(1, CURIOUS, parties=CURIOUS)
"""Nobody lies: coordinator, network and one party pool what they read."""


def names(found):
    return {e.observer.name for e in found}


class TestWhoSees:
    def test_plaintext_of_a_party_in_clear(self):
        report = views(clear_plan(threat=against(0, HONEST, parties=HONEST)))
        assert names(report.who_sees(party="p003", form=Form.PLAINTEXT)) == {"p003", "coordinator"}
        assert names(report.who_sees(form=Form.PLAINTEXT, standing=Standing.TRUSTED)) == {
            "coordinator"
        }

    def test_plaintext_of_a_party_under_masks_takes_a_coalition_beyond_the_threat(self):
        report = views(plan_of())
        seen = report.who_sees(party="p003", form=Form.PLAINTEXT)
        others = [e for e in seen if e.of is not Subject.ITSELF]
        assert others
        assert {e.condition for e in others} == {Condition.BEYOND}
        assert {e.observer.standing for e in others} == {Standing.BEYOND}

    def test_masked_vectors_is_the_coordinator_and_they_really_are_what_it_holds(self):
        plan = support.plan_of(6)
        found = views(plan).who_sees(form=Form.MASKED, what=What.CONTRIBUTION)
        assert "coordinator" in names(found)
        federation = support.Federation(plan)
        attempt = federation.attempt().until("contribution")
        attempt.deliver()
        loot = Loot(attempt)
        for name in ("p000", "p003"):
            assert loot.vector(name).tolist() != federation.contributions[name].tolist()

    def test_metadata_is_everybody(self):
        report = views(plan_of())
        took_part = [e for e in report.who_sees(form=Form.METADATA) if "took part" in e.value]
        assert names(took_part) >= {"p000", "p006", "coordinator"}

    def test_is_what_json_holds(self):
        found = to_json(views(plan_of()))["exposures"]
        assert {e["form"] for e in found} >= {"masked", "sum", "share", "metadata"}


class TestAssumptions:
    def test_are_failures_and_never_what_is_hoped(self):
        for plan in (plan_of(), clear_plan(), plan_of(noise=CentralNoise(3.0))):
            for seen in views(plan).exposures:
                assert not seen.assumption.startswith(("only", "the coordinator is trusted"))
                if seen.assumption:
                    words = ("broken", "collude", "opened", "passes on", "pooling", "leaves")
                    assert any(word in seen.assumption for word in words), seen.assumption


class TestNetwork:
    """It pools what it sees with parties also where the coordinator is honest."""

    def test_and_a_party_have_a_view_with_the_noise_less_the_party_s_share(self):
        plan = plan_of(threat=against(1, HONEST, network=MALICIOUS), noise=NoiseShares(3.0))
        view = views(plan).view("network and any 1 party")
        assert view.within_threat
        assert view.statement == statement(plan, insiders=1)
        assert views(plan).noise.statement == view.statement

    def test_is_all_that_keeps_sums_that_go_to_an_honest_coordinator_alone(self):
        threat = against(1, HONEST, network=MALICIOUS, parties=CURIOUS)
        plan = plan_of(rounds=1, release=Release(to=Recipients.COORDINATOR), threat=threat)
        for attack in Attack.INSIDER_SUBTRACTION, Attack.INFERENCE:
            found = plan.finding(attack)
            assert found.outcome is Outcome.ASSUMED
            assert "TLS 1.3" in found.reason
        quiet = replace(threat.confidentiality, network=HONEST)
        plan = replace(plan, threat=replace(threat, confidentiality=quiet))
        assert plan.finding(Attack.INSIDER_SUBTRACTION).outcome is Outcome.ABSENT

    def test_who_sees_no_sums_is_quoted_no_privacy(self):
        plan = plan_of(rounds=1, release=Release(to=Recipients.COORDINATOR), noise=NoiseShares(3.0))
        made = estimate(plan, {p.name: 4 for p in plan.parties})
        assert not any("p000" in told.observers for told in made.observers)


class TestTrusted:
    def test_roles_see_it_in_every_run_and_the_heading_says_so(self):
        view = views(clear_plan(threat=against(1, HONEST))).view("coordinator")
        assert not view.within_threat
        assert view.heading == "(trusted not to misuse what it sees, in every run)"


class TestOwnershipGroups:
    def plan(self, **fields) -> Plan:
        plan = plan_of(10, dropouts=0, **fields)
        grouped = [
            Party.simulation(p.name, "holding" if i < 3 else None)
            for i, p in enumerate(plan.parties)
        ]
        return replace(plan, parties=tuple(grouped))

    def test_look_together(self):
        report = views(self.plan(noise=NoiseShares(9.0)))
        (seen,) = [o for o in report.view("p000").observations if o.value.startswith("'columns'")]
        assert seen.form.endswith("without their own part, the sum of at least 7 others")
        (alone,) = [o for o in report.view("p005").observations if o.value.startswith("'columns'")]
        assert alone.form.endswith("without its own part, the sum of at least 9 others")

    def test_take_all_their_shares_of_the_noise_away(self):
        plan = self.plan(noise=NoiseShares(9.0))
        report = views(plan)
        assert report.view("p000").statement == statement(plan, insiders=3)
        assert report.view("p005").statement == statement(plan, insiders=1)
        assert report.view("coordinator and any 1 ownership group").statement == statement(plan)
        assert report.verdicts[1].who == "ownership group"


def two_stages(**fields) -> Plan:
    group = SumGroup((Sum(name="count", unit_bound=1.0, capacity=50),))
    plan = plan_of(**{"threat": against(1, CURIOUS), "dropouts": 0, **fields})
    first = Sums(name="counts", task=Task("counts"), code=plan.code, sums=group, budget=0.25)
    training = plan.stage
    assert isinstance(training, Sums)
    return replace(plan, stages=(first, replace(training, name="training", budget=0.75)))


class TestStages:
    def test_each_list_their_sums(self):
        report = views(two_stages())
        assert [(s.stage, s.name) for s in report.sums] == [
            ("counts", "count"),
            ("training", "columns"),
            ("training", "rows"),
        ]
        sums = report.who_sees(what=What.SUMS, form=Form.SUM, party="p001")
        assert {(e.stage, e.value) for e in sums} == {(0, "'count'"), (1, "'columns' and 'rows'")}
        assert "once of stage 'counts'" in {e.when for e in sums}

    def test_are_charged_together(self):
        plan = two_stages(noise=NoiseShares(8.0))
        together = views(plan).noise.statement
        assert together is not None
        alone = [statement(part) for part in plan.stage_plans]
        assert together.mu == pytest.approx(sum(s.mu**2 for s in alone) ** 0.5, rel=1e-2)
        assert together.epsilon > max(s.epsilon for s in alone)

    def test_are_estimated_together(self):
        plan = two_stages()
        sizes = {p.name: 4 for p in plan.parties}
        made = estimate(plan, sizes)
        parts = [estimate(part, sizes) for part in plan.stage_plans]
        assert made.bytes_sent_per_party == sum(p.bytes_sent_per_party for p in parts)
        # The second stage's announcements list the opening of the first.
        assert made.bytes_received_per_party > sum(p.bytes_received_per_party for p in parts)


class TestVerdicts:
    """Against what the threat allows, over all rounds."""

    @pytest.mark.parametrize(
        ("fields", "record", "party"),
        [
            ({"crowd": OpenCrowd()}, Verdict.NOT_PRIVATE, Verdict.NOT_PRIVATE),
            ({"crowd": FixedCrowd()}, Verdict.NOT_PRIVATE, Verdict.HIDDEN),
            ({"dropouts": 0, "noise": NoiseShares(3.0)}, Verdict.PRIVATE, Verdict.HIDDEN),
            ({"crowd": OpenCrowd(), "noise": NoiseShares(3.0)}, Verdict.PRIVATE,
             Verdict.NOT_PRIVATE),
            ({"dropouts": 0, "noise": CentralNoise(3.0)}, Verdict.NOT_PRIVATE, Verdict.HIDDEN),
        ],
    )  # fmt: skip
    def test_are_the_worst_of_what_is_seen(self, fields, record, party):
        found = views(plan_of(**{"threat": READING, **fields})).verdicts
        assert [v.verdict for v in found] == [record, party]

    def test_of_central_noise_name_against_whom_and_what_holds_against_the_others(self):
        plan = plan_of(threat=against(1, CURIOUS), dropouts=0, noise=CentralNoise(3.0))
        record = views(plan).verdicts[0]
        assert record.against == ("coordinator", "coordinator and any 1 party")
        assert record.statement == statement(plan)
        assert "against the coordinator." in views(plan).promise

    def test_of_an_enclave_name_no_lying_coordinator_that_its_signature_stops(self):
        sound = replace(against(1, MALICIOUS, parties=CURIOUS), hardware=Hardware.ASSUMED_SOUND)
        plan = plan_of(aggregation=Enclave(policy=bytes(32), over=Masked()), threat=sound)
        assert plan.finding(Attack.CHOSEN_STATE).outcome is Outcome.ASSUMED
        assert not views(plan).who_sees(condition=Condition.BY_CHEATING)

    def test_of_a_group_that_is_the_unit_is_one(self):
        plan = plan_of(
            dropouts=0,
            noise=NoiseShares(3.0),
            computation=totals(unit=Unit.PARTY),
            neighbours=Neighbours(unit=Unit.PARTY),
        )
        (verdict,) = views(plan).verdicts
        assert (verdict.who, verdict.verdict) == ("party", Verdict.PRIVATE)


OVER = (Clear(), Masked(), Encrypted())
AGGREGATIONS = (*OVER, *(Enclave(policy=bytes(32), over=over) for over in OVER))
NOISES = (NoNoise(), CentralNoise(3.0), NoiseShares(3.0))


@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: type(noise).__name__)
@pytest.mark.parametrize("aggregation", AGGREGATIONS, ids=str)
def test_verdicts_and_findings_say_the_same(aggregation, noise):
    """A group is not private if, and only if, an attack that tells it apart is reported."""
    made = 0
    for crowd, rounds, unit, coordinator, parties in itertools.product(
        (OpenCrowd(), FixedCrowd()),
        (1, 3),
        (Unit.RECORD, Unit.PARTY),
        Corruption,
        (CURIOUS, MALICIOUS),
    ):
        threat = against(1, coordinator, parties=parties)
        try:
            plan = plan_of(
                6,
                aggregation=aggregation,
                noise=noise,
                crowd=crowd,
                rounds=rounds,
                neighbours=Neighbours(unit=unit),
                computation=totals(unit=unit),
                threat=replace(threat, hardware=Hardware.ASSUMED_SOUND),
            )
        except PlanError:
            continue
        made += 1
        reported = Outcome.REPORTED in {
            plan.finding(a).outcome for a in (Attack.ROUND_DIFFERENCES, Attack.CHOSEN_STATE)
        }
        seen = [
            e.guarantee.group
            for e in exposures(plan)
            if e.observer.standing is Standing.ADVERSARY
            and e.what in (What.CONTRIBUTION, What.SUMS, What.STATE)
        ]
        assert (Verdict.NOT_PRIVATE in seen) is reported, plan
    # No noise in shares without hidden sums, no central noise in an enclave over them.
    assert made or isinstance(noise, NoiseShares | CentralNoise)
