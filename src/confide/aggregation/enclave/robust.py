"""Rules that combine contributions so that a few liars move the result little.

Each gives an estimate of one honest contribution; the result is this estimate times the number of
survivors, so that every computation can read it like a sum. Medians and trimmed means are exact;
distances are in double precision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from confide.aggregation.clear import ClearCoordinator
from confide.aggregation.encoding import Integers
from confide.aggregation.envelope import Round
from confide.aggregation.session import Announcer
from confide.plan.protection import Rule

__all__ = ["RobustCoordinator", "geometric_median", "krum", "median", "trimmed_mean"]

Table = NDArray[np.int64]
"""Contributions, shape `(survivors, coordinates)`."""

_WEISZFELD_STEPS: Final = 100


class RobustCoordinator(ClearCoordinator):
    """A coordinator in clear that keeps contributions until it combines them.

    Args:
        round_: The attempt.
        state_hash: Hash of the state.
        invited: Names of the parties to ask.
        rule: How it combines them.
        announcer: Who signs announcements.
    """

    def __init__(
        self,
        round_: Round,
        state_hash: bytes,
        invited: tuple[str, ...],
        rule: Rule,
        announcer: Announcer | None = None,
    ) -> None:
        super().__init__(round_, state_hash, invited, announcer)
        self._rule = rule
        self._contributions: dict[str, Integers] = {}
        self._liars = round_.plan.threat.integrity.colluding_parties

    def _add(self, sender: str, integers: Integers) -> None:
        self._contributions[sender] = integers

    def _combined(self) -> Integers:
        # In the order of names: which came first must not decide ties.
        table = np.stack([self._contributions[name] for name in sorted(self._contributions)])
        return _RULES[self._rule](table, self._liars)


def median(table: Table, liars: int) -> Integers:
    """The median of each coordinate, times n (Yin et al. 2018, Definition 1).

    Of an even number, the mean of the two in the middle: n times that is a whole number.
    """
    del liars
    n, ordered = len(table), np.sort(table, axis=0)
    return _times(ordered[(n - 1) // 2] + ordered[n // 2], n, 2)


def trimmed_mean(table: Table, liars: int) -> Integers:
    """The mean of each coordinate without the largest and smallest, times n (Yin et al. 2018).

    From each end, as many are removed as parties may lie, but at least one is left.
    """
    n = len(table)
    cut = min(liars, (n - 1) // 2)
    kept = np.sort(table, axis=0)[cut : n - cut]
    return _times(kept.sum(axis=0, dtype=np.int64), n, len(kept))


def krum(table: Table, liars: int) -> Integers:
    """The contribution nearest to its n - f - 2 nearest others, times n (Blanchard et al. 2017)."""
    n = len(table)
    nearest = max(1, n - liars - 2)
    exact = table.astype(np.float64)
    scores = []
    for row in exact:
        distances = np.sort(((exact - row) ** 2).sum(axis=1))
        scores.append(distances[1 : nearest + 1].sum())
    chosen: Integers = table[int(np.argmin(scores))]
    return chosen * n


def geometric_median(table: Table, liars: int) -> Integers:
    """The point of least distance to all contributions together, times n (Pillutla et al. 2022).

    By Weiszfeld's iteration, whose weights are smoothed by one lattice step.
    """
    del liars
    exact = table.astype(np.float64)
    point = exact.mean(axis=0)
    for _ in range(_WEISZFELD_STEPS):
        distances = np.maximum(np.sqrt(((exact - point) ** 2).sum(axis=1)), 1)
        weights = 1 / distances
        point = (weights[:, np.newaxis] * exact).sum(axis=0) / weights.sum()
    rounded: Integers = np.rint(point * len(table)).astype(np.int64)
    return rounded


def _times(numbers: Integers, n: int, by: int) -> Integers:
    """Each number times n ÷ by, to the nearest whole one, halves up.

    Whole parts first: a sum takes up to 62 bits, and n times a sum would take more.
    """
    whole, rest = np.divmod(numbers, by)
    product: Integers = whole * n + (2 * rest * n + by) // (2 * by)
    return product


_RULES: Final[Mapping[Rule, Callable[[Table, int], Integers]]] = {
    Rule.MEDIAN: median,
    Rule.TRIMMED_MEAN: trimmed_mean,
    Rule.KRUM: krum,
    Rule.GEOMETRIC_MEDIAN: geometric_median,
}
