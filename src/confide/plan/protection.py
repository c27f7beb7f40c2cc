"""How contributions are protected on their way into a sum, sampled, and where noise is added.

Each protection is a value; it carries no parameters that follow from the rest of the plan. Where
noise is added is a separate choice, and so is which units contribute to a round.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Final

from confide.errors import PlanError
from confide.plan.value import Value

__all__ = [
    "DELTA",
    "Aggregation",
    "CentralNoise",
    "Clear",
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
    "Rule",
    "Sampling",
]

_HASH_BYTES: Final = 32

DELTA: Final = 1e-8
"""δ where a plan names none: below 1 ÷ units for up to a hundred million."""


@dataclass(frozen=True)
class Clear(Value):
    """The coordinator receives each party's contribution and adds them up.

    The contributions are signed and travel over an encrypted channel, but the coordinator reads
    them: only for plans whose threat calls the coordinator honest.
    """


@dataclass(frozen=True)
class Masked(Value):
    """Secure aggregation by masks that cancel in the sum (Bonawitz et al. 2017, Bell et al. 2020).

    Degree, threshold and quorum are derived from the plan (`confide.plan.masking`).

    Attributes:
        verified: Whether parties check the announced sum themselves, so that a coordinator cannot
            announce a false one (`confide.plan.verified` says for which plans). If omitted, they
            do wherever they can and the coordinator may lie.
    """

    verified: bool | None = None


@dataclass(frozen=True)
class Encrypted(Value):
    """Sums encrypted under a key that nobody holds alone (Li et al. 2023, LERNA).

    Threshold and quorum are those of masked sums over the complete graph
    (`confide.plan.masking`); ring and modulus are derived from the sums
    (`confide.aggregation.encrypted.parameters`).
    """


class Rule(Enum):
    """How contributions become one: added up, or combined so that a few liars move little."""

    SUM = "sum"
    MEDIAN = "median"
    TRIMMED_MEAN = "trimmed-mean"
    KRUM = "krum"
    GEOMETRIC_MEDIAN = "geometric-median"

    def survivors_for(self, liars: int) -> int:
        """How many contributions it takes, at least, so that so many liars move it little.

        For Krum 2f + 3 (Blanchard et al. 2017, Proposition 1), for the others an honest majority.
        """
        if self is Rule.SUM:
            return 1
        return 2 * liars + (3 if self is Rule.KRUM else 1)


@dataclass(frozen=True, kw_only=True)
class Enclave(Value):
    """An attested enclave receives the contributions, and every party verifies it before it sends.

    Attributes:
        policy: SHA-256 of the policy that every party verifies it by (`confide.tee.Policy.hash`).
        over: What protects contributions inside. `Clear()`: the enclave reads them, checks their
            ranges, and adds the noise. `Masked()` or `Encrypted()`: it reads sums only, so that
            broken hardware costs no more than that protection does.
        rule: How it combines them; other rules than sums need `Clear()` and no noise.
        simulated: Whether the policy accepts a simulator, behind which no hardware stands.
    """

    policy: bytes
    over: Clear | Masked | Encrypted = Clear()
    rule: Rule = Rule.SUM
    simulated: bool = False

    def _check(self) -> None:
        if len(self.policy) != _HASH_BYTES:
            raise PlanError(
                f"an enclave policy of {len(self.policy)} bytes; name its SHA-256, {_HASH_BYTES}"
            )
        if self.rule is not Rule.SUM and not isinstance(self.over, Clear):
            raise PlanError(
                f"rule {self.rule.value!r} in an enclave over {type(self.over).__name__.lower()!r} "
                "sums: it takes each contribution, and there the enclave reads none. Leave 'over' "
                "out, or take rule 'sum'"
            )


Aggregation = Clear | Masked | Encrypted | Enclave


@dataclass(frozen=True)
class OpenCrowd(Value):
    """Each round's sum is over whoever is there, up to the plan's dropouts.

    Two sums over different parties differ by what those parties contributed. So exact sums over an
    open crowd are for a coordinator that is not malicious.
    """


@dataclass(frozen=True)
class FixedCrowd(Value):
    """All sums are over the parties of the first one.

    Who misses the first sum stays out, and a later loss ends the run. Then sums differ only by what
    the same parties contributed in different rounds (So et al. 2023, Securing Secure Aggregation).
    """


Crowd = OpenCrowd | FixedCrowd


@dataclass(frozen=True)
class NoNoise(Value):
    """Exact sums are released: ε = ∞."""


@dataclass(frozen=True)
class CentralNoise(Value):
    """The coordinator adds discrete Gaussian noise to the sum before it releases it.

    Attributes:
        noise_multiplier: Standard deviation ÷ joint sensitivity.
        delta: δ at which ε is stated, below 1 ÷ the units that the plan can count.
    """

    noise_multiplier: float
    delta: float = DELTA

    def _check(self) -> None:
        _check_noise(self.noise_multiplier, self.delta)


@dataclass(frozen=True)
class NoiseShares(Value):
    """Each party adds a share of the noise before it masks, so nobody holds a noiseless sum.

    Attributes:
        noise_multiplier: Standard deviation ÷ joint sensitivity of the noise that is left when the
            fewest parties survive and the colluders take theirs away.
        delta: δ at which ε is stated, below 1 ÷ the units that the plan can count.
    """

    noise_multiplier: float
    delta: float = DELTA

    def _check(self) -> None:
        _check_noise(self.noise_multiplier, self.delta)


Noise = NoNoise | CentralNoise | NoiseShares


def _check_noise(noise_multiplier: float, delta: float) -> None:
    if not (math.isfinite(noise_multiplier) and noise_multiplier > 0):
        raise PlanError(f"noise_multiplier is {noise_multiplier}; it is a positive finite number")
    if not 0 < delta < 1:
        raise PlanError(f"delta is {delta}; it lies between 0 and 1, far below 1 ÷ records")


@dataclass(frozen=True)
class FullBatch(Value):
    """Every unit contributes in every round."""


@dataclass(frozen=True)
class PoissonSampling(Value):
    """In each round each unit contributes with the same probability, independently and in secret.

    Each party draws its batch from its `SecureRandom`. The sampler and its accounting are this one
    value: noise is accounted as that of a secret Poisson sample, and of nothing else.

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
