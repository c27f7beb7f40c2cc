"""Mixtures of Gaussians: sums that move by a random distance.

With probability p_i a unit moves a sum by a vector u_i of length at most c_i, on top of Gaussian
noise N. Examples are a group of k units of which Binomial(k, q) are in a secret sample, and one
person who is at P parties, each of which draws its own coin about that person.

Only lengths matter, and the worst case is that all vectors point in one direction. Let S be any set
of outputs and s = P[N ∈ S]. By the Neyman-Pearson lemma Φ(Φ⁻¹(s) - c) ≤ P[N + u ∈ S] ≤ Φ(Φ⁻¹(s) +
c) for every u of length at most c, and a half-line of mass s reaches both ends at once. So the
pairs

- (Σ p_i·(N + c_i), N) and back, between units that are added or removed, and
- (Σ p_i·(N + c_i), Σ p_i·(N - c_i)), between units that are replaced, where the p_i on both sides
  are those of the same coins,

dominate the vector-valued mechanism (the first is in Choquette-Choo, Ganesh, Steinke and Thakurta
2024, "Privacy amplification for matrix mechanisms", §4). Larger c_i give a larger pair, by the same
lines, so distances may be rounded up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

import numpy as np
import scipy

from confide.errors import PlanError
from confide.plan import Relation
from confide.privacy.accounting.losses import Loss, Reals, grid_step
from confide.privacy.accounting.pairs import REACH, Grid, Mixture, StandardNormal

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = ["MixedGaussian", "binomial_mixture"]

_STEEP: Final = 50.0
_TABLE: Final = 8193
_BLOCK: Final = 1 << 14

_MOST_PARTS: Final = 128
"""The most distances that are kept apart; if there are more, adjacent ones are rounded up to the
larger."""

_MOST_SUMMED: Final = 1024
"""The same for Rényi divergences, from which no distance is cut off."""

_NEGLIGIBLE: Final = 1e-40
"""The largest distances that together have this probability count as lost: δ grows by it."""

_SPACING: Final = 0.25
_FARTHEST: Final = 2000.0
"""How far out Rényi integrals are summed, in standard deviations; beyond they are bounded."""


_LossAt = Callable[[Reals], tuple[Reals, Reals]]
"""A loss and its derivative at points x."""


def binomial_mixture(rate: float, noise_multiplier: float, copies: int) -> DpEvent:
    """The event of Binomial(k, q) copies of one contribution.

    Args:
        rate: q, the probability that a copy is in the sum, each by its own coin.
        noise_multiplier: σ ÷ the bound on one copy.
        copies: k.

    Returns:
        A mixture with the distances 0 to k. Distances whose probability is less than the smallest
        float are left out, and the missing probability above them is added to the largest.

    Example:
        >>> event = binomial_mixture(0.5, 4.0, 2)
        >>> [round(p, 9) for p in event.sampling_probs], event.sensitivities
        ([0.25, 0.5, 0.25], [0.0, 1.0, 2.0])
    """
    from dp_accounting import dp_event

    chances = scipy.stats.binom.pmf(np.arange(copies + 1), copies, rate)
    kept = np.flatnonzero(chances)
    distances, probabilities = [float(i) for i in kept], [float(p) for p in chances[kept]]
    return dp_event.MixtureOfGaussiansDpEvent(noise_multiplier, distances, probabilities)


@dataclass(frozen=True)
class MixedGaussian:
    """A mixture of Gaussians: at which of some distances a sum moves is drawn by chance.

    Attributes:
        standard_deviation: σ.
        distances: c_i ≥ 0.
        probabilities: p_i, which add up to 1.
        count: How often.
    """

    standard_deviation: float
    distances: tuple[float, ...]
    probabilities: tuple[float, ...]
    count: int

    def __post_init__(self) -> None:
        fits = len(self.distances) == len(self.probabilities) > 0
        if not fits or min(self.distances) < 0 or max(self.distances) == 0:
            raise PlanError("a mixture of Gaussians needs as many distances as probabilities, "
                            "none negative, at least one above 0")  # fmt: skip
        if min(self.probabilities) < 0 or abs(math.fsum(self.probabilities) - 1) > 1e-9:
            raise PlanError(
                f"the probabilities of a mixture add up to {math.fsum(self.probabilities)}; they "
                "are at least 0 and add up to 1"
            )

    @property
    def epsilon(self) -> float:
        """∞: the loss has no upper bound."""
        return math.inf

    def deviation(self) -> float:
        """About the standard deviation of one run's loss."""
        weights, centres = _columns(self._parts[0])
        grown = np.expm1(np.minimum(np.outer(centres, centres), _STEEP))
        return min(float(centres.max()), math.sqrt(float(weights @ grown @ weights)))

    def reach(self) -> float:
        """At least the largest loss that a run's grid reaches."""
        parts, _ = self._parts
        far, least = parts[-1][1], _at_rest(parts)
        top = (REACH + 3 * far) * far
        # Towards the other side a loss is at most -log of the chance that nothing moves.
        return top + (1 - math.log(least) if least else top + far * far)

    def directions(self, relation: Relation, step: float) -> tuple[Loss, ...]:
        """One run's losses, in each direction."""
        parts, lost = self._parts
        return _losses(parts, lost, self.reach(), relation, step)

    def renyi(self, order: float) -> float:
        """D_α, the larger of both directions between units that are added or removed, from above.

        Args:
            order: α > 1.
        """
        low = math.floor(order)
        share = order - low
        # (α - 1)·D_α is convex in α and 0 at α = 1: between whole orders a chord bounds it.
        gone = (1 - share) * self._log_moment(low) + share * self._log_moment(low + 1)
        return max(gone / (order - 1), self._renyi_of_coming(order)) * (1 + 1e-9)

    def _log_moment(self, order: int) -> float:
        """Log E_N[R^n] of the likelihood ratio R = Σ p_i·e^(c_i·x - c_i²/2), for a whole n.

        φ·R^n is a sum of Gaussians of variance 1 with positive weights and centres between 0 and
        n·c. The trapezoidal rule with spacing h is off by less than 3·e^(-2π²/h²) of each, which is
        far below the last digit.
        """
        if order == 1:
            return 0.0
        weights, centres = _columns(_binned(_sorted(self), _MOST_SUMMED))
        far = order * float(centres.max())
        if far > _FARTHEST:
            return self._convex_bound(order)
        x = np.arange(-15.0, far + 15.0 + _SPACING, _SPACING)
        ratio = scipy.special.logsumexp(
            np.multiply.outer(x, centres) - centres**2 / 2 + np.log(weights), axis=-1
        )
        total = scipy.special.logsumexp(order * ratio - x**2 / 2) + math.log(
            _SPACING / math.sqrt(2 * math.pi)
        )
        return max(0.0, float(total)) + 1e-13

    def _convex_bound(self, order: float) -> float:
        """Log Σ p_i·e^(α(α-1)c_i²/2): more than the log moment of either direction (convexity)."""
        weights, centres = _columns(_binned(_sorted(self), _MOST_SUMMED))
        return float(
            scipy.special.logsumexp(order * (order - 1) / 2 * centres**2 + np.log(weights))
        )

    def _renyi_of_coming(self, order: float) -> float:
        """D_α(N‖Σ p_i·(N + c_i)) of the losses on a grid, which dominate it, if they are finite."""
        bound = self._convex_bound(order)
        least = _at_rest(self._parts[0])
        if not least:
            return bound / (order - 1)
        coming, step = _coming(self)
        losses = step * coming.points
        # Losses beyond the grid are at most -log of the probability that nothing moves.
        losses = np.append(losses, max(losses[-1], -math.log(least)))
        weights = np.append(coming.mass, coming.infinite)
        return min(bound, float(scipy.special.logsumexp((order - 1) * losses, b=weights))) / (
            order - 1
        )

    @property
    def _parts(self) -> tuple[Mixture, float]:
        """Weights and centres, ascending, without what is negligible; and what that weighs."""
        return _prepared(self.standard_deviation, self.distances, self.probabilities)


