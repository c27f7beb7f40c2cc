"""What a plan says of a selection: who sees what, and what the owner refreshes."""

import numpy as np
import pytest

from confide import he
from confide.encrypted import (
    Column,
    Selection,
    SelectionEvaluator,
    SelectionOwner,
    Sums,
    selection_exchange,
    write_message,
)
from confide.plan import (
    Adversary,
    Condition,
    Corruption,
    Exchange,
    MessageForm,
    Outcome,
    Party,
    Plan,
    Threat,
    What,
    exposures,
)

SELECTION = Selection(
    rows=150,
    covariates={"age": Column(low=-1, high=1)},
    variables={"a": Column(low=-1, high=1), "b": Column(binary=True)},
    label="y",
    newton_steps=1,
)


def _plan(selection=SELECTION, **threat):
    stage = selection_exchange(selection, owner="bank", evaluator="cloud")
    parties = (Party.simulation("bank"), Party.simulation("cloud"))
    return Plan(
        name="select", parties=parties, stages=(stage,),
        threat=Threat(confidentiality=Adversary(**threat), integrity=Adversary(**threat)),
    )  # fmt: skip


@pytest.fixture(scope="module")
def exchange() -> Exchange:
    return _plan().exchanges[0]


def test_every_refresh_is_a_message_that_the_owner_opens_and_one_that_it_encrypts(exchange):
    opened = [m for m in exchange.messages if m.is_opened]
    assert [m.name for m in opened] == ["sums-1", "sums-last", "results"]
    assert all(m.sender == "evaluator" and m.of == ("owner",) for m in opened)
    sent = [m for m in exchange.messages if m.name.startswith("coefficients")]
    assert [m.name for m in sent] == ["coefficients-0", "coefficients-1"]
    assert opened[0].shape == (SELECTION.refreshes[0].opened,)
    assert sent[0].shape == (SELECTION.refreshes[0].sent,)
    assert not any(m.form is MessageForm.PLAINTEXT for m in exchange.messages)


def test_what_is_sent_is_no_larger_than_declared(exchange):
    random = np.random.default_rng(0)
    table = {name: random.uniform(-1, 1, 150) for name in ("age", "a")}
    table |= {name: random.integers(0, 2, 150).astype(float) for name in ("b", "y")}
    owner = SelectionOwner(SELECTION, table)
    context, keys, rows = owner.secret.context, owner.keys(), owner.rows()
    evaluator = SelectionEvaluator(SELECTION, keys, rows)
    first = owner.coefficients()
    sums = evaluator.step(first)
    second = owner.refresh(sums)
    last = evaluator.finish_null(second)
    units = list(owner.units())
    results = Sums(packed=tuple(evaluator.test(units)))

    def size(parts):
        return sum(len(he.write(part, context)) for part in parts)

    sizes = {
        "evaluation-keys": size([keys]),
        "rows": size([*rows.covariates, rows.label]),
        "coefficients-0": size([*first.slopes, *first.of_p, *first.of_w]),
        "sums-1": size(sums.packed),
        "coefficients-1": size([*second.slopes, *second.of_p, *second.of_w]),
        "sums-last": size(last.packed),
        "variables-1": sum(len(write_message(unit, context)) for unit in units),
        "results": size(results.packed),
    }
    assert list(sizes) == [m.name for m in exchange.messages]
    for message in exchange.messages:
        assert sizes[message.name] <= message.max_bytes


def test_the_evaluator_reads_nothing(exchange):
    for found in exposures(_plan()):
        if found.observer.name == "cloud" and found.condition is Condition.EVERY_RUN:
            assert found.what is What.METADATA or found.form.value not in {"plaintext", "result"}


def test_integrity_and_reactions_are_said_of_an_evaluator_that_lies():
    plan = _plan(evaluator=Corruption.MALICIOUS)
    by_name = {f.attack: f.outcome for f in plan.findings}
    assert by_name["false result"] is Outcome.REPORTED
    assert by_name["another ciphertext in the place of a result"] is Outcome.REPORTED
    cheating = [e for e in exposures(plan) if e.condition is Condition.BY_CHEATING]
    assert {e.observer.name for e in cheating} == {"cloud"}
    curious = {
        f.attack: f.outcome
        for f in _plan(evaluator=Corruption.CURIOUS, colluding_parties=0).findings
    }
    assert curious["false result"] is Outcome.ABSENT


def test_a_table_that_no_message_holds_is_sent_in_several():
    large = Selection(
        rows=364_000,
        covariates={"age": Column()},
        variables={f"variable {i}": Column() for i in range(564)},
        label="y",
    )
    messages = _plan(large).exchanges[0].messages
    variables = [m for m in messages if m.name.startswith("variables-")]
    assert len(variables) > 1
    assert sum(m.shape[1] for m in variables if m.shape) == 564
