"""Exchanges in plan files: read as Python makes them, refused with one clear error."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from tests.exchange.scores import COLUMNS, EVALUATOR, MODEL, OWNER, ROWS, declared

from confide.cli import main
from confide.computation import read_plan as read_plan_of_sums
from confide.errors import PlanError
from confide.exchange import read_plan
from confide.plan import Exchange

PARTIES = f'[[party]]\nname = "{OWNER}"\n[[party]]\nname = "{EVALUATOR}"\n'
ROLES = (
    f'[[role]]\nname = "owner"\nparty = "{OWNER}"\n'
    f'[[role]]\nname = "evaluator"\nparty = "{EVALUATOR}"\n'
)
TASK = f'[task]\nname = "encrypted-score"\ncolumns = {json.dumps(COLUMNS)}\nrows = 2\n'
SETTINGS = "precision = 1e-3\n"
THREE = "".join(f'[[party]]\nname = "{name}"\n' for name in ("cedar", "dogwood", "elm"))
FED_AVG = (
    '[stage.task]\nname = "fed-avg"\nweight_cap = 50\nclip_norm_l2 = 1.0\nlocal_steps = 2\n'
    '[stage.task.model]\nfamily = "bernoulli"\n'
    '[stage.task.table]\nfeatures = ["x", "z"]\nlabel = "y"\n'
)


def text_of(top="", *, parties=PARTIES, roles=ROLES, task=TASK + SETTINGS):
    return f'name = "scores"\n{top}\n{parties}\n{roles}\n{task}'


def staged(text):
    """The sections of an exchange as those of a stage."""
    return "[[stage]]\n" + text.replace("[[role]]", "[[stage.role]]").replace(
        "[task]", "[stage.task]"
    )


MIXED = text_of(
    parties=PARTIES + THREE,
    roles="[[stage]]\n" + FED_AVG,
    task=staged(ROLES + TASK + SETTINGS),
)


def refusal(text):
    with pytest.raises(PlanError) as error:
        read_plan(text, "plan.toml")
    return str(error.value)


class TestReading:
    def test_gives_the_stage_that_python_makes(self):
        made, computations = read_plan(text_of("rounds = 3"), "plan.toml")
        by_hand = declared(rounds=3).stage(owner=OWNER, evaluator=EVALUATOR, name="exchange")
        assert made.stages == (by_hand,)
        assert computations == ()

    def test_of_stages_takes_sums_and_exchanges_in_order(self):
        made, computations = read_plan(MIXED, "plan.toml")
        assert [type(stage).__name__ for stage in made.stages] == ["Sums", "Exchange"]
        assert [c.task.name for c in computations] == ["fed-avg"]

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            (text_of(roles=""), ["'role' is missing"]),
            (text_of(roles=ROLES.split("[[role]]")[1].join(["[[role]]", ""])),
             ["has the roles owner", "'evaluator', whose model"]),
            (text_of(roles=ROLES.replace('"evaluator"', '"judge"')),
             ["has the roles owner, judge", "'evaluator'"]),
            (text_of(parties=PARTIES + '[[party]]\nname = "elm"\n'),
             ["party 'elm' holds no role in exchange 'exchange'", "give it a role"]),
            (text_of(roles=ROLES.replace(EVALUATOR, "buro")), ["no party 'buro'"]),
            (text_of(roles=ROLES.replace("party =", "partie =")),
             ["unknown key 'role.0.partie', did you mean 'party'?"]),
            (text_of(task=TASK + "precison = 1e-3\n"),
             ["unknown key 'precison'", "did you mean 'precision'?"]),
            (text_of(task=TASK.replace("columns", "column")),
             ["unknown key 'column'", "did you mean 'columns'?"]),
            (text_of(task='[task]\nname = "encrypted-score"\n'), ["lacks columns"]),
            (text_of(task=TASK + "precision = 0\n"), ["precision is 0"]),
            (text_of(roles="", task=TASK.replace("encrypted-score", "encrypted-scores")),
             ["nothing computes 'encrypted-scores'; did you mean 'encrypted-score'?"]),
            (text_of("rounds = 0"), ["rounds is 0"]),
            (text_of("dropouts = 1"), ["sets dropouts", "an exchange has no sums"]),
            (text_of("[release]\nto = 'everyone'"), ["unknown key 'release'"]),
            (MIXED.replace("[[stage]]", "[[role]]\nname = 'x'\nparty = 'y'\n[[stage]]", 1),
             ["'role' at the top of a plan with sections [[stage]]"]),
            (MIXED.replace("[stage.task]\nname = \"encrypted-score\"",
                           "budget = 0.5\n[stage.task]\nname = \"encrypted-score\""),
             ["unknown key 'stage.1.role.1.budget'"]),
        ],
    )  # fmt: skip
    def test_of_what_cannot_be_names_it_with_the_fix(self, text, told):
        message = refusal(text)
        assert [part for part in told if part not in message] == [], message

    def test_by_what_knows_sums_alone_is_refused(self):
        with pytest.raises(PlanError, match="no installed package computes 'encrypted-score'"):
            read_plan_of_sums(text_of(roles=""), "plan.toml")


@pytest.fixture
def confide(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.toml").write_text(text_of("rounds = 2"))
    rows = np.concatenate([ROWS, ROWS[::-1]])
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv("rows.csv", index=False)
    model = pd.DataFrame([[MODEL.intercept, *MODEL.weights]], columns=["intercept", *COLUMNS])
    model.to_csv("weights.csv", index=False)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["confide", *arguments])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        written = capsys.readouterr()
        return code, written.out, written.err

    return run


class TestCommands:
    FILES = ("--rows", f"{OWNER}=rows.csv", "--weights", f"{EVALUATOR}=weights.csv")

    def test_simulate_scores_the_rows(self, confide):
        code, out, err = confide("simulate", "plan.toml", *self.FILES, "--json")
        assert code == 0, err
        found = json.loads(out)["exchanges"]["exchange"]
        scores = np.array(found["results"][OWNER])
        true = ROWS @ MODEL.weights + MODEL.intercept
        np.testing.assert_allclose(scores, [true, true[::-1]], atol=1e-3)
        assert list(found["results"]) == [OWNER]

    def test_simulate_says_in_one_error_which_files_are_missing(self, confide):
        code, _, err = confide("simulate", "plan.toml")
        assert code != 0
        assert f"the rows of '{OWNER}': give --rows {OWNER}=FILE" in err
        assert f"the weights of '{EVALUATOR}': give --weights {EVALUATOR}=FILE" in err

    @pytest.mark.parametrize(
        ("changed", "told"),
        [
            (("--rows", f"{OWNER}=rows.csv", "--weights", f"{EVALUATOR}=rows.csv"), "4 rows"),
            (("--rows", "bnk=rows.csv"), f"did you mean '{OWNER}'?"),
            ((*FILES, "--data", f"{OWNER}=rows.csv"), "has no sums for them"),
            ((*FILES, "--drop", f"{OWNER}:0"), "has no sums, and drops are only for sums"),
        ],
    )
    def test_simulate_refuses_what_does_not_fit(self, confide, changed, told):
        code, _, err = confide("simulate", "plan.toml", *changed)
        assert code != 0
        assert told in " ".join(err.split())

    def test_plan_commands_read_it(self, confide):
        plan, _ = read_plan(text_of("rounds = 2"), "plan.toml")
        assert confide("plan", "hash", "plan.toml")[1].strip() == plan.hash.hex()
        shown = json.loads(confide("plan", "show", "plan.toml")[1])
        (exchange,) = plan.exchanges
        assert shown["derived"]["message_bytes"]["exchange"] == {
            m.name: m.max_bytes for m in exchange.messages
        }
        assert "bank reads" in confide("plan", "views", "plan.toml")[1]
        quoted = json.loads(confide("plan", "estimate", "plan.toml", "--json")[1])
        sent = sum(m.max_bytes for m in exchange.messages if m.sender == "owner")
        assert quoted["bytes_sent_per_party"] == 2 * sent
        assert quoted["party_seconds"] > 0
        assert "ε = ∞" in quoted["privacy"]

    def test_estimate_refuses_more_bytes_than_allowed(self, confide):
        code, _, err = confide("plan", "estimate", "plan.toml", "--max-bytes", "1000")
        assert code != 0
        assert "the limit is 1,000" in " ".join(err.split())


def test_the_exchange_of_a_file_is_one_that_this_release_runs():
    (stage,) = read_plan(text_of(), "plan.toml")[0].stages
    assert isinstance(stage, Exchange)
    assert type(declared()).of_exchange(stage).columns == COLUMNS
