"""Between numbers in slots and polynomials: what the two schemes do differently.

Everything else (levels, keys, products) is the same for both. An `Encoding` says how numbers become
residues at a level, and by which whole numbers a ciphertext is multiplied so that its scale becomes
that of another level.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.he.kernel import empty_polys
from confide.he.parameters import Parameters

if TYPE_CHECKING:
    from confide_native import Ring

__all__ = ["Encoding", "Numbers", "Polys"]

Numbers = NDArray[Any]
"""What slots hold."""

Polys = NDArray[np.uint64]
"""Residues, transformed unless said otherwise: (polynomials, rows, N)."""


class Encoding(ABC):
    """How one scheme writes numbers as polynomials.

    Args:
        parameters: Say the levels and scales.
        ring: The kernel's ring of all their primes.
    """

    def __init__(self, parameters: Parameters, ring: Ring) -> None:
        self.parameters = parameters
        self.ring = ring

    @abstractmethod
    def checked(self, values: ArrayLike) -> Numbers:
        """The numbers as an array of the scheme's type, of at most as many as there are slots.

        Raises:
            EncryptionError: If they are too many, not finite, not whole or out of range.
        """

    @abstractmethod
    def encode(self, values: Numbers, level: int) -> Polys:
        """Residues at the scale of a level: (1, rows, N).

        Raises:
            EncryptionError: If the numbers are too large for the modulus at this level.
        """

    def message(self, values: ArrayLike, level: int) -> Polys:
        """Numbers to be encrypted: they must also fit the base, where they are decrypted.

        Raises:
            EncryptionError: As `checked` and `encode` do.
        """
        numbers = self.checked(values)
        self.require_room(numbers, 0)
        return self.encode(numbers, level)

    @abstractmethod
    def require_room(self, values: Numbers, level: int) -> None:
        """Refuses numbers that are too large for the modulus at a level.

        Raises:
            EncryptionError: If one is.
        """

    @abstractmethod
    def to_base(self, phase: Polys, level: int) -> Polys:
        """What a ciphertext of a level held, modulo the base's primes alone; `decode` undoes it."""

    @abstractmethod
    def decode(self, phase: Polys, level: int) -> Numbers:
        """The numbers of what `to_base` made of a level's polynomial."""

    def divided(self, x: Polys, level: int) -> Polys:
        """Polynomials of a level without its own primes, which they are divided by."""
        kept, dropped = self.parameters.rows(level - 1), self.parameters.dropped(level)
        out = self.empty(len(x), len(kept))
        self.ring.lower(out, x, kept, dropped, self.parameters.plain_modulus)
        return out

    @abstractmethod
    def constant(self, value: complex, level: int) -> int | None:
        """The whole number that stands for the same number in every slot; None if there is none."""

    @abstractmethod
    def to_squared(self, level: int) -> int:
        """What takes the scale of a level to its square."""

    @abstractmethod
    def to_level(self, high: int, low: int) -> int:
        """What makes the scale of level `high` that of level `low`, once `low + 1` is divided."""

    def residues(self, number: int, rows: range) -> list[int]:
        """A whole number modulo some primes."""
        return [number % self.parameters.primes[i] for i in rows]

    def empty(self, polys: int, rows: int) -> Polys:
        """Room for residues."""
        return empty_polys(polys, rows, self.parameters.degree)
