"""Signatures of evidence, good and bad."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384

__all__ = ["ecdsa", "raw"]


def ecdsa(
    key: ec.EllipticCurvePrivateKey, message: bytes, *, valid: bool = True
) -> tuple[int, int]:
    """An ECDSA signature, r and s: SHA-256 on P-256, SHA-384 on P-384.

    Args:
        key: The key.
        message: What is signed.
        valid: Whether it is to verify. A bad signature is one of another message, so it is well
            formed, and nothing but its verification can find it.
    """
    signed = message if valid else message + b"\0"
    digest = SHA256() if isinstance(key.curve, ec.SECP256R1) else SHA384()
    return decode_dss_signature(key.sign(signed, ec.ECDSA(digest)))


def raw(key: ec.EllipticCurvePrivateKey, message: bytes, *, valid: bool = True) -> bytes:
    """The same as bytes: r, then s, each as long as the curve's numbers, big-endian."""
    size = (key.key_size + 7) // 8
    return b"".join(part.to_bytes(size, "big") for part in ecdsa(key, message, valid=valid))
