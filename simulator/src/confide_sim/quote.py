"""Intel's quotes: version 3 of SGX, versions 4 and 5 of TDX.

Intel, *SGX ECDSA Quote Library Reference*, appendix A.4 (version 3), and *TDX DCAP Quoting Library
API*, appendix A.3 (versions 4 and 5); *SGX Programming Reference*, §38.15 (REPORT); *TDX Module ABI
Reference*, tables TD_INFO and ATTRIBUTES.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from confide_sim import signing
from confide_sim.checks import sized, unsigned

__all__ = [
    "Domain",
    "Enclave",
    "Identity",
    "SgxAttributes",
    "Signers",
    "TdAttributes",
    "header",
    "signature_data",
]

_ECDSA_P256: Final = 2
_TEE: Final = {"SGX": 0x00, "TDX": 0x81}
_QE_VENDOR: Final = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
_AUTHENTICATION_DATA: Final = bytes(range(32))
"""What the quoting enclave adds to its key; these bytes in real quotes too."""

_PCK_CHAIN, _QE_REPORT = 5, 6
"""Types of certification data."""

_XFRM: Final = 0xE7
_TD_XFAM: Final = 0x602E7
_TD15_BODY: Final = 3
_QE_VERSION, _PCE_VERSION = 10, 15


class SgxAttributes(IntFlag):
    """Bits of an enclave's ATTRIBUTES.FLAGS."""

    INIT = 1 << 0
    DEBUG = 1 << 1
    MODE64BIT = 1 << 2
    PROVISION_KEY = 1 << 4


class TdAttributes(IntFlag):
    """Bits of a domain's ATTRIBUTES."""

    DEBUG = 1 << 0
    SEPT_VE_DISABLE = 1 << 28
    MIGRATABLE = 1 << 29
    PKS = 1 << 30
    PERFMON = 1 << 63


@dataclass(frozen=True, kw_only=True)
class Enclave:
    """The report of an SGX enclave, 384 bytes."""

    cpu_svn: bytes
    mrenclave: bytes
    mrsigner: bytes
    isv_prod_id: int
    isv_svn: int
    attributes: int
    report_data: bytes

    def to_bytes(self) -> bytes:
        """The report.

        Raises:
            ValueError: If a value does not fit its field.
        """
        return b"".join(
            (
                sized("CPUSVN", self.cpu_svn, 16),
                bytes(4 + 28),  # MISCSELECT and reserved bytes
                unsigned("attributes", self.attributes, 8) + unsigned("XFRM", _XFRM, 8),
                sized("mrenclave", self.mrenclave, 32) + bytes(32),
                sized("mrsigner", self.mrsigner, 32) + bytes(96),
                unsigned("isv_prod_id", self.isv_prod_id, 2),
                unsigned("isv_svn", self.isv_svn, 2) + bytes(60),
                sized("report_data", self.report_data, 64),
            )
        )


@dataclass(frozen=True, kw_only=True)
class Domain:
    """The report of a trust domain: 584 bytes in quotes of version 4, 648 in those of version 5."""

    tee_tcb_svn: bytes
    mrseam: bytes
    mrsignerseam: bytes
    seam_attributes: int
    td_attributes: int
    mrtd: bytes
    mrconfigid: bytes
    mrowner: bytes
    mrownerconfig: bytes
    rtmrs: Sequence[bytes]
    report_data: bytes
    mrservicetd: bytes

    def to_bytes(self, version: int) -> bytes:
        """The report; in version 5 with its type and size before it.

        Raises:
            ValueError: If a value does not fit its field.
        """
        body = b"".join(
            (
                sized("tee_tcb_svn", self.tee_tcb_svn, 16),
                sized("mrseam", self.mrseam, 48),
                sized("mrsignerseam", self.mrsignerseam, 48),
                unsigned("seam_attributes", self.seam_attributes, 8),
                unsigned("td_attributes", self.td_attributes, 8),
                unsigned("XFAM", _TD_XFAM, 8),
                sized("mrtd", self.mrtd, 48),
                sized("mrconfigid", self.mrconfigid, 48),
                sized("mrowner", self.mrowner, 48),
                sized("mrownerconfig", self.mrownerconfig, 48),
                *self.rtmrs,
                sized("report_data", self.report_data, 64),
            )
        )
        added = sized("mrservicetd", self.mrservicetd, 48)
        if version == 4:
            if any(added):
                raise ValueError("a quote of version 4 has no MRSERVICETD; use version 5")
            return body
        body += self.tee_tcb_svn + added
        return unsigned("type", _TD15_BODY, 2) + unsigned("size", len(body), 4) + body


