"""Group privacy: what an event keeps of k units at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scipy.stats import binom

from confide.errors import PlanError
from confide.privacy.accounting.gaussian import check_delta
from confide.privacy.accounting.profile import PrivacyProfile, profile_of, sampled_runs
from confide.privacy.accounting.renyi import gaussian_mu

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = ["group_epsilon", "group_event"]

_LARGEST_GROUP = 1000


def group_event(event: DpEvent, units: int) -> DpEvent:
    """The event that k units that come or go together see.

    k units move a Gaussian's sum k times as far, and a sampled one's as often as they are drawn:
    Binomial(k, q) times the bound, a mixture of Gaussians (Ganesh 2024, arXiv 2401.10294, §2).

    Args:
        event: Gaussians, sampled or not, composed.
        units: k, from 1 to 1,000.

    Raises:
        PlanError: If the event holds anything else, or k is out of range.

    Example:
        >>> from dp_accounting import GaussianDpEvent
        >>> group_event(GaussianDpEvent(4.0), 2)
        GaussianDpEvent(noise_multiplier=2.0)
    """
    from dp_accounting import dp_event as dp

    if not 1 <= units <= _LARGEST_GROUP:
        raise PlanError(f"a group of {units} units; 1 to {_LARGEST_GROUP:,}")
    mu = gaussian_mu(event)
    if mu is not None:
        return dp.GaussianDpEvent(1 / (units * mu)) if mu else dp.NoOpDpEvent()
    runs = sampled_runs(event)
    if runs is None:
        raise PlanError(f"no group privacy of {event} is known; use group_epsilon")
    parts = []
    for run in runs:
        if run.rate == 1:
            once: DpEvent = dp.GaussianDpEvent(run.noise_multiplier / units)
        else:
            drawn = range(units + 1)
            once = dp.MixtureOfGaussiansDpEvent(
                run.noise_multiplier,
                [float(k) for k in drawn],
                [float(p) for p in binom.pmf(drawn, units, run.rate)],
            )
        parts.append(dp.SelfComposedDpEvent(once, run.count))
    return parts[0] if len(parts) == 1 else dp.ComposedDpEvent(parts)


def group_epsilon(event: DpEvent, units: int, delta: float) -> float:
    """ε at δ for k units at once, of any event, by (ε, δ) alone.

    k steps from one data set to the other cost (kε, δ·(e^kε - 1)/(e^ε - 1)) (Dwork and Roth 2014,
    Theorem 2.2; Vadhan 2017, Lemma 2.2). The best split is searched for.

    Raises:
        PlanError: If k or δ is out of range.
    """
    check_delta(delta)
    if not 1 <= units <= _LARGEST_GROUP:
        raise PlanError(f"a group of {units} units; 1 to {_LARGEST_GROUP:,}")
    profile = profile_of(event)
    low, high = 0.0, profile.epsilon(delta)
    while _grown(profile, high, units) > delta:
        if high > 700 / units:
            return math.inf
        low, high = high, 2 * high + 0.1
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if _grown(profile, middle, units) <= delta else (middle, high)
    return units * high


def _grown(profile: PrivacyProfile, epsilon: float, units: int) -> float:
    grown = units if epsilon == 0 else math.expm1(units * epsilon) / math.expm1(epsilon)
    return profile.delta(epsilon) * grown
