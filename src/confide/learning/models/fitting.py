"""Training on data in one place: the pooled or local optimum, to machine precision.

Newton's method, on centred and rescaled features. Both change nothing but the rounding: Newton's
steps are the same in all coordinates in exact arithmetic.

References:
    J. Nocedal and S. J. Wright, "Numerical Optimization", 2nd ed., 2006: §3.1 (backtracking), §3.3
    (Newton's method), §7.2 (limited-memory BFGS).
    S. Boyd and L. Vandenberghe, "Convex Optimization", 2004: §9.5.1 (the Newton decrement).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from confide.errors import PlanError
from confide.learning.models.glm import GeneralisedLinearModel, Parameters
from confide.learning.models.inputs import as_features, check_features, record_weights

__all__ = ["Fit", "fit_to_convergence"]

Reals = NDArray[np.float64]

_DENSE: Final = 1000
"""Beyond so many parameters a Hessian and its eigenvectors cost more than many gradients."""

_DECREMENT: Final = 1e-14
"""The squared Newton decrement, as a share of the loss at zero, from which a step is the last.

Convergence is quadratic: that step leaves a relative error of the order of this number.
"""

_SETTLED: Final = 0.01
"""The most that the last step may move a linear predictor, relative to 1 + |η|.

Where the optimum is at infinity the loss converges, but steps keep a length of one: after the 33 or
so that it takes, they still move η by 1 / 34.
"""

_ARMIJO: Final = 1e-4
_ROUNDING: Final = 1e-13
_HALVINGS: Final = 60


@dataclass(frozen=True)
class Fit:
    """Where training ended.

    Attributes:
        parameters: Shape `(n_parameters,)`.
        iterations: Steps taken.
        converged: False if `max_iter` steps were too few, or the optimum lies at infinity.
    """

    parameters: Parameters
    iterations: int
    converged: bool


def fit_to_convergence(
    model: GeneralisedLinearModel,
    x: ArrayLike,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    max_iter: int = 1000,
) -> Fit:
    """Minimises the model's loss on the given records; deterministic.

    Newton's method with backtracking up to 1,000 parameters, beyond that limited-memory BFGS. Where
    the optimum is not unique (collinear features without penalty, the common vector of a softmax),
    the step of least length is taken.

    Args:
        model: What to fit.
        x: Shape `(m, n_features)`.
        y: Targets, shape `(m,)`, as the model's family encodes them.
        sample_weight: How much each record counts, shape `(m,)`; None for equally.
        max_iter: The most steps, at least 1.

    Returns:
        The optimum, or where the steps ran out.

    Raises:
        DataError: If the data do not fit the model.
        PlanError: If `max_iter` is less than 1.

    Example:
        >>> from confide.learning.models import GeneralisedLinearModel
        >>> from confide.learning.models.families import Gaussian
        >>> model = GeneralisedLinearModel(family=Gaussian(), n_features=1)
        >>> fit_to_convergence(model, [[0.0], [1.0], [2.0]], [1, 3, 5]).parameters.round(12)
        array([2., 1.])
    """
    if max_iter < 1:
        raise PlanError(f"max_iter is {max_iter}; at least 1 step is needed")
    features = as_features(x, model.n_features)
    check_features(features)
    weights = record_weights(sample_weight, len(features))
    model.loss(model.init(), features, y)  # refuses targets that do not fit the features
    objective, start = _standardise(model, features, y, weights)
    solve = _newton if model.n_parameters <= _DENSE else _limited_memory
    fit = solve(objective, start, max_iter)
    return replace(fit, parameters=objective.original(fit.parameters))


@dataclass(frozen=True)
class _Objective:
    """The loss as a function of parameters u for the features z = (x − centre) / scale."""

    model: GeneralisedLinearModel
    """Unpenalised: the penalty is one of the original coefficients, u / scale."""
    z: Reals
    y: ArrayLike
    weights: Reals
    ridge: Parameters
    centre: Reals
    scale: Reals

    def value(self, u: Parameters) -> float:
        loss = self.model.loss(u, self.z, self.y, sample_weight=self.weights)
        return loss + 0.5 * float(self.ridge @ u**2)

    def gradient(self, u: Parameters) -> Parameters:
        gradient = self.model.gradient(u, self.z, self.y, sample_weight=self.weights)
        return np.asarray(gradient + self.ridge * u)

    def hessian(self, u: Parameters) -> Reals:
        hessian = self.model.hessian(u, self.z, sample_weight=self.weights)
        return np.asarray(hessian + np.diag(self.ridge))

    def settled(self, u: Parameters, step: Parameters) -> bool:
        """Whether the step moves every record's linear predictor by little."""
        before = self.model.linear_predictor(u, self.z)
        moved = np.abs(self.model.linear_predictor(u + step, self.z) - before)
        return bool((moved <= _SETTLED * (1 + np.abs(before))).all())

    def original(self, u: Parameters) -> Parameters:
        """The same function's parameters for the features as they came."""
        coef, intercept = self.model.unflatten(u)
        coef = coef / self.scale[:, np.newaxis]
        return self.model.flatten(coef, intercept - self.centre @ coef)


