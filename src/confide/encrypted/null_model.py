"""The null model of a score test: a logistic regression on covariates that only their owner reads.

The evaluator has the covariates X and the label y under encryption. In each round it computes the
gradient X'(y - p) and the Hessian X'WX, with p = σ(Xβ) and W = p(1 - p). The owner decrypts these
few sums, takes Newton's step and answers with new encrypted numbers.

Sigmoids are usually approximated on one wide interval, such as [-8, 8]. Here the owner knows β, and
so where Xβ lies: in β_0 + R·t with R = Σ|β_i| and t between -1 and 1, since every covariate is. It
sends β_i/R, from which the evaluator computes t, and the Chebyshev coefficients in t of
σ(β_0 + R·t) and of its derivative, all encrypted. So the polynomials fit the interval that there
is, at 1 % of positives as at 50 %, numbers never leave their bounds, and p and W share the members
T_k(t).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.polynomial import Chebyshev
from numpy.typing import NDArray

from confide.he.engine import C
from confide.he.polynomial import chebyshev_members
from confide.he.vector import EncryptedVector

__all__ = [
    "P_WITHIN",
    "W_WITHIN",
    "Approximation",
    "NullFit",
    "Residuals",
    "levels_of",
    "null_sums",
    "residuals",
]

Reals = NDArray[np.float64]

_LEAST_REACH: Final = 0.5
_LARGEST_STEP: Final = 4.0
_GRID: Final = 4001
_SINGULAR: Final = 1e-9
P_WITHIN: Final = (-0.3, 1.3)
W_WITHIN: Final = (-0.1, 0.35)
"""p and W, and what interpolation adds at worst, whatever the coefficients are."""


def levels_of(degree: int) -> dict[str, int]:
    """At which level each input of the computation is used, from its degree.

    One level is for t, ⌈log2 degree⌉ for the members, one for the coefficients, one for W·x, one
    for the products with variables.
    """
    top = math.ceil(math.log2(degree)) + 4
    return {
        "covariates": top, "slopes": top, "weights": 3, "constants": 2, "label": 2, "variables": 1,
    }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Residuals:
    """What a block of rows has under the null model, all at level 1.

    Attributes:
        r: y - p.
        w: W = p(1 - p).
        wx: W·x for each covariate.
    """

    r: EncryptedVector[Any]
    w: EncryptedVector[Any]
    wx: Sequence[EncryptedVector[Any]]


def residuals(
    x: Sequence[EncryptedVector[C]],
    y: EncryptedVector[C],
    slopes: Sequence[EncryptedVector[C]],
    of_p: Sequence[EncryptedVector[C]],
    of_w: Sequence[EncryptedVector[C]],
) -> Residuals:
    """The residuals and weights of some rows.

    Args:
        x: The covariates, between -1 and 1.
        y: The label, 0 or 1.
        slopes: β_i/R.
        of_p: Chebyshev coefficients of p, from T_0 on.
        of_w: Those of W.
    """
    products = [covariate * slope for covariate, slope in zip(x, slopes, strict=True)]
    # Σ|β_i|/R is at most 1, so t is at most 1 in size.
    t = sum(products[1:], products[0]).settled().within(-1.0, 1.0)
    members = chebyshev_members(t, len(of_p) - 1)
    evaluator = t.evaluator
    lowered = evaluator.at_one_level([member.blocks[0] for member in members])

    def series(c: Sequence[EncryptedVector[C]]) -> EncryptedVector[C]:
        weighed = evaluator.dot(lowered, [weight.blocks[0] for weight in c[1:]])
        return (EncryptedVector(evaluator, [weighed], t.layout) + c[0]).settled()

    p = series(of_p).within(*P_WITHIN)
    w = series(of_w).within(*W_WITHIN)
    return Residuals(
        r=lowered_to_one((y - p).within(-P_WITHIN[1], P_WITHIN[1])),
        w=lowered_to_one(w),
        wx=[(w * covariate).settled() for covariate in x],
    )


def lowered_to_one(x: EncryptedVector[C]) -> EncryptedVector[C]:
    """The same numbers one level lower, where variables meet them."""
    engine = x.evaluator.engine
    block = x.evaluator.settled(x.blocks[0])
    return EncryptedVector(x.evaluator, [engine.lower(block, block.level - 1)], x.layout)


def null_sums(found: Residuals, x: Sequence[EncryptedVector[C]]) -> list[EncryptedVector[C]]:
    """What is summed over the rows for the gradient and the Hessian.

    Returns:
        r, r·x_i, then W, W·x_i, then W·x_i·x_j for i ≤ j.
    """
    wxx = [found.wx[i] * x[j] for i in range(len(x)) for j in range(i, len(x))]
    return [found.r, *(found.r * covariate for covariate in x), found.w, *found.wx, *wxx]


@dataclass(frozen=True, kw_only=True)
class Approximation:
    """p and W as polynomials on the interval that coefficients reach.

    Attributes:
        slopes: (k,) β_i/R.
        of_p: Chebyshev coefficients of p.
        of_w: Those of W.
        error: The largest error of p on the interval.
    """

    slopes: Reals
    of_p: Reals
    of_w: Reals
    error: float

    @staticmethod
    def of(beta: Reals, degree: int) -> Approximation:
        """At coefficients β, the intercept first."""
        reach = max(float(np.abs(beta[1:]).sum()), _LEAST_REACH)

        def p(t: Reals) -> Reals:
            return np.asarray(1 / (1 + np.exp(-np.clip(beta[0] + reach * t, -700, 700))))

        def w(t: Reals) -> Reals:
            return p(t) * (1 - p(t))

        of_p, of_w = (Chebyshev.interpolate(f, degree) for f in (p, w))
        grid = np.linspace(-1, 1, _GRID)
        return Approximation(
            slopes=beta[1:] / reach,
            of_p=np.asarray(of_p.coef, np.float64),
            of_w=np.asarray(of_w.coef, np.float64),
            error=float(np.abs(of_p(grid) - p(grid)).max()),
        )

    def at(self, t: Reals) -> tuple[Reals, Reals]:
        """What p and W are at points t."""
        return Chebyshev(self.of_p)(t), Chebyshev(self.of_w)(t)


class NullFit:
    """Newton's method at the owner, on sums that it decrypted.

    It answers whatever it is given: it never stops in the middle, since an evaluator that sends
    false ciphertexts would learn something from where. What is wrong is kept until the end.

    Args:
        covariates: k.
        positives: Share of labels that are 1: where the intercept begins.
        degree: Of the polynomials.
        padding: Rows that do not exist, and have x = 0 and y = 0 in the sums.

    Attributes:
        beta: (k + 1,), the intercept first, for covariates between -1 and 1.
        fault: What was wrong, if anything.
    """

    def __init__(self, covariates: int, positives: float, degree: int, padding: int) -> None:
        self.beta = np.zeros(covariates + 1)
        self.beta[0] = math.log(positives / (1 - positives))
        self.fault = ""
        self._degree, self._padding = degree, padding
        self.approximation = Approximation.of(self.beta, degree)
        self.gradient = np.zeros(covariates + 1)
        self.hessian = np.eye(covariates + 1)

    def take(self, sums: Reals) -> None:
        """The sums of `null_sums` at the coefficients that were sent last."""
        k = len(self.beta) - 1
        p, w = self.approximation.at(np.zeros(1))
        gradient, weights = sums[: k + 1].copy(), sums[k + 1 : 2 * k + 2].copy()
        gradient[0] += self._padding * p[0]
        weights[0] -= self._padding * w[0]
        hessian = np.zeros((k + 1, k + 1))
        hessian[0] = weights
        hessian[1:, 1:][np.triu_indices(k)] = sums[2 * k + 2 :]
        self.gradient = gradient
        self.hessian = hessian + np.triu(hessian, 1).T

    def step(self) -> None:
        """Newton's step, and the polynomials there."""
        with np.errstate(all="ignore"):
            moved = self.inverse() @ self.gradient
            size = float(np.abs(moved).sum())
            if size > _LARGEST_STEP:
                moved *= _LARGEST_STEP / size
            beta = self.beta + moved
        if not np.isfinite(beta).all():
            self.fault = "sums that no table within the bounds has"
            return
        self.beta, self.approximation = beta, Approximation.of(beta, self._degree)

    def inverse(self) -> Reals:
        """The (pseudo-)inverse of the Hessian: covariates may be collinear."""
        if not np.isfinite(self.hessian).all():
            return np.full_like(self.hessian, np.nan)
        return np.asarray(np.linalg.pinv(self.hessian, rcond=_SINGULAR, hermitian=True))
