"""The attestation report of AMD SEV-SNP, 1,184 bytes.

AMD, *SEV Secure Nested Paging Firmware ABI Specification* (56860), tables ATTESTATION_REPORT,
TCB_VERSION and POLICY; the versions 3 and 5 use bytes that are reserved in version 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import Final, Literal

from confide_sim.checks import sized, unsigned

__all__ = ["REPORT_BYTES", "GuestPolicy", "Product", "Report", "Tcb", "finished"]

Product = Literal["Milan", "Genoa", "Turin"]
"""AMD's product lines with SEV-SNP."""

REPORT_BYTES: Final = 1184
_SIGNED_BYTES: Final = 0x2A0
_PART_BYTES: Final = 72
_ECDSA_P384_SHA384: Final = 1
_SIGNING_KEY_SHIFT: Final = 2

_FIRMWARE: Final = {2: (4, 52, 1), 3: (29, 55, 1), 5: (3, 58, 1)}
"""Build, minor and major version of firmware that writes each version."""

_CPUID: Final[dict[Product, bytes]] = {
    "Milan": b"\x19\x01\x01",
    "Genoa": b"\x19\x11\x01",
    "Turin": b"\x1a\x02\x01",
}
"""Family, model and stepping, in reports from version 3 on."""

_PLACES: Final[dict[Product, dict[str, int]]] = {
    "Milan": {"bootloader": 0, "tee": 1, "snp": 6, "microcode": 7},
    "Genoa": {"bootloader": 0, "tee": 1, "snp": 6, "microcode": 7},
    "Turin": {"fmc": 0, "bootloader": 1, "tee": 2, "snp": 3, "microcode": 7},
}
"""By product, the byte of TCB_VERSION for each component; the others are reserved."""


class GuestPolicy(IntFlag):
    """Bits of POLICY: what the guest's owner allows the host."""

    SMT = 1 << 16
    ALWAYS_ONE = 1 << 17
    MIGRATION_AGENT = 1 << 18
    DEBUG = 1 << 19
    SINGLE_SOCKET = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Tcb:
    """Security patch levels, 0 to 255.

    Attributes:
        bootloader: Of the secure processor's boot loader.
        tee: Of its operating system.
        snp: Of the SNP firmware.
        microcode: Of all cores, the least.
        fmc: Of the first mutable code, on Turin alone.
    """

    bootloader: int = 4
    tee: int = 0
    snp: int = 22
    microcode: int = 213
    fmc: int = 0

    def to_bytes(self, product: Product) -> bytes:
        """TCB_VERSION, 8 bytes.

        Raises:
            ValueError: If a level does not fit, or the product has no such component.
        """
        if self.fmc and "fmc" not in _PLACES[product]:
            raise ValueError(f"{product} has no level of fmc, and {self.fmc} is given; use Turin")
        out = bytearray(8)
        for component, place in _PLACES[product].items():
            out[place : place + 1] = unsigned(component, getattr(self, component), 1)
        return bytes(out)


@dataclass(frozen=True, kw_only=True)
class Report:
    """The contents of a report; sizes are checked when it is written."""

    version: int
    product: Product
    report_data: bytes
    measurement: bytes
    policy: int
    host_data: bytes
    family_id: bytes
    image_id: bytes
    id_key_digest: bytes
    author_key_digest: bytes
    report_id: bytes
    chip_id: bytes
    vmpl: int
    guest_svn: int
    vlek: bool
    reported: Tcb
    current: Tcb
    committed: Tcb
    launch: Tcb
    platform_info: int
    launch_mitigations: int
    current_mitigations: int

    def signed(self) -> bytes:
        """The bytes that the signature covers, 0x2A0 of them.

        Raises:
            ValueError: If a value does not fit its field, or the version is none of 2, 3 and 5.
        """
        if self.version not in _FIRMWARE:
            raise ValueError(f"a report of version {self.version}; there are {list(_FIRMWARE)}")
        if self.product == "Turin" and self.version < 3:
            raise ValueError("a Turin writes reports from version 3 on, which say what it is")
        fields = self._fields()
        if self.version >= 3:
            fields[0x188] = _CPUID[self.product]
        if self.version >= 5:
            fields[0x1F8] = unsigned("launch_mitigations", self.launch_mitigations, 8)
            fields[0x200] = unsigned("current_mitigations", self.current_mitigations, 8)
        out = bytearray(_SIGNED_BYTES)
        for offset, value in fields.items():
            out[offset : offset + len(value)] = value
        return bytes(out)

    def _fields(self) -> dict[int, bytes]:
        """The fields of version 2, by their offsets; what is left out is zero."""
        firmware = bytes(_FIRMWARE[self.version]) + b"\0"
        return {
            0x000: unsigned("version", self.version, 4),
            0x004: unsigned("guest_svn", self.guest_svn, 4),
            0x008: unsigned("policy", self.policy, 8),
            0x010: sized("family_id", self.family_id, 16),
            0x020: sized("image_id", self.image_id, 16),
            0x030: unsigned("vmpl", self.vmpl, 4),
            0x034: unsigned("SIGNATURE_ALGO", _ECDSA_P384_SHA384, 4),
            0x038: self.current.to_bytes(self.product),
            0x040: unsigned("platform_info", self.platform_info, 8),
            0x048: unsigned("KEY_INFO", self._key_info(), 4),
            0x050: sized("report_data", self.report_data, 64),
            0x090: sized("measurement", self.measurement, 48),
            0x0C0: sized("host_data", self.host_data, 32),
            0x0E0: sized("id_key_digest", self.id_key_digest, 48),
            0x110: sized("author_key_digest", self.author_key_digest, 48),
            0x140: sized("report_id", self.report_id, 32),
            0x160: b"\xff" * 32,  # REPORT_ID_MA, as hardware writes it without a migration agent
            0x180: self.reported.to_bytes(self.product),
            0x1A0: sized("chip_id", self.chip_id, 64),
            0x1E0: self.committed.to_bytes(self.product),
            0x1E8: firmware * 2,
            0x1F0: self.launch.to_bytes(self.product),
        }

    def _key_info(self) -> int:
        """AUTHOR_KEY_EN in bit 0, SIGNING_KEY in bits 2 to 4: 0 is the VCEK, 1 the VLEK."""
        return int(any(self.author_key_digest)) | int(self.vlek) << _SIGNING_KEY_SHIFT


def finished(signed: bytes, signature: tuple[int, int]) -> bytes:
    """A report with its signature: r and s in little-endian order, 72 bytes each, then zeros."""
    parts = b"".join(part.to_bytes(_PART_BYTES, "little") for part in signature)
    return (signed + parts).ljust(REPORT_BYTES, b"\0")
