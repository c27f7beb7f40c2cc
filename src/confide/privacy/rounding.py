"""Bounds in words: a few digits, rounded up."""

from __future__ import annotations

import math

__all__ = ["rounded_up"]


def rounded_up(value: float, digits: int = 3) -> str:
    """A few digits, rounded up: a bound that is rounded down would be false."""
    if value == 0:
        return "0"
    unit = 10.0 ** (math.floor(math.log10(value)) + 1 - digits)
    rounded = math.ceil(value / unit - 1e-6) * unit
    return f"{rounded:#.{digits}g}" if rounded < 10 ** (digits - 1) else f"{rounded:.0f}"
