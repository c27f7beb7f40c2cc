"""A party's side of masked aggregation: what it masks with, and what it opens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from confide import canonical
from confide.aggregation.chunks import pieces_of
from confide.aggregation.envelope import SIGNATURE_BYTES, Round, fields_of
from confide.aggregation.masked import graph, shamir
from confide.aggregation.masked.commitments import commit_to_seed
from confide.aggregation.masked.shares import SEALED_BYTES, shares_to_list
from confide.aggregation.masked.streams import MaskAdder, signed_key
from confide.aggregation.modular import Layout, Words
from confide.aggregation.session import Contribution, Identity
from confide.aggregation.sharing import wire
from confide.aggregation.sharing.keys import decrypt, pairwise_key
from confide.aggregation.sharing.party import ShareSecrets, SharingParty
from confide.errors import DropoutError, ProtocolError, VerificationError
from confide.plan.masking import MAX_ATTEMPTS
from confide.randomness import SEED_BYTES

__all__ = ["MaskedParty"]


class _Secrets(ShareSecrets):
    """The key of pairwise masks, the seed of the self mask, and the share of the coin."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self.mask_key = X25519PrivateKey.from_private_bytes(random_bytes(wire.KEY_BYTES))
        super().__init__(random_bytes)
        self.self_seed = random_bytes(SEED_BYTES)
        self.coin_share = random_bytes(graph.COIN_BYTES)
        self.own_share = b""


