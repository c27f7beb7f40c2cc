"""How long it takes to verify evidence, beside the bare signatures in it.

The bound is what no verifier can leave out: for Intel's `dcap-qvl` alone, for AMD and AWS the
signatures of the chain and the evidence by `cryptography`, on certificates that are read already.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import cast

import dcap_qvl
from confide_sim import Emitted
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding

from benchmarks import machine
from benchmarks.record import Record, medians
from benchmarks.suite import Options
from benchmarks.tee.evidence import emit, policy_for
from confide.tee import Binding, Collateral, Evidence, Platform, Policy, Reference, inspect, verify
from confide.tee import nitro as nitro_format
from confide.tee import snp as snp_format
from confide.tee.attestation import REQUIRED_MEASUREMENTS
from confide.tee.certificates import Certificate
from confide.tee.roots import vendor_roots

__all__ = ["CASE", "run_verifications"]

CASE = "verify"
_VECTORS = Path(__file__).parents[2] / "tests" / "tee" / "vectors"
_NONCE, _KEY = bytes(range(32)), bytes(range(1, 33))


@dataclass(frozen=True)
class Subject:
    """Evidence to verify, whole, and the least that verifying it takes.

    Attributes:
        name: Platform, and whose evidence it is.
        whole: Verifies it.
        bound: Verifies signatures alone.
    """

    name: str
    whole: Callable[[], object]
    bound: Callable[[], object]


def run_verifications(options: Options) -> Iterator[Record]:
    """Measures each kind of evidence, whole and its bound in turn."""
    seconds = 0.05 if options.quick else 0.5
    repeats = options.repeats or (1 if options.quick else 7)
    for subject in [*_simulated(), *_published()]:
        if options.only not in f"{CASE} {subject.name}":
            continue
        options.report(f"{CASE}, {subject.name}")
        runs = []
        for _ in range(repeats):
            whole, bound = (_seconds_each(f, seconds) for f in (subject.whole, subject.bound))
            runs.append({"verify_s": whole, "bound_s": bound, "verifications_per_s": 1 / whole})
        yield Record(
            suite="tee",
            case=CASE,
            subject=subject.name,
            params={"repeats": repeats},
            measured=medians(runs, keep=["verify_s"]),
            versions={**machine.versions(), "dcap-qvl": version("dcap-qvl")},
        )


def _seconds_each(work: Callable[[], object], least: float) -> float:
    work()
    began, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < least:
        work()
        count += 1
    return passed / count


def _simulated() -> Iterator[Subject]:
    data = hashlib.sha512(b"benchmark").digest()
    for platform in Platform:
        emitted = emit(platform, data, _NONCE, _KEY)
        policy = policy_for(platform)
        carried = Binding(data, _NONCE, _KEY)
        yield _subject(f"{platform.value}, simulated", platform, emitted, policy, carried)


def _subject(
    name: str, platform: Platform, emitted: Emitted, policy: Policy, carried: Binding
) -> Subject:
    evidence, collateral = Evidence(emitted.evidence), Collateral.of(emitted.collateral)
    at = datetime.now(UTC)

    def whole() -> object:
        return verify(evidence, policy, carried, collateral=collateral, at=at)

    (root,) = policy.roots.simulated.values()
    bounds: dict[Platform, Callable[[], object]] = {
        Platform.SNP: lambda: None,
        Platform.NITRO: lambda: None,
    }
    if platform in (Platform.SGX, Platform.TDX):
        der, text = root.public_bytes(Encoding.DER), collateral.intel[0].text
        bounds[platform] = _dcap(emitted.evidence, text, der, at)
    elif platform is Platform.SNP:
        bounds[platform] = _amd_signatures(emitted.evidence, collateral, root)
    else:
        bounds[platform] = _aws_signatures(emitted.evidence)
    return Subject(name, whole, bounds[platform])


def _published() -> Iterator[Subject]:
    """Evidence that vendors' hardware made, at times when it held."""
    cases = (
        ("sgx", Platform.SGX, "sgx_v3_confsw", 1751500800),
        ("tdx", Platform.TDX, "tdx_v4_uptodate", 1751500800),
    )
    for name, platform, stem, seconds in cases:
        document = (_VECTORS / f"{stem}.quote.bin").read_bytes()
        text = (_VECTORS / f"{stem}.collateral.json").read_text()
        at = datetime.fromtimestamp(seconds, UTC)
        yield _intel_subject(f"{name}, published", platform, document, text, at)


def _intel_subject(
    name: str, platform: Platform, document: bytes, text: str, at: datetime
) -> Subject:
    _, said = inspect(document)
    measured = {n: bytes.fromhex(said[n]) for n in REQUIRED_MEASUREMENTS[platform]}
    policy = Policy(
        references=(Reference(platform, measured, None, name),),
        nodes=None,
        statuses=frozenset({"UpToDate", "ConfigurationAndSWHardeningNeeded"}),
        advisories=frozenset({"INTEL-SA-00289", "INTEL-SA-00615"}),
        max_collateral_age=_ANY_AGE,
    )
    evidence, collateral = Evidence(document), Collateral.of([text.encode()])
    carried = Binding(bytes.fromhex(said["report_data"]))
    der = vendor_roots()["intel"].public_bytes(Encoding.DER)
    return Subject(
        name,
        lambda: verify(evidence, policy, carried, collateral=collateral, at=at),
        _dcap(document, text, der, at),
    )


_ANY_AGE = timedelta(days=3650)


def _dcap(document: bytes, text: str, root: bytes, at: datetime) -> Callable[[], object]:
    now = int(at.timestamp())

    def work() -> object:
        return dcap_qvl.QuoteVerifier(root).verify_with_policy(
            document,
            dcap_qvl.QuoteCollateralV3.from_json(text),
            now,
            dcap_qvl.QuotePolicy.claims_only(now),
        )

    return work


def _amd_signatures(
    document: bytes, collateral: Collateral, root: Certificate
) -> Callable[[], object]:
    report = snp_format.parse(document)
    leaf, issuer, _ = collateral.certificates
    key = cast(ec.EllipticCurvePublicKey, leaf.public_key())
    signature = encode_dss_signature(*report.signature)

    def work() -> None:
        leaf.verify_directly_issued_by(issuer)
        issuer.verify_directly_issued_by(root)
        key.verify(signature, report.signed, ec.ECDSA(SHA384()))

    return work


def _aws_signatures(document: bytes) -> Callable[[], object]:
    parsed = nitro_format.parse(document)
    chain = [parsed.leaf, *parsed.bundle[::-1]]
    key = cast(ec.EllipticCurvePublicKey, parsed.leaf.public_key())
    halves = (parsed.signature[:48], parsed.signature[48:])
    signature = encode_dss_signature(*(int.from_bytes(half, "big") for half in halves))

    def work() -> None:
        for issued, by in pairwise(chain):
            issued.verify_directly_issued_by(by)
        key.verify(signature, parsed.signed, ec.ECDSA(SHA384()))

    return work
