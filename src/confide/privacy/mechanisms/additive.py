"""Noise on an answer whose sensitivity the caller declares."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from confide.errors import DataError, PlanError
from confide.noise import DiscreteNoise
from confide.numbers import is_number
from confide.plan import Relation
from confide.privacy.mechanisms.checks import check_count, check_declared
from confide.privacy.mechanisms.lattice import Steps, finite
from confide.privacy.mechanisms.mechanism import OneShot
from confide.privacy.mechanisms.noises import AdditiveNoise, GaussianNoise, LaplaceNoise
from confide.privacy.mechanisms.released import Estimate
from confide.randomness import SecureRandom, SystemRandom

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = ["AdditiveMechanism", "GaussianMechanism", "LaplaceMechanism", "noisy"]

_MOST_WHOLE = 2.0**53

Answer = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class AdditiveMechanism(OneShot[Any]):
    """An answer plus noise in proportion to its declared sensitivity.

    Args:
        sensitivity: How far one unit moves the answer at most, if it is added, removed or replaced,
            as `relation` says: in L1 for Laplace, in L2 for Gaussian noise.
        size: How many coordinates the answer has.
        integer: Whether every answer consists of whole numbers. Then no rounding happens before the
            noise, and whole numbers are released.
        relation: How neighbours differ.

    Raises:
        PlanError: If a number is out of range.
    """

    sensitivity: float
    size: int = 1
    integer: bool = False
    relation: Relation = Relation.ADD_OR_REMOVE_ONE

    def __post_init__(self) -> None:
        kept = [name for name in ("epsilon", "noise_multiplier") if hasattr(self, name)]
        check_declared(self, *kept, up=("sensitivity",))
        check_count(self.size, "size", "how many coordinates an answer has")
        in_l1 = isinstance(self.noise, LaplaceNoise)
        if self.integer and in_l1 and not _is_whole(self.sensitivity):
            raise PlanError(
                f"sensitivity is {self.sensitivity} for whole answers; in L1 it is whole too, at "
                "most 2^53"
            )
        # Noise that cannot be drawn is refused when it is declared, not when data are read.
        _ = self.drawn

    @property
    @abstractmethod
    def noise(self) -> AdditiveNoise:
        """The kind of noise."""

    @property
    def event(self) -> DpEvent:
        """What an accountant or a ledger charges for one release."""
        return self.noise.event(self._moves)

    @property
    def closeness(self) -> float:
        """Within how many nats of the event's the likelihoods of a release lie."""
        return self.noise.closeness(self.size)

    @property
    def standard_error(self) -> float:
        """Standard deviation of the noise on each coordinate, known before any data are."""
        return self.noise.deviation(self.drawn) * self.steps.size

    @cached_property
    def steps(self) -> Steps:
        """The lattice that the answer is rounded to."""
        return self.noise.lattice(self.sensitivity, size=self.size, whole=self.integer)

    @cached_property
    def drawn(self) -> DiscreteNoise:
        """The noise on each coordinate, in steps."""
        return self.noise.drawn_for(self._norm)

    @overload
    def release(self, answer: float, *, random: SecureRandom | None = None) -> Estimate[float]: ...

    @overload
    def release(
        self, answer: Sequence[float] | NDArray[Any], *, random: SecureRandom | None = None
    ) -> Estimate[Answer]: ...

    def release(
        self,
        answer: float | Sequence[float] | NDArray[Any],
        *,
        random: SecureRandom | None = None,
    ) -> Estimate[float] | Estimate[Answer]:
        """Adds noise.

        Args:
            answer: A number if the size is 1, else (size,). Larger answers than 2^41 times the
                sensitivity (a little less for large sizes and much noise) are clipped to it.
            random: The operating system's if it is omitted.

        Returns:
            A number for a number, else (size,) float64.

        Raises:
            DataError: If the answer is not finite, not whole although declared so, or of another
            size. Nothing was released.
        """
        exact = finite(answer, "the answer")
        if exact.size != self.size:
            raise DataError(f"the answer has shape {exact.shape}; the mechanism has ({self.size},)")
        whole = exact if exact.dtype == object else exact % 1
        if self.integer and any(part % 1 for part in whole.ravel()):
            raise DataError("the answer is not whole; declare integer=False")
        value, (low, high) = noisy(self.noise, self.drawn, self.steps, self.steps.nearest(exact),
                                   random)  # fmt: skip
        if self.integer:
            value, low, high = np.rint(value), np.floor(low), np.ceil(high)
        if exact.shape:
            return Estimate(value, self, self.standard_error, (low, high))
        return Estimate(float(value), self, self.standard_error, (float(low), float(high)))

    @property
    def _moves(self) -> tuple[int, ...] | None:
        return (int(self._norm),) if self.size == 1 else None

    @property
    def _norm(self) -> float:
        """The sensitivity in steps, with the rounding."""
        exact = math.ldexp(self.sensitivity, -self.steps.log2_size)
        if self.integer:
            return exact
        if isinstance(self.noise, LaplaceNoise):
            return math.floor(exact) + self.size
        return exact + self.noise.rounding(self.size)


@dataclass(frozen=True, kw_only=True)
class LaplaceMechanism(AdditiveMechanism):
    """Laplace noise: ε-DP (Dwork, McSherry, Nissim and Smith 2006, Proposition 1).

    Args:
        epsilon: ε.
        sensitivity: In L1.

    Example:
        >>> mechanism = LaplaceMechanism(epsilon=0.5, sensitivity=1, integer=True)
        >>> mechanism.event
        DiscreteLaplaceDpEvent(noise_parameter=0.5, sensitivity=1)
        >>> released = mechanism.release(1234)
        >>> float(released.value).is_integer(), round(released.standard_error, 2)
        (True, 2.83)
    """

    epsilon: float

    @property
    def noise(self) -> LaplaceNoise:
        """Laplace noise of this ε."""
        return LaplaceNoise(self.epsilon)


@dataclass(frozen=True, kw_only=True)
class GaussianMechanism(AdditiveMechanism):
    """Gaussian noise (Dwork, Kenthapadi, McSherry, Mironov and Naor 2006).

    Args:
        noise_multiplier: z, standard deviation ÷ sensitivity.
        sensitivity: In L2.

    Example:
        >>> mechanism = GaussianMechanism(noise_multiplier=2.0, sensitivity=10.0, size=3)
        >>> mechanism.event
        GaussianDpEvent(noise_multiplier=2.0)
        >>> mechanism.release([1.0, 2.0, 3.0]).value.shape
        (3,)
    """

    noise_multiplier: float

    @property
    def noise(self) -> GaussianNoise:
        """Gaussian noise of this multiplier."""
        return GaussianNoise(self.noise_multiplier)


def _is_whole(sensitivity: float) -> bool:
    return is_number(sensitivity) and 0 <= sensitivity <= _MOST_WHOLE and sensitivity % 1 == 0


def noisy(
    noise: AdditiveNoise,
    drawn: DiscreteNoise,
    lattice: Steps,
    exact: NDArray[np.int64],
    random: SecureRandom | None,
) -> tuple[Answer, tuple[Answer, Answer]]:
    """An answer in steps with noise, and the interval around it, in the answer's units."""
    value = lattice.with_noise(exact, drawn, SystemRandom() if random is None else random)
    reach = (noise.reach(drawn) + 0.5) * lattice.size
    return value, (value - reach, value + reach)
