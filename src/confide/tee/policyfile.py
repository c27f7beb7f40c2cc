"""Policies in files, as people write them (TOML)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from confide.errors import AttestationError, PlanError, why_unreadable
from confide.plan.literals import Literal
from confide.tee.attestation import Platform
from confide.tee.certificates import Certificate, load_certificate, pem_blocks
from confide.tee.nvidia import GpuPolicy
from confide.tee.policy import Policy
from confide.tee.release import Reference, SignedRelease
from confide.tee.requirements import FIELDS, VERSIONS, Requirement, mask_of, version_number
from confide.tee.roots import Roots

__all__ = ["read_certificate", "read_policy"]

_MAX_BYTES: Final = 1 << 20
_KEY_BYTES: Final = 32


class _Releases(Literal):
    files: list[str] = Field(min_length=1)
    signers: list[str] = Field(min_length=1)
    threshold: int = Field(ge=1)


class _Tcb(Literal):
    statuses: list[str] = Field(default=["UpToDate"])
    advisories: list[str] = Field(default_factory=list)
    minimum_evaluation: int = Field(default=0, ge=0)
    snp: dict[str, dict[str, int]] = Field(default_factory=dict)


class _Bits(Literal):
    set: list[str | int] = Field(default_factory=list)
    clear: list[str | int] = Field(default_factory=list)


class _Nvidia(Literal):
    driver: str
    vbios: str
    gpus: int = 1
    architecture: str = "GH100"
    revocation_lists: bool = True


_Asked = dict[str, int | str | _Bits]


class _Policy(Literal):
    nodes: list[str] | str
    releases: _Releases | None = None
    measurements: dict[str, dict[str, str]] = Field(default_factory=dict)
    tcb: _Tcb = Field(default_factory=_Tcb)
    sgx: _Asked = Field(default_factory=dict)
    tdx: _Asked = Field(default_factory=dict)
    snp: _Asked = Field(default_factory=dict)
    nvidia: _Nvidia | None = None
    max_collateral_age_days: float = Field(default=7, gt=0, le=3650)
    max_evidence_age_minutes: float = Field(default=5, gt=0, le=60 * 24)
    revocation_lists: bool = True
    allow_paravisor: bool = False
    allow_simulated: bool = False
    simulated_roots: dict[str, str] = Field(default_factory=dict)


def read_policy(path: Path) -> Policy:
    """Reads a policy; files that it names are in the same folder.

    Raises:
        PlanError: If it cannot be read, or is not an allowed policy.
        AttestationError: If a release that it names is not signed as it asks.
    """
    try:
        given = _Policy.read(tomllib.loads(_read(path).decode("utf-8")), str(path))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PlanError(f"{path}: {why_unreadable(error)}") from error
    references = [*_released(given.releases, path.parent), *_pinned(given.measurements, path)]
    return Policy(
        references=tuple(references),
        nodes=_nodes(given.nodes, path),
        statuses=frozenset(given.tcb.statuses),
        advisories=frozenset(given.tcb.advisories),
        minimum_evaluation=given.tcb.minimum_evaluation,
        minimum_levels=given.tcb.snp,
        requirements=tuple(_requirements(given)),
        max_collateral_age=timedelta(days=given.max_collateral_age_days),
        max_evidence_age=timedelta(minutes=given.max_evidence_age_minutes),
        revocation_lists=given.revocation_lists,
        allow_paravisor=given.allow_paravisor,
        allow_simulated=given.allow_simulated,
        roots=_roots(given.simulated_roots, path),
        nvidia=None if given.nvidia is None else GpuPolicy(**given.nvidia.model_dump()),
    )


def _released(releases: _Releases | None, folder: Path) -> list[Reference]:
    if releases is None:
        return []
    signers = {_hex(key, _KEY_BYTES, "releases.signers") for key in releases.signers}
    if releases.threshold > len(signers):
        raise PlanError(
            f"releases.threshold is {releases.threshold}; the policy names {len(signers)} signers"
        )
    found: list[Reference] = []
    for file in releases.files:
        text = _read(folder / file).decode("utf-8", "replace")
        try:
            signed = SignedRelease.from_json(text)
            found += signed.verify(signers, releases.threshold).references
        except AttestationError as error:
            raise AttestationError(error.step, f"{folder / file}: {error}") from error
    return found


def _pinned(measurements: dict[str, dict[str, str]], path: Path) -> list[Reference]:
    try:
        return [
            Reference(
                _platform(name, path),
                {
                    what: _hex(value, None, f"measurements.{name}.{what}")
                    for what, value in m.items()
                },
                None,
                f"the measurements of {path.name}",
            )
            for name, m in measurements.items()
        ]
    except AttestationError as error:
        raise PlanError(str(error)) from error


def _requirements(given: _Policy) -> Iterator[Requirement]:
    asked = {Platform.SGX: given.sgx, Platform.TDX: given.tdx, Platform.SNP: given.snp}
    for platform, fields in asked.items():
        for name, value in fields.items():
            where = f"{platform.value}.{name}"
            if isinstance(value, _Bits):
                known = FIELDS[platform].get(name)
                bits = known.bits if known else {}
                masks = (mask_of(part, bits, where) for part in (value.set, value.clear))
                yield Requirement(platform, name, None, *masks)
            elif name in VERSIONS:
                yield Requirement(platform, name, version_number(str(value), where))
            elif isinstance(value, str):
                raise PlanError(f"{where} is {value[:20]!r}; it is a number")
            else:
                yield Requirement(platform, name, value)


def _roots(named: dict[str, str], path: Path) -> Roots:
    try:
        return Roots(
            {
                _platform(name, path): read_certificate(path.parent / file)
                for name, file in named.items()
            }
        )
    except AttestationError as error:
        raise PlanError(f"{path}: simulated_roots: {error}") from error


def _nodes(given: list[str] | str, path: Path) -> frozenset[str] | None:
    if given == "any":
        return None
    if isinstance(given, str):
        raise PlanError(f'{path}: nodes is {given!r}; it is a list of identifiers, or "any"')
    return frozenset(given)


def _platform(name: str, path: Path) -> Platform:
    try:
        return Platform(name)
    except ValueError as error:
        known = ", ".join(platform.value for platform in Platform)
        raise PlanError(f"{path}: unknown platform {name!r}; known are {known}") from error


def _hex(text: str, size: int | None, where: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError as error:
        raise PlanError(f"{where}: {text[:20]!r} is not hexadecimal") from error
    if size is not None and len(value) != size:
        raise PlanError(f"{where}: {len(value)} bytes in hex; a key has {size}")
    return value


def read_certificate(path: Path) -> Certificate:
    """Reads a file of one certificate.

    Raises:
        PlanError: If it cannot be read, or holds something else.
        AttestationError: If the certificate is not valid X.509.
    """
    data = _read(path)
    blocks: list[Any] = list(pem_blocks(data)) or [("CERTIFICATE", data)]
    if len(blocks) != 1 or blocks[0][0] != "CERTIFICATE":
        raise PlanError(f"{path} is to hold one certificate, in PEM or DER")
    return load_certificate(blocks[0][1])


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # a name with a zero character is a ValueError
        raise PlanError(f"cannot read {path}: {why_unreadable(error)}") from error
    if len(data) > _MAX_BYTES:
        raise PlanError(f"{path} has more than {_MAX_BYTES:,} bytes")
    return data
