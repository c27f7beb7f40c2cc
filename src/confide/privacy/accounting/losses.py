"""Privacy losses on a grid: composing sampled Gaussians thousands of times, from above.

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
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.signal import lfilter
from scipy.special import logsumexp, ndtr

from confide.errors import PlanError
from confide.plan import Relation

__all__ = ["SampledGaussian", "Tail", "composed_tails", "grid_step"]

Reals = NDArray[np.float64]

_REACH: Final = 13.0
"""Standard deviations up to which losses are told apart: beyond lie less than 10^-38."""

_SPREAD: Final = 13.0
"""Half the window of a composition, in standard deviations of the tilted sum."""

_COARSER: Final = 64
_MOST_POINTS: Final = 1 << 20
_MOST_BASE_POINTS: Final = 1 << 18


@dataclass(frozen=True)
class SampledGaussian:
    """A Gaussian of multiplier z over a secret Poisson sample of rate q, run `count` times.

    Attributes:
        rate: q in (0, 1]; 1 for all.
        noise_multiplier: z, σ ÷ the bound on one unit's contribution; at rate 1, ÷ the distance of
            neighbouring sums.
        count: How often, T.
    """

    rate: float
    noise_multiplier: float
    count: int

    def deviation(self) -> float:
        """About the standard deviation of one run's loss."""
        spread = 1 / self.noise_multiplier
        return min(spread, self.rate * math.sqrt(math.expm1(min(spread**2, 50.0))))


@dataclass(frozen=True)
class _Loss:
    """Losses of one run: `mass[i]` at (first + i)·step, and the rest at infinity."""

    mass: Reals
    first: int
    infinite: float


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
        self._deltas = lfilter([1.0], [1.0, -math.exp(-step)], terms)[::-1]

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


def grid_step(runs: Sequence[SampledGaussian], fineness: float) -> float:
    """A grid step that blurs the composed loss by little: `fineness` of its deviation per run."""
    runs_in_all = sum(run.count for run in runs)
    deviation = math.sqrt(sum(run.count * run.deviation() ** 2 for run in runs))
    widest = max(_highest_loss(run) for run in runs)
    step = fineness * deviation / math.sqrt(runs_in_all)
    # Neither one run's grid nor the composition's window may outgrow memory; coarser stays above.
    return max(step, 2 * widest / _MOST_BASE_POINTS, 4 * _SPREAD * deviation / _MOST_POINTS, 1e-12)


def composed_tails(
    runs: Sequence[SampledGaussian],
    relation: Relation,
    step: float,
    objective: Callable[[float, float], float],
) -> list[Tail]:
    """The composition's tail in each direction of the neighbouring relation.

    Args:
        runs: What is composed.
        relation: Between units that come or go there are two directions, which differ.
        step: Of the grid.
        objective: Of a tilt λ and the composition's cumulant log E e^(λL): what the best tilt
            minimises, such as a Chernoff bound.
    """
    counts = [run.count for run in runs]
    each = [_directions(run.rate, run.noise_multiplier, relation, step) for run in runs]
    return [_composed(losses, counts, step, objective) for losses in zip(*each, strict=True)]


@lru_cache(maxsize=32)
def _directions(
    rate: float, noise_multiplier: float, relation: Relation, step: float
) -> tuple[_Loss, ...]:
    """One run's losses: for each direction, the pair (P, Q) as mixtures of unit Gaussians."""
    run, q, z = SampledGaussian(rate, noise_multiplier, 1), rate, noise_multiplier
    out, into, away = (1 - q, 0.0), (q, 1 / z), (q, -1 / z)
    if q == 1:
        return (
            _loss([into], [(1.0, 0.0)], lambda loss: z * loss + 1 / (2 * z), step=step, run=run),
        )
    if relation is Relation.REPLACE_ONE:
        return (
            _loss([out, into], [out, away], lambda loss: _replaced(loss, q, z), step=step, run=run),
        )
    gone = _loss([out, into], [(1.0, 0.0)], lambda loss: _added(loss, q, z), step=step, run=run)
    come = _loss([(1.0, 0.0)], [out, away], lambda loss: -_added(-loss, q, z), step=step, run=run)
    return gone, come


