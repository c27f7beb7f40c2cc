"""What a computation costs, from counts of what it does: the same on every machine.

Plans choose by these numbers, so that a data owner and an evaluator who plan the same computation
find the same parameters. They are one core's of a server processor with AVX2, at 2.6 GHz; another
core is faster or slower by about the same factor everywhere, which changes no choice.
`python -m benchmarks.he.costs` measures them here.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from confide.he.parameters import Parameters

__all__ = ["COSTS", "Cost", "key_bytes", "seconds"]


class Cost(NamedTuple):
    """Seconds at one ring."""

    butterfly: float
    """Of a transform."""
    product: float
    """A multiplication and addition of residues."""
    encoding: float
    """Numbers turned into a polynomial."""
    byte: float
    """Written."""


COSTS: Final = {
    4096: Cost(butterfly=7.4e-10, product=7.8e-10, encoding=8.8e-5, byte=5.7e-11),
    8192: Cost(butterfly=7.1e-10, product=6.6e-10, encoding=1.6e-4, byte=4.8e-11),
    16384: Cost(butterfly=6.3e-10, product=6.2e-10, encoding=2.3e-4, byte=4.2e-11),
    32768: Cost(butterfly=6.4e-10, product=7.9e-10, encoding=5.9e-4, byte=5.0e-11),
    65536: Cost(butterfly=1.7e-9, product=7.7e-10, encoding=1.3e-3, byte=6.5e-11),
}
"""By degree. Transforms of 65,536 leave the second-level cache."""


def seconds(degree: int, *, butterflies: int, products: int, encodings: int, written: int) -> float:
    """About how long so much work takes."""
    cost = COSTS[degree]
    return (
        butterflies * cost.butterfly
        + products * cost.product
        + encodings * cost.encoding
        + written * cost.byte
    )


def key_bytes(parameters: Parameters, levels: Collection[int]) -> int:
    """Memory of a switching key that is used at these levels, with its offset for each."""
    special = len(parameters.special)
    rows = len(parameters.rows(max(levels))) + special
    key = 2 * parameters.digits(max(levels)) * rows
    offsets = sum(2 * (len(parameters.rows(level)) + special) for level in levels)
    return 8 * parameters.degree * (key + offsets)
