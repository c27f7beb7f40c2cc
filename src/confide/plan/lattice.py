"""The integer lattice of a bounded sum, derived from its declaration.

The resolution γ is the largest power of two at which rounding inflates the sensitivity by at most
1 %. A unit's clipped contribution is rounded to a grid 2^16 times finer, where a party adds its
units exactly; the party's total is then rounded once, with a public dither r in [0, 1), to ⌊total/γ
+ r⌋. For any r, two totals' rounded values differ from the totals' difference by less than γ in
each coordinate, so rounding is charged γ‖1‖ (γ√d in L2, γd in L1), whether or not r is secret.

A power of two makes scaling exact in binary floating point, on every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from confide.errors import PlanError

__all__ = ["FINE_BITS", "MAX_SIZE", "ROUNDING_CHARGE", "Lattice", "derive_lattice"]

ROUNDING_CHARGE: Final = 0.01
"""The share of the sensitivity that rounding may add."""

FINE_BITS: Final = 16
"""The grid of single units is 2^16 times finer than the lattice of the sum."""

MAX_SIZE: Final = 1 << 28
"""The most coordinates in one group (two gibibytes of 64-bit integers)."""

_MAX_BITS: Final = 62
"""The most bits of a sum, and of a party's total on the fine grid: both are held in 64-bit
integers."""


@dataclass(frozen=True)
class Lattice:
    """The integers of one sum: a value is `integer * 2**log2_resolution`.

    Attributes:
        log2_resolution: log2 γ.
        party_range: The largest integer, in magnitude, that an honest party contributes in a
            coordinate.
    """

    log2_resolution: int
    party_range: int

    @property
    def resolution(self) -> float:
        """γ, the spacing of the sum's lattice."""
        return math.ldexp(1.0, self.log2_resolution)

    @property
    def fine_resolution(self) -> float:
        """The spacing of the grid that single units are rounded to."""
        return math.ldexp(1.0, self.log2_resolution - FINE_BITS)

    def bits(self, parties: int, noise_tail: int = 0) -> int:
        """Bits of the modulus that holds the sum of `parties` contributions and the noise.

        Args:
            parties: How many parties contribute at most.
            noise_tail: The size, in lattice units, that the total noise exceeds with probability
                2^-60.

        Raises:
            PlanError: If the sum does not fit 62 bits.
        """
        bits = (2 * (parties * self.party_range + noise_tail)).bit_length()
        if bits > _MAX_BITS:
            raise PlanError(
                f"a sum over {parties} parties needs {bits} bits; {_MAX_BITS} fit: lower the "
                "capacity, or split the sum"
            )
        return bits


def derive_lattice(*, name: str, unit_bound: float, capacity: int, ones_norm: float) -> Lattice:
    """Derives γ and the range.

    Args:
        name: The sum's name, for errors.
        unit_bound: B, the bound on a unit's contribution.
        capacity: Units that a party counts at most.
        ones_norm: The norm of the all-ones vector of the sum's size.

    Raises:
        PlanError: If a party's total does not fit 62 bits on the fine grid.
    """
    allowed = ROUNDING_CHARGE * unit_bound / (ones_norm * (1 + math.ldexp(1.0, -FINE_BITS)))
    log2_resolution = math.frexp(allowed)[1] - 1
    resolution = math.ldexp(1.0, log2_resolution)
    # One fine step of slack per unit for its rounding, one lattice step for the dither.
    fine_total = capacity * (math.ceil(unit_bound / resolution * 2**FINE_BITS) + 1)
    if fine_total.bit_length() > _MAX_BITS:
        raise PlanError(
            f"sum {name!r} with capacity {capacity:,} needs {fine_total.bit_length()} bits for a "
            f"party's exact total; {_MAX_BITS} fit: lower the capacity"
        )
    return Lattice(log2_resolution, (fine_total >> FINE_BITS) + 2)
