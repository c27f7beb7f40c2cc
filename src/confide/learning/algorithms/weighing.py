"""A weighted mean of what parties send, as bounded sums: Σ p_k v_k / Σ p_k, p_k = min(n_k, N) / N.

Dividing by a released total and not by a public one keeps the mean right when parties are missing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.computation import State, Totals
from confide.errors import PlanError
from confide.learning.algorithms.clipping import AdaptiveClip
from confide.plan import Norm, Sum, Unit

__all__ = ["ClippedMean", "Weights"]

Reals = NDArray[np.float64]

WEIGHT = "weight"
CLIP = "clip_norm_l2"


class Weights:
    """Parties weigh as many rows as they have, up to a public cap.

    Args:
        cap: N, the most rows that a party's weight counts; 1 weighs all parties alike.

    Raises:
        PlanError: If the cap is not positive.
    """

    def __init__(self, cap: int) -> None:
        if not cap > 0:
            raise PlanError(f"weight_cap is {cap}; it is positive")
        self._cap = cap
        self.sum = Sum(
            name=WEIGHT, unit=Unit.PARTY, unit_bound=1.0, capacity=1,
            meaning=f"rows as a fraction of {cap:,}",
        )  # fmt: skip

    def share(self, rows: int) -> float:
        """p_k of a party with so many rows."""
        return min(rows, self._cap) / self._cap

    def given(self, rows: int) -> dict[str, ArrayLike]:
        """A party's contribution to the sum of weights."""
        return {WEIGHT: self.share(rows)}

    def enough(self, weight: ArrayLike) -> NDArray[np.bool_]:
        """Whether a released weight is one to divide by: noise may leave less than half a row."""
        return np.asarray(weight) > 1 / self._cap / 2


class ClippedMean:
    """The weighted mean of one vector a party, each clipped in L2.

    Args:
        weights: How parties weigh.
        size: d.
        clip_norm_l2: Bound on a party's weighted vector: what one party can move the sum. An
            `AdaptiveClip` bounds it in units of a clip that moves from round to round.
        name: The sum's name.
        meaning: What it is, for the view report.
    """

    def __init__(
        self,
        weights: Weights,
        size: int,
        clip_norm_l2: float | AdaptiveClip,
        *,
        name: str = "update",
        meaning: str = "how each party would change the parameters, weighted by its rows",
    ) -> None:
        self._weights, self._name = weights, name
        self._adaptive = clip_norm_l2 if isinstance(clip_norm_l2, AdaptiveClip) else None
        self._bound = 1.0 if isinstance(clip_norm_l2, AdaptiveClip) else clip_norm_l2
        self.sum = Sum(
            name=name, shape=(size,), unit=Unit.PARTY, unit_bound=self._bound, norm=Norm.L2,
            capacity=1, meaning=meaning,
        )  # fmt: skip
        self.votes = (self._adaptive.votes,) if self._adaptive is not None else ()

    def init(self) -> State:
        """What it keeps in the public state: the clip, if it moves."""
        return {CLIP: np.array(self._adaptive.initial)} if self._adaptive else {}

    def given(self, state: State, vector: Reals, rows: int) -> dict[str, ArrayLike]:
        """A party's contributions: p_k v_k, and its vote on the clip."""
        weighted = self._weights.share(rows) * vector
        if self._adaptive is None:
            return {self._name: weighted}
        clip = float(state[CLIP])
        return {self._name: weighted / clip, "below": self._adaptive.vote(weighted, clip)}

    def clipped(self, vector: Reals, rows: int) -> Reals:
        """v_k as it counts, for who keeps account of it: shortened as its sum's bound demands."""
        length = self._weights.share(rows) * float(np.linalg.norm(vector))
        return vector if length <= self._bound else vector * (self._bound / length)

    def mean(self, state: State, totals: Totals) -> Reals:
        """The weighted mean."""
        clip = float(state[CLIP]) if self._adaptive else 1.0
        return clip * totals[self._name] / float(totals[WEIGHT])

    def next(self, state: State, totals: Totals) -> State:
        """The clip after a round, if it moves."""
        if self._adaptive is None:
            return {}
        moved = self._adaptive.next_clip(float(state[CLIP]), float(totals["below"]))
        return {CLIP: np.array(moved)}
