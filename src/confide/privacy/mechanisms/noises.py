"""The two kinds of noise that a query can be given, by the guarantee that they buy."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from confide.errors import PlanError
from confide.noise import LARGEST_SCALE, DiscreteGaussian, DiscreteLaplace, DiscreteNoise
from confide.numbers import check_real
from confide.privacy.accounting.shares import ROUNDING_STEPS, sum_of_shares
from confide.privacy.mechanisms.checks import check_declared, check_pure_epsilon
from confide.privacy.mechanisms.lattice import Steps, log2_step
from confide.privacy.mechanisms.mechanism import pure_event

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = ["AdditiveNoise", "GaussianNoise", "LaplaceNoise"]

_WANTED_LOG2_STEPS: Final = 20
"""Steps to a sensitivity: rounding to them is far below what the noise does to an answer."""
_LEAST_LOG2_STEPS: Final = 7
"""With fewer, counting the rounding in would cost more than one part in a hundred of noise."""
_LEAST_MULTIPLIER: Final = 2.0**-14
_UP: Final = 1 + 2.0**-40
"""Covers the rounding of the few floating-point operations on the way to a scale."""


class AdditiveNoise(ABC):
    """Noise on a sum, in proportion to how far one unit moves the sum."""

    @property
    @abstractmethod
    def relative_scale(self) -> float:
        """The noise's scale ÷ the sensitivity."""

    @abstractmethod
    def norm(self, moves: Sequence[int]) -> float:
        """How far neighbours lie apart that differ by so much in as many coordinates."""

    @abstractmethod
    def rounding(self, size: int) -> float:
        """By how many steps rounding moves two answers apart, in this noise's norm."""

    @abstractmethod
    def drawn_for(self, norm: float) -> DiscreteNoise:
        """The noise on each coordinate.

        Args:
            norm: How far neighbours lie apart, in steps.
        """

    @abstractmethod
    def event(self, moves: Sequence[int] | None = None) -> DpEvent:
        """The event for accounting.

        Args:
            moves: By how many steps neighbours differ in each coordinate; empty if the number of
                coordinates is unknown.
        """

    @abstractmethod
    def closeness(self, size: int) -> float:
        """Within how many nats of the event's the likelihoods of this noise lie."""

    @abstractmethod
    def deviation(self, drawn: DiscreteNoise) -> float:
        """At least the standard deviation of what is drawn, in steps."""

    @abstractmethod
    def reach(self, drawn: DiscreteNoise) -> float:
        """The bound, in steps, that 95 of 100 draws stay within."""

    def lattice(self, sensitivity: float, *, size: int = 1, whole: bool = False) -> Steps:
        """The lattice that answers are rounded to.

        Args:
            sensitivity: How far one unit moves the answer, in its units.
            size: How many coordinates are rounded.
            whole: Whether answers are whole numbers; then they all lie on it.

        Raises:
            PlanError: If the sensitivity is out of range, or the noise too much for any lattice.
        """
        exponent = log2_step(sensitivity, self._log2_steps(size))
        return Steps(min(0, exponent) if whole else exponent)

    def _log2_steps(self, size: int) -> int:
        """Into how many steps a sensitivity is divided, as a power of two."""
        least = _LEAST_LOG2_STEPS + math.ceil(math.log2(self.rounding(size)))
        # One bit is left for rounding, and one for adding up several coordinates' moves.
        most = math.floor(math.log2(LARGEST_SCALE) - math.log2(self.relative_scale)) - 2
        if most < least:
            raise PlanError(
                f"{self}: noise of {self.relative_scale:.3g} times the sensitivity, and at most "
                f"{2.0 ** -(least + 2) * float(LARGEST_SCALE):.3g} times fits a lattice at size "
                f"{size:,}: ask for less noise"
            )
        return min(max(_WANTED_LOG2_STEPS, least), most)


