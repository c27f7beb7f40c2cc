"""What a selection finds: one U, one V and one statistic for each variable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["NullModel", "Selected", "Tested", "tested"]

Reals = NDArray[np.float64]

_TOO_SMALL = 1e-6


@dataclass(frozen=True, kw_only=True)
class Tested:
    """One variable.

    Attributes:
        variable: Its name.
        u: The score, in units of the variable.
        v: Its variance under the null hypothesis; 0 if the variable does not vary beside the
            covariates.
        statistic: u²/v, χ² with one degree of freedom under the null hypothesis; 0 where v is 0.
        p_value: The probability of at least this statistic.
    """

    variable: str
    u: float
    v: float
    statistic: float
    p_value: float


@dataclass(frozen=True, kw_only=True)
class NullModel:
    """The null model, as the owner fitted it.

    Attributes:
        coefficients: The intercept, then one for each covariate, in the units of the columns.
        gradient: The largest size of the score of the scaled covariates that is left. What is left
            is taken out of every U.
        polynomial_error: The largest error of p on the interval that the coefficients reach.
    """

    coefficients: tuple[float, ...]
    gradient: float
    polynomial_error: float


@dataclass(frozen=True, kw_only=True)
class Selected:
    """The result, which the owner alone has.

    Attributes:
        tested: In the order of the selection's variables.
        null: The null model.
    """

    tested: tuple[Tested, ...] = field(repr=False)
    null: NullModel

    @property
    def constant(self) -> tuple[str, ...]:
        """Variables without variance beside the covariates, which no test can judge."""
        return tuple(each.variable for each in self.tested if each.v == 0)

    def top(self, count: int) -> tuple[Tested, ...]:
        """The variables with the largest statistics, the largest first."""
        ranked = sorted(self.tested, key=lambda each: -each.statistic)
        return tuple(ranked[: max(count, 0)])


def tested(
    variable: str,
    sums: Sequence[float] | Reals,
    *,
    gradient: Reals,
    inverse: Reals,
    half: float,
    error: float,
) -> Tested:
    """A variable's test from its sums.

    One step of Newton's method that is left over is taken here: U - C'H⁻¹g does not change to first
    order with the null model's coefficients.

    Args:
        variable: Its name.
        sums: s'r, then C: s'W and s'WX, then (s²)'W.
        gradient: g of the null model, (k + 1,).
        inverse: H⁻¹, (k + 1, k + 1).
        half: What makes a variable between -1 and 1 one in its own units.
        error: How far off a sum may be.
    """
    u, c, d = float(sums[0]), np.asarray(sums[1:-1]), float(sums[-1])
    weights = inverse @ c
    v = d - float(c @ weights)
    score = (u - float(weights @ gradient)) * half
    noise = error * (1 + 2 * float(np.abs(weights).sum())) + _TOO_SMALL * abs(d)
    if not v > noise:
        return Tested(variable=variable, u=score, v=0.0, statistic=0.0, p_value=1.0)
    statistic = score**2 / (v * half**2)
    return Tested(
        variable=variable,
        u=score,
        v=v * half**2,
        statistic=statistic,
        p_value=math.erfc(math.sqrt(statistic / 2)),
    )
