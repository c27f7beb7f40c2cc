"""Privacy losses on a grid: composing events thousands of times, from above.

A mechanism is described by a dominating pair (P, Q), and its privacy loss is log P/Q under P. Two
things keep every number an upper bound:

- **Connect the dots** (Doroshenko, Ghazi, Kamath, Kumar and Manurangsi 2022, §4): what lies between
  two points of the grid is split between them such that its mass under P and under Q stay. The
  profile δ(ε) of the result is exact on the grid and above the true one between.
- **What is cut off counts**: losses above the grid become infinite, losses below it are rounded up,
  and what a composition may lose by a window or by the last digits of a Fourier transform is added
  to δ.

A composition is a power of one Fourier transform. Before it, losses are tilted by e^(λx), so that
the tail that decides about a small δ is where the transform is accurate; λ is that of the Chernoff
bound on that tail (Koskela, Jälkö and Honkela 2020 use the transform without a tilt).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import scipy
from numpy.typing import NDArray

from confide.plan import Relation

__all__ = ["Loss", "Reals", "Run", "Tail", "composed_tails", "connect_dots", "grid_step"]

Reals = NDArray[np.float64]

_SPREAD: Final = 13.0
"""Half the window of a composition, in standard deviations of the tilted sum."""

_FEW: Final = 64
_COARSER: Final = 64
_MOST_POINTS: Final = 1 << 20
_MOST_BASE_POINTS: Final = 1 << 18


@dataclass(frozen=True)
class Loss:
    """Losses of one run: `mass[i]` at (first + i)·step, and the rest at infinity."""

    mass: Reals
    first: int
    infinite: float


class Run(Protocol):
    """Something that is run `count` times, by itself."""

    @property
    def count(self) -> int:
        """How often."""

    @property
    def epsilon(self) -> float:
        """The largest loss there is; ∞ if none."""

    def deviation(self) -> float:
        """About the standard deviation of one run's loss."""

    def reach(self) -> float:
        """At least the largest finite loss of one run, either way."""

    def directions(self, relation: Relation, step: float) -> tuple[Loss, ...]:
        """One run's losses: one for each direction of the relation, or one that is both."""


def connect_dots(
    points: NDArray[np.int64], p: Reals, q: Reals, *, step: float, below: float, above: float
) -> Loss:
    """Splits what lies between points of the grid between them, so that both masses stay.

    Args:
        points: Ascending, without gaps, in steps.
        p: P's mass between each two neighbouring points, shape `(points - 1,)`.
        q: Q's mass there.
        step: Of the grid.
        below: P's mass below the first point, which is rounded up to it.
        above: P's mass above the last point, which becomes infinite.
    """
    low = points[:-1] * step
    with np.errstate(divide="ignore"):
        grown = np.exp(np.minimum(low + np.log(q), 700.0))
    # up + down = p and up·e^-high + down·e^-low = q.
    scale = -math.expm1(-step)
    slack = (8 + np.abs(low)) * np.finfo(np.float64).eps / scale
    up = np.clip((p - grown) / scale + p * slack, 0.0, p)
    mass = np.zeros(len(points))
    mass[1:] += up
    mass[:-1] += p - up
    mass[0] += below
    first, *_, last = np.flatnonzero(mass).repeat(2)
    return Loss(mass[first : last + 1], int(points[first]), above)


class Tail:
    """The distribution of a composition's loss, accurate around one part of its tail.

    Args:
        losses: Points with equal distances, ascending, shape `(points,)`.
        mass: Probability of each, from above.
        beyond: What is not in it: infinite losses, and what a window cut off.
    """

    def __init__(self, losses: Reals, mass: Reals, beyond: float) -> None:
        self._losses, self._beyond = losses, beyond
        self._above = np.append(np.cumsum(mass[:0:-1])[::-1], 0.0)
        # With S_i = P[L > x_i], δ(x_(i-1)) = e^-h·δ(x_i) + (1 - e^-h)·S_(i-1): nothing cancels.
        step = float(losses[1] - losses[0])
        terms = -math.expm1(-step) * self._above[::-1]
        self._deltas = scipy.signal.lfilter([1.0], [1.0, -math.exp(-step)], terms)[::-1]

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


