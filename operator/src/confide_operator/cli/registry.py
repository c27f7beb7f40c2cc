"""`confide tee registry`: which builds and machines the parties accept, on the record."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from confide.cli.console import errors, output, plain
from confide.cli.files import load_private_key, load_public_key, named_files, read_text
from confide.cli.tee.evidence import SIMULATED, hexadecimal, read_collateral, read_evidence
from confide.errors import AttestationError, DataError, ProtocolError, Step

if TYPE_CHECKING:
    from confide.tee.relying import RelyingParty

    from confide_operator.registry import NodeHealth, Proposal, Registry

__all__ = ["app"]

_Message = TypeVar("_Message")
_SIMULATED = "simulated"

app = typer.Typer(
    help="Keep the builds and machines that the parties accept.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

File = Annotated[Path, typer.Argument(metavar="REGISTRY", help="The registry's file.")]
Item = Annotated[str, typer.Argument(metavar="ID", help="A proposal, or how its number begins.")]
Key = Annotated[Path, typer.Option("--key", help="Your Ed25519 key to sign with (PEM).")]
Reason = Annotated[str, typer.Option(help="Why, for the record.")]
LogOperator = Annotated[
    Path | None, typer.Option(help="Public key of the log operator, who signed it (PEM).")
]
PolicyFile = Annotated[Path, typer.Option("--policy", help="The policy for the machine.")]
MaybePolicy = Annotated[
    Path | None,
    typer.Option("--policy", help="Your policy for machines: their evidence is verified again."),
]
CollateralFiles = Annotated[
    list[Path] | None,
    typer.Option("--collateral", help="The vendor's certificates and lists; repeatable."),
]
Nonce = Annotated[str, typer.Option(help="The nonce that was sent to the machine, in hex.")]
EvidenceFile = Annotated[Path, typer.Argument(metavar="EVIDENCE", help="The machine's evidence.")]
NodeName = Annotated[str, typer.Argument(metavar="NODE", help="The machine's name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write it as JSON.")]


class Format(Enum):
    """How the record is written."""

    CSV = "csv"
    JSON = "json"


class RoleName(Enum):
    """What a member may do."""

    PARTY = "party"
    OPERATOR = "operator"
    NONE = "none"


@app.command()
def init(
    file: File,
    *,
    name: Annotated[str, typer.Option(help="Of the registry.")],
    by: Annotated[str, typer.Option(help="Your name among the members.")],
    key: Key,
    party: Annotated[list[str], typer.Option(help="NAME=PUBLIC.pem, who decides; repeatable.")],
    operator: Annotated[
        list[str] | None, typer.Option(help="NAME=PUBLIC.pem, who proposes; repeatable.")
    ] = None,
    threshold: Annotated[
        int | None, typer.Option(help="How many parties must accept; all if not said.")
    ] = None,
    reattest_hours: Annotated[float, typer.Option(help="How long an attestation counts.")] = 24.0,
    heartbeat_seconds: Annotated[
        int, typer.Option(help="How long a machine may be silent; 0 if no heartbeats are expected.")
    ] = 0,
) -> None:
    """Create a registry. It prints a number, which every party should compare."""
    from confide_operator.registry import Founded, Member, Registry, Role

    parties, operators = named_files(party, "--party"), named_files(operator or [], "--operator")
    if both := parties.keys() & operators.keys():
        raise DataError(f"{min(both)!r} is a party and an operator; a party may do what both may")
    members = {n: Member(load_public_key(p), Role.PARTY) for n, p in parties.items()}
    members |= {n: Member(load_public_key(p), Role.OPERATOR) for n, p in operators.items()}
    founding = Founded(
        name=name,
        members=members,
        threshold=len(parties) if threshold is None else threshold,
        reattest_seconds=int(reattest_hours * 3600),
        heartbeat_seconds=heartbeat_seconds,
    )
    typer.echo(Registry.init(file, founding, by, load_private_key(key)).id.hex())


@app.command()
def propose(
    file: File,
    release: Annotated[Path, typer.Argument(metavar="RELEASE", help="As `build` wrote it.")],
    key: Key,
) -> None:
    """Propose a build."""
    from confide.tee import SignedRelease

    signed = SignedRelease.from_json(read_text(release))
    _proposed(_open(file).propose_build(signed.release, load_private_key(key)))


@app.command()
def member(
    file: File,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the member.")],
    public: Annotated[Path, typer.Argument(metavar="PUBLIC", help="Its public key (PEM).")],
    role: Annotated[RoleName, typer.Option(help="Its role; 'none' removes the member.")],
    key: Key,
) -> None:
    """Propose a member, or another key or role of one."""
    from confide_operator.registry import MemberProposed

    wanted = MemberProposed(name, load_public_key(public), role.value)
    _proposed(_open(file).propose(wanted, load_private_key(key)))


@app.command()
def challenge(file: File, node: NodeName) -> None:
    """Print a fresh nonce for a machine, and how it answers."""
    from confide.randomness import SystemRandom
    from confide.tee.claims import NONCE_BYTES

    from confide_operator.registry import ENROL

    registry, nonce = _open(file), SystemRandom().bytes(NONCE_BYTES)
    typer.echo(nonce.hex())
    errors.print(
        f"on the machine: confide tee attest --purpose {ENROL} --plan {registry.id.hex()} "
        f"--task {plain(node)} --nonce {nonce.hex()} --build HASH --keys KEYS --from … "
        "--out EVIDENCE",
        soft_wrap=True,
    )


@app.command()
def enrol(
    file: File,
    node: NodeName,
    evidence: EvidenceFile,
    *,
    nonce: Nonce,
    policy: PolicyFile,
    key: Key,
    collateral: CollateralFiles = None,
) -> None:
    """Verify a machine's evidence, and propose the machine."""
    registry, relying = _open(file), _relying(policy, collateral)
    proposal = registry.propose_node(
        node,
        read_evidence(evidence),
        relying,
        hexadecimal(nonce, "--nonce"),
        load_private_key(key),
    )
    _warn(relying)
    _proposed(proposal)


