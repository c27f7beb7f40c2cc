"""Signatures of members, log operators and enclaves: Ed25519, verified in one place."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from confide.errors import VerificationError

__all__ = ["check_signature"]


def check_signature(key: bytes, signature: bytes, data: bytes, otherwise: str) -> None:
    """Checks that a key signed something.

    Args:
        key: The public key, 32 bytes.
        signature: 64 bytes.
        data: What is signed, its domain in front.
        otherwise: The error message if it did not.

    Raises:
        VerificationError: If it did not.
    """
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, data)
    except (InvalidSignature, ValueError) as error:
        raise VerificationError(otherwise) from error
