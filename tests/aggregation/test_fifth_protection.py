"""A protection that is added by one folder: findings, views, estimate, wire and runs follow."""

import ast
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tests.aggregation import support
from tests.aggregation.relays.protection import Relays
from tests.aggregation.relays.sessions import Relay
from tests.report.support import plan_of, rows_of, totals

import confide
from confide import canonical
from confide.aggregation import Traffic, coordinator_session, message_kinds, run_round
from confide.aggregation.machinery import machinery_of, register
from confide.aggregation.traffic import round_bytes
from confide.engines import Drop, simulate
from confide.errors import PlanError
from confide.plan import (
    ATTACKS,
    Adversary,
    Condition,
    Corruption,
    Enclave,
    Form,
    Hardware,
    Masked,
    NoiseShares,
    Outcome,
    Plan,
    Protection,
    Threat,
    Verdict,
)
from confide.plan.codec import from_plain, to_plain
from confide.privacy.guarantee import statement
from confide.report import estimate, views

CURIOUS = Threat(
    confidentiality=Adversary(
        coordinator=Corruption.CURIOUS,
        network=Corruption.CURIOUS,
        parties=Corruption.CURIOUS,
        colluding_parties=1,
    )
)


def relays() -> Relays:
    return Relays(keys=(Relay().public, Relay().public))


def relayed(**fields) -> Plan:
    return support.plan_of(6, aggregation=relays(), threat=CURIOUS, **fields)


class TestInAPlan:
    def test_is_written_read_and_hashed_like_any_other(self):
        plan = relayed()
        again = Plan.from_canonical(plan.canonical())
        assert again == plan
        assert isinstance(again.aggregation, Relays)

    def test_goes_beneath_an_enclave(self):
        over = Enclave(policy=bytes(32), over=relays())
        assert from_plain(Protection, to_plain(over), "aggregation") == over
        plan = support.plan_of(
            6,
            aggregation=over,
            threat=Threat(confidentiality=CURIOUS.confidentiality, hardware=Hardware.ASSUMED_SOUND),
        )
        assert plan.only_sums_open
        assert plan.attested
        seen = views(plan).view("enclave").observations
        assert "each party's pair of encrypted shares" in {o.value for o in seen}

    def test_that_is_unknown_is_refused_by_name(self):
        plain = canonical.decode(relayed().canonical(), 1 << 20)
        plain["aggregation"]["type"] = "Relais"
        with pytest.raises(PlanError, match="of type 'Relais'; did you mean 'Relays'"):
            Plan.from_canonical(canonical.encode(plain))

    def test_that_nothing_runs_is_refused_by_name(self):
        class Unrun(Relays):
            """Registered as a protection, and nothing runs it."""

        with pytest.raises(PlanError, match="nothing runs protection 'unrun'"):
            machinery_of(Unrun(keys=relays().keys))

    def test_that_leaves_an_attack_unjudged_cannot_be_written(self):
        with pytest.raises(PlanError, match=r"has no judge for .*'wiretap'"):
            type("Careless", (Protection,), {"judges": {}})
        assert "Careless" not in Protection.kinds()

    def test_has_one_machinery(self):
        with pytest.raises(PlanError, match="'Relays' has its machinery already"):
            register(Relays, machinery_of(Masked()))


class TestFindings:
    def test_are_those_of_the_table_and_its_own(self):
        found = {f.attack: f.outcome for f in relayed().findings}
        assert list(found) == [*(name for name, *_ in ATTACKS), "colluding relays"]
        assert found["read contributions"] is Outcome.DEFEATED
        assert found["pooled shares"] is found["colluding relays"] is Outcome.ASSUMED
        assert found["rogue key"] is Outcome.ABSENT

    def test_refuse_a_plan_whose_adversary_breaks_it(self):
        with pytest.raises(PlanError, match="hands the relays what it likes"):
            support.plan_of(6, aggregation=relays(), threat=Threat())


