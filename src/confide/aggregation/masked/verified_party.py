"""A party's side of verified sums: it signs a hash of its vector, and checks the announced sum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from confide.aggregation.encoding import Integers
from confide.aggregation.envelope import SIGNATURE_BYTES, Round, fields_of
from confide.aggregation.masked.commitments import COMMITMENT_BYTES, commit_to_seed
from confide.aggregation.masked.opening import reduce_words
from confide.aggregation.masked.party import MaskedParty
from confide.aggregation.masked.ring_hash import RingHash
from confide.aggregation.masked.unmask import Masks
from confide.aggregation.masked.verified import (
    Agreed,
    check_announced,
    confirmation,
    fixed_transcript,
)
from confide.aggregation.modular import Layout, Words
from confide.aggregation.session import Contribution, Identity, Released
from confide.aggregation.sharing import wire
from confide.errors import VerificationError

__all__ = ["VerifiedParty"]


class VerifiedParty(MaskedParty):
    """One party's side: see `MaskedParty`, and `confide.aggregation.masked.verified` for the rest.

    Args:
        round_: The attempt; it is claimed from the identity's register at once.
        identity: Name, key, register and randomness of the party.
        state_hash: Hash of the state that the party itself computed and contributes to.
        contribution: Called once, when the masked vector is due.
    """

    def __init__(
        self, round_: Round, identity: Identity, state_hash: bytes, contribution: Contribution
    ) -> None:
        super().__init__(round_, identity, state_hash, contribution)
        self._hash = RingHash.of_plan(round_.part)
        self._limit += self._masking.parties * self._hash.parameters.wire_bytes
        self._agreed: Agreed | None = None

    def accept(self, result: Released) -> Integers:
        """Computes and checks the announced sum; see `check_announced`."""
        return check_announced(self._round, self._state_hash, result, self._agreed)

    # --- the steps -------------------------------------------------------------------------------

    def _confirmation(self, words: Words) -> bytes:
        """A signature on what this party masked under and on its vector's hash, and that hash."""
        reduced = reduce_words(Layout.of_sum(self._round.part), words)
        self._own_hash = self._hash.to_bytes(self._hash(reduced))
        identity, signed = self._identity, confirmation(self._transcript, self._own_hash)
        signature = self._round.sign(identity.key, identity.name, "masked", signed)
        return signature + self._own_hash

    def _read_survivors(self, said: Mapping[str, Any]) -> bytes:
        survivors: bytes
        survivors, self._confirmations, self._hashes = fields_of(
            said, survivors=bytes, confirmations=bytes, hashes=bytes
        )
        return survivors

    def _verify_confirmations(self) -> None:
        """Verifies every survivor's hash, and fixes them all before this party consents."""
        masked = [i for i in self._partners if self._survivors[i]]
        signatures = wire.split(self._confirmations, SIGNATURE_BYTES, len(masked))
        pieces = wire.split(self._hashes, self._hash.parameters.wire_bytes, len(masked))
        for i, signature, piece in zip(masked, signatures, pieces, strict=True):
            signed = confirmation(self._transcript, piece)
            self._round.verify(self._names[i], "masked", signed, signature)
        hashes = dict(zip(masked, pieces, strict=True)) | {self._me: self._own_hash}
        self._fix(hashes)
        self._hashes = b""

    def _fix(self, hashes: Mapping[int, bytes]) -> None:
        """Takes keys, commitments and hashes into the transcript, which consent signs."""
        secrets, sharers = self._open_secrets, np.flatnonzero(self._sharers).tolist()
        keys = {**self._mask_keys, self._me: secrets.mask_key.public_key().public_bytes_raw()}
        own = commit_to_seed(self._start, self._me, secrets.self_seed)
        commitments = {**self._seed_commitments, self._me: own}
        for i in sharers:
            if len(commitments[i]) != COMMITMENT_BYTES:
                raise VerificationError(
                    f"{self._names[i]!r} commits to its seed in {len(commitments[i])} bytes; a "
                    f"commitment has {COMMITMENT_BYTES}"
                )
        masks = Masks(
            start=self._start,
            transcript=self._transcript,
            sharers=self._sharers,
            survivors=self._survivors,
            neighbours={i: [j for j in sharers if j != i] for i in sharers},
            mask_keys={i: keys[i] for i in sharers},
            commitments={i: commitments[i] for i in sharers},
        )
        total = self._hash.total(hashes.values())
        self._consented = Agreed(masks=masks, hash=total)
        self._transcript = fixed_transcript(
            self._transcript, masks.mask_keys, masks.commitments, hashes
        )

    def _verify_quorum(self, signers: wire.Members, signatures: bytes) -> None:
        """Verifies that a quorum signed all hashes; from then on this party knows what to check."""
        super()._verify_quorum(signers, signatures)
        self._agreed = self._consented

    def _signatures_to_verify(self, count: int) -> Iterable[int]:
        """All of them.

        A sample would do for opening, but this party takes a sum only over hashes that a quorum
        fixed for certain.
        """
        return range(count)
