"""The noise and the batches of a plan: what a party adds, what the coordinator adds, who is drawn.

One draw of noise is a vector of whole numbers on the lattices of the plan's sums, exact discrete
Gaussians of the scale that the plan derives (`confide.plan.noise`).
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from confide.noise import DiscreteGaussian
from confide.numbers import check_whole
from confide.plan import FullBatch, NoNoise, Plan
from confide.randomness import SecureRandom

__all__ = ["draw_batch", "draw_noise"]


def draw_noise(plan: Plan, random: SecureRandom) -> NDArray[np.int64]:
    """One draw of a round's noise: a party's share, or all of it for the coordinator to add.

    Args:
        plan: The plan.
        random: Whose noise it is: nobody else may know or repeat it.

    Returns:
        Lattice integers of all sums, concatenated in the order of the group, shape
        `(plan.sums.size,)`; zeros for a plan without noise.
    """
    if isinstance(plan.noise, NoNoise):
        return np.zeros(plan.sums.size, np.int64)
    return np.concatenate(
        [DiscreteGaussian(plan.noise_steps(s)).sample(s.size, random) for s in plan.sums.sums]
    )


def draw_batch(plan: Plan, units: int, random: SecureRandom) -> NDArray[np.bool_]:
    """Which units contribute to a round: all, or a secret Poisson sample.

    A unit is in if 64 random bits, read as a fraction, are below the rate. So it is in with the
    rate rounded down to a multiple of 2^-64, never more often than is accounted.

    Args:
        plan: The plan.
        units: How many units there are to draw from.
        random: The party's own randomness.

    Returns:
        Shape `(units,)`.
    """
    if isinstance(plan.sampling, FullBatch):
        return np.ones(units, np.bool_)
    check_whole("units", units, least=0, limit="a whole number of units, 0 or more")
    below = int(Fraction(plan.sampling.rate) * 2**64)
    drawn: NDArray[np.bool_] = np.frombuffer(random.bytes(8 * units), "<u8") < np.uint64(below)
    return drawn
