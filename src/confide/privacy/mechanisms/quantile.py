"""Quantiles of bounded values, by the exponential mechanism over a fixed grid of answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.errors import PlanError
from confide.noise.stream import KeyStream
from confide.numbers import check_real
from confide.plan import Relation
from confide.privacy.mechanisms.bounds import Bounds
from confide.privacy.mechanisms.checks import check_confidence, check_declared, check_pure_epsilon
from confide.privacy.mechanisms.coins import below, exponential_choice
from confide.privacy.mechanisms.mechanism import OneShot, PureMechanism
from confide.privacy.mechanisms.released import Released
from confide.randomness import SecureRandom, SystemRandom

__all__ = ["Quantile"]

_MOST_CANDIDATES = 1 << 40


@dataclass(frozen=True, kw_only=True)
class Quantile(PureMechanism, OneShot[Released[float]]):
    """The value that a given share of the units lie below: ε-DP (Smith 2011, Algorithm 2).

    Candidates lie on a grid from `lower` to `upper`. Each scores minus the number of units by which
    it misses the rank that is asked for; many candidates score the same, so drawing takes about as
    long as sorting.

    Args:
        quantile: q, between 0 and 1; 0.5 for the median.
        lower: The least candidate; smaller values count as it. Never found from the data.
        upper: The largest; larger values count as it.
        resolution: The distance of candidates; upper - lower is as many of it, at most 2^40.
        epsilon: ε.
        relation: How neighbours differ.
        missing: The value that replaces a missing one (NaN, or not a number); without it, that is
            an error.

    Raises:
        PlanError: If a bound is missing or a number out of range.

    Example:
        >>> median = Quantile(quantile=0.5, lower=0, upper=100, resolution=1, epsilon=5.0)
        >>> 45 <= median.release(range(100)).value <= 55
        True
    """

    quantile: float
    lower: float
    upper: float
    resolution: float
    epsilon: float
    relation: Relation = Relation.ADD_OR_REMOVE_ONE
    missing: float | None = None

    def __post_init__(self) -> None:
        check_pure_epsilon(self.epsilon)
        check_real("quantile", self.quantile, above=0, below=1, limit="it lies between 0 and 1")
        check_real(
            "resolution",
            self.resolution,
            above=0,
            below=math.inf,
            limit="it is a positive distance",
        )
        _ = self._bounds
        check_declared(self, "epsilon", "quantile", "resolution", "lower", "upper")
        width = self._bounds.upper - self._bounds.lower
        if width < self.resolution or width / self.resolution > _MOST_CANDIDATES:
            raise PlanError(
                f"resolution is {self.resolution:g} between {self.lower:g} and {self.upper:g}; it "
                f"divides them into 1 to 2^40 parts: from {width / _MOST_CANDIDATES:.3g} to "
                f"{width:.3g}"
            )

    def release(self, values: ArrayLike, *, random: SecureRandom | None = None) -> Released[float]:
        """Draws a candidate.

        Args:
            values: (n,) numbers, one for each unit.
            random: The operating system's if it is omitted.

        Returns:
            A candidate; on no values, any.

        Raises:
            DataError: If values are not numbers, or missing and it was not said what counts.
        """
        clamped = self._bounds.clamp(values)
        places = np.rint((clamped - self.lower) / self.resolution).astype(np.int64)
        places = np.sort(np.clip(places, 0, self._last))
        first, last, scores = self._runs(places)
        stream = KeyStream(SystemRandom() if random is None else random)
        run = exponential_choice(last - first + 1, scores.max() - scores, self._rate, stream)
        place = int(first[run]) + below(int(last[run] - first[run]) + 1, stream)
        return Released(min(self.lower + place * self.resolution, self.upper), self)

    def rank_error(self, confidence: float = 0.95) -> float:
        """By how many units the rank of an answer is off at most, so often: a bound.

        Args:
            confidence: Between 0 and 1.

        Raises:
            PlanError: If it is not.
        """
        check_confidence(confidence)
        parts = math.log((self._last + 1) / (1 - confidence)) / float(self._rate)
        return parts / self._share.denominator

    @cached_property
    def _bounds(self) -> Bounds:
        return Bounds(self.lower, self.upper, self.missing)

    @cached_property
    def _last(self) -> int:
        return math.floor((self.upper - self.lower) / self.resolution + 1e-9)

    @cached_property
    def _share(self) -> Fraction:
        """The quantile as a/b, to a millionth: scores are whole numbers of bths of a unit."""
        return Fraction(self.quantile).limit_denominator(10**6)

    @cached_property
    def _rate(self) -> Fraction:
        """ε/2Δ. Adding a unit moves b·rank - a·n by -a or b - a; replacing one moves it by b."""
        a, b = self._share.as_integer_ratio()
        comes = self.relation is Relation.ADD_OR_REMOVE_ONE
        return Fraction(self.epsilon) / (2 * (max(a, b - a) if comes else b))

    def _runs(
        self, places: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Runs of candidates that score the same: the first, the last, and the score.

        A candidate with L values below it and R below or at it misses the rank t = qn by
        max(0, L - t, t - R).
        """
        taken, counts = np.unique(places, return_counts=True)
        ranks = np.concatenate([[0], np.cumsum(counts)])
        # Each place that is taken, and each gap between two of them, or an end and one.
        first = np.concatenate([taken, [0], taken + 1])
        last = np.concatenate([taken, taken - 1, [self._last]])
        a, b = self._share.as_integer_ratio()
        at_least = np.concatenate([ranks[:-1], ranks]) * b - a * len(places)
        at_most = np.concatenate([ranks[1:], ranks]) * b - a * len(places)
        scores = -np.maximum(np.maximum(at_least, -at_most), 0)
        some = last >= first
        return first[some], last[some], scores[some]
