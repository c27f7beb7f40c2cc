"""Privacy losses on a grid: one run of an event, and the tail of many runs, from above.

A mechanism is described by a dominating pair (P, Q), and its privacy loss is log P/Q under P. Two
things keep every number an upper bound:

- **Connect the dots** (Doroshenko, Ghazi, Kamath, Kumar and Manurangsi 2022, §4): what lies between
  two points of the grid is split between them such that its mass under P and under Q stay. The
  profile δ(ε) of the result is exact on the grid and above the true one between.
- **What is cut off counts**: losses above the grid become infinite, losses below it are rounded up.

Points need not lie equally far apart. They lie one step apart near zero, where the losses of a
small sample are, and farther apart in proportion to the loss beyond: that adds less than 10^-9 of
itself to the variance, and a grid reaches from 10^-8 to 10 nats with few points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Protocol

import numpy as np
import scipy
from numpy.typing import NDArray

from confide.plan import Relation

__all__ = [
    "Loss",
    "Points",
    "Reals",
    "Run",
    "Tail",
    "connect_dots",
    "graded",
    "grid_step",
    "one_grid_step",
]

Points = NDArray[np.int64]
Reals = NDArray[np.float64]

_FEW: Final = 64
_FINE: Final = 1 << 14
"""So many steps from zero points lie one step apart, twice as far two, four times as far four."""
_MOST_BASE_POINTS: Final = 1 << 18
_MOST_POINTS: Final = 1 << 20
_MOST_DEVIATIONS: Final = 52.0
_LEAST_STEP: Final = 1e-12


@dataclass(frozen=True)
class Loss:
    """Losses of one run: `mass[i]` at points[i]·step, and the rest at infinity.

    Attributes:
        points: In steps, ascending.
        mass: Of each point, from above.
        infinite: The rest.
    """

    points: Points
    mass: Reals
    infinite: float


class Run(Protocol):
    """A mechanism that is run `count` times independently."""

    @property
    def count(self) -> int:
        """How often."""

    @property
    def epsilon(self) -> float:
        """The largest possible loss; ∞ if it is unbounded."""

    def deviation(self) -> float:
        """About the standard deviation of one run's loss."""

    def reach(self) -> float:
        """At least the largest finite loss of one run, either way."""

    def directions(self, relation: Relation, step: float) -> tuple[Loss, ...]:
        """One run's losses: one for each direction of the relation, or one that is both."""


def graded(highest: int) -> Points:
    """Whole numbers from -highest or less to highest or more, of which few are large."""
    up = [np.arange(min(highest, _FINE) + 1)]
    octave = 0
    while up[-1][-1] < highest:
        up.append(np.arange(_FINE + 1, 2 * _FINE + 1) << octave)
        octave += 1
    ascending = np.concatenate(up)
    return np.concatenate([-ascending[:0:-1], ascending])


def connect_dots(
    points: Points, p: Reals, q: Reals, *, step: float, below: float, above: float
) -> Loss:
    """Splits the mass between points of the grid among them, so that both masses are kept.

    Args:
        points: Ascending, in steps.
        p: P's mass between each two neighbouring points, shape `(points - 1,)`.
        q: Q's mass there.
        step: Of the grid.
        below: P's mass below the first point, which is rounded up to it.
        above: P's mass above the last point, which becomes infinite.
    """
    low, width = points[:-1] * step, np.diff(points) * step
    with np.errstate(divide="ignore"):
        grown = np.exp(np.minimum(low + np.log(q), 700.0))
    # up + down = p and up·e^-high + down·e^-low = q.
    scale = -np.expm1(-width)
    slack = (8 + np.abs(low)) * np.finfo(np.float64).eps / scale
    up = np.clip((p - grown) / scale + p * slack, 0.0, p)
    mass = np.zeros(len(points))
    mass[1:] += up
    mass[:-1] += p - up
    mass[0] += below
    first, *_, last = np.flatnonzero(mass).repeat(2)
    return Loss(points[first : last + 1], mass[first : last + 1], above)


class Tail:
    """The distribution of a composition's loss, accurate around one part of its tail.

    Args:
        points: In steps, ascending, shape `(points,)`.
        step: Of the grid.
        mass: Probability of each, from above.
        beyond: What is not in it: infinite losses, and what a window cut off.
    """

    def __init__(self, points: Points, step: float, mass: Reals, beyond: float) -> None:
        self._losses, self._beyond = np.asarray(points * step, np.float64), beyond
        self._above = np.append(np.cumsum(mass[:0:-1])[::-1], 0.0)
        # With S_i = P[L > x_i], δ(x_(i-1)) = e^-h·δ(x_i) + (1 - e^-h)·S_(i-1): nothing cancels.
        width = np.diff(points) * step
        self._deltas = _recurrence(np.exp(-width), -np.expm1(-width) * self._above[:-1])

    def delta(self, epsilon: float) -> float:
        """δ(ε), from above."""
        if epsilon < self._losses[0]:
            return 1.0
        i = int(np.searchsorted(self._losses, epsilon, side="right")) - 1
        above, delta = self._above[i], self._deltas[i]
        between = above - math.exp(epsilon - self._losses[i]) * (above - delta)
        return min(1.0, max(0.0, float(between)) * (1 + 1e-9) + self._beyond)

    def epsilon(self, delta: float) -> float:
        """The least ε ≥ 0 with δ(ε) ≤ δ, from above; ∞ if there is none."""
        allowed = (delta - self._beyond) / (1 + 1e-9)
        if self.delta(0.0) <= delta:
            return 0.0
        if allowed <= self._deltas[-1]:
            return math.inf
        # The first point of the grid whose δ is allowed; ε lies in the interval before it.
        i = int(np.searchsorted(-self._deltas, -allowed)) - 1
        if i < 0:
            return max(0.0, float(self._losses[0]))
        above, here = self._above[i], self._deltas[i]
        reached = self._losses[i] + math.log((above - allowed) / (above - here))
        return max(0.0, float(reached)) + 1e-12


def _recurrence(kept: Reals, added: Reals) -> Reals:
    """From the last, which is 0, to the first: each is `kept` of the one after it, and `added`."""
    if len(kept) and kept.min() == kept.max():
        found = scipy.signal.lfilter([1.0], [1.0, -kept[0]], np.append(0.0, added[::-1]))
    else:
        pairs = zip(kept[::-1].tolist(), added[::-1].tolist(), strict=True)
        steps = accumulate(pairs, lambda after, pair: pair[0] * after + pair[1], initial=0.0)
        found = np.fromiter(steps, np.float64, len(kept) + 1)
    return np.asarray(found[::-1])


def grid_step(runs: Sequence[Run], fineness: float) -> float:
    """A grid step that blurs the composed loss by little: `fineness` of its deviation per run."""
    runs_in_all = sum(run.count for run in runs)
    # Few runs compose in a small window, and a finer grid costs little.
    finer = min(1.0, math.sqrt(runs_in_all) / _FEW)
    return max(finer * fineness * _deviation(runs) / math.sqrt(runs_in_all), _LEAST_STEP)


def one_grid_step(runs: Sequence[Run]) -> float:
    """The finest step at which one grid holds one run's losses and the window of all of them."""
    widest = max(run.reach() for run in runs)
    return max(2 * widest / _MOST_BASE_POINTS, _MOST_DEVIATIONS * _deviation(runs) / _MOST_POINTS)


def _deviation(runs: Sequence[Run]) -> float:
    return math.sqrt(sum(run.count * run.deviation() ** 2 for run in runs))
