"""Dominating pairs of events: what one run of each releases, as losses on a grid.

A pair (P, Q) dominates a mechanism if for all ε no neighbours are easier to distinguish than P and
Q; then the composition of pairs dominates the composition of mechanisms (Zhu, Dong and Wang 2022,
Theorem 10). In what follows N is a noise around zero, N + c around c.

- Noise on a sum that moves by c: (N + c, N). With a secret Poisson sample of rate q, between units
  that are added or removed: (M, N) and (N, M) for M = (1 - q)·N + q·(N + c) (Zhu, Dong and Wang
  2022, Theorem 11); between replaced units, for Gaussians, ((1 - q)·N + q·(N + c), (1 - q)·N + q·(N
  - c)) (Lebeda, Regehr, Kamath and Steinke 2024, "Avoiding pitfalls for privacy accounting of
  subsampled mechanisms under composition", §5).
- A mixture of Gaussians: `confide.privacy.accounting.mixtures`.
- Batches cut off at a size: with the probability that the batch is full, a unit that is in also
  displaces another, at twice the distance; else it is a sampled Gaussian (Ganesh, McMahan, Mehta,
  Pillutla and Thakurta 2025, arXiv 2508.15089).
- Whatever is ε-DP: randomised response with that ε (Kairouz, Oh and Viswanath 2015, Theorem 3.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

import numpy as np
import scipy

from confide.errors import PlanError
from confide.plan import Relation
from confide.privacy.accounting.losses import Loss, Reals, connect_dots, graded

__all__ = [
    "REACH",
    "Grid",
    "Mixture",
    "PureResponse",
    "SampledGaussian",
    "SampledLaplace",
    "ShiftedDiscreteLaplace",
    "StandardNormal",
    "TruncatedGaussian",
    "sampled_epsilon",
    "sampled_gaussian",
]

REACH: Final = 13.0
"""Standard deviations up to which losses are resolved; the probability beyond is less than
10^-38."""

_STEEP: Final = 50.0

Mixture = Sequence[tuple[float, float]]
"""Weights and centres."""


class _Noise(Protocol):
    """A distribution around zero, symmetric."""

    def below(self, x: Reals) -> Reals:
        """P[X ≤ x], accurate in the left tail."""

    def above(self, x: Reals) -> Reals:
        """P[X > x], accurate in the right tail."""


class StandardNormal:
    """The standard normal distribution."""

    def below(self, x: Reals) -> Reals:
        """P[X ≤ x]."""
        return np.asarray(scipy.special.ndtr(x))

    def above(self, x: Reals) -> Reals:
        """P[X > x]."""
        return np.asarray(scipy.special.ndtr(-x))


class _Laplace:
    def below(self, x: Reals) -> Reals:
        return np.where(x < 0, np.exp(np.minimum(x, 0)) / 2, 1 - np.exp(-np.maximum(x, 0)) / 2)

    def above(self, x: Reals) -> Reals:
        return self.below(-x)


@dataclass(frozen=True)
class _DiscreteLaplace:
    rate: float

    def below(self, x: Reals) -> Reals:
        a, m = self.rate, np.floor(x)
        tail = np.exp(-a * np.abs(np.where(m < 0, m, m + 1))) / (1 + math.exp(-a))
        return np.where(m < 0, tail, 1 - tail)

    def above(self, x: Reals) -> Reals:
        return self.below(-np.floor(x) - 1)


@dataclass(frozen=True)
class SampledGaussian:
    """A Gaussian of multiplier z over a secret Poisson sample of rate q.

    Attributes:
        rate: q in (0, 1]; 1 for all.
        noise_multiplier: z, σ ÷ the bound on one unit's contribution; at rate 1, ÷ the distance of
            neighbouring sums.
        count: How often, T.
    """

    rate: float
    noise_multiplier: float
    count: int

    @property
    def epsilon(self) -> float:
        """∞: the loss has no upper bound."""
        return math.inf

    def deviation(self) -> float:
        """About the standard deviation of one run's loss."""
        spread = 1 / self.noise_multiplier
        return min(spread, self.rate * math.sqrt(math.expm1(min(spread**2, _STEEP))))

    def reach(self) -> float:
        """At least the largest loss that a run's grid reaches."""
        top = (REACH + 3 / self.noise_multiplier) / self.noise_multiplier
        return _sampled_reach(top, self.rate)

    def directions(self, relation: Relation, step: float) -> tuple[Loss, ...]:
        """One run's losses, in each direction."""
        return _gaussian(self.rate, self.noise_multiplier, relation, step)


