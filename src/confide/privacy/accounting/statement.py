"""The guarantee of noise for readers: ε at δ, μ, and the best attacker's true-positive rate."""

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
"""False-positive rates at which a statement gives the attacker's true-positive rate."""

_REGRET: Final = 0.01
"""Up to this regret, μ alone is a sufficient statement (Gomez et al. 2025, arXiv 2503.10945)."""

_RATES: Final = np.concatenate([np.geomspace(1e-6, 0.01, 25), np.linspace(0.02, 0.99, 60)])


@dataclass(frozen=True, kw_only=True)
class PrivacyStatement:
    """The guarantee of an event, in numbers and in words.

    Attributes:
        unit: The unit that it protects.
        relation: The neighbouring relation of its accounting.
        delta: δ.
        epsilon: ε at δ, from above.
        mu: The smallest μ whose Gaussian is at no computed rate more private than the event; exact
            for Gaussians.
        mu_regret: The largest distance between the trade-off curves of μ and of the event. Above
            0.01, μ alone is misleading.
        tpr: The largest true-positive rate of an attacker at each of `FALSE_ALARMS`.
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
        """States the guarantee of an event.

        Args:
            event: All that is released, as one event.
            relation: How neighbours differ.
            delta: δ.
            unit: The unit that it protects.
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
            f"An attacker who knows everything else and has a 1 % false-positive rate detects at "
            f"most {found} % of the {self.unit.plural} that took part; guessing detects 1 %."
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
    """The smallest μ that is nowhere more private than the profile, and its largest distance."""
    found = np.minimum(np.array([profile.tpr(float(rate)) for rate in _RATES]), 1 - 1e-15)
    mu = max(0.0, float(np.max(scipy.special.ndtri(found) - scipy.special.ndtri(_RATES))))
    return mu, float(np.max(scipy.special.ndtr(scipy.special.ndtri(_RATES) + mu) - found))
