"""Grids over the numbers: where values of unknown magnitude are counted, and where known ones are.

The coarse grid covers zero and every magnitude from 2^-20 to 2^44, both signs, in quarters of
powers of two; a value outside it counts at its end. The fine grid divides a range that the coarse
counts suggest into equal bins.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BINS",
    "CELLS",
    "PILOTS",
    "coarse_bin",
    "coarse_range",
    "denoised",
    "fine_bin",
    "noise_level",
]

Reals = NDArray[np.float64]

_LEAST, _LARGEST, _STEPS = -20, 44, 4
_SIDE: Final = (_LARGEST - _LEAST) * _STEPS

BINS: Final = 2 * _SIDE + 1
"""Bins of either grid: 256 magnitudes of each sign and zero; the fine grid has as many."""

PILOTS: Final = 8
"""Coordinates of each column in which nobody counts anything: what is in them is noise."""

CELLS: Final = BINS + 1 + PILOTS
"""What a column takes in a sum: its bins, its missing values, its pilots."""

_TAIL: Final = 1 / 1024
"""The share of values that a found range leaves out at each end."""

_STRAYS, _APART = 1 / 64, 10 * _STEPS
"""Values beyond a gap of 2^10 in magnitude are left out too, if they are no more than this share: a
slip of the keyboard must not put all other values into one bin."""

_MOST: Final = 0.8
"""The share of all values that must be above the noise."""

_SURE: Final = 4.5
"""A count above this many standard deviations of the noise is not noise (one in 10^5 per bin)."""

_WIDEST: Final = 32
"""Coarse bins that are joined at most: magnitudes from one to 2^8."""


def coarse_bin(values: Reals) -> NDArray[np.intp]:
    """The bin of each value, from the most negative magnitude through zero to the largest."""
    with np.errstate(divide="ignore"):
        magnitude = np.floor(np.log2(np.abs(values)) * _STEPS)
    step = np.clip(magnitude - _LEAST * _STEPS + 1, 0, _SIDE)
    return np.asarray((_SIDE + np.sign(values) * step).astype(np.intp))


def _significant(counts: Reals, noise: float) -> Reals:
    """The counts that are more than noise; the others are zero.

    Args:
        counts: Counts with noise, of any shape.
        noise: The standard deviation of one count's noise; 0 for exact ones.
    """
    return np.where(counts > max(0.5, _SURE * noise), counts, 0.0)


def denoised(counts: Reals, noise: float) -> Reals:
    """Counts of a fine grid without what may be noise, none below zero.

    Adjacent bins are joined until most values are in bins above the noise; a group's count is then
    spread evenly over its bins.

    Args:
        counts: Shape `(BINS,)`.
        noise: The standard deviation of one count's noise; 0 for exact ones, which stay as they
            are.
    """
    if noise == 0:
        return counts
    total, joined = float(counts.sum()), 1
    while joined < BINS:
        starts = np.arange(0, BINS, joined)
        sizes = np.diff(np.append(starts, BINS))
        groups = np.add.reduceat(counts, starts)
        seen = np.flatnonzero(_significant(groups, noise * math.sqrt(joined)))
        if seen.size:
            # What lies between, and around, is part of the same distribution.
            near = np.zeros(len(groups), np.bool_)
            near[max(0, seen[0] - 1) : seen[-1] + 2] = True
            held = np.where(near, np.maximum(groups, 0.0), 0.0)
            if groups[seen].sum() >= _MOST * total:
                return np.repeat(held / sizes, sizes)
        joined *= 2
    return np.ones(BINS)  # no bin is above the noise: treat all values as equally likely


def coarse_range(counts: Reals, noise: float) -> tuple[float, float] | None:
    """The range of all values but about one in a thousand at each end, and a few far away.

    Args:
        counts: Shape `(BINS,)`.
        noise: The standard deviation of one count's noise.

    Returns:
        Its ends; None if no values stand out of the noise, not even in joined bins.
    """
    held = _significant(counts, noise)
    if not held.any():
        held = _joined(counts, noise)
    if not held.any():
        return None
    held = _without_strays(_without_strays(held)[::-1])[::-1]
    share = np.cumsum(held) / held.sum()
    first = int(np.argmax(share > _TAIL))
    last = int(np.argmax(share >= 1 - _TAIL))
    return _lower_edge(first), _upper_edge(last)


def _joined(counts: Reals, noise: float) -> Reals:
    """What few values hold: the counts of adjacent bins together, if these are above the noise.

    The narrowest such groups are taken. Fewer groups are fewer chances of an error, so a group
    needs less than a bin does: in one of a hundred tables, one of them is noise alone.
    """
    joined = 2
    while joined <= _WIDEST:
        starts = np.arange(0, BINS - joined + 1, joined // 2)  # each half is in two groups
        groups = np.convolve(counts, np.ones(joined), "valid")[starts]
        sure = math.sqrt(2 * math.log(100 * len(starts))) * noise * math.sqrt(joined)
        best = np.flatnonzero(groups > sure)
        if best.size:
            found = np.zeros(BINS)
            for start, count in zip(starts[best], groups[best], strict=True):
                part = found[start : start + joined]
                part[:] = np.maximum(part, count / joined)
            return found
        joined *= 2
    return np.zeros(BINS)


def _without_strays(held: Reals) -> Reals:
    """Counts without those of the largest magnitudes, if these are few and far from the others."""
    bins = np.flatnonzero(held)
    bins = bins[bins > _SIDE]
    for below, above in zip(bins[-2::-1], bins[:0:-1], strict=True):
        if above - below >= _APART and held[above:].sum() <= _STRAYS * held.sum():
            return np.where(np.arange(BINS) < above, held, 0.0)
    return held


def fine_bin(values: Reals, lower: float, upper: float) -> NDArray[np.intp]:
    """The bin of each value among `BINS` equal ones; values outside count at the ends."""
    share = (np.clip(values, lower, upper) - lower) / (upper - lower)
    return np.asarray(np.minimum(np.floor(share * BINS), BINS - 1).astype(np.intp))


def noise_level(pilots: Reals) -> float:
    """The standard deviation of the noise in sums, from coordinates that hold nothing else."""
    return float(np.sqrt(np.mean(pilots**2)))


def _lower_edge(bin_: int) -> float:
    step = bin_ - _SIDE
    if step == 0:
        return -(2.0**_LEAST)
    size = (abs(step) - (step > 0)) / _STEPS + _LEAST
    return float(np.copysign(2.0**size, step))


def _upper_edge(bin_: int) -> float:
    return -_lower_edge(2 * _SIDE - bin_)
