"""Vendors' documents: which one some bytes are, told by readers that a caller chose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from confide.errors import AttestationError, Step
from confide.tee import nitro, quote, snp
from confide.tee.attestation import Platform

__all__ = ["Document", "read"]

Document = quote.Quote | snp.SnpReport | nitro.NitroDocument
"""The document as a reader parsed it; nothing of it is verified."""

_READERS: Final[Mapping[Platform, Callable[[bytes], Document]]] = {
    Platform.SGX: quote.parse,
    Platform.TDX: quote.parse,
    Platform.SNP: snp.parse,
    Platform.NITRO: nitro.parse,
}
_COSE_LIST: Final = 0x84
_SNP_VERSIONS: Final = range(2, 10)
_ECDSA_KEYS: Final = (2, 3)


def read(document: bytes, platforms: tuple[Platform, ...]) -> tuple[Platform, Document]:
    """Reads a document by the readers that may be used; their formats exclude each other.

    Args:
        document: A quote, a report or a Nitro document.
        platforms: Whose readers may be used.

    Raises:
        AttestationError: If none of them reads it, at the step `parse`.
    """
    problems: dict[Platform, str] = {}
    for platform in platforms:
        try:
            parsed = _READERS[platform](document)
        except AttestationError as error:
            problems[platform] = str(error)
            continue
        if not isinstance(parsed, quote.Quote) or parsed.platform is platform:
            return platform, parsed
        problems[platform] = f"the quote is of {parsed.platform.value}"
    raise AttestationError(Step.PARSE, _reason(document, problems))


def _reason(document: bytes, problems: Mapping[Platform, str]) -> str:
    """What the reader says whose format the bytes resemble; else that they resemble none."""
    resembled = _resembled(document)
    if resembled is not None and resembled in problems:
        return problems[resembled]
    known = ", ".join(platform.value for platform in problems)
    if resembled is not None:
        return (
            f"no verifier that the policy allows reads the evidence: it looks like "
            f"{resembled.value}, and the policy accepts {known}"
        )
    return (
        f"not evidence of {known}: {len(document):,} bytes that are neither a quote of SGX or TDX, "
        "nor a report of SEV-SNP, nor a document of Nitro"
    )


def _resembled(document: bytes) -> Platform | None:
    """By its first bytes, for messages only."""
    if document[:1] == bytes([_COSE_LIST]):
        return Platform.NITRO
    version, key = (int.from_bytes(document[k : k + 2], "little") for k in (0, 2))
    if len(document) == snp.REPORT_BYTES or (version in _SNP_VERSIONS and key == 0):
        return Platform.SNP
    if version in (3, 4, 5) and key in _ECDSA_KEYS:
        return Platform.TDX if int.from_bytes(document[4:8], "little") else Platform.SGX
    return None