class TestViews:
    def test_say_who_holds_what(self):
        report = views(relayed())
        (held,) = [o for o in report.view("coordinator").observations if "pair" in o.value]
        assert held.form == "seemingly random numbers"
        assert held.voided_by.endswith("both relays pooling their shares")
        assert not report.view("both relays together").within_threat

    def test_answer_who_sees_plaintext_of_whom(self):
        report = views(relayed())
        seen = report.who_sees(party="p000", form=Form.PLAINTEXT)
        assert {e.observer.name for e in seen} >= {"p000", "both relays together"}
        within = {e.observer.name for e in seen if e.condition is not Condition.BEYOND}
        # A coalition that holds the party sees its rows: they are its own.
        assert within == {"p000", "coordinator and any 1 party"}

    def test_state_the_verdict(self):
        plan = relayed(noise=NoiseShares(20.0))
        record, party = views(plan).verdicts
        assert (record.who, record.verdict) == ("record", Verdict.PRIVATE)
        assert record.statement == statement(plan)
        # A party that lies could choose the state; these are curious.
        assert (party.who, party.verdict) == ("party", Verdict.HIDDEN)


class TestEstimate:
    def test_is_to_the_byte(self):
        plan = relayed(size=1000)
        attempt = support.Federation(plan).attempt()
        session = coordinator_session(attempt.round_, support.STATE, tuple(attempt.parties))
        traffic = Traffic()
        run_round(session, attempt.parties, traffic=traffic)
        counted = round_bytes(plan)
        assert set(traffic.sent.values()) == {counted.sent}
        assert set(traffic.received.values()) == {counted.received}

    def test_costs_time_and_memory(self):
        plan = relayed()
        made = estimate(plan, {p.name: 10 for p in plan.parties})
        assert min(made.party_seconds, made.coordinator_seconds, made.party_memory_bytes) > 0


class TestRuns:
    def test_give_the_sums_of_masks_bit_for_bit(self):
        plan = relayed()
        contributions = support.draw_contributions(plan)
        federations = [
            support.Federation(p, contributions) for p in (plan, support.plan_of(6, threat=CURIOUS))
        ]
        results = [f.run() for f in federations]
        assert results[0].totals.tolist() == results[1].totals.tolist()
        assert results[0].totals.tolist() == support.sum_of(contributions, federations[0].names)

    def test_bear_a_dropout(self):
        federation = support.Federation(relayed())
        (kind,) = message_kinds(federation.plan)
        result = federation.run(silent={"p002": kind})
        others = [n for n in federation.names if n != "p002"]
        assert result.totals.tolist() == support.sum_of(federation.contributions, others)

    def test_go_through_the_engine(self):
        plan = plan_of(aggregation=relays(), threat=CURIOUS)
        data = rows_of(plan)
        run = simulate(plan, data, computation=totals())
        masked = simulate(plan_of(threat=CURIOUS), data, computation=totals())
        assert np.array_equal(run.totals[0].totals, masked.totals[0].totals)

    @pytest.mark.parametrize("at", ["split", "contribution"])
    def test_bear_a_dropout_in_the_engine(self, at):
        """At its own kind of message, or at one that stands for it."""
        plan = plan_of(aggregation=relays(), threat=CURIOUS, dropouts=1)
        gone = plan.parties[1].name
        drops = [Drop(gone, 0, at=at)]
        run = simulate(plan, rows_of(plan), computation=totals(), drops=drops)
        assert run.rounds[0]["dropped"] == gone
        assert gone not in run.totals[0].survivors


SOURCES = Path(confide.__file__).parent
OWN = ("plan/protections", "aggregation/clear", "aggregation/masked", "aggregation/encrypted",
       "aggregation/enclave")  # fmt: skip
KINDS = {"Clear", "Masked", "Encrypted", "Enclave"}


def test_what_a_protection_is_stands_in_its_own_folders():
    """Elsewhere nobody asks which protection it is: all ask the protection itself."""
    asked: Counter[str] = Counter()
    for path in SOURCES.rglob("*.py"):
        place = path.relative_to(SOURCES).as_posix()
        if place.startswith(OWN):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
                names = {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)}
                asked[place] += bool(names & KINDS)
    found = {place: count for place, count in asked.items() if count}
    # A demonstration that shows one protection, and the launch of a plan's enclave.
    assert found == {"cli/simulate.py": 1, "demo/experiment.py": 1, "demo/received.py": 1}


def test_the_report_asks_no_flag_of_a_protection():
    flags = re.compile(r"\.(only_sums_open|attested|inner)\b")
    counts = {
        path.name: len(flags.findall(path.read_text(encoding="utf-8")))
        for path in (SOURCES / "report").glob("*.py")
    }
    assert not sum(counts.values()), counts
