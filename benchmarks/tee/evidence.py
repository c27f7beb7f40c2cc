"""Simulated hardware for the measurements: its keys are made once, in the vendors' layouts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from confide_sim import AmdVendor, AwsVendor, Emitted, IntelVendor

from benchmarks.meter import Stopwatch
from confide.tee import Platform, Policy, Reference, Roots, inspect
from confide.tee.attestation import REQUIRED_MEASUREMENTS
from confide.tee.certificates import load_certificate
from confide.tee.workload import Quoted

__all__ = ["BUILD", "Attester", "emit", "policy_for"]

BUILD = hashlib.sha256(b"benchmark").digest()
_LEAST = {"Milan": {"bootloader": 0, "tee": 0, "snp": 0, "microcode": 0}}


@cache
def _intel() -> IntelVendor:
    return IntelVendor()


@cache
def _amd() -> AmdVendor:
    return AmdVendor()


@cache
def _aws() -> AwsVendor:
    return AwsVendor()


def emit(platform: Platform, report_data: bytes, nonce: bytes, key: bytes) -> Emitted:
    """Evidence of a platform that carries this."""
    at = datetime.now(UTC)
    makers: dict[Platform, Callable[[], Emitted]] = {
        Platform.SGX: lambda: _intel().attest_sgx(report_data, at=at),
        Platform.TDX: lambda: _intel().attest_tdx(report_data, at=at),
        Platform.SNP: lambda: _amd().attest(report_data, at=at),
        Platform.NITRO: lambda: _aws().attest(
            at=at, user_data=report_data, nonce=nonce, public_key=key
        ),
    }
    return makers[platform]()


@cache
def policy_for(platform: Platform) -> Policy:
    """A policy that accepts what `emit` gives."""
    _, said = inspect(emit(platform, bytes(64), bytes(32), bytes(32)).evidence)
    names = REQUIRED_MEASUREMENTS[platform]
    measured = {name: bytes.fromhex(said[name]) for name in names}
    vendor = {Platform.SNP: _amd, Platform.NITRO: _aws}.get(platform, _intel)()
    return Policy(
        references=(Reference(platform, measured, BUILD, "the benchmark's build"),),
        nodes=None,
        minimum_levels=_LEAST if platform is Platform.SNP else {},
        allow_simulated=True,
        roots=Roots({platform: load_certificate(vendor.root)}),
    )


@dataclass(frozen=True)
class Attester:
    """Simulated SEV-SNP as a workload sees it; the simulator's own time is counted apart."""

    clock: Stopwatch

    def attest(self, report_data: bytes, nonce: bytes, public_key: bytes) -> Quoted:
        """See `confide.tee.workload.Attester`."""
        with self.clock.running():
            emitted = emit(Platform.SNP, report_data, nonce, public_key)
        return Quoted(emitted.evidence, emitted.event_log, emitted.collateral)
