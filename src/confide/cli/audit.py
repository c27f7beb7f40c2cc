"""`confide audit`: what published tables give away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from confide.audit import audit_tables
from confide.cli.console import note, output
from confide.errors import DataError, PlanError

__all__ = ["app"]

app = typer.Typer(
    help="Find what published tables give away, by the attacks themselves.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.callback()
def _audit() -> None:
    """Makes `tables` a command of a group."""


@app.command()
def tables(  # noqa: PLR0917 - typer makes options of them, which are named
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Published tables: columns of labels and one of values. CSV, Parquet, Arrow, or a "
            "database's URL.",
        ),
    ],
    cells: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The cells that may be occupied, where that is public; every combination if left.",
        ),
    ] = None,
    value: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The column of values; the last one if left."),
    ] = None,
    insiders: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="The column of --cells that says whose a cell is; each its own firm's if left.",
        ),
    ] = None,
    later: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="A table of a later release, to compare; repeatable."),
    ] = None,
    rounding: Annotated[
        float, typer.Option(metavar="BASE", help="Values are rounded to multiples of BASE.")
    ] = 0.0,
    noise: Annotated[
        float, typer.Option(metavar="SD", help="Standard deviation of the noise on each value.")
    ] = 0.0,
    counts: Annotated[
        bool, typer.Option("--counts", help="Cells are whole numbers, such as counts of people.")
    ] = False,
    signed: Annotated[
        bool, typer.Option("--signed", help="Cells may be negative, such as changes.")
    ] = False,
    protection: Annotated[
        float,
        typer.Option(
            metavar="SHARE", help="The share of its value a cell must not be known within."
        ),
    ] = 0.2,
    unique: Annotated[
        bool, typer.Option("--unique", help="Ask whether only one table of whole numbers agrees.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="PICTURE", help="A picture of the intervals: .png, .svg.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Say what outsiders and insiders can infer of each cell, and which noise ends it."""
    made = audit_tables(
        files, cells=cells, value=value, insiders=insiders, later=later or (), rounding=rounding,
        deviation=noise, counts=counts, signed=signed, protection=protection, unique=unique,
    )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(made.to_json(), indent=1))
    else:
        output.print(str(made), markup=False, soft_wrap=True)
    if plot is not None:
        axes = made.plot()
        try:
            axes.figure.savefig(plot, dpi=130)  # type: ignore[union-attr]
        except OSError as error:
            raise DataError(f"cannot write {plot}: {error.strerror or 'no such place'}") from None
        except ValueError:
            raise PlanError(f"{plot} is of no known kind of picture; use .png or .svg") from None
        note(f"wrote {plot}")
