"""Cox's proportional hazards: what a row's risk adds to risk sets, and Newton's step from them.

The hazard of a row with inputs x is h₀(t)·exp(xᵀβ). With d_t events at time t, S₀, S₁ and S₂ the
sums of exp(xᵀβ)·(1, x, xxᵀ) over the rows still at risk at t, and Breslow's treatment of ties, the
log partial likelihood has

    gradient     U = Σ_events x − Σ_t d_t S₁/S₀,
    information  I = Σ_t d_t (S₂/S₀ − S₁S₁ᵀ/S₀²).

All of it follows from sums over rows at each time, so rows may be anywhere (Lu et al. 2015).

References:
    D. R. Cox, "Regression Models and Life-Tables", JRSS B 1972.
    N. Breslow, "Covariance Analysis of Censored Survival Data", Biometrics 1974 (ties, baseline).
    C.-L. Lu et al., "WebDISCO: a web service for distributed Cox model learning without
    patient-level data sharing", JAMIA 2015 (the three sums).
"""

from __future__ import annotations

from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.errors import DataError
from confide.learning.models.inputs import as_numbers
from confide.learning.models.parameters import Parameters

__all__ = [
    "CoxRegression",
    "at_risk",
    "concordance",
    "cox_step",
    "partial_likelihood",
    "risk_terms",
]

Reals = NDArray[np.float64]

MOST_RISK: Final = 10.0
"""A row's xᵀβ is cut to this magnitude, so that no row's risk is beyond e^10 times the usual."""

_LONGEST_STEP: Final = 2.0
_STEPS: Final = 25


def risk_terms(x: Reals, beta: Reals) -> Reals:
    """exp(xᵀβ)·(1, x, upper triangle of xxᵀ) of each row, shape `(rows, 1 + p + p(p + 1)/2)`."""
    upper = np.triu_indices(x.shape[1])
    products = x[:, upper[0]] * x[:, upper[1]]
    risk = np.exp(np.clip(x @ beta, -MOST_RISK, MOST_RISK))
    return np.asarray(risk[:, np.newaxis] * np.column_stack([np.ones(len(x)), x, products]))


def at_risk(by_time: Reals) -> Reals:
    """Sums over the rows still at risk at each time, from sums over the rows whose time it is."""
    return np.asarray(np.cumsum(by_time[::-1], axis=0)[::-1])


def partial_likelihood(deaths: Reals, moved: Reals, risks: Reals) -> tuple[Reals, Reals]:
    """Gradient and information of Breslow's log partial likelihood.

    Args:
        deaths: d_t, shape `(times,)`.
        moved: Σ_events x, shape `(p,)`.
        risks: S₀, S₁ and the upper triangle of S₂ at each time, as `risk_terms` orders them.

    Returns:
        U, shape `(p,)`, and I, shape `(p, p)`.
    """
    p = len(moved)
    held = (deaths > 0) & (risks[:, 0] > 0)
    d, s = deaths[held], risks[held]
    mean = s[:, 1 : p + 1] / s[:, :1]
    second = np.zeros((p, p))
    second[np.triu_indices(p)] = (d / s[:, 0]) @ s[:, p + 1 :]
    second += np.triu(second, 1).T
    return moved - d @ mean, second - (mean * d[:, np.newaxis]).T @ mean


def cox_step(beta: Reals, gradient: Reals, information: Reals, ridge: float) -> Reals:
    """β after one Newton step of the penalised likelihood, shortened if it is very long."""
    p = len(beta)
    curved = information + (ridge + 1e-9 * max(float(np.trace(information)) / p, 1e-12)) * np.eye(p)
    step = np.linalg.solve(curved, gradient - ridge * beta)
    return np.asarray(beta + step * min(1.0, _LONGEST_STEP / max(float(np.abs(step).max()), 1e-12)))


