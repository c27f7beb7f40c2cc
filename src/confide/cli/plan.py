"""`confide plan`: make, read and query plans."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Final

import typer

from confide.cli.console import errors, note, output
from confide.cli.files import load_plan_alone, load_public
from confide.cli.report import page_width, show_first_page
from confide.computation import STARTER, find_computation, keys_in_markdown
from confide.errors import PlanError, ProtocolError, why_unreadable
from confide.exchange import estimate_exchange
from confide.plan import Coordinator, Crowd, FixedCrowd, OpenCrowd, Plan
from confide.plan.codec import to_plain
from confide.plan.fields import word_of
from confide.plan.migration import migrate as migrated
from confide.plan.plan import MAX_PLAN_BYTES
from confide.report import CostLimits, ViewReport, estimate, to_json, views, views_html
from confide.report.questions import KEYS, parsed
from confide.report.text import exposures_text

__all__ = ["app"]

app = typer.Typer(
    help="Make, read and query plans.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

PlanFile = Annotated[Path, typer.Argument(metavar="PLAN.toml", help="The plan file.")]


class CrowdWord(Enum):
    """The crowd of a migrated plan."""

    OPEN = word_of(OpenCrowd)
    FIXED = word_of(FixedCrowd)


_CROWDS: Final[Mapping[CrowdWord, Crowd]] = {
    CrowdWord.OPEN: OpenCrowd(),
    CrowdWord.FIXED: FixedCrowd(),
}
_KEY_DIGITS: Final = 64


class Format(Enum):
    """How a report is written."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"


@app.command()
def new(  # noqa: PLR0917 - typer makes options of them, which are named
    path: Annotated[Path, typer.Argument(metavar="PLAN.toml", help="The file to write.")],
    source: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="FILE", help="Write a schema from a file's column names and types."
        ),
    ] = None,
    label: Annotated[str | None, typer.Option(help="The column to predict, with --from.")] = None,
    event: Annotated[
        str | None,
        typer.Option(help="For cox, the column that says whether the event came, with --from."),
    ] = None,
    kind: Annotated[str, typer.Option(help="The kind of model, with --from.")] = "logistic",
    features: Annotated[
        str | None,
        typer.Option(help="Columns to predict from, with commas, with --from; else all others."),
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="The label's values in order, with commas, with --from.")
    ] = None,
    epsilon: Annotated[
        float | None, typer.Option(help="ε for each record, with --from; else exact sums.")
    ] = None,
    yes: Annotated[
        bool,
        typer.Option("--yes", help="Write lines that publish values of the file, without asking."),
    ] = False,
) -> None:
    """Write a commented starter plan, or a plan for a file's columns."""
    text = STARTER
    if source is not None:
        from confide.cli.drafting import draft_plan
        from confide.cli.train import split

        text = draft_plan(
            source, kind, features=split(features), label=label, event=event,
            classes=None if classes is None else classes.split(","), epsilon=epsilon,
            ask=_may_publish(yes),
        )  # fmt: skip
    _write_new(path, text.encode())
    note(f"wrote {path}: edit it, then run `confide plan views {path}`")


def _may_publish(yes: bool) -> Callable[[str], bool]:
    """Asks on the error stream, or with --yes says what is written."""

    def ask(text: str) -> bool:
        if yes:
            note(f"{text}; written, because of --yes")
            return True
        try:
            return typer.confirm(f"{text}. Write it?", default=False, err=True)
        except typer.Abort:
            if sys.stdin.isatty():
                raise
            typer.echo(err=True)
            note(f"{text}; left out, because nobody is here to be asked (--yes writes it)")
            return False

    return ask


@app.command()
def keys() -> None:
    """List every key of a plan file. As Markdown, with meanings and defaults."""
    typer.echo(keys_in_markdown(), nl=False)


@app.command()
def migrate(
    old: Annotated[
        Path, typer.Argument(metavar="OLD", help="Canonical bytes of a plan of schema 2.")
    ],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The file to write, of schema 3.")],
    coordinator_key: Annotated[
        str | None,
        typer.Option(
            metavar="HEX",
            help="The coordinator's Ed25519 public key, 64 hexadecimal digits; simulated parties "
            "need none.",
        ),
    ] = None,
    crowd: Annotated[
        CrowdWord,
        typer.Option(help="Whether the parties in the sums may change from round to round."),
    ] = CrowdWord.OPEN,
) -> None:
    """Convert a plan of schema 2 to schema 3. Review and sign it again."""
    data = _old_bytes(old)
    try:
        plan = migrated(
            data,
            coordinator=None if coordinator_key is None else _coordinator(coordinator_key),
            crowd=_CROWDS[crowd],
        )
    except ProtocolError as error:
        raise PlanError(
            f"{old} does not hold the canonical bytes of a plan: {error}. A plan file in TOML "
            "needs no migration"
        ) from error
    plan, note = _with_installed_code(plan)
    _write_new(new, plan.canonical())
    errors.print(
        f"wrote {new}: plan {plan.hash.hex()} replaces {hashlib.sha256(data).hexdigest()}. "
        f"{note}Each party reviews the new plan and signs its hash",
        markup=False,
        soft_wrap=True,
    )


@app.command()
def show(path: PlanFile) -> None:
    """Show a plan with everything that is derived from it."""
    plan = load_plan_alone(path)
    output.print_json(json.dumps(_shown(plan)))


