"""Newton's method by sums: gradient and Hessian of everybody's rows, one step a round.

A party adds up its own rows' gradients and Hessians before it contributes. With n rows in all, g_i
and H_i of row i at w, and penalties λ₂ and λ₁,

    w ← argmin_v  ḡᵀ(v - w) + ½ (v - w)ᵀ H̄ (v - w) + ½ λ₂ ‖v‖² + λ₁ ‖v‖₁,

where ḡ = Σ g_i / n and H̄ = Σ H_i / n are released sums; intercepts are not penalised. Without λ₁
it is iteratively reweighted least squares (McCullagh and Nelder 1989, §2.5), with it the proximal
Newton method of glmnet (Friedman, Hastie and Tibshirani 2010, §3): the inner problem is solved by
everybody from the same sums. A handful of rounds reaches the optimum of the pooled rows; linear
regression takes one. Noise for each record needs `fed_sgd`, whose sums are shorter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from confide.aggregation import Summed
from confide.computation import Computation, Data, State, Totals
from confide.errors import DataError, PlanError
from confide.learning.algorithms.digits import in_digits, joined, split
from confide.learning.models import GeneralisedLinearModel
from confide.learning.models.families import Bernoulli, Categorical, Family, Gaussian, Poisson
from confide.learning.settings import (
    Inputs,
    check_features,
    inputs_and_targets,
    model_settings,
    table_settings,
)
from confide.plan import Norm, Sum, SumGroup, Task
from confide.tables import Schema, Target

__all__ = ["fed_newton"]

Reals = NDArray[np.float64]

MOST_PARAMETERS: Final = 2_000
"""Beyond, Hessians are larger than the sums of many gradient steps."""

_CYCLES, _TOLERANCE = 1_000, 1e-12
_DAMPING: Final = 1e-9
"""Added to the Hessian's diagonal, relative to its mean: columns may depend on each other."""

_LEAST_COUNT: Final = 1e-3
"""The mean count that a fit begins with is at least this."""

_LONGEST_STEP: Final = 20.0
"""A step that moves a parameter further is shortened: far from the optimum a Hessian misleads."""

_LONGEST_OF_COUNTS: Final = 1.0
"""The same for the logarithm of a count, of which 20 more are a factor of 5 · 10⁸."""

_OVERSHOOT: Final = 4.0
"""A row's predicted count is at most so many times the most events that a row has."""


