"""`confide tee collateral`: fetches and lists the vendors' collateral."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from confide.cli.console import errors, output, plain
from confide.cli.tee.evidence import read_evidence, time_of
from confide.errors import DataError

__all__ = ["app"]

app = typer.Typer(
    help="Fetch vendors' certificates and lists into files.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_POLICY_DAYS = 7


class Update(Enum):
    """Which of Intel's TCB levels."""

    EARLY = "early"
    STANDARD = "standard"


@app.command()
def fetch(
    evidence: Annotated[
        list[Path], typer.Argument(metavar="EVIDENCE", help="The evidence to verify.")
    ],
    *,
    out: Annotated[Path, typer.Option(help="The folder to fill; valid files in it are kept.")],
    pcs: Annotated[
        str | None, typer.Option("--pccs", help="A local cache (PCCS) instead of Intel's service.")
    ] = None,
    kds: Annotated[str | None, typer.Option(help="Another address of AMD's service.")] = None,
    product: Annotated[
        str | None, typer.Option(help="AMD's product, where the report does not say.")
    ] = None,
    update: Annotated[
        Update, typer.Option(help="Intel's TCB levels early, or when they are due.")
    ] = Update.STANDARD,
    max_age_hours: Annotated[
        float, typer.Option(min=0, help="How old lists and statements may be.")
    ] = 24.0,
) -> None:
    """Fetch the collateral for some evidence. Only this command of `tee` uses the network."""
    from confide.tee import Evidence

    from confide_operator.fetch import KDS, PCS, Cache

    cache = Cache(
        out,
        pcs=pcs or PCS,
        kds=kds or KDS,
        max_age=max_age_hours * 3600,
        update=update.value,
        product=product,
    )
    documents = [Evidence.from_bytes(read_evidence(path)).document for path in evidence]
    for path, document in zip(evidence, documents, strict=True):
        found = cache.fill(document)
        for fetched in found:
            output.print(f"{'fetched' if fetched.new else 'kept':<8} {plain(fetched.path.name)}",
                         soft_wrap=True)  # fmt: skip
        if not found:
            output.print(f"{plain(str(path))} carries its chain and needs nothing", soft_wrap=True)
    errors.print("nothing of it is verified yet: confide tee verify does that", style="yellow")


@app.command()
def show(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="As `fetch` filled it.")],
    at: Annotated[str | None, typer.Option(help="The time (ISO 8601, or seconds); now.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write it as JSON.")] = False,
) -> None:
    """List what is in a folder. Until when it holds, and what to renew."""
    from confide_operator.fetch import listed

    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; `confide tee collateral fetch` fills one")
    found = listed(folder, time_of(at), timedelta(days=_POLICY_DAYS))
    if as_json:
        typer.echo(json.dumps([asdict(item) for item in found], indent=1, default=_iso))
        return
    for item in found:
        warning = f"  [bold red]{plain(item.warning)}[/]" if item.warning else ""
        output.print(
            f"{plain(item.file)}: {item.kind} {plain(item.name)}, {_day(item.since)} to "
            f"{_day(item.until)}{warning}",
            soft_wrap=True,
        )


def _iso(value: object) -> str:
    assert isinstance(value, datetime)  # noqa: S101 - nothing else needs help to be JSON
    return value.isoformat()


def _day(value: datetime | None) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%d}" if value else "?"
