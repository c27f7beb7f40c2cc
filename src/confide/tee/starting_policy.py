"""A starting policy, made from verified evidence: it accepts exactly this evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from confide.errors import AttestationError, Step
from confide.tee import documents, event_log, snp
from confide.tee.attestation import REQUIRED_MEASUREMENTS, Assurance, Attestation, Platform
from confide.tee.collateral import Collateral
from confide.tee.evidence import Evidence
from confide.tee.requirements import FIELDS, VERSIONS, named_bits, version_text
from confide.tee.roots import Roots
from confide.tee.verification import authenticate

__all__ = ["starting_policy"]

_AGES: Final = (timedelta(days=7), timedelta(days=30))
_EVIDENCE_AGE: Final = timedelta(minutes=5)
_MORE: Final = {
    Platform.SGX: (),
    Platform.TDX: ("mrconfigid", "mrowner", "mrownerconfig"),
    Platform.SNP: ("host_data", "vmpl"),
    Platform.NITRO: ("pcr8",),
}
"""What besides the required measurements distinguishes workloads, where it is not zero."""

_OF_AN_INSTANCE: Final = frozenset({"event:instance-id"})
_STRONG: Final = {
    "guest_policy": ("single_socket", "mem_aes_256_xts", "rapl_dis", "ciphertext_hiding"),
    "platform_info": ("ecc_en", "alias_check_complete", "ciphertext_hiding_dram_en"),
    "attributes": ("sept_ve_disable",),
}
_WEAK: Final = {
    "guest_policy": ("smt", "migrate_ma", "debug", "cxl_allow"),
    "platform_info": ("smt_en",),
    "attributes": ("debug", "provision_key", "migratable", "perfmon"),
}
"""Bits that are asked for, or refused, if the evidence is so."""


@dataclass(frozen=True)
class _Verified:
    attestation: Attestation
    max_collateral_age: timedelta
    revocation_lists: bool
    paravisor: bool


def starting_policy(
    evidence: Evidence,
    collateral: Collateral,
    at: datetime,
    *,
    simulator: tuple[str, Roots] | None = None,
) -> str:
    """Writes a policy that accepts some evidence, for people to read, and to loosen or tighten.

    Args:
        evidence: What was obtained; its signatures, chain and dates are verified.
        collateral: The vendors' collateral that is available.
        at: The time of the verification, with a time zone.
        simulator: The name of a file with a simulator's root, and the root.

    Returns:
        TOML, as `confide.tee.read_policy` reads it.

    Raises:
        AttestationError: If the evidence is not genuine, is open to debugging or migration, or
            identifies no code: no policy would accept it.
    """
    verified = _verified(evidence, collateral, at, simulator[1] if simulator else Roots())
    return "\n".join(_lines(verified, simulator[0] if simulator else "")) + "\n"


def _verified(evidence: Evidence, collateral: Collateral, at: datetime, roots: Roots) -> _Verified:
    platform, parsed = documents.read(evidence.document, tuple(Platform))
    given = evidence.with_collateral(collateral)
    lists = platform is not Platform.SNP or bool(given.revocation_lists)
    failure: AttestationError | None = None
    for age in _AGES:
        try:
            found = authenticate(
                parsed,
                evidence.document,
                given,
                roots,
                at,
                max_collateral_age=age,
                max_evidence_age=_EVIDENCE_AGE,
                revocation_lists=lists,
            )
        except AttestationError as error:
            failure = error
            continue
        paravisor = isinstance(parsed, snp.SnpReport) and parsed.paravisor
        return _Verified(
            attestation=_with_events(found, evidence),
            max_collateral_age=age,
            revocation_lists=lists,
            paravisor=paravisor,
        )
    assert failure is not None  # noqa: S101 - there are ages to try
    raise failure


def _with_events(found: Attestation, evidence: Evidence) -> Attestation:
    _check_usable(found)
    if found.platform is not Platform.TDX or evidence.event_log is None:
        return found
    replayed = event_log.replay(event_log.parse(evidence.event_log), found.measurements)
    return replace(found, measurements={**found.measurements, **replayed})


def _check_usable(found: Attestation) -> None:
    if found.debug or found.migratable:
        raise AttestationError(
            Step.DEBUG, found.debug or "a migration agent may move it: no policy accepts it"
        )
    required = sorted(REQUIRED_MEASUREMENTS[found.platform])
    if zero := [name for name in required if not any(found.measurements[name])]:
        raise AttestationError(
            Step.MEASUREMENT, f"{', '.join(zero)} are zero: the evidence identifies no code"
        )


def _lines(verified: _Verified, root: str) -> Iterator[str]:
    found = verified.attestation
    platform = found.platform.value
    yield f"# Made of evidence of {platform} that was verified. Read it before you use it."
    if found.node is None:
        yield 'nodes = "any"                # the evidence hides its machine'
    else:
        yield f'nodes = ["{found.node}"]'
    if verified.max_collateral_age != _AGES[0]:
        yield f"max_collateral_age_days = {verified.max_collateral_age.days}"
    if not verified.revocation_lists:
        yield "revocation_lists = false     # none was given: fetch AMD's, and remove this line"
    if verified.paravisor:
        yield "# The measurement is of Azure's firmware: ANY code of any virtual machine would do."
        yield "allow_paravisor = true"
    if found.assurance is Assurance.SIMULATED:
        yield "allow_simulated = true       # it protects nothing"
    yield f"\n[measurements.{platform}]"
    for name in _identifying(found):
        yield f"{_key(name)} = {json.dumps(found.measurements[name].hex())}"
    yield from _tcb(found)
    yield from _numbers(found)
    if found.assurance is Assurance.SIMULATED:
        yield f"\n[simulated_roots]\n{platform} = {json.dumps(root)}"


def _identifying(found: Attestation) -> Iterator[str]:
    yield from sorted(REQUIRED_MEASUREMENTS[found.platform])
    yield from (n for n in _MORE[found.platform] if any(found.measurements.get(n, b"")))
    events = [n for n in found.measurements if n.startswith("event:")]
    if events:
        yield from (n for n in events if n not in _OF_AN_INSTANCE and found.measurements[n])
    elif found.platform is Platform.TDX and any(found.measurements["rtmr3"]):
        yield "rtmr3"


def _tcb(found: Attestation) -> Iterator[str]:
    if found.tcb.status:
        yield "\n[tcb]"
        yield f"statuses = {json.dumps(sorted({'UpToDate', found.tcb.status}))}"
        yield f"advisories = {json.dumps(list(found.tcb.advisories))}"
        yield f"minimum_evaluation = {found.tcb.evaluation}"
    if found.tcb.levels:
        yield f"\n[tcb.snp.{found.measurements['product'].decode()}]"
        for name, level in found.tcb.levels.items():
            yield f"{name} = {level}"


def _numbers(found: Attestation) -> Iterator[str]:
    """Least versions as they are, and the bits that make it stronger than it need be."""
    fields = FIELDS[found.platform]
    if fields:
        yield f"\n[{found.platform.value}]"
    for name, stated in fields.items():
        value = found.numbers[name]
        if not stated.bits:
            yield f"{name} = {json.dumps(version_text(value)) if name in VERSIONS else value}"
            continue
        has = named_bits(value, stated.bits)
        wanted = [bit for bit in _STRONG.get(name, ()) if bit in has]
        refused = [bit for bit in _WEAK.get(name, ()) if bit in stated.bits and bit not in has]
        if wanted or refused:
            masks = {"set": wanted, "clear": refused}
            words = ", ".join(f"{k} = {json.dumps(v)}" for k, v in masks.items() if v)
            yield f"{name} = {{ {words} }}"


def _key(name: str) -> str:
    return name if name.isidentifier() else json.dumps(name)
