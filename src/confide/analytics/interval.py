"""Intervals of 95 %: of values with Gaussian noise, and of survival curves."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Z", "log_log"]

Reals = NDArray[np.float64]

Z: Final = 1.959964
"""An interval of 95 % reaches so many standard errors to either side."""


def log_log(survival: Reals, variance: Reals) -> Reals:
    """S^exp(±1.96·√Var(log(−log S))); S itself where it is 1.

    Where nobody is left the variance has no estimate: the interval reaches from 0 to its last end.
    """
    inside = (survival > 0) & (survival < 1)
    minus_log = np.where(inside, -np.log(np.where(inside, survival, 0.5)), 1.0)
    wide = Z * np.sqrt(variance) / minus_log
    ends = [np.exp(-minus_log * np.exp(sign * np.minimum(wide, 50.0))) for sign in (1, -1)]
    low, high = (np.where(inside, end, survival) for end in ends)
    # A curve falls, so a later interval ends no higher than an earlier one.
    last = np.minimum.accumulate(np.where(survival > 0, high, 1.0))
    return np.stack([low, np.where(survival > 0, high, last)], axis=-1)
