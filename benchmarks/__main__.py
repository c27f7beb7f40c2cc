"""Command line: `python -m benchmarks --help`. JSON lines go to the output, tables to the other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import peers as environments
from benchmarks.accounting import ACCOUNTING
from benchmarks.aggregation import AGGREGATION
from benchmarks.audit import AUDIT
from benchmarks.he import HE
from benchmarks.he_work import HE_WORK
from benchmarks.ledger import LEDGER
from benchmarks.machine import ROOT
from benchmarks.noise import NOISE
from benchmarks.plans import PLANS
from benchmarks.record import Record
from benchmarks.simulation import SIMULATION
from benchmarks.suite import Options, Suite
from benchmarks.tables import provenance, show, to_markdown
from benchmarks.tabular import TABULAR
from benchmarks.tee import TEE

SUITES = {
    suite.name: suite
    for suite in (
        AGGREGATION,
        NOISE,
        ACCOUNTING,
        LEDGER,
        HE,
        HE_WORK,
        PLANS,
        TEE,
        TABULAR,
        AUDIT,
        SIMULATION,
    )
}
RESULTS = Path(__file__).parent / "results"

app = typer.Typer(add_completion=False, help=__doc__)
console = Console(stderr=True, highlight=False)
if not console.is_terminal:
    console.width = 180

Quick = Annotated[bool, typer.Option("--quick", help="Small sizes, once each.")]
Save = Annotated[bool, typer.Option("--save", help="Write to benchmarks/results.")]
Repeats = Annotated[int | None, typer.Option(min=1, help="Runs of each case; the median counts.")]
Only = Annotated[str, typer.Option(help="Only cases whose names contain this.")]
Before = Annotated[
    str, typer.Option(metavar="COMMIT", help="Compare with a commit, round by round in turn.")
]
Data = Annotated[Path | None, typer.Option(help="A folder with the tables of UCI and FATE.")]
Peer = Annotated[
    list[str] | None, typer.Option(help="Measure a peer too; makes its environment if need be.")
]


@app.callback(invoke_without_command=True)
def standard(context: typer.Context, *, quick: Quick = False, save: Save = False) -> None:
    """Runs every suite, with the peers whose environments are there."""
    if context.invoked_subcommand is None:
        for suite in SUITES.values():
            measure(
                suite, [p for p in suite.peers if environments.ready(p)], save=save, quick=quick
            )
    elif quick or save:
        raise typer.BadParameter(f"options follow the command: {context.invoked_subcommand} --save")


def measure(
    suite: Suite,
    peers: list[str],
    *,
    save: bool = False,
    quick: bool = False,
    repeats: int | None = None,
    only: str = "",
    before: str = "",
    data: Path | None = None,
) -> None:
    """Runs one suite, prints a line for each case as it ends, then the tables."""
    if before and not suite.compares:
        raise typer.BadParameter(f"{suite.name} is not compared with earlier commits")
    for absent in sorted(set(suite.peers) - set(peers)):
        console.print(f"[dim]{absent} is not measured; --peer {absent} adds it[/dim]")
    records = []
    with console.status(suite.name) as status:
        options = Options(
            quick=quick,
            repeats=repeats,
            peers=peers,
            only=only,
            before=before,
            data=data,
            report=lambda case: status.update(f"{suite.name}: {case}"),
        )
        for record in suite.run(options):
            print(record.to_json(), flush=True)
            records.append(record)
    if not records:
        raise typer.BadParameter(f"no case of {suite.name} is named like {only!r}")
    console.print(f"[dim]{provenance(records)}[/dim]")
    show(suite.tables(records), console)
    if save:
        # What is not a whole run has a name of its own, and replaces none.
        part = "".join(f"-{name}" for name in (only, "before" if before else "") if name)
        path = RESULTS / f"{records[0].date[:10]}-{suite.name}{part}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{r.to_json()}\n" for r in records), encoding="utf-8")
        console.print(f"wrote {path.relative_to(ROOT)} and {_write_page(path).name}")


@app.command("table")
def write_table(path: Annotated[Path, typer.Argument(help="A saved .jsonl file.")]) -> None:
    """Writes the page of a saved run again, from its lines."""
    console.print(f"wrote {_write_page(path)}")


@app.command("peers")
def make_peers(names: Annotated[list[str], typer.Argument(help="For example flower.")]) -> None:
    """Makes peers' environments under .peers."""
    for name in names:
        _make(name)


def _write_page(path: Path) -> Path:
    lines = path.read_text(encoding="utf-8").splitlines()
    records = [Record.from_json(line) for line in lines]
    suite = SUITES[records[0].suite]
    page = path.with_suffix(".md")
    text = to_markdown(suite.title, suite.tables(records), records)
    if suite.picture is not None:
        drawn = path.with_suffix(".svg")
        suite.picture(records, drawn)
        text += f"\n![{suite.title}]({drawn.name})\n"
    page.write_text(text, encoding="utf-8")
    return page


def _make(name: str) -> None:
    if name not in environments.PEERS:
        raise typer.BadParameter(f"{name!r}; peers are {', '.join(environments.PEERS)}")
    if not environments.ready(name):
        console.print(f"making the environment of {name}: a minute or two")
        environments.make(name)


def _add_command(suite: Suite) -> None:
    @app.command(suite.name, help=f"{suite.title}.")
    def command(
        *,
        quick: Quick = False,
        save: Save = False,
        repeats: Repeats = None,
        only: Only = "",
        before: Before = "",
        peer: Peer = None,
        data: Data = None,
    ) -> None:
        if data is not None and not suite.reads_folder:
            raise typer.BadParameter(f"{suite.name} reads no folder; leave --data out")
        for name in peer or []:
            _make(name)
        measure(
            suite,
            peer or [],
            save=save,
            quick=quick,
            repeats=repeats,
            only=only,
            before=before,
            data=data,
        )


for _suite in SUITES.values():
    _add_command(_suite)

if __name__ == "__main__":
    app()
