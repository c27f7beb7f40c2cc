"""Sums, means and histograms of bounded values, with their sensitivity derived.

Each value is clamped and rounded to whole steps before it is added, so sums are exact whole numbers
and their sensitivity is that of the bounds: no rounding of a floating-point sum hides in it
(Casacuberta, Shoate, Vadhan and Wagaman 2022, arXiv 2207.10635).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.errors import DataError, PlanError
from confide.noise import DiscreteNoise
from confide.numbers import shown, units
from confide.plan import Relation
from confide.privacy.mechanisms.additive import noisy
from confide.privacy.mechanisms.bounds import Bounds
from confide.privacy.mechanisms.checks import check_declared
from confide.privacy.mechanisms.lattice import FARTHEST_STEPS, Steps
from confide.privacy.mechanisms.mechanism import Answer_co, OneShot
from confide.privacy.mechanisms.noises import AdditiveNoise
from confide.privacy.mechanisms.released import Estimate
from confide.randomness import SecureRandom

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = ["ClampedMean", "ClampedSum", "Histogram"]

_MOST_LOG2_VALUE: Final = 42
_ADDED_AT_ONCE: Final = 1 << 20
"""So many values below 2^42 steps add up within 64 bits."""


class NoisyQuery(OneShot[Answer_co]):
    """A query whose answer is a vector of whole steps with noise."""

    noise: AdditiveNoise

    @property
    @abstractmethod
    def _moves(self) -> tuple[int, ...]:
        """By how many steps neighbours' answers differ at most, in as many coordinates."""

    @property
    @abstractmethod
    def _coordinates(self) -> int:
        """How many coordinates the answer has."""

    @property
    def event(self) -> DpEvent:
        """What an accountant or a ledger charges for one release."""
        return self.noise.event(self._moves)

    @property
    def closeness(self) -> float:
        """Within how many nats of the event's the likelihoods of a release lie."""
        return self.noise.closeness(self._coordinates)

    @cached_property
    def drawn(self) -> DiscreteNoise:
        """The noise on each coordinate, in steps."""
        return self.noise.drawn_for(self.noise.norm(self._moves))


@dataclass(frozen=True, kw_only=True)
class BoundedQuery(NoisyQuery[Estimate[float]]):
    """A query over values within declared bounds.

    Attributes:
        lower: Smaller values count as it.
        upper: Larger values count as it.
        noise: What is added.
        relation: How neighbours differ.
        missing: What NaN counts as; None for an error.
    """

    lower: float
    upper: float
    noise: AdditiveNoise
    relation: Relation = Relation.ADD_OR_REMOVE_ONE
    missing: float | None = None

    @cached_property
    def _bounds(self) -> Bounds:
        return Bounds(self.lower, self.upper, self.missing)

    @property
    def _coordinates(self) -> int:
        return len(self._moves)


@dataclass(frozen=True, kw_only=True)
class ClampedSum(BoundedQuery):
    """The sum of values within declared bounds.

    One unit moves it by max(|lower|, |upper|) if it is added or removed, and by upper - lower
    if it is replaced.

    Args:
        lower: Smaller values count as it. Never found from the data.
        upper: Larger values count as it.
        noise: `LaplaceNoise(epsilon)` or `GaussianNoise(noise_multiplier)`.
        relation: How neighbours differ.
        missing: The value that replaces a missing one (NaN, or not a number); without it, that is
            an error.

    Raises:
        PlanError: If a bound is missing or a number out of range.

    Example:
        >>> from confide.privacy.mechanisms import GaussianNoise
        >>> total = ClampedSum(lower=0, upper=10, noise=GaussianNoise(4.0))
        >>> total.event
        GaussianDpEvent(noise_multiplier=4.0)
        >>> round(total.release([1.0, 2.5, 99.0]).standard_error, 2)
        40.0
    """

    def __post_init__(self) -> None:
        _check_declaration(self, "lower", "upper", "missing")
        farthest = max(abs(self._bounds.lower), abs(self._bounds.upper))
        if farthest / self.steps.size >= 2.0**_MOST_LOG2_VALUE:
            raise PlanError(
                f"lower is {self.lower} and upper {self.upper}; they lie much farther from zero "
                "than from each other: subtract a public constant from the values first"
            )
        _ = self.drawn

    @cached_property
    def steps(self) -> Steps:
        """The step that values are rounded to."""
        comes = self.relation is Relation.ADD_OR_REMOVE_ONE
        bounds = self._bounds
        apart = max(abs(bounds.lower), abs(bounds.upper)) if comes else bounds.upper - bounds.lower
        return self.noise.lattice(apart)

    def release(self, values: ArrayLike, *, random: SecureRandom | None = None) -> Estimate[float]:
        """Adds up, then adds noise.

        Args:
            values: (n,) numbers, one for each unit.
            random: The operating system's if it is omitted.

        Raises:
            DataError: If values are not numbers, or missing and it was not said what counts.
        """
        exact = _total(self.steps.nearest(self._bounds.clamp(values)))
        value, (low, high) = noisy(self.noise, self.drawn, self.steps, exact, random)
        error = self.noise.deviation(self.drawn) * self.steps.size
        return Estimate(float(value[0]), self, error, (float(low[0]), float(high[0])))

    @property
    def _moves(self) -> tuple[int, ...]:
        low, high = map(int, self.steps.nearest(np.array([self.lower, self.upper])))
        comes = self.relation is Relation.ADD_OR_REMOVE_ONE
        return (max(abs(low), abs(high)) if comes else high - low,)


