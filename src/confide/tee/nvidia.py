"""NVIDIA GPUs: reports bound to the CPU's evidence, measured against NVIDIA's manifests.

The chain is GSP firmware → boot ROM of the chip → provisioner → product line → NVIDIA Device
Identity CA. Each step fails closed: without both manifests, no report counts for anything.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from confide.errors import AttestationError, PlanError, Step
from confide.tee import certificates, rim, spdm
from confide.tee.certificates import Certificate, RevocationList, load_certificate, name_of
from confide.tee.rim import Rim
from confide.tee.roots import vendor_roots

__all__ = [
    "ARCHITECTURES",
    "Gpu",
    "GpuEvidence",
    "GpuPolicy",
    "gpu_nonce",
    "inspect_gpu",
    "read_gpus",
    "verify_gpus",
]

ARCHITECTURES: Final = ("GH100",)
"""Chips whose reports were published with their manifests, so that this code is tested on them."""

_OFF: Final = "55"
"""0x55; 0xAA is on."""

_DOMAIN: Final = b"confide gpu nonce 1\0"
_REPORT_DATA_BYTES, _NONCE_BYTES = 64, 32
_CHAIN: Final = 5
_MOST_GPUS: Final = 16
_MAX_BYTES: Final = 1 << 20
_LINE: Final = re.compile(r"NVIDIA ([A-Z]{2}[0-9]{3}) Identity")
_DRIVER: Final = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4}){1,3}")
_VBIOS: Final = re.compile(r"[0-9A-F]{2}(\.[0-9A-F]{2}){4}")
_FWID: Final = x509.ObjectIdentifier("2.23.133.5.4.1")
_FWID_HEAD: Final = bytes.fromhex("3081ba020101")
_FWID_HASH: Final = bytes.fromhex("303d06096086480165030402020430")


@dataclass(frozen=True)
class GpuEvidence:
    """What a GPU answered, as NVIDIA's driver returns it.

    Attributes:
        report: The SPDM request and the response.
        chain: Of the key that signed it, in PEM, with the root.
    """

    report: bytes
    chain: bytes


@dataclass(frozen=True)
class GpuPolicy:
    """The policy for the GPUs of a machine: `[nvidia]` in a policy's file.

    Attributes:
        driver: The least version of the driver, as '550.90.07'.
        vbios: The least version of the firmware, as '96.00.9F.00.01'.
        gpus: How many GPUs there are, each another one.
        architecture: The chip.
        revocation_lists: Whether each certificate that names a list of NVIDIA's needs it.

    Raises:
        PlanError: If a value is none of these.
    """

    driver: str
    vbios: str
    gpus: int = 1
    architecture: str = "GH100"
    revocation_lists: bool = True

    def __post_init__(self) -> None:
        if not _DRIVER.fullmatch(self.driver):
            raise PlanError(f"nvidia.driver {self.driver[:20]!r}; write it as '550.90.07'")
        if not _VBIOS.fullmatch(self.vbios):
            raise PlanError(f"nvidia.vbios {self.vbios[:20]!r}; write it as '96.00.9F.00.01'")
        if not 1 <= self.gpus <= _MOST_GPUS:
            raise PlanError(f"nvidia.gpus is {self.gpus}; it is a number from 1 to {_MOST_GPUS}")
        if self.architecture not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise PlanError(f"nvidia.architecture {self.architecture[:20]!r}; known is {known}")


@dataclass(frozen=True)
class Gpu:
    """A GPU whose report, manifests and binding hold.

    Attributes:
        device: SHA-256 of the public key of its boot ROM, which no other GPU has.
        driver: The driver's version.
        vbios: The firmware's version.
        expires: When a certificate or list that was used ends its validity.
    """

    device: bytes
    driver: str
    vbios: str
    expires: datetime


def gpu_nonce(report_data: bytes, nonce: bytes) -> bytes:
    """The nonce for a GPU that belongs to a CPU's evidence.

    SHA-256 over a label, what the CPU's evidence carries and the relying party's nonce, all of
    fixed length. A report with it was made after the nonce was chosen, for the holder of the keys
    behind the CPU's evidence, and belongs to no other evidence and no other question.

    Args:
        report_data: 64 bytes that the CPU's evidence carries.
        nonce: 32 bytes that the relying party chose.

    Raises:
        AttestationError: If one is of another length.
    """
    if (len(report_data), len(nonce)) != (_REPORT_DATA_BYTES, _NONCE_BYTES):
        raise AttestationError(
            Step.GPU,
            f"report data of {len(report_data)} bytes and a nonce of {len(nonce)}; a GPU is bound "
            f"to {_REPORT_DATA_BYTES} and {_NONCE_BYTES}",
        )
    return hashlib.sha256(_DOMAIN + report_data + nonce).digest()


def read_gpus(text: bytes) -> tuple[GpuEvidence, ...]:
    """Reads evidence in JSON as NVIDIA's tools write it: a list with `evidence` and `certificate`.

    Other fields, such as versions and nonces, are not signed and are not read.

    Raises:
        AttestationError: If it is malformed, at the step `parse`.
    """
    try:
        listed = json.loads(text) if len(text) <= _MAX_BYTES else None
        if not isinstance(listed, list) or not 1 <= len(listed) <= _MOST_GPUS:
            raise TypeError("no list")
        return tuple(
            GpuEvidence(
                base64.b64decode(item["evidence"], validate=True),
                base64.b64decode(item["certificate"], validate=True),
            )
            for item in listed
        )
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error) as error:
        raise AttestationError(
            Step.PARSE,
            f"the GPUs' evidence is not a JSON list of 1 to {_MOST_GPUS} objects with "
            "'evidence' and "
            "'certificate' in base64, as NVIDIA's tools write it",
        ) from error


def inspect_gpu(evidence: GpuEvidence) -> dict[str, str]:
    """What a GPU's report says, unverified: only for people to read.

    Raises:
        AttestationError: If it does not read.
    """
    report = spdm.parse(evidence.report)
    return {**report.fields, "vbios": report.vbios, "nonce": report.nonce.hex()}


def verify_gpus(
    evidence: Sequence[GpuEvidence],
    policy: GpuPolicy,
    nonce: bytes,
    *,
    manifests: Iterable[bytes],
    lists: Iterable[RevocationList],
    at: datetime,
) -> tuple[Gpu, ...]:
    """Verifies all GPUs of a machine; each must hold, and be another one.

    Args:
        evidence: What the GPUs answered.
        policy: What is asked of them.
        nonce: What they must have been asked with: see `gpu_nonce`.
        manifests: Of drivers and firmwares, as files in XML; each is verified before it is used.
        lists: NVIDIA's revocation lists, and any others.
        at: The time of the verification, with a time zone.

    Raises:
        AttestationError: At the first that does not hold; step `gpu` if no other one fits.
    """
    if len(evidence) != policy.gpus:
        raise AttestationError(
            Step.GPU, f"evidence of {len(evidence)} GPUs; the policy asks for {policy.gpus}"
        )
    held = _Manifests.read(manifests)
    every = tuple(lists)
    found = tuple(_verify(item, policy, nonce, rims=held, lists=every, at=at) for item in evidence)
    if len({gpu.device for gpu in found}) != len(found):
        raise AttestationError(Step.GPU, "the same GPU answered twice")
    return found


@dataclass(frozen=True)
class _Manifests:
    """Those that NVIDIA signed, and what is wrong with the others."""

    rims: tuple[Rim, ...]
    problems: tuple[AttestationError, ...]

    @classmethod
    def read(cls, documents: Iterable[bytes]) -> _Manifests:
        rims, problems = [], []
        for document in dict.fromkeys(documents):
            try:
                rims.append(rim.read(document, vendor_roots()["nvidia-rim"]))
            except AttestationError as error:
                problems.append(error)
        return cls(tuple(rims), tuple(problems))

    def of(self, product: str, version: str, what: str) -> Rim:
        """The manifest of a version; of one that was signed again, what holds for longest."""
        fitting = [
            r for r in self.rims if r.product == product and r.version.upper() == version.upper()
        ]
        if not fitting:
            step = self.problems[0].step if self.problems else Step.MEASUREMENT
            reasons = "; ".join(map(str, self.problems[:3])) or "none of that version is there"
            raise AttestationError(
                step,
                f"the collateral has no manifest (RIM) of {product}'s {what} {version} that "
                f"NVIDIA signed: {reasons}",
            )
        if any(r.active != fitting[0].active for r in fitting):
            raise AttestationError(
                Step.MEASUREMENT, f"manifests of the {what} {version} contradict each other"
            )
        return max(fitting, key=lambda r: min(c.not_valid_after_utc for c in r.chain))


def _verify(
    evidence: GpuEvidence,
    policy: GpuPolicy,
    nonce: bytes,
    *,
    rims: _Manifests,
    lists: Sequence[RevocationList],
    at: datetime,
) -> Gpu:
    report = spdm.parse(evidence.report)
    chain, root = _chain(evidence.chain)
    certificates.check_chain(chain, root)
    line = _LINE.fullmatch(name_of(chain[-1]).strip("'"))
    if line is None or line[1] != policy.architecture:
        raise AttestationError(
            Step.ROOT, f"the GPU is of {name_of(chain[-1])}, not of {policy.architecture}"
        )
    _check_firmware(report, chain)
    _check_signature(report, chain[0])
    certificates.check_dates([*chain, root], at)
    ends = [c.not_valid_after_utc for c in (*chain, root)]
    ends += _check_revocation([*chain, root], lists, at, required=policy.revocation_lists)
    if report.nonce != nonce:
        raise AttestationError(
            Step.GPU, "the GPU was asked with another nonce: its report belongs to other evidence"
        )
    _check_mode(report)
    _check_versions(report, policy)
    for manifest in _measured(report, policy.architecture, rims):
        manifest.check_dates(at)
        path = [*manifest.chain, manifest.root]
        ends += [c.not_valid_after_utc for c in path]
        ends += _check_revocation(path, lists, at, required=policy.revocation_lists)
    return Gpu(_device(chain), report.driver, report.vbios, min(ends))


def _chain(pem: bytes) -> tuple[list[Certificate], Certificate]:
    blocks = list(certificates.pem_blocks(pem[:_MAX_BYTES]))
    root = vendor_roots()["nvidia-device"]
    if len(blocks) != _CHAIN or any(label != "CERTIFICATE" for label, _ in blocks):
        raise AttestationError(
            Step.PARSE,
            f"the GPU's chain has {len(blocks)} PEM blocks; {_CHAIN} certificates are read",
        )
    chain = [load_certificate(der) for _, der in blocks]
    if chain[-1] != root:
        raise AttestationError(
            Step.ROOT, f"the GPU's chain ends at {name_of(chain[-1])}, which is not pinned"
        )
    return chain[:-1], root


def _check_firmware(report: spdm.GpuReport, chain: Sequence[Certificate]) -> None:
    """FWID (TCG, *DICE Attestation Architecture*): the boot ROM certified this very firmware.

    The extension holds the boot ROM's public key and the firmware's hash, and nothing else.
    """
    issuer = chain[1].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    expected = _FWID_HEAD + issuer + _FWID_HASH + report.firmware
    try:
        stated = chain[0].extensions.get_extension_for_oid(_FWID).value
    except x509.ExtensionNotFound:
        stated = None
    if not isinstance(stated, x509.UnrecognizedExtension) or stated.value != expected:
        raise AttestationError(
            Step.ROOT, "the GPU's certificate is of other firmware than the report states (FWID)"
        )


def _check_signature(report: spdm.GpuReport, leaf: Certificate) -> None:
    key = leaf.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise AttestationError(Step.ROOT, f"the key of {name_of(leaf)} is not P-384")
    try:
        key.verify(encode_dss_signature(*report.signature), report.signed, ec.ECDSA(SHA384()))
    except InvalidSignature as error:
        raise AttestationError(
            Step.ROOT, "the GPU's report is not signed by the key of its chain: it was altered"
        ) from error


def _check_revocation(
    path: Sequence[Certificate], lists: Sequence[RevocationList], at: datetime, *, required: bool
) -> list[datetime]:
    """Checks all lists of the issuers; asks for a current one where a certificate names one."""
    ends = []
    for certificate, issuer in pairwise(path):
        own = [
            found for found in lists if certificates.check_revocation(found, issuer, [certificate])
        ]
        if not required or not _names_list(certificate):
            continue
        if not own:
            raise AttestationError(
                Step.ROOT,
                f"the collateral has no revocation list that {name_of(issuer)} signed, for "
                f"{name_of(certificate)}: fetch it, or set nvidia.revocation_lists = false",
            )
        latest = max(own, key=lambda found: found.last_update_utc)
        certificates.check_list_dates(latest, issuer, at)
        ends.append(latest.next_update_utc or at)
    return ends


def _names_list(certificate: Certificate) -> bool:
    try:
        certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints)
    except x509.ExtensionNotFound:
        return False
    return True


def _check_mode(report: spdm.GpuReport) -> None:
    """GPUs that share memory over switches: of these, nothing here verifies evidence."""
    if report.fields.get("protected_pcie", _OFF) != _OFF or int(
        report.fields.get("features", "0"), 16
    ):
        raise AttestationError(
            Step.GPU,
            "the GPU works together with others (protected PCIe, or several GPUs in one machine "
            "sharing memory), whose switches are not verified here",
        )


def _check_versions(report: spdm.GpuReport, policy: GpuPolicy) -> None:
    if not _DRIVER.fullmatch(report.driver):
        raise AttestationError(Step.TCB, "the GPU's report names a driver by no version")
    for what, stated, least, base in (
        ("driver", report.driver, policy.driver, 10),
        ("VBIOS", report.vbios, policy.vbios, 16),
    ):
        if _numbers(stated, base) < _numbers(least, base):
            raise AttestationError(
                Step.TCB, f"the GPU's {what} is {stated}; the policy asks for {least} or later"
            )


def _numbers(version: str, base: int) -> list[int]:
    return [int(part, base) for part in version.split(".")]


def _measured(report: spdm.GpuReport, product: str, rims: _Manifests) -> tuple[Rim, Rim]:
    """The manifests of the driver and of the VBIOS, one of whose values each measurement has."""
    driver = rims.of(product, report.driver, "driver")
    vbios = rims.of(product, report.vbios, "VBIOS")
    if both := driver.active.keys() & vbios.active.keys():
        raise AttestationError(
            Step.MEASUREMENT, f"both manifests of the GPU say what measurement {min(both)} is"
        )
    expected = {**driver.active, **vbios.active}
    wrong = [
        str(index)
        for index, values in sorted(expected.items())
        if index >= len(report.measurements) or report.measurements[index] not in values
    ]
    if wrong:
        raise AttestationError(
            Step.MEASUREMENT,
            f"the GPU's measurements {', '.join(wrong)} are none that NVIDIA's manifests list",
        )
    return driver, vbios


def _device(chain: Sequence[Certificate]) -> bytes:
    key = chain[1].public_key()
    return hashlib.sha256(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).digest()
