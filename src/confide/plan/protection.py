"""How contributions are protected on their way into a sum, sampled, and where noise is added.

Each protection is a value; parameters that follow from the rest of the plan are not in it. What it
hides from whom stands in its own module (`confide.plan.protections`). Where noise is added is a
separate choice, and so is which units contribute to a round.
"""

from __future__ import annotations

from dataclasses import dataclass

from confide.errors import PlanError
from confide.plan.crowds import Cohort, Cohorts, Crowd, FixedCrowd, OpenCrowd
from confide.plan.placement import DELTA, CentralNoise, Noise, NoiseShares, NoNoise
from confide.plan.protections import Clear, Enclave, Encrypted, Masked, Protection, Rule
from confide.plan.value import Value

__all__ = [
    "DELTA",
    "Aggregation",
    "CentralNoise",
    "Clear",
    "Cohort",
    "Cohorts",
    "Crowd",
    "Enclave",
    "Encrypted",
    "FixedCrowd",
    "FullBatch",
    "Masked",
    "NoNoise",
    "Noise",
    "NoiseShares",
    "OpenCrowd",
    "PoissonSampling",
    "Protection",
    "Rule",
    "Sampling",
]

Aggregation = Protection
"""Any registered protection."""


@dataclass(frozen=True)
class FullBatch(Value):
    """Every unit contributes in every round."""


@dataclass(frozen=True)
class PoissonSampling(Value):
    """In each round each unit contributes with the same probability, independently and in secret.

    Each party draws its batch from its `SecureRandom`. This one value sets both the sampler and its
    accounting: noise is accounted as that of a secret Poisson sample.

    Attributes:
        rate: Probability that a unit contributes to a round.
    """

    rate: float

    def _check(self) -> None:
        if not 0 < self.rate < 1:
            raise PlanError(
                f"sampling rate is {self.rate}; it lies between 0 and 1: FullBatch() takes all"
            )


Sampling = FullBatch | PoissonSampling
