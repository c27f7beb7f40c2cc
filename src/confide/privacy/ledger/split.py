"""One budget for several named queries, split before any of them is asked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from confide.errors import PlanError

__all__ = ["Share", "split_budget"]


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one query may spend.

    Attributes:
        weight: Its part of the whole, from 0 to 1.
        epsilon: For a mechanism that is ε-DP: the shares add up to ε.
        noise_multiplier: For Gaussian noise: all together are exactly (ε, δ)-DP; ∞ if δ is 0.
    """

    weight: float
    epsilon: float
    noise_multiplier: float


def split_budget(
    weights: Mapping[str, float], *, epsilon: float, delta: float = 0.0
) -> Mapping[str, Share]:
    """Splits (ε, δ) over queries that are all known in advance.

    Release all of them as one `Composition`: it is one charge, and fits a cap of (ε, δ). Use either
    `epsilon` of all shares or `noise_multiplier` of all. A mixture of both is not exact; calibrate
    it as one event with `confide.privacy.accounting.calibrate`.

    Args:
        weights: How much of the budget each query gets, in any unit, above 0. Of ε for mechanisms
            that are ε-DP, of μ² for Gaussian noise.
        epsilon: ε of the whole.
        delta: δ of the whole; 0 for ε-DP alone.

    Raises:
        PlanError: If there is no query, or a number is out of range.

    Example:
        >>> shares = split_budget({"mean": 2, "histogram": 1}, epsilon=1.0, delta=1e-6)
        >>> round(shares["mean"].epsilon + shares["histogram"].epsilon, 12)
        1.0
        >>> [round(share.noise_multiplier, 3) for share in shares.values()]
        [5.174, 7.317]
    """
    if not weights or not all(0 < weight < math.inf for weight in weights.values()):
        raise PlanError("a budget is split over at least one query, each with a weight above 0")
    if not 0 < epsilon < math.inf or not 0 <= delta < 1:
        raise PlanError(
            f"a budget of epsilon {epsilon} and delta {delta}; epsilon is above 0 and finite, "
            "delta at least 0 and below 1"
        )
    total = sum(Fraction(weight) for weight in weights.values())
    parts = {name: Fraction(weight) / total for name, weight in weights.items()}
    mu = _mu(epsilon, delta)
    return {
        name: Share(
            weight=float(part),
            epsilon=_down(Fraction(epsilon) * part),
            noise_multiplier=math.inf if not mu else 1 / (mu * math.sqrt(part)) * (1 + 2.0**-50),
        )
        for name, part in parts.items()
    }


def _mu(epsilon: float, delta: float) -> float:
    from confide.privacy.accounting.gaussian import mu_of

    return mu_of(epsilon, delta) if delta else 0.0


def _down(value: Fraction) -> float:
    """The largest float that is not above a number, so that shares never add up to more."""
    near = float(value)
    return near if Fraction(near) <= value else math.nextafter(near, 0)
