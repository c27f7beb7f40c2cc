"""Signed heads: counterparties keep them, so that a ledger cannot drop entries.

A head names the last entry of a ledger. A reader who keeps one can detect later whether entries up
to it were changed, truncated or restored from an older backup: an honest ledger still has that
entry.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from confide.canonical import decode, encode
from confide.errors import VerificationError
from confide.transparency.signatures import check_signature

__all__ = ["SignedHead", "public_key"]

_PURPOSE: Final = b"confide ledger head\0"
_MAX_BYTES: Final = 1024
_TYPES: Final = {
    "ledger": bytes,
    "number": int,
    "hash": bytes,
    "time": int,
    "owner": bytes,
    "signature": bytes,
}


@dataclass(frozen=True, kw_only=True)
class SignedHead:
    """The state of a ledger at one time.

    Attributes:
        ledger: 16 bytes: which ledger.
        number: How many entries it had.
        hash: The hash of the last of them.
        time: When the last was written, in seconds since 1970 UTC.
        owner: The Ed25519 public key that signed; empty if the ledger has none.
        signature: 64 bytes; empty if the ledger has no key.
    """

    ledger: bytes
    number: int
    hash: bytes
    time: int
    owner: bytes = b""
    signature: bytes = b""

    def signed(self, key: Ed25519PrivateKey) -> SignedHead:
        """This head, with the owner's signature."""
        named = replace(self, owner=public_key(key))
        return replace(named, signature=key.sign(named.payload()))

    def check(self, owner: bytes) -> None:
        """Checks the signature.

        Args:
            owner: The public key that must have signed, known from elsewhere; empty for a ledger
                that has none.

        Raises:
            VerificationError: If it did not.
        """
        if not owner:
            return
        if self.owner != owner or not self.signature:
            raise VerificationError("the head is not signed by the ledger's owner")
        otherwise = "the head's signature is wrong: it was forged"
        check_signature(owner, self.signature, self.payload(), otherwise)

    def to_bytes(self) -> bytes:
        """Its deterministic CBOR."""
        return encode({name: getattr(self, name) for name in _TYPES})

    @classmethod
    def from_bytes(cls, data: bytes) -> SignedHead:
        """Reads what `to_bytes` wrote.

        Raises:
            ProtocolError: If it is malformed.
            VerificationError: If it is not a head.
        """
        body = decode(data, _MAX_BYTES)
        if not isinstance(body, dict) or body.keys() != _TYPES.keys():
            raise VerificationError("this is not a head of a ledger")
        if any(type(body[name]) is not kind for name, kind in _TYPES.items()):
            raise VerificationError("this is not a head of a ledger")
        return cls(**body)

    def payload(self) -> bytes:
        """The signed bytes: the head without its signature, with its domain."""
        return _PURPOSE + replace(self, signature=b"").to_bytes()


def public_key(key: Ed25519PrivateKey | None) -> bytes:
    """The public half, 32 bytes; empty for none."""
    return b"" if key is None else key.public_key().public_bytes_raw()