def _standardise(
    model: GeneralisedLinearModel, x: Reals, y: ArrayLike, weights: Reals
) -> tuple[_Objective, Parameters]:
    """The objective with a Hessian near the identity, and the best constant as its start."""
    family = model.family
    mean = (
        weights @ family.encode(y)
        if model.fit_intercept
        else family.inverse_link(np.zeros((1, family.n_outputs)))[0]
    )
    curvature = float(np.trace(family.covariance(mean[np.newaxis])[0])) / family.n_outputs
    centre = weights @ x if model.fit_intercept else np.zeros(model.n_features)
    variance = weights @ (x - centre) ** 2
    scale = np.sqrt(variance + model.l2 / max(curvature, 1e-300))
    # The intercept does the work of a constant column, whose coefficient is therefore zero.
    scale[np.ptp(x[weights > 0], axis=0) <= 1e-14 * np.abs(centre)] = np.inf
    scale[variance == 0] = np.inf
    plain = replace(model, l2=0.0)
    ridge = plain.flatten(np.outer(model.l2 / scale**2, np.ones(family.n_outputs)))
    start = plain.flatten(np.zeros((model.n_features, family.n_outputs)), family.link(mean))
    return _Objective(plain, (x - centre) / scale, y, weights, ridge, centre, scale), start


def _newton(objective: _Objective, u: Parameters, max_iter: int) -> Fit:
    smallest = _DECREMENT * objective.value(np.zeros_like(u))
    slack = smallest * _ROUNDING / _DECREMENT
    full_rank = 0
    for iteration in range(1, max_iter + 1):
        gradient = objective.gradient(u)
        step, rank = _newton_step(objective.hessian(u), gradient)
        full_rank = max(full_rank, rank)
        slope = float(gradient @ step)
        if -slope <= smallest:
            # On the way to infinity, curvature vanishes in that direction.
            settled = rank == full_rank and objective.settled(u, step)
            return Fit(u + step, iteration, settled)
        length = _backtrack(objective.value, u, step, slope, slack)
        if length == 0:
            return Fit(u, iteration, converged=False)
        u = u + length * step
    return Fit(u, max_iter, converged=False)


def _newton_step(hessian: Reals, gradient: Parameters) -> tuple[Parameters, int]:
    """The shortest solution of `hessian @ step = -gradient`, and the Hessian's numerical rank."""
    eigenvalues, vectors = np.linalg.eigh(hessian)
    kept = eigenvalues > 10 * len(gradient) * np.finfo(np.float64).eps * eigenvalues[-1]
    basis = vectors[:, kept]
    return -basis @ (basis.T @ gradient / eigenvalues[kept]), int(kept.sum())


def _backtrack(
    value: Callable[[Parameters], float],
    u: Parameters,
    step: Parameters,
    slope: float,
    slack: float,
) -> float:
    """The largest of 1, ½, ¼, ... with a sufficient decrease, up to the loss's rounding; or 0."""
    length, start = 1.0, value(u)
    for _ in range(_HALVINGS):
        if value(u + length * step) <= start + _ARMIJO * length * slope + slack:
            return length
        length /= 2
    return 0.0


def _limited_memory(objective: _Objective, u: Parameters, max_iter: int) -> Fit:
    # Tolerances are absolute: the loss at zero as unit makes the target's own unit irrelevant.
    unit = objective.value(np.zeros_like(u)) or 1.0
    result = scipy.optimize.minimize(
        lambda v: objective.value(v) / unit,
        u,
        jac=lambda v: objective.gradient(v) / unit,
        method="L-BFGS-B",
        options={
            "maxiter": max_iter,
            "maxfun": 20 * max_iter,
            "ftol": 1e-15,
            "gtol": 1e-9 / math.sqrt(unit),
        },
    )
    return Fit(np.asarray(result.x, dtype=np.float64), int(result.nit), bool(result.success))
