"""Building: from a description to what is measured of it, the same bytes wherever it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from confide.errors import DataError, PlanError
from confide.tee.attestation import REQUIRED_MEASUREMENTS, Platform
from confide.tee.release import Release, SignedRelease

from confide_operator.image.description import Description
from confide_operator.image.gramine import lint, render
from confide_operator.image.manifest import Manifest
from confide_operator.image.measured import Measured, measured

__all__ = ["Build", "build"]

MANIFEST: Final = "manifest.json"
RELEASE: Final = "release.json"


@dataclass(frozen=True)
class Build:
    """What was made of a description.

    Attributes:
        manifest: What is in the image.
        gramine: Gramine's manifest, or None without SGX.
        measurements: What hardware will measure, known or not.
    """

    manifest: Manifest
    gramine: str | None
    measurements: tuple[Measured, ...]

    @property
    def release(self) -> SignedRelease | None:
        """For parties to sign; None if no platform's code is identified yet."""
        known = {
            platform: {
                m.name: m.value
                for m in self.measurements
                if m.platform is platform and m.value is not None
            }
            for platform in Platform
        }
        whole = {p: m for p, m in known.items() if REQUIRED_MEASUREMENTS[p] <= m.keys()}
        if not whole:
            return None
        manifest = self.manifest
        return SignedRelease(Release(manifest.name, manifest.version, manifest.hash, whole), {})

    @property
    def files(self) -> dict[str, str]:
        """What is written, by name."""
        files = {MANIFEST: self.manifest.to_json()}
        if self.gramine is not None:
            files[f"{self.manifest.name}.manifest.template"] = self.gramine
        if self.release is not None:
            files[RELEASE] = self.release.to_json()
        return files

    def write(self, folder: Path) -> None:
        """Writes it into a folder; a release that an earlier build left there is taken away.

        Raises:
            DataError: If it cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in self.files.items():
                (folder / name).write_bytes(text.encode())
            if self.release is None:
                (folder / RELEASE).unlink(missing_ok=True)
        except OSError as error:
            raise DataError(f"cannot write to {folder}: {error}") from error


def build(
    description: Description,
    given: Mapping[tuple[Platform, str], bytes] = MappingProxyType({}),
) -> Build:
    """Builds an image's manifest, and computes what can be computed of its measurements.

    Args:
        description: Of the image.
        given: Measurements that other tools made, by platform and name.

    Raises:
        DataError: If a file cannot be hashed, or a measurement contradicts what is computed.
        PlanError: If Gramine's manifest would open the enclave.
    """
    manifest = Manifest.of(description)
    gramine = None
    if description.sgx is not None:
        gramine = render(manifest, description.sgx)
        if found := lint(gramine):
            raise PlanError(f"the image's enclave would be open: {found[0]}")
    found_measurements = measured(description, manifest.hash, given)
    return Build(manifest, gramine, tuple(found_measurements))
