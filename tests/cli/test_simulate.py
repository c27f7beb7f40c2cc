import json

import numpy as np
import pandas as pd
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.cli.conftest import NAMES, PLAN, table_of

from confide.computation import Checkpoint, checked_state, read_plan, state_hash
from confide.engines import Drop, simulate

HOLD_OUT = table_of(99)


@pytest.fixture
def plan():
    return read_plan(PLAN, "plan.toml")[0]


def data(kind="csv", **changed):
    files = {name: f"{name}.{kind}" for name in NAMES} | changed
    return [part for name, file in files.items() for part in ("--data", f"{name}={file}")]


def digest_of(table):
    return state_hash({c: table[c].to_numpy() for c in ("x", "z", "y")}).hex()


@pytest.fixture
def public(folder):
    """A plan that declares a hold-out, and the hold-out."""
    HOLD_OUT.to_csv("hold-out.csv", index=False)
    rounded = pd.read_csv("hold-out.csv")
    text = PLAN + (
        f'[[public]]\nname = "hold-out"\nsha256 = "{digest_of(rounded)}"\nmeaning = "published"\n'
    )
    (folder / "public.toml").write_text(text)
    return "public.toml"


class TestSimulate:
    @pytest.mark.parametrize("kind", ["csv", "parquet"])
    def test_gives_what_the_library_gives(self, confide, plan, kind):
        done = confide("simulate", "plan.toml", *data(kind), "--json")
        assert done.code == 0
        summary = json.loads(done.out)
        tables = {name: table_of(i) for i, name in enumerate(NAMES)}
        run = simulate(plan, tables)
        assert summary["plan"] == plan.hash.hex()
        assert summary["state_sha256"] == state_hash(run.state).hex()
        assert summary["state"] == {"parameters": run.state["parameters"].tolist()}
        assert [entry["survivors"] for entry in summary["rounds"]] == [5, 5]

    def test_shows_a_table_and_progress_apart(self, confide, plan):
        done = confide("simulate", "plan.toml", *data())
        assert f"test (plan {plan.short_hash}…)" in done.out
        assert "bytes out" in done.out
        assert done.err == "rounds: 2 of 2\n"
        assert "2/2" not in done.out

    def test_shows_the_first_and_the_last_of_many_rounds(self, confide, folder):
        (folder / "long.toml").write_text(PLAN.replace("rounds = 2", "rounds = 12"))
        shown = confide("simulate", "long.toml", *data()).out
        rounds = [line.split()[1] for line in shown.splitlines() if line.startswith("│")]
        assert rounds == ["0", "1", "2", "⋮", "9", "10", "11"]

    def test_shows_the_name_of_a_plan_as_it_is(self, confide, folder):
        name = "[red]not red[/red] [/] \\\\u001b[31m"
        (folder / "odd.toml").write_text(PLAN.replace('"test"', f'"{name}"'))
        done = confide("simulate", "odd.toml", *data())
        assert done.code == 0
        assert "[red]not red[/red] [/]" in done.out
        assert "\x1b" not in done.out

    def test_drops_parties_out(self, confide, plan):
        done = confide("simulate", "plan.toml", *data("parquet"), "--drop", "cedar:0", "--json")
        summary = json.loads(done.out)
        assert [entry["survivors"] for entry in summary["rounds"]] == [4, 4]
        assert all(entry["dropped"].startswith("cedar") for entry in summary["rounds"])
        tables = {name: table_of(i) for i, name in enumerate(NAMES)}
        run = simulate(plan, tables, drops=[Drop("cedar", 0)])
        assert summary["state_sha256"] == state_hash(run.state).hex()

    def test_writes_state_history_views_and_summary(self, confide, folder, plan):
        done = confide("simulate", "plan.toml", *data(), "--out", "new/results")
        assert done.err.splitlines()[-1] == (
            "wrote state, history, views and summary to new/results"
        )
        out = folder / "new" / "results"
        assert {p.name for p in out.iterdir()} == {
            "state.safetensors", "history.csv", "views.html", "summary.json",
        }  # fmt: skip
        summary = json.loads((out / "summary.json").read_text())
        kept = Checkpoint.read(out / "state.safetensors", plan)
        assert state_hash(kept.state).hex() == summary["state_sha256"]
        assert kept.next_round == 2
        assert pd.read_csv(out / "history.csv")["round"].tolist() == [0, 1]
        assert "<html" in (out / "views.html").read_text(encoding="utf-8")

    def test_resumes_a_checkpoint_exactly(self, confide, folder, plan):
        whole = json.loads(confide("simulate", "plan.toml", *data(), "--json").out)
        interrupt_after_the_first_round(folder, plan)
        done = confide("simulate", "plan.toml", *data(), "--checkpoint", "run", "--json")
        resumed = json.loads(done.out)
        assert resumed["state_sha256"] == whole["state_sha256"]
        assert len(resumed["rounds"]) == 2
        assert "resumed run: 1 of 2 rounds were done\n" in done.err

    def test_says_that_a_finished_run_is_shown_and_not_run_again(self, confide, folder):
        fresh = confide("simulate", "plan.toml", *data(), "--checkpoint", "run")
        assert "resumed" not in fresh.err
        table_of(7).to_csv("elm.csv", index=False)
        done = confide("simulate", "plan.toml", *data(), "--checkpoint", "run")
        assert done.out == fresh.out
        assert done.err == "resumed run: 2 of 2 rounds were done\n"

    def test_says_which_plan_is_simulated_where_real_keys_are_replaced(self, confide, folder, plan):
        key = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
        keyed = PLAN.replace('name = "elm"\n', f'name = "elm"\nkey = "{key}"\n')
        keyed += f'[coordinator]\nkey = "{"c0" * 32}"\n'
        (folder / "keyed.toml").write_text(keyed)
        signed = confide("plan", "hash", "keyed.toml").out.strip()
        done = confide("simulate", "keyed.toml", *data(), "--out", "results")
        assert done.out.endswith(
            f"real keys were replaced: simulated as plan {plan.short_hash}… of plan "
            f"{signed[:16]}…\n"
        )
        summary = json.loads((folder / "results" / "summary.json").read_text())
        assert (summary["plan"], summary["simulation_of"]) == (plan.hash.hex(), signed)

    def test_says_nothing_of_keys_where_none_is_replaced(self, confide):
        assert "replaced" not in confide("simulate", "plan.toml", *data()).out
        done = confide("simulate", "plan.toml", *data(), "--json")
        assert json.loads(done.out)["simulation_of"] is None


