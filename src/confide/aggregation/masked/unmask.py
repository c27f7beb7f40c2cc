"""Removing the masks that the survivors have opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from confide.aggregation.masked import shamir, wire
from confide.aggregation.masked.keys import MaskAdder, pairwise_key
from confide.aggregation.modular import Layout, Words
from confide.errors import DropoutError, VerificationError
from confide.plan.masking import Masking

__all__ = ["Opened", "unmask"]


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
    layout: Layout,
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
        layout: The vector's layout.
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
    adder = MaskAdder(layout)
    for index in np.flatnonzero(survivors).tolist():
        adder.subtract(total, secrets.seed(index))
    for index in np.flatnonzero(sharers & ~survivors).tolist():
        key = X25519PrivateKey.from_private_bytes(secrets.key(index))
        if key.public_key().public_bytes_raw() != mask_keys[index]:
            raise VerificationError(
                f"the shares of {names[index]!r} open another key than it advertised: it, or who "
                "opened them, lies"
            )
        for other in neighbours[index]:
            if survivors[other]:
                pair = (min(index, other), max(index, other))
                pairwise = pairwise_key(key, mask_keys[other], b"mask", transcript, pair)
                # The survivor added this mask if its number is the lower one.
                adder.apply(total, pairwise, add=other > index)


class _Reconstruction:
    """Gives secrets back from opened shares, reusing Lagrange factors of equal holder sets."""

    def __init__(
        self,
        masking: Masking,
        neighbours: Mapping[int, list[int]],
        opened: Mapping[int, Opened],
        names: list[str],
    ) -> None:
        self._masking, self._neighbours = masking, neighbours
        self._opened, self._names = opened, names
        self._factors: dict[tuple[int, ...], shamir.Field] = {}

    def seed(self, index: int) -> bytes:
        """The seed of a survivor's self mask."""
        holders = sorted([index, *self._neighbours[index]])
        return self._combine(index, {i: o.seeds for i in holders if (o := self._opened.get(i))})

    def key(self, index: int) -> bytes:
        """The mask key of a party that dropped out."""
        holders = self._neighbours[index]
        return self._combine(index, {i: o.keys for i in holders if (o := self._opened.get(i))})

    def _combine(self, index: int, opened: Mapping[int, Mapping[int, bytes]]) -> bytes:
        found = [i for i, shares in opened.items() if index in shares]
        threshold = self._masking.threshold
        if len(found) < threshold:
            raise DropoutError(
                f"{len(found)} shares of {self._names[index]!r} were opened; it takes {threshold}: "
                "more parties dropped out than the plan bears. The round is "
                "spent, no sum is released"
            )
        used = tuple(found[:threshold])
        if used not in self._factors:
            self._factors[used] = shamir.lagrange_at_zero([i + 1 for i in used])
        return shamir.combine(self._factors[used], [opened[i][index] for i in used])
