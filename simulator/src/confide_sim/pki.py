"""Certificates and revocation lists of the simulated vendors (RFC 5280).

Every subject says that it is not hardware's. Keys are made here and given to nobody: no function
reads one, so none can be a real vendor's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import NameOID

__all__ = [
    "ENDS",
    "FOUNDED",
    "LIFE",
    "NOTICE",
    "Authority",
    "Extension",
    "Key",
    "PublicKey",
    "Validity",
    "certify",
    "der",
    "expired",
    "forger_of",
    "found",
    "future",
    "issue",
    "leaf_extensions",
    "pem",
    "revocation_list",
]

NOTICE: Final = "confide simulator, not hardware"
"""The organisation in every subject."""

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
Extension = tuple[x509.ExtensionType, bool]
"""With whether it is critical."""
Validity = tuple[datetime, datetime]
"""From when to when, in UTC."""

FOUNDED: Final = datetime(2018, 1, 1, tzinfo=UTC)
ENDS: Final = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
LIFE: Final[Validity] = (FOUNDED, ENDS)
"""Of roots, and of issuers whose real ones live for decades."""

_MISS: Final = timedelta(hours=12)

_PSS: Final = padding.PSS(mgf=padding.MGF1(SHA384()), salt_length=padding.PSS.DIGEST_LENGTH)


@dataclass(frozen=True, eq=False)
class Authority:
    """Who signs certificates: a certificate, and its key, which no `repr` shows."""

    certificate: x509.Certificate
    key: Key = field(repr=False)


def found(name: str, key: Key, path_length: int | None = None) -> Authority:
    """A root: an authority that signs its own certificate.

    Args:
        name: Common name.
        key: Its key.
        path_length: How many authorities may be below it; None for any number.
    """
    public = key.public_key()
    extensions = _authority_extensions(public, public, path_length)
    builder = _builder(_name(name), _name(name), public, LIFE)
    return Authority(_signed(builder, extensions, key), key)


def certify(
    name: str, key: Key, by: Authority, path_length: int, validity: Validity = LIFE
) -> Authority:
    """An authority below another one."""
    extensions = _authority_extensions(key.public_key(), by.key.public_key(), path_length)
    return Authority(issue(name, key.public_key(), by, validity, extensions), key)


def forger_of(authority: Authority, key: Key) -> Authority:
    """Somebody with an authority's name and certificate, but another key than it has."""
    return Authority(authority.certificate, key)


def issue(
    name: str,
    public: PublicKey,
    by: Authority,
    validity: Validity,
    extensions: Iterable[Extension],
) -> x509.Certificate:
    """A certificate.

    Args:
        name: Common name.
        public: The key that it is about.
        by: Its issuer.
        validity: From when to when.
        extensions: In their order.
    """
    builder = _builder(_name(name), by.certificate.subject, public, validity)
    return _signed(builder, extensions, by.key)


def revocation_list(
    by: Authority, serials: Iterable[int], validity: Validity
) -> x509.CertificateRevocationList:
    """A list of revoked certificates, from its issue to its next update.

    Args:
        by: Who issued the certificates, and signs the list.
        serials: Their numbers.
        validity: `thisUpdate` and `nextUpdate`.
    """
    issued, renewed = (_second(time) for time in validity)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(by.certificate.subject)
        .last_update(issued)
        .next_update(renewed)
        .add_extension(x509.CRLNumber(1), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key()), critical=False
        )
    )
    reason = x509.CRLReason(x509.ReasonFlags.key_compromise)
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(issued)
        revoked = entry.add_extension(reason, critical=False).build()
        builder = builder.add_revoked_certificate(revoked)
    return builder.sign(by.key, _hash(by.key), rsa_padding=_padding(by.key))


def leaf_extensions(public: PublicKey, by: Authority) -> list[Extension]:
    """What makes a certificate one of a key that signs evidence or statements."""
    return [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(authority=False), True),
        *_identifiers(public, by.key.public_key()),
    ]


def der(certificate: x509.Certificate) -> bytes:
    """A certificate's bytes."""
    return certificate.public_bytes(Encoding.DER)


def pem(*items: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    """Certificates and lists one after the other (RFC 7468)."""
    return b"".join(item.public_bytes(Encoding.PEM) for item in items)


def expired(at: datetime, life: timedelta) -> Validity:
    """Ended half a day ago.

    What else is made for that time holds since a day before, so some time ago everything held.
    """
    return at - _MISS - life, at - _MISS


def future(at: datetime, life: timedelta) -> Validity:
    """Begins in half a day, when everything else still holds."""
    return at + _MISS, at + _MISS + life


def _authority_extensions(
    public: PublicKey, issuer: PublicKey, path_length: int | None
) -> list[Extension]:
    return [
        (x509.BasicConstraints(ca=True, path_length=path_length), True),
        (_usage(authority=True), True),
        *_identifiers(public, issuer),
    ]


def _builder(
    subject: x509.Name, issuer: x509.Name, public: PublicKey, validity: Validity
) -> x509.CertificateBuilder:
    start, end = (_second(time) for time in validity)
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=public,
        serial_number=x509.random_serial_number(),
        not_valid_before=start,
        not_valid_after=end,
    )


def _signed(
    builder: x509.CertificateBuilder, extensions: Iterable[Extension], key: Key
) -> x509.Certificate:
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, _hash(key), rsa_padding=_padding(key))


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, NOTICE),
        ]
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=not authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _identifiers(public: PublicKey, issuer: PublicKey) -> list[Extension]:
    return [
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), False),
    ]


def _hash(key: Key) -> SHA256 | SHA384:
    """As the vendors pair them: SHA-256 with P-256, SHA-384 with P-384 and RSA-4096."""
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return SHA256()
    return SHA384()


def _padding(key: Key) -> padding.PSS | None:
    return _PSS if isinstance(key, rsa.RSAPrivateKey) else None


def _second(time: datetime) -> datetime:
    # X.509 counts whole seconds.
    return time.replace(microsecond=0)
