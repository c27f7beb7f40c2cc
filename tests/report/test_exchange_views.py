"""What reports say of exchanges, held against what really passes in one."""

import json

import pytest
from tests.exchange.scores import EVALUATOR, OWNER, Table, declared, plan_of
from tests.plan.examples import make_sum

from confide.plan import Code, NoiseShares, Party, Plan, SumGroup, Sums, Task
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
def test_nobody_but_the_owner_reads_anything(observer):
    for value, observation in seen(REPORT, observer).items():
        keys = "nobody" in value
        assert ("ciphertext" if not keys else "key") in observation.form
        assert "ring-LWE" in observation.voided_by


def test_the_owner_reads_its_scores():
    scores = seen(REPORT, OWNER)["the model's score of each row, of bureau and bank"]
    assert scores.form == "opened with its secret key"
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
    both = report.view(OWNER).observations
    assert both[: len(of_sums.view(OWNER).observations)] == of_sums.view(OWNER).observations
    assert len(both) == len(of_sums.view(OWNER).observations) + 4
    assert report.view("cedar") == of_sums.view("cedar")
    assert report.sums == of_sums.sums
    assert report.noise == of_sums.noise


def test_it_is_shown_as_text_json_and_html():
    text, page = str(REPORT), views_html(REPORT)
    assert "scores: the model's score of each row, from bureau to bank" in text
    assert "none: the plan has no sums" in text
    assert json.loads(json.dumps(to_json(REPORT)))["messages"][0]["name"] == "public-key"
    assert "<code>evaluation-keys</code>" in page
