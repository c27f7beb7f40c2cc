"""AWS Nitro Enclaves: attestation documents, CBOR signed by COSE with a key that lives for hours.

AWS, *Nitro Enclaves attestation process* (repository aws-nitro-enclaves-nsm-api, docs); RFC 9052,
§4.2 and §4.4. The document carries its whole chain, of which the pinned root must be the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding

from confide import canonical
from confide.errors import AttestationError, Step
from confide.tee import certificates
from confide.tee.attestation import Assurance, Attestation, Binding, Platform, Tcb
from confide.tee.certificates import Certificate, load_certificate, name_of

__all__ = ["NitroDocument", "authenticate", "parse"]

_MAX_BYTES: Final = 64 << 10
_ES384: Final = b"\xa1\x01\x38\x22"
"""The protected header, {1: -35}: nothing else is signed by these keys."""

_SIGNATURE_BYTES: Final = 96
_OPEN_MAP, _BREAK = b"\xbf", b"\xff"
_PCR_BYTES: Final = 48
_CODE_PCRS: Final = ("pcr0", "pcr1", "pcr2")
_LONGEST_CHAIN: Final = 8
_SKEW: Final = timedelta(minutes=1)
"""How far a document may seem to come from the future: clocks differ."""

_FIELDS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "module_id": str,
    "digest": str,
    "timestamp": int,
    "pcrs": dict,
    "certificate": bytes,
    "cabundle": list,
    "public_key": (bytes, type(None)),
    "user_data": (bytes, type(None)),
    "nonce": (bytes, type(None)),
}
_OPTIONAL: Final = frozenset({"public_key", "user_data", "nonce"})


@dataclass(frozen=True)
class NitroDocument:
    """A document, as it stands in its bytes; nothing of it is verified.

    Attributes:
        signed: The bytes that the signature covers.
        signature: r and s, 48 bytes each, the most significant first.
        module: The enclave's identifier.
        made: When the hypervisor made it.
        pcrs: Measurements, 48 bytes each, by their names in lower case.
        leaf: Of the key that signed.
        bundle: The chain above it, from the root down.
        binding: What the enclave put in.
    """

    signed: bytes
    signature: bytes
    module: str
    made: datetime
    pcrs: Mapping[str, bytes]
    leaf: Certificate
    bundle: Sequence[Certificate]
    binding: Binding

    @property
    def node(self) -> str:
        """The identifier of the machine that the enclave runs on."""
        return self.module.partition("-enc")[0]

    @property
    def zeros(self) -> list[str]:
        """The measurements of code that are zero, or missing."""
        return [name for name in _CODE_PCRS if not any(self.pcrs.get(name, b""))]

    @property
    def debug(self) -> bool:
        """Whether it runs in debug mode, whose sign the zeros are."""
        return bool(self.zeros)


def parse(evidence: bytes) -> NitroDocument:
    """Reads a COSE_Sign1 structure without a tag, as the hypervisor writes it.

    Raises:
        AttestationError: If it is not exactly one, at the step `parse`.
    """
    outer = _decode(evidence)
    if not (isinstance(outer, list) and len(outer) == 4 and outer[0] == _ES384 and outer[1] == {}):
        raise _error("is not a COSE signature by ES384 with an empty unprotected header")
    _, _, payload, signature = outer
    if not isinstance(payload, bytes) or not isinstance(signature, bytes):
        raise _error("has a payload or a signature that is not a byte string")
    if len(signature) != _SIGNATURE_BYTES or cbor2.dumps(outer) != evidence:
        raise _error("is not the shortest form of itself")
    values = _decode(payload)
    fields = _fields_of(values)
    certificate_list = fields["cabundle"]
    if not 1 <= len(certificate_list) <= _LONGEST_CHAIN:
        raise _error(f"has a chain of {len(certificate_list)}; 1 to {_LONGEST_CHAIN} are read")
    document = NitroDocument(
        signed=cbor2.dumps(["Signature1", _ES384, b"", payload]),
        signature=signature,
        module=fields["module_id"],
        made=_time(fields["timestamp"]),
        pcrs=_pcrs(fields["pcrs"]),
        leaf=load_certificate(fields["certificate"]),
        bundle=[load_certificate(_bytes(der)) for der in certificate_list],
        binding=Binding(fields["user_data"] or b"", fields["nonce"], fields["public_key"]),
    )
    # After all values are known to be plain ones: deeply nested values cannot be written again.
    _require_shortest(payload, cbor2.dumps(values))
    return document


def authenticate(
    document: NitroDocument,
    roots: Sequence[tuple[Certificate, Assurance]],
    at: datetime,
    max_age: timedelta,
) -> Attestation:
    """Verifies a document's signature and its chain, then their dates.

    Args:
        document: What `parse` read.
        roots: The pinned roots.
        at: The time of the verification, with a time zone.
        max_age: How old the document may be.

    Raises:
        AttestationError: At the steps `root` and `freshness`.
    """
    first = document.bundle[0].public_bytes(Encoding.DER)
    pinned = [(c, a) for c, a in roots if c.public_bytes(Encoding.DER) == first]
    if not pinned:
        raise AttestationError(
            Step.ROOT, f"the document's chain begins at {name_of(document.bundle[0])}, not pinned"
        )
    root, assurance = pinned[0]
    chain = [document.leaf, *document.bundle[:0:-1]]
    certificates.check_chain(chain, root)
    _check_signature(document)
    if not at - max_age <= document.made <= at + _SKEW:
        raise AttestationError(
            Step.FRESHNESS,
            f"the document was made at {document.made:%Y-%m-%d %H:%M:%S} UTC and is asked for at "
            f"{at:%Y-%m-%d %H:%M:%S}; it may be {max_age} old",
        )
    # A certificate begins seconds before its document: a slightly slow clock is accepted.
    for time in (document.made, max(document.made, at)):
        certificates.check_dates([*chain, root], time)
    zeros = ", ".join(document.zeros)
    return Attestation(
        platform=Platform.NITRO,
        assurance=assurance,
        measurements=document.pcrs,
        numbers={},
        binding=document.binding,
        node=document.node,
        tcb=Tcb(),
        debug=f"{zeros} are zero, as in debug mode" if zeros else "",
        migratable=False,
        expires=min(c.not_valid_after_utc for c in [*chain, root]),
    )


def _decode(data: bytes) -> Any:
    if len(data) > _MAX_BYTES:
        raise _error(f"has {len(data):,} bytes; at most {_MAX_BYTES:,} are read")
    # Tags make decoders build shared values, patterns and more; these documents have none.
    if any(major == canonical.TAG for major, _ in canonical.heads(data)):
        raise _error("has CBOR tags")
    try:
        value = cbor2.loads(data)
    except (cbor2.CBORError, ValueError, TypeError, RecursionError, OverflowError) as error:
        raise _error("is no CBOR") from error
    return value


def _require_shortest(payload: bytes, written: bytes) -> None:
    """Checks that a map has no key twice and that nothing is written longer than necessary.

    The hypervisor leaves the map's length open, so that it ends with a break.
    """
    if payload != written and payload != _OPEN_MAP + written[1:] + _BREAK:
        raise _error("has a payload that is not the shortest form of itself")


def _fields_of(payload: object) -> dict[str, Any]:
    if not isinstance(payload, dict):
        raise _error("has a payload that is not a map")
    if not _FIELDS.keys() - _OPTIONAL <= payload.keys() <= _FIELDS.keys():
        odd = sorted(map(repr, payload.keys() ^ _FIELDS.keys()))
        raise _error(f"lacks, or should not have: {', '.join(odd)}")
    fields: dict[str, Any] = dict.fromkeys(_OPTIONAL) | payload
    for name, kind in _FIELDS.items():
        if not isinstance(fields[name], kind) or isinstance(fields[name], bool):
            raise _error(f"has a field {name!r} of another type than it should be")
    if fields["digest"] != "SHA384":
        raise _error(f"has measurements by {fields['digest'][:20]!r}, not SHA384")
    return fields


def _pcrs(values: dict[Any, Any]) -> dict[str, bytes]:
    for index, value in values.items():
        if type(index) is not int or not 0 <= index < 32 or len(_bytes(value)) != _PCR_BYTES:
            raise _error("has a PCR that is not a hash of 48 bytes with a number below 32")
    return {f"pcr{index}": values[index] for index in sorted(values)}


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise _error("has a text or a number where bytes belong")
    return value


def _time(milliseconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise _error(f"has the time stamp {milliseconds}") from error


def _check_signature(document: NitroDocument) -> None:
    key = document.leaf.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise AttestationError(Step.ROOT, f"the key of {name_of(document.leaf)} is not P-384")
    half = _SIGNATURE_BYTES // 2
    r, s = (
        int.from_bytes(part, "big")
        for part in (document.signature[:half], document.signature[half:])
    )
    try:
        key.verify(encode_dss_signature(r, s), document.signed, ec.ECDSA(SHA384()))
    except InvalidSignature as error:
        raise AttestationError(
            Step.ROOT, "the Nitro document is not signed by its key: it was altered"
        ) from error


def _error(problem: str) -> AttestationError:
    return AttestationError(Step.PARSE, f"the Nitro document {problem}")
