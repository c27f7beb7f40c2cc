"""Secrets from opened shares, checked against what their owner advertised; finds false shares.

The first t shares of a secret are tried first. If they give another secret than the one that its
owner committed to, somebody lies, and the false shares are looked for:

1. by decoding, which finds up to (m - t)/2 false ones among m shares (`decoding`);
2. beyond that, among all sets of t shares if there are at most `MOST_SETS` of them: the commitment
   tells the right one, where the shares alone would not.

A holder that opened a false share is used last for later secrets, so holders that falsify all
their shares cost one search. An owner that shared falsely costs one search as well, for itself. So
there are at most as many searches as parties. Shares that nothing needed are not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final

import numpy as np

from confide.aggregation.masked import decoding, shamir
from confide.aggregation.session import FalseShare
from confide.errors import DropoutError, VerificationError
from confide.randomness import SystemRandom

__all__ = ["MOST_SETS", "Reconstruction"]

MOST_SETS: Final = 4096
"""Sets of shares that are tried where decoding does not help: a few seconds at most."""

_AT_ONCE: Final = 32
"""Secrets whose Lagrange factors are computed together: as many as a cache holds."""

Shares = Mapping[int, bytes]
"""Shares of one secret, by holder."""


class Reconstruction:
    """Gives secrets back.

    Args:
        threshold: t.
        names: Party names, by number.

    Attributes:
        false_shares: What was found out so far.
    """

    def __init__(self, threshold: int, names: Sequence[str]) -> None:
        self._threshold, self._names = threshold, names
        self._suspects: set[int] = set()
        self.false_shares: list[FalseShare] = []

    def secrets(
        self,
        owners: Sequence[int],
        opened: Callable[[int], Shares],
        asked: Callable[[int], Iterable[int]],
        fits: Callable[[int, bytes], bool],
    ) -> Iterator[tuple[int, bytes]]:
        """The secrets of owners, in order.

        Args:
            owners: Whose.
            opened: The shares that were opened of an owner's secret.
            asked: Who of an owner's holders sent any shares at all.
            fits: Whether a secret is the one that its owner committed to.

        Raises:
            DropoutError: If fewer than the threshold sent shares.
            VerificationError: If an owner's shares do not give what it committed to.
        """
        for start in range(0, len(owners), _AT_ONCE):
            some = owners[start : start + _AT_ONCE]
            shares = [opened(i) for i in some]
            used = [self._chosen(i, s, asked(i)) for i, s in zip(some, shares, strict=True)]
            for owner, held, first, found in zip(
                some, shares, used, _combined(shares, used), strict=True
            ):
                if found is not None and fits(owner, found):
                    yield owner, found
                else:
                    yield owner, self._searched(owner, held, first, fits)

    def _chosen(self, owner: int, shares: Shares, asked: Iterable[int]) -> tuple[int, ...]:
        """The first t holders whose shares are there, if there are so many."""
        if len(shares) < self._threshold:
            raise self._too_few(owner, len(shares), len(set(asked)))
        return self._first(shares)

    def _first(self, shares: Shares) -> tuple[int, ...]:
        """The first t holders, without suspects if that is enough."""
        order = sorted(shares, key=lambda holder: (holder in self._suspects, holder))
        return tuple(sorted(order[: self._threshold]))

    def _too_few(self, owner: int, opened: int, asked: int) -> DropoutError | VerificationError:
        name = self._names[owner]
        if asked >= self._threshold:
            return VerificationError(
                f"{opened} of {asked} parties could open a share of a secret of {name!r}, and it "
                f"takes {self._threshold}: {name!r} shared it falsely, or they lie. The round is "
                f"spent, no sum is released; continue without {name!r}"
            )
        return DropoutError(
            f"{opened} shares of {name!r} were opened; it takes {self._threshold}: more parties "
            "dropped out than the plan allows. The round is used up, no sum is released"
        )

    def _searched(
        self,
        owner: int,
        shares: Shares,
        tried: tuple[int, ...],
        fits: Callable[[int, bytes], bool],
    ) -> bytes:
        """The secret that the owner committed to, from other shares than the first."""
        # Suspects were perhaps found since these were chosen.
        again = self._first(shares)
        (found,) = _combined([shares], [again])
        if again != tried and found is not None and fits(owner, found):
            return found
        inside = {i: s for i, s in shares.items() if shamir.in_field(s)}
        values = _mixed(inside)
        for used in self._candidates(values):
            if used in (tried, again):
                continue
            (found,) = _combined([shares], [used])
            if found is not None and fits(owner, found):
                self._accuse(owner, shares, values, used)
                return found
        raise VerificationError(
            f"the shares of a secret of {self._names[owner]!r} do not give what it committed to: "
            "it shared falsely, or more of those who opened them lie than can be found out. The "
            "round is spent, no sum is released"
        )

    def _candidates(self, values: Mapping[int, int]) -> Iterator[tuple[int, ...]]:
        """Sets of t holders whose shares may be true: by decoding, then all if they are few."""
        by_point = {holder + 1: value for holder, value in values.items()}
        if len(values) < self._threshold:
            return
        polynomial = decoding.decode(by_point, self._threshold)
        if polynomial is not None:
            agreeing = [i for i in values if _lies_on(polynomial, i, values)]
            yield tuple(sorted(agreeing)[: self._threshold])
        if math.comb(len(values), self._threshold) <= MOST_SETS:
            yield from combinations(sorted(values), self._threshold)

    def _accuse(
        self, owner: int, shares: Shares, values: Mapping[int, int], used: tuple[int, ...]
    ) -> None:
        """Names whose shares are not on the polynomial of those that gave the secret."""
        polynomial = decoding.interpolate({i + 1: values[i] for i in used})
        for holder in sorted(shares):
            if holder not in values or not _lies_on(polynomial, holder, values):
                self._suspects.add(holder)
                self.false_shares.append(FalseShare(self._names[owner], self._names[holder]))


def _combined(shares: Sequence[Shares], used: Sequence[tuple[int, ...]]) -> Iterator[bytes | None]:
    """What sets of shares give, with the Lagrange factors of equal sets computed once."""
    sets = dict.fromkeys(used)
    points = np.array(list(sets), np.uint64) + np.uint64(1)
    factors = dict(zip(sets, shamir.lagrange_at_zero(points), strict=True))
    for held, holders in zip(shares, used, strict=True):
        try:
            yield shamir.combine(factors[holders], [held[i] for i in holders])
        except VerificationError:
            yield None


def _mixed(shares: Shares) -> dict[int, int]:
    """One field element for each share: a random combination of its limbs.

    A false share stays false in it except with a probability of 2^-31, whichever limbs are false.
    """
    factors = shamir.uniform_field(shamir.LIMBS, SystemRandom())
    return {i: shamir.mixed(share, factors) for i, share in shares.items()}


def _lies_on(polynomial: decoding.Polynomial, holder: int, values: Mapping[int, int]) -> bool:
    return decoding.evaluate(polynomial, holder + 1) == values[holder]