@lru_cache(maxsize=32)
def _gaussian(rate: float, z: float, relation: Relation, step: float) -> tuple[Loss, ...]:
    grid = Grid(StandardNormal(), REACH + 2 / z, SampledGaussian(rate, z, 1).reach(), step)
    if rate < 1 and relation is Relation.REPLACE_ONE:
        out, into, away = (1 - rate, 0.0), (rate, 1 / z), (rate, -1 / z)
        return (grid.loss([out, into], [out, away], lambda loss: _replaced(loss, rate, z)),)
    return _sampled(grid, 1 / z, rate, lambda loss: z * loss + 1 / (2 * z))


@dataclass(frozen=True)
class SampledLaplace:
    """Laplace noise over a secret Poisson sample of rate q, for units added or removed.

    Attributes:
        rate: q in (0, 1]; 1 for all, and then the multiplier has the relation in it.
        noise_multiplier: b ÷ the distance of neighbouring sums.
        count: How often.
    """

    rate: float
    noise_multiplier: float
    count: int

    @property
    def epsilon(self) -> float:
        """The largest loss, in nats."""
        return sampled_epsilon(1 / self.noise_multiplier, self.rate, Relation.ADD_OR_REMOVE_ONE)

    def deviation(self) -> float:
        """About the standard deviation of one run's loss."""
        return self.epsilon

    def reach(self) -> float:
        """At least the largest loss of one run."""
        return _sampled_reach(1 / self.noise_multiplier, self.rate)

    def directions(self, relation: Relation, step: float) -> tuple[Loss, ...]:
        """One run's losses, in each direction."""
        if self.rate < 1 and relation is not Relation.ADD_OR_REMOVE_ONE:
            raise PlanError(
                "sampled Laplace noise is accounted for only between units that are "
                "added or removed"
            )
        centre = 1 / self.noise_multiplier

        def place(loss: Reals) -> Reals:
            # |x| - |x - c| ascends from -c to c, and is flat beyond.
            inside = (loss + centre) / 2
            return np.where(loss < -centre, -np.inf, np.where(loss >= centre, np.inf, inside))

        grid = Grid(_Laplace(), centre + 1, self.reach(), step)
        return _sampled(grid, centre, self.rate, place)


@dataclass(frozen=True)
class ShiftedDiscreteLaplace:
    """Discrete Laplace noise on whole numbers; P[x] ∝ e^(-a|x|).

    Attributes:
        rate: a.
        sensitivity: How far neighbouring sums lie apart, in L1.
        count: How often.
    """

    rate: float
    sensitivity: int
    count: int

    @property
    def epsilon(self) -> float:
        """The largest loss, in nats."""
        return self.rate * self.sensitivity

    def deviation(self) -> float:
        """About the standard deviation of one run's loss."""
        return self.epsilon

    def reach(self) -> float:
        """The largest loss of one run."""
        return self.epsilon

    def directions(self, relation: Relation, step: float) -> tuple[Loss, ...]:
        """One run's losses, the same in both directions."""
        a, moved = self.rate, float(self.sensitivity)

        def place(loss: Reals) -> Reals:
            # a·(|x| - |x - s|) at whole x, from -as to as.
            inside = np.floor((loss / a + moved) / 2)
            return np.where(loss < -a * moved, -np.inf, np.where(loss >= a * moved, np.inf, inside))

        grid = Grid(_DiscreteLaplace(a), moved + 1, self.reach(), step)
        return (grid.loss([(1.0, moved)], [(1.0, 0.0)], place),)


