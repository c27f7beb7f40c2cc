"""Composes events, up to thousands of millions of times, by powers of Fourier transforms.

Losses are tilted by e^(λx) before a transform, so that the tail that decides about a small δ is
where the transform is accurate; λ is that of the Chernoff bound on that tail (Koskela, Jälkö and
Honkela 2020 use the transform without a tilt).

The grid must resolve one run's losses, and its window must hold those of all. For very many runs no
single grid does both. So runs are composed in stages: some of them on the fine grid, and what comes
out is put on a coarser grid by connecting the dots once more, with the mass under P and Q of each
point kept (Ghazi, Kamath, Kumar and Manurangsi 2022, "Faster privacy accounting via evolving
discretization", §3). If k² runs go from a step to k of them, each stage blurs as much as the first
grid does, and the last digits of the transforms add up to about 10^-12 of δ for each run.

What a window cuts off, and what a transform may lose by its last digits, is added to δ. So are
losses that are too rare to matter for that δ: without a sample's rarest outputs, whose losses are
the largest, the moments E e^(λL) of thousands of millions of runs stay finite in effect.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import scipy

from confide.plan import Relation
from confide.privacy.accounting.losses import Loss, Points, Reals, Run, Tail

__all__ = ["Aim", "composed_tails"]

_SPREAD: Final = 13.0
"""Half the window of a composition, in standard deviations of the tilted sum."""

_BINNED: Final = 64
_MOST_POINTS: Final = 1 << 20
_MOST_COARSER: Final = 64
_TILTS: Final = 24
_ROUNDS: Final = 5
_SETTLED: Final = 0.1
_EPS: Final = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class _Tilted:
    """Losses under a tilt: weights in proportion to the mass times e^(λx).

    Attributes:
        points: In steps, ascending.
        weights: Of each point; they add up to 1 except for rounding.
        tilts: λ, and steeper ones by which tails are bounded, ascending.
        cumulant: log E e^(λL) over the finite losses.
        infinite: The probability of an infinite loss.
        step: Of the grid.
    """

    points: Points
    weights: Reals
    tilts: Reals
    cumulant: float
    infinite: float
    step: float

    @cached_property
    def cumulants(self) -> Reals:
        """Log E e^(tL) over the finite losses, for each tilt t."""
        top = float(self.points[-1])
        below = (self.points - top) * self.step
        steeper = self.tilts - self.tilts[0]
        sums = [float(self.weights @ np.exp(t * below)) for t in steeper]
        return np.asarray(self.cumulant + steeper * top * self.step + np.log(sums))

    @cached_property
    def moments(self) -> tuple[float, float]:
        """Mean and variance of the tilted loss."""
        total = float(self.weights.sum())
        mean = float(self.weights @ self.points) / total
        variance = float(self.weights @ (self.points - mean) ** 2) / total
        return mean * self.step, variance * self.step**2


_Parts = Sequence[tuple[_Tilted, int]]
"""What is composed, and how often each."""


@dataclass(frozen=True)
class Aim:
    """What a tail is computed for.

    Attributes:
        objective: Of a tilt λ and the composition's cumulant log E e^(λL): what the best tilt
            minimises, such as a Chernoff bound.
        log_probability: Of the least objective: the logarithm of the probability that is wanted.
        share: The part of it, over all runs, that may count as an infinite loss.
        steepest: The largest tilt, in units of 1 ÷ the deviation of the composition.
    """

    objective: Callable[[float, float], float]
    log_probability: Callable[[float], float]
    share: float
    steepest: float = math.inf

    def log_negligible(self, least: float) -> float:
        """The logarithm of the probability that may count as lost."""
        return self.log_probability(least) + math.log(self.share)


def composed_tails(runs: Sequence[Run], relation: Relation, step: float, aim: Aim) -> list[Tail]:
    """The composition's tail in each direction of the neighbouring relation.

    Args:
        runs: What is composed.
        relation: Between units that are added or removed there are two directions, which differ.
        step: Of the grid of one run.
        aim: Where the tail has to be accurate.
    """
    counts = [run.count for run in runs]
    each = [run.directions(relation, step) for run in runs]
    both = max(len(losses) for losses in each)
    # What is the same in both directions stands in each.
    sides = zip(*(losses * (both // len(losses)) for losses in each), strict=True)
    return [_composed(losses, counts, step, aim) for losses in sides]


def _composed(losses: Sequence[Loss], counts: Sequence[int], step: float, aim: Aim) -> Tail:
    if sum(counts) == 1:
        # A single run takes no transform: nothing is cut off or rounded.
        (loss,) = losses
        points = np.append(loss.points, loss.points[-1] + 1)
        return Tail(points, step, np.append(loss.mass, 0.0), loss.infinite)
    losses, tilt, lost = _cut_and_tilt(losses, counts, step, aim)
    parts = list(zip(_tilted(losses, tilt, step), counts, strict=True))
    while (coarser := _too_fine(_window(parts, lost))) > 1:
        parts = [staged for part in parts for staged in _staged(*part, coarser, lost)]
    whole = _transformed(parts, lost)
    scale = np.exp(np.minimum(whole.cumulant - tilt * whole.step * whole.points, 700.0))
    return Tail(whole.points, whole.step, whole.weights * scale, whole.infinite)


def _cut_and_tilt(
    losses: Sequence[Loss], counts: Sequence[int], step: float, aim: Aim
) -> tuple[list[Loss], float, float]:
    """Losses without what is too rare to matter, the best tilt of the rest, and log negligible.

    What is negligible depends on the tail that is wanted, and that on what is cut off. Whatever is
    cut off counts, so a few rounds of this are enough.
    """
    cut, runs = list(losses), sum(counts)
    tilt, best = _best_tilt([_binned(loss, step) for loss in cut], counts, aim)
    lost = aim.log_negligible(best)
    for _ in range(_ROUNDS):
        cut = [_without_rare(loss, math.exp(lost) / runs) for loss in losses]
        tilt, least = _best_tilt([_binned(loss, step) for loss in cut], counts, aim)
        if least > best - _SETTLED:
            break
        best, lost = least, aim.log_negligible(least)
    return cut, tilt, lost


def _without_rare(loss: Loss, probability: float) -> Loss:
    """The largest losses, as many as have this probability together, count as infinite."""
    above = np.cumsum(loss.mass[::-1])[::-1]
    kept = max(2, int(np.searchsorted(-above, -probability)))
    gone = float(above[kept]) if kept < len(above) else 0.0
    return Loss(loss.points[:kept], loss.mass[:kept], loss.infinite + gone * (1 + 1e-9))


def _too_fine(window: tuple[float, float]) -> int:
    """How many times coarser the grid has to be for a window, 1 if it fits."""
    excess = (window[1] - window[0]) / _MOST_POINTS
    return 1 if excess <= 1 else min(_MOST_COARSER, 1 << math.ceil(math.log2(excess)))


def _window(parts: _Parts, lost: float) -> tuple[float, float]:
    """The range of losses of all runs together that must be resolved, in steps.

    From 13 standard deviations below the tilted mean up to where Chernoff's bound of what lies
    beyond is negligible; at least as far above.

    Args:
        parts: The runs.
        lost: The logarithm of what is negligible.
    """
    mean, variance = (math.fsum(n * part.moments[i] for part, n in parts) for i in (0, 1))
    step, tilts = parts[0][0].step, parts[0][0].tilts
    cumulants = _cumulants(parts)
    half = _SPREAD * math.sqrt(max(variance, step**2))
    top = max(mean + half, float(np.min((cumulants - lost) / tilts)))
    return (mean - half) / step - 2, top / step + 2


def _cumulants(parts: _Parts) -> Reals:
    """Log E e^(tL) of all runs together, for each tilt."""
    return np.asarray(np.sum([n * part.cumulants for part, n in parts], axis=0))


def _staged(part: _Tilted, count: int, coarser: int, lost: float) -> Iterator[tuple[_Tilted, int]]:
    """Some of its runs composed, on the coarser grid, and how often that is run; then the rest."""
    together = min(count, coarser**2)
    # Where even few of these runs spread too far, their grid is finer than it has to be.
    while together > 1 and _too_fine(_window([(part, together)], lost - math.log(count))) > 1:
        together //= 4
    together = max(1, together)
    often, rest = divmod(count, together)
    for runs, times in ((together, often), (rest, 1)):
        if runs:
            once = part if runs == 1 else _transformed([(part, runs)], lost - math.log(count))
            yield _regridded(once, coarser), times


def _regridded(part: _Tilted, coarser: int) -> _Tilted:
    """Each point split between its neighbours on a coarser grid, so that both masses stay."""
    low = part.points // coarser
    behind = (part.points - low * coarser) * part.step
    width, tilt = coarser * part.step, float(part.tilts[0])
    # Of the mass p at x, u goes up to b and the rest down to a: u·e^-b + (p - u)·e^-a = p·e^-x.
    up = np.minimum(np.expm1(-behind) / math.expm1(-width) * (1 + 4 * _EPS), 1.0)
    points, at = np.unique(np.concatenate([low, low + 1]), return_inverse=True)
    down_weights = part.weights * (1 - up) * np.exp(-tilt * behind)
    up_weights = part.weights * up * np.exp(tilt * (width - behind))
    weights = np.bincount(at, np.concatenate([down_weights, up_weights]))
    kept, total = np.flatnonzero(weights), float(weights.sum())
    return _Tilted(
        points[kept], weights[kept] / total, part.tilts, part.cumulant + math.log(total),
        part.infinite, width,
    )  # fmt: skip


def _transformed(parts: _Parts, lost: float) -> _Tilted:
    """All runs of all parts as one run, on the same grid."""
    step, tilts = parts[0][0].step, parts[0][0].tilts
    low, high = _window(parts, lost)
    size = 1 << max(10, math.ceil(math.log2(high - low)))
    start = math.floor(low)
    spectrum = np.ones(size // 2 + 1, np.complex128)
    for part, count in parts:
        spectrum *= np.fft.rfft(np.bincount(part.points % size, part.weights, size)) ** count
    weights = np.roll(np.fft.irfft(spectrum, size), -(start % size))
    rounds = sum(count for _, count in parts)
    # A transform is off by less than log2(size) last digits, and its power `rounds` times that.
    digits = 4 * (rounds + 8) * math.log2(size) * _EPS
    weights = np.maximum(weights, 0.0) + digits * float(np.mean(np.abs(spectrum)))
    points = start + np.arange(size)
    infinite = -math.expm1(math.fsum(n * math.log1p(-part.infinite) for part, n in parts))
    cumulants = _cumulants(parts)
    beyond = math.exp(min(0.0, float(np.min(cumulants - tilts * (points[-1] * step)))))
    return _Tilted(
        points, weights, tilts, float(cumulants[0]), min(infinite + beyond, 1 - _EPS), step
    )


def _tilted(losses: Sequence[Loss], tilt: float, step: float) -> list[_Tilted]:
    """Losses under a tilt, with the steeper ones that the tails of any number of them take."""
    given, least = [], math.inf
    for loss in losses:
        exponent = tilt * step * loss.points
        top = float(exponent[-1])
        cumulant = top + math.log(float(loss.mass @ np.exp(exponent - top)))
        weights = np.asarray(loss.mass * np.exp(exponent - cumulant))
        given.append(_Tilted(loss.points, weights, np.array([tilt]), cumulant, loss.infinite, step))
        least = min(least, max(math.sqrt(given[-1].moments[1]), step))
    tilts = np.geomspace(tilt, tilt + _SPREAD / least, _TILTS)
    return [replace(each, tilts=tilts) for each in given]


def _binned(loss: Loss, step: float) -> tuple[Reals, Reals, Reals]:
    """Mass, mean and half the variance of bins of neighbours: enough to choose a tilt by."""
    bins = np.arange(0, len(loss.mass), _BINNED)
    x = step * loss.points
    mass = np.maximum(np.add.reduceat(loss.mass, bins), 1e-300)
    mean = np.add.reduceat(loss.mass * x, bins) / mass
    square = np.add.reduceat(loss.mass * (x - np.repeat(mean, _BINNED)[: len(x)]) ** 2, bins)
    return mass, mean, square / mass / 2


def _best_tilt(
    binned: Sequence[tuple[Reals, Reals, Reals]], counts: Sequence[int], aim: Aim
) -> tuple[float, float]:
    """The tilt with the least objective, and that objective."""

    def objective(log_tilt: float) -> float:
        tilt = math.exp(log_tilt)
        cumulants = (
            float(scipy.special.logsumexp(tilt * mean + tilt**2 * square, b=mass))
            for mass, mean, square in binned
        )
        whole = math.fsum(n * k for n, k in zip(counts, cumulants, strict=True))
        return aim.objective(tilt, whole)

    variance = math.fsum(
        n * float(mass @ (mean**2 + 2 * square) - (mass @ mean) ** 2)
        for n, (mass, mean, square) in zip(counts, binned, strict=True)
    )
    most = min(8.0, math.log(aim.steepest) - math.log(max(variance, 1e-12)) / 2)
    # A tilt that is not the best costs accuracy, which the error counts, and nothing else.
    bounds = (-5.0, max(most, -4.0))
    found = scipy.optimize.minimize_scalar(
        objective, bounds=bounds, method="bounded", options={"xatol": 0.02}
    )
    return float(math.exp(found.x)), float(found.fun)
