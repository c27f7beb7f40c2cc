"""NVIDIA's reference integrity manifests (RIMs): which measurements a driver or a firmware has.

Trusted Computing Group, *Reference Integrity Manifest Information Model* 1.01; the file is a SWID
tag (ISO/IEC 19770-2:2015), signed as `xmlsig` reads it by a chain to NVIDIA's root of RIMs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from confide.errors import AttestationError, Step
from confide.tee import certificates, xmlsig
from confide.tee.certificates import Certificate, load_certificate, name_of

__all__ = ["Rim", "read"]

_SWID: Final = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
_TCG: Final = (
    "https://trustedcomputinggroup.org/resource/"
    "tcg-reference-integrity-manifest-rim-information-model/"
)
_HASHES: Final = "http://www.w3.org/2001/04/xmlenc#sha384"
_NVIDIA: Final = "5703"
"""Its number among IANA's private enterprises."""
_SIGNATURE_BYTES: Final = 96
_HASH: Final = re.compile(r"[0-9A-Fa-f]{96}")
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,2}")
_MOST_VALUES: Final = 64


@dataclass(frozen=True)
class Rim:
    """A manifest whose signature and chain hold; whether its dates do, `check_dates` says.

    Attributes:
        product: The chip, as 'GH100'.
        version: Of the driver or of the VBIOS.
        active: By index, the values of which a report must have one; 48 bytes each.
        chain: Of the key that signed it, up to the certificate that the root signed.
        root: NVIDIA's root of manifests.
    """

    product: str
    version: str
    active: Mapping[int, frozenset[bytes]]
    chain: tuple[Certificate, ...]
    root: Certificate

    def check_dates(self, at: datetime) -> None:
        """Checks that the chain is valid at a time.

        Raises:
            AttestationError: If it is not, at the step `freshness`.
        """
        certificates.check_dates([*self.chain, self.root], at)


def read(document: bytes, root: Certificate) -> Rim:
    """Reads a manifest, and verifies its signature and chain; nothing unverified is returned.

    Args:
        document: The file, as NVIDIA's service of RIMs hands it out.
        root: NVIDIA's pinned root.

    Raises:
        AttestationError: If it is of another form, at the step `parse`; if NVIDIA did not sign it,
            at `root`.
    """
    signed = xmlsig.read(document)
    chain = tuple(load_certificate(der) for der in signed.certificates)
    if chain[-1] != root or len(chain) < 2:
        raise AttestationError(
            Step.ROOT, f"the manifest's chain ends at {name_of(chain[-1])}, which is not pinned"
        )
    certificates.check_chain(chain[:-1], root)
    _check_signature(signed, chain[0])
    return _contents(signed.root, chain[:-1], root)


def _check_signature(signed: xmlsig.Signed, leaf: Certificate) -> None:
    key = leaf.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise AttestationError(Step.ROOT, f"the key of {name_of(leaf)} is not P-384")
    if not _may_sign(leaf):
        raise AttestationError(Step.ROOT, f"the key of {name_of(leaf)} may not sign manifests")
    if len(signed.signature) != _SIGNATURE_BYTES:
        raise AttestationError(Step.PARSE, "the manifest's signature has not 96 bytes")
    half = _SIGNATURE_BYTES // 2
    r, s = (int.from_bytes(signed.signature[k : k + half], "big") for k in (0, half))
    try:
        key.verify(encode_dss_signature(r, s), signed.statement, ec.ECDSA(SHA384()))
    except InvalidSignature as error:
        raise AttestationError(
            Step.ROOT, "the manifest is not signed by the key of its chain: it was altered"
        ) from error


def _may_sign(leaf: Certificate) -> bool:
    try:
        return leaf.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    except x509.ExtensionNotFound:
        return False


def _contents(root: xmlsig.Element, chain: tuple[Certificate, ...], pinned: Certificate) -> Rim:
    names = [element.name[1] for element in root.elements if element.name[0] == _SWID]
    if root.name != (_SWID, "SoftwareIdentity") or names != ["Entity", "Meta", "Payload"]:
        raise _error("is not a SWID tag with one Entity, one Meta and one Payload")
    _, meta, payload = root.elements
    said = meta.named
    if said.get((_TCG, "FirmwareManufacturerId")) != _NVIDIA or said.get(("", "edition")) != "GPU":
        raise _error("is of no GPU of NVIDIA's")
    product, version = said.get(("", "product"), ""), said.get(("", "colloquialVersion"), "")
    if not product or not version:
        raise _error("names no product, or no version")
    return Rim(product, version, _active(payload), chain, pinned)


def _active(payload: xmlsig.Element) -> dict[int, frozenset[bytes]]:
    found: dict[int, frozenset[bytes]] = {}
    seen: set[str] = set()
    for resource in payload.elements:
        said = resource.named
        index, active = said.get(("", "index"), ""), said.get(("", "active"))
        if resource.name != (_SWID, "Resource") or said.get(("", "type")) != "Measurement":
            raise _error("lists entries that are not measurements")
        if not _INDEX.fullmatch(index) or index in seen or active not in ("True", "False"):
            raise _error("lists a measurement without an index of its own, active or not")
        seen.add(index)
        values = _values(said)
        if active == "True":
            found[int(index)] = values
    if not found:
        raise _error("has no active measurement")
    return found


def _values(said: Mapping[tuple[str, str], str]) -> frozenset[bytes]:
    hashes = {name: value for (space, name), value in said.items() if space == _HASHES}
    expected = {f"Hash{k}" for k in range(min(len(hashes), _MOST_VALUES))}
    whole = hashes.keys() == expected and all(_HASH.fullmatch(v) for v in hashes.values())
    if not hashes or not whole or said.get(("", "alternatives")) != str(len(hashes)):
        raise _error("lists a measurement whose values are not so many hashes of 48 bytes")
    return frozenset(bytes.fromhex(value) for value in hashes.values())


def _error(problem: str) -> AttestationError:
    return AttestationError(Step.PARSE, f"the manifest {problem}")
