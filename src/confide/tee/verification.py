"""Verifying a peer before anything is sent to it, in a fixed order that ends at the first doubt."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass
from datetime import UTC, datetime
from typing import Final

from confide.errors import AttestationError, Step
from confide.tee import dcap, event_log, nitro, quote, snp
from confide.tee.attestation import Assurance, Attestation, Binding, Platform
from confide.tee.claims import Claims
from confide.tee.collateral import Collateral
from confide.tee.evidence import Evidence
from confide.tee.policy import Policy
from confide.tee.release import Reference

__all__ = ["AttestedPeer", "Expected", "Passed", "inspect", "verify", "verify_peer", "warnings"]

Passed = Callable[[Step, str], None]
"""Is told of each step that held, and what was found."""


def _nobody(step: Step, found: str) -> None:
    del step, found


_MADE_HERE: Final = object()


@dataclass(frozen=True)
class Expected:
    """What a client asks a peer to claim.

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
        policy: What is asked of it.
        carried: What it must carry; of Nitro's own fields, those that are not None.
        collateral: What is at hand of the vendors.
        at: The time of the verification, with a time zone.
        passed: Is told of each step that held.

    Raises:
        AttestationError: At the first step that does not hold.
    """
    attestation, _ = _appraise(evidence, policy, collateral, at, passed)
    _check_binding(attestation, carried)
    passed(Step.REPORT_DATA, "the evidence carries what was asked for")
    return attestation


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
        policy: What is asked of it.
        expected: What the client asked for.
        collateral: What is at hand of the vendors.
        at: The time of the verification, with a time zone.
        passed: Is told of each step that held.

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
    return AttestedPeer(claims, attestation, at, evidence.hash, _MADE_HERE)


def inspect(document: bytes) -> tuple[Platform, dict[str, str]]:
    """What a vendor's document says, unverified: for people to look at, and for nothing else.

    Raises:
        AttestationError: If no reader knows it.
    """
    platform, parsed = _parse(document, tuple(Platform))
    said: dict[str, bytes]
    match parsed:
        case quote.Quote():
            said = {**parsed.measurements, "report_data": parsed.report_data}
        case snp.SnpReport():
            said = {**parsed.fields, "chip": parsed.chip, "report_data": parsed.report_data}
        case nitro.NitroDocument():
            own = {"nonce": parsed.binding.nonce, "public_key": parsed.binding.public_key}
            given = {name: value for name, value in own.items() if value is not None}
            said = {**parsed.pcrs, **given, "user_data": parsed.binding.report_data}
    return platform, {name: value.hex() for name, value in said.items()}


def warnings(document: bytes) -> list[str]:
    """What must not be overlooked in a document, unverified: that its workload is open to others.

    Raises:
        AttestationError: If no reader knows it.
    """
    _, parsed = _parse(document, tuple(Platform))
    found = []
    if parsed.debug:
        found.append("DEBUG: whoever runs the machine can read what it computes")
    if not isinstance(parsed, nitro.NitroDocument) and parsed.migratable:
        found.append("MIGRATION: an agent that the evidence does not show may move it")
    return found


_Parsed = quote.Quote | snp.SnpReport | nitro.NitroDocument


def _appraise(
    evidence: Evidence, policy: Policy, collateral: Collateral, at: datetime, passed: Passed
) -> tuple[Attestation, Reference]:
    if at.tzinfo is None:
        raise AttestationError(Step.FRESHNESS, f"the time {at} has no time zone; say which")
    platform, parsed = _parse(evidence.document, policy.platforms)
    events = event_log.parse(evidence.event_log) if evidence.event_log is not None else None
    given = evidence.with_collateral(collateral)
    passed(Step.PARSE, f"{platform.value}, {len(evidence.document):,} bytes")
    try:
        attestation = _authenticate(evidence.document, parsed, policy, given, at)
    except AttestationError as error:
        if error.step is not Step.ROOT:
            passed(Step.ROOT, "ends at a pinned root")
        raise
    _check_simulation(attestation, policy)
    passed(Step.ROOT, f"ends at {_ROOTS[attestation.assurance]}")
    passed(Step.FRESHNESS, f"at {_time(at)}, until {_time(attestation.expires)}")
    _check_tcb(attestation, policy)
    passed(Step.TCB, _tcb_in_words(attestation))
    _check_sealed(attestation)
    passed(Step.DEBUG, "no debugging, no migration")
    if events is not None and attestation.platform is Platform.TDX:
        replayed = event_log.replay(events, attestation.measurements)
        attestation = _with_events(attestation, replayed)
    reference = _match(attestation, policy)
    passed(Step.MEASUREMENT, f"runs {reference.name}")
    _check_node(attestation, policy)
    passed(Step.NODE, _node_in_words(attestation, policy))
    return attestation, reference


def _parse(document: bytes, platforms: tuple[Platform, ...]) -> tuple[Platform, _Parsed]:
    """Reads the document by the verifiers that may be used; their formats exclude each other."""
    problems = []
    for platform in platforms:
        try:
            parsed = _PARSERS[platform](document)
        except AttestationError as error:
            problems.append(f"{platform.value}: {error}")
            continue
        if not isinstance(parsed, quote.Quote) or parsed.platform is platform:
            return platform, parsed
        problems.append(f"{platform.value}: the quote is of {parsed.platform.value}")
    raise AttestationError(
        Step.PARSE, f"no verifier that the policy allows reads the evidence: {'; '.join(problems)}"
    )


_ROOTS: Final = {
    Assurance.HARDWARE: "the vendor's root, pinned in this package",
    Assurance.SIMULATED: "a SIMULATOR's root, named in the policy",
}

_PARSERS: Final[Mapping[Platform, Callable[[bytes], _Parsed]]] = {
    Platform.SGX: quote.parse,
    Platform.TDX: quote.parse,
    Platform.SNP: snp.parse,
    Platform.NITRO: nitro.parse,
}


def _authenticate(
    document: bytes, parsed: _Parsed, policy: Policy, given: Collateral, at: datetime
) -> Attestation:
    match parsed:
        case quote.Quote():
            roots = policy.roots.of(parsed.platform)["intel"]
            age = policy.max_collateral_age
            return dcap.authenticate(document, parsed, given.intel, roots, at=at, max_age=age)
        case snp.SnpReport():
            return snp.authenticate(
                parsed,
                given.certificates,
                given.revocation_lists,
                policy.roots.of(Platform.SNP),
                at,
                revocation=policy.revocation_lists,
            )
        case nitro.NitroDocument():
            roots = policy.roots.of(Platform.NITRO)["aws"]
            return nitro.authenticate(parsed, roots, at, policy.max_evidence_age)


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
            Step.DEBUG, f"{attestation.debug}: whoever runs the machine can read what it computes"
        )
    if attestation.migratable:
        raise AttestationError(
            Step.DEBUG, "a migration agent may move it: what the agent is, the evidence cannot say"
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
            "the evidence carries something else than it should: it is another workload's, or "
            "answers another question",
        )


def _check_claims(claims: Claims, expected: Expected, reference: Reference, at: datetime) -> None:
    wrong = [
        what
        for what, holds in {
            "the nonce, which another question asked": claims.nonce == expected.nonce,
            f"the purpose {claims.purpose!r}": claims.purpose == expected.purpose,
            "the plan, another one": claims.plan == expected.plan,
            f"the task {claims.task!r}": claims.task == expected.task,
            "the workload, not the release's": reference.workload in (None, claims.workload),
            f"the time, over since {_time(claims.expires_at)}": at <= claims.expires_at,
        }.items()
        if not holds
    ]
    if wrong:
        raise AttestationError(
            Step.CLAIMS, f"the peer claims what was not asked: {'; '.join(wrong)}"
        )


def _node_in_words(attestation: Attestation, policy: Policy) -> str:
    allowed = "any machine will do" if policy.nodes is None else f"one of {len(policy.nodes)}"
    return f"{(attestation.node or 'not told')[:32]} ({allowed})"


def _tcb_in_words(attestation: Attestation) -> str:
    tcb = attestation.tcb
    if tcb.status:
        return ", ".join([tcb.status, *tcb.advisories])
    return (
        ", ".join(f"{name} {level}" for name, level in tcb.levels.items()) or "the vendor's matter"
    )


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
