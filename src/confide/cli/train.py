"""`confide train`: from owners' files to a model, by an ordinary plan."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from confide.cli.accounts import open_accounts
from confide.cli.console import note, output, progress
from confide.cli.files import named_sources
from confide.engines import NoiseWarning
from confide.errors import DataError, PlanError
from confide.plan import Plan
from confide.report import to_json
from confide.tables import Category, Missing
from confide.training import Epsilon, Trained
from confide.training import train as trained
from confide.training.margins import written

__all__ = ["category_of", "in_options", "privacy_of", "split", "train", "write_bytes"]

_LISTED: Final = (
    "loss", "deviance", "accuracy", "base_rate", "auc", "r2", "d2", "concordance", "explained",
    "inertia", "events", "rows",
)  # fmt: skip


def train(  # noqa: PLR0917 - typer makes options of them, which are named
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="logistic, linear, softmax, poisson, trees, naive_bayes, cox, k_means or pca.",
        ),
    ],
    data: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=FILE",
            help="An owner's rows: CSV of any kind, Parquet, Arrow, or a database's URL; repeat "
            "for each owner.",
        ),
    ],
    label: Annotated[
        str | None, typer.Option(help="The column to predict; none for k_means and pca.")
    ] = None,
    event: Annotated[
        str | None, typer.Option(help="For cox, the column that says whether the event came.")
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(help="Columns to predict from, with commas; all others if omitted."),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help="The label's values in order, with commas; of two classes, the last "
            "one is predicted."
        ),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=A,B", help="The values of a column of texts."),
    ] = None,
    epsilon: Annotated[
        float | None, typer.Option(help="ε for each record; exact sums if omitted.")
    ] = None,
    delta: Annotated[float | None, typer.Option(help="δ, with --epsilon.")] = None,
    capacity: Annotated[
        int | None, typer.Option(help="The most rows of an owner that count; public.")
    ] = None,
    holdout: Annotated[
        float | None, typer.Option(help="The share of rows held out to measure the model; 0.2.")
    ] = None,
    test: Annotated[
        str | None, typer.Option(help="A file of rows that all may see, to measure on instead.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="An option of the model, such as l2=0.01."
        ),
    ] = None,
    ledger: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE[#DATASET]",
            help="An owner's ledger (a file or a URL), charged before anything is computed.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The model's file, such as approval.confide.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="An HTML page about the model.")] = None,
    plan_out: Annotated[
        Path | None, typer.Option("--plan", help="A file for the plan's canonical bytes.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show who would learn what, and run nothing.")
    ] = False,
) -> None:
    """Train a model on owners' tables, which stay apart."""
    given: dict[str, Any] = {"label": label, "event": event, "features": split(features)}
    given["test"] = test
    if holdout is not None:
        given["holdout"] = holdout
    given["classes"] = split(classes)
    given["columns"] = dict(category_of(pair) for pair in category or [])
    given["privacy"] = privacy_of(epsilon, delta)
    if capacity is not None:
        given["capacity"] = capacity
    given |= dict(_option(pair) for pair in option or [])
    sources = named_sources(data, "--data")
    if dry_run:
        from confide.training.running import planned

        with in_options():
            plan = planned(kind, sources, **given).plan
        output.print(str(_views(plan)), markup=False)
        return
    with in_options(), ExitStack() as stack, progress() as shown:
        result = trained(
            kind, sources, **given, accounts=open_accounts(ledger or [], stack),
            on_round=lambda entry: shown("rounds", entry["round"] + 1, entry["of"]),
        )  # fmt: skip
    for owner, told in result.owners.items():
        for column in told.check.columns:
            if column.hint:
                note(f"owner {owner!r}, column {column.name!r}: {column.hint} (--features A,B)")
    _write(result, out, report, plan_out)
    if as_json:
        typer.echo(json.dumps(_summary(result), indent=1))
    else:
        _show(result)


_OPTIONS: Final[Mapping[str, str]] = {
    "cf.Category(": "--category COLUMN=A,B",
    "features=[": "--features A,B",
    "classes=(": "--classes no,yes",
    "event=": "--event COLUMN",
    "cf.Epsilon(": "--epsilon 3",
}
"""What Python's arguments, as messages of the library name them, are called here."""


@contextmanager
def in_options() -> Iterator[None]:
    """Lets messages that name an argument of Python name the option too, and prints warnings."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", NoiseWarning)
            yield
    except (DataError, PlanError) as error:
        options = [option for written, option in _OPTIONS.items() if written in str(error)]
        if not options:
            raise
        raise type(error)(f"{error}. On the command line: {', '.join(options)}") from None
    for warning in caught:
        note(f"warning: {warning.message}")


def _views(plan: Plan) -> object:
    from confide.report import views

    return views(plan)


def split(text: str | None) -> list[str] | None:
    """A list with commas; None for none."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def category_of(pair: str) -> tuple[str, Category]:
    """An option of the form COLUMN=A,B.

    Raises:
        PlanError: If it is of another form.
    """
    name, equals, values = pair.partition("=")
    if not (name and equals and values):
        raise PlanError(f"--category {pair!r}; write COLUMN=A,B, for example --category ward=A,B")
    return name, Category(values=tuple(split(values) or ()), missing=Missing.INDICATOR)


def privacy_of(epsilon: float | None, delta: float | None) -> Epsilon | None:
    """The options of noise.

    Raises:
        PlanError: If δ stands alone, or one is out of range.
    """
    if epsilon is None:
        if delta is not None:
            raise PlanError("--delta without --epsilon; give both, or neither for exact sums")
        return None
    return Epsilon(epsilon) if delta is None else Epsilon(epsilon, delta=delta)


def _option(pair: str) -> tuple[str, Any]:
    name, equals, value = pair.partition("=")
    if not (name and equals and value):
        raise PlanError(f"--set {pair!r}; write NAME=VALUE, for example --set l2=0.01")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _write(result: Trained, out: Path | None, report: Path | None, plan_out: Path | None) -> None:
    if out is not None:
        result.save(out)
        note(f"wrote the model to {out}: `confide predict {out} FILE`")
    if report is not None:
        write_bytes(report, result.to_html().encode())
    if plan_out is not None:
        write_bytes(plan_out, result.plan.canonical())


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a file and says so.

    Raises:
        DataError: If it cannot be written.
    """
    try:
        path.write_bytes(data)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}") from error
    note(f"wrote {path}")


def _summary(result: Trained) -> dict[str, Any]:
    return {
        "plan": result.plan.hash.hex(),
        "verdicts": [sentence.text for sentence in result.verdicts],
        "metrics": to_json(result.metrics),
        "margins": to_json(result.margins),
        "measured_on": result.measured_on,
        "model": repr(result.model),
    }


def _show(result: Trained) -> None:
    for sentence in result.verdicts:
        output.print(sentence.text, markup=False, soft_wrap=True)
    output.print(repr(result.model), markup=False, soft_wrap=True)
    table = Table("metric", f"on {result.measured_on}")
    for name in _LISTED:
        if name in result.metrics:
            form = ",.0f" if name == "rows" else ".4f"
            table.add_row(
                name.replace("_", " "), written(name, result.metrics, result.margins, form)
            )
    if result.metrics:
        output.print(table)
