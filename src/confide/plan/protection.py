"""How contributions are protected on their way into a sum, and where noise is added.

Each protection is a value; it carries no parameters that follow from the rest of the plan. Where
noise is added is a separate choice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from confide.errors import PlanError
from confide.plan.value import Value

__all__ = [
    "Aggregation",
    "CentralNoise",
    "Clear",
    "Masked",
    "NoNoise",
    "Noise",
    "NoiseShares",
    "Recipients",
    "Release",
]


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
    """


Aggregation = Clear | Masked


@dataclass(frozen=True)
class NoNoise(Value):
    """Exact sums are released: ε = ∞."""


@dataclass(frozen=True)
class CentralNoise(Value):
    """The coordinator adds discrete Gaussian noise to the sum before it releases it.

    Attributes:
        noise_multiplier: Standard deviation ÷ joint sensitivity.
    """

    noise_multiplier: float

    def _check(self) -> None:
        _check_multiplier(self.noise_multiplier)


@dataclass(frozen=True)
class NoiseShares(Value):
    """Each party adds a share of the noise before it masks, so nobody holds a noiseless sum.

    Attributes:
        noise_multiplier: Standard deviation ÷ joint sensitivity of the noise that is left when the
            fewest parties survive and the colluders take theirs away.
    """

    noise_multiplier: float

    def _check(self) -> None:
        _check_multiplier(self.noise_multiplier)


Noise = NoNoise | CentralNoise | NoiseShares


def _check_multiplier(value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise PlanError(f"noise_multiplier is {value}; it is a positive finite number")


class Recipients(Enum):
    """Who receives the sums. The coordinator always does: it computes them."""

    COORDINATOR = "coordinator"
    EVERYONE = "everyone"


@dataclass(frozen=True, kw_only=True)
class Release(Value):
    """To whom the sums go, after each round.

    Attributes:
        to: The coordinator alone, or all parties as well. A plan of several rounds releases to
            everyone, because each next state follows from the sums.
    """

    to: Recipients = Recipients.EVERYONE
