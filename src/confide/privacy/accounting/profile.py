"""What an event is worth: ε at δ, δ at ε, and how many members an attacker finds.

Every number is an upper bound on what is lost. Gaussians are accounted in closed form, everything
else that has a dominating pair by the composition of its privacy losses, and what has none by its
Rényi curve.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from confide.plan import Relation
from confide.privacy.accounting.events import event_to_plain
from confide.privacy.accounting.gaussian import (
    check_delta,
    delta_of_mu,
    epsilon_of_mu,
    gaussian_mu,
    tpr_of_mu,
)
from confide.privacy.accounting.losses import Run, Tail, composed_tails, grid_step
from confide.privacy.accounting.pairs import SampledGaussian
from confide.privacy.accounting.renyi import rdp_curve, rdp_to_epsilon
from confide.privacy.accounting.runs import is_unprotected, runs_of

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = ["FINENESS", "PrivacyProfile", "profile_of"]

FINENESS: Final = 1.5e-2
"""Grid step ÷ deviation of one run's loss: ε is above the exact one by less than 10^-4 of
itself."""

_EPSILONS: Final = np.concatenate([np.linspace(0, 4, 401), np.geomspace(4.05, 60, 100)])
_HEAVY: Final = 10.0
_ORDERS: Final = tuple(map(float, 1 + np.geomspace(1e-2, 1e5, 700)))


class PrivacyProfile(ABC):
    """What neighbours can be told apart by."""

    @abstractmethod
    def epsilon(self, delta: float) -> float:
        """The least ε that is certified at δ; ∞ if none is.

        Raises:
            PlanError: If δ is not between 0 and 1.
        """

    @abstractmethod
    def delta(self, epsilon: float) -> float:
        """The least δ that is certified at ε ≥ 0."""

    @abstractmethod
    def tpr(self, fpr: float) -> float:
        """The most members that an attacker finds at this rate of false alarms, as a share.

        One minus the trade-off function of f-DP (Dong, Roth and Su 2022, Definition 2).
        """


def profile_of(
    event: DpEvent, relation: Relation = Relation.ADD_OR_REMOVE_ONE, *, fineness: float = FINENESS
) -> PrivacyProfile:
    """The profile of an event.

    Args:
        event: Its unsampled Gaussians' multipliers are σ ÷ the distance of neighbouring sums, so
            the relation is in them; under sampling they are σ ÷ the bound on one unit's
            contribution, and the relation is counted here.
        relation: What neighbours differ in.
        fineness: Of the grid for sampled Gaussians; a coarser one is faster and still above.

    Raises:
        PlanError: If the event is unknown or cannot be bounded.

    Example:
        >>> import dp_accounting as dp
        >>> step = dp.PoissonSampledDpEvent(0.01, dp.GaussianDpEvent(1.1))
        >>> round(profile_of(dp.SelfComposedDpEvent(step, 1000)).epsilon(1e-5), 4)
        1.5154
    """
    event_to_plain(event)  # Refuses what is unknown, whatever could be made of it.
    if is_unprotected(event):
        return GaussianProfile(math.inf)
    mu = gaussian_mu(event)
    if mu is not None:
        return GaussianProfile(mu)
    runs = runs_of(event, relation)
    if runs is None:
        curve = tuple(rdp_curve(event, _ORDERS, relation))
        return RenyiProfile(_ORDERS, curve)
    match runs:
        case ():
            return GaussianProfile(0.0)
        case (SampledGaussian(rate=1.0, noise_multiplier=z),):
            return GaussianProfile(1 / z)
        case _:
            return ComposedProfile(runs, relation, fineness)


@dataclass(frozen=True)
class GaussianProfile(PrivacyProfile):
    """Exactly μ-GDP."""

    mu: float

    def epsilon(self, delta: float) -> float:
        """See `PrivacyProfile`."""
        return epsilon_of_mu(self.mu, delta)

    def delta(self, epsilon: float) -> float:
        """See `PrivacyProfile`."""
        return delta_of_mu(self.mu, epsilon)

    def tpr(self, fpr: float) -> float:
        """See `PrivacyProfile`."""
        return tpr_of_mu(self.mu, fpr)


@dataclass(frozen=True)
class ComposedProfile(PrivacyProfile):
    """Runs of dominating pairs, composed."""

    runs: tuple[Run, ...]
    relation: Relation
    fineness: float = FINENESS

    def epsilon(self, delta: float) -> float:
        """See `PrivacyProfile`."""
        check_delta(delta)
        needed = math.log(1 / delta)
        # Of a Gaussian √(2·log 1/δ) deviations would do; bounded losses would go on for ever.
        tails = self._tails(
            lambda tilt, cumulant: (cumulant + needed) / tilt, math.sqrt(2 * needed) + 3
        )
        return min(self._pure, max(tail.epsilon(delta) for tail in tails))

    def delta(self, epsilon: float) -> float:
        """See `PrivacyProfile`."""
        if epsilon >= self._pure:
            return 0.0
        tails = self._tails(lambda tilt, cumulant: cumulant - tilt * epsilon)
        return max(tail.delta(epsilon) for tail in tails)

    @property
    def _pure(self) -> float:
        """What ε adds up to where no loss is larger."""
        return math.fsum(run.count * run.epsilon for run in self.runs) * (1 + 1e-12)

    def tpr(self, fpr: float) -> float:
        """See `PrivacyProfile`."""
        return self._curve.tpr(fpr)

    @cached_property
    def _curve(self) -> _Curve:
        # Barely tilted, so accurate around ε = 0: what decides about many false alarms. Where few
        # losses are huge, less still: an error of the transform grows by e^cumulant.
        tails = self._tails(
            lambda tilt, cumulant: abs(math.log(tilt)) + max(0.0, cumulant - _HEAVY)
        )
        return _Curve.of(lambda epsilon: max(tail.delta(epsilon) for tail in tails))

    def _tails(
        self, objective: Callable[[float, float], float], steepest: float = math.inf
    ) -> list[Tail]:
        step = grid_step(self.runs, self.fineness)
        return composed_tails(self.runs, self.relation, step, objective, steepest=steepest)


@dataclass(frozen=True)
class RenyiProfile(PrivacyProfile):
    """What a Rényi curve says, where nothing better is known."""

    orders: tuple[float, ...]
    curve: tuple[float, ...]

    def epsilon(self, delta: float) -> float:
        """See `PrivacyProfile`."""
        check_delta(delta)
        return rdp_to_epsilon(self.orders, self.curve, delta)

    def delta(self, epsilon: float) -> float:
        """See `PrivacyProfile`; the inverse of Canonne, Kamath and Steinke 2020, Prop. 12."""
        exponents = [
            (order - 1) * (divergence - epsilon + math.log1p(-1 / order)) - math.log(order)
            for order, divergence in zip(self.orders, self.curve, strict=True)
        ]
        return math.exp(min(0.0, *exponents))

    def tpr(self, fpr: float) -> float:
        """See `PrivacyProfile`."""
        return self._curve.tpr(fpr)

    @cached_property
    def _curve(self) -> _Curve:
        return _Curve.of(self.delta)


@dataclass(frozen=True)
class _Curve:
    """A profile at many ε, for how many members an attacker finds.

    An (ε, δ)-DP mechanism keeps β ≤ δ + e^ε·α and 1 - α ≤ δ + e^ε·(1 - β) for the rates α of false
    alarms and β of members found (Kairouz, Oh and Viswanath 2015, Theorem 2.1).
    """

    deltas: NDArray[np.float64]

    @classmethod
    def of(cls, delta_at: Callable[[float], float]) -> _Curve:
        return cls(np.array([delta_at(float(epsilon)) for epsilon in _EPSILONS]))

    def tpr(self, fpr: float) -> float:
        grown = np.exp(_EPSILONS)
        few = self.deltas + grown * fpr
        most = 1 - np.maximum(0.0, 1 - fpr - self.deltas) / grown
        return float(min(1.0, few.min(), most.min()))
