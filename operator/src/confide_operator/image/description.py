"""Descriptions of images: what goes into one, as people write it (TOML)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from confide.errors import PlanError, why_unreadable
from confide.plan.literals import Literal
from confide.tee.attestation import Platform
from pydantic import Field

__all__ = ["WORKLOAD", "Base", "Description", "Sealed", "Sgx", "Snp", "Source"]

_MAX_BYTES: Final = 1 << 20
_SIZE: Final = re.compile(r"([1-9][0-9]*)([KMG])")
_UNITS: Final = {"K": 10, "M": 20, "G": 30}
_SEALING_KEYS: Final = ("_sgx_mrenclave", "_sgx_mrsigner")
WORKLOAD: Final = "{workload}"
"""In a command line, where the manifest's hash goes."""


class Base(Literal):
    """The OCI base image of the files; its digest identifies its content.

    Attributes:
        image: Its name.
        digest: As registries name it, sha256 and 64 hexadecimal digits.
    """

    image: str = Field(pattern=r"^[a-z0-9][a-z0-9._/:-]{0,200}$")
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")


class Source(Literal):
    """Files that go into the image; patterns match only inside their folder.

    Attributes:
        source: A file or folder, relative to the description.
        target: Where it goes in the image, from the root.
        include: Patterns of files in a folder, as `pathlib` has them.
        exclude: Patterns of those that stay out.
    """

    source: str
    target: str
    include: list[str] = Field(default=["**/*"], min_length=1)
    exclude: list[str] = Field(default=["**/__pycache__/*", "**/*.pyc"])


class Sealed(Literal):
    """A folder whose files Gramine encrypts under a key of the processor's."""

    path: str
    key: str


class Sgx(Literal):
    """Options of an enclave by Gramine."""

    enclave_size: str
    max_threads: int = Field(ge=1, le=4096)
    isv_prod_id: int = Field(default=0, ge=0, le=0xFFFF)
    isv_svn: int = Field(default=0, ge=0, le=0xFFFF)
    sealed: list[Sealed] = Field(default_factory=list)

    @property
    def enclave_bytes(self) -> int:
        """Bytes of `enclave_size`.

        Raises:
            PlanError: If it is not a power of two.
        """
        match = _SIZE.fullmatch(self.enclave_size)
        size = int(match[1]) << _UNITS[match[2]] if match else 0
        if not size or size & (size - 1):
            raise PlanError(
                f"sgx.enclave_size is {self.enclave_size!r}; it is a power of two, as 512M or 2G"
            )
        return size


class Snp(Literal):
    """What is measured at the launch of a SEV-SNP machine by QEMU.

    Attributes:
        firmware: OVMF's file, relative to the description.
        kernel: Its file; without one the firmware boots from a disk that nothing measures.
        initrd: Its file.
        command_line: The kernel's; `{workload}` in it is replaced by the manifest's hash, by which
            what starts can check the files that it mounts.
        vcpus: How many processors.
        vcpu_type: QEMU's name of their kind, as EPYC-v4.
        guest_features: SEV features that the guest runs with.
    """

    firmware: str
    kernel: str
    initrd: str
    command_line: str
    vcpus: int = Field(ge=1, le=512)
    vcpu_type: str
    guest_features: int = Field(default=1, ge=0, le=0xFFFFFFFF)


class _Image(Literal):
    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")
    version: str = Field(min_length=1, max_length=80)
    entrypoint: str
    arguments: list[str] = Field(default_factory=list)
    environment: dict[str, str] = Field(default_factory=dict)
    base: Base | None = None
    files: list[Source] = Field(min_length=1)
    sgx: Sgx | None = None
    snp: Snp | None = None


@dataclass(frozen=True)
class Description:
    """A description that may be built.

    Attributes:
        folder: What its paths are relative to.
        name: Of the image.
        version: Of the image.
        entrypoint: The program that runs, in the image.
        arguments: That it is given.
        environment: Its environment: nothing of the host's goes in.
        base: What the files lie upon, or None.
        files: The image's description.
        sgx: Options of Gramine, or None.
        snp: What a SEV-SNP machine is launched with, or None.
    """

    folder: Path
    name: str
    version: str
    entrypoint: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    base: Base | None
    files: tuple[Source, ...]
    sgx: Sgx | None
    snp: Snp | None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a file.

        Raises:
            PlanError: If it cannot be read, or describes no image.
        """
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
            if len(data) > _MAX_BYTES:
                raise PlanError(f"{path} has more than {_MAX_BYTES:,} bytes")
            given = _Image.read(tomllib.loads(data.decode("utf-8")), str(path))
        except OSError as error:
            raise PlanError(f"cannot read {path}: {why_unreadable(error)}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise PlanError(f"{path}: {why_unreadable(error)}") from error
        description = cls(
            folder=path.parent,
            name=given.name,
            version=given.version,
            entrypoint=given.entrypoint,
            arguments=tuple(given.arguments),
            environment=dict(given.environment),
            base=given.base,
            files=tuple(given.files),
            sgx=given.sgx,
            snp=given.snp,
        )
        description._check()
        return description

    def without(self, platforms: Iterable[Platform]) -> Self:
        """The same without what it says of some platforms.

        Raises:
            PlanError: If it says nothing of one.
        """
        skipped = set(platforms)
        there = {Platform.SGX: self.sgx is not None, Platform.SNP: self.snp is not None}
        for platform in skipped:
            if not there.get(platform):
                raise PlanError(f"the description has no section [{platform.value}] to skip")
        return replace(
            self,
            sgx=None if Platform.SGX in skipped else self.sgx,
            snp=None if Platform.SNP in skipped else self.snp,
        )

    def _check(self) -> None:
        for target in (self.entrypoint, *(source.target for source in self.files)):
            _require_absolute(target)
        for name in self.environment:
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise PlanError(f"environment names {name!r}, which no variable is called")
        if self.snp is not None and WORKLOAD not in self.snp.command_line:
            raise PlanError(
                f"snp.command_line does not name {WORKLOAD}: nothing would bind the files to what "
                "is measured"
            )
        if self.sgx is None:
            return
        _ = self.sgx.enclave_bytes
        for sealed in self.sgx.sealed:
            _require_absolute(sealed.path)
            for target in (self.entrypoint, *(source.target for source in self.files)):
                if _overlap(sealed.path, target):
                    raise PlanError(
                        f"sgx.sealed path {sealed.path} and the measured {target} contain each "
                        "other: sealed files would hide measured ones"
                    )
            if sealed.key not in _SEALING_KEYS:
                known = " or ".join(_SEALING_KEYS)
                raise PlanError(f"sgx.sealed key {sealed.key!r}; it is {known}")


def _require_absolute(path: str) -> None:
    first, *parts = path.split("/")
    if first or not parts or {"", ".", ".."} & set(parts) or not path.isprintable():
        raise PlanError(f"{path!r} is not an absolute path in the image without '..' and '//'")


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