def interrupt_after_the_first_round(folder, plan):
    """Leaves the checkpoint of a run that somebody stopped after one round."""

    class StopError(Exception):
        pass

    def stop(entry):
        raise StopError

    tables = {name: pd.read_csv(folder / f"{name}.csv") for name in NAMES}
    with pytest.raises(StopError):
        simulate(plan, tables, checkpoint=folder / "run", on_round=stop)


class TestPublic:
    def test_measures_the_model_after_each_round(self, confide, public):
        done = confide("simulate", public, *data(), "--public", "hold-out=hold-out.csv", "--json")
        rounds = json.loads(done.out)["rounds"]
        assert [set(entry) >= {"loss", "auc", "accuracy"} for entry in rounds] == [True, True]
        assert rounds[1]["loss"] < rounds[0]["loss"]

    def test_shows_a_resumed_run_that_was_not_measured_before(self, confide, folder, public):
        plan, _ = read_plan((folder / public).read_text(), public)
        interrupt_after_the_first_round(folder, plan)
        done = confide(
            "simulate", public, *data(), "--public", "hold-out=hold-out.csv",
            "--checkpoint", "run",
        )  # fmt: skip
        assert done.code == 0
        assert "auc" in done.out

    def test_shows_the_measurements_whole_on_eighty_columns(self, confide, folder, public):
        done = confide(
            "simulate", public, *data(), "--public", "hold-out=hold-out.csv",
            "--drop", "dogwood:0", "--out", "results",
        )  # fmt: skip
        rounds = pd.read_csv(folder / "results" / "history.csv")
        heading, *lines = [line for line in done.out.splitlines() if line[:1] in "┃│"]
        assert [cell.strip() for cell in heading.strip("┃").split("┃")] == [
            "round", "survivors", "dropped", "loss", "auc", "accuracy",
        ]  # fmt: skip
        for line, (_, entry) in zip(lines, rounds.iterrows(), strict=True):
            for name in ("loss", "auc", "accuracy"):
                assert f" {entry[name]:.4f} " in line
        assert " dogwood " in lines[0]
        assert max(map(len, done.out.splitlines())) <= 80
        assert {"bytes_sent_per_party", "bytes_received_per_party", "seconds"} <= set(rounds)

    @pytest.mark.parametrize("kind", ["csv", "parquet"])
    def test_takes_the_section_that_plan_public_writes(self, confide, folder, public, kind):
        file = f"hold-out.{kind}"
        if kind == "parquet":
            pd.read_csv("hold-out.csv").to_parquet(file)
        written = confide("plan", "public", "plan.toml", file, "--name", "our rows")
        assert (written.code, written.err) == (0, "")
        (folder / "written.toml").write_text(f"{PLAN}\n{written.out}")
        plan, _ = read_plan((folder / "written.toml").read_text(), "written.toml")
        (value,) = plan.public
        assert (value.name, value.rows) == ("our rows", 20)
        done = confide("simulate", "written.toml", *data(), "--public", f"our rows={file}")
        assert done.code == 0

    def test_refuses_another_number_of_rows_than_declared(self, refused, folder, public):
        declared = (folder / public).read_text() + "rows = 21\n"
        (folder / public).write_text(declared)
        said = refused("simulate", public, *data(), "--public", "hold-out=hold-out.csv", code=3)
        assert said == (
            "hold-out.csv has 20 rows, but the public value 'hold-out' that the plan declares "
            "has 21"
        )

    def test_takes_the_declared_number_of_rows(self, confide, folder, public):
        (folder / public).write_text((folder / public).read_text() + "rows = 20\n")
        done = confide("simulate", public, *data(), "--public", "hold-out=hold-out.csv")
        assert done.code == 0

    def test_refuses_any_rows_if_the_plan_declares_none(self, refused):
        said = refused("simulate", "plan.toml", *data(), "--public", "holdout=elm.csv", code=3)
        assert said.endswith(
            "the plan declares none; `confide plan public` writes the section to add"
        )

    def test_refuses_rows_that_the_plan_does_not_declare(self, refused, public):
        said = refused("simulate", public, *data(), "--public", "holdout=hold-out.csv", code=3)
        assert said.startswith("the plan declares no public value 'holdout'")
        assert "did you mean 'hold-out'" in said

    def test_refuses_other_rows_and_says_which_digest_they_have(self, refused, public):
        said = refused("simulate", public, *data(), "--public", "hold-out=elm.csv", code=3)
        assert said.startswith("elm.csv is not the public value 'hold-out'")
        assert digest_of(pd.read_csv("elm.csv")) in said

    def test_refuses_other_columns(self, refused, public):
        HOLD_OUT.rename(columns={"z": "zz"}).to_csv("hold-out.csv", index=False)
        said = refused("simulate", public, *data(), "--public", "hold-out=hold-out.csv", code=3)
        assert said.startswith("hold-out.csv has no column 'z'; did you mean 'zz'")

    @pytest.mark.parametrize("odd", ["text", None], ids=["text", "missing"])
    def test_refuses_columns_that_are_not_numbers(self, refused, public, odd):
        values = ["1.0", odd] * 10
        pd.DataFrame({"x": values, "z": 1.0, "y": 1}).to_csv("hold-out.csv", index=False)
        said = refused("simulate", public, *data(), "--public", "hold-out=hold-out.csv", code=3)
        assert said.startswith("hold-out.csv has column 'x' ")

    def test_takes_one_file(self, refused, public):
        said = refused(
            "simulate", public, *data(), "--public", "a=elm.csv", "--public", "b=elm.csv", code=3
        )
        assert said.startswith("2 public files")


