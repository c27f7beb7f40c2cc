r"""The form in which samplers see both distributions: a convex energy, cut into cells.

P(x) ∝ exp(-E(|x|)) for |x| ≤ B, with E(m) = q·m² + l·m: the discrete Gaussian has q = 1/2σ² and
l = 0, the discrete Laplace q = 0 and l = 1/b. Both are rational, so every energy is.

Cells of k = 2^s integers cover the line: cell j holds x = k·j + r for r in [0, k). In each the
density falls from the end that is nearer to zero; there |x| is `start`. Drawing j in proportion to
exp(-E(start)), then r uniformly, and keeping x with probability exp(-(E(|x|) - E(start))) yields x
in proportion to exp(-E(|x|)): rejection sampling after Canonne, Kamath and Steinke 2020, §5
(arXiv 2004.00010), with a finer envelope, so that all but about two draws in a hundred are kept.

Cells are numbered 0, -1, 1, -2, 2, ... outwards, so that weights fall and the tail is at one end.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

__all__ = ["FARTHEST", "Law", "unfolded"]

FARTHEST: Final = 2**61
"""No sample lies beyond it: 64 bits hold twice any, and twice the end of its cell."""

_CELLS_PER_SCALE_BITS: Final = 4
"""The scale, or the bound where it is smaller, is at least 2^4 cells wide, if it is 2^4 at all."""


@dataclass(frozen=True)
class Law:
    """A distribution on the integers of [-bound, bound], and its cells.

    Attributes:
        quadratic: q, in units of 1 / step².
        linear: l, in units of 1 / step.
        bound: B, at most `FARTHEST`.
        shift: s; cells are 2^s wide.
    """

    quadratic: Fraction
    linear: Fraction
    bound: int
    shift: int

    @classmethod
    def of(
        cls, *, quadratic: Fraction, linear: Fraction, scale: Fraction, bound: int | None
    ) -> Law:
        """Chooses cells that are 1/32 to 1/16 of the scale, or of a bound that is smaller."""
        farthest = FARTHEST if bound is None else bound
        widest = min(int(scale), farthest + 1)
        shift = max(0, widest.bit_length() - _CELLS_PER_SCALE_BITS - 1)
        return cls(quadratic, linear, farthest, shift)

    def energy(self, magnitude: int) -> Fraction:
        """E(m) = q·m² + l·m, for m ≥ 0."""
        return (self.quadratic * magnitude + self.linear) * magnitude

    def start(self, cell: int) -> int:
        """The least |x| in the cell of this number, where its density is greatest."""
        return ((cell >> 1) << self.shift) + (cell & 1)

    def excess(self, x: int) -> Fraction:
        """a(x) = E(|x|) - E(start of its cell) ≥ 0: x is kept with probability exp(-a)."""
        magnitude = abs(x)
        folded = ~x if x < 0 else x
        return self.energy(magnitude) - self.energy(magnitude - (folded & ((1 << self.shift) - 1)))


def unfolded(cell: int) -> int:
    """The j of a cell's number: 0, -1, 1, -2, 2, ...

    Example:
        >>> [unfolded(cell) for cell in range(5)]
        [0, -1, 1, -2, 2]
    """
    return (cell >> 1) ^ -(cell & 1)