@dataclass(frozen=True)
class LaplaceNoise(AdditiveNoise):
    """Discrete Laplace noise: ε-DP.

    The scale is the L1 sensitivity ÷ ε (Dwork, McSherry, Nissim and Smith 2006, Proposition 1; on
    the integers Ghosh, Roughgarden and Sundararajan 2009).

    Attributes:
        epsilon: ε, up to 500.

    Raises:
        PlanError: If ε is out of range.
    """

    epsilon: float

    def __post_init__(self) -> None:
        check_pure_epsilon(self.epsilon)
        check_declared(self, "epsilon")

    @property
    def relative_scale(self) -> float:
        """1/ε."""
        return 1 / self.epsilon

    def norm(self, moves: Sequence[int]) -> float:
        """Their sum."""
        return sum(moves)

    def rounding(self, size: int) -> float:
        """One step in each coordinate."""
        return size

    def lattice(self, sensitivity: float, *, size: int = 1, whole: bool = False) -> Steps:
        """For whole answers the integers themselves, unless there is hardly any noise."""
        found = super().lattice(sensitivity, size=size, whole=whole)
        return Steps(0) if whole and sensitivity >= self.epsilon / 2 else found

    def drawn_for(self, norm: float) -> DiscreteLaplace:
        """Scale ‖Δ‖₁/ε, a rational number."""
        return DiscreteLaplace(Fraction(norm) / Fraction(self.epsilon))

    def event(self, moves: Sequence[int] | None = None) -> DpEvent:
        """Discrete Laplace noise on each coordinate that moves; else whatever is ε-DP."""
        from dp_accounting import dp_event

        if moves is None:
            return pure_event(self.epsilon)
        rate = self.epsilon / sum(moves)
        if Fraction(rate) * sum(moves) < Fraction(self.epsilon):
            rate = math.nextafter(rate, math.inf)
        events = [
            dp_event.SelfComposedDpEvent(dp_event.DiscreteLaplaceDpEvent(rate, moved), times)
            if times > 1
            else dp_event.DiscreteLaplaceDpEvent(rate, moved)
            for moved, times in sorted(Counter(moves).items())
        ]
        return events[0] if len(events) == 1 else dp_event.ComposedDpEvent(events)

    def closeness(self, size: int) -> float:
        """0: the event is about noise on the integers."""
        return 0.0

    def deviation(self, drawn: DiscreteNoise) -> float:
        """√2·b: the variance is 1/(2·sinh²(1/2b)) ≤ 2b²."""
        return math.sqrt(2) * float(drawn.scale)

    def reach(self, drawn: DiscreteNoise) -> float:
        """b·log(20), and a step for the lattice."""
        return float(drawn.scale) * math.log(20) + 1


@dataclass(frozen=True)
class GaussianNoise(AdditiveNoise):
    """Discrete Gaussian noise, accounted as the continuous Gaussian that it is a rounding of.

    `confide.privacy.accounting.shares` gives the proof: the standard deviation is √(z²Δ² + 4) steps
    for an L2 sensitivity of Δ steps, which is so large that the 4 does not matter.

    Attributes:
        noise_multiplier: z, standard deviation ÷ L2 sensitivity, at least 2^-14. Find the one that
            keeps (ε, δ) with `confide.privacy.accounting.noise_multiplier`.

    Raises:
        PlanError: If it is out of range.
    """

    noise_multiplier: float

    def __post_init__(self) -> None:
        check_real(
            "noise_multiplier", self.noise_multiplier, least=_LEAST_MULTIPLIER, below=math.inf,
            limit=f"it is a finite number of at least {_LEAST_MULTIPLIER:.1g}: the standard "
            "deviation ÷ the L2 sensitivity",
        )  # fmt: skip
        check_declared(self, "noise_multiplier")

    @property
    def relative_scale(self) -> float:
        """The noise multiplier."""
        return self.noise_multiplier

    def norm(self, moves: Sequence[int]) -> float:
        """The root of the sum of their squares."""
        return math.hypot(*moves)

    def rounding(self, size: int) -> float:
        """√d for d coordinates."""
        return math.sqrt(size)

    def drawn_for(self, norm: float) -> DiscreteGaussian:
        """σ = √(z²Δ² + 4) steps."""
        return DiscreteGaussian(math.hypot(self.noise_multiplier * norm, ROUNDING_STEPS) * _UP)

    def event(self, moves: Sequence[int] | None = None) -> DpEvent:
        """A Gaussian of multiplier z, however many coordinates move."""
        from dp_accounting import dp_event

        return dp_event.GaussianDpEvent(self.noise_multiplier)

    def closeness(self, size: int) -> float:
        """Less than 10^-33 for each coordinate."""
        return size * sum_of_shares(2 * ROUNDING_STEPS, 1).closeness

    def deviation(self, drawn: DiscreteNoise) -> float:
        """σ, which the variance of the discrete Gaussian does not exceed."""
        return float(drawn.scale)

    def reach(self, drawn: DiscreteNoise) -> float:
        """1.96·σ, and a step for the lattice."""
        return 1.959964 * float(drawn.scale) + 1