def _columns(parts: Mixture) -> tuple[Reals, Reals]:
    weights, centres = zip(*parts, strict=True)
    return np.array(weights), np.array(centres)


def _at_rest(parts: Mixture) -> float:
    """The probability that the sum does not move."""
    return math.fsum(p for p, c in parts if c == 0)


def _sorted(run: MixedGaussian) -> list[tuple[float, float]]:
    """Weights and centres, ascending in the centres; the least likely lowest ones are rounded up.

    Only centres above 0 are: that the sum does not move at all bounds the losses of one direction.
    """
    total = math.fsum(run.probabilities)
    pairs = sorted(zip(run.distances, run.probabilities, strict=True))
    parts = [(p / total, c / run.standard_deviation) for c, p in pairs if p > 0]
    still, moved = [p for p in parts if p[1] == 0], [p for p in parts if p[1] > 0]
    while len(moved) > 1 and moved[0][0] <= _NEGLIGIBLE:
        (weight, _), (more, centre) = moved[:2]
        moved[:2] = [(weight + more, centre)]
    return still + moved


def _binned(parts: list[tuple[float, float]], most: int) -> Mixture:
    """Reduces to at most so many distances above 0: adjacent ones are rounded up to the largest."""
    still, moved = [p for p in parts if p[1] == 0], [p for p in parts if p[1] > 0]
    width = max(1, math.ceil(len(moved) / most))
    bins = [moved[i : i + width] for i in range(0, len(moved), width)]
    return (*still, *((math.fsum(p for p, _ in each), each[-1][1]) for each in bins))


