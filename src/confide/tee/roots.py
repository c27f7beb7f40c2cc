"""The vendors' roots, pinned in this package, and those of a simulator, named by a policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Final

from confide.errors import AttestationError, Step
from confide.tee.attestation import Assurance, Platform
from confide.tee.certificates import Certificate, load_certificate, name_of, pem_blocks

__all__ = ["COMPONENTS", "PRODUCTS", "Roots", "vendor_roots"]

PRODUCTS: Final = ("Milan", "Genoa", "Turin")
"""AMD's product lines with SEV-SNP, each with a root of its own."""

COMPONENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "Milan": ("bootloader", "tee", "snp", "microcode"),
    "Genoa": ("bootloader", "tee", "snp", "microcode"),
    "Turin": ("fmc", "bootloader", "tee", "snp", "microcode"),
}
"""By product, what has a patch level of its own."""

_FILES: Final[Mapping[str, str]] = {
    "intel": "intel-sgx.pem",
    "Milan": "amd-milan.pem",
    "Genoa": "amd-genoa.pem",
    "Turin": "amd-turin.pem",
    "aws": "aws-nitro.pem",
    "nvidia-device": "nvidia-device.pem",
    "nvidia-rim": "nvidia-rim.pem",
}
_VENDOR: Final = {
    Platform.SGX: ("intel",),
    Platform.TDX: ("intel",),
    Platform.SNP: PRODUCTS,
    Platform.NITRO: ("aws",),
}


@dataclass(frozen=True)
class Roots:
    """Which roots evidence may end at.

    Attributes:
        simulated: Roots of simulators, by platform; accepted besides the vendors', and everything
            that ends at them is `Assurance.SIMULATED`.

    Raises:
        AttestationError: If a simulated root is a vendor's own.
    """

    simulated: Mapping[Platform, Certificate] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for root in self.simulated.values():
            if root in vendor_roots().values():
                raise AttestationError(
                    Step.ROOT,
                    f"{name_of(root)} is a vendor's root; it is not a simulator's: leave it out",
                )

    def of(self, platform: Platform) -> dict[str, list[tuple[Certificate, Assurance]]]:
        """The roots of a platform, by product where the vendor has one for each, else by vendor."""
        found = {name: [(vendor_roots()[name], Assurance.HARDWARE)] for name in _VENDOR[platform]}
        if platform in self.simulated:
            for roots in found.values():
                roots.append((self.simulated[platform], Assurance.SIMULATED))
        return found


@lru_cache(maxsize=1)
def vendor_roots() -> Mapping[str, Certificate]:
    """The roots in this package: 'intel', 'aws', AMD's products, 'nvidia-device', 'nvidia-rim'."""
    folder = files("confide.tee") / "roots"
    found = {}
    for name, file in _FILES.items():
        ((_, der),) = pem_blocks((folder / file).read_bytes())
        found[name] = load_certificate(der)
    return found