@dataclass(frozen=True)
class PureResponse:
    """Randomised response: loss ε, 0 or -ε; with two buckets it dominates every ε-DP mechanism.

    Attributes:
        epsilon: ε.
        neither: The probability of an answer that is equally likely for both inputs.
        count: How often.
    """

    epsilon: float
    neither: float
    count: int

    def deviation(self) -> float:
        """About the standard deviation of one run's loss."""
        return self.epsilon * math.sqrt(1 - self.neither)

    def reach(self) -> float:
        """The largest loss of one run."""
        return self.epsilon

    def directions(self, relation: Relation, step: float) -> tuple[Loss, ...]:
        """One run's losses, the same in both directions."""
        told = (1 - self.neither) / (1 + math.exp(-self.epsilon))
        losses = np.array([-self.epsilon, 0.0, self.epsilon])
        p = np.array([told * math.exp(-self.epsilon), self.neither, told])
        places = np.floor(losses / step).astype(np.int64)
        # Each atom between its neighbours on the grid, so that its mass under Q stays too.
        up = np.clip(np.expm1(places * step - losses) / math.expm1(-step), 0.0, 1.0) * p
        points, at = np.unique(np.concatenate([places, places + 1]), return_inverse=True)
        mass = np.asarray(np.bincount(at, np.concatenate([p - up, up])), np.float64)
        return (Loss(points, mass, 0.0),)


@dataclass(frozen=True)
class TruncatedGaussian:
    """A sampled Gaussian whose batches are cut off at a size, at random.

    Attributes:
        units: How many units there are.
        rate: q.
        batch: The largest batch.
        noise_multiplier: z, σ ÷ the bound on one unit's contribution.
        count: How often.
    """

    units: int
    rate: float
    batch: int
    noise_multiplier: float
    count: int

    @property
    def epsilon(self) -> float:
        """∞: the loss has no upper bound."""
        return math.inf

    def deviation(self) -> float:
        """About the standard deviation of one run's loss."""
        return max(run.deviation() for _, run in self._parts(Relation.ADD_OR_REMOVE_ONE))

    def reach(self) -> float:
        """At least the largest loss that a run's grid reaches."""
        return max(run.reach() for _, run in self._parts(Relation.REPLACE_ONE))

    def directions(self, relation: Relation, step: float) -> tuple[Loss, ...]:
        """One run's losses, in each direction."""
        (full, displaced), (rest, sampled) = self._parts(relation)
        twice = displaced.directions(Relation.REPLACE_ONE, step)[0]
        once = sampled.directions(relation, step)
        return tuple(_mixed([(full, twice), (rest, loss)]) for loss in once)

    @property
    def never_full(self) -> bool:
        """Whether nothing is ever cut off."""
        return self._full == 0

    @property
    def _full(self) -> float:
        """With what probability the other units fill a batch."""
        return float(scipy.stats.binom.sf(self.batch - 1, self.units - 1, self.rate))

    def _parts(
        self, relation: Relation
    ) -> tuple[tuple[float, SampledGaussian], tuple[float, SampledGaussian]]:
        z, full = self.noise_multiplier, self._full
        sampled = sampled_gaussian(self.rate, z, relation)
        # With what probability a unit is in, given that the batch is full.
        within = (
            float(scipy.stats.binom.sf(self.batch, self.units, self.rate))
            * self.batch
            / self.units
            / full
        )
        displaced = sampled_gaussian(min(1.0, within), z / 2, Relation.REPLACE_ONE)
        return (full, displaced), (1 - full, sampled)


def sampled_gaussian(rate: float, noise_multiplier: float, relation: Relation) -> SampledGaussian:
    """One sampled Gaussian, relative to the bound on one unit's contribution also at rate 1.

    If every unit is in, replacing one moves the sum by twice the bound.
    """
    twice = rate == 1 and relation is Relation.REPLACE_ONE
    return SampledGaussian(rate, noise_multiplier / 2 if twice else noise_multiplier, 1)


def _mixed(parts: Sequence[tuple[float, Loss]]) -> Loss:
    """A loss drawn from several: knowing which one it is makes no loss smaller."""
    parts = [(weight, loss) for weight, loss in parts if weight > 0]
    points, at = np.unique(np.concatenate([loss.points for _, loss in parts]), return_inverse=True)
    mass = np.bincount(at, np.concatenate([weight * loss.mass for weight, loss in parts]))
    whole = np.asarray(mass, np.float64)
    return Loss(points, whole, math.fsum(weight * loss.infinite for weight, loss in parts))


