"""NVIDIA's attestation reports: an SPDM request for measurements, and the GPU's signed response.

DMTF, *Security Protocol and Data Model* 1.1 (DSP0274), §10.11 (GET_MEASUREMENTS and MEASUREMENTS).
What the opaque data means is NVIDIA's, as its public verifier reads it (NVIDIA/nvtrust).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from confide.tee.reader import Reader

__all__ = ["GpuReport", "parse"]

_MAX_BYTES: Final = 16 << 10
_VERSION: Final = 0x11
_GET_MEASUREMENTS, _MEASUREMENTS = 0xE0, 0x60
_SIGNED, _ALL = 1, 0xFF
_SIGNATURE_BYTES: Final = 96
_NONCE_BYTES: Final = 32
_DMTF: Final = 1
_MEASUREMENT_BYTES: Final = 48

_DRIVER, _VBIOS, _FIRMWARE = 3, 6, 20
_TEXTS: Final = {3: "driver", 15: "chip_sku", 17: "project", 18: "project_sku"}
_BYTES: Final = {
    4: "gpu_info", 11: "nvdec0", 13: "protected_region", 14: "board",
    20: "firmware", 21: "protected_pcie", 36: "features",
}  # fmt: skip


@dataclass(frozen=True)
class GpuReport:
    """A report, as it stands in its bytes; nothing of it is verified.

    Attributes:
        signed: The bytes that the signature covers: the request and the response before it.
        signature: r and s.
        nonce: Of the request, 32 bytes: what anyone who asked chose.
        measurements: 48 bytes each; a RIM's index 0 is the report's block 1.
        driver: The driver's version, as '550.90.07'.
        vbios: The firmware's version, as '96.00.9F.00.01'.
        firmware: FWID, the hash of the firmware that signs; 48 bytes.
        fields: What else it states, by name, for people to look at.
    """

    signed: bytes
    signature: tuple[int, int]
    nonce: bytes
    measurements: tuple[bytes, ...]
    driver: str
    vbios: str
    firmware: bytes
    fields: Mapping[str, str]


def parse(report: bytes) -> GpuReport:
    """Reads a request of 37 bytes with the response after it, as NVIDIA's driver hands them out.

    Raises:
        AttestationError: If it is not exactly that, at the step `parse`.
    """
    reader = Reader(report, "the GPU's report")
    if len(report) > _MAX_BYTES:
        raise reader.error(f"has {len(report):,} bytes; at most {_MAX_BYTES:,} are read")
    nonce = _request(reader)
    if reader.take(4) != bytes([_VERSION, _MEASUREMENTS, 0, 0]):
        raise reader.error("has no response MEASUREMENTS of SPDM 1.1 to slot 0")
    blocks, size = reader.number(1), reader.number(3)
    measurements = _blocks(Reader(reader.take(size), "the GPU's measurements"), blocks)
    reader.take(_NONCE_BYTES)  # the GPU's own, which only makes each signature another one
    opaque = _opaque(Reader(reader.take(reader.number(2)), "the report's opaque data"))
    signed = report[: reader.at]
    half = _SIGNATURE_BYTES // 2
    r, s = (int.from_bytes(reader.take(half), "big") for _ in range(2))
    reader.end()
    fields = {name: _text(opaque[kind]) for kind, name in _TEXTS.items() if kind in opaque}
    fields |= {name: opaque[kind].hex() for kind, name in _BYTES.items() if kind in opaque}
    for kind, name, length in (
        (_DRIVER, "driver", 0),
        (_VBIOS, "VBIOS", 8),
        (_FIRMWARE, "FWID", 48),
    ):
        if kind not in opaque or (length and len(opaque[kind]) != length):
            raise reader.error(f"states no {name} of the length that it has")
    return GpuReport(
        signed=signed,
        signature=(r, s),
        nonce=nonce,
        measurements=measurements,
        driver=fields["driver"],
        vbios=_vbios(opaque[_VBIOS]),
        firmware=opaque[_FIRMWARE],
        fields=fields,
    )


def _request(reader: Reader) -> bytes:
    if reader.take(4) != bytes([_VERSION, _GET_MEASUREMENTS, _SIGNED, _ALL]):
        raise reader.error("begins with no request of SPDM 1.1 for all measurements, signed")
    nonce = reader.take(_NONCE_BYTES)
    if reader.number(1):
        raise reader.error("asks for another slot than 0")
    return nonce


def _blocks(reader: Reader, number: int) -> tuple[bytes, ...]:
    """The measurements in the order of their indices, which begin at 1 and leave none out."""
    found = []
    for index in range(1, number + 1):
        head = index, _DMTF, _MEASUREMENT_BYTES + 3
        if (reader.number(1), reader.number(1), reader.number(2)) != head:
            raise reader.error(f"have no block {index} of 48 bytes at its place")
        reader.take(1)  # the kind of value, which for all of NVIDIA's is firmware
        if reader.number(2) != _MEASUREMENT_BYTES:
            raise reader.error(f"have a block {index} whose value has not 48 bytes")
        found.append(reader.take(_MEASUREMENT_BYTES))
    reader.end()
    return tuple(found)


def _opaque(reader: Reader) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while reader.left:
        kind = reader.number(2)
        if kind in found:
            raise reader.error(f"has the field {kind} twice")
        found[kind] = reader.take(reader.number(2))
    return found


def _text(value: bytes) -> str:
    """Text padded with zeros; unprintable text is quoted, so it is not a version."""
    text = value.rstrip(b"\0").decode("ascii", "replace")
    return text if text.isprintable() else repr(text)


def _vbios(value: bytes) -> str:
    """Four bytes, the last one first, and the one after them; three zeros follow."""
    return ".".join(f"{byte:02X}" for byte in (*value[3::-1], *value[4:5]))
