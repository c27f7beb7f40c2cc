"""Certificates and revocation lists of attestation keys: reading them, and following a chain.

Signatures are checked apart from dates, because "not of this vendor" and "not at this time" are
different findings.
"""

from __future__ import annotations

import base64
import binascii
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning

from confide.errors import AttestationError, Step

__all__ = [
    "Certificate",
    "RevocationList",
    "check_chain",
    "check_dates",
    "check_list_dates",
    "check_revocation",
    "is_issued_by",
    "is_list_of",
    "load_certificate",
    "load_revocation_list",
    "name_of",
    "pem_blocks",
    "to_pem",
]

Certificate = x509.Certificate
RevocationList = x509.CertificateRevocationList

_MAX_BYTES: Final = 64 << 10
_BLOCK: Final = re.compile(
    rb"-----BEGIN ([A-Z0-9 ]+)-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END \1-----"
)


def load_certificate(der: bytes) -> Certificate:
    """Reads one certificate.

    Raises:
        AttestationError: If it is malformed, is too large, or has trailing bytes.
    """
    _require_size(der, "a certificate")
    try:
        with _strict():
            certificate = x509.load_der_x509_certificate(der)
            # These are read when asked for; what is wrong with them is to come out here.
            _ = certificate.subject, certificate.issuer, certificate.public_key()
            _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
            _ = certificate.extensions
            if certificate.serial_number < 0:
                raise ValueError("no list of revoked certificates can hold a negative number")
    except Exception as error:
        raise AttestationError(Step.PARSE, "a certificate that is not X.509 in DER") from error
    _require_whole_signature(der, certificate.signature, "a certificate")
    return certificate


def load_revocation_list(der: bytes) -> RevocationList:
    """Reads one list of revoked certificates.

    Raises:
        AttestationError: If it is malformed, is too large, or names only a part of what is revoked.
    """
    _require_size(der, "a revocation list")
    try:
        with _strict():
            revoked = x509.load_der_x509_crl(der)
            _ = revoked.issuer, revoked.last_update_utc, revoked.next_update_utc
            critical = [e.oid.dotted_string for e in revoked.extensions if e.critical]
    except Exception as error:
        raise AttestationError(Step.PARSE, "a revocation list that is not a CRL in DER") from error
    _require_whole_signature(der, revoked.signature, "a revocation list")
    if critical:
        # Differences to another list, and lists of some certificates alone (RFC 5280, §5.2.4-5).
        raise AttestationError(
            Step.PARSE,
            f"a revocation list with a critical extension, {critical[0]}: it is not whole",
        )
    return revoked


def pem_blocks(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The labels and contents of the blocks of a PEM file (RFC 7468), in order.

    Raises:
        AttestationError: If a block is not base64.
    """
    for match in _BLOCK.finditer(data):
        text = match[2].replace(b"\n", b"").replace(b"\r", b"")
        try:
            yield match[1].decode("ascii"), base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise AttestationError(Step.PARSE, "a PEM block that is not base64") from error


def to_pem(certificates: Iterable[Certificate]) -> bytes:
    """Certificates one after the other, each block with a line break at its end."""
    return b"".join(c.public_bytes(Encoding.PEM) for c in certificates)


def check_chain(chain: Sequence[Certificate], root: Certificate) -> None:
    """Checks that each certificate is signed by the next, and the last one by the root.

    Args:
        chain: From the key that signed the evidence to the one that the root signed; issuers must
            be authorities, and none may be longer than its issuer allows.
        root: The pinned root, which need not be in the chain.

    Raises:
        AttestationError: If a signature, a name or a constraint does not hold.
    """
    for depth, (issued, issuer) in enumerate(zip(chain, [*chain[1:], root], strict=True)):
        if not is_issued_by(issued, issuer):
            raise AttestationError(
                Step.ROOT, f"{name_of(issued)} is not signed by {name_of(issuer)}"
            )
        _require_authority(issuer, depth)


def is_issued_by(issued: Certificate, issuer: Certificate) -> bool:
    """Whether a certificate names another one as its issuer, and is signed by it."""
    try:
        issued.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def check_dates(certificates: Iterable[Certificate], at: datetime) -> None:
    """Checks that certificates are valid at a time.

    Raises:
        AttestationError: Naming the first one that is not.
    """
    for certificate in certificates:
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if not start <= at <= end:
            raise AttestationError(
                Step.FRESHNESS,
                f"the certificate {name_of(certificate)} is valid from {start:%Y-%m-%d %H:%M} to "
                f"{end:%Y-%m-%d %H:%M} UTC, not at {at:%Y-%m-%d %H:%M}",
            )


def check_revocation(
    revoked: RevocationList, issuer: Certificate, chain: Iterable[Certificate]
) -> bool:
    """Checks a chain against a revocation list, if the issuer signed the list.

    Returns:
        Whether the issuer signed it; nothing is believed of any other.

    Raises:
        AttestationError: If a certificate of the chain is on it, at the step `root`.
    """
    if not is_list_of(revoked, issuer):
        return False
    for certificate in chain:
        if certificate.issuer == revoked.issuer and _is_on(certificate, revoked):
            raise AttestationError(
                Step.ROOT, f"the certificate {name_of(certificate)} is revoked by its vendor"
            )
    return True


def is_list_of(revoked: RevocationList, issuer: Certificate) -> bool:
    """Whether an issuer signed a revocation list."""
    key = issuer.public_key()
    try:
        return revoked.issuer == issuer.subject and revoked.is_signature_valid(key)  # type: ignore[arg-type]
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False


def check_list_dates(revoked: RevocationList, issuer: Certificate, at: datetime) -> None:
    """Checks that a revocation list is the current one at a time.

    Raises:
        AttestationError: If it is of another time, or does not say until when it holds.
    """
    start, end = revoked.last_update_utc, revoked.next_update_utc
    if end is None or not start <= at <= end:
        until = f"to {end:%Y-%m-%d %H:%M} UTC" if end else "and does not say until when"
        raise AttestationError(
            Step.FRESHNESS,
            f"the revocation list of {name_of(issuer)} holds from {start:%Y-%m-%d %H:%M} {until}, "
            f"not at {at:%Y-%m-%d %H:%M}: fetch a new one",
        )


def name_of(certificate: Certificate) -> str:
    """A certificate's common name, or its whole subject."""
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return repr(str(names[0].value) if names else certificate.subject.rfc4514_string())


def _is_on(certificate: Certificate, revoked: RevocationList) -> bool:
    with _strict():
        serial = certificate.serial_number
        return revoked.get_revoked_certificate_by_serial_number(serial) is not None


@contextmanager
def _strict() -> Iterator[None]:
    """Names that break their own rules are refused, and numbers that break RFC 5280 are not.

    AMD gives the keys of its chips the serial number 0.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        yield


def _require_size(der: bytes, what: str) -> None:
    if len(der) > _MAX_BYTES:
        raise AttestationError(
            Step.PARSE, f"{what} of {len(der):,} bytes; at most {_MAX_BYTES:,} are read"
        )


def _require_whole_signature(der: bytes, signature: bytes, what: str) -> None:
    """That the bit string at the end is whole bytes: DER could say the same in other ways."""
    if not der.endswith(b"\0" + signature):
        raise AttestationError(
            Step.PARSE, f"{what} whose signature is not written as whole bytes at its end"
        )


def _require_authority(issuer: Certificate, below: int) -> None:
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        constraints = x509.BasicConstraints(ca=False, path_length=None)
    length = constraints.path_length
    if not constraints.ca or (length is not None and below > length):
        raise AttestationError(Step.ROOT, f"{name_of(issuer)} is not an authority for such a chain")
