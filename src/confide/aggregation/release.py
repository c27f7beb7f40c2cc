"""From a round's sum to what is released of it: the coordinator's part of the noise."""

from __future__ import annotations

from confide.aggregation.session import RoundResult
from confide.plan import CentralNoise, Plan
from confide.privacy.federation import add_noise
from confide.randomness import SecureRandom

__all__ = ["release"]


def release(plan: Plan, result: RoundResult, random: SecureRandom) -> RoundResult:
    """What the coordinator releases: the sum, with noise if the coordinator adds it.

    Under `NoiseShares` the noise is in the sum already, and from an enclave it comes with noise;
    the coordinator never held a sum without it.

    Args:
        plan: The plan.
        result: A round's sum, which takes the noise in.
        random: The coordinator's randomness.
    """
    if plan.attested or not isinstance(plan.noise, CentralNoise):
        return result
    add_noise(plan, result.totals, random)
    return RoundResult(result.survivors, result.totals)