BAD_TABLES = {
    "missing": (None, "birch: cannot read bad.csv: No such file"),
    "empty": (b"", "birch: bad.csv is empty"),
    "no rows": (b"x,z,y\n", "birch: bad.csv has no rows"),
    "other columns": (b"x,zz,y\n1,2,0\n", "party 'birch' has no column 'z'; did you mean 'zz'"),
    "NaN": (b"x,z,y\n1,2,0\n1,,0\n", "party 'birch' has NaN or infinity in column 'z', first"),
    "infinity": (b"x,z,y\n1,inf,0\n", "party 'birch' has column 'z' of type object; numbers are"),
    "text": (b"x,z,y\n1,a,0\n", "party 'birch' has column 'z' of type object; numbers are"),
    "ragged": (b"x,z,y\n1,2,0\n1,2,0,4,5\n", "birch: bad.csv has rows with more cells"),
    "no text": (b"x,z,y\n1,2,\xff\n", "party 'birch' has column 'y' of type object"),
}  # fmt: skip


class TestBadInput:
    @pytest.mark.parametrize("case", BAD_TABLES)
    def test_tables_are_refused(self, refused, folder, case):
        content, message = BAD_TABLES[case]
        if content is not None:
            (folder / "bad.csv").write_bytes(content)
        outputs = ["--out", "results", "--checkpoint", "run"]
        said = refused("simulate", "plan.toml", *data(birch="bad.csv"), *outputs, code=3)
        assert said.startswith(message)
        assert not (folder / "results").exists()

    def test_broken_parquet_is_refused(self, refused, folder):
        (folder / "bad.parquet").write_bytes(b"PAR1 not really PAR1")
        said = refused("simulate", "plan.toml", *data(birch="bad.parquet"), code=3)
        assert said.startswith("birch: cannot read bad.parquet: ")

    def test_parquet_of_missing_numbers_is_refused(self, refused):
        table = pd.DataFrame({"x": pd.array([1, None], "Int64"), "z": 1.0, "y": 1})
        table.to_parquet("bad.parquet")
        said = refused("simulate", "plan.toml", *data(birch="bad.parquet"), code=3)
        assert said.startswith("party 'birch' has ")
        assert "column 'x'" in said

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (["none.toml", *data()], 2, "cannot read the plan file none.toml"),
            (["plan.toml", *data()[2:]], 3, "no data for alder; each party of the plan needs some"),
            (["plan.toml", *data(oak="elm.csv")], 3, "data for oak, who is not in plan 'test'"),
            (["plan.toml", *data(), "--data", "elm=elm.csv"], 3, "--data names 'elm' twice"),
            (["plan.toml", "--data", "elm.csv"], 3, "--data 'elm.csv'; write NAME=FILE"),
            (["plan.toml", "--data", "=elm.csv"], 3, "--data '=elm.csv'; write NAME=FILE"),
            (["plan.toml", "--data", "elm="], 3, "--data 'elm='; write NAME=FILE"),
            (["plan.toml", *data(elm="plan.toml")], 3, "elm: plan.toml is of no known kind"),
            (["plan.toml", *data(elm=".")], 3, "elm: . is a folder; name a file in it"),
            (["plan.toml", *data(), "--drop", "elm"], 3, "--drop 'elm'; write NAME:ROUND"),
            (["plan.toml", *data(), "--drop", "elm:x"], 3, "--drop 'elm:x'; write NAME:ROUND"),
            (["plan.toml", *data(), "--drop", "elm:²"], 3, "--drop 'elm:²'; write NAME:ROUND"),
            (["plan.toml", *data(), "--drop", "elm:" + "9" * 5000], 3, "--drop 'elm:999"),
            (["plan.toml", *data(), "--drop", "elm:2"], 3, "'elm' drops out of round 2; rounds"),
            (["plan.toml", *data(), "--drop", "oak:0"], 3, "'oak' cannot drop out"),
            (["plan.toml", *data(), "--drop", "elm:0", "--drop", "birch:0"], 7, "3 of 5 parties"),
            (["plan.toml", *data(), "--checkpoint", "elm.csv"], 3, "elm.csv is not a readable"),
            (["plan.toml", *data(), "--checkpoint", "."], 3, ". is not a readable checkpoint"),
            (["plan.toml", *data(), "--checkpoint", "no/run"], 3, "no folder no for the checkp"),
            (["plan.toml", *data(), "--out", "elm.csv"], 3, "--out elm.csv is a file; name a"),
            (["plan.toml", *data(), "--public", "a=elm.csv"], 3, "the plan declares no public"),
        ],
        ids=["no plan", "missing party", "unknown party", "given twice", "no name", "empty name",
             "no file", "no table", "a folder", "no round", "round no number", "round odd digit",
             "round of many digits", "round too late", "unknown drop", "too many drops",
             "no checkpoint", "checkpoint a folder", "checkpoint nowhere", "out a file",
             "not public"],
    )  # fmt: skip
    def test_gives_one_line_and_leaves_no_file(self, refused, arguments, code, message):
        assert refused("simulate", *arguments, code=code).startswith(message)

    def test_a_run_that_cannot_be_kept_says_so(self, confide, folder):
        (folder / "results" / "history.csv").mkdir(parents=True)
        done = confide("simulate", "plan.toml", *data(), "--out", "results")
        assert (done.code, done.out) == (3, "")
        assert done.err.splitlines()[-1].startswith("error: cannot write to results: ")

    def test_of_a_checkpoint_of_another_plan_is_refused(self, refused, folder, plan):
        Checkpoint(bytes(32), 1, checked_state({"parameters": np.zeros(3)}), ()).write(
            folder / "run"
        )
        said = refused("simulate", "plan.toml", *data(), "--checkpoint", "run", code=3)
        assert said.startswith("run belongs to plan 0000000000000000…, not to")


def test_a_plan_with_an_enclave_says_where_one_runs(folder, refused):
    plan = (folder / "plan.toml").read_text()
    enclave = '[enclave]\npolicy = "' + "ab" * 32 + '"\n[threat]\nhardware = "assumed-sound"\n'
    (folder / "plan.toml").write_text(f'aggregation = "enclave"\n{plan}{enclave}')
    data = [part for name in NAMES for part in ("--data", f"{name}={name}.csv")]
    assert "confide demo --enclave" in refused("simulate", "plan.toml", *data, code=2)
