"""The discrete Gaussian of keys and errors, as a table to invert.

Why Gaussian, and why so wide: to an adversary that learns the sum of two honest parties' keys, each
key is still distributed as a discrete Gaussian about half of the sum, with a standard deviation
smaller by √2; and so for the errors (Kim et al. 2023, ePrint 2023/623, Hint-MLWE). The deviation
here leaves 3.25, above the 3.19 that the security table assumes.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import lru_cache
from typing import Final

__all__ = ["LARGEST", "STANDARD_DEVIATION", "Table", "cumulative_table"]

STANDARD_DEVIATION: Final = Decimal("4.6")

LARGEST: Final = 56
"""Values beyond twelve standard deviations, of probability 2^-100, do not occur."""

_BITS: Final = 126
_HALF: Final = 63

Table = tuple[tuple[int, ...], tuple[int, ...]]
"""⌊2^126 · P(|x| ≤ k)⌋ for k = 0 … LARGEST - 1: the upper 63 bits, and the lower."""


@lru_cache(maxsize=1)
def cumulative_table() -> Table:
    """The table; signs are equally likely, so it determines the distribution."""
    with localcontext() as context:
        context.prec = 60
        weights = [_weight(k) * (1 if k == 0 else 2) for k in range(LARGEST + 1)]
        whole, so_far, entries = sum(weights), Decimal(0), []
        for weight in weights[:-1]:
            so_far += weight
            entries.append(int(so_far / whole * 2**_BITS))
    low = (1 << _HALF) - 1
    return tuple(e >> _HALF for e in entries), tuple(e & low for e in entries)


def _weight(x: int) -> Decimal:
    return (-Decimal(x * x) / (2 * STANDARD_DEVIATION**2)).exp()