@dataclass(frozen=True, kw_only=True)
class ClampedMean(BoundedQuery):
    """The mean of values within declared bounds, sum and count in one release.

    Where units are added or removed the count is secret, and both carry noise: a unit moves the sum
    of values measured from the middle of the bounds by half their distance at most, and the count
    by one. Where units are replaced the count is public and only the sum carries noise.

    Args:
        lower: Smaller values count as it. Never found from the data.
        upper: Larger values count as it.
        noise: `LaplaceNoise(epsilon)` or `GaussianNoise(noise_multiplier)`, of both together.
        relation: How neighbours differ.
        missing: The value that replaces a missing one (NaN, or not a number); without it, that is
            an error.

    Raises:
        PlanError: If a bound is missing or a number out of range.

    Example:
        >>> from confide.privacy.mechanisms import LaplaceNoise
        >>> mean = ClampedMean(lower=0, upper=100, noise=LaplaceNoise(1.0))
        >>> 69 < mean.release([70.0] * 10_000).value < 71
        True
    """

    def __post_init__(self) -> None:
        _check_declaration(self, "lower", "upper", "missing")
        _ = self.drawn

    def release(self, values: ArrayLike, *, random: SecureRandom | None = None) -> Estimate[float]:
        """Adds up and counts, then adds noise and divides.

        Args:
            values: (n,) numbers, one for each unit.
            random: The operating system's if it is omitted.

        Returns:
            The mean, within the bounds. The error and the interval are approximate (the delta
            method) if the count has noise; the interval is the whole range if the noise is larger
            than the count.

        Raises:
            DataError: If values are not numbers, or one is missing and `missing` was not declared;
            or there are none and the count is public.
        """
        clamped = self._bounds.clamp(values)
        public = self.relation is Relation.REPLACE_ONE
        if public and not len(clamped):
            raise DataError("the mean of no values; there is at least one")
        # From -1 to 1, so that a unit moves the sum by as many steps as the count.
        scaled = np.clip((clamped - self._middle) / self._half, -1.0, 1.0)
        exact = _total(self._lattice.nearest(scaled))
        if not public:
            exact = np.append(exact, _step_count(len(clamped), self._one))
        noised, _ = noisy(self.noise, self.drawn, self._lattice, exact, random)
        return self._mean(float(noised[0]), len(clamped) if public else float(noised[1]))

    def _mean(self, total: float, count: float) -> Estimate[float]:
        public = self.relation is Relation.REPLACE_ONE
        deviation = self.noise.deviation(self.drawn) * self._lattice.size
        reach = self.noise.reach(self.drawn) * self._lattice.size
        counted = max(count, 1.0)
        mean = min(max(total / counted, -1.0), 1.0)
        slope = 1.0 if public else math.hypot(1.0, mean)
        error, half_width = (slope * each / counted for each in (deviation, reach))
        if not public and count <= reach:
            error, half_width = 1.0, 2.0
        low, high = max(-1.0, mean - half_width), min(1.0, mean + half_width)
        value, low, high = (self._middle + self._half * each for each in (mean, low, high))
        return Estimate(value, self, self._half * error, (low, high))

    @property
    def _middle(self) -> float:
        return self.lower + self._half

    @property
    def _half(self) -> float:
        return self._bounds.upper / 2 - self._bounds.lower / 2

    @cached_property
    def _lattice(self) -> Steps:
        return self.noise.lattice(1.0)

    @property
    def _one(self) -> int:
        return 1 << -self._lattice.log2_size

    @property
    def _moves(self) -> tuple[int, ...]:
        comes = self.relation is Relation.ADD_OR_REMOVE_ONE
        return (self._one, self._one) if comes else (2 * self._one,)


