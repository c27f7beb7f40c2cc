"""What noise protects, as people read it: ε at δ, μ, and what the best attacker finds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import scipy

from confide.errors import PlanError
from confide.numbers import check_real, shown
from confide.plan import Relation, Unit
from confide.privacy.accounting.gaussian import check_delta, check_relation, gaussian_mu
from confide.privacy.accounting.profile import PrivacyProfile, profile_of
from confide.privacy.rounding import rounded_up

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = ["FALSE_ALARMS", "PrivacyStatement"]

FALSE_ALARMS: Final = (0.001, 0.01, 0.1)
"""Rates of false alarms at which a statement says how many members an attacker finds."""

_REGRET: Final = 0.01
"""Up to this a μ says it all (Gomez et al. 2025, arXiv 2503.10945)."""

_RATES: Final = np.concatenate([np.geomspace(1e-6, 0.01, 25), np.linspace(0.02, 0.99, 60)])


@dataclass(frozen=True, kw_only=True)
class PrivacyStatement:
    """What an event is worth, in numbers and in words.

    Attributes:
        unit: Whom it protects.
        relation: What its accounting calls neighbours.
        delta: δ.
        epsilon: ε at δ, from above.
        mu: The least μ whose Gaussian is nowhere more private than the event at the rates looked
            at; exact for Gaussians.
        mu_regret: By how much the trade-off curve of μ lies below the event's at most. Above 0.01
            μ alone misleads.
        tpr: The most members that an attacker finds, as a share, at each of `FALSE_ALARMS`.
    """

    unit: Unit
    relation: Relation
    delta: float
    epsilon: float
    mu: float
    mu_regret: float
    tpr: tuple[float, float, float]

    @classmethod
    def of_event(
        cls,
        event: DpEvent,
        *,
        relation: Relation = Relation.ADD_OR_REMOVE_ONE,
        delta: float,
        unit: Unit = Unit.RECORD,
        closeness: float = 0.0,
    ) -> PrivacyStatement:
        """States what an event is worth.

        Args:
            event: All that is released, as one event.
            relation: What neighbours differ in.
            delta: δ.
            unit: Whom it protects.
            closeness: τ: within how many nats of the event's likelihoods those of the mechanism
                lie. Then δ(ε) ≤ e^τ·δ_event(ε - 2τ).

        Raises:
            PlanError: If the event is unknown, or δ out of range.

        Example:
            >>> from dp_accounting import GaussianDpEvent
            >>> print(PrivacyStatement.of_event(GaussianDpEvent(2.0), delta=1e-5))
            ε = 2.00 at δ = 1e-05, μ = 0.500, per record
        """
        delta = check_delta(delta)
        check_relation(relation)
        if not isinstance(unit, Unit):
            raise PlanError(f"unit is {shown(unit)}; it is a Unit, as Unit.RECORD")
        closeness = check_real(
            "closeness", closeness, least=0, below=1, limit="it is at least 0 and below 1"
        )
        profile = profile_of(event, relation)
        exact = gaussian_mu(event)
        mu, regret = (exact, 0.0) if exact is not None else _fit(profile)
        # Within e^±τ under both data sets a rate grows by e^τ at most, and so do false alarms.
        grown = math.exp(closeness)
        rates = [min(1.0, grown * profile.tpr(min(1.0, grown * rate))) for rate in FALSE_ALARMS]
        return cls(
            unit=unit,
            relation=relation,
            delta=delta,
            epsilon=profile.epsilon(delta / grown) + 2 * closeness,
            mu=mu,
            mu_regret=regret,
            tpr=(rates[0], rates[1], rates[2]),
        )

    @property
    def sentence(self) -> str:
        """What the best attacker can do, in plain words."""
        if self.epsilon == math.inf:
            return (
                f"Nothing keeps an attacker from finding out whether a given {self.unit.value} "
                "took part."
            )
        found = rounded_up(100 * self.tpr[1], digits=2)
        return (
            f"Whoever wants to find out which {self.unit.plural} took part, and knows everything "
            f"else, finds at most {found} % of them at 1 % false alarms (by guessing: 1 %)."
        )

    def __str__(self) -> str:
        if self.epsilon == math.inf:
            return "ε = ∞"
        fit = "" if self.mu_regret <= _REGRET else f" (a fit that is off by {self.mu_regret:.2g})"
        return (
            f"ε = {rounded_up(self.epsilon)} at δ = {self.delta:g}, "
            f"μ = {rounded_up(self.mu)}{fit}, per {self.unit.value}"
        )


def _fit(profile: PrivacyProfile) -> tuple[float, float]:
    """The least μ that is nowhere more private than the profile, and by how much it lies below."""
    found = np.minimum(np.array([profile.tpr(float(rate)) for rate in _RATES]), 1 - 1e-15)
    mu = max(0.0, float(np.max(scipy.special.ndtri(found) - scipy.special.ndtri(_RATES))))
    return mu, float(np.max(scipy.special.ndtr(scipy.special.ndtri(_RATES) + mu) - found))
