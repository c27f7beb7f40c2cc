"""`confide tee attest`: evidence of this machine, for who asks with a nonce."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from confide.cli.console import errors
from confide.cli.tee.evidence import hexadecimal
from confide.errors import DataError

if TYPE_CHECKING:
    from confide.tee.workload import Attester

__all__ = ["attest"]


class Source(Enum):
    """Where this machine's evidence comes from."""

    CONFIGFS = "configfs"
    GRAMINE = "gramine"
    NITRO = "nitro"


def attest(
    *,
    source: Annotated[
        Source, typer.Option("--from", help="configfs (SEV-SNP, TDX), gramine (SGX) or nitro.")
    ],
    nonce: Annotated[str, typer.Option(help="What the asker chose, 32 bytes in hex.")],
    purpose: Annotated[str, typer.Option(help="What for: enrol, for a registry.")],
    plan: Annotated[str, typer.Option(help="The plan's hash, or the registry's number, in hex.")],
    task: Annotated[str, typer.Option(help="The plan's task, or the machine's name.")],
    build: Annotated[str, typer.Option(help="Hash of the build's manifest, in hex.")],
    out: Annotated[Path, typer.Option(help="The file for the evidence.")],
    device: Annotated[
        Path | None, typer.Option(help="Another place of the operating system's interface.")
    ] = None,
    event_log: Annotated[Path | None, typer.Option(help="Of a TDX domain, as JSON.")] = None,
    minutes: Annotated[float, typer.Option(help="How long the claims count.")] = 10.0,
) -> None:
    """Ask this machine's hardware for evidence; the keys in its claims are forgotten at once."""
    from confide.randomness import SystemRandom
    from confide.tee.workload import Workload, WorkloadKeys

    random = SystemRandom()
    workload = Workload(
        attester=_attester(source, device, event_log),
        keys=WorkloadKeys.generate(random),
        purpose=purpose,
        build=hexadecimal(build, "--build"),
        plan=hexadecimal(plan, "--plan"),
        task=task,
        instance=random.bytes(32),
        epoch=0,
        lifetime=timedelta(minutes=minutes),
    )
    evidence = workload.answer(hexadecimal(nonce, "--nonce"), datetime.now(UTC))
    try:
        out.write_bytes(evidence.to_bytes())
    except OSError as error:
        raise DataError(f"cannot write {out}: {error}") from error
    errors.print(f"wrote {out}, {len(evidence.document):,} bytes of evidence", markup=False)


def _attester(source: Source, device: Path | None, event_log: Path | None) -> Attester:
    from confide.tee.providers import ConfigfsTsm, Gramine, NitroNsm

    if event_log is not None and source is not Source.CONFIGFS:
        raise DataError("--event-log is of a TDX domain, whose evidence is --from configfs")
    match source:
        case Source.CONFIGFS:
            made = ConfigfsTsm(event_log=event_log)
            return made if device is None else ConfigfsTsm(device, event_log)
        case Source.GRAMINE:
            return Gramine() if device is None else Gramine(device)
        case Source.NITRO:
            return NitroNsm() if device is None else NitroNsm(device)