@dataclass(frozen=True, kw_only=True)
class Histogram(NoisyQuery[Estimate[dict[Any, int]]]):
    """How many units have each of some known keys.

    Every key is released, also if nobody has it, because the list of keys would reveal who is
    there. Other values are not counted. One unit has one key, so it moves one count by one if it is
    added or removed, and two if it is replaced.

    Args:
        keys: The keys, known in advance. Never found from the data.
        noise: `LaplaceNoise(epsilon)` or `GaussianNoise(noise_multiplier)`.
        relation: How neighbours differ.

    Raises:
        PlanError: If there is no key, one twice, or a number is out of range.

    Example:
        >>> from confide.privacy.mechanisms import LaplaceNoise
        >>> votes = Histogram(keys=("yes", "no"), noise=LaplaceNoise(1.0))
        >>> votes.event
        DiscreteLaplaceDpEvent(noise_parameter=1.0, sensitivity=1)
        >>> counts = votes.release(["yes"] * 500 + ["maybe"]).value
        >>> counts["yes"] > 400 > counts["no"]
        True
    """

    keys: Sequence[Any]
    noise: AdditiveNoise
    relation: Relation = Relation.ADD_OR_REMOVE_ONE

    def __post_init__(self) -> None:
        if isinstance(self.keys, str | bytes) or not isinstance(self.keys, Iterable):
            raise PlanError(
                f"keys is {shown(self.keys)}; give a tuple of them, such as keys=('yes', 'no')"
            )
        object.__setattr__(self, "keys", tuple(self.keys))
        _check_declaration(self)
        if not self.keys or len(set(self.keys)) < len(self.keys):
            raise PlanError(
                f"{len(self.keys)} keys, {len(set(self.keys))} of them different; a histogram has "
                "at least one key, and each once"
            )
        if any(key != key for key in self.keys):  # noqa: PLR0124 - that is what NaN is
            raise PlanError("a key is NaN, which equals no value; count missing values as None")
        _ = self.drawn

    def release(
        self, values: Iterable[Any], *, random: SecureRandom | None = None
    ) -> Estimate[dict[Any, int]]:
        """Counts, then adds noise.

        Args:
            values: One for each unit. What is missing (NaN, `pandas.NA`) counts as the key None, if
                there is one.
            random: The operating system's if it is omitted.

        Raises:
            DataError: If they are not a sequence of one value for each unit. The message shows no
            value.

        Returns:
            Whole numbers by key, in the order of the keys. They may be negative; clipping them at
            zero would make sums of them too large.
        """
        places = {key: place for place, key in enumerate(self.keys)}
        counts = [0] * len(self.keys)
        for value in units(values, "the values"):
            place = _place(places, value)
            if place is not None:
                counts[place] += 1
        exact = np.array([_step_count(count, self._one) for count in counts])
        noised, (low, high) = noisy(self.noise, self.drawn, self._lattice, exact, random)
        error = self.noise.deviation(self.drawn) * self._lattice.size
        interval = self._by_key(np.floor(low)), self._by_key(np.ceil(high))
        return Estimate(self._by_key(np.rint(noised)), self, error, interval)

    def _by_key(self, counts: NDArray[np.float64]) -> dict[Any, int]:
        return dict(zip(self.keys, map(int, counts), strict=True))

    @cached_property
    def _lattice(self) -> Steps:
        return self.noise.lattice(1.0, whole=True)

    @property
    def _one(self) -> int:
        return 1 << -self._lattice.log2_size

    @property
    def _moves(self) -> tuple[int, ...]:
        comes = self.relation is Relation.ADD_OR_REMOVE_ONE
        return (self._one,) if comes else (self._one, self._one)

    @property
    def _coordinates(self) -> int:
        return len(self.keys)


def _place(places: Mapping[Any, int], value: Any) -> int | None:
    """The place where a value is counted; None if it is not a key, or cannot be one."""
    try:
        # NaN and NaT do not equal themselves, and whether pandas.NA does is NA.
        return places.get(value if value == value else None)  # noqa: PLR0124
    except Exception:  # noqa: BLE001 - no unit's value decides whether there is an error.
        return places.get(None) if type(value).__name__ == "NAType" else None


def _check_declaration(query: Any, *reals: str) -> None:
    """Checks bounds, noise and relation, and turns all numbers into floats."""
    if reals:
        Bounds(query.lower, query.upper, query.missing)
    check_declared(query, *reals)
    if not isinstance(query.noise, AdditiveNoise):
        raise PlanError(
            f"noise is {shown(query.noise)}; give LaplaceNoise(epsilon) or "
            "GaussianNoise(noise_multiplier)"
        )


def _total(steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """(1,): the exact sum, at most 2^61 from zero."""
    parts = (steps[at : at + _ADDED_AT_ONCE] for at in range(0, len(steps), _ADDED_AT_ONCE))
    total = sum(int(part.sum()) for part in parts)
    return np.array([min(max(total, -FARTHEST_STEPS), FARTHEST_STEPS)])


def _step_count(count: int, one: int) -> int:
    return min(count * one, FARTHEST_STEPS)
