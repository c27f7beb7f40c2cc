"""How far the noise in their sums may move a model's metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.learning.algorithms.fed_metrics import metrics_of
from confide.learning.predictors import Predictor
from confide.learning.settings import Inputs
from confide.plan import NoiseShares, NoNoise, Plan
from confide.plan.noise import noise_steps

__all__ = ["margins_of", "written"]

_DRAWS: Final = 200
_SHARE: Final = 95


def margins_of(
    plan: Plan, predictor: Predictor, table: Inputs, sums: NDArray[np.float64]
) -> dict[str, float]:
    """What noise as large as the plan's changes of each metric in 19 of 20 draws, at most.

    The plan says how much noise the sums have. As much is added to them again, many times, and
    the metrics are computed again: a parametric bootstrap, of released numbers alone.

    Args:
        plan: The plan; its last stage measured.
        predictor: The model.
        table: The table that it reads.
        sums: What the stage released.

    Returns:
        By metric, half of the interval's width; nothing without noise.
    """
    if isinstance(plan.noise, NoNoise):
        return {}
    measured = plan.stage_plans[-1]
    declared = measured.sums.sums[0]
    draws = len(plan.parties) if isinstance(plan.noise, NoiseShares) else 1
    deviation = noise_steps(measured, declared) * math.sqrt(draws) * declared.lattice.resolution
    rng = np.random.default_rng(0)
    drawn = [
        metrics_of(predictor, table, sums + rng.normal(0, deviation, sums.shape))
        for _ in range(_DRAWS)
    ]
    names = [name for name, value in drawn[0].items() if isinstance(value, int | float)]
    ends = [50 - _SHARE / 2, 50 + _SHARE / 2]
    found = {name: np.percentile([each[name] for each in drawn], ends) for name in names}
    return {name: float(high - low) / 2 for name, (low, high) in found.items()}


def written(
    name: str, metrics: Mapping[str, Any], margins: Mapping[str, float], form: str = ".3f"
) -> str:
    """A metric with its margin, if it has one."""
    value = format(metrics[name], form)
    return f"{value} ± {float(f'{margins[name]:.2g}'):,g}" if margins.get(name) else value