@app.command()
def attest(
    file: File,
    node: NodeName,
    evidence: EvidenceFile,
    *,
    nonce: Nonce,
    policy: PolicyFile,
    key: Key,
    collateral: CollateralFiles = None,
) -> None:
    """Verify a machine again, and record it. The exit code is 0 only if all holds."""
    registry, relying = _open(file), _relying(policy, collateral)
    registry.attest(
        registry.node(node),
        read_evidence(evidence),
        relying,
        hexadecimal(nonce, "--nonce"),
        load_private_key(key),
    )
    _warn(relying)
    errors.print(f"{plain(node)}: attested", soft_wrap=True)


@app.command()
def heartbeat(
    file: File,
    message: Annotated[Path, typer.Argument(metavar="MESSAGE", help="As the machine made it.")],
) -> None:
    """Record a machine's heartbeat."""
    beat = _open(file).heartbeat(read_evidence(message))
    errors.print(f"{plain(beat.node)}: alive at {_time(beat.time)}", soft_wrap=True)


@app.command()
def queue(
    file: File,
    party: Annotated[str | None, typer.Option(help="Only what waits for this party.")] = None,
    policy: MaybePolicy = None,
    as_json: AsJson = False,
) -> None:
    """List what waits for the parties, with what they vote on."""
    registry = _open(file)
    waiting = registry.queue(party)
    found = {item.id: _on_machine(registry, item, policy) for item in waiting}
    if any(machine.simulated for machine in found.values()):
        errors.print(SIMULATED, style="bold white on red")
    if as_json:
        typer.echo(json.dumps([_as_dict(registry, i, found[i.id]) for i in waiting], indent=1))
        return
    if not waiting:
        output.print("nothing waits")
    state = registry.state
    for item in waiting:
        output.print(
            f"{item.id.hex()[:16]}  {plain(item.title)}, by {plain(item.by)} on "
            f"{_time(item.time)}; {len(item.accepting(state.parties))} of {state.threshold} accept",
            soft_wrap=True,
        )
        if found[item.id].identifier:
            output.print(f"    machine {plain(found[item.id].identifier)}", soft_wrap=True)
            output.print(f"    {found[item.id].words}", soft_wrap=True)


