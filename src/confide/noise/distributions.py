"""Discrete Gaussian and discrete Laplace noise on the integers, sampled exactly.

Noise in floating point reveals what it should hide: the gaps between the numbers that it can
produce, and the size of the last bit, depend on the value it is added to (Mironov 2012;
opendp/opendp#414). Noise on a lattice has neither. Here the samples have exactly the stated
probabilities: `confide.noise.table` and `confide.noise.reference` give the proof.

How long sampling takes depends on the law, on the number of samples and on the noise drawn, never
on what the noise will be added to.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from numbers import Integral
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.errors import PlanError
from confide.noise.kernel import Backend, sample
from confide.noise.law import FARTHEST, Law
from confide.noise.moments import log_normaliser
from confide.numbers import as_float, check_real, check_whole, exact, is_number
from confide.randomness import SecureRandom

__all__ = ["LARGEST_SCALE", "LEAST_SCALE", "DiscreteGaussian", "DiscreteLaplace", "DiscreteNoise"]

LEAST_SCALE: Final = Fraction(1, 10)
LARGEST_SCALE: Final = Fraction(2**40)

_MOST_SAMPLES: Final = 1 << 40
_LONGEST_FRACTION_BITS: Final = 512
_UP: Final = 1 + 2.0**-40
"""Covers the rounding of the few floating-point operations in a tail bound."""


@dataclass(frozen=True)
class DiscreteNoise(ABC):
    """Noise on the integers: P[X = x] ∝ exp(-E(|x|)) for |x| ≤ bound.

    Attributes:
        scale: Standard deviation σ of a Gaussian without bound, b of a Laplace, in lattice steps;
            from 0.1 to 2^40, taken for the rational number that it is.
        bound: The largest |x|, if it is not None: the distribution is conditioned on it. Without
            one, samples beyond 2^61, which have a probability below exp(-2^20), are drawn again.

    Raises:
        PlanError: If the scale or the bound is not such a number.
    """

    scale: float | Fraction
    bound: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", _checked_scale(self.scale))
        object.__setattr__(self, "bound", _checked_bound(self.bound))

    @property
    @abstractmethod
    def law(self) -> Law:
        """The distribution, as the samplers take it."""

    @abstractmethod
    def tail(self, t: int) -> float:
        """An upper bound of P[|X| ≥ t]."""

    def sample(
        self, size: int, random: SecureRandom, *, backend: Backend | None = None
    ) -> NDArray[np.int64]:
        """Draws independent samples. Memory is that of the answer and less than 2 MiB more.

        Args:
            size: How many.
            random: Gives the 32 bytes of the key that the samples are made of, and 32 more in one
                of 2^39 samples.
            backend: Which code draws; the fastest installed if None. All draw the same samples.

        Returns:
            (size,) int64, in lattice steps.

        Raises:
            PlanError: If the size is negative, the source is one of numpy's generators, or the
                kernel is asked for and not installed.
            DataError: If the source does not give the bytes asked for.
        """
        size = check_whole(
            "size", size, least=0, most=_MOST_SAMPLES,
            limit="ask for a whole number of samples, 0 or more, at most 2^40",
        )  # fmt: skip
        return sample(self.law, size, random, backend)

    def log_pmf(self, x: ArrayLike) -> NDArray[np.float64]:
        """The logarithm of P[X = x] in floating point, for analysis: no sample depends on it.

        Args:
            x: Integers of any shape.

        Raises:
            PlanError: If x holds anything but integers.

        Returns:
            An array of the same shape; -inf beyond the bound.
        """
        at = np.asarray(x)
        if at.dtype.kind not in "iu":
            raise PlanError(f"a probability at {at.dtype} values; the noise is on the integers")
        magnitude = np.abs(at.astype(np.float64))
        law = self.law
        energy = (float(law.quadratic) * magnitude + float(law.linear)) * magnitude
        value: NDArray[np.float64] = np.where(
            magnitude <= law.bound, -energy - self._log_normaliser, -np.inf
        )
        return value

    def pmf(self, x: ArrayLike) -> NDArray[np.float64]:
        """P[X = x] in floating point, for analysis and tests.

        Args:
            x: Integers of any shape.
        """
        value: NDArray[np.float64] = np.exp(self.log_pmf(x))
        return value

    def quantile_bound(self, log2_probability: float) -> int:
        """The least t for which `tail` proves P[|X| > t] ≤ 2^log2_probability.

        Args:
            log2_probability: For example -60; negative, down to -1000.

        Raises:
            PlanError: If it is not.

        Example:
            >>> DiscreteGaussian(10).quantile_bound(-40)
            75
        """
        check_real(
            "log2_probability", log2_probability, least=-1000, below=0,
            limit="it lies between -1000 and 0: -60 is for a probability of 2^-60",
        )  # fmt: skip
        allowed = 2.0**log2_probability
        return _least(lambda t: self.tail(t + 1) <= allowed)

    @property
    def _exact(self) -> Fraction:
        return Fraction(self.scale)

    @cached_property
    def _log_normaliser(self) -> float:
        return log_normaliser(self.law, float(self.scale))


@dataclass(frozen=True)
class DiscreteGaussian(DiscreteNoise):
    """P[X = x] ∝ exp(-x²/2σ²) on the integers.

    Its variance is at most σ², and it gives what the continuous Gaussian of the same σ gives in
    concentrated differential privacy (Canonne, Kamath and Steinke 2020, Theorem 4 and Corollary 9,
    arXiv 2004.00010).

    Example:
        >>> from confide.randomness import SystemRandom
        >>> DiscreteGaussian(1000.5).sample(3, SystemRandom()).dtype
        dtype('int64')
        >>> DiscreteGaussian(0).sample(3, SystemRandom())
        Traceback (most recent call last):
            ...
        confide.errors.PlanError: scale is 0; it is a number of lattice steps from 0.1 to 2^40
    """

    @cached_property
    def law(self) -> Law:
        """The distribution with q = 1/2σ² and l = 0."""
        return Law.of(
            quadratic=1 / (2 * self._exact**2),
            linear=Fraction(0),
            scale=self._exact,
            bound=self.bound,
        )

    def tail(self, t: int) -> float:
        """P[|X| ≥ t] ≤ 2·exp(-t²/2σ²), rounded up.

        Sub-Gaussian by Canonne, Kamath and Steinke 2020, Corollary 17. A bound only makes it less:
        (p - q)/(1 - q) ≤ p.

        Args:
            t: In lattice steps.

        Example:
            >>> DiscreteGaussian(1).tail(6) < 4e-8
            True
        """
        if (
            check_whole(
                "t", t, least=-FARTHEST, most=1 << 70, limit="a whole number of lattice steps"
            )
            <= 0
        ):
            return 1.0
        if self.bound is not None and t > self.bound:
            return 0.0
        exponent = float(-self.law.energy(t))
        # Below the range of floats an upper bound is the least positive one, not zero.
        return min(1.0, max(2 * math.exp(exponent * (1 - 2.0**-40)) * _UP, math.ulp(0.0)))


@dataclass(frozen=True)
class DiscreteLaplace(DiscreteNoise):
    """P[X = x] ∝ exp(-|x|/b) on the integers, the two-sided geometric distribution.

    For queries of sensitivity Δ steps it gives Δ/b differential privacy (Ghosh, Roughgarden and
    Sundararajan 2009).

    Example:
        >>> from confide.randomness import SystemRandom
        >>> int(abs(DiscreteLaplace(4, bound=9).sample(1000, SystemRandom())).max()) <= 9
        True
    """

    @cached_property
    def law(self) -> Law:
        """The distribution with q = 0 and l = 1/b."""
        return Law.of(
            quadratic=Fraction(0),
            linear=1 / self._exact,
            scale=self._exact,
            bound=self.bound,
        )

    def tail(self, t: int) -> float:
        """P[|X| ≥ t], rounded up: 2·(p^t - p^(B+1)) / (1 + p - 2·p^(B+1)), where p = exp(-1/b).

        Args:
            t: In lattice steps.

        Example:
            >>> round(DiscreteLaplace(1).tail(1), 4)  # 2/(1 + e)
            0.5379
        """
        if (
            check_whole(
                "t", t, least=-FARTHEST, most=1 << 70, limit="a whole number of lattice steps"
            )
            <= 0
        ):
            return 1.0
        if self.bound is not None and t > self.bound:
            return 0.0
        b = float(self.scale)
        left = 1.0 if self.bound is None else -math.expm1((t - self.bound - 1) / b)
        # 1 + p - 2·cut as a sum of terms that do not cancel.
        whole = -math.expm1(-1 / b) + 2 * math.exp(-1 / b) * _all_but(self.bound, b)
        value = 2 * math.exp(-t / b * (1 - 2.0**-40)) * left / whole
        return min(1.0, max(value * _UP, math.ulp(0.0)))


def _all_but(bound: int | None, scale: float) -> float:
    """1 - p^B, without cancellation."""
    return 1.0 if bound is None else -math.expm1(-bound / scale)


def _checked_scale(scale: object) -> float | Fraction:
    refused = PlanError(f"scale is {scale}; it is a number of lattice steps from 0.1 to 2^40")
    if isinstance(scale, Decimal):
        scale = exact(scale)
    if not is_number(scale):
        raise PlanError(
            f"scale is {scale!r}, of type {type(scale).__name__}; it takes a number of lattice "
            "steps"
        )
    if isinstance(scale, Integral):
        scale = Fraction(int(scale))
    elif not isinstance(scale, Fraction):
        scale = as_float(scale)
        if not math.isfinite(scale):
            raise refused
    if not LEAST_SCALE <= scale <= LARGEST_SCALE:
        raise refused
    bits = Fraction(scale).denominator.bit_length()
    if bits > _LONGEST_FRACTION_BITS:
        raise PlanError(
            f"scale has a denominator of {bits:,} bits; at most {_LONGEST_FRACTION_BITS} are "
            "computed with: round it up, with Fraction.limit_denominator or to a float"
        )
    return scale


def _checked_bound(bound: object) -> int | None:
    if bound is None:
        return None
    if isinstance(bound, bool) or not isinstance(bound, Integral):
        raise PlanError(
            f"bound is {bound!r}, of type {type(bound).__name__}; it takes a whole number of "
            "lattice steps, or None"
        )
    if not 1 <= int(bound) <= FARTHEST:
        raise PlanError(
            f"bound is {bound}; it lies between 1 and 2^61 lattice steps: leave it out for noise "
            "without one"
        )
    return int(bound)


def _least(holds: Callable[[int], bool]) -> int:
    """The least t ≥ 0 for which a condition holds that holds from there on."""
    high = 1
    while not holds(high):
        high *= 2
    low = -1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
