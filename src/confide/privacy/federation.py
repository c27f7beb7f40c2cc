"""The noise and the batches of a plan: the shares of parties, the coordinator's noise, the samples.

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

__all__ = ["add_noise", "draw_batch"]


def add_noise(plan: Plan, totals: NDArray[np.int64], random: SecureRandom) -> None:
    """Adds one draw of a round's noise: a party's share, or all of it that a coordinator adds.

    In place, so that no exact sum is kept.

    Args:
        plan: The plan; without noise nothing is added.
        totals: Lattice integers of all sums, concatenated in the order of the group, shape
            `(plan.sums.size,)`.
        random: The randomness of the party that adds the noise; nobody else may know or repeat it.
    """
    if isinstance(plan.noise, NoNoise):
        return
    start = 0
    for declared in plan.sums.sums:
        part = totals[start : start + declared.size]
        part += DiscreteGaussian(plan.noise_steps(declared)).sample(declared.size, random)
        start += declared.size


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
