"""What mechanisms that are ε-DP, and no more is known of them, are accounted as."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = ["pure_event"]

_DOWN: Final = 1 - 2.0**-50
"""Covers the rounding of the few floating-point operations on the way to a probability."""


def pure_event(epsilon: float) -> DpEvent:
    """The worst of all that is ε-DP: randomised response that tells the truth e^ε times as often.

    Whatever is ε-DP is a post-processing of it (Kairouz, Oh and Viswanath 2015, Theorem 3.1).

    Args:
        epsilon: ε.
    """
    from dp_accounting import dp_event

    # The library's parameter is the probability of a uniform answer: log((2 - p)/p) = ε.
    return dp_event.RandomizedResponseDpEvent(2 / (1 + math.exp(epsilon)) * _DOWN, 2)
