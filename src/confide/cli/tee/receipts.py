"""`confide tee receipts`: verifies what an enclave signed for each round, after the run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from confide.cli.console import errors, output, plain
from confide.cli.files import load_plan_alone
from confide.cli.tee.evidence import SIMULATED, read_collateral, read_evidence, time_of
from confide.errors import DataError, ProtocolError

if TYPE_CHECKING:
    from confide.aggregation import Receipt

__all__ = ["receipts"]

_MAX_RECEIPTS = 100_000


def receipts(
    plan_file: Annotated[Path, typer.Argument(metavar="PLAN", help="The plan it enforced.")],
    files: Annotated[
        list[Path],
        typer.Argument(metavar="RECEIPT", help="Receipts, starting with the instance's first one."),
    ],
    *,
    evidence: Annotated[
        list[Path],
        typer.Option(help="The instance's evidence; one for each of its starts."),
    ],
    policy: Annotated[Path, typer.Option(help="The policy for it.")],
    at: Annotated[
        list[str],
        typer.Option(
            help="The time of the evidence (ISO 8601, or seconds); one for each evidence."
        ),
    ],
    collateral: Annotated[
        list[Path] | None,
        typer.Option(help="The vendor's certificates and lists of that time; repeatable."),
    ] = None,
) -> None:
    """Verify a chain of receipts offline. The exit code is 0 only if all of it holds."""
    from confide.aggregation import verify_receipts
    from confide.tee import Evidence, read_policy

    if len(files) > _MAX_RECEIPTS:
        raise DataError(f"{len(files):,} receipts; at most {_MAX_RECEIPTS:,} are read at once")
    if len(evidence) != len(at):
        raise DataError(
            f"{len(evidence)} times --evidence but {len(at)} times --at: give one "
            "--at for each --evidence"
        )
    plan = load_plan_alone(plan_file)
    chain = [_receipt(file) for file in files]
    asked = read_policy(policy)
    verify_receipts(
        chain,
        plan,
        [
            (Evidence.from_bytes(read_evidence(file)), time_of(time))
            for file, time in zip(evidence, at, strict=True)
        ],
        asked,
        collateral=read_collateral(collateral),
    )
    for receipt in chain:
        output.print(
            f"round {receipt.number}: {len(receipt.survivors)} parties "
            f"({plain(', '.join(receipt.survivors))}), {plain(receipt.spent)}, "
            f"{receipt.assurance}",
            soft_wrap=True,
        )
    output.print(f"{len(chain)} receipts of one enclave, none missing, each signed by it")
    if asked.allow_simulated:
        errors.print(SIMULATED, style="bold white on red")


def _receipt(file: Path) -> Receipt:
    from confide.aggregation import Receipt

    try:
        return Receipt.from_bytes(read_evidence(file))
    except ProtocolError as error:
        raise ProtocolError(f"{file} is not a receipt: {error}") from error
