"""`confide demo`: five rival lenders train one model, and see who learns what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from confide.cli.console import errors, output, plain, progress
from confide.errors import DataError
from confide.report import views

__all__ = ["demo"]


def demo(
    out: Annotated[Path, typer.Option(help="The folder for report.html and report.json.")] = Path(
        "confide-demo"
    ),
    seed: Annotated[int, typer.Option(help="Another seed deals the applications differently.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds for the spread in the report.")] = 20,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write report.json to the output.")
    ] = False,
    enclave: Annotated[
        bool, typer.Option("--enclave", help="In a simulated enclave instead; writes no files.")
    ] = False,
) -> None:
    """Five rival mortgage lenders train one approval model on 1,989 real applications."""
    if enclave:
        _attested(seed)
        return
    from confide.demo import findings, run_experiment, seed_spread, write_report

    ledgers = _new_ledgers(out)
    with progress() as report:
        experiment = run_experiment(seed, report, ledgers)
        spread = seed_spread(range(seeds), report)
    page, data = write_report(experiment, spread, out)
    found = findings(experiment, spread)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        show(found, str(views(experiment.private.plan)))
    errors.print(f"\nwrote [bold]{page}[/] (open it in a browser) and {data}")
    if not experiment.masked_equals_clear:
        raise typer.Exit(1)


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
        f"each of {names} asks the aggregator with a nonce, and verifies before it sends:",
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
        f"the last says: round {last.number}, {len(last.survivors)} lenders, "
        f"{last.spent}, {last.assurance} hardware\n",
        soft_wrap=True,
    )
    output.print("what else was tried:")
    for fraud in found.frauds:
        output.print(
            f"  {fraud.name:<20} [bold]refused[/] at {fraud.refused}: {plain(fraud.reason)}",
            soft_wrap=True,
        )
    if not found.equal:
        raise typer.Exit(1)


def show(found: dict[str, Any], learned: str) -> None:
    """Prints who learned what, and last, where it stays in sight, the result."""
    typer.echo(learned + "\n")
    models = found["models"]
    table = Table("trained", "AUC", "accuracy", title="One model for five rival lenders")
    rows = {
        "(a) each alone, on average": models["alone"],
        "(b) on pooled rows: the forbidden ideal": models["pooled"],
        "(c) federated, in clear": models["clear"],
        f"(d) federated, masked, without {found['dropout']['party']}": models["masked"],
        f"(e) as (d), with noise, ε = {found['privacy']['epsilon']:.3g}": models["private"],
    }
    for label, scores in rows.items():
        table.add_row(label, f"{scores['auc']:.3f}", f"{scores['accuracy']:.3f}")
    output.print(table)
    equal = found["masked_equals_clear"]
    says = "[green]equal bit for bit[/]" if equal else "[bold red]DIFFERENT: please report this[/]"
    output.print(f"masked and clear sums over the same survivors: {says}")
    seeds = found["seeds"]
    output.print(
        f"over {seeds['count']} seeds (c) is at most {seeds['largest_gap_to_pooled']:.4f} AUC "
        f"below (b), and better than the mean of (a) in {seeds['better_than_alone']} of them",
        soft_wrap=True,
    )
    private = found["privacy"]
    output.print(f"(e) {private['sentence']}", soft_wrap=True)
    output.print(f"a second run of (e): [bold]refused[/], {plain(private['second_run'])}",
                 soft_wrap=True)  # fmt: skip


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
