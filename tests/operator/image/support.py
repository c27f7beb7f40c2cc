"""A firmware that SEV-SNP can be launched with, small and made up, and the boot files beside it."""

from __future__ import annotations

import struct
import uuid
from pathlib import Path

PAGE = 4096
FIRMWARE_PAGES = 4
HASHES_PAGE = 0x80D000
SECTIONS = (
    (0x800000, 2 * PAGE, 1),  # memory that the firmware finds zero
    (0x80A000, PAGE, 2),  # secrets
    (0x80B000, PAGE, 3),  # CPUID
    (HASHES_PAGE, PAGE, 0x10),  # hashes of the kernel
)
RESET_EIP = 0xFFFFF000


def entry(guid: str, data: bytes) -> bytes:
    return data + struct.pack("<H", len(data) + 18) + uuid.UUID(guid).bytes_le


def firmware(*, sections: tuple = SECTIONS, filling: bytes = b"\xf4") -> bytes:
    """An OVMF with the tables that measuring it needs (edk2, OvmfPkg/ResetVector)."""
    size = FIRMWARE_PAGES * PAGE
    metadata = struct.pack("<4sIII", b"ASEV", 16 + 12 * len(sections), 1, len(sections))
    metadata += b"".join(struct.pack("<III", *section) for section in sections)
    offset_from_end = 0x800
    table = entry("dc886566-984a-4798-a75e-5585a7bf67cc", struct.pack("<I", offset_from_end))
    table += entry("7255371f-3a3b-4b04-927b-1da6efa8d454", struct.pack("<II", HASHES_PAGE, PAGE))
    table += entry("00f771de-1a7e-4fcb-890e-68c77e2fb44e", struct.pack("<I", RESET_EIP))
    footer = struct.pack("<H", len(table) + 18)
    footer += uuid.UUID("96b582de-1fb2-45f7-baea-a366c55a082d").bytes_le
    image = bytearray(filling * size)[:size]
    image[size - offset_from_end : size - offset_from_end + len(metadata)] = metadata
    end = size - 32
    image[end - len(table) - len(footer) : end] = table + footer
    return bytes(image)


def boot(folder: Path) -> None:
    """Firmware, kernel and initrd, where the project's image expects them."""
    folder.mkdir()
    (folder / "OVMF.fd").write_bytes(firmware())
    (folder / "vmlinuz").write_bytes(b"a kernel" * 100)
    (folder / "initrd.img").write_bytes(b"an initial file system" * 100)
