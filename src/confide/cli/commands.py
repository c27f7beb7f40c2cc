"""`confide`: one command, one clear line for each error, one exit code for each kind."""

from __future__ import annotations

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
    "plan": "Make, read and question plans.",
    "simulate": "Run a plan on your own files, on this machine, by the real protocol.",
    "ledger": "Say what data have lost, set caps on it, and check the record.",
    "tee": "Verify evidence of trusted hardware, build what it measures, and keep the record.",
    "demo": "Five rival mortgage lenders train one approval model on 1,989 real applications.",
}
"""Each command and its line in the help. It is in the module of its name."""


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
    help="Compute together, reveal only what was agreed, and know beforehand who learns what.",
    no_args_is_help=True,
    add_completion=False,
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
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    state.debug = debug


def run() -> None:
    """Runs the command line; a `ConfideError` becomes one line and its exit code."""
    try:
        app()
    except ConfideError as error:
        if state.debug:
            raise
        errors.print(f"[bold red]error:[/] {plain(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
