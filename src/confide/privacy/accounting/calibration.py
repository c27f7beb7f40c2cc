"""The least noise for an (ε, δ): found on a coarse grid, then certified on the fine one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import scipy

from confide.errors import PlanError
from confide.plan import Relation
from confide.privacy.accounting.gaussian import check_delta, check_epsilon, gaussian_mu, mu_of
from confide.privacy.accounting.profile import FINENESS, profile_of

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = ["calibrate", "noise_multiplier"]

_COARSE: Final = 6 * FINENESS
_TOLERANCE: Final = 2e-5
"""How far below ε, as a part of it, the certified ε may stay."""

_LEAST, _MOST = 1e-3, 1e8


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
        relation: What neighbours differ in.
        units: How many units there are, if δ is to be compared with 1 ÷ that.

    Returns:
        A multiplier whose certified ε is at most ε, and less than it by 2·10^-5 of it at most.

    Raises:
        PlanError: If ε or δ is out of range, or no noise will do.

    Example:
        >>> from dp_accounting import GaussianDpEvent
        >>> round(calibrate(GaussianDpEvent, epsilon=1.0, delta=1e-5), 5)
        3.73063
    """
    check_epsilon(epsilon)
    check_delta(delta)
    if units is not None and delta * units >= 1:
        raise PlanError(f"delta is {delta:g} for {units:,} units; it is below {1 / units:.2g}")
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
) -> float:
    """The least noise multiplier of DP-SGD: `steps` Gaussians over Poisson samples of `rate`.

    Raises:
        PlanError: If a number is out of range.
    """
    import dp_accounting as dp

    if not 0 < rate <= 1 or steps < 1:
        raise PlanError(f"rate {rate} and {steps} steps; a rate is in (0, 1], steps at least 1")

    def event(multiplier: float) -> DpEvent:
        once: DpEvent = dp.GaussianDpEvent(multiplier)
        once = once if rate == 1 else dp.PoissonSampledDpEvent(rate, once)
        return dp.SelfComposedDpEvent(once, steps)

    return calibrate(event, epsilon=epsilon, delta=delta, relation=relation)


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
