"""Who masks with whom: a circle in a jointly drawn order, each party next to its neighbours.

Parties are numbered by their place in the plan. On the circle, party and neighbour are at most
degree/2 places apart (a circulant or Harary graph: Bell et al. 2020, §3.3).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from confide.plan.masking import Masking

__all__ = ["Circle", "coin_of", "commit", "commitments_hash", "draw_circle"]

COIN_BYTES = 16
"""Each party's share of the coin: 128 bits hide it in its commitment and make it unguessable."""


def commit(context: bytes, index: int, share: bytes) -> bytes:
    """A party's commitment to its share of the coin (32 bytes; binding as SHA-256 is)."""
    return hashlib.sha256(
        b"confide coin share\0" + context + index.to_bytes(4, "big") + share
    ).digest()


def commitments_hash(commitments: list[bytes]) -> bytes:
    """What the coordinator fixes before any share of the coin is revealed."""
    return hashlib.sha256(b"".join(commitments)).digest()


def coin_of(context: bytes, shares: list[bytes]) -> bytes:
    """The joint coin: uniform if one share was honest and unknown when all were committed."""
    return hashlib.sha256(b"confide joint coin\0" + context + b"".join(shares)).digest()


@dataclass(frozen=True)
class Circle:
    """The order of all n parties, and each party's place in it.

    Attributes:
        masking: The round's parameters.
        order: Party numbers in circular order, shape `(n,)`.
        place: Where each party stands, shape `(n,)`: `place[order[i]] = i`.
    """

    masking: Masking
    order: NDArray[np.int64]
    place: NDArray[np.int64]

    def neighbours(self, index: int) -> list[int]:
        """A party's neighbours, in order of their numbers, without itself."""
        n = self.masking.parties
        if self.masking.complete:
            return [i for i in range(n) if i != index]
        half = self.masking.degree // 2
        steps = np.r_[-half:0, 1 : half + 1]
        return sorted(self.order[(self.place[index] + steps) % n].tolist())

    def fewest_in_two_runs(self, survivors: NDArray[np.bool_]) -> int:
        """The fewest survivors in any two disjoint runs of degree/2 places.

        The survivors' graph, less any set of fewer than this many parties, hangs together.

        Args:
            survivors: By party number, shape `(n,)`.
        """
        n, run = self.masking.parties, self.masking.degree // 2
        around = np.concatenate([[0], np.cumsum(np.tile(survivors[self.order], 2))])
        in_run = around[run : run + n] - around[:n]
        # For the run that begins at i, the least of those that begin at i + run … i + n - run.
        width = n - 2 * run + 1
        least_from = np.roll(
            scipy.ndimage.minimum_filter1d(in_run, width, mode="wrap"), -(width // 2)
        )
        return int((in_run + np.roll(least_from, -run)).min())


def draw_circle(masking: Masking, coin: bytes) -> Circle:
    """The circle that a coin draws: parties sorted by a hash, a uniformly random order."""
    n = masking.parties
    if masking.complete:
        order = np.arange(n)
    else:
        keys = [hashlib.sha256(coin + i.to_bytes(4, "big")).digest() for i in range(n)]
        order = np.array(sorted(range(n), key=keys.__getitem__))
    place = np.empty(n, np.int64)
    place[order] = np.arange(n)
    return Circle(masking, order, place)