def concordance(time: ArrayLike, event: ArrayLike, risk: ArrayLike) -> float:
    """Harrell's C: how often, of two rows, the one known to have lived longer had less risk.

    Args:
        time: Shape `(rows,)`.
        event: Whether the event came then, shape `(rows,)`.
        risk: Higher for likelier events, shape `(rows,)`; ties count one half.

    Returns:
        From 0 to 1; 0.5 for risks that say nothing, and where no two rows can be compared.

    References:
        F. E. Harrell et al., "Evaluating the Yield of Medical Tests", JAMA 1982.

    Example:
        >>> concordance([1, 2, 3], [1, 1, 0], [0.9, 0.2, 0.4])
        0.6666666666666666
    """
    t, e, r = (np.asarray(v, np.float64) for v in (time, event, risk))
    good = pairs = 0.0
    for place in np.flatnonzero(e > 0):
        longer = (t > t[place]) | ((t == t[place]) & (e == 0))
        pairs += float(longer.sum())
        good += float((r[longer] < r[place]).sum() + 0.5 * (r[longer] == r[place]).sum())
    return good / pairs if pairs else 0.5


class CoxRegression(Parameters):
    """Cox regression with Breslow's ties: hazards in the ratio exp(xᵀβ), whatever their course.

    Maximises the log partial likelihood ÷ the events − ½·l2·‖β‖².

    Args:
        l2: The weight of the penalty, at least 0.

    Attributes:
        coef_: β, the log hazard ratio of each input, shape `(n_features,)`.

    Example:
        >>> x, weeks, died = [[0.0], [1.0], [0.0], [1.0]], [5, 1, 3, 4], [0, 1, 1, 1]
        >>> CoxRegression(l2=0.1).fit(x, weeks, died).coef_.round(2)
        array([0.65])
    """

    def __init__(self, *, l2: float = 0.0) -> None:
        self.l2 = l2

    def fit(
        self,
        X: ArrayLike,  # noqa: N803
        y: ArrayLike,
        event: ArrayLike,
        *,
        strata: ArrayLike | None = None,
    ) -> Self:
        """Trains to convergence on records that one may see.

        Args:
            X: Shape `(m, n_features)`.
            y: Times, shape `(m,)`.
            event: Whether the event came then (1) or the row was last seen (0), shape `(m,)`.
            strata: Rows of one value have a baseline hazard of their own; None for one of all.

        Raises:
            DataError: If a shape is wrong or no event came.
        """
        x, times, events = self._first(X), as_numbers(y, "y"), as_numbers(event, "event")
        if not (len(x) == len(times) == len(events)):
            raise DataError(f"{len(x)} rows, {len(times)} times and {len(events)} events; one each")
        if not events.sum() > 0:
            raise DataError("no event among the rows; a hazard needs at least one")
        groups = np.zeros(len(x)) if strata is None else np.unique(strata, return_inverse=True)[1]
        self.coef_ = np.zeros(x.shape[1])
        for _ in range(_STEPS):
            parts = [
                likelihood_of_rows(
                    x[groups == g], times[groups == g], events[groups == g], self.coef_
                )
                for g in np.unique(groups)
            ]
            gradient, information = (np.sum(part, axis=0) for part in zip(*parts, strict=True))
            self.coef_ = cox_step(self.coef_, gradient, information, self.l2 * float(events.sum()))
        return self

    @classmethod
    def from_coefficients(cls, coef: Reals, *, l2: float = 0.0) -> Self:
        """A fitted estimator from log hazard ratios that were found elsewhere, shape `(p,)`."""
        made = cls(l2=l2)
        made.n_features_in_, made.coef_ = len(coef), coef
        return made

    def predict(self, X: ArrayLike) -> Reals:  # noqa: N803
        """The log hazard ratio xᵀβ of each row against one of zeros, shape `(m,)`."""
        return np.asarray(self._again(X) @ self.coef_)

    def score(self, X: ArrayLike, y: ArrayLike, event: ArrayLike) -> float:  # noqa: N803
        """Harrell's C of the predicted risks; arguments as `fit`."""
        return concordance(y, event, self.predict(X))


def likelihood_of_rows(x: Reals, times: Reals, events: Reals, beta: Reals) -> tuple[Reals, Reals]:
    """Gradient and information of rows that one may see, at their own times."""
    distinct, place = np.unique(times, return_inverse=True)
    by_time = np.zeros((len(distinct), risk_terms(x[:1], beta).shape[1]))
    np.add.at(by_time, place, risk_terms(x, beta))
    deaths = np.bincount(place, weights=events, minlength=len(distinct)).astype(np.float64)
    return partial_likelihood(deaths, events @ x, at_risk(by_time))
