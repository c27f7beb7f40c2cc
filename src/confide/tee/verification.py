"""Verifies a peer before anything is sent to it: fixed steps, stopped at the first failed check."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import InitVar, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from confide.errors import AttestationError, Step
from confide.tee import dcap, documents, event_log, nitro, nvidia, quote, snp
from confide.tee.attestation import Assurance, Attestation, Binding, Platform
from confide.tee.claims import LONGEST_LIFETIME, Claims
from confide.tee.collateral import Collateral
from confide.tee.evidence import Evidence
from confide.tee.policy import Policy
from confide.tee.release import Reference
from confide.tee.roots import Roots

__all__ = ["AttestedPeer", "Expected", "Passed", "authenticate", "verify", "verify_peer"]

Passed = Callable[[Step, str], None]
"""Is told of each step that held, and what was found."""


def _nobody(step: Step, found: str) -> None:
    del step, found


_MADE_HERE: Final = object()


@dataclass(frozen=True)
class Expected:
    """What a client requires a peer to claim.

    Attributes:
        nonce: 32 random bytes that the client just chose, and uses for this question alone.
        purpose: What the peer is to be for.
        plan: Hash of the plan it is to enforce.
        task: Name of the plan's task.
    """

    nonce: bytes
    purpose: str
    plan: bytes
    task: str


@dataclass(frozen=True)
class AttestedPeer:
    """A peer whose evidence held; made by `verify_peer` alone, and all that data is encrypted to.

    Attributes:
        claims: What it said, bound into the evidence.
        attestation: What the evidence says.
        verified_at: When.
        evidence_hash: Of the vendor's document, for logs and receipts.
    """

    claims: Claims
    attestation: Attestation
    verified_at: datetime
    evidence_hash: bytes
    _made: InitVar[object]

    def __post_init__(self, _made: object) -> None:
        if _made is not _MADE_HERE:
            raise TypeError("an AttestedPeer is made by verify_peer, of evidence that holds")

    @property
    def assurance(self) -> Assurance:
        """What stands behind the evidence."""
        return self.attestation.assurance

    @property
    def expires(self) -> datetime:
        """When this verification has to be made again, at the latest."""
        return min(self.claims.expires_at, self.attestation.expires)


def verify(
    evidence: Evidence,
    policy: Policy,
    carried: Binding,
    *,
    collateral: Collateral,
    at: datetime,
    passed: Passed = _nobody,
) -> Attestation:
    """Verifies evidence, and that it carries what is expected, without claims.

    Args:
        evidence: What the peer sent.
        policy: The policy for it.
        carried: What it must carry; of Nitro's own fields, those that are not None.
        collateral: The vendors' collateral that is available.
        at: The time of the verification, with a time zone.
        passed: Called with each step that held.

    Raises:
        AttestationError: At the first step that does not hold.
    """
    attestation, _ = _appraise(evidence, policy, collateral, at, passed)
    _check_binding(attestation, carried)
    passed(Step.REPORT_DATA, "the evidence carries what was asked for")
    nonce = carried.nonce or b""
    return _with_gpus(
        attestation, evidence, policy, nonce, collateral=collateral, at=at, passed=passed
    )


def verify_peer(
    evidence: Evidence,
    policy: Policy,
    expected: Expected,
    *,
    collateral: Collateral,
    at: datetime,
    passed: Passed = _nobody,
) -> AttestedPeer:
    """Verifies evidence, and that it carries the claims that the client asked for.

    Args:
        evidence: What the peer answered.
        policy: The policy for it.
        expected: What the client asked for.
        collateral: The vendors' collateral that is available.
        at: The time of the verification, with a time zone.
        passed: Called with each step that held.

    Raises:
        AttestationError: At the first step that does not hold.
    """
    attestation, reference = _appraise(evidence, policy, collateral, at, passed)
    claims = evidence.claims
    if claims is None:
        raise AttestationError(Step.REPORT_DATA, "the evidence comes without claims")
    _check_binding(attestation, Binding(claims.report_data, claims.nonce, claims.hpke_key))
    passed(Step.REPORT_DATA, "the evidence carries the claims' hash")
    _check_claims(claims, expected, reference, at)
    passed(
        Step.CLAIMS, f"to {claims.purpose} for {claims.task!r}, until {_time(claims.expires_at)}"
    )
    attestation = _with_gpus(
        attestation, evidence, policy, expected.nonce, collateral=collateral, at=at, passed=passed
    )
    return AttestedPeer(claims, attestation, at, evidence.hash, _MADE_HERE)


def _with_gpus(
    attestation: Attestation,
    evidence: Evidence,
    policy: Policy,
    nonce: bytes,
    *,
    collateral: Collateral,
    at: datetime,
    passed: Passed,
) -> Attestation:
    """Verifies the GPUs that the policy asks for, bound to what the CPU's evidence carries.

    Of GPUs that no policy asks for, nothing is read.
    """
    if policy.nvidia is None:
        return attestation
    given = evidence.with_collateral(collateral)
    gpus = nvidia.verify_gpus(
        evidence.gpus,
        policy.nvidia,
        nvidia.gpu_nonce(attestation.binding.report_data, nonce),
        manifests=given.manifests,
        lists=given.revocation_lists,
        at=at,
    )
    passed(Step.GPU, ", ".join(f"driver {gpu.driver}, VBIOS {gpu.vbios}" for gpu in gpus))
    return replace(attestation, expires=min(attestation.expires, *(gpu.expires for gpu in gpus)))


def _appraise(
    evidence: Evidence, policy: Policy, collateral: Collateral, at: datetime, passed: Passed
) -> tuple[Attestation, Reference]:
    if at.tzinfo is None:
        raise AttestationError(Step.FRESHNESS, f"the time {at} has no time zone; say which")
    platform, parsed = documents.read(evidence.document, policy.platforms)
    events = event_log.parse(evidence.event_log) if evidence.event_log is not None else None
    given = evidence.with_collateral(collateral)
    passed(Step.PARSE, f"{platform.value}, {len(evidence.document):,} bytes")
    try:
        attestation = authenticate(
            parsed,
            evidence.document,
            given,
            policy.roots,
            at,
            max_collateral_age=policy.max_collateral_age,
            max_evidence_age=policy.max_evidence_age,
            revocation_lists=policy.revocation_lists,
        )
    except AttestationError as error:
        if error.step is Step.ROOT:
            raise AttestationError(Step.ROOT, f"{error}{given.left_out}") from error
        passed(Step.ROOT, "ends at a pinned root")
        raise
    _check_simulation(attestation, policy)
    passed(Step.ROOT, f"ends at {_ROOTS[attestation.assurance]}")
    passed(Step.FRESHNESS, f"at {_time(at)}, until {_time(attestation.expires)}")
    _check_tcb(attestation, policy)
    _check_numbers(Step.TCB, attestation, policy)
    passed(Step.TCB, _tcb_in_words(attestation))
    _check_sealed(attestation)
    _check_numbers(Step.DEBUG, attestation, policy)
    passed(Step.DEBUG, "no debugging, no migration")
    _check_paravisor(parsed, policy)
    if events is not None and attestation.platform is Platform.TDX:
        replayed = event_log.replay(events, attestation.measurements)
        attestation = _with_events(attestation, replayed)
    reference = _match(attestation, policy)
    _check_numbers(Step.MEASUREMENT, attestation, policy)
    passed(Step.MEASUREMENT, f"runs {reference.name}")
    _check_node(attestation, policy)
    passed(Step.NODE, _node_in_words(attestation, policy))
    return attestation, reference


_ROOTS: Final = {
    Assurance.HARDWARE: "the vendor's root, pinned in this package",
    Assurance.SIMULATED: "a SIMULATOR's root, named in the policy",
}


def authenticate(
    parsed: documents.Document,
    document: bytes,
    given: Collateral,
    roots: Roots,
    at: datetime,
    *,
    max_collateral_age: timedelta,
    max_evidence_age: timedelta,
    revocation_lists: bool,
) -> Attestation:
    """Verifies signatures, chain and dates; the policy judges everything else.

    Args:
        parsed: What a reader made of the document.
        document: The vendor's bytes.
        given: The vendors' collateral that is available.
        roots: The roots that it may end at.
        at: The time of the verification, with a time zone.
        max_collateral_age: How old Intel's signed statements may be.
        max_evidence_age: How old a Nitro document may be.
        revocation_lists: Whether AMD's chains need a revocation list.

    Raises:
        AttestationError: At the steps `root`, `freshness`, `tcb` and `debug`.
    """
    match parsed:
        case quote.Quote():
            pinned = roots.of(parsed.platform)["intel"]
            return dcap.authenticate(
                document, parsed, given.intel, pinned, at=at, max_age=max_collateral_age
            )
        case snp.SnpReport():
            return snp.authenticate(
                parsed,
                given.certificates,
                given.revocation_lists,
                roots.of(Platform.SNP),
                at,
                revocation=revocation_lists,
            )
        case nitro.NitroDocument():
            return nitro.authenticate(parsed, roots.of(Platform.NITRO)["aws"], at, max_evidence_age)


def _check_simulation(attestation: Attestation, policy: Policy) -> None:
    """A second lock: simulated roots are only there if they are allowed."""
    if attestation.assurance is Assurance.SIMULATED and not policy.allow_simulated:
        raise AttestationError(Step.ROOT, "the evidence is simulated, which the policy refuses")


def _check_tcb(attestation: Attestation, policy: Policy) -> None:
    tcb = attestation.tcb
    match attestation.platform:
        case Platform.SGX | Platform.TDX:
            if tcb.status not in policy.statuses:
                accepted = ", ".join(sorted(policy.statuses))
                raise AttestationError(
                    Step.TCB, f"the platform is {tcb.status}; the policy accepts {accepted}"
                )
            if odd := sorted(set(tcb.advisories) - policy.advisories):
                raise AttestationError(
                    Step.TCB, f"the platform has {', '.join(odd)}, not accepted by the policy"
                )
            if (tcb.evaluation or 0) < policy.minimum_evaluation:
                raise AttestationError(
                    Step.TCB,
                    f"Intel's evaluation {tcb.evaluation} was used; the policy asks for "
                    f"{policy.minimum_evaluation} or later",
                )
        case Platform.SNP:
            _check_levels(attestation, policy)
        case Platform.NITRO:
            pass  # AWS keeps its firmware to itself: see SECURITY.md.


def _check_levels(attestation: Attestation, policy: Policy) -> None:
    product = attestation.measurements["product"].decode()
    least = policy.minimum_levels.get(product)
    if least is None:
        raise AttestationError(
            Step.TCB,
            f"the policy names no least patch levels for AMD's {product}: add [tcb.snp.{product}]",
        )
    levels = attestation.tcb.levels
    low = [
        f"{name} {levels.get(name)} < {n}" for name, n in least.items() if levels.get(name, -1) < n
    ]
    if low:
        raise AttestationError(Step.TCB, f"the platform's patch levels are low: {', '.join(low)}")


def _check_sealed(attestation: Attestation) -> None:
    if attestation.debug:
        raise AttestationError(
            Step.DEBUG, f"{attestation.debug}: the machine's operator can read what it computes"
        )
    if attestation.migratable:
        raise AttestationError(
            Step.DEBUG,
            "a migration agent may move it, and the evidence does not identify the agent",
        )


def _check_numbers(step: Step, attestation: Attestation, policy: Policy) -> None:
    """What the policy asks of versions and bits, at the step where each belongs."""
    for requirement in policy.requirements:
        if requirement.platform is attestation.platform and requirement.step is step:
            requirement.check(attestation.numbers)


def _check_paravisor(parsed: documents.Document, policy: Policy) -> None:
    """Azure's reports are the paravisor's: they say nothing of the machine that it serves."""
    if isinstance(parsed, snp.SnpReport) and parsed.paravisor and not policy.allow_paravisor:
        raise AttestationError(
            Step.MEASUREMENT,
            "the report is of Azure's paravisor: its measurement identifies Microsoft's firmware, "
            "and no code of the virtual machine behind it, whose virtual TPM is not read here",
        )


def _with_events(attestation: Attestation, events: dict[str, bytes]) -> Attestation:
    measurements = {**attestation.measurements, **events}
    return Attestation(**{**vars(attestation), "measurements": measurements})


def _match(attestation: Attestation, policy: Policy) -> Reference:
    problems = []
    for reference in policy.references:
        if reference.platform is attestation.platform:
            differing = reference.differs(attestation.measurements)
            if not differing:
                return reference
            problems.append(f"{reference.name} differs in {', '.join(differing)}")
    raise AttestationError(
        Step.MEASUREMENT, f"what runs is nothing that the policy accepts: {'; '.join(problems)}"
    )


def _check_node(attestation: Attestation, policy: Policy) -> None:
    if policy.nodes is not None and attestation.node not in policy.nodes:
        name = attestation.node or "that hides its identifier"
        raise AttestationError(
            Step.NODE, f"a machine {name}, which is not on the policy's list of {len(policy.nodes)}"
        )


def _check_binding(attestation: Attestation, carried: Binding) -> None:
    """Nitro has fields for a nonce and a key; elsewhere, the claims' hash speaks for them."""
    found = attestation.binding
    same = hmac.compare_digest(found.report_data, carried.report_data)
    if attestation.platform is Platform.NITRO:
        same &= carried.nonce in (None, found.nonce)
        same &= carried.public_key in (None, found.public_key)
    if not same:
        raise AttestationError(
            Step.REPORT_DATA,
            "the evidence has other report data than expected: it belongs to another workload, "
            "or answers another nonce",
        )


