"""What reports say of exchanges, held against what really passes in one."""

import json

import pytest
from tests.exchange.scores import EVALUATOR, OWNER, Table, declared, plan_of
from tests.plan.examples import make_sum

from confide.plan import (
    Code,
    Condition,
    Form,
    NoiseShares,
    Party,
    Plan,
    SumGroup,
    Sums,
    Task,
    Verdict,
    What,
)
from confide.report import views
from confide.report.document import to_json, views_html

REPORT = views(plan_of(declared(rows=1, rounds=2)))


def mixed():
    parties = tuple(Party.simulation(n) for n in (OWNER, EVALUATOR, "cedar", "dogwood", "elm"))
    sums = Sums(
        task=Task("task"),
        code=Code(package="package", version="1.0", digest=bytes(32)),
        sums=SumGroup((make_sum(),)),
    )
    exchange = declared().stage(owner=OWNER, evaluator=EVALUATOR)
    return Plan(name="both", parties=parties, stages=(sums, exchange), noise=NoiseShares(2.0))


def seen(report, observer):
    return {o.value: o for o in report.view(observer).observations}


def test_there_is_a_view_of_each_observer():
    assert [v.observer for v in REPORT.views] == [OWNER, EVALUATOR, "coordinator", "network"]
    assert all(v.within_threat for v in REPORT.views)


@pytest.mark.parametrize("observer", [EVALUATOR, "coordinator", "network"])
def test_nobody_but_the_owner_reads_anything_without_cheating(observer):
    found = [o for o in REPORT.view(observer).observations if o.condition is Condition.EVERY_RUN]
    assert len(found) == 4
    for observation in found:
        assert "ciphertext" in observation.form or "randomness" in observation.form
        assert "ring-LWE" in observation.voided_by
        assert observation.privacy == "nothing to bound"


def test_one_question_is_asked_of_sums_and_exchanges():
    report = views(mixed())
    of_model = report.who_sees(party=EVALUATOR, form=Form.RESULT, what=What.RESULT)
    assert [(e.observer.name, e.stage) for e in of_model] == [(OWNER, 1)]
    hidden = report.who_sees(party=OWNER, form=Form.CIPHERTEXT)
    assert {e.observer.name for e in hidden} >= {EVALUATOR, "coordinator", "network"}
    assert {e.stage for e in report.who_sees(party=OWNER)} == {None, 0, 1}
    assert {e.stage for e in report.who_sees(party="cedar")} == {None, 0}


def test_the_verdict_counts_what_results_tell():
    of_record, of_party, record, party = views(mixed()).verdicts
    assert (of_record.where, record.where) == ("the sums", "'scoring'")
    assert (record.verdict, party.verdict) == (Verdict.NOT_PRIVATE, Verdict.NOT_PRIVATE)
    assert OWNER in record.against
    # The sums beside it are as private as they were.
    assert (of_record.verdict, of_party.verdict) == (Verdict.PRIVATE, Verdict.HIDDEN)
    assert of_record.statement is not None


def test_the_owner_reads_its_scores():
    scores = seen(REPORT, OWNER)["the model's score of each row, of bureau and bank"]
    assert scores.form == "opened by its key"
    assert scores.when == "in each of 2 rounds"
    assert "ε = ∞" in scores.privacy


def test_the_promise_names_who_reads_what():
    assert 'bank reads "the model\'s score of each row"' in REPORT.promise
    assert "Everybody else sees keys and ciphertexts" in REPORT.promise


def test_messages_are_those_that_are_sent_and_no_larger():
    table = Table(declared()).asked()
    table.answer()
    facts = {m.name: m for m in views(table.plan).messages}
    assert list(facts) == list(table.sent)
    for name, data in table.sent.items():
        assert len(data) < facts[name].max_bytes + 1024
    assert (facts["scores"].sender, facts["scores"].receiver) == (EVALUATOR, OWNER)


def test_sums_and_exchanges_stand_in_one_report():
    plan = mixed()
    report, of_sums = views(plan), views(plan.sums_part)
    assert [v.observer for v in report.views] == [v.observer for v in of_sums.views]
    for observer in (OWNER, "cedar"):
        both, alone = report.view(observer).observations, of_sums.view(observer).observations
        assert [o.form for o in both[: len(alone)]] == [o.form for o in alone]
        assert len(both) == len(alone) + (5 if observer == OWNER else 0)
        assert report.view(observer).statement == of_sums.view(observer).statement
    assert report.sums == of_sums.sums
    assert report.noise == of_sums.noise


def test_it_is_shown_as_text_json_and_html():
    text, page = REPORT.full, views_html(REPORT)
    assert "scores: the model's score of each row, from bureau to bank" in text
    assert "none: the plan has no sums" in text
    assert json.loads(json.dumps(to_json(REPORT)))["messages"][0]["name"] == "public-key"
    assert "<code>evaluation-keys</code>" in page
