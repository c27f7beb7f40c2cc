"""`confide tee verify`, `inspect` and `policy`: is this the expected peer?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from confide.cli.console import errors, output, plain
from confide.cli.tee.evidence import (
    SIMULATED,
    hexadecimal,
    read_collateral,
    read_evidence,
    time_of,
    with_event_log,
    with_gpus,
)
from confide.errors import AttestationError, DataError, Step

if TYPE_CHECKING:
    from datetime import datetime

    from confide.tee import Attestation, Binding, Evidence, Expected

__all__ = ["inspect", "show_policy", "verify"]

EvidenceFile = Annotated[
    Path, typer.Argument(metavar="EVIDENCE", help="A quote, a report, a document or a bundle.")
]


def verify(  # noqa: PLR0917 - options, which are named where they are used
    evidence_file: EvidenceFile,
    policy_file: Annotated[Path, typer.Option("--policy", help="The policy for the peer.")],
    collateral: Annotated[
        list[Path] | None,
        typer.Option(help="The vendor's certificates and lists: files or folders; repeatable."),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(help="The time to verify at (ISO 8601, or seconds); now if omitted."),
    ] = None,
    event_log: Annotated[
        Path | None,
        typer.Option(help="The event log of a TDX domain, as JSON, if it is a separate file."),
    ] = None,
    gpu: Annotated[
        Path | None,
        typer.Option(help="Evidence of NVIDIA's GPUs, in JSON, if it is a separate file."),
    ] = None,
    report_data: Annotated[
        str | None,
        typer.Option(help="The report data that a document without claims must have, in hex."),
    ] = None,
    nonce: Annotated[str | None, typer.Option(help="The nonce that was sent, in hex.")] = None,
    plan: Annotated[
        str | None, typer.Option(help="The plan's hash that the claims must have, in hex.")
    ] = None,
    purpose: Annotated[
        str, typer.Option(help="The purpose that the claims must have.")
    ] = "aggregate",
    task: Annotated[str | None, typer.Option(help="The task that the claims must have.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
) -> None:
    """Verify evidence offline. The exit code is 0 only if every step holds."""
    from confide.tee import Evidence, read_policy, verify, verify_peer

    held: dict[Step, str] = {}
    attestation: Attestation | None = None
    failure: AttestationError | None = None
    policy = read_policy(policy_file)
    if gpu is not None and policy.nvidia is None:
        raise DataError(
            "the policy asks for no GPU, so the evidence from --gpu would not be verified: add "
            "[nvidia] to the policy, or leave --gpu out"
        )
    try:
        evidence = Evidence.from_bytes(read_evidence(evidence_file))
        evidence = with_gpus(with_event_log(evidence, event_log), gpu)
        given = read_collateral(collateral)
        time = time_of(at)
        if evidence.claims is None:
            carried = _carried(report_data, nonce)
            attestation = verify(
                evidence, policy, carried, collateral=given, at=time, passed=held.__setitem__
            )
        else:
            expected = _expected(nonce, plan, purpose, task)
            attestation = verify_peer(
                evidence, policy, expected, collateral=given, at=time, passed=held.__setitem__
            ).attestation
    except AttestationError as error:
        failure = error
    if as_json:
        typer.echo(json.dumps(_as_json(held, attestation, failure), indent=1))
    else:
        _print(held, failure)
    if attestation is not None and attestation.assurance.value == "simulated":
        errors.print(SIMULATED, style="bold white on red")
    if failure is not None:
        raise typer.Exit(failure.exit_code)


def inspect(  # noqa: PLR0917 - options, which are named where they are used
    evidence_file: EvidenceFile,
    as_json: Annotated[bool, typer.Option("--json", help="Write it as JSON.")] = False,
    as_policy: Annotated[
        bool,
        typer.Option("--as-policy", help="Verify it, and print a policy that accepts it."),
    ] = False,
    collateral: Annotated[
        list[Path] | None, typer.Option(help="For --as-policy, as `verify` takes it; repeatable.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(help="For --as-policy: the time (ISO 8601, or seconds); now if omitted."),
    ] = None,
    event_log: Annotated[
        Path | None, typer.Option(help="For --as-policy: the event log of a TDX domain, as JSON.")
    ] = None,
    gpu: Annotated[
        Path | None,
        typer.Option(help="Evidence of NVIDIA's GPUs, in JSON, if it is a separate file."),
    ] = None,
    simulated_root: Annotated[
        Path | None, typer.Option(help="For --as-policy: a simulator's root that you accept.")
    ] = None,
) -> None:
    """Show what evidence states, without verifying it. Or make a policy from it."""
    from confide.tee import Evidence, inspect, warnings
    from confide.tee.nvidia import inspect_gpu

    evidence = with_gpus(Evidence.from_bytes(read_evidence(evidence_file)), gpu)
    if as_policy:
        evidence = with_event_log(evidence, event_log)
        _print_policy(evidence, collateral, time_of(at), simulated_root)
        return
    platform, said = inspect(evidence.document)
    loud = warnings(evidence.document)
    claims = {
        name: claim.hex() if isinstance(claim, bytes) else claim
        for name, claim in (vars(evidence.claims) if evidence.claims else {}).items()
    }
    if as_json:
        stated = {"verified": False, "warnings": loud, "platform": platform.value, **said}
        gpus = [inspect_gpu(gpu) for gpu in evidence.gpus]
        beside = {"gpus": gpus} if gpus else {}
        typer.echo(json.dumps({**stated, **beside, "claims": claims or None}, indent=1))
        return
    errors.print("nothing of this is verified: anybody could have written it", style="bold yellow")
    for warning in loud:
        errors.print(warning, style="bold white on red")
    output.print(f"platform           {platform.value}", markup=False)
    for name, value in said.items():
        output.print(f"{name:<18} {plain(value)}", soft_wrap=True)
    for number, beside_it in enumerate(evidence.gpus):
        for name, value in inspect_gpu(beside_it).items():
            output.print(f"gpu{number}.{name:<13} {plain(value)}", soft_wrap=True)
    for name, claim in claims.items():
        output.print(f"claims.{name:<15} {plain(str(claim))}", soft_wrap=True)


def _print_policy(
    evidence: Evidence, collateral: list[Path] | None, at: datetime, root: Path | None
) -> None:
    from confide.tee import Roots, inspect
    from confide.tee.policyfile import read_certificate
    from confide.tee.starting_policy import starting_policy

    simulator = None
    if root is not None:
        platform, _ = inspect(evidence.document)
        simulator = str(root), Roots({platform: read_certificate(root)})
        errors.print(SIMULATED, style="bold white on red")
    typer.echo(
        starting_policy(evidence, read_collateral(collateral), at, simulator=simulator), nl=False
    )


def show_policy(
    policy_file: Annotated[Path, typer.Argument(metavar="POLICY", help="The policy's file.")],
) -> None:
    """Check a policy, and print the hash for a plan."""
    from confide.tee import read_policy

    policy = read_policy(policy_file)
    if policy.allow_simulated:
        errors.print(SIMULATED, style="bold white on red")
    typer.echo(policy.hash.hex())


def _carried(report_data: str | None, nonce: str | None) -> Binding:
    from confide.tee import Binding

    if report_data is None:
        raise DataError(
            "the document has no claims, and nothing says which report data it must have: give "
            "--report-data, or genuine evidence of any machine would pass"
        )
    return Binding(
        hexadecimal(report_data, "--report-data"),
        None if nonce is None else hexadecimal(nonce, "--nonce"),
    )


def _expected(nonce: str | None, plan: str | None, purpose: str, task: str | None) -> Expected:
    from confide.tee import Expected

    if nonce is None or plan is None or task is None:
        raise DataError(
            "the evidence has claims: give --nonce, --plan and --task, as they were requested"
        )
    return Expected(hexadecimal(nonce, "--nonce"), purpose, hexadecimal(plan, "--plan"), task)


def _as_json(
    held: dict[Step, str], attestation: Attestation | None, failure: AttestationError | None
) -> dict[str, object]:
    return {
        "verified": failure is None,
        "assurance": attestation.assurance.value if attestation else None,
        "platform": attestation.platform.value if attestation else None,
        "node": attestation.node if attestation else None,
        "expires": attestation.expires.isoformat() if attestation else None,
        "held": {step.value: found for step, found in held.items()},
        "failed": failure.step.value if failure else None,
        "reason": str(failure) if failure else None,
    }


def _print(held: dict[Step, str], failure: AttestationError | None) -> None:
    for step, found in held.items():
        output.print(f"[green]holds[/]   {step.value:<12} {plain(found)}", soft_wrap=True)
    if failure is not None:
        output.print(
            f"[bold red]refused[/] {failure.step.value:<12} {plain(str(failure))}", soft_wrap=True
        )
