"""What hardware will measure of an image, as far as it can be computed without the hardware."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from confide.errors import DataError
from confide.tee.attestation import REQUIRED_MEASUREMENTS, Platform

from confide_operator.image.description import WORKLOAD, Description, Snp

__all__ = ["Measured", "measured", "snp_launch_digest"]

_WHY_NOT: Final = {
    Platform.SGX: (
        "MRENCLAVE takes Gramine: gramine-manifest and gramine-sgx-sign on the manifest written "
        "here; then give --measurement sgx.mrenclave=…"
    ),
    Platform.TDX: (
        "MRTD and RTMRs take the firmware's and the cloud's own tool; give --measurement "
        "tdx.mrtd=… and rtmr0 to rtmr2"
    ),
    Platform.NITRO: (
        "PCRs take nitro-cli build-enclave, which prints them; give --measurement nitro.pcr0=…, "
        "pcr1 and pcr2"
    ),
    Platform.SNP: "the description has no section [snp] with firmware and kernel",
}


@dataclass(frozen=True)
class Measured:
    """One measurement that identifies code.

    Attributes:
        platform: Where it is measured.
        name: The vendor's name.
        value: What it will be; None if nobody said and it cannot be computed here.
        source: 'computed', 'given', or why there is none.
    """

    platform: Platform
    name: str
    value: bytes | None
    source: str


def measured(
    description: Description, workload: bytes, given: Mapping[tuple[Platform, str], bytes]
) -> list[Measured]:
    """Everything that a release could name.

    Args:
        description: Of the image.
        workload: Hash of its manifest.
        given: What the builder knows from other tools.

    Raises:
        DataError: If something that is given differs from what is computed.
    """
    computed: dict[tuple[Platform, str], bytes] = {}
    if description.snp is not None:
        computed[Platform.SNP, "measurement"] = snp_launch_digest(
            description, description.snp, workload
        )
    for key, value in given.items():
        if computed.get(key, value) != value:
            platform, name = key
            raise DataError(
                f"--measurement {platform.value}.{name} is {value.hex()[:16]}…, and what is "
                f"computed is {computed[key].hex()[:16]}…: one of the two is of another image"
            )
    known = {**given, **computed}
    names = {(p, n) for p, required in REQUIRED_MEASUREMENTS.items() for n in required}
    return [
        Measured(
            platform,
            name,
            known.get((platform, name)),
            _source(platform, name, computed, given),
        )
        for platform in Platform
        for name in sorted(n for p, n in names | given.keys() if p is platform)
    ]


def snp_launch_digest(description: Description, snp: Snp, workload: bytes) -> bytes:
    """What SEV-SNP measures at launch, 48 bytes, by `sev-snp-measure`.

    AMD, *SEV Secure Nested Paging Firmware ABI* (56860), §8.17.2: a chain over all pages, among
    them the firmware's, one with the hashes of kernel, initrd and command line, and the processors'
    first states.

    Raises:
        DataError: If the library is missing, or it cannot measure the firmware.
    """
    try:
        from sevsnpmeasure import guest
        from sevsnpmeasure.ovmf import OVMF, SectionType
        from sevsnpmeasure.vcpu_types import CPU_SIGS
    except ImportError as error:
        raise DataError(
            "measuring a SEV-SNP launch needs sev-snp-measure: pip install 'confide[tee]'"
        ) from error
    signature = CPU_SIGS.get(snp.vcpu_type)
    if signature is None:
        raise DataError(
            f"snp.vcpu_type is {snp.vcpu_type!r}; known are {', '.join(sorted(CPU_SIGS))}"
        )
    paths = [str(description.folder / p) for p in (snp.firmware, snp.kernel, snp.initrd)]
    command_line = snp.command_line.replace(WORKLOAD, workload.hex())
    try:
        # Without its tables the library would measure less, and say nothing.
        if not OVMF(paths[0]).has_metadata_section(SectionType.SNP_KERNEL_HASHES):
            raise DataError(
                f"the firmware {snp.firmware} has no place for the kernel's hash: build OVMF for "
                "SEV-SNP with kernel hashes (OvmfPkg/AmdSev)"
            )
        with contextlib.redirect_stdout(io.StringIO()):
            digest = guest.snp_calc_launch_digest(
                snp.vcpus, signature, *paths, command_line, snp.guest_features, ""
            )
    except (OSError, ValueError, RuntimeError, AssertionError, KeyError, IndexError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"the SEV-SNP launch cannot be measured: {error}") from error
    return bytes(digest)


def _source(
    platform: Platform,
    name: str,
    computed: dict[tuple[Platform, str], bytes],
    given: Mapping[tuple[Platform, str], bytes],
) -> str:
    if (platform, name) in computed:
        return "computed"
    return "given" if (platform, name) in given else _WHY_NOT[platform]
