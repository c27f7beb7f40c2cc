"""The launch digest of SEV-SNP, against a second computation of it from AMD's specification."""

import hashlib
import struct
import uuid
from dataclasses import replace

import pytest
from confide_operator.image.measured import snp_launch_digest
from sevsnpmeasure.sev_mode import SevMode
from sevsnpmeasure.vcpu_types import CPU_SIGS
from sevsnpmeasure.vmm_types import VMMType
from sevsnpmeasure.vmsa import VMSA
from tests.operator.image.support import HASHES_PAGE, PAGE, RESET_EIP, SECTIONS, boot, firmware
from tests.operator.image.test_build import IMAGE, SNP, described, folder

from confide.errors import DataError

__all__ = ["folder"]

WORKLOAD = bytes(range(32))


@pytest.fixture
def description(folder):
    boot(folder / "boot")
    return described(folder, IMAGE + SNP)


def digest_of(description, **changes):
    snp = description.snp.model_copy(update=changes)
    return snp_launch_digest(replace(description, snp=snp), snp, WORKLOAD)


def chained(digest: bytes, kind: int, address: int, contents: bytes) -> bytes:
    """One page: PAGE_INFO of the firmware ABI, §8.17.2, hashed."""
    info = digest + contents + struct.pack("<HBBBBBBQ", 0x70, kind, 0, 0, 0, 0, 0, address)
    assert len(info) == 0x70
    return hashlib.sha384(info).digest()


def hashes_page(kernel: bytes, initrd: bytes, command_line: str) -> bytes:
    """What QEMU puts before the firmware (target/i386/sev.c, SevHashTable), at its page's start."""
    table = b""
    for guid, data in (
        ("97d02dd8-bd20-4c94-aa78-e7714d36ab2a", command_line.encode() + b"\0"),
        ("44baf731-3a2f-4bd7-9af1-41e29169781d", initrd),
        ("4de79437-abd2-427f-b835-d5b172d2045b", kernel),
    ):
        table += uuid.UUID(guid).bytes_le + struct.pack("<H", 50) + hashlib.sha256(data).digest()
    head = uuid.UUID("9438d606-4f22-4cc9-b479-a793d411fd21").bytes_le
    table = head + struct.pack("<H", 18 + len(table)) + table
    return table.ljust(PAGE, b"\0")


def expected(folder, command_line: str, vcpus: int = 2, features: int = 1) -> bytes:
    image = firmware()
    digest = bytes(48)
    for at in range(0, len(image), PAGE):
        page = hashlib.sha384(image[at : at + PAGE]).digest()
        digest = chained(digest, 1, 0x100000000 - len(image) + at, page)
    for address, size, kind in SECTIONS:
        if kind == 0x10:
            kernel, initrd = (
                (folder / "boot" / name).read_bytes() for name in ("vmlinuz", "initrd.img")
            )
            page = hashes_page(kernel, initrd, command_line)
            digest = chained(digest, 1, HASHES_PAGE, hashlib.sha384(page).digest())
        else:
            for at in range(0, size, PAGE):
                digest = chained(digest, {1: 3, 2: 5, 3: 6}[kind], address + at, bytes(48))
    states = VMSA(SevMode.SEV_SNP, RESET_EIP, CPU_SIGS["EPYC-v4"], features, VMMType.QEMU)
    for state in states.pages(vcpus):
        # AMD64 Architecture Programmer's Manual, volume 2, table B-4: features, EFER with SVME.
        assert struct.unpack_from("<Q", state, 0x3B0)[0] == features
        assert struct.unpack_from("<Q", state, 0xD0)[0] == 0x1000
        digest = chained(digest, 2, 0xFFFFFFFFF000, hashlib.sha384(state).digest())
    return digest


def test_is_what_the_specification_says(description, folder):
    line = f"quiet confide.workload={WORKLOAD.hex()}"
    assert digest_of(description) == expected(folder, line)
    assert digest_of(description, vcpus=4) == expected(folder, line, vcpus=4)
    assert digest_of(description, guest_features=0x21) == expected(folder, line, features=0x21)
    assert digest_of(description, command_line="plain") == expected(folder, "plain")


def test_names_the_workload_through_the_command_line(description):
    snp = description.snp
    one, other = (snp_launch_digest(description, snp, bytes([k]) * 32) for k in (1, 2))
    assert one != other


@pytest.mark.parametrize("file", ["OVMF.fd", "vmlinuz", "initrd.img"])
def test_changes_with_every_boot_file(description, folder, file):
    before = digest_of(description)
    path = folder / "boot" / file
    changed = firmware(filling=b"\xf5") if file == "OVMF.fd" else path.read_bytes() + b"."
    path.write_bytes(changed)
    assert digest_of(description) != before


@pytest.mark.parametrize(
    ("firmware_", "problem"),
    [
        (b"short", "cannot be measured"),
        (bytes(4 * PAGE), "has no place for the kernel's hash"),
        (firmware(sections=SECTIONS[:3]), "has no place for the kernel's hash"),
        (firmware(sections=((0x800000, PAGE, 99),)), "cannot be measured"),
    ],
    ids=["too short", "no tables", "no page for hashes", "unknown section"],
)
def test_firmware_that_would_leave_the_kernel_unmeasured_is_refused(
    description, folder, firmware_, problem
):
    (folder / "boot" / "OVMF.fd").write_bytes(firmware_)
    with pytest.raises(DataError, match=problem):
        digest_of(description)


def test_an_unknown_processor_is_refused(description):
    with pytest.raises(DataError, match="'Pentium'; known are EPYC"):
        digest_of(description, vcpu_type="Pentium")
