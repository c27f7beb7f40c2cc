"""Where noise is added: nowhere, by the adder of the sums, or by the parties in shares."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Final

from confide.errors import PlanError
from confide.plan.fields import in_file
from confide.plan.value import Value

__all__ = ["DELTA", "CentralNoise", "NoNoise", "Noise", "NoiseShares"]

DELTA: Final = 1e-8
"""δ if a plan names none: below 1 ÷ units for up to a hundred million units."""

_EPSILON: Final = (
    "epsilon",
    "ε at that δ, for all rounds together; noise_multiplier follows from it.",
)


@dataclass(frozen=True)
class NoNoise(Value):
    """Exact sums are released: ε = ∞."""

    word: ClassVar[str] = "none"


@dataclass(frozen=True)
class CentralNoise(Value):
    """The coordinator adds discrete Gaussian noise to the sum before it releases it.

    Attributes:
        noise_multiplier: Standard deviation ÷ joint sensitivity.
        delta: δ at which ε is stated, below 1 ÷ the units that the plan can count.
    """

    word: ClassVar[str] = "central"

    noise_multiplier: float = field(metadata=in_file(instead=_EPSILON))
    delta: float = DELTA

    def _check(self) -> None:
        _check_noise(self.noise_multiplier, self.delta)


@dataclass(frozen=True)
class NoiseShares(Value):
    """Each party adds a share of the noise before it masks (distributed DP).

    Attributes:
        noise_multiplier: Standard deviation ÷ joint sensitivity, of the noise that remains if the
            fewest parties survive and the colluders subtract their shares.
        delta: δ at which ε is stated, below 1 ÷ the units that the plan can count.
    """

    word: ClassVar[str] = "shares"

    noise_multiplier: float = field(metadata=in_file(instead=_EPSILON))
    delta: float = DELTA

    def _check(self) -> None:
        _check_noise(self.noise_multiplier, self.delta)


Noise = NoNoise | CentralNoise | NoiseShares


def _check_noise(noise_multiplier: float, delta: float) -> None:
    if not (math.isfinite(noise_multiplier) and noise_multiplier > 0):
        raise PlanError(f"noise_multiplier is {noise_multiplier}; it is a positive finite number")
    if not 0 < delta < 1:
        raise PlanError(f"delta is {delta}; it lies between 0 and 1, far below 1 ÷ records")
