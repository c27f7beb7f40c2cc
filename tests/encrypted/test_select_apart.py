"""An evaluator in a process and a folder of its own, which hold no secret key."""

import subprocess
import sys

import numpy as np
import pytest
from tests.encrypted.clear import scores

from confide import he
from confide.encrypted import (
    Column,
    Rows,
    SealedUnit,
    Selection,
    SelectionOwner,
    Sums,
    read_message,
    read_selection,
    write_message,
)
from confide.errors import PlanError, ProtocolError

EVALUATOR = """
import sys
from pathlib import Path
from confide import he
from confide.encrypted import *

selection = read_selection(Path("selection.json").read_text())
context = he.Context(selection.plan.parameters)
keys = he.read_evaluation_keys(Path("evaluation.keys").read_bytes(), context)
rows = read_message(Path("rows").read_bytes(), Rows, selection, context)
evaluator = SelectionEvaluator(selection, keys, rows)

def answer(sums):
    Path("sums").write_bytes(write_message(sums, context))
    print("done", flush=True)

for line in sys.stdin:
    if line.strip() == "test":
        units = (
            read_message(path.read_bytes(), SealedUnit, selection, context)
            for path in sorted(Path().glob("*.unit"))
        )
        answer(Sums(packed=tuple(evaluator.test(units))))
    else:
        sent = read_message(Path("coefficients").read_bytes(), Coefficients, selection, context)
        answer(evaluator.step(sent) if line.strip() == "step" else evaluator.finish_null(sent))
"""


def test_an_evaluator_without_the_secret_key_selects_variables(tmp_path):
    random, rows = np.random.default_rng(2), 120
    table = {name: random.uniform(-1, 1, rows) for name in ("age", "a", "b")}
    table["c"] = random.integers(0, 2, rows).astype(float)
    table["y"] = (random.logistic(size=rows) < 2 * table["b"]).astype(float)
    column = Column(low=-1, high=1)
    selection = Selection(
        rows=rows, covariates={"age": column}, label="y", newton_steps=2,
        variables={"a": column, "b": column, "c": Column(binary=True)},
    )  # fmt: skip
    owner = SelectionOwner(selection, table)
    context = owner.secret.context

    def send(name, message):
        (tmp_path / name).write_bytes(write_message(message, context))

    (tmp_path / "selection.json").write_text(selection.text())
    (tmp_path / "evaluation.keys").write_bytes(he.write(owner.keys(), context))
    send("rows", owner.rows())
    for i, unit in enumerate(owner.units()):
        send(f"{i}.unit", unit)
    program = [sys.executable, "-W", "error", "-c", EVALUATOR]
    with subprocess.Popen(
        program, cwd=tmp_path, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as evaluator:
        told, answers = evaluator.stdin, evaluator.stdout
        assert told
        assert answers

        def ask(what):
            told.write(f"{what}\n")
            told.flush()
            assert answers.readline() == "done\n"
            return read_message((tmp_path / "sums").read_bytes(), Sums, selection, context)

        coefficients = owner.coefficients()
        for _ in selection.refreshes:
            send("coefficients", coefficients)
            coefficients = owner.refresh(ask("step"))
        send("coefficients", coefficients)
        null = ask("finish")
        selected = owner.result(null, ask("test"))
        told.close()
    assert evaluator.returncode == 0

    u, _ = scores(table["age"][:, None], table["y"], np.column_stack([table[n] for n in "abc"]))
    assert [each.u for each in selected.tested] == pytest.approx(u, abs=1e-2)
    assert selected.top(1)[0].variable == "b"


def test_a_selection_survives_its_text_and_other_texts_are_refused():
    selection = Selection(
        rows=10, covariates={"age": Column(low=0.1, high=90)}, label="y",
        variables={"a b": Column(), "ü": Column(binary=True)},
    )  # fmt: skip
    text = selection.text()

    assert read_selection(text) == selection
    assert list(read_selection(text).variables) == ["a b", "ü"]
    for other in ("", "{}", "[1]", text.replace("rows", "raws"), text.replace("-1", "-2")):
        with pytest.raises(ProtocolError, match="selection"):
            read_selection(other)
    with pytest.raises(PlanError, match="rows is 1"):
        read_selection(text.replace('"rows": 10', '"rows": 1'))


def test_a_message_of_another_kind_is_refused(tmp_path):
    selection = Selection(
        rows=10, covariates={"age": Column()}, label="y", variables={"a": Column()}
    )
    secret = he.SecretKey(he.Context(selection.plan.parameters))
    context = secret.context
    data = write_message(Sums(packed=(secret.encrypt([1.0], level=0),)), context)

    assert len(read_message(data, Sums, selection, context).packed) == 1
    with pytest.raises(ProtocolError, match="another kind"):
        read_message(data, Rows, selection, context)
    with pytest.raises(ProtocolError, match="another kind"):
        read_message(data, SealedUnit, selection, context)
    with pytest.raises(ProtocolError):
        read_message(data[:-1], Sums, selection, context)