class MaskedParty(SharingParty[_Secrets]):
    """One party's side: see `confide.aggregation.session.PartySession`.

    Args:
        round_: The attempt; it is claimed from the identity's register at once.
        identity: Name, key, register and randomness of the party.
        state_hash: Hash of the state that the party itself computed and contributes to.
        contribution: Called once, when the masked vector is due.
    """

    protocol = "masked"
    asks_to_open = "unmask"

    def __init__(
        self, round_: Round, identity: Identity, state_hash: bytes, contribution: Contribution
    ) -> None:
        super().__init__(round_, identity, state_hash, contribution, sealed_bytes=SEALED_BYTES)
        if not self._masking.complete and round_.attempt >= MAX_ATTEMPTS:
            raise ProtocolError(
                f"{round_}: a round with a joint coin starts at most {MAX_ATTEMPTS} times, or the "
                "coordinator could choose among coins"
            )

    # --- the steps, in order ---------------------------------------------------------------------

    def _advertise(self, said: Mapping[str, Any]) -> tuple[str, bytes]:
        self._read_history(said)
        self._secrets = secrets = _Secrets(self._identity.random.bytes)
        commitment = b""
        if not self._masking.complete:
            commitment = graph.commit(self._start, self._me, secrets.coin_share)
        self._awaited = (
            ("neighbours", self._share_in_complete_graph)
            if self._masking.complete
            else ("roster", self._reveal)
        )
        return "advertise", canonical.encode(
            {
                "commitment": commitment,
                "mask_key": secrets.mask_key.public_key().public_bytes_raw(),
                "seed": commit_to_seed(self._start, self._me, secrets.self_seed),
                "share_key": secrets.share_key.public_key().public_bytes_raw(),
            }
        )

    def _reveal(self, said: Mapping[str, Any]) -> tuple[str, bytes]:
        present, commitments = fields_of(said, present=bytes, commitments=bytes)
        self._enter_roster(present)
        self._commitments = commitments
        self._awaited = ("neighbours", self._share_in_sparse_graph)
        return "reveal", self._open_secrets.coin_share

    def _share_in_complete_graph(self, said: Mapping[str, Any]) -> tuple[str, bytes]:
        present, adverts = fields_of(said, present=bytes, adverts=list)
        self._enter_roster(present)
        self._circle = graph.draw_circle(self._masking, b"")
        return self._share(adverts)

    def _share_in_sparse_graph(self, said: Mapping[str, Any]) -> tuple[str, bytes]:
        revealed, adverts = fields_of(said, reveals=bytes, adverts=list)
        present = np.flatnonzero(self._present).tolist()
        shares = wire.split(revealed, graph.COIN_BYTES, len(present))
        commitments = [
            graph.commit(self._start, i, s) for i, s in zip(present, shares, strict=True)
        ]
        if graph.commitments_hash(commitments) != self._commitments:
            raise VerificationError("shares of the coin that do not open what was committed to")
        if shares[present.index(self._me)] != self._open_secrets.coin_share:
            raise VerificationError("another share of the coin in this party's name")
        coin = graph.coin_of(self._transcript, shares)
        self._transcript = wire.chain(self._transcript, "coin", coin)
        self._circle = graph.draw_circle(self._masking, coin)
        return self._share(adverts)

    def _share(self, adverts: list[Any]) -> tuple[str, bytes]:
        """Checks the neighbours' keys and hands each a share of both secrets."""
        secrets = self._open_secrets
        self._meet(self._circle.neighbours(self._me))
        _, self._mask_keys, self._seed_commitments, share_keys = self._read_adverts(
            adverts, "commitment", "mask_key", "seed", "share_key"
        )
        points = [i + 1 for i in self._neighbours] + [self._me + 1]
        random, threshold = self._identity.random, self._masking.threshold
        of_key = shamir.share(secrets.mask_key.private_bytes_raw(), threshold, points, random)
        of_seed = shamir.share(secrets.self_seed, threshold, points, random)
        secrets.own_share = of_seed[-1]
        both = [key + seed for key, seed in zip(of_key, of_seed, strict=True)]
        self._awaited = ("deliver", self._mask)
        return "shares", self._seal_shares(share_keys, both[:-1])

    def _mask(self, said: Mapping[str, Any]) -> tuple[str, bytes]:
        """Masks the contribution: plus its own mask, plus or minus one for each neighbour."""
        self._take_shares(said)
        secrets, layout = self._open_secrets, Layout.of_sum(self._round.part)
        words = layout.to_words(self._contribution())
        masks = bytearray(signed_key(secrets.self_seed, add=True))
        for other in self._partners:
            pair = (min(self._me, other), max(self._me, other))
            key = pairwise_key(
                secrets.mask_key, self._mask_keys[other], b"mask", self._transcript, pair
            )
            masks += signed_key(key, add=self._me < other)
        MaskAdder(layout.dtype).apply_all(words, masks)
        pieces = pieces_of(layout, self._round.plan)
        chunks = [piece.pack(words[where]) for where, piece in pieces]
        return self._contribute(self._confirmation(words), chunks)

    def _confirmation(self, words: Words) -> bytes:
        """A signature on what this party masked under, which its neighbours want to see."""
        del words
        if not self._masking.quorum:
            return b""
        identity = self._identity
        return self._round.sign(identity.key, identity.name, "masked", self._transcript)

    def _read_survivors(self, said: Mapping[str, Any]) -> bytes:
        survivors: bytes
        survivors, self._confirmations = fields_of(said, survivors=bytes, confirmations=bytes)
        return survivors

    def _open(self) -> tuple[str, bytes]:
        """Gives one share for each neighbour: of the self mask if it survived, else of its key."""
        secrets = self._open_secrets
        seeds, keys = {self._me: secrets.own_share}, dict[int, bytes]()
        for other in self._partners:
            try:
                both = decrypt(secrets.opening[other], self._ciphertexts[other])
            except VerificationError:
                continue  # Altered on the way or made falsely: a share less, as of a dropped party.
            if self._survivors[other]:
                seeds[other] = both[shamir.SHARE_BYTES :]
            else:
                keys[other] = both[: shamir.SHARE_BYTES]
        self._secrets = None
        n = self._masking.parties
        return "opened", canonical.encode(
            {"keys": shares_to_list(keys, n), "seeds": shares_to_list(seeds, n)}
        )

    # --- checks ----------------------------------------------------------------------------------

    def _accept_survivors(self, data: bytes) -> None:
        super()._accept_survivors(data)
        if not self._masking.complete:
            fewest = self._circle.fewest_in_two_runs(self._survivors)
            if fewest < self._masking.cut_survivors:
                raise DropoutError(
                    f"the survivors leave runs of {fewest} parties; with fewer than "
                    f"{self._masking.cut_survivors} somebody could be cut off from the others"
                )
        if self._masking.quorum:
            self._verify_confirmations()

    def _verify_confirmations(self) -> None:
        """Verifies that each surviving neighbour masked with the same sharers as we did.

        One that was told of other sharers may have masked with colluders and dropped parties only:
        its self mask, once opened, would be all that hides it.
        """
        masked = [i for i in self._partners if self._survivors[i]]
        signatures = wire.split(self._confirmations, SIGNATURE_BYTES, len(masked))
        for i, signature in zip(masked, signatures, strict=True):
            self._round.verify(self._names[i], "masked", self._transcript, signature)
