"""Removing the masks that the survivors have opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from confide.aggregation.masked.commitments import fits_key, fits_seed
from confide.aggregation.masked.reconstruction import Reconstruction
from confide.aggregation.masked.streams import shared_mask_adder
from confide.aggregation.modular import Words
from confide.aggregation.sharing import wire
from confide.aggregation.sharing.keys import pairwise_key

__all__ = ["Masks", "Opened", "Secrets", "reconstruct", "take_masks_off"]


@dataclass(frozen=True)
class Opened:
    """The shares that one survivor opened, by the number of the party whose secret they are of.

    Attributes:
        keys: Of the mask keys of parties that dropped out.
        seeds: Of the self masks of parties that survived.
    """

    keys: Mapping[int, bytes]
    seeds: Mapping[int, bytes]


@dataclass(frozen=True, kw_only=True)
class Masks:
    """Who masked with whom, under what, and what they advertised.

    Attributes:
        start: The transcript at the start of the attempt, which commitments are made under.
        transcript: The transcript that the masks were derived under.
        sharers: Who shared secrets and masked.
        survivors: Whose vectors are in the sum.
        neighbours: Each party's neighbours in the roster.
        mask_keys: Advertised public mask keys.
        commitments: Advertised commitments to the seeds of self masks.
    """

    start: bytes
    transcript: bytes
    sharers: wire.Members
    survivors: wire.Members
    neighbours: Mapping[int, list[int]]
    mask_keys: Mapping[int, bytes]
    commitments: Mapping[int, bytes]

    @property
    def alive(self) -> list[int]:
        """The survivors' numbers."""
        alive: list[int] = np.flatnonzero(self.survivors).tolist()
        return alive

    @property
    def dropped(self) -> list[int]:
        """The numbers of those who left their half of masks in their neighbours' vectors."""
        dropped: list[int] = np.flatnonzero(self.sharers & ~self.survivors).tolist()
        return dropped

    def fits_seed(self, index: int, seed: bytes) -> bool:
        """Whether a survivor committed to this seed."""
        return fits_seed(self.start, index, seed, self.commitments[index])

    def fits_key(self, index: int, key: bytes) -> bool:
        """Whether a party advertised this key's public half."""
        return fits_key(key, self.mask_keys[index])


@dataclass(frozen=True)
class Secrets:
    """The secrets that remove the masks from a sum.

    Attributes:
        seeds: Of the survivors' self masks.
        keys: The mask keys of those who dropped out.
    """

    seeds: Mapping[int, bytes]
    keys: Mapping[int, bytes]

    def __repr__(self) -> str:
        return "Secrets(<hidden>)"


def reconstruct(
    masks: Masks, opened: Mapping[int, Opened], reconstruction: Reconstruction
) -> Secrets:
    """Puts the opened shares together.

    Args:
        masks: Of the sum.
        opened: What the survivors opened.
        reconstruction: Puts shares together, and remembers which were false.

    Raises:
        DropoutError: If fewer than the threshold sent shares of some secret.
        VerificationError: If the shares of some secret do not give what its owner committed to.
    """

    def asked(owner: int) -> Iterable[int]:
        return (i for i in (owner, *masks.neighbours[owner]) if i in opened)

    def seeds_of(owner: int) -> dict[int, bytes]:
        return {i: s for i in asked(owner) if (s := opened[i].seeds.get(owner)) is not None}

    def keys_of(owner: int) -> dict[int, bytes]:
        return {i: s for i in asked(owner) if (s := opened[i].keys.get(owner)) is not None}

    seeds = reconstruction.secrets(masks.alive, seeds_of, asked, masks.fits_seed)
    keys = reconstruction.secrets(masks.dropped, keys_of, asked, masks.fits_key)
    return Secrets(dict(seeds), dict(keys))


def take_masks_off(total: Words, masks: Masks, secrets: Secrets) -> None:
    """Removes all masks from the sum of the survivors' masked vectors, in place.

    Survivors' self masks are made again from their seeds. A party that shared its secrets and then
    sent no vector left its half of each pairwise mask in its neighbours' vectors: those are made
    again from its mask key.

    Args:
        total: Sum of the masked vectors, shape `(layout.size,)`.
        masks: Of the sum.
        secrets: All that are needed, checked.
    """
    left = {i: [j for j in masks.neighbours[i] if masks.survivors[j]] for i in masks.dropped}
    with shared_mask_adder(total, len(secrets.seeds) + sum(map(len, left.values()))) as adder:
        for seed in secrets.seeds.values():
            adder.apply(seed, add=False)
        for index, secret in secrets.keys.items():
            key = X25519PrivateKey.from_private_bytes(secret)
            for other in left[index]:
                pair = (min(index, other), max(index, other))
                pairwise = pairwise_key(
                    key, masks.mask_keys[other], b"mask", masks.transcript, pair
                )
                # The survivor added this mask if its number is the lower one.
                adder.apply(pairwise, add=other > index)
