"""Intel's statements about a platform: which of several documents is used, and what they revoke.

The peer that is verified may send collateral and choose it. All of it is signed by Intel, but a
peer could choose a list from before a key was revoked, or an older evaluation of TCB levels that
knows fewer attacks. So the document with the latest evaluation is used, and a certificate on any
available list is revoked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from confide.errors import AttestationError, Step
from confide.tee import certificates
from confide.tee.certificates import (
    Certificate,
    RevocationList,
    load_certificate,
    name_of,
    pem_blocks,
)
from confide.tee.collateral import IntelCollateral
from confide.tee.quote import Quote

__all__ = ["check_age", "check_chains", "check_not_revoked", "document_for", "family_of", "issued"]

_PCK_LIST, _ROOT_LIST = "pck_crl", "root_ca_crl"
_SIGNING_CHAINS: Final = ("tcb_info_issuer_chain", "qe_identity_issuer_chain")
_PART_BYTES: Final = 32
"""Of r, and of s."""

_MALFORMED: Final = (ValueError, TypeError, IndexError)
_NEVER: Final = datetime.fromtimestamp(0, UTC)


def document_for(
    quote: Quote, collateral: Sequence[IntelCollateral], root: Certificate
) -> IntelCollateral:
    """The document for the platform's family (FMSPC) and kind of quote.

    Of several it is the one with the latest evaluation of TCB levels, and of these the newest; what
    anybody may have written is taken only where Intel signed none.

    Args:
        quote: The quote.
        collateral: Intel's documents; nothing of them is verified.
        root: The pinned root.

    Raises:
        AttestationError: If there is none, at the step `root`.
    """
    family, kind = family_of(quote), quote.platform.value.upper()
    fitting = [
        document
        for document in collateral
        if str(document.tcb_info.get("fmspc")).upper() == family
        and document.tcb_info.get("id") == kind
    ]
    if not fitting:
        raise AttestationError(
            Step.ROOT,
            f"no collateral is given for Intel's platforms {family}, {kind}; fetch it with "
            "'confide tee collateral fetch'",
        )
    if len(fitting) == 1:
        return fitting[0]
    return max([d for d in fitting if _is_signed(d, root)] or fitting, key=_rank)


def check_chains(quote: Quote, document: IntelCollateral, root: Certificate) -> None:
    """What the library does not read of the chains besides statements and lists: all is to be so.

    Raises:
        AttestationError: If a chain is not the one that it has to be, at the step `root`.
    """
    pinned = root.public_bytes(Encoding.DER)
    for key in _SIGNING_CHAINS:
        ders = _chain(document, key)
        if len(ders) != 2 or ders[1] != pinned:
            raise AttestationError(
                Step.ROOT, f"the collateral's {key} is not one certificate and {name_of(root)}"
            )
    issuers = [certificate.public_bytes(Encoding.DER) for certificate in quote.chain[1:]]
    if _chain(document, "pck_crl_issuer_chain") != issuers:
        raise AttestationError(
            Step.ROOT,
            f"the collateral's list of revoked platforms is not of {name_of(quote.chain[1])}, who "
            "issued the quote's key",
        )


def check_not_revoked(quote: Quote, collateral: Sequence[IntelCollateral]) -> None:
    """Checks a quote's chain against every available list, of whichever document.

    Raises:
        AttestationError: If a list that its issuer signed names a certificate of the chain, at the
            step `root`.
    """
    for document in collateral:
        for key, issuer in ((_PCK_LIST, quote.chain[1]), (_ROOT_LIST, quote.chain[2])):
            for revoked in _readable(document, key):
                certificates.check_revocation(revoked, issuer, quote.chain[:2])


def check_age(document: IntelCollateral, at: datetime, max_age: timedelta) -> None:
    """Checks how old the statements and the lists are, once they are verified.

    The root's list may be older: Intel renews it once in a year.

    Raises:
        AttestationError: If one is too old or not made yet, at the step `freshness`.
    """
    levels, identity = (
        _date(s.get("issueDate")) for s in (document.tcb_info, document.qe_identity)
    )
    pck, root = (document.revocation_list(key).last_update_utc for key in (_PCK_LIST, _ROOT_LIST))
    for what, made, oldest in (
        ("statement about the TCB levels", levels, max_age),
        ("statement about the quoting enclave", identity, max_age),
        ("list of revoked platforms", pck, max_age),
        ("list of revoked issuers", root, None),
    ):
        if made > at:
            raise AttestationError(
                Step.FRESHNESS,
                f"Intel's {what} is of {made:%Y-%m-%d %H:%M} UTC, which comes after "
                f"{at:%Y-%m-%d %H:%M}: look at the clock",
            )
        if oldest is not None and at - made > oldest:
            raise AttestationError(
                Step.FRESHNESS,
                f"Intel's {what} is of {made:%Y-%m-%d %H:%M} UTC, {(at - made).days} days old; at "
                f"most {max_age.days} are allowed: fetch a new one",
            )


def issued(document: IntelCollateral) -> datetime:
    """When the last of the document's statements and lists was made; 1970 if none says so."""
    dates = [_date(s.get("issueDate")) for s in (document.tcb_info, document.qe_identity)]
    for key in (_PCK_LIST, _ROOT_LIST):
        dates += [revoked.last_update_utc for revoked in _readable(document, key)]
    return max(dates)


def family_of(quote: Quote) -> str:
    """The family of the quote's platform (FMSPC), 12 hexadecimal digits.

    Raises:
        AttestationError: If its certificate does not say, at the step `root`.
    """
    import dcap_qvl

    leaf = quote.chain[0].public_bytes(Encoding.PEM)
    try:
        return str(dcap_qvl.parse_pck_extension_from_pem(leaf).fmspc.hex().upper())
    except ValueError as error:
        raise AttestationError(
            Step.ROOT, f"{name_of(quote.chain[0])} is not a certificate of a platform's key"
        ) from error


def _rank(document: IntelCollateral) -> tuple[int, datetime]:
    number = document.tcb_info.get("tcbEvaluationDataNumber")
    made = _date(document.tcb_info.get("issueDate"))
    return (number if isinstance(number, int) else 0), made


def _is_signed(document: IntelCollateral, root: Certificate) -> bool:
    """A first look at what the rank is read from; all is verified once a document is picked."""
    try:
        signer = load_certificate(_chain(document, "tcb_info_issuer_chain")[0])
        key, raw = signer.public_key(), bytes.fromhex(document.fields["tcb_info_signature"])
        if not isinstance(key, ec.EllipticCurvePublicKey) or len(raw) != 2 * _PART_BYTES:
            return False
        parts = (int.from_bytes(half, "big") for half in (raw[:_PART_BYTES], raw[_PART_BYTES:]))
        signed = document.fields["tcb_info"].encode()
        key.verify(encode_dss_signature(*parts), signed, ec.ECDSA(SHA256()))
    except (AttestationError, InvalidSignature, UnsupportedAlgorithm, *_MALFORMED):
        return False
    return certificates.is_issued_by(signer, root)


def _readable(document: IntelCollateral, key: str) -> Iterator[RevocationList]:
    """The list, or nothing: one that does not read is refused where its document is used."""
    try:
        yield document.revocation_list(key)
    except AttestationError:
        return


def _chain(document: IntelCollateral, key: str) -> list[bytes]:
    return [der for _, der in pem_blocks(document.fields[key].encode())]


def _date(text: object) -> datetime:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except (ValueError, OverflowError):  # the first and the last day have no time in every zone
        return _NEVER
