"""Shamir's t-of-n secret sharing of 256-bit secrets, over the field of p = 2^31 - 1.

A secret is nine limbs of 30 bits; limb by limb it is the constant term of a polynomial of degree
t - 1 with uniform coefficients. Any t values give it back, and t - 1 are uniform whatever the
secret (Shamir 1979). Limbs are shared independently, so the whole is as hidden as each limb.

Arithmetic on secrets uses shifts, additions and masks only: multiplication modulo a Mersenne prime
needs no division, whose time might depend on its operands.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.errors import VerificationError
from confide.randomness import SEED_BYTES, SecureRandom

__all__ = [
    "LIMBS",
    "PRIME",
    "SHARE_BYTES",
    "combine",
    "in_field",
    "lagrange_at_zero",
    "mixed",
    "share",
    "uniform_field",
]

PRIME: Final = (1 << 31) - 1
_LIMB_BITS: Final = 30
LIMBS: Final = -(-8 * SEED_BYTES // _LIMB_BITS)
"""Field elements of a share."""

SHARE_BYTES: Final = 4 * LIMBS
"""One share: nine field elements, little-endian."""

Field = NDArray[np.uint64]


def share(secret: bytes, threshold: int, points: list[int], random: SecureRandom) -> list[bytes]:
    """Shares a secret.

    Args:
        secret: 32 bytes.
        threshold: t, shares that give it back.
        points: Where the polynomial is evaluated, distinct and in [1, p): one for each holder.
        random: Source of the coefficients.

    Returns:
        One share of `SHARE_BYTES` bytes for each point.
    """
    coefficients = uniform_field((threshold - 1) * LIMBS, random).reshape(threshold - 1, LIMBS)
    at = np.array(points, np.uint64)[:, np.newaxis]
    values = np.zeros((len(points), LIMBS), np.uint64)
    for row in coefficients[::-1]:  # Horner's rule, from the highest power down
        values = _reduce(_reduce(values + row) * at)
    values = _reduce(values + _limbs(secret))
    return [row.astype("<u4").tobytes() for row in values]


def lagrange_at_zero(points: ArrayLike) -> Field:
    """The factors λ_i with Σ λ_i f(x_i) = f(0) for every f of degree below the number of points.

    Args:
        points: Distinct, in [1, p), shape `(t,)`; or many sets of them, shape `(sets, t)`.

    Returns:
        In the shape of `points`.
    """
    x = np.asarray(points, np.uint64)
    itself = np.eye(x.shape[-1], dtype=bool)
    differences = _reduce(x[..., np.newaxis, :] + (np.uint64(PRIME) - x)[..., :, np.newaxis])
    numerators = np.broadcast_to(x[..., np.newaxis, :], differences.shape).copy()
    differences[..., itself] = numerators[..., itself] = 1
    return _reduce(_product(numerators) * _inverse(_product(differences)))


def combine(factors: Field, shares: list[bytes]) -> bytes:
    """Gives a secret back.

    Args:
        factors: `lagrange_at_zero` of the shares' points, in the same order.
        shares: At least t shares.

    Returns:
        The secret, 32 bytes.

    Raises:
        VerificationError: If the shares are of no one secret: one at least is false.
    """
    values = _elements(b"".join(shares))
    if int(values.max(initial=0)) >= PRIME:
        raise VerificationError("a share outside the field: its sender lies")
    # Each term is below 2^31, so 2^32 of them add up without wrapping.
    limbs = _reduce(_reduce(factors[:, np.newaxis] * values).sum(axis=0, dtype=np.uint64))
    number = sum(int(limb) << (_LIMB_BITS * i) for i, limb in enumerate(limbs))
    if int(limbs.max()) >= 1 << _LIMB_BITS or number >> (8 * SEED_BYTES):
        raise VerificationError("shares that do not belong to one secret: a sender lies")
    return number.to_bytes(SEED_BYTES, "big")


def in_field(share: bytes) -> bool:
    """Whether a share is of field elements, as every true one is."""
    return int(_elements(share).max()) < PRIME


def mixed(share: bytes, factors: Field) -> int:
    """The sum of a share's limbs, each times a factor: of the polynomials mixed alike."""
    return int(_reduce(_reduce(factors * _elements(share)[0]).sum(dtype=np.uint64)))


def uniform_field(count: int, random: SecureRandom) -> Field:
    """Uniform field elements by rejection: 31 random bits, drawn again if they are p."""
    drawn = np.frombuffer(random.bytes(4 * count), "<u4").astype(np.uint64) & np.uint64(PRIME)
    while (bad := drawn == PRIME).any():
        drawn[bad] = uniform_field(int(bad.sum()), random)
    return drawn


def _elements(shares: bytes) -> Field:
    return np.frombuffer(shares, "<u4").reshape(-1, LIMBS).astype(np.uint64)


def _limbs(secret: bytes) -> Field:
    number = int.from_bytes(secret, "big")
    mask = (1 << _LIMB_BITS) - 1
    return np.array([number >> (_LIMB_BITS * i) & mask for i in range(LIMBS)], np.uint64)


def _reduce(x: Field) -> Field:
    """X mod p for x < 2^63, without division or branches."""
    p, bits = np.uint64(PRIME), np.uint64(31)
    x = (x & p) + (x >> bits)
    x = (x & p) + (x >> bits)
    # Now x ≤ p. Adding one carries into bit 31 exactly if x = p, which stands for zero.
    return x + ((x + np.uint64(1)) >> bits) & p


def _product(rows: Field) -> Field:
    """The product along the last axis, by halves."""
    while rows.shape[-1] > 1:
        if rows.shape[-1] % 2:
            rows = np.concatenate([rows, np.ones((*rows.shape[:-1], 1), np.uint64)], axis=-1)
        rows = _reduce(rows[..., ::2] * rows[..., 1::2])
    return rows[..., 0]


def _inverse(x: Field) -> Field:
    """The inverse of each element: x^(p - 2) = 1/x."""
    result = np.ones_like(x)
    for bit in f"{PRIME - 2:b}":
        result = _reduce(result * result)
        if bit == "1":
            result = _reduce(result * x)
    return result
