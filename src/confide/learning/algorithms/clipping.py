"""Adaptive clipping (Andrew, Thakkar, McMahan and Ramaswamy 2021, Algorithm 1).

The clip C follows the γ-quantile of the parties' update norms. Each party votes +½ if its norm is
at most C and -½ if it is above; with b̄ the share of parties below, which the released sum of votes
tells, C ← C · exp(-η (b̄ - γ)). Updates are released in units of C, so the declared bound stays 1
while the clip moves, and the votes' sum shares the round's noise.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from confide.plan import Sum, Unit
from confide.plan.literals import Literal

__all__ = ["AdaptiveClip"]

_SMALLEST, _LARGEST = 1e-9, 1e9


class AdaptiveClip(Literal):
    """A clip that follows a quantile of the parties' norms.

    Attributes:
        initial: The clip of the first round.
        parties: How many parties take part in a round, about; public.
        quantile: γ, the share of parties whose updates should stay unclipped.
        learning_rate: η.

    Example:
        >>> clip = AdaptiveClip(initial=1.0, parties=10)
        >>> round(clip.next_clip(1.0, 5.0), 3)  # all ten voted "below": the clip is too large
        0.905
    """

    initial: float = Field(gt=0)
    parties: int = Field(ge=1)
    quantile: float = Field(default=0.5, gt=0, lt=1)
    learning_rate: float = Field(default=0.2, gt=0)

    @property
    def votes(self) -> Sum:
        """The sum of votes."""
        return Sum(
            name="below", unit=Unit.PARTY, unit_bound=0.5, capacity=1,
            meaning="whether each party's update was below the clip",
        )  # fmt: skip

    def vote(self, update: NDArray[np.float64], clip: float) -> float:
        """A party's vote on the clip: ½ if its update is within it, -½ if not."""
        return 0.5 if float(np.linalg.norm(update)) <= clip else -0.5

    def next_clip(self, clip: float, votes: float) -> float:
        """The clip after a round.

        Args:
            clip: C.
            votes: The released sum of votes; noise may take it beyond what parties can vote.
        """
        below = min(max(votes / self.parties + 0.5, 0.0), 1.0)
        moved = clip * math.exp(-self.learning_rate * (below - self.quantile))
        return min(max(moved, _SMALLEST), _LARGEST)
