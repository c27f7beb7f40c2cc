"""Keys of one round between two parties: agreement, derivation and encrypted shares.

Key pairs are made for each attempt. What two parties derive binds the round's transcript so far, so
parties that were told different things derive different keys: their shares do not open, and their
masks do not cancel.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from confide.errors import VerificationError
from confide.randomness import SEED_BYTES

__all__ = ["TAG_BYTES", "agree", "check_public_key", "decrypt", "derive", "encrypt", "pairwise_key"]

TAG_BYTES: Final = 16
"""Bytes that encryption adds to a share."""


def pairwise_key(
    own: X25519PrivateKey, other: bytes, purpose: bytes, transcript: bytes, pair: tuple[int, int]
) -> bytes:
    """The 32-byte key that two parties share for one purpose (HKDF-SHA256, RFC 5869).

    Args:
        own: One party's private key.
        other: The other's public key, 32 bytes.
        purpose: A fixed text for each use.
        transcript: Hash of what both were told: plan, round, attempt, state, roster, coin, sharers.
        pair: The two parties' numbers, in an order that both know.

    Raises:
        VerificationError: If the public key is of small order, which gives a key known to all.
    """
    return derive(agree(own, other), purpose, transcript, pair)


def derive(secret: bytes, purpose: bytes, transcript: bytes, pair: tuple[int, int]) -> bytes:
    """The second half of `pairwise_key`, for an agreed secret that is used twice."""
    info = purpose + b"".join(number.to_bytes(4, "big") for number in pair)
    return HKDF(hashes.SHA256(), SEED_BYTES, salt=transcript, info=info).derive(secret)


def check_public_key(data: bytes) -> None:
    """Checks that a public key can be agreed with.

    Raises:
        VerificationError: If it is of another length or of small order.
    """
    agree(_any_key(), data)


@lru_cache(maxsize=1)
def _any_key() -> X25519PrivateKey:
    """Any key, not secret: with a point of small order every key agrees on zero."""
    return X25519PrivateKey.from_private_bytes(bytes(SEED_BYTES))


def agree(own: X25519PrivateKey, other: bytes) -> bytes:
    """The first half of `pairwise_key`: X25519 (RFC 7748), 32 bytes.

    Raises:
        VerificationError: If the public key is of another length or of small order.
    """
    try:
        return own.exchange(X25519PublicKey.from_public_bytes(other))
    except ValueError as error:
        raise VerificationError(
            "a public key of small order: the agreed key would be known to all"
        ) from error


def encrypt(key: bytes, plaintext: bytes) -> bytes:
    """AES-256-GCM under a key that encrypts once, so the nonce is constant."""
    return AESGCM(key).encrypt(bytes(12), plaintext, None)


def decrypt(key: bytes, ciphertext: bytes) -> bytes:
    """Decrypts what `encrypt` made.

    Raises:
        VerificationError: If it was made under another key or altered.
    """
    try:
        return AESGCM(key).decrypt(bytes(12), ciphertext, None)
    except InvalidTag as error:
        raise VerificationError("an encrypted share that does not authenticate") from error
