"""The least noise for an (ε, δ): found on a coarse grid, then certified on the fine one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import scipy

from confide.errors import PlanError
from confide.numbers import check_real, check_whole, shown
from confide.plan import Relation
from confide.privacy.accounting.gaussian import (
    check_delta,
    check_epsilon,
    check_relation,
    gaussian_mu,
    mu_of,
)
from confide.privacy.accounting.profile import FINENESS, profile_of

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = ["calibrate", "noise_multiplier"]

_COARSE: Final = 6 * FINENESS
_TOLERANCE: Final = 2e-5
"""How far below ε, as a part of it, the certified ε may stay."""

_LEAST, _MOST = 1e-3, 1e8
_MOST_STEPS: Final = 1 << 40

_MOST_DELTA: Final = 0.01
"""The largest δ that is accepted without a number of units: with fewer than a hundred units noise
is of little use."""


def calibrate(
    event: Callable[[float], DpEvent],
    *,
    epsilon: float,
    delta: float,
    relation: Relation = Relation.ADD_OR_REMOVE_ONE,
    units: int | None = None,
) -> float:
    """The least noise multiplier with which an event keeps (ε, δ).

    Args:
        event: From a multiplier to the event; more noise, less loss.
        epsilon: ε.
        delta: δ.
        relation: How neighbours differ.
        units: How many units there are, so that δ is compared with 1 ÷ that. Without it, δ is at
            most 0.01.

    Returns:
        A multiplier whose certified ε is at most ε, and less than it by 2·10^-5 of it at most.

    Raises:
        PlanError: If ε or δ is out of range, or no noise will do.

    Example:
        >>> from dp_accounting import GaussianDpEvent
        >>> round(calibrate(GaussianDpEvent, epsilon=1.0, delta=1e-5), 5)
        3.73063
    """
    if not callable(event):
        raise PlanError(f"event is {shown(event)}; give a function from a multiplier to an event")
    epsilon, delta = check_epsilon(epsilon), check_delta(delta)
    check_relation(relation)
    _check_units(delta, units)
    mu = gaussian_mu(event(1.0))
    if mu is not None:
        # Mostly Gaussians scale, and the multiplier is μ at 1 over what is allowed. If not, search.
        scaled = mu / mu_of(epsilon, delta) * (1 + 1e-12)
        if gaussian_mu(event(2.0)) == mu / 2 and _holds(event(scaled), epsilon, delta):
            return scaled

    def excess(log_multiplier: float, fineness: float) -> float:
        found = profile_of(event(math.exp(log_multiplier)), relation, fineness=fineness)
        # Logarithms make what is nearly a power law nearly a line.
        return math.log(max(found.epsilon(delta), 1e-12)) - math.log(epsilon)

    low, high = _bracket(lambda x: excess(x, _COARSE), epsilon, delta)
    near = scipy.optimize.brentq(lambda x: excess(x, _COARSE), low, high, xtol=1e-3)
    slope = (excess(near + 0.01, _COARSE) - excess(near - 0.01, _COARSE)) / 0.02
    return math.exp(_certified(lambda x: excess(x, FINENESS), near, min(slope, -0.1)))


def _check_units(delta: float, units: int | None) -> None:
    """Refuses a δ that allows publishing one of the units."""
    if units is None:
        check_real(
            "delta", delta, most=_MOST_DELTA,
            limit=f"above {_MOST_DELTA:g} some units may be published in full, and ε does not "
            "protect them: take less than 1 ÷ units, and say how many there are by units=",
        )  # fmt: skip
        return
    whole = check_whole(
        "units", units, least=1, most=10**100, limit="a whole number of units, at least 1"
    )
    if delta * whole >= 1:
        raise PlanError(f"delta is {delta:g} for {whole:,} units; it is below {1 / whole:.2g}")


def _holds(event: DpEvent, epsilon: float, delta: float) -> bool:
    mu = gaussian_mu(event)
    return mu is not None and mu <= mu_of(epsilon, delta)


def noise_multiplier(
    *,
    epsilon: float,
    delta: float,
    rate: float = 1.0,
    steps: int = 1,
    relation: Relation = Relation.ADD_OR_REMOVE_ONE,
    units: int | None = None,
) -> float:
    """The least noise multiplier of DP-SGD: `steps` Gaussians over Poisson samples of `rate`.

    Args:
        epsilon: ε.
        delta: δ.
        rate: With what probability a unit is in a step, in (0, 1].
        steps: How many there are.
        relation: How neighbours differ.
        units: As for `calibrate`.

    Raises:
        PlanError: If a number is out of range.
    """
    import dp_accounting as dp

    rate = check_real("rate", rate, least=1e-100, most=1, limit="a sampling rate is in (0, 1]")
    steps = check_whole(
        "steps", steps, least=1, most=_MOST_STEPS, limit="a whole number, 1 to 2^40"
    )

    def event(multiplier: float) -> DpEvent:
        once: DpEvent = dp.GaussianDpEvent(multiplier)
        once = once if rate == 1 else dp.PoissonSampledDpEvent(rate, once)
        return dp.SelfComposedDpEvent(once, steps)

    return calibrate(event, epsilon=epsilon, delta=delta, relation=relation, units=units)


def _bracket(excess: Callable[[float], float], epsilon: float, delta: float) -> tuple[float, float]:
    """Two logarithms of multipliers between which the excess changes its sign."""
    # Start where one Gaussian would stand, or where little noise is needed whatever the sampling.
    high = math.log(max(0.4, 0.3 / mu_of(epsilon, delta)))
    while excess(high) > 0:
        high += math.log(2)
        if high > math.log(_MOST):
            raise PlanError(f"no noise keeps epsilon {epsilon:g} at delta {delta:g}")
    low = high - math.log(2)
    while excess(low) <= 0:
        low, high = low - math.log(2), low
        if low < math.log(_LEAST):
            raise PlanError(
                f"epsilon {epsilon:g} at delta {delta:g} holds with a noise multiplier below "
                f"{_LEAST:g}: ask for less than that"
            )
    return low, high


def _certified(excess: Callable[[float], float], near: float, slope: float) -> float:
    """The sign change near a point, approached on the fine grid and left on the safe side.

    Args:
        excess: Falls with x.
        near: A point close to its sign change.
        slope: About its derivative there.
    """
    x, here = near, excess(near)
    for _ in range(20):
        if -_TOLERANCE <= here <= 0:
            return x
        # Aim at the middle of what is accepted, so that a curve that bends does not miss it.
        x -= (here + _TOLERANCE / 2) / slope
        here = excess(x)
    while here > 0:
        x -= _TOLERANCE / slope
        here = excess(x)
    return x