def grid_step(runs: Sequence[Run], fineness: float) -> float:
    """A grid step that blurs the composed loss by little: `fineness` of its deviation per run."""
    runs_in_all = sum(run.count for run in runs)
    deviation = math.sqrt(sum(run.count * run.deviation() ** 2 for run in runs))
    widest = max(run.reach() for run in runs)
    # Few runs compose in a small window, and a finer grid costs little.
    finer = min(1.0, math.sqrt(runs_in_all) / _FEW)
    step = finer * fineness * deviation / math.sqrt(runs_in_all)
    # Neither one run's grid nor the composition's window may outgrow memory; coarser stays above.
    return max(step, 2 * widest / _MOST_BASE_POINTS, 4 * _SPREAD * deviation / _MOST_POINTS, 1e-12)


def composed_tails(
    runs: Sequence[Run],
    relation: Relation,
    step: float,
    objective: Callable[[float, float], float],
    *,
    steepest: float = math.inf,
) -> list[Tail]:
    """The composition's tail in each direction of the neighbouring relation.

    Args:
        runs: What is composed.
        relation: Between units that come or go there are two directions, which differ.
        step: Of the grid.
        objective: Of a tilt λ and the composition's cumulant log E e^(λL): what the best tilt
            minimises, such as a Chernoff bound.
        steepest: The largest tilt, in units of 1 ÷ the deviation of the composition.
    """
    counts = [run.count for run in runs]
    each = [run.directions(relation, step) for run in runs]
    both = max(len(losses) for losses in each)
    # What is the same in both directions stands in each.
    sides = zip(*(losses * (both // len(losses)) for losses in each), strict=True)
    return [_composed(losses, counts, step, objective, steepest) for losses in sides]


def _composed(
    losses: Sequence[Loss],
    counts: Sequence[int],
    step: float,
    objective: Callable[[float, float], float],
    steepest: float,
) -> Tail:
    def cumulant(tilt: float) -> float:
        return math.fsum(
            n * _log_sum(loss, tilt, step) for loss, n in zip(losses, counts, strict=True)
        )

    if sum(counts) == 1:
        return _alone(losses[0], step)
    tilt = _best_tilt([_coarser(loss, step) for loss in losses], counts, objective, steepest)
    mean, variance = _moments(losses, counts, tilt, step)
    variance = max(variance, step**2)
    widest = max(len(loss.mass) for loss in losses)
    half = _SPREAD * math.sqrt(variance) / step
    size = 1 << max(10, math.ceil(math.log2(max(2 * half + 4, 2 * widest))))
    start = math.floor(mean / step) - size // 2
    spectrum = np.ones(size // 2 + 1, np.complex128)
    for loss, count in zip(losses, counts, strict=True):
        folded = np.zeros(size)
        places = (loss.first + np.arange(len(loss.mass))) % size
        np.add.at(folded, places, _tilted(loss, tilt, step))
        spectrum *= np.fft.rfft(folded) ** count
    tilted = np.roll(np.fft.irfft(spectrum, size), -(start % size))
    x = np.asarray((start + np.arange(size)) * step, np.float64)
    scale = np.exp(np.minimum(cumulant(tilt) - tilt * x, 700.0))
    rounds = sum(counts)
    # A transform is off by less than log2(size) last digits, and its power `rounds` times that.
    digits = 4 * (rounds + 8) * math.log2(size) * np.finfo(np.float64).eps
    error = digits * float(np.mean(np.abs(spectrum)))
    beyond = -math.expm1(
        math.fsum(n * math.log1p(-loss.infinite) for loss, n in zip(losses, counts, strict=True))
    ) + _chernoff(cumulant, tilt, _SPREAD / math.sqrt(variance), float(x[-1]))
    return Tail(x, (np.maximum(tilted, 0.0) + error) * scale, beyond)


def _alone(loss: Loss, step: float) -> Tail:
    """A single run, which takes no transform: nothing is cut off or rounded."""
    mass = np.append(loss.mass, 0.0)
    losses = np.asarray(step * (loss.first + np.arange(len(mass))), np.float64)
    return Tail(losses, mass, loss.infinite)


def _coarser(loss: Loss, step: float) -> tuple[Reals, Reals, Reals]:
    """Mass, mean and half the variance of bins of neighbours: enough to choose a tilt by."""
    bins = np.arange(0, len(loss.mass), _COARSER)
    x = step * (loss.first + np.arange(len(loss.mass)))
    mass = np.maximum(np.add.reduceat(loss.mass, bins), 1e-300)
    mean = np.add.reduceat(loss.mass * x, bins) / mass
    square = np.add.reduceat(loss.mass * (x - np.repeat(mean, _COARSER)[: len(x)]) ** 2, bins)
    return mass, mean, square / mass / 2


def _best_tilt(
    coarse: Sequence[tuple[Reals, Reals, Reals]],
    counts: Sequence[int],
    objective: Callable[[float, float], float],
    steepest: float,
) -> float:
    def aim(log_tilt: float) -> float:
        tilt = math.exp(log_tilt)
        cumulants = (
            float(scipy.special.logsumexp(tilt * mean + tilt**2 * square, b=mass))
            for mass, mean, square in coarse
        )
        return objective(tilt, math.fsum(n * k for n, k in zip(counts, cumulants, strict=True)))

    variance = math.fsum(
        n * float(mass @ (mean**2 + 2 * square) - (mass @ mean) ** 2)
        for n, (mass, mean, square) in zip(counts, coarse, strict=True)
    )
    most = min(8.0, math.log(steepest) - math.log(max(variance, 1e-12)) / 2)
    # A tilt that is not the best costs accuracy, which the error counts, and nothing else.
    bounds = (-5.0, max(most, -4.0))
    found = scipy.optimize.minimize_scalar(
        aim, bounds=bounds, method="bounded", options={"xatol": 0.02}
    )
    return float(math.exp(found.x))


def _chernoff(
    cumulant: Callable[[float], float], tilt: float, steeper: float, beyond: float
) -> float:
    """P[L > beyond], from above, by the best of a few tilts: of a Gaussian tilt + steeper is."""
    tilts = [tilt * k for k in (1.0, 1.5, 2.0, 4.0)]
    tilts += [tilt + steeper * k for k in (0.125, 0.25, 0.5, 0.75, 1.0)]
    return math.exp(min(0.0, *(cumulant(t) - t * beyond for t in tilts)))


def _log_sum(loss: Loss, tilt: float, step: float) -> float:
    """The logarithm of E e^(λL) over the finite losses."""
    exponent = tilt * step * (loss.first + np.arange(len(loss.mass)))
    top = float(exponent[-1])
    return top + math.log(float(loss.mass @ np.exp(exponent - top)))


def _tilted(loss: Loss, tilt: float, step: float) -> Reals:
    exponent = tilt * step * (loss.first + np.arange(len(loss.mass)))
    return np.asarray(loss.mass * np.exp(exponent - _log_sum(loss, tilt, step)))


def _moments(
    losses: Sequence[Loss], counts: Sequence[int], tilt: float, step: float
) -> tuple[float, float]:
    mean = variance = 0.0
    for loss, count in zip(losses, counts, strict=True):
        weights = _tilted(loss, tilt, step)
        x = step * (loss.first + np.arange(len(weights)))
        own = float(weights @ x)
        mean += count * own
        variance += count * float(weights @ (x - own) ** 2)
    return mean, variance