@dataclass(frozen=True)
class Grid:
    """The grid of losses of a kind of noise.

    Attributes:
        noise: The kind.
        far: Beyond ±far the loss is flat, or nothing is distinguished.
        reach: The largest loss.
        step: Between two points.
    """

    noise: _Noise
    far: float
    reach: float
    step: float

    def loss(self, upper: Mixture, lower: Mixture, place: Callable[[Reals], Reals]) -> Loss:
        """Connects the dots of the pair (upper, lower), whose loss ascends in x.

        Args:
            upper: P.
            lower: Q.
            place: The largest x whose loss is at most a value.
        """
        highest = math.ceil(self.reach / self.step) + 2
        points = graded(highest)
        x = place(np.asarray(points * self.step, np.float64))
        # One more at both ends, at ±∞ if there is no such loss: dots beyond the range connect too.
        low = int(np.searchsorted(x, -self.far, side="right")) - 1
        high = int(np.searchsorted(x, self.far, side="left"))
        if low < 0 or high >= len(x):
            raise PlanError(
                f"a loss of more than {self.reach:g} nats in one run does not fit the grid; "
                "account for more noise"
            )
        points, x = points[low : high + 1], x[low : high + 1]
        return connect_dots(
            points,
            self._between(upper, x),
            self._between(lower, x),
            step=self.step,
            below=float(sum(w * self.noise.below(x[:1] - c)[0] for w, c in upper)),
            above=float(sum(w * self.noise.above(x[-1:] - c)[0] for w, c in upper)),
        )

    def _between(self, mixture: Mixture, x: Reals) -> Reals:
        """A mixture's mass between neighbours of ascending x, accurate in both tails."""
        total: Reals = np.zeros(len(x) - 1)
        for weight, centre in mixture:
            below, above = self.noise.below(x - centre), self.noise.above(x - centre)
            right = below[:-1] > above[:-1]
            total += weight * np.where(right, above[:-1] - above[1:], below[1:] - below[:-1])
        return np.maximum(total, 0.0)


def _sampled(
    grid: Grid, centre: float, rate: float, place: Callable[[Reals], Reals]
) -> tuple[Loss, ...]:
    """Losses of noise around `centre` or 0 over a sample, for units added or removed."""
    if rate == 1:
        return (grid.loss([(1.0, centre)], [(1.0, 0.0)], place),)
    out = (1 - rate, 0.0)

    def added(loss: Reals) -> Reals:
        # log((e^loss - (1 - q)) / q): for losses near zero without the cancellation.
        reached = loss > math.log1p(-rate)
        small, large = np.minimum(loss, 1.0), np.maximum(loss, 1.0)
        near = np.log1p(np.where(reached, np.maximum(np.expm1(small) / rate, -1 + 1e-16), 0.0))
        far = large + np.log1p((rate - 1) * np.exp(-large)) - math.log(rate)
        return np.where(reached, place(np.where(loss > 1, far, near)), -np.inf)

    gone = grid.loss([out, (rate, centre)], [(1.0, 0.0)], added)
    come = grid.loss([(1.0, 0.0)], [out, (rate, -centre)], lambda loss: -added(-loss))
    return gone, come


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


def _sampled_reach(top: float, rate: float) -> float:
    """The largest loss under sampling, if it is `top` without."""
    if rate == 1:
        return top
    # log((1 - q) + q·e^top) of P's own side, and as much again between replaced units.
    return float(np.logaddexp(math.log1p(-rate), math.log(rate) + top)) - 2 * math.log1p(-rate)


def sampled_epsilon(epsilon: float, rate: float, relation: Relation) -> float:
    """ε of an ε-DP mechanism, for units added or removed, over a sample of rate q.

    log(1 - q + q·e^ε) between units that are added or removed (Balle, Barthe and Gaboardi 2018,
    Theorem 8). Between replaced units both sides are mixtures with what the rest of the sample
    gives, whose likelihoods lie within e^±ε of it: log((1 - q + q·e^ε)/(1 - q + q·e^-ε)).
    """
    grown = float(np.log1p(rate * np.expm1(epsilon))) if epsilon < 30 else _grown(epsilon, rate)
    if relation is Relation.ADD_OR_REMOVE_ONE:
        return grown
    return grown - math.log1p(rate * math.expm1(-epsilon))


def _grown(epsilon: float, rate: float) -> float:
    return epsilon + math.log(rate + (1 - rate) * math.exp(-epsilon))
