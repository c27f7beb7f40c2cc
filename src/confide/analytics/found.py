"""From a run's state to results: each stage of statistics, by its name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from confide.analytics.bisection import read_quantiles
from confide.analytics.counts import read_histograms
from confide.analytics.grouping import read_groups
from confide.analytics.means import read_covariances, read_moments
from confide.analytics.presences import read_distinct
from confide.analytics.results import Result
from confide.analytics.survival import read_survival
from confide.computation import State
from confide.plan import NoiseShares, NoNoise, Plan, Sum

__all__ = ["released_noise", "statistics"]

_READERS: Final[Mapping[str, Callable[[Mapping[str, Any], State, float], Result]]] = {
    "covariances": read_covariances,
    "groups": read_groups,
    "histograms": read_histograms,
    "moments": read_moments,
    "quantiles": read_quantiles,
    "survival-curve": read_survival,
}


def statistics(plan: Plan, state: State) -> dict[str, Result]:
    """The statistics that a plan's stages found.

    Args:
        plan: The plan.
        state: The state after its last round, as `Run.state`.

    Returns:
        By the statistic's own name, in the order of the stages; other stages have none.
    """
    found: dict[str, Result] = {}
    for stage, part in zip(plan.sum_stages, plan.sum_plans, strict=True):
        settings = stage.task.read()
        name, noise = str(settings.get("name", "")), released_noise(part, stage.sums.sums[0])
        if not {name, f"{name} done"} & set(state):
            continue
        if stage.task.name == "distinct":
            found[name] = read_distinct(settings, state, noise, len(plan.parties))
        elif stage.task.name in _READERS:
            found[name] = _READERS[stage.task.name](settings, state, noise)
    return found


def released_noise(part: Plan, declared: Sum) -> float:
    """The standard deviation of the noise in each coordinate of a released sum; 0 without.

    With noise in shares of all parties that are asked: as much as there is if nobody drops out.

    Args:
        part: A stage as a plan of its own.
        declared: The sum.
    """
    if isinstance(part.noise, NoNoise):
        return 0.0
    draws = len(part.parties) if isinstance(part.noise, NoiseShares) else 1
    return part.noise_steps(declared) * math.sqrt(draws) * declared.lattice.resolution
