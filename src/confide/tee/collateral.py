"""What vendors publish about their hardware, as files: certificates, revocation lists, TCB levels.

Nothing here goes to the network. `confide tee collateral fetch` fills such files for those who are
online.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from confide import canonical
from confide.errors import AttestationError, Step, why_unreadable
from confide.tee.certificates import (
    Certificate,
    RevocationList,
    load_certificate,
    load_revocation_list,
    pem_blocks,
)

__all__ = ["MAX_COLLATERAL_BYTES", "Collateral", "IntelCollateral"]

MAX_COLLATERAL_BYTES: Final = 1 << 20
_MAX_FILES: Final = 256
_SHOWN: Final = 3
_BEGIN: Final = b"-----BEGIN "

_INTEL_KEYS: Final = frozenset(
    {
        "pck_crl_issuer_chain",
        "root_ca_crl",
        "pck_crl",
        "tcb_info_issuer_chain",
        "tcb_info",
        "tcb_info_signature",
        "qe_identity_issuer_chain",
        "qe_identity",
        "qe_identity_signature",
    }
)
_OPTIONAL_INTEL_KEYS: Final = frozenset({"pck_certificate_chain"})

_Sorted = tuple[tuple[Certificate, ...], tuple[RevocationList, ...]]


@dataclass(frozen=True)
class IntelCollateral:
    """Intel's collateral, version 3, for one kind of platform.

    Attributes:
        text: The JSON document that `dcap-qvl` reads.
        fields: Its fields, all of them texts.
        tcb_info: Intel's statement about TCB levels; its signature is not verified yet.
        qe_identity: Intel's statement about the quoting enclave; the same.
    """

    text: str
    fields: Mapping[str, str]
    tcb_info: dict[str, object]
    qe_identity: dict[str, object]

    @classmethod
    def read(cls, text: str) -> Self:
        """Reads the JSON document.

        Raises:
            AttestationError: If it lacks a field, has another one, or a statement is not JSON.
        """
        outer = _object(text, "Intel's collateral")
        if not _INTEL_KEYS <= outer.keys() <= _INTEL_KEYS | _OPTIONAL_INTEL_KEYS:
            odd = sorted(outer.keys() ^ _INTEL_KEYS)
            raise AttestationError(
                Step.PARSE, f"Intel's collateral lacks, or should not have: {', '.join(odd)}"
            )
        fields = {
            key: value
            for key, value in outer.items()
            if isinstance(value, str) and canonical.has_encoding(value)
        }
        if odd := sorted(outer.keys() - fields.keys()):
            raise AttestationError(
                Step.PARSE, f"Intel's collateral has values that are not texts: {', '.join(odd)}"
            )
        return cls(
            text,
            fields,
            _object(outer["tcb_info"], "Intel's TCB information"),
            _object(outer["qe_identity"], "Intel's identity of the quoting enclave"),
        )

    def revocation_list(self, key: str) -> RevocationList:
        """One of the two lists: 'pck_crl' of the platforms' issuer, 'root_ca_crl' of the root.

        Raises:
            AttestationError: If it is malformed, written in hexadecimal.
        """
        try:
            der = bytes.fromhex(self.fields[key])
        except ValueError as error:
            raise AttestationError(
                Step.PARSE, f"{key} in Intel's collateral is not hexadecimal"
            ) from error
        return load_revocation_list(der)


@dataclass(frozen=True)
class Collateral:
    """All available collateral; a verifier selects what belongs to its evidence, and verifies that.

    Attributes:
        certificates: Of chips and their issuers, in any order.
        revocation_lists: Signed by these issuers.
        intel: Intel's documents, for any number of platforms.
        skipped: Files in folders that are not collateral, with the reason, in words.
        manifests: NVIDIA's signed manifests (RIMs), in XML; read when a GPU is verified.
    """

    certificates: tuple[Certificate, ...] = ()
    revocation_lists: tuple[RevocationList, ...] = ()
    intel: tuple[IntelCollateral, ...] = ()
    skipped: tuple[str, ...] = ()
    manifests: tuple[bytes, ...] = ()

    @property
    def left_out(self) -> str:
        """The end of a message about what is missing: what was skipped; empty if nothing was."""
        return f" (skipped: {'; '.join(self.skipped[:_SHOWN])})" if self.skipped else ""

    @classmethod
    def of(cls, items: Iterable[bytes]) -> Self:
        """Reads documents of any of the kinds, recognised by their contents.

        Args:
            items: Each a manifest of NVIDIA's in XML, a JSON document of Intel's, a PEM file, or
                one certificate or list in DER.

        Raises:
            AttestationError: If one is none of these, or too large.
        """
        return cls._joined(cls._of_one(item) for item in items)

    @classmethod
    def read(cls, paths: Iterable[Path]) -> Self:
        """Reads files, and all files in folders; what is not collateral in a folder is skipped.

        Raises:
            AttestationError: If a file that is named itself is not collateral, or a folder cannot
                be read; or if there are too many files.
        """
        named: list[tuple[Path, bool]] = []
        for path in paths:
            named += [(file, path.is_dir()) for file in _files(path)]
        if len(named) > _MAX_FILES:
            raise AttestationError(
                Step.PARSE, f"{len(named)} files of collateral; at most {_MAX_FILES} are read"
            )
        return cls._joined(
            cls._of_stray(file) if in_folder else cls._of_file(file) for file, in_folder in named
        )

    @classmethod
    def _of_stray(cls, path: Path) -> Self:
        try:
            return cls._of_file(path)
        except AttestationError as error:
            return cls(skipped=(str(error),))

    @classmethod
    def _of_file(cls, path: Path) -> Self:
        contents = _contents(path)
        try:
            return cls._of_one(contents)
        except AttestationError as error:
            raise AttestationError(error.step, f"{path}: {error}") from error

    @classmethod
    def _of_one(cls, item: bytes) -> Self:
        if len(item) > MAX_COLLATERAL_BYTES:
            raise AttestationError(
                Step.PARSE,
                f"collateral of {len(item):,} bytes; at most {MAX_COLLATERAL_BYTES:,} are read",
            )
        if item[:1] == b"<":
            return cls(manifests=(item,))
        if item[:1] == b"{":
            return cls(intel=(IntelCollateral.read(_text(item)),))
        return cls(*(_from_pem(item) if _BEGIN in item[:4096] else _from_der(item)))

    @classmethod
    def _joined(cls, parts: Iterable[Self]) -> Self:
        every = list(parts)
        return cls(
            tuple(c for part in every for c in part.certificates),
            tuple(r for part in every for r in part.revocation_lists),
            tuple(i for part in every for i in part.intel),
            tuple(s for part in every for s in part.skipped),
            tuple(m for part in every for m in part.manifests),
        )


def _files(path: Path) -> list[Path]:
    try:
        return sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    except OSError as error:
        raise AttestationError(Step.PARSE, f"cannot list the collateral {path}: {error}") from error


def _contents(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_COLLATERAL_BYTES + 1)
    except OSError as error:
        why = why_unreadable(error)
        raise AttestationError(Step.PARSE, f"cannot read the collateral {path}: {why}") from error


def _from_pem(item: bytes) -> _Sorted:
    blocks = list(pem_blocks(item))
    if len(blocks) != item.count(_BEGIN):
        raise AttestationError(
            Step.PARSE, "collateral with a PEM block that has no end, or is no PEM in between"
        )
    certificates: list[Certificate] = []
    lists: list[RevocationList] = []
    for label, der in blocks:
        if label == "CERTIFICATE":
            certificates.append(load_certificate(der))
        elif label == "X509 CRL":
            lists.append(load_revocation_list(der))
        else:
            raise AttestationError(Step.PARSE, f"collateral with a PEM block {label!r}")
    return tuple(certificates), tuple(lists)


def _from_der(item: bytes) -> _Sorted:
    try:
        return (load_certificate(item),), ()
    except AttestationError:
        try:
            return (), (load_revocation_list(item),)
        except AttestationError:
            raise AttestationError(
                Step.PARSE,
                "collateral that is neither Intel's JSON, nor PEM, nor a certificate or a "
                "revocation list in DER",
            ) from None


def _text(item: bytes) -> str:
    try:
        return item.decode("utf-8")
    except UnicodeDecodeError as error:
        raise AttestationError(Step.PARSE, "collateral in JSON that is not UTF-8") from error


def _object(text: object, what: str) -> dict[str, object]:
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError) as error:
        raise AttestationError(Step.PARSE, f"{what} is not JSON") from error
    if not isinstance(value, dict):
        raise AttestationError(Step.PARSE, f"{what} is not a JSON object")
    return value