def _added(loss: Reals, q: float, z: float) -> Reals:
    """Where log((1 - q) + q·exp(x/z - 1/2z²)) is `loss`; -∞ for losses that it never reaches."""
    with np.errstate(divide="ignore", invalid="ignore"):
        # log((e^loss - (1 - q)) / q), without the cancellation for losses near zero.
        excess = np.log1p(np.expm1(loss) / q)
    return np.where(loss <= math.log1p(-q), -np.inf, z * excess + 1 / (2 * z))


def _replaced(loss: Reals, q: float, z: float) -> Reals:
    """Where log((1 - q + q·e^(x/z-1/2z²)) / (1 - q + q·e^(-x/z-1/2z²))) is `loss`.

    With c = q·e^(-1/2z²), a = 1 - q and u = e^loss, t = e^(x/z) solves c·t² + a(1 - u)t - u·c = 0.
    The loss is odd in x, so it is solved for what is positive.
    """
    log_c = math.log(q) - 1 / (2 * z * z)
    size = np.abs(loss)
    linear = (1 - q) * -np.expm1(-size)  # a(u - 1)/u
    squared = np.exp(2 * log_c - size)  # c²/u
    # t = u·(linear + √(linear² + 4·squared)) / 2c
    log_t = size + np.log(linear + np.sqrt(linear**2 + 4 * squared)) - math.log(2) - log_c
    return np.asarray(np.sign(loss) * z * np.maximum(log_t, 0.0))


Mixture = Sequence[tuple[float, float]]


def _loss(
    upper: Mixture,
    lower: Mixture,
    place: Callable[[Reals], Reals],
    *,
    step: float,
    run: SampledGaussian,
) -> _Loss:
    """Connects the dots of the pair (upper, lower), whose loss ascends in x.

    Args:
        upper: P: weights and centres of Gaussians with deviation 1.
        lower: Q.
        place: Where the loss has a value.
        step: Of the grid.
        run: What has this loss, for its range.
    """
    z = run.noise_multiplier
    highest = math.ceil(_highest_loss(run) / step) + 2
    points = np.arange(-highest, highest + 1)
    x = place(np.asarray(points * step, np.float64))
    kept = np.flatnonzero((x > -_REACH - 2 / z) & (x < _REACH + 2 / z))
    # One more at both ends, at ±∞ if there is no such loss: dots beyond the range connect it too.
    kept = np.concatenate([kept[:1] - 1, kept, kept[-1:] + 1])
    if kept.size < 4 or kept[0] < 0 or kept[-1] == len(x):
        raise PlanError(
            f"noise multiplier {z:g} at rate {run.rate:g} on a grid of {step:g}: no loss fits; "
            "account for fewer rounds or more noise"
        )
    points, x = points[kept], x[kept]
    p, q_mass = _between(upper, x), _between(lower, x)
    # Split so that both masses stay: up + down = p and up·e^-high + down·e^-low = q.
    up = (p - np.exp(points[:-1] * step) * q_mass) / -math.expm1(-step)
    slack = 8 * np.finfo(np.float64).eps / -math.expm1(-step)
    up = np.clip(up + p * slack, 0.0, p)
    mass = np.zeros(len(points))
    mass[1:] += up
    mass[:-1] += p - up
    mass[0] += _below(upper, x[:1])[0]
    return _Loss(mass, int(points[0]), float(_below([(w, -m) for w, m in upper], -x[-1:])[0]))


