"""Intel's collateral for a quote, from the Provisioning Certification Service or a cache of it.

Intel, *Provisioning Certification Service for ECDSA Attestation API*, version 4; a local PCCS
(Intel, *Provisioning Certificate Caching Service*) serves the same, and the root's list too.
"""

from __future__ import annotations

import json
from typing import Final
from urllib.parse import unquote, urlencode

from confide.errors import AttestationError, DataError
from confide.tee.attestation import Platform
from confide.tee.certificates import load_revocation_list
from confide.tee.collateral import IntelCollateral
from confide.tee.intel import family_of
from confide.tee.quote import Quote
from cryptography import x509

from confide_operator.fetch.http import Client, Response

__all__ = ["PCS", "collateral_of", "issuer_of"]

PCS: Final = "https://api.trustedservices.intel.com"
_ROOT_LIST: Final = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"
_API: Final = "certification/v4"
_CHAIN_OF_TCB: Final = "tcb-info-issuer-chain"
_CHAIN_OF_IDENTITY: Final = "sgx-enclave-identity-issuer-chain"
_CHAIN_OF_LIST: Final = "sgx-pck-crl-issuer-chain"


def collateral_of(quote: Quote, client: Client, *, base: str, update: str) -> bytes:
    """Fetches what is needed to verify a quote.

    Args:
        quote: The quote; only what its platform is, is read.
        client: Asks.
        base: The service's address; Intel's own keeps the root's list elsewhere.
        update: 'early' for TCB levels as soon as Intel publishes them, or 'standard'.

    Returns:
        A document as `confide.tee.collateral` reads it.

    Raises:
        DataError: If something cannot be fetched, or is not what it should be.
    """
    kind = quote.platform.value
    own, sgx = f"{base}/{kind}/{_API}", f"{base}/{Platform.SGX.value}/{_API}"
    levels = client.get(f"{own}/tcb?{urlencode({'fmspc': family_of(quote), 'update': update})}")
    identity = client.get(f"{own}/qe/identity?{urlencode({'update': update})}")
    revoked = client.get(f"{sgx}/pckcrl?{urlencode({'ca': issuer_of(quote), 'encoding': 'der'})}")
    root = client.get(_ROOT_LIST if base == PCS else f"{sgx}/rootcacrl")
    tcb_info, tcb_signature = _signed(levels, "tcbInfo")
    qe_identity, qe_signature = _signed(identity, "enclaveIdentity")
    document = {
        "pck_crl_issuer_chain": _chain(revoked, _CHAIN_OF_LIST),
        "root_ca_crl": _list(root.body).hex(),
        "pck_crl": _list(revoked.body).hex(),
        "tcb_info_issuer_chain": _chain(levels, _CHAIN_OF_TCB),
        "tcb_info": tcb_info,
        "tcb_info_signature": tcb_signature,
        "qe_identity_issuer_chain": _chain(identity, _CHAIN_OF_IDENTITY),
        "qe_identity": qe_identity,
        "qe_identity_signature": qe_signature,
    }
    text = json.dumps(document, indent=1) + "\n"
    _check(text, quote)
    return text.encode()


def issuer_of(quote: Quote) -> str:
    """Which of Intel's two authorities issued the platform's key.

    Raises:
        DataError: If neither did.
    """
    name = _name(quote.chain[0].issuer).lower()
    for kind in ("processor", "platform"):
        if kind in name:
            return kind
    raise DataError(f"the quote's key is issued by {name!r}, neither Processor nor Platform CA")


def _signed(answer: Response, name: str) -> tuple[str, str]:
    """A statement exactly as it was signed, and its signature."""
    try:
        text = answer.body.decode("utf-8")
        signature = json.loads(text)["signature"]
        marker = f'"{name}":'
        start = text.index(marker) + len(marker)
        start += len(text[start:]) - len(text[start:].lstrip())
        _, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"the service's answer is not {name} with a signature") from error
    return text[start:end], str(signature)


def _chain(answer: Response, header: str) -> str:
    found = answer.headers.get(header)
    if found is None:
        raise DataError(f"what the service sends lacks the header {header}")
    return unquote(found)


def _list(body: bytes) -> bytes:
    """A revocation list in DER; caches send it in hexadecimal."""
    try:
        return bytes.fromhex(body.decode("ascii"))
    except (UnicodeDecodeError, ValueError):
        return body


def _check(text: str, quote: Quote) -> None:
    """Refuses what cannot be collateral for the quote; whether it is signed, verifying finds."""
    try:
        found = IntelCollateral.read(text)
        for key in ("root_ca_crl", "pck_crl"):
            load_revocation_list(bytes.fromhex(json.loads(text)[key]))
    except (AttestationError, ValueError) as error:
        raise DataError(f"the service's answer is not collateral: {error}") from error
    family = str(found.tcb_info.get("fmspc")).upper()
    if family != family_of(quote):
        raise DataError(f"the service sends TCB levels of {family!r}, not of {family_of(quote)}")


def _name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()
