"""`confide`: one command, one clear line for each error, one exit code for each kind."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from confide._version import __version__
from confide.cli.console import errors, plain, state
from confide.cli.interrupts import interrupts_end_quietly
from confide.errors import ConfideError

__all__ = ["COMMANDS", "command", "run"]

COMMANDS: Final = {
    "plan": "Make, read and query plans.",
    "train": "Train a model on owners' tables, which stay apart.",
    "stats": "Describe the rows of all owners, whose files stay apart.",
    "query": "Answer a SELECT of aggregates, with noise and a charge.",
    "predict": "Predict the rows of a file by a saved model.",
    "data": "Check an owner's own file against a plan.",
    "simulate": "Run a plan on your own files, on this machine.",
    "audit": "Find what published tables give away, by the attacks themselves.",
    "ledger": "Show the privacy budget that data have spent, and set caps.",
    "he": "Score rows that the evaluator cannot read, with files.",
    "tee": "Verify evidence of trusted hardware, and keep its registry.",
    "demo": "Show how five rival lenders train one model (a demo).",
}
"""Each command and its line in the help. It is in the module of its name."""


_USAGE: Final[type[Exception]] = typer.BadParameter.__mro__[2]
"""The error for a wrong command line: click's own class, or typer's copy of it in newer
releases."""


class _CommandsWhenCalled(TyperGroup):
    """A group whose commands are imported when they are called: a list of them needs no import."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, line in COMMANDS.items():
            self.add_command(TyperCommand(name, help=line))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """Finds the command that is called, and imports it."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, name and command(name), rest


def command(name: str) -> Any:
    """Imports a command, or a group of them."""
    with interrupts_end_quietly():
        module = import_module(f"confide.cli.{name}")
    if hasattr(module, "app"):
        return typer.main.get_command(module.app)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(name)(getattr(module, name))
    return typer.main.get_command(alone)


app = typer.Typer(
    cls=_CommandsWhenCalled,
    help="Compute together, reveal only what was agreed, and know in advance who learns what.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the trace of an error.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Write results and errors only, no progress.")
    ] = False,
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    state.debug, state.quiet = debug, quiet


def run() -> None:
    """Runs the command line; a `ConfideError` becomes one line and its exit code.

    With `--json` the line is JSON, also for an error in the command line itself.
    """
    as_json = "--json" in sys.argv
    try:
        code = app(standalone_mode=not as_json)
    except ConfideError as error:
        if state.debug:
            raise
        _say(type(error).__name__, str(error), error.exit_code, as_json=as_json)
        sys.exit(error.exit_code)
    except _USAGE as error:
        code = int(getattr(error, "exit_code", 2))
        _say("UsageError", getattr(error, "format_message", error.__str__)(), code, as_json=as_json)
        sys.exit(code)
    except typer.Abort:
        sys.exit(1)
    if as_json:
        sys.exit(code if isinstance(code, int) else 0)


def _say(kind: str, message: str, code: int, *, as_json: bool) -> None:
    if as_json:
        found = {"error": {"kind": kind, "message": message, "exit_code": code}}
        typer.echo(json.dumps(found), err=True)
    else:
        errors.print(f"[bold red]error:[/] {plain(message)}", highlight=False, soft_wrap=True)
