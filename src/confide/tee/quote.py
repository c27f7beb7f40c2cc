"""Intel's quotes, read strictly: version 3 of SGX, versions 4 and 5 of TDX.

Intel, *SGX ECDSA Quote Library Reference*, appendix A.4 (version 3), and *TDX DCAP Quoting Library
API*, appendix A.3 (versions 4 and 5). Signatures are verified by `dcap-qvl` (see `dcap`); this
module makes sure that every byte of the evidence is accounted for, and says what it means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from confide.tee.attestation import Platform
from confide.tee.certificates import Certificate, load_certificate, pem_blocks, to_pem
from confide.tee.reader import Reader

__all__ = ["Quote", "parse"]

_MAX_BYTES: Final = 32 << 10
_HEADER_BYTES, _SGX_BYTES, _TD10_BYTES, _TD15_BYTES = 48, 384, 584, 648
_SGX_TYPE, _TDX_TYPE = 0x00, 0x81
_ECDSA_P256: Final = 2
_PCK_CHAIN, _QE_REPORT = 5, 6
_TD_BODIES: Final = {2: _TD10_BYTES, 3: _TD15_BYTES}
"""By the body's type in version 5, its size."""

_SGX_DEBUG: Final = 0x02
_TD_DEBUG_BYTE: Final = 0xFF
_TD_MIGRATABLE: Final = 1 << 29


@dataclass(frozen=True)
class Quote:
    """A quote, as it stands in its bytes; nothing of it is verified.

    Attributes:
        platform: SGX or TDX.
        measurements: The vendor's fields that say what runs.
        report_data: What the workload put in, 64 bytes.
        attributes: Of the enclave or the domain, as Intel defines them.
        numbers: What a policy may ask least values or bits of.
        chain: Certificates of the platform's key, from the leaf to the root.
    """

    platform: Platform
    measurements: Mapping[str, bytes]
    report_data: bytes
    attributes: int
    numbers: Mapping[str, int]
    chain: tuple[Certificate, ...]

    @property
    def debug(self) -> bool:
        """Whether its owner may look inside."""
        bits = _SGX_DEBUG if self.platform is Platform.SGX else _TD_DEBUG_BYTE
        return bool(self.attributes & bits)

    @property
    def migratable(self) -> bool:
        """Whether the domain may be moved by another one that has its keys."""
        return self.platform is Platform.TDX and bool(self.attributes & _TD_MIGRATABLE)


def parse(evidence: bytes) -> Quote:
    """Reads a quote.

    Raises:
        AttestationError: If it is not exactly one, at the step `parse`.
    """
    reader = Reader(evidence, "the quote")
    if len(evidence) > _MAX_BYTES:
        raise reader.error(f"has {len(evidence):,} bytes; at most {_MAX_BYTES:,} are read")
    version, key_type, tee_type = reader.number(2), reader.number(2), reader.number(4)
    if key_type != _ECDSA_P256:
        raise reader.error(f"has a key of type {key_type}; ECDSA on P-256, 2, is read")
    reader.take(_HEADER_BYTES - reader.at)
    platform, size = _body(reader, version, tee_type)
    body = Reader(reader.take(size), "the quote's body")
    found = _sgx(body) if platform is Platform.SGX else _tdx(body)
    measurements, numbers, report_data, attributes = found
    signature = Reader(reader.take(reader.number(4)), "the quote's signature")
    # Linux hands out quotes of domains in a buffer of fixed size, filled up with zeros.
    reader.end(padded=platform is Platform.TDX)
    chain = _signature(signature, nested=version > 3)
    numbers = {**numbers, "attributes": attributes}
    return Quote(platform, measurements, report_data, attributes, numbers, chain)


def _body(reader: Reader, version: int, tee_type: int) -> tuple[Platform, int]:
    if (version, tee_type) == (3, _SGX_TYPE):
        return Platform.SGX, _SGX_BYTES
    if (version, tee_type) == (4, _TDX_TYPE):
        return Platform.TDX, _TD10_BYTES
    if (version, tee_type) == (5, _TDX_TYPE):
        kind, size = reader.number(2), reader.number(4)
        if _TD_BODIES.get(kind) == size:
            return Platform.TDX, size
        raise reader.error(f"has a body of type {kind} and {size:,} bytes, which is not known")
    raise reader.error(
        f"is of version {version} and type {tee_type:#x}; read are version 3 of SGX (0x0), and 4 "
        "and 5 of TDX (0x81)"
    )


_Found = tuple[dict[str, bytes], dict[str, int], bytes, int]
"""Measurements, numbers, report data and attributes."""


def _sgx(body: Reader) -> _Found:
    """The report of an enclave, 384 bytes."""
    body.take(16 + 4 + 28)  # CPUSVN, MISCSELECT and reserved bytes
    attributes = body.number(16)
    mrenclave = body.take(32)
    body.take(32)
    mrsigner = body.take(32)
    body.take(96)
    product, version = body.take(2), body.take(2)
    body.take(60)
    report_data = body.take(64)
    body.end()
    measurements = {
        "mrenclave": mrenclave,
        "mrsigner": mrsigner,
        "isv_prod_id": product[::-1],
        "isv_svn": version[::-1],
    }
    return measurements, {"isv_svn": int.from_bytes(version, "little")}, report_data, attributes


def _tdx(body: Reader) -> _Found:
    """The report of a trust domain, 584 bytes, or 648 with what version 1.5 adds."""
    # TEE_TCB_SVN: the module's minor version and its major one, the rest for the TCB levels.
    minor, major = body.number(1), body.number(1)
    body.take(14)
    measurements = {"mrseam": body.take(48), "mrsignerseam": body.take(48)}
    body.take(8)
    attributes = body.number(8)
    measurements["xfam"] = body.take(8)[::-1]
    for name in ("mrtd", "mrconfigid", "mrowner", "mrownerconfig"):
        measurements[name] = body.take(48)
    for index in range(4):
        measurements[f"rtmr{index}"] = body.take(48)
    report_data = body.take(64)
    if body.left:
        body.take(16)
        measurements["mrservicetd"] = body.take(48)
    body.end()
    numbers = {
        "module_svn": major << 8 | minor,
        "xfam": int.from_bytes(measurements["xfam"], "big"),
    }
    return measurements, numbers, report_data, attributes


def _signature(data: Reader, *, nested: bool) -> tuple[Certificate, ...]:
    """The chain of certificates in the signature data; the rest is for `dcap-qvl` to verify.

    Args:
        data: From the quote's signature on.
        nested: Whether the quoting enclave's report stands in a block of its own, as from
            version 4 on.
    """
    data.take(64 + 64)  # the quote's signature, and the key that made it
    if nested:
        kind = data.number(2)
        if kind != _QE_REPORT:
            raise data.error(f"has certification data of type {kind}, not {_QE_REPORT}")
        inner = Reader(data.take(data.number(4)), "the quoting enclave's report")
        data.end()
        data = inner
    data.take(384 + 64)  # the quoting enclave's report and its signature
    data.take(data.number(2))
    kind = data.number(2)
    if kind != _PCK_CHAIN:
        raise data.error(f"has certification data of type {kind}, not a chain, {_PCK_CHAIN}")
    pem = data.take(data.number(4))
    data.end()
    chain = tuple(load_certificate(der) for _, der in pem_blocks(pem))
    # No signature covers how a chain is written down, so it must be written in the one way.
    if pem.removesuffix(b"\0") != to_pem(chain) or len(chain) != 3:
        raise data.error("has a chain that is not a PEM of three certificates in its usual form")
    return chain
