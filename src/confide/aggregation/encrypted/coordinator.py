"""The coordinator's side of encrypted aggregation: it adds ciphertexts, and opens their sum."""

from __future__ import annotations

import numpy as np

from confide import canonical
from confide.aggregation.encoding import Integers
from confide.aggregation.encrypted.opening import combine, decrypts, open_sum
from confide.aggregation.encrypted.parameters import (
    DEGREE,
    ROW,
    Residues,
    chunks_of,
    parameters_of,
)
from confide.aggregation.envelope import Round, fields_of
from confide.aggregation.session import Announcer, FalseShare
from confide.aggregation.sharing import wire
from confide.aggregation.sharing.coordinator import Outbox, SharingCoordinator
from confide.aggregation.sharing.keys import TAG_BYTES, check_public_key

__all__ = ["EncryptedCoordinator"]


class EncryptedCoordinator(SharingCoordinator):
    """The coordinator's side: see `confide.aggregation.session.CoordinatorSession`.

    Args:
        round_: The attempt.
        state_hash: Hash of the state that this round contributes to.
        invited: Names of the parties to ask.
        announcer: Who signs announcements, with the openings so far; simulated if omitted.
    """

    protocol = "encrypted"
    asks_to_open = "decrypt"

    def __init__(
        self,
        round_: Round,
        state_hash: bytes,
        invited: tuple[str, ...],
        announcer: Announcer | None = None,
    ) -> None:
        self._parameters = parameters_of(round_.part)
        self._chunks = chunks_of(self._parameters, round_.plan)
        size = self._parameters.polynomial_bytes
        super().__init__(
            round_,
            state_hash,
            invited,
            announcer,
            sealed_bytes=size + TAG_BYTES,
            chunks=[(part.stop - part.start) * size for part in self._chunks],
        )
        _ = self._parameters.ring  # Without the kernels, say so before anybody is asked.
        self._ciphertext = np.zeros((self._parameters.blocks, 1, DEGREE), np.uint64)
        self._opened: dict[int, Residues] = {}

    def _take_advert(self, index: int, payload: bytes, message: bytes) -> None:
        (share_key,) = fields_of(canonical.decode(payload, wire.ADVERT_BYTES), share_key=bytes)
        # The others would stop at such a key, so one party could stop them all.
        check_public_key(share_key)
        self._adverts[index] = message

    def _close_adverts(self, before: wire.Members) -> Outbox:
        del before
        return self._send_neighbours(present=self._enter_roster())

    def _neighbours_of(self, index: int) -> list[int]:
        return [i for i in range(self._masking.parties) if i != index]

    def _take_vector(self, index: int, beside: bytes, chunks: list[bytes]) -> None:
        del index, beside
        vector = np.empty_like(self._ciphertext)
        for part in reversed(self._chunks):
            self._parameters.read(vector[part], chunks.pop())
        self._parameters.ring.add(self._ciphertext, self._ciphertext, vector, ROW)

    def _take_opened(self, index: int, payload: bytes, message: bytes) -> None:
        del message
        self._opened[index] = self._parameters.from_bytes(payload, 1)

    def _open_total(self) -> Integers:
        parameters, shared = self._parameters, wire.chain(self._transcript, "a")
        found = combine(
            parameters,
            self._opened,
            self._masking.threshold,
            lambda key: decrypts(parameters, self._ciphertext, key, shared),
        )
        self._false_shares = tuple(FalseShare(None, self._names[i]) for i in found.false)
        ciphertext, self._ciphertext = self._ciphertext, np.zeros((0, 1, DEGREE), np.uint64)
        return open_sum(parameters, ciphertext, found.key, shared)
