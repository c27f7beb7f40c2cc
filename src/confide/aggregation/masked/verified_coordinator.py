"""The coordinator's side of verified sums: it checks hashes, and shows what it opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from confide.aggregation.encoding import Integers
from confide.aggregation.envelope import SIGNATURE_BYTES, Round
from confide.aggregation.masked.coordinator import MaskedCoordinator
from confide.aggregation.masked.opening import Opening, accumulate
from confide.aggregation.masked.ring_hash import RingHash
from confide.aggregation.masked.unmask import Masks, Secrets
from confide.aggregation.masked.verified import (
    Consents,
    check_reach,
    confirmation,
    fixed_transcript,
)
from confide.aggregation.modular import Words
from confide.aggregation.session import Announcer
from confide.aggregation.sharing import wire
from confide.aggregation.sharing.coordinator import Outbox
from confide.errors import VerificationError

__all__ = ["VerifiedCoordinator"]


class VerifiedCoordinator(MaskedCoordinator):
    """The coordinator's side: see `MaskedCoordinator`.

    Args:
        round_: The attempt.
        state_hash: Hash of the state that this round contributes to.
        invited: Names of the parties to ask.
        announcer: Who signs announcements, with the openings so far; simulated if omitted.
    """

    def __init__(
        self,
        round_: Round,
        state_hash: bytes,
        invited: tuple[str, ...],
        announcer: Announcer | None = None,
    ) -> None:
        super().__init__(round_, state_hash, invited, announcer)
        self._hash = RingHash.of_plan(round_.part)
        self._carries = np.zeros(self._layout.size, np.uint8)
        self._hashes: dict[int, bytes] = {}

    def _take_vector(self, index: int, beside: bytes, chunks: list[bytes]) -> None:
        """Takes a vector whose hash is the one that its party signed, and no other."""
        signature, said = beside[:SIGNATURE_BYTES], beside[SIGNATURE_BYTES:]
        words, name = self._unpacked(chunks), self._names[index]
        self._round.verify(name, "masked", confirmation(self._transcript, said), signature)
        if not self._is_hash_of(words, said):
            raise VerificationError(
                f"{name!r} signs another hash than that of its vector: its vector is not taken, "
                f"and the round continues without {name!r}"
            )
        self._confirmations[index], self._hashes[index] = signature, said
        accumulate(self._layout, self._words, self._carries, words)

    def _is_hash_of(self, words: Words, said: bytes) -> bool:
        return np.array_equal(self._hash(words), self._hash.from_bytes(said))

    def _close_vectors(self, before: wire.Members) -> Outbox:
        self._vectors_under = self._transcript
        sharers = np.flatnonzero(self._sharers).tolist()
        self._transcript = fixed_transcript(
            self._transcript,
            {i: self._mask_keys[i] for i in sharers},
            {i: self._seed_commitments[i] for i in sharers},
            {i: self._hashes[i] for i in np.flatnonzero(self._members).tolist()},
        )
        return super()._close_vectors(before)

    def _said_of_survivors(self, index: int) -> Mapping[str, bytes]:
        surviving = [i for i in self._neighbours[index] if self._survivors[i]]
        return {
            **super()._said_of_survivors(index),
            "hashes": b"".join(self._hashes[i] for i in surviving),
        }

    @property
    def _masked_under(self) -> bytes:
        return self._vectors_under

    def _close_consents(self, before: wire.Members) -> Outbox:
        self._consented = self._members
        return super()._close_consents(before)

    def _open_secrets(self, masks: Masks) -> Secrets:
        """Puts the secrets together, and the opening before the masks are taken off its sum."""
        secrets = super()._open_secrets(masks)
        opening = Opening(self._words, self._carries, secrets)
        self._shown = opening.to_bytes(self._layout)
        return secrets

    def _open_total(self) -> Integers:
        totals = super()._open_total()
        check_reach(self._round.part, totals, int(self._survivors.sum()))
        return totals

    def _close_opened(self, before: wire.Members) -> Outbox:
        outbox = super()._close_opened(before)
        self._result = replace(
            self.result, opening=self._shown, consents=self._consents_of_all().to_bytes()
        )
        return outbox

    def _consents_of_all(self) -> Consents:
        sharers = np.flatnonzero(self._sharers).tolist()
        return Consents(
            history=self._history,
            present=wire.members_to_bytes(self._present),
            sharers=wire.members_to_bytes(self._sharers),
            survivors=wire.members_to_bytes(self._survivors),
            mask_keys=b"".join(self._mask_keys[i] for i in sharers),
            commitments=b"".join(self._seed_commitments[i] for i in sharers),
            hashes=b"".join(self._hashes[i] for i in np.flatnonzero(self._survivors).tolist()),
            signers=wire.members_to_bytes(self._consented),
            signatures=b"".join(self._consents[i] for i in sorted(self._consents)),
        )
