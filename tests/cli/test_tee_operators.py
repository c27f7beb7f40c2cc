"""The operators' commands are found where they are installed, and missed in one line where not."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import typer

from confide.cli.tee import operators

ROOT = Path(__file__).parents[2]
COMMANDS = ("build", "collateral", "diff", "lint", "registry", "sign")


@pytest.mark.parametrize("name", COMMANDS)
def test_are_there_where_they_are_installed(confide, name):
    assert name in {found.name for found in entry_points(group="confide.tee")}
    done = confide("tee", name, "--help")
    assert done.code == 0
    assert "Usage: confide tee" in done.out


@pytest.mark.parametrize("arguments", [(name, "some", "--key", "x") for name in COMMANDS])
def test_say_what_to_install_where_they_are_not(refused, monkeypatch, arguments):
    monkeypatch.setattr(operators, "_added", dict)
    message = refused("tee", *arguments, code=3)
    assert message == (
        f"confide tee {arguments[0]} is an operator's command, and confide-operator is not "
        "installed: pip install confide-operator"
    )


def test_are_listed_either_way(confide, monkeypatch):
    for added in (operators._added, dict):
        monkeypatch.setattr(operators, "_added", added)
        listed = confide("tee", "--help").out
        assert all(f"  {name} " in listed for name in (*COMMANDS, "verify", "heartbeat"))


def test_others_may_add_commands(confide, monkeypatch):
    class Found:
        name = "hello"

        def load(self):
            return lambda: typer.echo("hello")

    monkeypatch.setattr(operators, "_added", lambda: {"hello": Found()})
    assert confide("tee", "hello").out == "hello\n"
    assert confide("tee", "nonsense").code == 2


def test_the_core_imports_nothing_of_them():
    """Verifying needs `confide` alone: what verifies is imported without the operators' half."""
    script = (
        "import sys; sys.modules['confide_operator'] = None\n"
        "import confide.cli.tee, confide.tee.verification, confide.aggregation.enclave.party\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
