"""`confide`: one command, one clear line for each error, one exit code for each kind."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from confide._version import __version__
from confide.cli import demo, ledger, plan, simulate, tee
from confide.cli.console import errors, plain, state
from confide.errors import ConfideError

__all__ = ["main"]

app = typer.Typer(
    help="Compute together, reveal only what was agreed, and know beforehand who learns what.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(plan.app, name="plan")
app.add_typer(ledger.app, name="ledger")
app.add_typer(tee.app, name="tee")
app.command("simulate")(simulate.simulate)
app.command("demo")(demo.demo)


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


def main() -> None:
    """Runs the command line; a `ConfideError` becomes one line and its exit code."""
    try:
        app()
    except ConfideError as error:
        if state.debug:
            raise
        errors.print(f"[bold red]error:[/] {plain(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
