"""Exact sums in two digits, for where the lattice of one is too coarse.

The lattice of a sum is about 1 % of what one record can move, which is fine for what it tells, and
too coarse for a Hessian of a few hundred rows whose inverse is wanted. So a party's total goes in
two sums: the multiple of the first lattice's resolution γ below it, and what is left, below γ, on a
lattice a hundred times finer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from confide.aggregation import Summed
from confide.plan import Sum

__all__ = ["joined", "second_digit", "split"]

Reals = NDArray[np.float64]


def second_digit(declared: Sum) -> Sum:
    """The sum of what is left of the totals of another one."""
    return replace(
        declared,
        name=f"{declared.name}_rest",
        unit_bound=declared.lattice.resolution,
        meaning=f"{declared.meaning}, the digits below {declared.lattice.resolution:g}",
    )


def split(declared: Sum, total: Reals, units: int) -> dict[str, Summed]:
    """A party's total as contributions to a sum and to its second digit."""
    resolution = declared.lattice.resolution
    whole = np.floor(total / resolution) * resolution
    return {
        declared.name: Summed(whole, units),
        f"{declared.name}_rest": Summed(total - whole, units),
    }


def joined(declared: Sum, totals: Mapping[str, Reals]) -> Reals:
    """The released total of a sum and its second digit."""
    return np.asarray(totals[declared.name] + totals[f"{declared.name}_rest"])
