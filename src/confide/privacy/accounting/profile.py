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
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from confide.errors import PlanError
from confide.numbers import check_real
from confide.plan import Relation
from confide.privacy.accounting.composition import Aim, composed_tails
from confide.privacy.accounting.events import event_to_plain
from confide.privacy.accounting.gaussian import (
    check_any_epsilon,
    check_delta,
    check_rate,
    check_relation,
    delta_of_mu,
    epsilon_of_mu,
    gaussian_mu,
    tpr_of_mu,
)
from confide.privacy.accounting.losses import Run, Tail, grid_step, one_grid_step
from confide.privacy.accounting.pairs import SampledGaussian
from confide.privacy.accounting.renyi import rdp_curve, rdp_to_epsilon
from confide.privacy.accounting.runs import is_unprotected, runs_of

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = ["FINENESS", "PrivacyProfile", "profile_of"]

FINENESS: Final = 1.5e-2
"""Grid step ÷ deviation of one run's loss: ε is mostly above the exact one by less than 10^-4 of
itself. The error is larger where losses have different scales, such as 10^9 runs at small noise; ε
is never above the bound of the Rényi curve."""

_EPSILONS: Final = np.concatenate([np.linspace(0, 4, 401), np.geomspace(4.05, 60, 100)])
_HEAVY: Final = 10.0
_LOG_RAREST: Final = math.log(1e-6)
"""Of the least rate of false alarms that is looked at."""
_SHARES: Final = (1e-6, 1e-2)
"""The share of δ that may cover losses that are too rare to be computed."""
_ORDERS: Final = tuple(map(float, 1 + np.geomspace(1e-2, 1e5, 700)))
_FEW_ORDERS: Final = tuple(order for order in _ORDERS if order <= 500)
_MOST_EPSILON: Final = 500.0
"""Beyond it the δ at it is given, which is an upper bound."""
_MANY: Final = 1 << 16
_LEVELS: Final = 4
_NEAR: Final = 2.0


class PrivacyProfile(ABC):
    """How well neighbours can be distinguished."""

    @abstractmethod
    def epsilon(self, delta: float) -> float:
        """The smallest ε that is certified at δ; ∞ if there is none.

        Raises:
            PlanError: If δ is not between 0 and 1.
        """

    @abstractmethod
    def delta(self, epsilon: float) -> float:
        """The smallest δ that is certified at ε; a negative ε is allowed.

        Raises:
            PlanError: If ε is not a number.
        """

    @abstractmethod
    def tpr(self, fpr: float) -> float:
        """The most members that an attacker finds at this rate of false alarms, as a share.

        One minus the trade-off function of f-DP (Dong, Roth and Su 2022, Definition 2).

        Raises:
            PlanError: If the rate is not between 0 and 1.
        """