@lru_cache(maxsize=64)
def _prepared(
    deviation: float, distances: tuple[float, ...], probabilities: tuple[float, ...]
) -> tuple[Mixture, float]:
    parts = _sorted(MixedGaussian(deviation, distances, probabilities, 1))
    lost = 0.0
    while len(parts) > 1 and parts[-2][1] > 0 and lost + parts[-1][0] <= _NEGLIGIBLE:
        lost += parts.pop()[0]
    return _binned(parts, _MOST_PARTS), lost


@lru_cache(maxsize=64)
def _coming(run: MixedGaussian) -> tuple[Loss, float]:
    """Losses of N against the mixture, and the step of their grid."""
    step = grid_step((run,), 1e-2)
    return run.directions(Relation.ADD_OR_REMOVE_ONE, step)[1], step


@lru_cache(maxsize=32)
def _losses(
    parts: Mixture, lost: float, reach: float, relation: Relation, step: float
) -> tuple[Loss, ...]:
    """Losses of one run. What is cut off from a side can be told from the rest, at worst."""
    grid = Grid(StandardNormal(), REACH + 2 * parts[-1][1], reach, step)
    away = [(p, -c) for p, c in parts]
    if relation is Relation.REPLACE_ONE:
        replaced = partial(_log_ratio_of_replaced, parts)
        both = grid.loss(parts, away, lambda loss: _placed(replaced, loss, grid.far))
        return (_with_lost(both, lost),)
    ratio = partial(_log_ratio, parts)
    gone = grid.loss(parts, [(1.0, 0.0)], lambda loss: _placed(ratio, loss, grid.far))
    come = grid.loss([(1.0, 0.0)], away, lambda loss: -_placed(ratio, -loss, grid.far))
    return _with_lost(gone, lost), come


def _with_lost(loss: Loss, lost: float) -> Loss:
    return Loss(loss.points, loss.mass, loss.infinite + lost)


def _log_ratio(parts: Mixture, x: Reals) -> tuple[Reals, Reals]:
    """The logarithm of Σ p_i·e^(c_i·x - c_i²/2), which rises with x, and its derivative."""
    weights, centres = _columns(parts)
    terms = np.log(weights) + np.multiply.outer(x, centres) - centres**2 / 2
    top = terms.max(axis=-1)
    shares = np.exp(terms - top[:, None])
    total = shares.sum(axis=-1)
    return top + np.log(total), shares @ centres / total


def _log_ratio_of_replaced(parts: Mixture, x: Reals) -> tuple[Reals, Reals]:
    """The loss between replaced units, which is odd in x and rises, and its derivative."""
    ahead, slope = _log_ratio(parts, x)
    behind, back = _log_ratio(parts, -x)
    return ahead - behind, slope + back


def _placed(loss_at: _LossAt, loss: Reals, far: float) -> Reals:
    """Where a rising function has some values: -far or far where it is beyond them there."""
    table = np.linspace(-far, far, _TABLE)
    values = np.maximum.accumulate(loss_at(table)[0])
    found = np.where(loss < values[-1], -far, far)
    inside = np.flatnonzero((values[0] < loss) & (loss < values[-1]))
    for some in np.array_split(inside, 1 + len(inside) // _BLOCK):
        cell = np.searchsorted(values, loss[some])
        found[some] = _newton(loss_at, loss[some], table[cell - 1], table[cell])
    return np.asarray(found)


def _newton(loss_at: _LossAt, loss: Reals, low: Reals, high: Reals) -> Reals:
    """Newton's method within brackets, which shrink with every step; halved where it leaves one."""
    x = (low + high) / 2
    found, rest = x.copy(), np.arange(len(x))
    for _ in range(100):
        value, slope = loss_at(x)
        excess = value - loss
        low, high = np.where(excess <= 0, x, low), np.where(excess >= 0, x, high)
        found[rest] = x
        off = np.flatnonzero(np.abs(excess) > 4e-15 * (1 + np.abs(loss)))
        if len(off) == 0:
            break
        step = x - excess / np.maximum(slope, 1e-300)
        x = np.where((low < step) & (step < high), step, (low + high) / 2)
        rest, x, loss, low, high = rest[off], x[off], loss[off], low[off], high[off]
    return found