def header(version: int, kind: Literal["SGX", "TDX"], platform: bytes) -> bytes:
    """The header of a quote, 48 bytes.

    Args:
        version: Of the quote.
        kind: Of the report in it.
        platform: An identifier of the machine's quoting enclave, 16 bytes.

    Raises:
        ValueError: If the kind has no such version.
    """
    if version not in {"SGX": (3,), "TDX": (4, 5)}[kind]:
        raise ValueError(f"a quote of version {version} of {kind}; SGX has 3, TDX has 4 and 5")
    versions = (_QE_VERSION, _PCE_VERSION) if version == 3 else (0, 0)  # reserved from 4 on
    return b"".join(
        (
            unsigned("version", version, 2),
            unsigned("key type", _ECDSA_P256, 2),
            unsigned("TEE type", _TEE[kind], 4),
            *(unsigned("version", part, 2) for part in versions),
            _QE_VENDOR,
            sized("platform", platform, 16) + bytes(4),
        )
    )


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The quoting enclave, of which Intel states an identity.

    Attributes:
        id: 'QE' for SGX, 'TD_QE' for TDX.
        mrsigner: Who signed it, 32 bytes.
        isv_prod_id: Its product number.
        isv_svn: Its security version.
    """

    id: Literal["QE", "TD_QE"]
    mrsigner: bytes
    isv_prod_id: int
    isv_svn: int

    def report(self, cpu_svn: bytes, attestation_key: bytes) -> bytes:
        """Its report, which carries the hash of the key that signs quotes (appendix A.4).

        Args:
            cpu_svn: Of the machine.
            attestation_key: The key, 64 bytes: x and y.
        """
        bound = hashlib.sha256(attestation_key + _AUTHENTICATION_DATA).digest()
        flags = SgxAttributes.INIT | SgxAttributes.MODE64BIT | SgxAttributes.PROVISION_KEY
        return Enclave(
            cpu_svn=cpu_svn,
            mrenclave=hashlib.sha256(b"confide simulator: " + self.id.encode()).digest(),
            mrsigner=self.mrsigner,
            isv_prod_id=self.isv_prod_id,
            isv_svn=self.isv_svn,
            attributes=flags,
            report_data=bound + bytes(32),
        ).to_bytes()


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Signers:
    """Who signs a quote, and which of their signatures hold.

    Attributes:
        attestation_key: Of the quoting enclave, for the quote.
        platform_key: The machine's PCK, for the quoting enclave's report.
        identity: The quoting enclave.
        cpu_svn: Of the machine.
        chain: PEM of the PCK's certificates, from the leaf to the root.
        valid: Whether the quote's signature holds.
        qe_valid: Whether the signature of the quoting enclave's report holds.
        bound: Whether that report names the key that signs the quote.
    """

    attestation_key: ec.EllipticCurvePrivateKey
    platform_key: ec.EllipticCurvePrivateKey
    identity: Identity
    cpu_svn: bytes
    chain: bytes
    valid: bool = True
    qe_valid: bool = True
    bound: bool = True


def signature_data(signed: bytes, version: int, by: Signers) -> bytes:
    """The end of a quote, from the length of its signature data on.

    Args:
        signed: Header and body.
        version: Of the quote; from 4 on the quoting enclave's report stands in a block of its own.
        by: Who signs.
    """
    point = by.attestation_key.public_key().public_bytes(
        Encoding.X962, PublicFormat.UncompressedPoint
    )
    key = point[1:]
    report = by.identity.report(by.cpu_svn, key if by.bound else bytes(64))
    certified = b"".join(
        (
            report,
            signing.raw(by.platform_key, report, valid=by.qe_valid),
            unsigned("size", len(_AUTHENTICATION_DATA), 2) + _AUTHENTICATION_DATA,
            _block(_PCK_CHAIN, by.chain + b"\0"),
        )
    )
    data = signing.raw(by.attestation_key, signed, valid=by.valid) + key
    data += certified if version == 3 else _block(_QE_REPORT, certified)
    return unsigned("size", len(data), 4) + data


def _block(kind: int, content: bytes) -> bytes:
    return unsigned("type", kind, 2) + unsigned("size", len(content), 4) + content
