"""What an event is worth: ε at δ, δ at ε, and how many members an attacker finds.

Every number is an upper bound on what is lost. Gaussians are accounted in closed form, sampled
Gaussians by our own composition of privacy losses, everything else that `dp_accounting` knows by
its privacy-loss distributions, and what has no such distribution by its Rényi curve.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from confide.errors import PlanError
from confide.plan import Relation
from confide.privacy.accounting.gaussian import (
    check_delta,
    delta_of_mu,
    epsilon_of_mu,
    tpr_of_mu,
)
from confide.privacy.accounting.losses import SampledGaussian, Tail, composed_tails, grid_step
from confide.privacy.accounting.renyi import gaussian_mu, rdp_curve, rdp_to_epsilon

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = ["FINENESS", "PrivacyProfile", "profile_of", "sampled_runs"]

FINENESS: Final = 1.5e-2
"""Grid step ÷ deviation of one run's loss: ε is above the exact one by less than 10^-4 of
itself."""

_EPSILONS: Final = np.concatenate([np.linspace(0, 4, 401), np.geomspace(4.05, 60, 100)])
_ORDERS: Final = (*np.arange(1.05, 4, 0.05), *range(4, 64), *2.0 ** np.arange(6, 14))


class PrivacyProfile(Protocol):
    """What neighbours can be told apart by."""

    def epsilon(self, delta: float) -> float:
        """The least ε that is certified at δ; ∞ if none is.

        Raises:
            PlanError: If δ is not between 0 and 1.
        """

    def delta(self, epsilon: float) -> float:
        """The least δ that is certified at ε ≥ 0."""

    def tpr(self, fpr: float) -> float:
        """The most members that an attacker finds at this rate of false alarms, as a share."""


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
    mu = gaussian_mu(event)
    if mu is not None:
        return GaussianProfile(mu)
    runs = sampled_runs(event)
    if runs is not None:
        return SampledProfile(runs, relation, fineness)
    return _library_profile(event, relation)


@dataclass(frozen=True)
class GaussianProfile:
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
class SampledProfile:
    """Gaussians over secret Poisson samples, composed."""

    runs: tuple[SampledGaussian, ...]
    relation: Relation
    fineness: float = FINENESS

    def epsilon(self, delta: float) -> float:
        """See `PrivacyProfile`."""
        check_delta(delta)
        needed = math.log(1 / delta)
        tails = self._tails(lambda tilt, cumulant: (cumulant + needed) / tilt)
        return max(tail.epsilon(delta) for tail in tails)

    def delta(self, epsilon: float) -> float:
        """See `PrivacyProfile`."""
        tails = self._tails(lambda tilt, cumulant: cumulant - tilt * epsilon)
        return max(tail.delta(epsilon) for tail in tails)

    def tpr(self, fpr: float) -> float:
        """See `PrivacyProfile`."""
        return self._curve.tpr(fpr)

    @cached_property
    def _curve(self) -> _Curve:
        # Barely tilted, so accurate around ε = 0: what decides about many false alarms.
        tails = self._tails(lambda tilt, _: abs(math.log(tilt)))
        return _Curve.of(lambda epsilon: max(tail.delta(epsilon) for tail in tails))

    def _tails(self, objective: Callable[[float, float], float]) -> list[Tail]:
        step = grid_step(self.runs, self.fineness)
        return composed_tails(self.runs, self.relation, step, objective)


@dataclass(frozen=True)
class LibraryProfile:
    """What `dp_accounting`'s privacy-loss distributions, rounded up, say."""

    accountant: Any

    def epsilon(self, delta: float) -> float:
        """See `PrivacyProfile`."""
        check_delta(delta)
        return float(self.accountant.get_epsilon(delta))

    def delta(self, epsilon: float) -> float:
        """See `PrivacyProfile`."""
        return min(1.0, float(self.accountant.get_delta(epsilon)) * (1 + 1e-9) + 1e-15)

    def tpr(self, fpr: float) -> float:
        """See `PrivacyProfile`."""
        return self._curve.tpr(fpr)

    @cached_property
    def _curve(self) -> _Curve:
        # One call for all ε: each call composes anew.
        pld = self.accountant._pld  # noqa: SLF001 - there is no public one
        return _Curve(np.minimum(1.0, np.asarray(pld.get_delta_for_epsilon(_EPSILONS))))


@dataclass(frozen=True)
class RenyiProfile:
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


def sampled_runs(event: DpEvent) -> tuple[SampledGaussian, ...] | None:
    """An event as compositions of sampled Gaussians; None if there is anything else in it.

    Sums that share a sample are one event: a sampled composition of Gaussians z_i is one sampled
    Gaussian with 1/z² = Σ 1/z_i².
    """
    from dp_accounting import dp_event

    match event:
        case dp_event.PoissonSampledDpEvent(sampling_probability=rate, event=inner):
            return _run(gaussian_mu(inner), float(rate))
        case dp_event.SelfComposedDpEvent(event=inner, count=count):
            once = sampled_runs(inner)
            if once is None:
                return None
            return tuple(
                SampledGaussian(run.rate, run.noise_multiplier, run.count * count) for run in once
            )
        case dp_event.ComposedDpEvent(events=events):
            parts = [sampled_runs(part) for part in events]
            known = [part for part in parts if part is not None]
            return sum(known, ()) if len(known) == len(parts) else None
        case _:
            return _run(gaussian_mu(event), 1.0)


def _run(mu: float | None, rate: float) -> tuple[SampledGaussian, ...] | None:
    if mu is None or not 0 <= rate <= 1:
        return None
    return (SampledGaussian(rate, 1 / mu, 1),) if mu and rate else ()


def _library_profile(event: DpEvent, relation: Relation) -> PrivacyProfile:
    from dp_accounting import NeighboringRelation, UnsupportedEventError
    from dp_accounting.pld import PLDAccountant

    if _unprotected(event):
        return GaussianProfile(math.inf)
    between = (
        NeighboringRelation.ADD_OR_REMOVE_ONE
        if relation is Relation.ADD_OR_REMOVE_ONE
        else NeighboringRelation.REPLACE_ONE
    )
    accountant = PLDAccountant(between)
    try:
        accountant.compose(event)
    except (UnsupportedEventError, NotImplementedError):
        curve = tuple(rdp_curve(event, _ORDERS, relation))
        return RenyiProfile(tuple(map(float, _ORDERS)), curve)
    except (ValueError, TypeError) as error:
        raise PlanError(f"{event} cannot be accounted for: {error}") from error
    return LibraryProfile(accountant)


def _unprotected(event: DpEvent) -> bool:
    """Whether something in the event is released as it is."""
    inner: Sequence[Any] = [getattr(event, "event", None), *getattr(event, "events", ())]
    bare = type(event).__name__ == "NonPrivateDpEvent" or getattr(event, "noise_multiplier", 1) == 0
    return bare or any(_unprotected(part) for part in inner if part is not None)


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
