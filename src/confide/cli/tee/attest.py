"""`confide tee attest` and `heartbeat`: this machine's evidence, and signs that it still runs."""

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
    from confide.tee.instance import Instance
    from confide.tee.workload import Attester

__all__ = ["attest", "heartbeat"]


class Source(Enum):
    """Where this machine's evidence comes from."""

    CONFIGFS = "configfs"
    GRAMINE = "gramine"
    NITRO = "nitro"
    SIMULATOR = "simulator"


def attest(
    *,
    source: Annotated[
        Source,
        typer.Option("--from", help="configfs (SEV-SNP, TDX), gramine (SGX), nitro; or simulator."),
    ],
    nonce: Annotated[str, typer.Option(help="The nonce of the relying party, 32 bytes in hex.")],
    purpose: Annotated[str, typer.Option(help="The purpose: enrol, for a registry.")],
    plan: Annotated[str, typer.Option(help="The plan's hash, or the registry's number, in hex.")],
    task: Annotated[str, typer.Option(help="The plan's task, or the machine's name.")],
    build: Annotated[str, typer.Option(help="Hash of the build's manifest, in hex.")],
    out: Annotated[Path, typer.Option(help="The file for the evidence.")],
    device: Annotated[
        Path | None, typer.Option(help="Another path of the operating system's interface.")
    ] = None,
    event_log: Annotated[
        Path | None, typer.Option(help="The event log of a TDX domain, as JSON.")
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(
            help="The file for this instance's keys, for heartbeats. It must be in the "
            "enclave's memory, such as /run, and never on a disk. It is made if absent; "
            "without this option, the keys are not kept."
        ),
    ] = None,
    minutes: Annotated[float, typer.Option(help="How long the claims are valid.")] = 10.0,
) -> None:
    """Get evidence from this machine's hardware. It says what runs, and is bound to its keys."""
    from confide.tee.workload import Workload

    instance = _instance(keys)
    workload = Workload(
        attester=_attester(source, device, event_log),
        keys=instance.keys,
        purpose=purpose,
        build=hexadecimal(build, "--build"),
        plan=hexadecimal(plan, "--plan"),
        task=task,
        instance=instance.identifier,
        epoch=0,
        lifetime=timedelta(minutes=minutes),
    )
    evidence = workload.answer(hexadecimal(nonce, "--nonce"), datetime.now(UTC))
    try:
        out.write_bytes(evidence.to_bytes())
    except OSError as error:
        raise DataError(f"cannot write {out}: {error}") from error
    errors.print(f"wrote {out}, {len(evidence.document):,} bytes of evidence", markup=False)


def heartbeat(
    *,
    keys: Annotated[Path, typer.Option(help="This instance's keys, from `attest --keys`.")],
    registry: Annotated[str, typer.Option(help="The registry's number, in hex.")],
    node: Annotated[str, typer.Option(help="The machine's name there.")],
    out: Annotated[Path, typer.Option(help="The file for the heartbeat.")],
) -> None:
    """Sign, for the registry, that the attested instance runs."""
    from confide.tee.heartbeat import Heartbeat
    from confide.tee.instance import Instance

    if not keys.exists():
        raise DataError(f"no keys at {keys}: make them with `confide tee attest --keys {keys}`")
    beat = Heartbeat.of(
        hexadecimal(registry, "--registry"),
        node,
        datetime.now(UTC),
        Instance.read(keys).keys.signing,
    )
    try:
        out.write_bytes(beat.to_bytes())
    except OSError as error:
        raise DataError(f"cannot write {out}: {error}") from error
    errors.print(f"wrote {out}", markup=False)


def _instance(keys: Path | None) -> Instance:
    from confide.randomness import SystemRandom
    from confide.tee.instance import Instance

    if keys is None:
        return Instance.fresh(SystemRandom())
    return Instance.read(keys) if keys.exists() else Instance.fresh(SystemRandom()).write(keys)


def _attester(source: Source, device: Path | None, event_log: Path | None) -> Attester:
    from confide.tee.providers import ConfigfsTsm, Gramine, NitroNsm, SimulatorSocket

    if event_log is not None and source is not Source.CONFIGFS:
        raise DataError("--event-log is for a TDX domain, whose evidence needs --from configfs")
    match source:
        case Source.CONFIGFS:
            made = ConfigfsTsm(event_log=event_log)
            return made if device is None else ConfigfsTsm(device, event_log)
        case Source.GRAMINE:
            return Gramine() if device is None else Gramine(device)
        case Source.NITRO:
            return NitroNsm() if device is None else NitroNsm(device)
        case Source.SIMULATOR:
            if device is None:
                raise DataError("--from simulator needs --device, the folder of `confide-sim`")
            return SimulatorSocket(device)
