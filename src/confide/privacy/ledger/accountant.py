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