def _between(mixture: Mixture, x: Reals) -> Reals:
    """A mixture's mass between neighbours of ascending x, accurate in both tails."""
    total: Reals = np.zeros(len(x) - 1)
    for weight, centre in mixture:
        low, high = x[:-1] - centre, x[1:] - centre
        right = low > 0
        total += weight * np.where(
            right, ndtr(-low) - ndtr(-high), ndtr(np.minimum(high, _REACH)) - ndtr(low)
        )
    return np.maximum(total, 0.0)


def _below(mixture: Mixture, x: Reals) -> Reals:
    return np.asarray(sum(weight * ndtr(x - centre) for weight, centre in mixture))


def _highest_loss(run: SampledGaussian) -> float:
    """At least the largest loss that a run's grid reaches."""
    top = (_REACH + 3 / run.noise_multiplier) / run.noise_multiplier
    if run.rate == 1:
        return top
    # log((1 - q) + q·e^top) of P's own side, and as much again between replaced units.
    return float(np.logaddexp(math.log1p(-run.rate), math.log(run.rate) + top)) - 2 * math.log1p(
        -run.rate
    )


def _composed(
    losses: Sequence[_Loss],
    counts: Sequence[int],
    step: float,
    objective: Callable[[float, float], float],
) -> Tail:
    def cumulant(tilt: float) -> float:
        return math.fsum(
            n * _log_sum(loss, tilt, step) for loss, n in zip(losses, counts, strict=True)
        )

    tilt = _best_tilt([_coarser(loss, step) for loss in losses], counts, objective)
    mean, variance = _moments(losses, counts, tilt, step)
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
    digits = (rounds + 8 * math.log2(size)) * np.finfo(np.float64).eps
    error = digits * float(np.mean(np.abs(spectrum)))
    beyond = -math.expm1(
        math.fsum(n * math.log1p(-loss.infinite) for loss, n in zip(losses, counts, strict=True))
    ) + _chernoff(cumulant, tilt, float(x[-1]))
    return Tail(x, (np.maximum(tilted, 0.0) + error) * scale, beyond)


def _coarser(loss: _Loss, step: float) -> tuple[Reals, Reals, Reals]:
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
) -> float:
    def aim(log_tilt: float) -> float:
        tilt = math.exp(log_tilt)
        cumulants = (
            float(logsumexp(tilt * mean + tilt**2 * square, b=mass))
            for mass, mean, square in coarse
        )
        return objective(tilt, math.fsum(n * k for n, k in zip(counts, cumulants, strict=True)))

    # A tilt that is not the best costs accuracy, which the error counts, and nothing else.
    found = minimize_scalar(aim, bounds=(-5.0, 8.0), method="bounded", options={"xatol": 0.02})
    return float(math.exp(found.x))


def _chernoff(cumulant: Callable[[float], float], tilt: float, beyond: float) -> float:
    """P[L > beyond], from above, by the best of a few steeper tilts."""
    exponents = (cumulant(k * tilt) - k * tilt * beyond for k in (1.0, 1.25, 1.5, 2.0, 3.0, 5.0))
    return math.exp(min(0.0, *exponents))


def _log_sum(loss: _Loss, tilt: float, step: float) -> float:
    """The logarithm of E e^(λL) over the finite losses."""
    exponent = tilt * step * (loss.first + np.arange(len(loss.mass)))
    top = float(exponent[-1])
    return top + math.log(float(loss.mass @ np.exp(exponent - top)))


def _tilted(loss: _Loss, tilt: float, step: float) -> Reals:
    exponent = tilt * step * (loss.first + np.arange(len(loss.mass)))
    return np.asarray(loss.mass * np.exp(exponent - _log_sum(loss, tilt, step)))


def _moments(
    losses: Sequence[_Loss], counts: Sequence[int], tilt: float, step: float
) -> tuple[float, float]:
    mean = variance = 0.0
    for loss, count in zip(losses, counts, strict=True):
        weights = _tilted(loss, tilt, step)
        x = step * (loss.first + np.arange(len(weights)))
        own = float(weights @ x)
        mean += count * own
        variance += count * float(weights @ (x - own) ** 2)
    return mean, variance
