"""What evidence says, for people to read: nothing of it is verified."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC

from cryptography.hazmat.primitives.serialization import Encoding

from confide.tee import documents, nitro, quote, snp
from confide.tee.attestation import Platform
from confide.tee.certificates import name_of
from confide.tee.requirements import FIELDS, VERSIONS, named_bits, version_text

__all__ = ["inspect", "warnings"]


def inspect(document: bytes) -> tuple[Platform, dict[str, str]]:
    """What a vendor's document says, unverified: all that a policy can name, and what it carries.

    Returns:
        Its platform; by name, bytes in hexadecimal and numbers in words.

    Raises:
        AttestationError: If no reader knows it.
    """
    platform, parsed = documents.read(document, tuple(Platform))
    return platform, dict(_said(parsed))


def warnings(document: bytes) -> list[str]:
    """Warnings about a document, unverified: what it does not protect or identify.

    Raises:
        AttestationError: If no reader knows it.
    """
    _, parsed = documents.read(document, tuple(Platform))
    found = []
    if parsed.debug:
        found.append("DEBUG: the machine's operator can read what it computes")
    if not isinstance(parsed, nitro.NitroDocument) and parsed.migratable:
        found.append("MIGRATION: an agent that the evidence does not show may move it")
    if isinstance(parsed, snp.SnpReport) and parsed.paravisor:
        found.append("PARAVISOR: Azure's firmware asked for it; it identifies no code behind it")
    if isinstance(parsed, quote.Quote) and parsed.platform is Platform.TDX:
        zero = [f"rtmr{k}" for k in range(3) if not any(parsed.measurements[f"rtmr{k}"])]
        if zero:
            found.append(f"UNMEASURED: {', '.join(zero)} are zero; it identifies no code")
    return found


def _said(parsed: documents.Document) -> Iterator[tuple[str, str]]:
    match parsed:
        case quote.Quote():
            return _intel(parsed)
        case snp.SnpReport():
            return _amd(parsed)
        case nitro.NitroDocument():
            return _aws(parsed)


def _intel(parsed: quote.Quote) -> Iterator[tuple[str, str]]:
    yield from _hex(parsed.measurements)
    yield from _numbers(parsed.platform, parsed.numbers)
    yield "report_data", parsed.report_data.hex()
    yield from _key(parsed)


def _key(parsed: quote.Quote) -> Iterator[tuple[str, str]]:
    """What the certificate of the platform's key says of the machine."""
    import dcap_qvl

    leaf = parsed.chain[0].public_bytes(Encoding.PEM)
    try:
        key = dcap_qvl.parse_pck_extension_from_pem(leaf)
    except ValueError:
        return
    node = key.platform_instance_id or key.ppid
    if node:
        yield "node", bytes(node).hex()
    yield "fmspc", bytes(key.fmspc).hex().upper()
    yield "cpu_svn", bytes(key.cpu_svn).hex()
    yield "pce_svn", str(key.pce_svn)
    yield "key_until", f"{parsed.chain[0].not_valid_after_utc:%Y-%m-%d}"


def _amd(parsed: snp.SnpReport) -> Iterator[tuple[str, str]]:
    yield from _hex(parsed.fields)
    yield from _numbers(Platform.SNP, parsed.numbers)
    yield "report_data", parsed.report_data.hex()
    yield "chip", parsed.chip.hex()
    if any(parsed.chip):
        yield "node", parsed.chip.hex()
    yield "product", " or ".join(parsed.products) or "unknown"
    yield "signed_by", parsed.signer
    for name, tcb in zip(("reported", "current", "committed", "launch"), parsed.tcbs, strict=True):
        yield f"tcb_{name}", _levels(parsed, tcb)


def _levels(parsed: snp.SnpReport, tcb: bytes) -> str:
    if not parsed.products:
        return tcb.hex()
    places = snp.LEVELS[parsed.products[0]]
    return ", ".join(f"{name} {tcb[place]}" for name, place in places.items())


def _aws(parsed: nitro.NitroDocument) -> Iterator[tuple[str, str]]:
    yield from _hex(parsed.pcrs)
    yield "module", parsed.module
    yield "node", parsed.node
    yield "time", f"{parsed.made.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    for name in ("nonce", "public_key"):
        value = getattr(parsed.binding, name)
        if value is not None:
            yield name, value.hex()
    yield "user_data", parsed.binding.report_data.hex()
    yield "chain_begins", name_of(parsed.bundle[0])


def _numbers(platform: Platform, numbers: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    for name, stated in FIELDS[platform].items():
        value = numbers[name]
        if stated.bits:
            words = ", ".join(named_bits(value, stated.bits)) or "no bit"
            yield f"{name}_bits", words
        else:
            yield f"{name}_number", version_text(value) if name in VERSIONS else str(value)


def _hex(values: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        yield name, value.hex()
