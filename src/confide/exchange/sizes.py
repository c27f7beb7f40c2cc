"""The most bytes that keys and ciphertexts take, from their parameters alone.

Residues are packed to the bits of their primes, and a polynomial that was made from a seed is sent
as the seed (`confide.he.write`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from confide import he

__all__ = ["ciphertext_bytes", "evaluation_key_bytes", "public_key_bytes", "table_bytes"]

_AROUND: Final = 512
"""An upper bound for everything except residues: names, hashes, the scale, the seed."""


def ciphertext_bytes(parameters: he.Parameters, level: int, polynomials: int) -> int:
    """A ciphertext.

    Args:
        parameters: The ring.
        level: Of the ciphertext.
        polynomials: How many are sent: 1 for a fresh one under the secret key, else 2.
    """
    return _AROUND + polynomials * _polynomial_bytes(parameters, parameters.rows(level))


def table_bytes(parameters: he.Parameters, rows: int, columns: int) -> int:
    """A table that was freshly encrypted under the secret key."""
    blocks = -(-rows // parameters.slots)
    return _AROUND + columns * (
        _AROUND + blocks * ciphertext_bytes(parameters, parameters.depth, 1)
    )


def public_key_bytes(parameters: he.Parameters) -> int:
    """A public key."""
    return _AROUND + _polynomial_bytes(parameters, range(len(parameters.primes)))


def evaluation_key_bytes(parameters: he.Parameters, needs: Mapping[int, int]) -> int:
    """Evaluation keys.

    Args:
        parameters: The ring.
        needs: The highest level for each power of X, as a plan lists them.
    """
    return _AROUND + sum(
        _AROUND
        + parameters.digits(level)
        * _polynomial_bytes(parameters, [*parameters.rows(level), *parameters.special])
        for level in needs.values()
    )


def _polynomial_bytes(parameters: he.Parameters, rows: Iterable[int]) -> int:
    bits = sum(parameters.primes[row].bit_length() for row in rows)
    return -(-parameters.degree * bits // 8)
