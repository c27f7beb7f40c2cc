"""`confide simulate`: run a plan on your own files."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from rich.table import Table

from confide.cli.accounts import open_accounts
from confide.cli.console import note, output, plain, progress
from confide.cli.exchanges import exchange_inputs
from confide.cli.files import (
    load_plan,
    load_public,
    load_tables,
    named_files,
    named_sources,
)
from confide.computation import Checkpoint, state_hash
from confide.engines import Drop, Run
from confide.engines import simulate as run_plan
from confide.errors import DataError, PlanError
from confide.exchange import ExchangeRun
from confide.learning import quality
from confide.plan import Enclave, Plan, PublicValue
from confide.plan.codec import nearest
from confide.report import to_json, views, views_html

__all__ = ["simulate"]


def simulate(  # noqa: PLR0917 - typer makes options of them, which are named
    path: Annotated[Path, typer.Argument(metavar="PLAN.toml", help="The plan file.")],
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="A party's rows for the sums: CSV of any kind, Parquet, Arrow, or a database's "
            "URL; once per party.",
        ),
    ] = None,
    public: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="Rows that the plan declares public, to measure the model on after each round.",
        ),
    ] = None,
    rows: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="The rows that a party gets scored in an exchange, for all its rounds.",
        ),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="The model that a party scores with in an exchange: one row, with a column for "
            "each weight and 'intercept'.",
        ),
    ] = None,
    ledger: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE[#DATASET]",
            help="A party's ledger (a file or a URL); it is charged before anything is computed.",
        ),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME:ROUND", help="A party that drops out of a round, from 0."),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="A file written after each round; an existing one of this plan is resumed. The "
            "data are not compared with those of the first run."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A folder for state, history, views and a summary.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the summary as JSON.")] = False,
) -> None:
    """Run a plan on your own files, on this machine."""
    plan, computation = load_plan(path)
    if isinstance(plan.aggregation, Enclave):
        raise PlanError(
            f"plan {plan.name!r} is aggregated in an enclave, and this command has no hardware to "
            "run one: see `confide demo --enclave`, or `simulate(…, enclave=…)` in Python"
        )
    tables = load_tables(named_sources(data or [], "--data"), computation)
    brought = exchange_inputs(
        plan, named_files(rows or [], "--rows"), named_files(weights or [], "--weights")
    )
    measure = _measure(plan, named_files(public or [], "--public"))
    if out is not None and out.exists() and not out.is_dir():
        raise DataError(f"--out {out} is a file; name a folder")
    with ExitStack() as stack, progress() as report:
        accounts = open_accounts(ledger or [], stack)
        run = run_plan(
            plan,
            tables,
            computation=computation,
            drops=[_drop(d) for d in drop or []],
            measure=measure,
            checkpoint=checkpoint,
            accounts=accounts,
            exchanges=brought,
            on_round=lambda entry: report("rounds", entry["round"] + 1, plan.rounds),
        )
    if done := len(run.rounds) - len(run.totals):
        said = f"resumed {checkpoint}: {done} of {plan.rounds} rounds were done"
        note(said)
    summary = json.dumps(_summary(run, plan), indent=1)
    if out is not None:
        _write(run, summary, out)
    if as_json:
        typer.echo(summary)
    else:
        _show(run, plan, out)


def _measure(plan: Plan, files: dict[str, Path]) -> Any:
    if not files:
        return None
    if len(files) > 1:
        raise DataError(f"{len(files)} public files; the model is measured on one")
    ((name, file),) = files.items()
    declared: dict[str, PublicValue] = {p.name: p for p in plan.public}
    if name not in declared:
        raise DataError(
            f"the plan declares no public value {name!r}, and metrics of private rows would "
            "reveal them: " + (nearest(name, declared) if declared else _NONE_DECLARED)
        )
    rows, digest = load_public(plan, file)
    if declared[name].rows not in (0, len(rows)):
        raise DataError(
            f"{file} has {len(rows)} rows, but the public value {name!r} that the plan declares "
            "has "
            f"{declared[name].rows}"
        )
    if digest != declared[name].digest:
        raise DataError(
            f"{file} is not the public value {name!r} that the plan declares: its sha256 is "
            f"{digest.hex()}, the plan's {declared[name].digest.hex()}"
        )
    return quality(plan, rows)


def _drop(text: str) -> Drop:
    name, colon, number = text.partition(":")
    if not (name and colon and number.isascii() and number.isdigit() and len(number) < 10):
        raise DataError(f"--drop {text!r}; write NAME:ROUND, for example --drop cedar:3")
    return Drop(name, int(number))


def _summary(run: Run, plan: Plan) -> dict[str, Any]:
    """The run as plain values; `simulation_of` is the plan whose real keys were replaced."""
    return {
        "plan": run.plan.hash.hex(),
        "simulation_of": None if run.plan.hash == plan.hash else plan.hash.hex(),
        "rounds": to_json(list(run.rounds)),
        "exchanges": {name: _exchanged(found) for name, found in run.exchanges.items()},
        "state": {name: array.tolist() for name, array in run.state.items()},
        "state_sha256": state_hash(run.state).hex(),
    }


def _exchanged(run: ExchangeRun) -> dict[str, Any]:
    """The outcome of an exchange: its rounds, and what each party learned in each."""
    learned = {
        party: [np.asarray(each).tolist() for each in results]
        for party, results in run.results.items()
    }
    return {"rounds": to_json(list(run.rounds)), "results": learned}


def _write(run: Run, summary: str, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        Checkpoint(run.plan.hash, run.plan.rounds, run.state, run.rounds).write(
            folder / "state.safetensors"
        )
        if run.rounds:
            run.history.to_csv(folder / "history.csv")
        (folder / "views.html").write_text(views_html(views(run.plan)), encoding="utf-8")
        (folder / "summary.json").write_text(summary + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot write to {folder}: {error}") from error


def _show(run: Run, plan: Plan, out: Path | None) -> None:
    columns = list(dict.fromkeys(c for entry in run.rounds for c in entry))
    if not set(columns) <= {"round", "survivors", "dropped", *_COSTS}:
        columns = [c for c in columns if c not in _COSTS]  # with measurements 80 columns are full
    table = Table(
        *(_HEADINGS.get(c, c) for c in columns),
        title=f"{plain(run.plan.name)} (plan {run.plan.short_hash}…)",
    )
    shown = run.rounds if len(run.rounds) <= 10 else (*run.rounds[:3], *run.rounds[-3:])
    for i, entry in enumerate(shown):
        if len(shown) < len(run.rounds) and i == 3:
            table.add_row(*["⋮"] * len(columns))
        table.add_row(*(_cell(entry.get(c, "")) for c in columns))
    if run.rounds:
        output.print(table)
    for name, found in run.exchanges.items():
        output.print(_exchange_table(name, found))
    if run.plan.hash != plan.hash:
        output.print(
            f"real keys were replaced: simulated as plan {run.plan.short_hash}… of plan "
            f"{plan.short_hash}…",
            soft_wrap=True,
        )
    if out is not None:
        said = f"wrote state, history, views and summary to {out}"
        note(said)


def _exchange_table(name: str, run: ExchangeRun) -> Table:
    """How many numbers each party learned in an exchange, and the bytes sent."""
    table = Table("party", "learned", title=f"exchange {plain(name)}")
    for party, results in run.results.items():
        count = sum(np.asarray(each).size for each in results)
        table.add_row(plain(party), f"{count:,} results in {len(results)} rounds")
    sent = sum(
        size for entry in run.rounds for what, size in entry.items() if what not in _NO_MESSAGES
    )
    table.caption = f"{sent:,} bytes of messages"
    return table


_NO_MESSAGES: Final = frozenset({"round", "seconds"})
_NONE_DECLARED: Final = "the plan declares none; `confide plan public` writes the section to add"
_COSTS: Final = ("bytes_sent_per_party", "bytes_received_per_party", "seconds")
_HEADINGS: Final = {"bytes_sent_per_party": "bytes out", "bytes_received_per_party": "bytes in"}


def _cell(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
