"""`confide data`: checks an owner's own file on its own machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table

from confide.cli.console import output, plain
from confide.cli.files import load_plan
from confide.errors import DataError, PlanError
from confide.learning.settings import read_table as read_settings
from confide.plan import Plan
from confide.report import to_json
from confide.tables import Schema, TableCheck, check_table, read_table

__all__ = ["app"]

app = typer.Typer(
    help="Check an owner's own file against a plan.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

_LOCAL: Final = "these counts are about your rows: they stay on this machine"


@app.callback()
def _data() -> None:
    """Makes `check` a command of a group."""


@app.command()
def check(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="Rows: CSV of any kind, Parquet, Arrow, or a database's URL."
        ),
    ],
    schema: Annotated[Path, typer.Option(metavar="PLAN.toml", help="The plan with the schema.")],
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Show which values of each column fit a plan's schema. The counts stay on this machine."""
    plan, _ = load_plan(schema)
    found, capacity = _schema_of(plan)
    made = check_table(read_table(file), found, capacity=capacity)
    if as_json:
        typer.echo(json.dumps({**to_json(made), "fits": made.fits}, indent=1))
    else:
        _show(made, file)
    if not made.fits:
        wrong = ", ".join(repr(c.name) for c in made.columns if c.problem)
        raise DataError(f"{file} does not fit the plan: {wrong or 'it has no rows'}")


def _schema_of(plan: Plan) -> tuple[Schema, int]:
    """The schema that a plan's stages read, and the smallest of their capacities."""
    tables = [t for s in plan.sum_stages if (t := s.task.read().get("table")) is not None]
    schema = read_settings(tables[-1]) if tables else None
    if not isinstance(schema, Schema):
        raise PlanError(
            f"plan {plan.name!r} has no schema of columns; `confide plan new PLAN.toml --from FILE "
            "--label COLUMN` writes one"
        )
    return schema, min(s.capacity for stage in plan.sum_stages for s in stage.sums.sums)


def _show(made: TableCheck, file: str) -> None:
    title = f"{plain(file)}: {made.rows:,} rows"
    if made.beyond_capacity:
        title += f", {made.beyond_capacity:,} of them beyond the capacity and left out"
    table = Table("column", "kind", "missing", "clipped", "other", "", title=title)
    for column in made.columns:
        counts = (f"{n:,}" for n in (column.missing, column.clipped, column.other))
        said = plain(column.problem) or column.hint or "fits"
        table.add_row(plain(column.name), column.kind, *counts, said)
    output.print(table)
    output.print(_LOCAL, markup=False, soft_wrap=True)
    if made.unused:
        names = ", ".join(made.unused[:20])
        output.print(f"not read: {names}", markup=False, soft_wrap=True)
