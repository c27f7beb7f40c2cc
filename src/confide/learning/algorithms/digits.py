"""Exact sums in several digits, for where the lattice of one is too coarse.

The lattice of a sum is about 1 % of what one record can move, which is fine for what it tells, and
too coarse for a Hessian of a few hundred rows whose inverse is wanted. So a party's total goes in
several sums: the multiple of the first lattice's resolution γ below it, what is left, below γ, on a
lattice a hundred times finer, and so on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from confide.aggregation import Summed
from confide.plan import Sum

__all__ = ["in_digits", "joined", "split"]

Reals = NDArray[np.float64]


def in_digits(declared: Sum, count: int = 2) -> tuple[Sum, ...]:
    """A sum and those of what is left of its totals."""
    digits = [declared]
    for place in range(1, count):
        resolution = digits[-1].lattice.resolution
        digits.append(
            replace(
                declared,
                name=f"{declared.name}_rest{'' if place == 1 else place}",
                unit_bound=resolution,
                meaning=f"{declared.meaning}, the digits below {resolution:g}",
            )
        )
    return tuple(digits)


def split(digits: Sequence[Sum], total: Reals, units: int) -> dict[str, Summed]:
    """A party's total as contributions to the sums of its digits."""
    given, rest = {}, total
    for declared in digits[:-1]:
        resolution = declared.lattice.resolution
        whole = np.floor(rest / resolution) * resolution
        given[declared.name] = Summed(whole, units)
        rest = rest - whole
    return given | {digits[-1].name: Summed(rest, units)}


def joined(digits: Sequence[Sum], totals: Mapping[str, Reals]) -> Reals:
    """The released total of a sum in digits."""
    return np.asarray(np.sum([totals[declared.name] for declared in digits], axis=0))