def _check_claims(claims: Claims, expected: Expected, reference: Reference, at: datetime) -> None:
    last = at + LONGEST_LIFETIME
    wrong = [
        what
        for what, holds in {
            "the nonce, which another question asked": claims.nonce == expected.nonce,
            f"the purpose {claims.purpose!r}": claims.purpose == expected.purpose,
            "the plan, another one": claims.plan == expected.plan,
            f"the task {claims.task!r}": claims.task == expected.task,
            "the workload, not the release's": reference.workload in (None, claims.workload),
            f"the time, over since {_time(claims.expires_at)}": at <= claims.expires_at,
            f"to hold until {_time(claims.expires_at)}, more than {LONGEST_LIFETIME} ahead (is "
            "the machine's clock right?)": claims.expires_at <= last,
        }.items()
        if not holds
    ]
    if wrong:
        raise AttestationError(
            Step.CLAIMS, f"the peer claims what was not asked: {'; '.join(wrong)}"
        )


def _node_in_words(attestation: Attestation, policy: Policy) -> str:
    allowed = "any machine will do" if policy.nodes is None else f"one of {len(policy.nodes)}"
    return f"{attestation.node or 'not told'} ({allowed})"


def _tcb_in_words(attestation: Attestation) -> str:
    tcb = attestation.tcb
    if tcb.status:
        return ", ".join([tcb.status, *tcb.advisories])
    return (
        ", ".join(f"{name} {level}" for name, level in tcb.levels.items()) or "the vendor's matter"
    )


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
