"""Group privacy: how an event protects several units together.

For noise on sums, k units move a sum k times as far as one, and the event of the group is again an
event, exactly. Under secret Poisson sampling a group's contribution is random: of k units
Binomial(k, q) are in the sample, so the event is a mixture of Gaussians. Of any other event only ε
and δ are known to scale.

References:
    Ganesh, "Tight group-level DP guarantees for DP-SGD with sampling via mixture of Gaussians
    mechanisms" (arXiv 2401.10294), Theorem 3.1.
    Bun, Steinke, "Concentrated differential privacy" (TCC 2016), Proposition 27.
    Vadhan, "The complexity of differential privacy" (2017), Lemma 2.2.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from confide.errors import PlanError
from confide.numbers import check_real, check_whole
from confide.plan import Relation
from confide.privacy.accounting.events import event_to_plain
from confide.privacy.accounting.gaussian import check_delta, check_epsilon, gaussian_mu
from confide.privacy.accounting.mixtures import binomial_mixture
from confide.privacy.accounting.profile import PrivacyProfile, profile_of

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = ["group_bound", "group_epsilon", "group_event"]

_LARGEST_GROUP: Final = 1_000_000


def group_event(event: DpEvent, units: int) -> DpEvent:
    """The event for groups of units that follows from an event for one unit.

    Args:
        event: What it is for one unit.
        units: k, how many units are added, removed or replaced together.

    Returns:
        An event whose neighbours are such groups: account for it under the same relation.

    Raises:
        PlanError: If no theorem gives the group's event; `group_bound` then scales ε and δ.

    Example:
        >>> from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent
        >>> group_event(GaussianDpEvent(4.0), 2)
        GaussianDpEvent(noise_multiplier=2.0)
        >>> mixture = group_event(PoissonSampledDpEvent(0.5, GaussianDpEvent(4.0)), 2)
        >>> [round(p, 9) for p in mixture.sampling_probs], mixture.sensitivities
        ([0.25, 0.5, 0.25], [0.0, 1.0, 2.0])
    """
    _check_units(units)
    event_to_plain(event)
    units = int(units)
    if units == 1:
        return event
    return _grouped(event, units)


def group_bound(epsilon: float, delta: float, units: int) -> tuple[float, float]:
    """What (ε, δ) for one unit is for k: (kε, δ·(e^(kε) - 1)/(e^ε - 1)).

    Holds for every mechanism and is far from tight for most.

    Raises:
        PlanError: If ε is not positive and finite, δ not in [0, 1), or k below 1.

    Example:
        >>> group_bound(0.5, 0.0, 3)
        (1.5, 0.0)
    """
    epsilon = check_epsilon(epsilon)
    _check_units(units)
    delta = check_real("delta", delta, least=0, below=1, limit="it is at least 0 and below 1")
    units = int(units)
    if delta == 0:
        return units * epsilon, 0.0
    # log((e^kε - 1)/(e^ε - 1)), which stays finite where the fraction does not.
    log_factor = (units - 1) * epsilon + math.log(
        math.expm1(-units * epsilon) / math.expm1(-epsilon)
    )
    return units * epsilon, min(1.0, math.exp(min(0.0, math.log(delta) + log_factor)) * (1 + 1e-12))


def group_epsilon(
    event: DpEvent,
    units: int,
    delta: float,
    relation: Relation = Relation.ADD_OR_REMOVE_ONE,
) -> float:
    """ε at δ for k units together, of any event, from its profile for one unit.

    Searches for the ε of one unit at which `group_bound` gives the least for k.

    Raises:
        PlanError: If the event is unknown, or k or δ out of range.
    """
    check_delta(delta)
    _check_units(units)
    profile = profile_of(event, relation)
    low, high = 0.0, max(profile.epsilon(delta), 1e-6)
    if high == math.inf:
        return math.inf
    while _bound_at(profile, high, units) > delta:
        if high > 700 / units:
            return math.inf
        low, high = high, 2 * high
    while high - low > 1e-5 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if _bound_at(profile, middle, units) <= delta else (middle, high)
    return units * high


def _bound_at(profile: PrivacyProfile, epsilon: float, units: int) -> float:
    return group_bound(epsilon, min(profile.delta(epsilon), 1 - 1e-16), units)[1]


def _grouped(event: DpEvent, units: int) -> DpEvent:
    from dp_accounting import dp_event

    found: DpEvent
    match event:
        case dp_event.NoOpDpEvent() | dp_event.NonPrivateDpEvent():
            found = event
        case dp_event.SelfComposedDpEvent(event=inner, count=count):
            found = dp_event.SelfComposedDpEvent(_grouped(inner, units), count)
        case dp_event.ComposedDpEvent(events=events):
            found = dp_event.ComposedDpEvent([_grouped(e, units) for e in events])
        case dp_event.PoissonSampledDpEvent(sampling_probability=rate, event=inner):
            found = _sampled(float(rate), inner, units)
        case _:
            found = _scaled(event, units)
    return found


def _scaled(event: DpEvent, units: int) -> DpEvent:
    """Noise of the same size on sums that lie `units` times as far apart."""
    from dp_accounting import dp_event

    found: DpEvent
    match event:
        case dp_event.GaussianDpEvent(noise_multiplier=z):
            found = dp_event.GaussianDpEvent(z / units)
        case dp_event.LaplaceDpEvent(noise_multiplier=b):
            found = dp_event.LaplaceDpEvent(b / units)
        case dp_event.DiscreteLaplaceDpEvent(noise_parameter=rate, sensitivity=steps):
            found = dp_event.DiscreteLaplaceDpEvent(rate, steps * units)
        case dp_event.SingleEpochTreeAggregationDpEvent(noise_multiplier=z, step_counts=steps):
            found = dp_event.SingleEpochTreeAggregationDpEvent(z / units, steps)
        case dp_event.ZCDpEvent(rho=rho, xi=0.0):
            found = dp_event.ZCDpEvent(rho * units**2)
        case _:
            raise PlanError(
                f"no event is known for {units} units of {event}: scale its ε and δ by group_bound"
            )
    return found


def _sampled(rate: float, inner: DpEvent, units: int) -> DpEvent:
    """Of k units Binomial(k, q) are in the sample: a mixture of Gaussians with these distances."""
    from dp_accounting import dp_event

    mu = gaussian_mu(inner)
    if mu is None or not 0 <= rate <= 1:
        raise PlanError(
            f"no event is known for {units} units sampled at rate {rate:g} for {inner}: scale its "
            "ε and δ by group_bound"
        )
    if mu == 0 or rate == 0:
        return dp_event.NoOpDpEvent()
    return binomial_mixture(rate, 1 / mu, units)


def _check_units(units: int) -> None:
    check_whole(
        "units", units, least=1, most=_LARGEST_GROUP, limit=f"a group has 1 to {_LARGEST_GROUP:,}"
    )