def fed_newton(
    model: GeneralisedLinearModel,
    table: Inputs,
    *,
    capacity: int,
    l1: float = 0.0,
    input_bound: float = 10.0,
) -> Computation:
    """Makes Newton's method of a model.

    Args:
        model: What is trained; its `l2` is λ₂.
        table: Which columns are features and label.
        capacity: The most rows that a party counts; further rows are left out.
        l1: λ₁, at least 0.
        input_bound: The largest magnitude of an input; a schema cuts its inputs to 10.

    Returns:
        A computation. Its state has `parameters`, and `rows`, how many rows of all parties were
        counted in the last round.

    Raises:
        PlanError: If a number is out of range, or the model has too many parameters.
    """
    check_features(model, table)
    size = model.n_parameters
    if size > MOST_PARAMETERS:
        raise PlanError(
            f"Newton's method over {size:,} parameters; at most {MOST_PARAMETERS:,}: use fed_sgd "
            "or fed_avg"
        )
    if not (math.isfinite(l1) and l1 >= 0):
        raise PlanError(f"l1 is {l1}; it is finite and at least 0")
    if not input_bound > 0:
        raise PlanError(f"input_bound is {input_bound}; it is positive")
    # Bounds of each coordinate: exact sums need no bound of a row's length.
    residual, curvature = _largest(model.family, table, input_bound)
    gradients, hessians, rows_of_all = (
        Sum(name=name, shape=shape, unit_bound=bound, norm=Norm.LINF, capacity=capacity,
            meaning=meaning)
        for name, shape, bound, meaning in (
            ("gradient", (size,), input_bound * residual, "gradients of all rows"),
            ("hessian", (size * (size + 1) // 2,), input_bound**2 * curvature,
             "curvatures of all rows"),
            ("rows", (), 1.0, "number of rows of all parties"),
        )
    )  # fmt: skip
    first, second = in_digits(gradients), in_digits(hessians)
    upper = np.triu_indices(size)
    longest = _LONGEST_OF_COUNTS if isinstance(model.family, Poisson) else _LONGEST_STEP

    def contribute(state: State, data: Data, _: np.random.Generator) -> Mapping[str, Summed]:
        x, y = inputs_and_targets(model, table, data, state)
        rows, w = len(x), state["parameters"]
        gradient = model.gradient(w, x, y) - model.penalty_gradient(w)
        hessian = model.hessian(w, x) - np.diag(_ridge(model))
        return {
            **split(first, rows * gradient, rows),
            **split(second, rows * hessian[upper], rows),
            "rows": Summed(np.array(float(rows)), rows),
        }

    def update(state: State, totals: Totals) -> State:
        rows, w = float(totals["rows"]), state["parameters"]
        if rows < 1:
            raise DataError("the sums hold no row; nothing is learned from them")
        gradient = joined(first, totals) / rows
        if isinstance(model.family, Poisson) and model.fit_intercept and not w.any():
            # At 0 the intercept's gradient is the mean of 1 - y. Newton's step from there would be
            # ȳ - 1, and e to that power is far off: begin at the mean count, as glmnet does.
            w = w.copy()
            w[-1] = math.log(max(1 - float(gradient[-1]), _LEAST_COUNT))
            return {**state, "parameters": w, "rows": np.array(rows)}
        hessian = np.zeros((size, size))
        hessian[upper] = joined(second, totals) / rows
        hessian += np.triu(hessian, 1).T
        target = _minimise(
            hessian,
            gradient - hessian @ w,
            _ridge(model),
            l1 * _penalised(model),
            w,
        )
        step = target - w
        step *= longest / max(float(np.abs(step).max()), longest)
        return {**state, "parameters": w + step, "rows": np.array(rows)}

    return Computation(
        task=Task.of(
            "fed-newton",
            model=model_settings(model),
            table=table_settings(table),
            capacity=capacity,
            l1=float(l1),
            input_bound=float(input_bound),
        ),
        sums=SumGroup((*first, *second, rows_of_all)),
        columns=table.columns,
        read=table.read,
        init=lambda: {"parameters": model.init(), "rows": np.array(0.0)},
        contribute=contribute,
        update=update,
    )


def _largest(family: Family, table: Inputs, input_bound: float) -> tuple[float, float]:
    """The largest residual and variance of a row, in magnitude."""
    if isinstance(family, Bernoulli | Categorical):
        return 1.0, 0.25
    if isinstance(family, Gaussian):
        return input_bound, 1.0
    target = table.target if isinstance(table, Schema) else None
    counts = target.bounds if isinstance(target, Target) and target.count else None
    # A step may predict more than any row counts: its curvature makes the next one smaller.
    most = max(input_bound, _OVERSHOOT * counts[1] if counts else 0.0)
    return most, most


def _penalised(model: GeneralisedLinearModel) -> Reals:
    """One for each parameter that is penalised, zero for intercepts."""
    return model.flatten(np.ones((model.n_features, model.family.n_outputs)))


def _ridge(model: GeneralisedLinearModel) -> Reals:
    return model.l2 * _penalised(model)


def _minimise(hessian: Reals, linear: Reals, ridge: Reals, lasso: Reals, start: Reals) -> Reals:
    """argmin_v linearᵀv + ½ vᵀ hessian v + ½ Σ ridge v² + Σ lasso |v|."""
    curved = hessian + np.diag(ridge)
    curved += np.eye(len(curved)) * _DAMPING * max(float(np.trace(curved)) / len(curved), 1e-12)
    if not lasso.any():
        return np.asarray(np.linalg.solve(curved, -linear))
    v: Reals = start.copy()
    diagonal = np.diag(curved)
    for _ in range(_CYCLES):  # coordinate descent with soft thresholds (Friedman et al., eq. 5)
        before = v.copy()
        for j in range(len(v)):
            rest = linear[j] + curved[j] @ v - diagonal[j] * v[j]
            v[j] = -math.copysign(max(abs(rest) - lasso[j], 0.0), rest) / diagonal[j]
        if float(np.abs(v - before).max()) <= _TOLERANCE * max(1.0, float(np.abs(v).max())):
            break
    return v
