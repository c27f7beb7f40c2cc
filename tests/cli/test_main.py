import subprocess
import sys

import pytest

import confide as package
from confide.cli.commands import COMMANDS, command
from confide.errors import PlanError

PROGRAM = "from confide.cli import main; main()"


class TestMain:
    def test_as_a_process_writes_one_line_of_error_and_exits(self, folder):
        failed = subprocess.run(
            [sys.executable, "-W", "error", "-c", PROGRAM, "plan", "hash", "none.toml"],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert (failed.returncode, failed.stdout) == (2, "")
        assert failed.stderr.startswith("error: cannot read the plan file none.toml: ")
        assert failed.stderr.count("\n") == 1

    def test_shows_the_version(self, confide):
        done = confide("--version")
        assert (done.code, done.out) == (0, package.__version__ + "\n")

    def test_shows_the_trace_only_if_asked(self, confide, refused):
        refused("plan", "hash", "none.toml", code=2)
        with pytest.raises(PlanError):
            confide("--debug", "plan", "hash", "none.toml")
        refused("plan", "hash", "none.toml", code=2)

    @pytest.mark.parametrize(
        ("arguments", "mentioned"),
        [
            ([], ["plan", "simulate", "demo", "--debug", "--version"]),
            (["plan"], ["new", "show", "views", "estimate", "hash"]),
            (["plan", "new"], ["PLAN.toml"]),
            (["plan", "show"], ["PLAN.toml"]),
            (["plan", "views"], ["PLAN.toml", "--format"]),
            (["plan", "estimate"], ["--rows", "--max-bytes", "--max-seconds", "--json"]),
            (["plan", "hash"], ["PLAN.toml"]),
            (["simulate"], ["--data", "--public", "--drop", "--checkpoint", "--out", "--json"]),
        ],
        ids=lambda value: " ".join(value) if "PLAN.toml" not in value else "",
    )
    def test_helps(self, confide, arguments, mentioned):
        done = confide(*arguments, "--help")
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith("Usage: confide " + " ".join(arguments))
        assert [word for word in mentioned if word not in done.out] == []

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["simulat"], "No such command 'simulat'"),
            (["plan", "hash"], "Missing argument"),
            (["plan", "hash", "plan.toml", "more"], "unexpected extra argument"),
            (["plan", "estimate", "plan.toml", "--rows", "x"], "Invalid value for '--rows'"),
            (["plan", "estimate", "plan.toml", "--bogus"], "No such option"),
            (["demo", "--seed", "x"], "Invalid value for '--seed'"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_says_how_it_is_used(self, confide, arguments, message):
        done = confide(*arguments)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("Usage: confide")
        assert done.err.count("Error: ") == 1
        assert message in done.err


class TestCommands:
    @pytest.mark.parametrize("name", COMMANDS)
    def test_say_of_themselves_what_the_list_says_of_them(self, name):
        """The list is shown without importing them."""
        assert command(name).help == COMMANDS[name]

    def test_are_listed_in_the_help(self, confide):
        done = confide("--help")
        assert done.code == 0
        for name, line in COMMANDS.items():
            assert f"  {name} " in done.out
            assert line in done.out

    @pytest.mark.parametrize(
        "group", ["plan", "data", "ledger", "he", "tee", "tee registry", "tee collateral"]
    )
    def test_have_summaries_that_fit_into_a_list(self, confide, group):
        done = confide(*group.split(), "--help")
        assert "..." not in done.out.partition("Commands:")[2]

    def test_are_suggested_for_what_is_none(self, confide):
        done = confide("simulat")
        assert done.code == 2
        assert "Did you mean 'simulate'?" in done.err


class TestFilesThatAreNone:
    @pytest.mark.parametrize(
        ("command", "code"),
        [
            (("plan", "views"), 2),
            (("predict", "folder.d", "alder.csv"), 3),
            (("ledger", "show"), 8),
            (("train", "logistic", "--label", "y", "--data", "a=folder.d"), 3),
            (("tee", "inspect"), 3),
            (("tee", "policy"), 2),
        ],
    )
    def test_a_folder_is_called_one(self, folder, refused, command, code):
        (folder / "folder.d").mkdir()
        named = any("folder.d" in part for part in command)
        told = refused(*command, *(() if named else ("folder.d",)), code=code)
        assert "folder.d" in told
        assert "is a folder" in told or "Is a directory" in told
        assert told.count("folder.d") == 1
        assert "Errno" not in told

    @pytest.mark.parametrize("command", [("plan", "views"), ("tee", "policy")])
    def test_bytes_that_are_not_text_are_said_to_be_none(self, folder, refused, command):
        (folder / "bytes.toml").write_bytes(b"\xff\xfe\x00")
        assert "is not text in UTF-8" in refused(*command, "bytes.toml", code=2)
