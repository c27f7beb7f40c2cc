"""`confide stats`: statistics of all owners' rows, by a plan or by the owners' files alone."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from confide.cli.accounts import open_accounts
from confide.cli.console import note, output, plain, progress
from confide.cli.files import load_plan, load_plan_alone, load_tables, named_sources
from confide.cli.train import category_of, in_options, privacy_of, split, write_bytes
from confide.describing import describe, planned_description
from confide.engines import simulate
from confide.errors import PlanError
from confide.plan import Plan
from confide.report import views
from confide.tables import Missing, Number

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from confide.analytics import Result
    from confide.computation import Account

__all__ = ["stats"]


def stats(  # noqa: PLR0917 - typer makes options of them, which are named
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PLAN.toml]", help="A plan whose stages are statistics; made if left out."
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="An owner's rows: CSV of any kind, Parquet, Arrow, or a database's URL; once for "
            "each owner.",
        ),
    ] = None,
    features: Annotated[
        str | None, typer.Option(help="Columns to describe, with commas; all if left.")
    ] = None,
    bounds: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=LOW,HIGH", help="The bounds of a column of numbers."),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=A,B", help="The values of a column of texts."),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Columns to group by, with commas.")] = None,
    distinct: Annotated[
        str | None, typer.Option(help="Columns whose different values are counted, with commas.")
    ] = None,
    correlations: Annotated[
        bool, typer.Option("--correlations", help="The correlations of all numbers, too.")
    ] = False,
    epsilon: Annotated[
        float | None, typer.Option(help="ε for each record; exact sums without it.")
    ] = None,
    delta: Annotated[float | None, typer.Option(help="δ, with --epsilon.")] = None,
    capacity: Annotated[
        int | None, typer.Option(help="The most rows that an owner counts; public.")
    ] = None,
    ledger: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE[#DATASET]",
            help="An owner's ledger (a file or a URL), charged before anything is computed.",
        ),
    ] = None,
    report: Annotated[Path | None, typer.Option(help="A page with tables and pictures.")] = None,
    plan_out: Annotated[
        Path | None, typer.Option("--plan", help="The plan's canonical bytes.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say who would learn what, and run nothing.")
    ] = False,
) -> None:
    """Describe the rows of all owners, whose files stay apart."""
    sources = named_sources(data or [], "--data")
    given: dict[str, Any] = {
        "features": split(features),
        "columns": dict([*map(_bounds, bounds or []), *map(category_of, category or [])]) or None,
        "by": split(by),
        "distinct": split(distinct),
        "correlations": correlations or None,
        "privacy": privacy_of(epsilon, delta),
        "capacity": capacity,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if path is not None and (given or report):
        raise PlanError(
            f"{path} says what is computed, and so do other options: give either, with --data"
        )
    if dry_run:
        with in_options():
            plan = load_plan_alone(path) if path else planned_description(sources, **given).plan
        output.print(str(views(plan)), markup=False)
        return
    with in_options(), ExitStack() as stack, progress() as shown:
        accounts = open_accounts(ledger or [], stack)
        if path is None:
            made = describe(
                sources, **given, accounts=accounts,
                on_round=lambda entry: shown("rounds", entry["round"] + 1, entry["of"]),
            )  # fmt: skip
            plan, found, table = made.plan, made.statistics, made.table
            page = made.to_html() if report else ""
        else:
            (plan, found), table, page = _by_plan(path, sources, shown, accounts), None, ""
    if report is not None:
        write_bytes(report, page.encode())
    if plan_out is not None:
        write_bytes(plan_out, plan.canonical())
    if as_json:
        typer.echo(json.dumps(_summary(plan, found, table), indent=1))
    else:
        _show(plan, found, table)


def _by_plan(
    path: Path, sources: dict[str, str], shown: Any, accounts: dict[str, Account]
) -> tuple[Plan, Mapping[str, Result]]:
    """Runs a plan of statistics."""
    from confide.analytics import statistics

    plan, computations = load_plan(path)
    run = simulate(
        plan, load_tables(sources, computations), computation=computations, accounts=accounts,
        on_round=lambda entry: shown("rounds", entry["round"] + 1, plan.rounds),
    )  # fmt: skip
    found = statistics(run.plan, run.state)
    if not found:
        raise PlanError(f"{path} has no stage of statistics: run it by `confide simulate {path}`")
    return run.plan, found


def _bounds(pair: str) -> tuple[str, Number]:
    name, equals, values = pair.partition("=")
    parts = split(values) or []
    try:
        low, high = map(float, parts)
    except ValueError:
        low = high = 0.0
    if not (name and equals) or len(parts) != 2 or low == high:
        raise PlanError(f"--bounds {pair!r}; it takes COLUMN=LOW,HIGH, as --bounds age=0,120")
    return name, Number(bounds=(low, high), missing=Missing.INDICATOR)


def _summary(plan: Plan, found: Any, table: pd.DataFrame | None) -> dict[str, Any]:
    made = {
        "plan": plan.hash.hex(),
        "verdicts": [sentence.text for sentence in views(plan).first_page.headline],
        "statistics": {name: _records(result.table) for name, result in found.items()},
    }
    return made if table is None else {**made, "table": _records(table)}


def _records(table: pd.DataFrame) -> Any:
    return json.loads(table.reset_index().to_json(orient="records", date_format="iso"))


def _show(plan: Plan, found: Any, table: pd.DataFrame | None) -> None:
    for sentence in views(plan).first_page.headline:
        output.print(sentence.text, markup=False, soft_wrap=True)
    if table is not None:
        output.print(_drawn("columns", table.drop(columns="cut to", errors="ignore")))
    for name, result in found.items():
        if table is None or name not in ("moments", "quantiles", "histograms"):
            shown = result.table
            # Deviations of each group would make it too wide for a terminal.
            output.print(_drawn(name, shown[[c for c in shown if not str(c).startswith("std ")]]))
    note("histograms and intervals: --json, or --report PAGE.html")


def _drawn(title: str, table: pd.DataFrame) -> Table:
    """A frame as a table of the terminal."""
    names = [plain(str(n)) if n is not None else "" for n in table.index.names]
    drawn = Table(*names, *(plain(str(c)) for c in table.columns), title=plain(title))
    for key, row in zip(table.index, table.itertuples(index=False), strict=True):
        keys = key if isinstance(key, tuple) else (key,)
        drawn.add_row(*(plain(str(k)) for k in keys), *map(_cell, row))
    return drawn


def _cell(value: Any) -> str:
    import pandas as pd

    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, float):
        return "" if value != value else f"{value:,.6g}"  # noqa: PLR0124 - NaN is unlike itself
    return "" if value is None or value is pd.NaT else plain(str(value))