def profile_of(
    event: DpEvent, relation: Relation = Relation.ADD_OR_REMOVE_ONE, *, fineness: float = FINENESS
) -> PrivacyProfile:
    """The profile of an event.

    Args:
        event: Its unsampled Gaussians' multipliers are σ ÷ the distance of neighbouring sums, so
            the relation is in them; under sampling they are σ ÷ the bound on one unit's
            contribution, and the relation is counted here.
        relation: How neighbours differ.
        fineness: Of the grid for sampled Gaussians; a coarser one is faster and still above.

    Raises:
        PlanError: If the event is unknown or cannot be bounded.

    Example:
        >>> import dp_accounting as dp
        >>> step = dp.PoissonSampledDpEvent(0.01, dp.GaussianDpEvent(1.1))
        >>> round(profile_of(dp.SelfComposedDpEvent(step, 1000)).epsilon(1e-5), 4)
        1.5154
    """
    check_real("fineness", fineness, above=0, most=1, limit="it is above 0 and at most 1")
    check_relation(relation)
    event_to_plain(event)  # Refuses unknown events first.
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
            return ComposedProfile(event, runs, relation, fineness)


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
    """Runs of dominating pairs, composed; never above what the event's Rényi curve certifies."""

    event: DpEvent
    runs: tuple[Run, ...]
    relation: Relation
    fineness: float = FINENESS

    def epsilon(self, delta: float) -> float:
        """See `PrivacyProfile`."""
        delta = check_delta(delta)
        needed = -math.log(delta)
        # For a Gaussian √(2·log 1/δ) deviations are enough; for bounded losses the loop would not
        # end.
        steepest = math.sqrt(2 * needed) + 3
        sides = self._sides(
            lambda tilt, cumulant: (cumulant + needed) / tilt, lambda _: -needed, steepest
        )
        found = max(min(tail.epsilon(delta) for tail in side) for side in sides)
        if self._has_many or found == math.inf:
            found = min(found, self._renyi.epsilon(delta))
        return min(self._pure, found)

    def delta(self, epsilon: float) -> float:
        """See `PrivacyProfile`."""
        epsilon = min(max(check_any_epsilon(epsilon), 0.0), _MOST_EPSILON)
        if epsilon >= self._pure:
            return 0.0
        found, level = 1.0, 0.0
        for _ in range(_LEVELS):
            sides = self._sides(
                lambda tilt, cumulant: cumulant - tilt * epsilon, partial(min, level)
            )
            found = min(found, max(min(tail.delta(epsilon) for tail in side) for side in sides))
            # What may be lost was a share of Chernoff's bound, which for few runs is a loose one.
            if found <= 0 or math.log(found) > level - _NEAR:
                break
            level = math.log(found)
        return min(found, self._renyi.delta(epsilon)) if self._has_many else found

    @property
    def _pure(self) -> float:
        """The sum of ε, if all losses are bounded."""
        return math.fsum(run.count * run.epsilon for run in self.runs) * (1 + 1e-12)

    def tpr(self, fpr: float) -> float:
        """See `PrivacyProfile`."""
        return self._curve.tpr(check_rate(fpr))

    @cached_property
    def _curve(self) -> _Curve:
        # A small tilt is accurate around ε = 0, which decides at high false-positive rates. If a
        # few losses are huge, it must be smaller still: an error of the transform grows by
        # e^cumulant.
        sides = self._sides(
            lambda tilt, cumulant: abs(math.log(tilt)) + max(0.0, cumulant - _HEAVY),
            lambda _: _LOG_RAREST,
        )
        return _Curve.of(lambda e: max(min(tail.delta(e) for tail in side) for side in sides))

    @property
    def _is_hard(self) -> bool:
        """Whether no one grid is as fine as it should be: then the best of some bounds counts."""
        return grid_step(self.runs, self.fineness) < one_grid_step(self.runs)

    @property
    def _has_many(self) -> bool:
        """Whether rounding errors add up so far that a Rényi curve may be better."""
        return sum(run.count for run in self.runs) > _MANY

    @cached_property
    def _renyi(self) -> RenyiProfile:
        try:
            curve = tuple(rdp_curve(self.event, _FEW_ORDERS, self.relation))
        except PlanError:  # The library has no curve for some events that have a dominating pair.
            curve = (math.inf,) * len(_FEW_ORDERS)
        return RenyiProfile(_FEW_ORDERS, curve)

    def _sides(
        self,
        objective: Callable[[float, float], float],
        log_negligible: Callable[[float], float],
        steepest: float = math.inf,
    ) -> list[tuple[Tail, ...]]:
        """For each direction its tails, each of which is an upper bound."""
        step = grid_step(self.runs, self.fineness)
        steps, shares = ((step, one_grid_step(self.runs)), _SHARES) if self._is_hard else (
            (step,), _SHARES[:1]
        )  # fmt: skip
        found = [
            composed_tails(
                self.runs, self.relation, each,
                Aim(objective, log_negligible, share, steepest),
            )
            for each in steps
            for share in shares
        ]  # fmt: skip
        return list(zip(*found, strict=True))


@dataclass(frozen=True)
class RenyiProfile(PrivacyProfile):
    """The guarantee of a Rényi curve, where nothing better is known."""

    orders: tuple[float, ...]
    curve: tuple[float, ...]

    def epsilon(self, delta: float) -> float:
        """See `PrivacyProfile`."""
        check_delta(delta)
        return rdp_to_epsilon(self.orders, self.curve, delta)

    def delta(self, epsilon: float) -> float:
        """See `PrivacyProfile`; the inverse of Canonne, Kamath and Steinke 2020, Prop. 12."""
        epsilon = max(check_any_epsilon(epsilon), 0.0)
        exponents = [
            (order - 1) * (divergence - epsilon + math.log1p(-1 / order)) - math.log(order)
            for order, divergence in zip(self.orders, self.curve, strict=True)
        ]
        return math.exp(min(0.0, *exponents))

    def tpr(self, fpr: float) -> float:
        """See `PrivacyProfile`."""
        return self._curve.tpr(check_rate(fpr))

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