@app.command()
def accept(
    file: File, item: Item, key: Key, reason: Reason = "", policy: MaybePolicy = None
) -> None:
    """Accept a build, a machine or a member. You verify a machine's evidence first."""
    registry = _open(file)
    proposal, relying = registry.find(item), _relying(policy, None) if policy else None
    _decided(registry, registry.accept(proposal, load_private_key(key), reason, relying))


@app.command()
def reject(
    file: File, item: Item, key: Key, reason: Annotated[str, typer.Option(help="Why.")]
) -> None:
    """Reject what waits, or take back that you accepted it."""
    registry = _open(file)
    _decided(registry, registry.reject(registry.find(item), load_private_key(key), reason))


@app.command()
def withdraw(
    file: File, item: Item, key: Key, reason: Annotated[str, typer.Option(help="Why.")]
) -> None:
    """Take a proposal back. Such as a bad build, or a machine that is gone."""
    registry = _open(file)
    _decided(registry, registry.withdraw(registry.find(item), load_private_key(key), reason))


@app.command()
def status(
    file: File,
    policy: MaybePolicy = None,
    as_json: AsJson = False,
    check: Annotated[
        bool, typer.Option("--check", help="Fail if an accepted machine may not be used.")
    ] = False,
) -> None:
    """Say what is accepted. Builds, machines, and which machines may be used now."""
    registry = _open(file)
    nodes, builds = registry.nodes(_relying(policy, None) if policy else None), registry.releases()
    if as_json:
        found = {
            "registry": registry.id.hex(),
            "entries": len(registry.log),
            "builds": [{"release": b.release.hash.hex(), "name": b.release.name,
                        "version": b.release.version} for b in builds],
            "nodes": [{**asdict(node), "usable": node.usable} for node in nodes],
            "waiting": len(registry.queue()),
        }  # fmt: skip
        typer.echo(json.dumps(found, indent=1))
    else:
        _print_status(registry, nodes)
        if nodes and policy is None:
            errors.print(
                "without --policy no evidence is verified, and no machine is usable",
                style="bold yellow",
                soft_wrap=True,
            )
    if any(node.warnings for node in nodes):
        errors.print(SIMULATED, style="bold white on red")
    bad = [node.name for node in nodes if node.approval == "accepted" and not node.usable]
    if check and bad:
        raise AttestationError(Step.NODE, f"may not be used now: {', '.join(bad)}")


