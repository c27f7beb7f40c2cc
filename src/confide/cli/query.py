"""`confide query`: SQL about private tables, answered with noise and charged to a ledger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from confide.cli.console import note, output, plain
from confide.cli.files import named_sources, read_text
from confide.errors import PlanError
from confide.privacy.ledger import Ledger

if TYPE_CHECKING:
    from confide.query import Answer, Contribution, Price

__all__ = ["query"]


def query(  # noqa: PLR0917 - typer makes options of them, which are named
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT of aggregates.")],
    tables: Annotated[
        Path, typer.Option(help="Declarations: CREATE TABLE … UNIT PERSON (id) GROUPS 1 ROWS 1;")
    ],
    data: Annotated[
        list[str],
        typer.Option(metavar="TABLE=FILE", help="A table's rows: Parquet, CSV, Arrow, or a URL."),
    ],
    ledger: Annotated[str, typer.Option(help="The owner's ledger: a file, or postgresql://…")],
    dataset: Annotated[str, typer.Option(help="The dataset of the ledger that is charged.")],
    observer: Annotated[list[str], typer.Option(help="Who sees the answer; once for each.")],
    epsilon: Annotated[float, typer.Option(help="ε of this query.")],
    delta: Annotated[
        float, typer.Option(help="δ of this query; keys that are not public need it.")
    ] = 0.0,
    groups: Annotated[int | None, typer.Option(help="In how many groups one unit counts.")] = None,
    rows: Annotated[int | None, typer.Option(help="With how many rows in each group.")] = None,
    total: Annotated[int | None, typer.Option(help="With how many rows in all.")] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Say what it would cost, and run nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
) -> None:
    """Answer a SELECT of aggregates, with noise and a charge."""
    from confide.query import DuckDbEngine, Session, catalog_of

    catalog = catalog_of(read_text(tables))
    contribution = _contribution(groups, rows, total)
    with Ledger.open(ledger, create=False) as opened:
        engine = DuckDbEngine(catalog, named_sources(data, "--data"))
        session = Session(opened, dataset, catalog, engine, observers=observer)
        if estimate:
            _price(session.estimate(sql, epsilon=epsilon, delta=delta, contribution=contribution),
                   as_json=as_json)  # fmt: skip
            return
        answer = session.run(sql, epsilon=epsilon, delta=delta, contribution=contribution)
    _answer(answer, as_json=as_json)


def _contribution(groups: int | None, rows: int | None, total: int | None) -> Contribution | None:
    from confide.query import Contribution

    if groups is None and rows is None:
        if total is not None:
            raise PlanError("--total without --groups and --rows; give all three")
        return None
    if groups is None or rows is None:
        raise PlanError("--groups and --rows bound a unit together; give both")
    return Contribution(groups=groups, rows_per_group=rows, rows=total)


def _price(price: Price, *, as_json: bool) -> None:
    found = {
        "epsilon": price.epsilon, "delta": price.delta, "unit": price.unit,
        "mechanism": price.mechanism, "standard_errors": price.standard_errors,
        "interval_widths": price.interval_widths, "rows": price.rows,
    }  # fmt: skip
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    table = Table("column", "standard error", "95 % interval, width")
    for name, error in price.standard_errors.items():
        table.add_row(plain(name), f"{error:.4g}", f"{price.interval_widths[name]:.4g}")
    output.print(table)
    note(
        f"ε = {price.epsilon:g}, δ = {price.delta:g} for {price.unit}; {price.mechanism}. Ratios "
        f"are for groups of {price.rows:,} rows."
    )


def _answer(answer: Answer, *, as_json: bool) -> None:
    if as_json:
        found: dict[str, Any] = {
            "rows": answer.table.to_pylist(), "charged": answer.charged, "unit": answer.unit,
            "mechanism": answer.mechanism, "epsilon": answer.epsilon, "delta": answer.delta,
            "spent_epsilon": answer.spent_epsilon, "spent_delta": answer.spent_delta,
        }  # fmt: skip
        typer.echo(json.dumps(found, indent=1))
        return
    names = answer.table.column_names
    shown = [name for name in names if not name.endswith(("_standard_error", "_low", "_high"))]
    table = Table(*map(plain, shown))
    for row in answer.table.to_pylist():
        table.add_row(*(plain(_cell(row, name)) for name in shown))
    output.print(table)
    paid = "charged now" if answer.charged else "released before, free"
    note(
        f"ε = {answer.epsilon:g}, δ = {answer.delta:g} for {answer.unit} ({paid}); "
        f"{answer.mechanism}. All charges together: ε = {answer.spent_epsilon:.4g} at "
        f"δ = {answer.spent_delta:.2g}."
    )


def _cell(row: dict[str, Any], name: str) -> str:
    """A key, or a value with its 95 % interval."""
    if f"{name}_low" not in row:
        return str(row[name])
    value, low, high = (f"{row[each]:.5g}" for each in (name, f"{name}_low", f"{name}_high"))
    return f"{value} ({low} to {high})"
