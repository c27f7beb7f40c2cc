"""Checks opened secrets against what their owner advertised before it shared them.

An advertisement commits to the seed of the self mask by its SHA-256, and to the mask key by the
public key. Both bind the owner: no other secret fits.
"""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

__all__ = ["COMMITMENT_BYTES", "commit_to_seed", "fits_key", "fits_seed"]

COMMITMENT_BYTES: Final = 32

_CURVE_ORDER: Final = 8 * ((1 << 252) + 27742317777372353535851937790883648493)
"""Of Curve25519, 8·l (RFC 7748, §4.1)."""

_TOP: Final = 1 << 254
"""X25519 sets this bit of a scalar, clears the one above, and the lowest three."""


def commit_to_seed(context: bytes, index: int, seed: bytes) -> bytes:
    """A party's commitment to the seed of its self mask (32 bytes).

    Args:
        context: The transcript at the start of the attempt.
        index: The party's number.
        seed: 32 uniform bytes, so that the commitment hides them.
    """
    return hashlib.sha256(
        b"confide self-mask seed\0" + context + index.to_bytes(4, "big") + seed
    ).digest()


def fits_seed(context: bytes, index: int, seed: bytes, commitment: bytes) -> bool:
    """Whether a seed is the one that its owner committed to."""
    return commit_to_seed(context, index, seed) == commitment


def fits_key(private: bytes, public: bytes) -> bool:
    """Whether a private key is the only one of an advertised public key.

    The scalars k and 8l - k have one public key, and agree on different secrets with a public key
    on the twist of the curve. Both are scalars of X25519 only if k is just above 2^254: except with
    a probability of 2^-126 no honest key is, so such keys are refused.
    """
    scalar = int.from_bytes(private, "little") & (_TOP - 8) | _TOP
    if scalar <= _CURVE_ORDER - _TOP:
        return False
    key = X25519PrivateKey.from_private_bytes(private)
    return key.public_key().public_bytes_raw() == public