@app.command()
def releases(
    file: File,
    out: Annotated[Path, typer.Option(help="The folder for the releases' files.")],
    policy: MaybePolicy = None,
) -> None:
    """Write the accepted builds for a policy. It prints the part of the policy that names them.

    With --policy, the machines that are usable under it are named; without, any machine is, as it
    takes to enrol the first one.
    """
    registry = _open(file)
    names: list[str] = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for signed in registry.releases():
            names.append(f"release-{signed.release.hash.hex()[:16]}.json")
            (out / names[-1]).write_text(signed.to_json(), encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot write to {out}: {error}") from error
    nodes = _usable(registry, policy)
    state = registry.state
    signers = sorted(state.members[name].key.hex() for name in state.parties)
    typer.echo(f"nodes = {nodes}\n")
    typer.echo(f"[releases]\nfiles = {json.dumps(names)}")
    typer.echo(f"signers = {json.dumps(signers)}\nthreshold = {state.threshold}")
    if not names:
        raise DataError("no build is accepted yet: a policy needs one")


@app.command()
def audit(
    file: File,
    form: Annotated[Format, typer.Option("--format", help="A table or JSON.")] = Format.CSV,
) -> None:
    """Write every statement, a row for each."""
    from confide_operator.registry import audit, to_csv, to_json

    rows = audit(_open(file))
    typer.echo(to_csv(rows) if form is Format.CSV else to_json(rows), nl=False)


@app.command()
def head(file: File, key: Key) -> None:
    """Print a signed head of the record, for others to keep."""
    typer.echo(_open(file).log.head(load_private_key(key)).to_bytes().hex())


@app.command()
def prove(
    file: File,
    entry: Annotated[int, typer.Argument(metavar="ENTRY", help="Number of the entry.")],
    key: Key,
) -> None:
    """Print a proof that an entry is in the record. For readers without a copy."""
    typer.echo(_open(file).log.inclusion(entry, load_private_key(key)).to_bytes().hex())


@app.command("check-proof")
def check_proof(
    proof: Annotated[Path, typer.Argument(metavar="PROOF", help="As `prove` printed it.")],
    log_operator: Annotated[Path, typer.Option(help="Public key of the log operator (PEM).")],
) -> None:
    """Check a proof, and print what the entry says."""
    from confide.transparency.log import Inclusion

    from confide_operator.registry import Statement

    shown = _printed(proof, "proof", Inclusion.from_bytes)
    said = Statement.from_bytes(shown.verify(load_public_key(log_operator)).body)
    output.print(
        f"entry {shown.entry.number} of {shown.head.size}, {_time(shown.entry.time)}: "
        f"{plain(said.by)}, {said.kind}",
        soft_wrap=True,
    )


@app.command()
def verify(
    file: File,
    heads: Annotated[
        list[Path] | None, typer.Option("--head", help="A head kept elsewhere; repeatable.")
    ] = None,
    log_operator: LogOperator = None,
    policies: Annotated[
        list[Path] | None,
        typer.Option("--policy", help="Attestations under it are verified again; repeatable."),
    ] = None,
) -> None:
    """Check the whole record again. Every signature, rule and attestation, and no entry missing."""
    from confide.transparency.log import LogHead

    registry = _open(file)
    if heads and log_operator is None:
        raise DataError(
            "a head proves nothing without its signer: give --log-operator, the public key"
        )
    kept = [_printed(path, "head", LogHead.from_bytes) for path in heads or []]
    relying = [_relying(policy, None) for policy in policies or []]
    public = load_public_key(log_operator) if log_operator else None
    unverified = registry.verify(kept, public, relying)
    output.print(f"entries: {len(registry.log)}, each as its member signed it")
    if unverified:
        errors.print(
            f"NOT verified: {unverified} attestations, whose policy is not given by --policy",
            style="bold white on red",
            soft_wrap=True,
        )
    if not kept:
        errors.print(
            "without --head, a truncated end and a restored backup cannot be detected",
            soft_wrap=True,
        )


def _printed(path: Path, what: str, read: Callable[[bytes], _Message]) -> _Message:
    """What another command printed into a file, in hexadecimal."""
    try:
        return read(hexadecimal(read_text(path), f"the {what} {path}"))
    except ProtocolError as error:
        raise DataError(f"{path} holds no {what} of a registry: {error}") from error


def _open(file: Path) -> Registry:
    from confide_operator.registry import Registry

    return Registry(file)


def _relying(policy: Path, collateral: Iterable[Path] | None) -> RelyingParty:
    from confide.tee import read_policy
    from confide.tee.relying import RelyingParty

    return RelyingParty(read_policy(policy), read_collateral(collateral))


def _warn(relying: RelyingParty) -> None:
    if relying.policy.allow_simulated:
        errors.print(SIMULATED, style="bold white on red")


@dataclass(frozen=True)
class _OnMachine:
    """What people see of a machine that they vote on."""

    identifier: str = ""
    words: str = ""
    simulated: bool = False


def _on_machine(registry: Registry, item: Proposal, policy: Path | None) -> _OnMachine:
    from confide_operator.registry import NodeProposed

    subject, fact = item.subject, item.last_held
    if not isinstance(subject, NodeProposed):
        return _OnMachine()
    if fact is None:
        return _OnMachine(subject.identifier, "[bold red]never attested[/]")
    simulated = fact.assurance == _SIMULATED
    loud = "[bold white on red]SIMULATED[/]" if simulated else fact.assurance
    words = f"{loud}, says {plain(item.by)}; verify it with --policy"
    if policy is not None:
        try:
            found = registry.verified(item, fact, _relying(policy, None)).assurance.value
        except AttestationError as error:
            return _OnMachine(subject.identifier, f"[bold red]fails[/]: {plain(str(error))}")
        simulated |= found == _SIMULATED
        words = "[bold white on red]SIMULATED[/]" if simulated else f"{found}, verified"
    return _OnMachine(subject.identifier, words, simulated)


def _usable(registry: Registry, policy: Path | None) -> str:
    """The value of `nodes` in a policy."""
    if policy is None:
        return '"any"  # to enrol machines by; name them with --policy once they are accepted'
    nodes = registry.nodes(_relying(policy, None))
    found = sorted(node.identifier for node in nodes if node.usable)
    if not found:
        reasons = "; ".join(f"{n.name}: {', '.join(n.problems)}" for n in nodes) or "none enrolled"
        raise DataError(f"no machine is usable under {policy}: {reasons}")
    return json.dumps(found)


def _proposed(proposal: Proposal) -> None:
    typer.echo(proposal.id.hex())
    errors.print(f"{plain(proposal.title)} waits for the parties", soft_wrap=True)


def _decided(registry: Registry, proposal: Proposal) -> None:
    state = registry.state
    count = len(proposal.accepting(state.parties))
    errors.print(
        f"{plain(proposal.title)}: {count} of {state.threshold} accept; {state.status(proposal)}",
        soft_wrap=True,
    )


def _as_dict(registry: Registry, proposal: Proposal, machine: _OnMachine) -> dict[str, object]:
    state = registry.state
    return {
        "id": proposal.id.hex(),
        "title": proposal.title,
        "by": proposal.by,
        "time": _time(proposal.time),
        "status": state.status(proposal),
        "accepting": proposal.accepting(state.parties),
        "threshold": state.threshold,
        "machine": machine.identifier or None,
        "simulated": machine.simulated,
    }


def _print_status(registry: Registry, nodes: list[NodeHealth]) -> None:
    state = registry.state
    assert state.founded is not None  # noqa: S101 - a registry has been founded
    output.print(
        f"registry {plain(state.founded.name)} {registry.id.hex()[:16]}…, entries: "
        f"{len(registry.log)}, parties: {len(state.parties)}, of whom {state.threshold} accept, "
        f"proposals that wait: {len(registry.queue())}",
        soft_wrap=True,
    )
    for signed in registry.releases():
        release = signed.release
        where = ", ".join(platform.value for platform in release.measurements)
        output.print(
            f"build {plain(release.name)} {plain(release.version)} ({where}), signed by "
            f"{len(signed.signatures)}",
            soft_wrap=True,
        )
    for node in nodes:
        may = "[green]may be used[/]"
        if not node.usable:
            may = f"[bold red]may NOT be used[/]: {plain('; '.join(node.problems))}"
        assurance = "[bold white on red]SIMULATED[/]" if node.warnings else node.assurance
        output.print(
            f"node {plain(node.name)} ({node.platform}, {assurance or 'not verified'}), machine "
            f"{plain(node.identifier)}, attested {_time(node.attested)}, due {_time(node.due)}, "
            f"heartbeat {_time(node.heartbeat)}: {may}",
            soft_wrap=True,
        )


def _time(seconds: int | None) -> str:
    return "never" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"
