"""The ledger's accountant: what `confide.privacy.accounting` says of events.

It is imported when the first charge is made, so that reading a ledger stays fast.
"""

from __future__ import annotations

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

    def gaussian_mu(self, event: DpEvent) -> float | None:
        """μ if the event is exactly μ-Gaussian-DP between neighbours, else None."""
        from confide.privacy.accounting.renyi import gaussian_mu

        return gaussian_mu(event)

    def pure_epsilon(self, event: DpEvent) -> Fraction | None:
        """ε, exactly, of Laplace noise, discrete Laplace noise and their compositions."""
        from dp_accounting import dp_event

        match event:
            case dp_event.LaplaceDpEvent(noise_multiplier=multiplier) if multiplier > 0:
                return 1 / Fraction(multiplier)
            case dp_event.DiscreteLaplaceDpEvent(noise_parameter=rate, sensitivity=sensitivity):
                return Fraction(rate) * Fraction(sensitivity)
            case dp_event.SelfComposedDpEvent(event=inner, count=count):
                once = self.pure_epsilon(inner)
                return None if once is None else once * count
            case dp_event.ComposedDpEvent(events=parts):
                known = [part for part in map(self.pure_epsilon, parts) if part is not None]
                return sum(known, Fraction(0)) if len(known) == len(parts) else None
            case dp_event.NoOpDpEvent():
                return Fraction(0)
            case _:
                return None

    def mu_of(self, epsilon: float, delta: float) -> float:
        """The largest μ such that μ-Gaussian-DP implies (ε, δ)-DP."""
        from confide.privacy.accounting.renyi import mu_of

        return mu_of(epsilon, delta)

    def rdp_curve(
        self, event: DpEvent, orders: Sequence[float], relation: Relation
    ) -> Sequence[float]:
        """Upper bounds on the Rényi divergence between neighbours."""
        from confide.privacy.accounting.renyi import rdp_curve

        return rdp_curve(event, orders, relation)
