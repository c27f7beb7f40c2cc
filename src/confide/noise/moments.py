"""Normalising constants in floating point: for analysis and tests, never for sampling."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from confide.noise.law import Law

__all__ = ["log_normaliser"]

_SUMMED: Final = 2**16
"""Sums over fewer magnitudes are added up; more are integrated."""
_GAUSSIAN_REACH: Final = 40.0
"""Beyond this many standard deviations nothing matters in double precision."""


def log_normaliser(law: Law, scale: float) -> float:
    """The logarithm of Σ exp(-E(|x|)) over |x| ≤ bound, to about 1e-14.

    Laplace: (1 + p - 2·p^(B+1)) / (1 - p). Gaussian: the sum itself, or where it is long the
    Euler–Maclaurin formula ∫ f + f(B) + f'(B)/6, whose next term is of order σ^-3.

    Args:
        law: The distribution.
        scale: σ or b.
    """
    if not law.quadratic:
        one_less_p = -math.expm1(-1 / scale)
        inside = one_less_p - 2 * math.exp(-1 / scale) * math.expm1(-law.bound / scale)
        return math.log(inside) - math.log(one_less_p)
    farthest = min(law.bound, math.ceil(_GAUSSIAN_REACH * scale))
    if farthest <= _SUMMED:
        x = np.arange(1, farthest + 1, dtype=np.float64)
        return math.log1p(2 * math.fsum(np.exp(-float(law.quadratic) * x * x)))
    at = farthest / scale
    end = math.exp(-at * at / 2)
    area = scale * math.sqrt(2 * math.pi) * math.erf(at / math.sqrt(2))
    return math.log(area + end * (1 - at / scale / 6))
