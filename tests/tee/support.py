"""Simulated hardware for tests: vendors made once, attesters, and the policies that accept them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from confide_sim import AmdVendor, AwsVendor, Emitted, IntelVendor

from confide.plan import Clear, Enclave
from confide.tee import (
    Binding,
    Collateral,
    Evidence,
    Platform,
    Policy,
    Reference,
    Roots,
    inspect,
)
from confide.tee.attestation import REQUIRED_MEASUREMENTS
from confide.tee.certificates import load_certificate
from confide.tee.relying import RelyingParty
from confide.tee.workload import Quoted

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
BUILD = hashlib.sha256(b"the build's manifest").digest()
MEASUREMENT = hashlib.sha384(b"the build, measured").digest()
LEAST = {"Milan": {"bootloader": 4, "tee": 0, "snp": 20, "microcode": 200}}

VENDORS = {
    Platform.SGX: "intel",
    Platform.TDX: "intel",
    Platform.SNP: "amd",
    Platform.NITRO: "aws",
}


@cache
def vendor(name: str, copy: int = 0) -> Any:
    """A simulated vendor; other copies have other keys. RSA keys take seconds, so they are kept."""
    del copy
    return {"amd": AmdVendor, "intel": IntelVendor, "aws": AwsVendor}[name]()


def emit(platform: Platform, report_data: bytes, *, copy: int = 0, **case: Any) -> Emitted:
    """Evidence of a platform, good or of a bad case."""
    maker = vendor(VENDORS[platform], copy)
    case.setdefault("at", NOW)
    if platform is Platform.SGX:
        return maker.attest_sgx(report_data, **case)
    if platform is Platform.TDX:
        return maker.attest_tdx(report_data, **case)
    if platform is Platform.SNP:
        return maker.attest(report_data, **case)
    return maker.attest(user_data=report_data, **case)


def reference_of(platform: Platform, document: bytes, workload: bytes | None = None) -> Reference:
    """What a document shows, as what is expected."""
    _, said = inspect(document)
    names = REQUIRED_MEASUREMENTS[platform]
    measured = {name: bytes.fromhex(said[name]) for name in names}
    return Reference(platform, measured, workload, "the build of the tests")


def policy_of(reference: Reference, *, copy: int = 0, **fields: Any) -> Policy:
    """A policy that accepts a reference from a simulated vendor."""
    root = load_certificate(vendor(VENDORS[reference.platform], copy).root)
    return Policy(
        **{
            "references": (reference,),
            "nodes": None,
            "minimum_levels": LEAST if reference.platform is Platform.SNP else {},
            "allow_simulated": True,
            "roots": Roots({reference.platform: root}),
            **fields,
        }
    )


@dataclass
class Asked:
    """A document with all that it takes to verify it."""

    platform: Platform
    emitted: Emitted
    report_data: bytes

    @property
    def evidence(self) -> Evidence:
        return Evidence(self.emitted.evidence, event_log=self.emitted.event_log)

    @property
    def collateral(self) -> Collateral:
        return Collateral.of(self.emitted.collateral)

    @property
    def carried(self) -> Binding:
        return Binding(self.report_data)


def asked(platform: Platform, **case: Any) -> Asked:
    """Evidence that carries a text."""
    data = hashlib.sha512(b"what the evidence carries").digest()
    return Asked(platform, emit(platform, data, **case), data)


@dataclass
class SimulatedAttester:
    """Hardware as a workload sees it; SEV-SNP unless said otherwise."""

    platform: Platform = Platform.SNP
    copy: int = 0
    at: datetime = NOW
    case: dict[str, Any] = field(default_factory=dict)

    def attest(self, report_data: bytes, nonce: bytes, public_key: bytes) -> Quoted:
        case = dict(self.case)
        if self.platform is Platform.NITRO:
            case |= {"nonce": nonce, "public_key": public_key}
        if self.platform is Platform.SNP:
            case.setdefault("measurement", MEASUREMENT)
        emitted = emit(self.platform, report_data, copy=self.copy, at=self.at, **case)
        return Quoted(emitted.evidence, emitted.event_log, emitted.collateral)


@cache
def relying_party(platform: Platform = Platform.SNP, copy: int = 0) -> RelyingParty:
    """Who accepts the build of the tests on simulated hardware, and nothing else."""
    document = SimulatedAttester(platform, copy).attest(bytes(64), bytes(32), bytes(32)).document
    policy = policy_of(reference_of(platform, document, BUILD), copy=copy)
    return RelyingParty(policy, clock=lambda: NOW + timedelta(seconds=1))


def enclave(over: Any = Clear(), **fields: Any) -> Enclave:  # noqa: B008 - frozen
    """The protection that `relying_party` verifies."""
    return Enclave(policy=relying_party().policy.hash, over=over, simulated=True, **fields)