@app.command("views")
def show_views(
    path: PlanFile,
    form: Annotated[Format, typer.Option("--format", help="Text, JSON or a page.")] = Format.TEXT,
    full: Annotated[
        bool, typer.Option("--full", help="Also print the details after the first page.")
    ] = False,
    who: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="List who sees what, for example --who party=alder,form=plaintext. Keys: "
            f"{', '.join(KEYS)}.",
        ),
    ] = None,
) -> None:
    """Show who will learn what, before anything runs."""
    plan = load_plan_alone(path)
    report = views(plan)
    if who:
        _show_answer(report, who, form)
    elif form is Format.JSON:
        typer.echo(json.dumps(to_json(report), indent=1))
    elif form is Format.HTML:
        typer.echo(views_html(report))
    elif full:
        typer.echo(report.full)
    else:
        show_first_page(report)
        errors.print(f"\nmore: confide plan views {path} --full", markup=False, soft_wrap=True)


def _show_answer(report: ViewReport, who: list[str], form: Format) -> None:
    found = report.who_sees(**parsed(who))
    if form is Format.HTML:
        raise PlanError("--who gives text or JSON: leave out --format html")
    if form is Format.JSON:
        typer.echo(json.dumps(to_json(found), indent=1))
    else:
        typer.echo(exposures_text(found, width=page_width()))


@app.command("estimate")
def show_estimate(
    path: PlanFile,
    rows: Annotated[
        int, typer.Option(help="A public upper bound on a party's number of rows.")
    ] = 10_000,
    max_bytes: Annotated[
        float | None, typer.Option(help="Most bytes that a party may send and receive.")
    ] = None,
    max_seconds: Annotated[float | None, typer.Option(help="Most seconds.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Show what a plan costs: bytes, seconds, memory."""
    plan = load_plan_alone(path)
    seconds = {e.name: estimate_exchange(plan, e.name).seconds for e in plan.exchanges}
    limits = CostLimits(bytes_per_party=max_bytes, seconds=max_seconds)
    sizes = {p.name: rows for p in plan.parties}
    made = estimate(plan, sizes, limits=limits, exchange_seconds=seconds)
    typer.echo(json.dumps(to_json(made), indent=1) if as_json else str(made))


@app.command("hash")
def show_hash(path: PlanFile) -> None:
    """Print the hash that every party signs."""
    plan = load_plan_alone(path)
    typer.echo(plan.hash.hex())


@app.command()
def public(
    path: PlanFile,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Rows to publish, CSV or Parquet.")],
    name: Annotated[str, typer.Option(help="The name of the public value.")] = "hold-out",
) -> None:
    """Print the section that declares a file's rows public. Add it to the plan."""
    plan = load_plan_alone(path)
    rows, digest = load_public(plan, file)
    typer.echo(
        f'[[public]]\nname = {json.dumps(name)}\nsha256 = "{digest.hex()}"\nrows = {len(rows)}\n'
        'meaning = "say what it is, and who agreed to publish it"'
    )


def _write_new(path: Path, data: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise PlanError(f"{path} exists; name another file, or remove it first") from error
    except OSError as error:
        raise PlanError(f"cannot write {path}: {error}") from error


def _old_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_PLAN_BYTES + 1)
    except OSError as error:
        raise PlanError(f"cannot read {path}: {why_unreadable(error)}") from error
    if len(data) > MAX_PLAN_BYTES:
        raise PlanError(f"{path} has more than {MAX_PLAN_BYTES:,} bytes; no plan has")
    return data


def _coordinator(digits: str) -> Coordinator:
    try:
        return Coordinator(bytes.fromhex(digits))
    except ValueError as error:
        raise PlanError(
            f"--coordinator-key {digits!r}; write {_KEY_DIGITS} hexadecimal digits"
        ) from error


def _with_installed_code(plan: Plan) -> tuple[Plan, str]:
    """The plan with the installed code, if that computes the same, and a note on it.

    An old plan names the code of an old release, which this release refuses to run.
    """
    old = f"{plan.code.package} {plan.code.version}"
    try:
        stage = find_computation(plan.task).stage()
    except PlanError as error:
        return plan, f"Its code is still {old} ({error}). "
    if stage.sums != plan.sums:
        return plan, f"Its code is still {old}: what is installed declares other sums. "
    code = stage.code
    note = f"Its code is now {code.package} {code.version}, as installed, instead of {old}. "
    return plan.with_stage(code=code), note if code != plan.code else ""


def _shown(plan: Plan) -> dict[str, object]:
    bits = {
        stage.name: {s.name: part.sum_bits(s) for s in stage.sums.sums}
        for stage, part in zip(plan.sum_stages, plan.sum_plans, strict=True)
    }
    derived: dict[str, object] = {"hash": plan.hash.hex()}
    if plan.sum_stages:
        derived |= {
            "colluding": plan.colluding,
            "min_survivors": plan.min_survivors,
            "sum_bits": bits,
        }
    if plan.exchanges:
        derived["message_bytes"] = {
            exchange.name: {m.name: m.max_bytes for m in exchange.messages}
            for exchange in plan.exchanges
        }
    if plan.sum_stages and plan.only_sums_open:
        derived["masking"] = to_json(plan.masking)
    return {"plan": to_json(to_plain(plan)), "derived": derived}
