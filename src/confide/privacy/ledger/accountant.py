"""The ledger's accountant: what `confide.privacy.accounting` says of events.

It is imported when the first charge is made, so that reading a ledger stays fast.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from confide.plan import Relation

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = ["DpAccountant"]


class DpAccountant:
    """Costs events by the accounting of this package."""

    def plain(self, event: DpEvent) -> object:
        """The event as what deterministic CBOR holds."""
        from confide.privacy.accounting.events import event_to_plain

        return event_to_plain(event)

    def event(self, plain: object) -> DpEvent:
        """Reads back what `plain` gave."""
        from confide.privacy.accounting.events import event_from_plain

        return event_from_plain(plain)

    def gaussian_mu(self, event: DpEvent) -> float | None:
        """μ if the event is exactly μ-Gaussian-DP between neighbours, else None."""
        from confide.privacy.accounting.gaussian import gaussian_mu

        return gaussian_mu(event)

    def pure_epsilon(self, event: DpEvent) -> Fraction | None:
        """ε of Laplace noise, randomised response and their compositions, at least."""
        from confide.privacy.accounting.runs import parts_of

        total = Fraction(0)
        for part, count in parts_of(event):
            once = _pure_epsilon(part)
            if once is None:
                return None
            total += once * count
        return total

    def rho(self, event: DpEvent) -> float | None:
        """ρ of Gaussians, of what is ε-DP (ε²/2) and of events stated so, added up."""
        from dp_accounting import dp_event

        from confide.privacy.accounting.gaussian import gaussian_mu
        from confide.privacy.accounting.runs import parts_of

        total = 0.0
        for part, count in parts_of(event):
            mu, pure = gaussian_mu(part), _pure_epsilon(part)
            match part:
                case dp_event.ZCDpEvent(rho=rho, xi=0) if rho >= 0:
                    once = float(rho)
                case _ if mu is not None:
                    once = mu**2 / 2
                case _ if pure is not None:
                    once = float(pure**2 / 2)
                case _:
                    return None
            total += count * once
        return total

    def epsilon(
        self, event: DpEvent, delta: float, relation: Relation, *, count: int, distance: int
    ) -> float:
        """ε of the event's own privacy profile, composed `count` times.

        Between distant data sets a Gaussian is a larger one; the profiles of other events are
        scaled, which holds for all data sets between them.
        """
        from dp_accounting import SelfComposedDpEvent

        from confide.privacy.accounting.gaussian import epsilon_of_mu, gaussian_mu
        from confide.privacy.accounting.groups import group_epsilon
        from confide.privacy.accounting.profile import profile_of

        whole = event if count == 1 else SelfComposedDpEvent(event, count)
        mu = gaussian_mu(whole)
        if mu is not None:
            return epsilon_of_mu(distance * mu, delta)
        if distance == 1:
            return profile_of(whole, relation).epsilon(delta)
        return group_epsilon(whole, distance, delta, relation)

    def mu_of(self, epsilon: float, delta: float) -> float:
        """The largest μ such that μ-Gaussian-DP implies (ε, δ)-DP."""
        from confide.privacy.accounting.gaussian import mu_of

        return mu_of(epsilon, delta)

    def rdp_curve(
        self, event: DpEvent, orders: Sequence[float], relation: Relation
    ) -> Sequence[float]:
        """Upper bounds on the Rényi divergence between neighbours."""
        from confide.privacy.accounting.renyi import rdp_curve

        return rdp_curve(event, orders, relation)


def _pure_epsilon(part: DpEvent) -> Fraction | None:
    from dp_accounting import dp_event

    match part:
        case dp_event.LaplaceDpEvent(noise_multiplier=multiplier) if multiplier > 0:
            return 1 / Fraction(multiplier)
        case dp_event.DiscreteLaplaceDpEvent(noise_parameter=rate, sensitivity=sensitivity):
            return Fraction(rate) * Fraction(sensitivity)
        case dp_event.RandomizedResponseDpEvent(noise_parameter=p, num_buckets=k) if p > 0:
            # log(1 + k·(1 - p)/p), and room for the four roundings on the way.
            log = Fraction(math.log1p(k * (1 - p) / p))
            return log * (1 + Fraction(1, 1 << 52)) + Fraction(1, 1 << 50)
        case _:
            return None
