"""From noisy parts to the columns of an answer: values, standard errors, 95 % intervals.

Errors are those of the noise alone, found from what is released: they say how far a value is from
the exact one on the same (bounded) rows. Ratios have the error of the delta method, and the whole
range as their interval where the noise is larger than the count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from confide.query.noise import NoisyPart
from confide.query.parts import LEVELS, Output

__all__ = ["Estimated", "estimated"]

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Estimated:
    """One column.

    Attributes:
        value: (groups,).
        standard_error: (groups,).
        low: (groups,), the lower end of a 95 % interval.
        high: (groups,), the upper end.
        whole: Whether values are whole numbers.
    """

    value: Reals
    standard_error: Reals
    low: Reals
    high: Reals
    whole: bool = False


def estimated(output: Output, noisy: Sequence[Reals], parts: Sequence[NoisyPart]) -> Estimated:
    """One column from all noisy parts.

    Args:
        output: Which.
        noisy: For each part (groups,), or (groups, 2^LEVELS, …) counters of a quantile's levels.
        parts: Their noise.
    """
    values = [noisy[place] for place in output.parts]
    noises = [parts[place] for place in output.parts]
    if output.function in ("count", "sum", "distinct"):
        return _sum(values[0], noises[0], whole=output.function != "sum")
    if output.function == "mean":
        return _mean(output, values, noises)
    if output.function == "quantile":
        return _quantile(output, values[0], noises[0])
    if output.function == "variance":
        return _variance(output, values, noises)
    return _covariance(output, values, noises)


def _sum(value: Reals, noise: NoisyPart, *, whole: bool) -> Estimated:
    error = np.full(value.shape, noise.stddev)
    reach = noise.bound_95 + noise.lattice.size / 2
    if whole:
        value = np.rint(value)
        return Estimated(value, error, np.floor(value - reach), np.ceil(value + reach), whole=True)
    return Estimated(value, error, value - reach, value + reach)


def _mean(output: Output, values: Sequence[Reals], noises: Sequence[NoisyPart]) -> Estimated:
    total, count = values
    counted = np.maximum(count, 1.0)
    mean = np.clip(total / counted, -1.0, 1.0)
    error, reach = (
        np.hypot(getattr(noises[0], name), mean * getattr(noises[1], name)) / counted
        for name in ("stddev", "bound_95")
    )
    hidden = count <= noises[1].bound_95
    (half,), (middle,) = output.half, output.middle
    ends = (middle - half, middle + half)
    return _within(middle + half * mean, half * error, half * reach, hidden, ends=ends)


def _variance(output: Output, values: Sequence[Reals], noises: Sequence[NoisyPart]) -> Estimated:
    """Var = half²·(E[u²] - E[u]²), with E[u²] = (Σ(2u² - 1)/n + 1)/2."""
    squares, total, count = values
    counted = np.maximum(count, 1.0)
    square = np.clip((squares / counted + 1) / 2, 0.0, 1.0)
    mean = np.clip(total / counted, -1.0, 1.0)
    found = np.clip(square - mean**2, 0.0, 1.0)
    # Derivatives by Σ(2u² - 1), Σu and n, times n.
    slopes = [np.full(count.shape, 0.5), -2 * mean, -(square - 0.5) + 2 * mean**2]
    return _second(output, found, slopes, noises, count=count, scale=output.half[0] ** 2, low=0.0)


def _covariance(output: Output, values: Sequence[Reals], noises: Sequence[NoisyPart]) -> Estimated:
    product, first, second, count = values
    counted = np.maximum(count, 1.0)
    uv, u, v = (np.clip(each / counted, -1.0, 1.0) for each in (product, first, second))
    found = np.clip(uv - u * v, -1.0, 1.0)
    slopes = [np.ones(count.shape), -v, -u, -uv + 2 * u * v]
    return _second(
        output, found, slopes, noises, count=count, scale=math.prod(output.half), low=-1.0
    )


def _second(
    output: Output,
    found: Reals,
    slopes: Sequence[Reals],
    noises: Sequence[NoisyPart],
    *,
    count: Reals,
    scale: float,
    low: float,
) -> Estimated:
    """A second moment and its error, in the answer's units."""
    counted = np.maximum(count, 1.0)
    error, reach = (
        np.sqrt(sum((s * getattr(n, name)) ** 2 for s, n in zip(slopes, noises, strict=True)))
        / counted
        for name in ("stddev", "bound_95")
    )
    hidden = count <= noises[-1].bound_95
    unbiased = counted / np.maximum(counted - 1, 1.0) if output.sample else 1.0
    made = _within(scale * found, scale * error, scale * reach, hidden, ends=(scale * low, scale))
    return Estimated(
        unbiased * made.value,
        unbiased * made.standard_error,
        unbiased * made.low,
        unbiased * made.high,
    )


def _within(
    value: Reals,
    error: Reals,
    reach: Reals,
    hidden: NDArray[np.bool_],
    *,
    ends: tuple[float, float],
) -> Estimated:
    low, high = ends
    width = high - low
    error = np.where(hidden, width / 2, np.minimum(error, width / 2))
    return Estimated(
        value,
        error,
        np.where(hidden, low, np.maximum(low, value - reach)),
        np.where(hidden, high, np.minimum(high, value + reach)),
    )


def _quantile(output: Output, tree: Reals, noise: NoisyPart) -> Estimated:
    """A walk down the noisy tree of dyadic counts, from the root's two halves to a cell.

    Args:
        output: Which quantile.
        tree: (groups, 2^(LEVELS + 1)): node i has the children 2i and 2i + 1; level l has the
            nodes 2^l to 2^(l+1) - 1.
        noise: Of each node.
    """
    (half,), (middle,) = output.half, output.middle
    total = np.maximum(tree[:, 2] + tree[:, 3], 0.0)
    # A rank is the sum of at most one node on each level.
    slack = math.sqrt(LEVELS) * noise.stddev
    ends = [
        _walk(tree, output.share * total + shift * slack) for shift in (0.0, -1.0, 1.0, -1.96, 1.96)
    ]
    value, down, up, low, high = (middle - half + 2 * half * end for end in ends)
    cell = 2 * half / (1 << LEVELS)
    return Estimated(value, (up - down) / 2 + cell / 2, low - cell, high + cell)


def _walk(tree: Reals, rank: Reals) -> Reals:
    """For each group the place, from 0 to 1, where so many rows lie below."""
    node = np.ones(len(tree), np.int64)
    groups = np.arange(len(tree))
    left = rank.copy()
    for _ in range(LEVELS):
        below = np.maximum(tree[groups, 2 * node], 0.0)
        right = left > below
        left = np.where(right, left - below, left)
        node = 2 * node + right
    return (node - (1 << LEVELS) + 0.5) / (1 << LEVELS)
