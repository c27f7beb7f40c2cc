"""Encodings between numbers in slots and polynomials, where the two schemes differ.

Everything else (levels, keys, products) is the same for both. An `Encoding` says how numbers become
residues at a level, and by which whole numbers a ciphertext is multiplied so that its scale becomes
that of another level.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from confide.errors import EncryptionError
from confide.he.kernel import empty_polys
from confide.he.numbers import Numbers
from confide.he.parameters import Parameters

if TYPE_CHECKING:
    from confide_native import Ring

__all__ = ["Encoding", "Polys", "require_within"]

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
    def checked(self, values: object) -> Numbers:
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

    def message(self, values: object, level: int, bound: float | None) -> Polys:
        """Numbers to be encrypted.

        Args:
            values: The numbers.
            level: Of the ciphertext.
            bound: The largest size that a plan declared for them: it has seen to it that whatever
                is computed fits where it is opened. Without a plan the numbers themselves must.

        Raises:
            EncryptionError: As `checked` and `encode` do, or if a number exceeds the bound.
        """
        numbers = self.checked(values)
        if bound is None:
            self.require_opening(numbers, level)
        else:
            require_within(numbers, bound, "the numbers")
        return self.encode(numbers, level)

    @abstractmethod
    def require_opening(self, values: Numbers, level: int) -> None:
        """Refuses numbers that would not decrypt correctly as they are.

        Raises:
            EncryptionError: If one is too large.
        """

    @abstractmethod
    def require_room(self, values: Numbers, level: int) -> None:
        """Refuses numbers that are too large for the modulus at a level.

        Raises:
            EncryptionError: If one is.
        """

    @abstractmethod
    def to_base(self, phase: Polys, level: int) -> Polys:
        """What a ciphertext of a level held, modulo its first primes alone; `decode` undoes it."""

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


_ROUNDING = 2.0**-50
"""The size of a complex number is a rounded square root."""


def require_within(numbers: Numbers, bound: float, what: str) -> None:
    """Refuses numbers beyond a declared bound, and non-numbers; the message shows none.

    Raises:
        EncryptionError: If one is.
    """
    most = bound * (1 + _ROUNDING) if numbers.dtype.kind == "c" else bound
    # The smallest whole number of a type has a size that the type does not hold.
    low, high = (
        (numbers.min(), numbers.max())
        if numbers.dtype.kind in "iu" and numbers.size
        else (0, np.abs(numbers).max(initial=0))
    )
    if not (-most <= low and high <= most):
        raise EncryptionError(
            f"{what}: a number is missing or beyond the declared bound of {bound:g}; scale the"
            " numbers, or plan with a larger bound"
        )
