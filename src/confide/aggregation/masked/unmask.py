"""Removing the masks that the survivors have opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from confide.aggregation.masked import shamir
from confide.aggregation.masked.streams import shared_mask_adder
from confide.aggregation.modular import Words
from confide.aggregation.sharing import wire
from confide.aggregation.sharing.keys import pairwise_key
from confide.errors import DropoutError, VerificationError
from confide.plan.masking import Masking

__all__ = ["Opened", "unmask"]

_AT_ONCE: Final = 32
"""Secrets whose Lagrange factors are computed together: as many as a cache holds."""


@dataclass(frozen=True)
class Opened:
    """The shares that one survivor opened, by the number of the party whose secret they are of.

    Attributes:
        keys: Of the mask keys of parties that dropped out.
        seeds: Of the self masks of parties that survived.
    """

    keys: Mapping[int, bytes]
    seeds: Mapping[int, bytes]


def unmask(
    total: Words,
    *,
    masking: Masking,
    transcript: bytes,
    neighbours: Mapping[int, list[int]],
    mask_keys: Mapping[int, bytes],
    sharers: wire.Members,
    survivors: wire.Members,
    opened: Mapping[int, Opened],
    names: list[str],
) -> None:
    """Removes all masks from the sum of the survivors' masked vectors, in place.

    Survivors' self masks are rebuilt from their seeds. A party that shared its secrets and then
    sent no vector left its half of each pairwise mask in its neighbours' vectors: those are rebuilt
    from its mask key.

    Args:
        total: Sum of the masked vectors, shape `(layout.size,)`.
        masking: The round's parameters.
        transcript: Transcript that the masks were derived under.
        neighbours: Each party's neighbours in the roster.
        mask_keys: Advertised public mask keys.
        sharers: Who shared secrets and masked.
        survivors: Whose vectors are in the sum.
        opened: What the survivors opened.
        names: Party names, for errors.

    Raises:
        DropoutError: If fewer than the threshold opened shares of some secret.
        VerificationError: If shares are false.
    """
    secrets = _Reconstruction(masking, neighbours, opened, names)
    alive = np.flatnonzero(survivors).tolist()
    dropped = np.flatnonzero(sharers & ~survivors).tolist()
    left = {i: [j for j in neighbours[i] if survivors[j]] for i in dropped}
    with shared_mask_adder(total, len(alive) + sum(map(len, left.values()))) as masks:
        for _, seed in secrets.seeds(alive):
            masks.apply(seed, add=False)
        for index, secret in secrets.keys(dropped):
            key = X25519PrivateKey.from_private_bytes(secret)
            if key.public_key().public_bytes_raw() != mask_keys[index]:
                raise VerificationError(
                    f"the shares of {names[index]!r} open another key than it advertised: it, or "
                    "who opened them, lies"
                )
            for other in left[index]:
                pair = (min(index, other), max(index, other))
                pairwise = pairwise_key(key, mask_keys[other], b"mask", transcript, pair)
                # The survivor added this mask if its number is the lower one.
                masks.apply(pairwise, add=other > index)


class _Reconstruction:
    """Gives secrets back from opened shares, with the Lagrange factors of many at once."""

    def __init__(
        self,
        masking: Masking,
        neighbours: Mapping[int, list[int]],
        opened: Mapping[int, Opened],
        names: list[str],
    ) -> None:
        self._masking, self._neighbours = masking, neighbours
        self._opened, self._names = opened, names

    def seeds(self, owners: list[int]) -> Iterator[tuple[int, bytes]]:
        """The seeds of survivors' self masks, by whose they are."""
        opened = {i: o.seeds for i, o in self._opened.items()}
        return self._combine(owners, opened, lambda i: sorted([i, *self._neighbours[i]]))

    def keys(self, owners: list[int]) -> Iterator[tuple[int, bytes]]:
        """The mask keys of parties that dropped out, by whose they are."""
        opened = {i: o.keys for i, o in self._opened.items()}
        return self._combine(owners, opened, self._neighbours.__getitem__)

    def _combine(
        self,
        owners: list[int],
        opened: Mapping[int, Mapping[int, bytes]],
        holders: Callable[[int], list[int]],
    ) -> Iterator[tuple[int, bytes]]:
        for start in range(0, len(owners), _AT_ONCE):
            some = owners[start : start + _AT_ONCE]
            used = [self._enough(i, opened, holders(i)) for i in some]
            sets = dict.fromkeys(used)
            points = np.array(list(sets), np.uint64) + np.uint64(1)
            factors = dict(zip(sets, shamir.lagrange_at_zero(points), strict=True))
            for index, found in zip(some, used, strict=True):
                shares = [opened[i][index] for i in found]
                yield index, shamir.combine(factors[found], shares)

    def _enough(
        self, index: int, opened: Mapping[int, Mapping[int, bytes]], holders: list[int]
    ) -> tuple[int, ...]:
        """The first holders whose shares of a secret suffice."""
        found = [i for i in holders if index in opened.get(i, ())]
        threshold = self._masking.threshold
        if len(found) < threshold:
            raise DropoutError(
                f"{len(found)} shares of {self._names[index]!r} were opened; it takes {threshold}: "
                "more parties dropped out than the plan bears. The round is "
                "spent, no sum is released"
            )
        return tuple(found[:threshold])
