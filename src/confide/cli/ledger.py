"""`confide ledger`: the privacy budget that data have spent, and the caps on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from confide.cli.console import errors, output, plain
from confide.cli.files import load_private_key, read_text
from confide.errors import DataError
from confide.plan import Relation, Unit
from confide.report.document import render, to_json

if TYPE_CHECKING:
    from confide.privacy.ledger import Ledger
    from confide.privacy.ledger.statement import DatasetStatement, Statement

__all__ = ["app"]

app = typer.Typer(
    help="Show the privacy budget that data have spent, and set caps.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Where = Annotated[
    str, typer.Argument(metavar="LEDGER", help="The ledger: a file, or postgresql://…")
]
KeyFile = Annotated[Path | None, typer.Option("--key", help="The owner's Ed25519 key (PEM).")]


class Format(Enum):
    """How a statement is written."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"


class FilterName(Enum):
    """The theorem that a cap rests on."""

    RENYI = "renyi"
    GAUSSIAN = "gaussian"


class PeriodName(Enum):
    """How often a cap is reset."""

    MONTH = "month"
    YEAR = "year"


@app.command()
def show(
    where: Where,
    dataset: Annotated[str | None, typer.Option(help="Only this dataset.")] = None,
    delta: Annotated[float, typer.Option(help="Where to state ε.")] = 1e-6,
    form: Annotated[Format, typer.Option("--format", help="Text, JSON or a page.")] = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Show each dataset's privacy budget. What is allowed, what is spent, and to whom."""
    from confide.privacy.ledger.statement import statement

    with _opened(where) as ledger:
        found = statement(ledger, dataset, delta=delta)
    if as_json or form is Format.JSON:
        typer.echo(json.dumps(to_json(found), indent=1))
    elif form is Format.HTML:
        page = render(
            "ledger.html",
            package="confide.privacy.ledger",
            title="Privacy budget spent",
            statement=found,
        )
        typer.echo(page)
    else:
        _print(found)


@app.command()
def verify(
    where: Where,
    head: Annotated[
        Path | None,
        typer.Option(help="A head that you kept elsewhere, from `confide ledger head`."),
    ] = None,
    owner: Annotated[str, typer.Option(help="The owner's public key, in hexadecimal.")] = "",
) -> None:
    """Recompute the whole chain. Detects changes, truncation and restored copies."""
    kept = None if head is None else _hexadecimal(read_text(head), f"the head {head}")
    with _opened(where) as ledger:
        found = ledger.verify(kept, owner=_hexadecimal(owner, "the owner's key"))
    typer.echo(f"{found.number} entries, none changed; the last is {found.hash.hex()}")
    if head is None:
        errors.print(
            "without --head, a truncated end and a restored backup cannot be detected",
            markup=False,
            soft_wrap=True,
        )


@app.command("head")
def show_head(where: Where, key: KeyFile = None) -> None:
    """Print the head that counterparties keep. The owner's key signs it, if there is one."""
    with _opened(where, key=key) as ledger:
        typer.echo(ledger.head().to_bytes().hex())


@app.command()
def cap(
    where: Where,
    *,
    dataset: Annotated[str, typer.Option(help="The dataset; declared if it is new.")],
    epsilon: Annotated[float, typer.Option(help="ε, above 0; or give --rho.")] = 0.0,
    rho: Annotated[float, typer.Option(help="ρ of zero-concentrated DP, instead of ε.")] = 0.0,
    delta: Annotated[
        float, typer.Option(help="δ, below 1; 0 for pure ε. With --rho, 1e-12 is usually enough.")
    ],
    filter_name: Annotated[
        FilterName, typer.Option("--filter", help="What may be charged under it.")
    ] = FilterName.RENYI,
    observers: Annotated[
        list[str] | None,
        typer.Option(help="Count only what these observers see; repeat for each name."),
    ] = None,
    period: Annotated[
        PeriodName | None, typer.Option(help="Reset the cap each month or year.")
    ] = None,
    approximate_delta: Annotated[
        float | None,
        typer.Option(help="The part of δ for events with their own δ; a tenth if omitted."),
    ] = None,
    unit: Annotated[
        Unit, typer.Option(help="For a new dataset: the unit that it protects.")
    ] = Unit.RECORD,
    relation: Annotated[
        Relation, typer.Option(help="For a new dataset: how neighbouring data sets differ.")
    ] = Relation.ADD_OR_REMOVE_ONE,
    parent: Annotated[
        str | None, typer.Option(help="For a new dataset: the dataset that it was made from.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="For a new dataset: it shares no data with another one.")
    ] = False,
    distinct: Annotated[
        bool, typer.Option("--distinct", help="For a new dataset: it only looks like another one.")
    ] = False,
    key: KeyFile = None,
) -> None:
    """Set a cap. It replaces one on the same observers and period."""
    from confide.privacy.ledger import Cap, Filter, Period

    wanted = Cap(
        epsilon=epsilon,
        rho=rho,
        delta=delta,
        filter=Filter(filter_name.value),
        observers=frozenset(observers) if observers else None,
        period=Period(period.value) if period else None,
        approximate_delta=approximate_delta,
    )
    with _opened(where, key=key, create=True) as ledger:
        if not ledger.has_dataset(dataset):
            ledger.open_dataset(dataset, unit=unit, relation=relation, parent=parent, fresh=fresh,
                                distinct=distinct)  # fmt: skip
        ledger.cap(dataset, wanted)
    errors.print(f"{dataset}: {wanted}", markup=False, soft_wrap=True)


@app.command()
def uncap(
    where: Where,
    *,
    dataset: Annotated[str, typer.Option(help="The dataset.")],
    observers: Annotated[
        list[str] | None, typer.Option(help="The observers of the cap; repeat for each name.")
    ] = None,
    period: Annotated[PeriodName | None, typer.Option(help="How often it is reset.")] = None,
    key: KeyFile = None,
) -> None:
    """Remove a cap. Charges stay on record; without any cap, new charges are refused."""
    from confide.privacy.ledger import Period

    with _opened(where, key=key) as ledger:
        ledger.uncap(
            dataset,
            observers=frozenset(observers) if observers else None,
            period=Period(period.value) if period else None,
        )
        left = "; ".join(map(str, ledger.caps(dataset))) or "none, so that charges are refused"
    errors.print(f"{dataset}: removed. Remaining caps: {left}", markup=False, soft_wrap=True)


@app.command()
def repair(where: Where, key: KeyFile = None) -> None:
    """Record that the clock of earlier entries was wrong. Then the ledger can be used again.

    All entries stay. A charge at a wrong time counts in every month and year.
    """
    with _opened(where, key=key, repair=True) as ledger:
        last = ledger.entries()[-1]
    typer.echo(f"{last.number} entries, of which none was changed; the ledger can be used")


@app.command()
def split(
    queries: Annotated[
        list[str], typer.Argument(metavar="NAME[=WEIGHT]...", help="Queries and their weights.")
    ],
    epsilon: Annotated[float, typer.Option(help="ε of all of them together.")],
    delta: Annotated[float, typer.Option(help="δ of all of them; 0 for pure ε.")] = 0.0,
) -> None:
    """Split one budget over queries that are known in advance."""
    from confide.privacy.ledger import split_budget

    shares = split_budget(dict(map(_weighed, queries)), epsilon=epsilon, delta=delta)
    table = Table("query", "weight", "either ε", "or noise multiplier")
    for name, share in shares.items():
        multiplier = f"{share.noise_multiplier:.6g}" if delta else "none without δ"
        table.add_row(plain(name), f"{share.weight:.3g}", f"{share.epsilon:.6g}", multiplier)
    output.print(table)


@app.command("import-register")
def import_register(
    register: Annotated[
        Path,
        typer.Argument(metavar="REGISTER", help="A register of rounds from an earlier release."),
    ],
    where: Annotated[
        str, typer.Option("--ledger", help="The ledger: a file, or postgresql://…; made if new.")
    ],
    datasets: Annotated[
        list[str] | None,
        typer.Option("--dataset", help="A dataset that was contributed from; repeat for each."),
    ] = None,
    no_dataset: Annotated[
        bool, typer.Option("--no-dataset", help="No dataset of this ledger was contributed from.")
    ] = False,
    key: KeyFile = None,
) -> None:
    """Copy the rounds of an earlier release's register. Stop its party first."""
    from confide.privacy.ledger.old_register import read_register

    found = read_register(register)
    with _opened(where, key=key, create=True) as ledger:
        known = ", ".join(dataset.name for dataset in ledger.datasets())
        if bool(datasets) == no_dataset and (known or datasets):
            raise DataError(
                f"say from which datasets of the ledger ({known or 'it has none'}) the rounds were "
                "contributed: --dataset NAME, once for each, or --no-dataset. The register does "
                "not say who was in the sums, so these datasets can no longer enter exact "
                "sums of other plans"
            )
        new = ledger.import_rounds(found, datasets or ())
    total = sum(map(len, found.values()))
    typer.echo(f"{total} rounds of {len(found)} plans, {new} of them new in the ledger")


@app.command()
def export(where: Where) -> None:
    """Write every entry as one line of JSON."""
    from confide.privacy.ledger.statement import exported

    with _opened(where) as ledger:
        for entry in ledger.entries():
            typer.echo(json.dumps(exported(entry)))


@contextmanager
def _opened(
    where: str, *, key: Path | None = None, create: bool = False, repair: bool = False
) -> Iterator[Ledger]:
    from confide.privacy.ledger import Ledger

    signer = None if key is None else load_private_key(key)
    with Ledger.open(where, key=signer, create=create, repair=repair) as ledger:
        yield ledger


def _weighed(text: str) -> tuple[str, float]:
    name, _, weight = text.partition("=")
    try:
        return name, float(weight or 1)
    except ValueError as error:
        raise DataError(f"query {name!r} has the weight {weight!r}; give a number") from error


def _hexadecimal(text: str, what: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise DataError(f"{what} is not hexadecimal") from error


def _print(found: Statement) -> None:
    output.print(
        f"ledger {found.ledger}: {found.entries} entries, the last of {found.time} UTC",
        soft_wrap=True,
    )
    for dataset in found.datasets:
        _print_dataset(dataset)
    if found.rounds:
        output.print()
    for plan in found.rounds:
        output.print(
            f"plan {plan.plan_hash}: helped to open {len(plan.opened)} rounds; took part last "
            f"in round {plan.latest}, attempt {plan.attempt}",
            soft_wrap=True,
        )


def _print_dataset(dataset: DatasetStatement) -> None:
    made = f", made from {dataset.parent}" if dataset.parent else ""
    output.print()
    output.print(
        f"[bold]{plain(dataset.name)}[/]: protects each {dataset.unit} ({dataset.relation})"
        f"{plain(made) if made else ''}",
        soft_wrap=True,
    )
    output.print(f"spent so far: {dataset.lost}", soft_wrap=True)
    if dataset.caps:
        output.print(_caps(dataset))
    if dataset.charges:
        output.print(_charges(dataset))
    for opening in dataset.openings:
        output.print(f"opened: {opening.words}", soft_wrap=True)
    for note in dataset.notes:
        output.print(f"note: {note}", soft_wrap=True)


def _caps(dataset: DatasetStatement) -> Table:
    table = Table("cap ε", "δ", "filter", "counts", "reset each", "left", "largest μ left")
    for found in dataset.caps:
        table.add_row(
            f"ρ = {found.rho:g}" if found.rho else f"{found.epsilon:g}",
            f"{found.delta:g}",
            found.filter,
            plain(found.counts),
            found.period or "never",
            f"{'' if found.rho else f'ε = {found.epsilon_left:.3g}, '}{found.left:.1%}",
            f"{found.mu_left:.3g}",
        )
    return table


def _charges(dataset: DatasetStatement) -> Table:
    table = Table("entry", box=box.SIMPLE, pad_edge=False)
    for header in ("UTC", "event", "runs", "state", "seen by", "for"):
        whole = header in {"UTC", "runs", "state"}
        least = {"event": 13, "seen by": 11, "for": 6}.get(header)
        table.add_column(header, no_wrap=whole, overflow="fold", min_width=least)
    for charge in dataset.charges:
        table.add_row(
            str(charge.number),
            charge.time[: len("2026-01-31")],
            plain(charge.event),
            f"{charge.charged}/{charge.count}",
            charge.state,
            plain("\n".join(charge.observers)),
            plain(charge.meaning) if charge.meaning else "",
        )
    return table
