"""The coordinator's side of masked aggregation: the joint coin, and taking the masks off."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from confide import canonical
from confide.aggregation.chunks import pieces_of
from confide.aggregation.encoding import Integers
from confide.aggregation.envelope import PAYLOAD_ITEMS, SIGNATURE_BYTES, Round, fields_of
from confide.aggregation.masked import graph
from confide.aggregation.masked.commitments import COMMITMENT_BYTES
from confide.aggregation.masked.reconstruction import Reconstruction
from confide.aggregation.masked.ring_hash import RingHash
from confide.aggregation.masked.shares import SEALED_BYTES, shares_of_list
from confide.aggregation.masked.unmask import Masks, Opened, Secrets, reconstruct, take_masks_off
from confide.aggregation.modular import Layout, Words
from confide.aggregation.session import Announcer
from confide.aggregation.sharing import wire
from confide.aggregation.sharing.coordinator import Outbox, SharingCoordinator
from confide.aggregation.sharing.keys import check_public_key
from confide.errors import CoinError, ProtocolError, VerificationError

__all__ = ["MaskedCoordinator"]


class MaskedCoordinator(SharingCoordinator):
    """The coordinator's side: see `confide.aggregation.session.CoordinatorSession`.

    Args:
        round_: The attempt.
        state_hash: Hash of the state that this round contributes to.
        invited: Names of the parties to ask.
        announcer: Who signs announcements, with the openings so far; simulated if omitted.
    """

    protocol = "masked"
    asks_to_open = "unmask"

    def __init__(
        self,
        round_: Round,
        state_hash: bytes,
        invited: tuple[str, ...],
        announcer: Announcer | None = None,
    ) -> None:
        self._layout = Layout.of_sum(round_.part)
        self._pieces = pieces_of(self._layout, round_.plan)
        super().__init__(
            round_,
            state_hash,
            invited,
            announcer,
            sealed_bytes=SEALED_BYTES,
            chunks=[piece.wire_bytes for _, piece in self._pieces],
            beside=(SIGNATURE_BYTES if round_.plan.masking.quorum else 0)
            + RingHash.bytes_of(round_.part),
        )
        self._words = np.zeros(self._layout.size, self._layout.dtype)
        self._mask_keys: dict[int, bytes] = {}
        self._commitments: dict[int, bytes] = {}
        self._seed_commitments: dict[int, bytes] = {}
        self._advertisers: dict[bytes, str] = {}
        self._coin_shares: dict[int, bytes] = {}
        self._confirmations: dict[int, bytes] = {}
        self._opened: dict[int, Opened] = {}

    # --- the steps: what is taken, and what closing it sends -------------------------------------

    def _take_advert(self, index: int, payload: bytes, message: bytes) -> None:
        values = canonical.decode(payload, wire.ADVERT_BYTES)
        commitment, mask_key, seed, share_key = fields_of(
            values, commitment=bytes, mask_key=bytes, seed=bytes, share_key=bytes
        )
        if len(seed) != COMMITMENT_BYTES:
            raise ProtocolError(
                f"{self._names[index]!r} commits to its seed in {len(seed)} bytes; a commitment "
                f"has {COMMITMENT_BYTES}"
            )
        # A neighbour would stop at such a key, so one party could stop all of its neighbours.
        check_public_key(mask_key)
        check_public_key(share_key)
        self._claim_keys(index, mask_key, share_key)
        self._adverts[index], self._mask_keys[index] = message, mask_key
        self._commitments[index], self._seed_commitments[index] = commitment, seed

    def _claim_keys(self, index: int, *keys: bytes) -> None:
        """Refuses keys of somebody else: who cannot open what is sealed to it opens no share."""
        for key in keys:
            if key in self._advertisers:
                raise VerificationError(
                    f"{self._names[index]!r} advertises a key that {self._advertisers[key]!r} "
                    "advertised before; each makes its own. The round continues without "
                    f"{self._names[index]!r}"
                )
        self._advertisers.update(dict.fromkeys(keys, self._names[index]))

    def _close_adverts(self, before: wire.Members) -> Outbox:
        del before
        present = self._enter_roster()
        if self._masking.complete:
            self._circle = graph.draw_circle(self._masking, b"")
            return self._send_neighbours(present=present)
        self._await("reveal", self._take_coin_share, self._close_coin)
        commitments = graph.commitments_hash([self._commitments[i] for i in sorted(self._adverts)])
        return self._to_all("roster", present=present, commitments=commitments)

    def _take_coin_share(self, index: int, payload: bytes, _: bytes) -> None:
        opens = graph.commit(self._start, index, payload) == self._commitments[index]
        if not opens or len(payload) != graph.COIN_BYTES:
            raise ProtocolError(f"{self._names[index]!r} reveals another coin than it committed to")
        self._coin_shares[index] = payload

    def _close_coin(self, before: wire.Members) -> Outbox:
        absent = tuple(self._names[i] for i in np.flatnonzero(before & ~self._members))
        if absent:
            raise CoinError(
                f"{', '.join(absent)} committed to a share of the coin and withheld it in "
                f"{self._round}; start again without",
                absent,
            )
        shares = [self._coin_shares[i] for i in sorted(self._coin_shares)]
        coin = graph.coin_of(self._transcript, shares)
        self._transcript = wire.chain(self._transcript, "coin", coin)
        self._circle = graph.draw_circle(self._masking, coin)
        return self._send_neighbours(reveals=b"".join(shares))

    def _neighbours_of(self, index: int) -> list[int]:
        return self._circle.neighbours(index)

    @property
    def _masked_under(self) -> bytes:
        """The transcript that masks are derived under."""
        return self._transcript

    def _take_vector(self, index: int, beside: bytes, chunks: list[bytes]) -> None:
        if self._masking.quorum:
            self._round.verify(self._names[index], "masked", self._transcript, beside)
        words, self._confirmations[index] = self._unpacked(chunks), beside
        np.add(self._words, words, out=self._words)

    def _unpacked(self, chunks: list[bytes]) -> Words:
        """A vector from its chunks, which are dropped on the way."""
        words = np.empty(self._layout.size, self._layout.dtype)
        for where, piece in reversed(self._pieces):
            piece.unpack_into(words[where], chunks.pop())
        return words

    def _said_of_survivors(self, index: int) -> Mapping[str, bytes]:
        """What a party's surviving neighbours signed about their masks."""
        surviving = [i for i in self._neighbours[index] if self._survivors[i]]
        return {"confirmations": b"".join(self._confirmations[i] for i in surviving)}

    def _take_opened(self, index: int, payload: bytes, message: bytes) -> None:
        del message
        values = canonical.decode(payload, len(payload), PAYLOAD_ITEMS)
        keys, seeds = fields_of(values, keys=list, seeds=list)
        n = self._masking.parties
        opened = Opened(keys=shares_of_list(keys, n), seeds=shares_of_list(seeds, n))
        held = {index, *self._neighbours[index]}
        if not (opened.keys.keys() | opened.seeds.keys()) <= held:
            raise ProtocolError(f"{self._names[index]!r} opens shares that it cannot hold")
        self._opened[index] = opened

    def _open_total(self) -> Integers:
        masks = self._masks()
        take_masks_off(self._words, masks, self._open_secrets(masks))
        words, self._words = self._words, np.empty(0, self._layout.dtype)
        return self._layout.to_integers(words)

    def _open_secrets(self, masks: Masks) -> Secrets:
        reconstruction = Reconstruction(self._masking.threshold, self._names)
        secrets = reconstruct(masks, self._opened, reconstruction)
        self._false_shares = tuple(reconstruction.false_shares)
        return secrets

    def _masks(self) -> Masks:
        return Masks(
            start=self._start,
            transcript=self._masked_under,
            sharers=self._sharers,
            survivors=self._survivors,
            neighbours=self._neighbours,
            mask_keys=self._mask_keys,
            commitments=self._seed_commitments,
        )
