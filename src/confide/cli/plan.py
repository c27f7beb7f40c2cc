"""`confide plan`: make, read and question plans."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from confide.cli.console import errors, output
from confide.cli.files import load_plan, load_public
from confide.computation import STARTER
from confide.errors import PlanError
from confide.plan import Plan
from confide.plan.codec import to_plain
from confide.report import Budget, quote, to_json, views, views_html

__all__ = ["app"]

app = typer.Typer(
    help="Make, read and question plans.", no_args_is_help=True, rich_markup_mode=None
)

PlanFile = Annotated[Path, typer.Argument(metavar="PLAN.toml", help="The plan file.")]


class Format(Enum):
    """How a report is written."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"


@app.command()
def new(
    path: Annotated[Path, typer.Argument(metavar="PLAN.toml", help="The file to write.")],
) -> None:
    """Write a commented plan file to begin with."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(STARTER)
    except FileExistsError as error:
        raise PlanError(f"{path} exists; name another file, or remove it first") from error
    except OSError as error:
        raise PlanError(f"cannot write {path}: {error}") from error
    errors.print(
        f"wrote {path}: edit it, then ask `confide plan views {path}`", markup=False, soft_wrap=True
    )


@app.command()
def show(path: PlanFile) -> None:
    """Show a plan with everything that follows from it."""
    plan, _ = load_plan(path)
    output.print_json(json.dumps(_shown(plan)))


@app.command("views")
def show_views(
    path: PlanFile,
    form: Annotated[Format, typer.Option("--format", help="Text, JSON or a page.")] = Format.TEXT,
) -> None:
    """Say who will learn what, before anything runs."""
    plan, _ = load_plan(path)
    report = views(plan)
    if form is Format.TEXT:
        typer.echo(str(report))
    elif form is Format.JSON:
        typer.echo(json.dumps(to_json(report), indent=1))
    else:
        typer.echo(views_html(report))


@app.command("quote")
def show_quote(
    path: PlanFile,
    rows: Annotated[
        int, typer.Option(help="A public upper bound on a party's number of rows.")
    ] = 10_000,
    max_bytes: Annotated[float | None, typer.Option(help="Budget: bytes per party.")] = None,
    max_seconds: Annotated[float | None, typer.Option(help="Budget: seconds.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Say what a plan costs: bytes, seconds, memory."""
    plan, _ = load_plan(path)
    budget = Budget(bytes_per_party=max_bytes, seconds=max_seconds)
    made = quote(plan, {p.name: rows for p in plan.parties}, budget=budget)
    typer.echo(json.dumps(to_json(made), indent=1) if as_json else str(made))


@app.command("hash")
def show_hash(path: PlanFile) -> None:
    """Print the hash that every party signs."""
    plan, _ = load_plan(path)
    typer.echo(plan.hash.hex())


@app.command()
def public(
    path: PlanFile,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Rows to publish, CSV or Parquet.")],
    name: Annotated[str, typer.Option(help="What the parties call it.")] = "hold-out",
) -> None:
    """Write the section that declares a file's rows public, to be added to the plan."""
    plan, _ = load_plan(path)
    rows, digest = load_public(plan, file)
    typer.echo(
        f'[[public]]\nname = {json.dumps(name)}\nsha256 = "{digest.hex()}"\nrows = {len(rows)}\n'
        'meaning = "say what it is, and who agreed to publish it"'
    )


def _shown(plan: Plan) -> dict[str, object]:
    derived: dict[str, object] = {
        "hash": plan.hash.hex(),
        "colluding": plan.colluding,
        "min_survivors": plan.min_survivors,
        "sum_bits": {s.name: plan.sum_bits(s) for s in plan.sums.sums},
    }
    if plan.only_sums_open:
        derived["masking"] = to_json(plan.masking)
    return {"plan": to_json(to_plain(plan)), "derived": derived}
