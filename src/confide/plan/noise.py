"""How much noise is added on a plan's lattice: derived from the noise multiplier, never set.

In clip-normalised units every coordinate of a round gets the standard deviation z·Δ, where z is the
noise multiplier and Δ the joint L2 sensitivity: a sum with bound B and resolution γ gets z·Δ·B/γ
steps. Shares split the variance among the fewest honest survivors, so that the full variance
remains in spite of dropouts and colluders.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from confide.errors import PlanError
from confide.plan.protection import NoiseShares, NoNoise

if TYPE_CHECKING:
    from confide.plan.plan import Plan
    from confide.plan.sums import Sum

__all__ = ["LEAST_STEPS", "TAIL_BITS", "check_noise", "most_units", "noise_steps", "noise_tail"]

LEAST_STEPS: Final = 4.0
"""The least standard deviation of a draw, in lattice steps: a sum of discrete Gaussians this wide
is within 2^-200 of a discrete Gaussian (Kairouz, Liu and Steinke 2021, Theorem 1)."""

TAIL_BITS: Final = 60
"""The noise of a sum exceeds its modulus with probability at most 2^-60 a round. A wrap-around
affects correctness, never privacy."""

_LARGEST_STEPS: Final = 2.0**40
_UP: Final = 1 + 2.0**-40
"""The scale is rounded up by this much, to cover errors in the last bits of a square root."""


def noise_steps(plan: Plan, declared: Sum) -> float:
    """Standard deviation of one draw for a sum, in steps of its lattice; 0 without noise."""
    if isinstance(plan.noise, NoNoise):
        return 0.0
    normalised = plan.noise.noise_multiplier * plan.joint_sensitivity
    steps = normalised * declared.unit_bound / declared.lattice.resolution
    if isinstance(plan.noise, NoiseShares):
        steps /= math.sqrt(plan.honest_survivors)
    return steps * _UP


def noise_tail(plan: Plan, declared: Sum) -> int:
    """The size, in lattice steps, that a sum's total noise exceeds with probability at most 2^-60.

    Discrete Gaussians are sub-Gaussian (Canonne, Kamath and Steinke 2020, Corollary 17), and so are
    their sums: P[|X| ≥ t] ≤ 2·exp(-t²/2σ²), here over all coordinates.
    """
    draws = len(plan.parties) if isinstance(plan.noise, NoiseShares) else 1
    deviation = noise_steps(plan, declared) * math.sqrt(draws)
    return math.ceil(deviation * math.sqrt(2 * math.log(2.0 ** (TAIL_BITS + 1) * declared.size)))


def check_noise(plan: Plan) -> None:
    """Refuses noise that does not fit a plan.

    Raises:
        PlanError: If δ is at least 1 ÷ units, nobody honest is left to add a share, or a lattice
            is too coarse or too narrow for the noise.
    """
    if isinstance(plan.noise, NoNoise):
        return
    units = most_units(plan)
    if plan.noise.delta * units >= 1:
        raise PlanError(
            f"delta is {plan.noise.delta:g} and the plan counts up to {units:,} "
            f"{plan.sums.unit.plural}: at 1/{units:,} or more it would allow publishing one "
            f"of them in full. Lower delta below {1 / units:.1g}"
        )
    if isinstance(plan.noise, NoiseShares) and plan.honest_survivors < 1:
        raise PlanError(
            f"noise in shares, but of {plan.min_survivors} survivors {plan.colluding} may collude: "
            "no honest share is left. Invite more parties, or allow fewer dropouts or colluders"
        )
    for declared in plan.sums.sums:
        _check_lattice(plan, declared)


def most_units(plan: Plan) -> int:
    """The most units that a plan can count, at all parties."""
    return len(plan.parties) * max(s.capacity for s in plan.sums.sums)


def _check_lattice(plan: Plan, declared: Sum) -> None:
    assert not isinstance(plan.noise, NoNoise)  # noqa: S101 - check_noise asks
    steps = noise_steps(plan, declared)
    multiplier = plan.noise.noise_multiplier
    if steps < LEAST_STEPS:
        enough = multiplier * LEAST_STEPS / steps
        raise PlanError(
            f"sum {declared.name!r} cannot hold its noise: a draw has a standard deviation of "
            f"{steps:.2g} lattice steps, and at least {LEAST_STEPS:g} are needed. Raise "
            f"noise_multiplier from {multiplier:g} to at least {enough:.3g}"
        )
    if steps > _LARGEST_STEPS:
        raise PlanError(
            f"sum {declared.name!r} cannot hold its noise: a draw has a standard deviation of "
            f"{steps:.2g} lattice steps, and at most {_LARGEST_STEPS:g} fit. Lower "
            f"noise_multiplier from {multiplier:g}"
        )
    declared.lattice.bits(len(plan.parties), noise_tail(plan, declared))
