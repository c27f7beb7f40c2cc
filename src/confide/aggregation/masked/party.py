"""A party's side of masked aggregation.

The session is a chain of steps. Each reads one announcement, checks it, and answers; the session
then waits for the next step's kind and no other. A failure ends the session, which lets go of its
secrets: what a lying coordinator gets is an error in somebody's log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from confide import canonical
from confide.aggregation.envelope import SIGNATURE_BYTES, Round, fields_of, read_announcement
from confide.aggregation.masked import graph, shamir, wire
from confide.aggregation.masked.keys import agree, decrypt, derive, encrypt, pairwise_key
from confide.aggregation.masked.streams import MaskAdder
from confide.aggregation.modular import Layout
from confide.aggregation.session import Contribution, Identity
from confide.errors import DropoutError, ProtocolError, VerificationError
from confide.plan.masking import MAX_ATTEMPTS, Masking, signatures_to_verify
from confide.randomness import SEED_BYTES

__all__ = ["MaskedParty", "quorum_sample"]

Step = Callable[[Mapping[str, Any]], tuple[str, bytes]]


class MaskedParty:
    """One party's side: see `confide.aggregation.session.PartySession`.

    Args:
        round_: The attempt; it is claimed from the identity's register at once.
        identity: Name, key, register and randomness of the party.
        state_hash: Hash of the state that the party itself computed and contributes to.
        contribution: Called once, when the masked vector is due.
    """

    def __init__(
        self, round_: Round, identity: Identity, state_hash: bytes, contribution: Contribution
    ) -> None:
        identity.register.claim(round_)
        self._round, self._identity, self._contribution = round_, identity, contribution
        self._masking = round_.plan.masking
        self._names = [p.name for p in round_.plan.parties]
        self._me = self._names.index(identity.name)
        self._start = self._transcript = wire.start_transcript(round_, state_hash)
        self._limit = wire.message_limit(round_)
        self._awaited: tuple[str, Step] | None = ("open", self._advertise)
        self._secrets: _Secrets | None = None
        if not self._masking.complete and round_.attempt >= MAX_ATTEMPTS:
            raise ProtocolError(
                f"{round_}: a round with a joint coin starts at most {MAX_ATTEMPTS} times, or the "
                "coordinator could choose among coins"
            )

    def __repr__(self) -> str:
        awaited = self._awaited[0] if self._awaited else "nothing more"
        return f"MaskedParty({self._identity.name!r}, {self._round}, awaits {awaited!r})"

    def receive(self, message: bytes) -> bytes:
        """Answers the next announcement; see `confide.aggregation.session.PartySession`."""
        if self._awaited is None:
            raise ProtocolError(f"a message after the end of {self._round}")
        kind, step = self._awaited
        self._awaited = None
        try:
            reply, payload = step(read_announcement(message, kind, self._limit))
        except BaseException:
            self._secrets = None
            self._awaited = None
            raise
        return self._round.seal(self._identity.key, self._identity.name, reply, payload)

    # --- the steps, in order ---------------------------------------------------------------------

    def _advertise(self, said: Mapping[str, Any]) -> tuple[str, bytes]:
        fields_of(said)
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
        if wire.commitments_hash(commitments) != self._commitments:
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
        around = self._circle.neighbours(self._me)
        self._neighbours = [i for i in around if self._present[i]]
        self._require_neighbourhood(self._present)
        self._mask_keys, share_keys = self._read_adverts(adverts)
        points = [i + 1 for i in self._neighbours] + [self._me + 1]
        random, threshold = self._identity.random, self._masking.threshold
        of_key = shamir.share(secrets.mask_key.private_bytes_raw(), threshold, points, random)
        of_seed = shamir.share(secrets.self_seed, threshold, points, random)
        secrets.own_share = of_seed[-1]
        sealed = []
        for other, key_share, seed_share in zip(self._neighbours, of_key, of_seed, strict=False):
            # A key for each direction, so each encrypts once. Shares are encrypted before the
            # sharers are known, so the keys bind what is known by now.
            agreed, way = agree(secrets.share_key, share_keys[other]), (self._me, other)
            sending = derive(agreed, b"share", self._transcript, way)
            secrets.opening[other] = derive(agreed, b"share", self._transcript, way[::-1])
            sealed.append(encrypt(sending, key_share + seed_share))
        self._awaited = ("deliver", self._mask)
        return "shares", b"".join(sealed)

    def _mask(self, said: Mapping[str, Any]) -> tuple[str, bytes]:
        """Masks the contribution: plus its own mask, plus or minus one for each neighbour."""
        sharers, ciphertexts = fields_of(said, sharers=bytes, ciphertexts=bytes)
        self._sharers = self._subset(sharers, self._present, "sharers")
        self._require_neighbourhood(self._sharers)
        self._partners = [i for i in self._neighbours if self._sharers[i]]
        pieces = wire.split(ciphertexts, wire.CIPHERTEXT_BYTES, len(self._partners))
        self._ciphertexts = dict(zip(self._partners, pieces, strict=True))
        self._transcript = wire.chain(self._transcript, "sharers", sharers)
        secrets, layout = self._open_secrets, Layout.of_sum(self._round.plan)
        words, masks = layout.to_words(self._contribution()), MaskAdder(layout.dtype)
        masks.add(words, secrets.self_seed)
        for other in self._partners:
            pair = (min(self._me, other), max(self._me, other))
            key = pairwise_key(
                secrets.mask_key, self._mask_keys[other], b"mask", self._transcript, pair
            )
            masks.apply(words, key, add=self._me < other)
        self._awaited = (
            ("survivors", self._consent) if self._masking.quorum else ("unmask", self._open_curious)
        )
        return "contribution", self._confirmation() + layout.pack(words)

    def _confirmation(self) -> bytes:
        """A signature on what this party masked under, which its neighbours want to see."""
        if not self._masking.quorum:
            return b""
        identity = self._identity
        return self._round.sign(identity.key, identity.name, "masked", self._transcript)

    def _consent(self, said: Mapping[str, Any]) -> tuple[str, bytes]:
        survivors, confirmations = fields_of(said, survivors=bytes, confirmations=bytes)
        self._accept_survivors(survivors)
        self._verify_confirmations(confirmations)
        # Spent before it signs, not before it opens: two attempts at one round, opened by different
        # parties, would give sums over different survivors, but both need a quorum of signers, and
        # two quorums share an honest party.
        self._identity.register.spend(self._round)
        self._awaited = ("unmask", self._open_with_quorum)
        return "consent", wire.consent_payload(self._transcript, self._survivors)

    def _open_curious(self, said: Mapping[str, Any]) -> tuple[str, bytes]:
        (survivors,) = fields_of(said, survivors=bytes)
        self._accept_survivors(survivors)
        self._identity.register.spend(self._round)
        return self._open()

    def _open_with_quorum(self, said: Mapping[str, Any]) -> tuple[str, bytes]:
        signers, signatures = fields_of(said, signers=bytes, signatures=bytes)
        self._verify_quorum(self._subset(signers, self._survivors, "signers"), signatures)
        return self._open()

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
            {"keys": wire.shares_to_list(keys, n), "seeds": wire.shares_to_list(seeds, n)}
        )

    # --- checks ----------------------------------------------------------------------------------

    def _enter_roster(self, present: bytes) -> None:
        everybody = np.ones(self._masking.parties, bool)
        self._present = self._subset(present, everybody, "roster")
        self._transcript = wire.chain(self._transcript, "roster", present)

    def _subset(self, data: bytes, of: wire.Members, what: str) -> wire.Members:
        """Reads a set of parties: within another, large enough, and for all but signers with us."""
        members = wire.members_of(data, self._masking.parties)
        if (members & ~of).any():
            odd = self._names[int(np.flatnonzero(members & ~of)[0])]
            raise VerificationError(f"the {what} include {odd!r}, who was not there before")
        if what == "signers":
            return members
        if not members[self._me]:
            raise ProtocolError(
                f"the {what} leave out {self._identity.name!r}, who is asked to go on"
            )
        if members.sum() < self._masking.min_survivors:
            raise DropoutError(
                f"the {what} are {members.sum()} parties; {self._round} takes at least "
                f"{self._masking.min_survivors}: more dropped out than the plan bears, so "
                f"{self._identity.name!r} stops here"
            )
        return members

    def _require_neighbourhood(self, members: wire.Members) -> None:
        holders = 1 + sum(bool(members[i]) for i in self._neighbours)
        if holders < self._masking.threshold:
            raise DropoutError(
                f"{holders} parties are left to hold shares of {self._identity.name!r}; it takes "
                f"{self._masking.threshold}"
            )

    def _accept_survivors(self, data: bytes) -> None:
        self._survivors = self._subset(data, self._sharers, "survivors")
        if not self._masking.complete:
            fewest = self._circle.fewest_in_two_runs(self._survivors)
            if fewest < self._masking.cut_survivors:
                raise DropoutError(
                    f"the survivors leave runs of {fewest} parties; with fewer than "
                    f"{self._masking.cut_survivors} somebody could be cut off from the others"
                )

    def _read_adverts(self, adverts: list[Any]) -> tuple[dict[int, bytes], dict[int, bytes]]:
        """The signed mask and share keys of all neighbours that are present, and of nobody else."""
        if len(adverts) != len(self._neighbours):
            raise ProtocolError(
                f"{len(adverts)} key advertisements for {len(self._neighbours)} neighbours"
            )
        mask_keys, share_keys = {}, {}
        for index, data in zip(self._neighbours, adverts, strict=True):
            if not isinstance(data, bytes):
                raise ProtocolError("a key advertisement that is no envelope")
            envelope = self._round.open(data, "advertise", wire.ADVERT_BYTES)
            if envelope.sender != self._names[index]:
                raise VerificationError(
                    f"a key advertisement of {envelope.sender!r} in the place of "
                    f"{self._names[index]!r}"
                )
            values = canonical.decode(envelope.payload, wire.ADVERT_BYTES)
            _, mask_keys[index], share_keys[index] = fields_of(
                values, commitment=bytes, mask_key=bytes, share_key=bytes
            )
        return mask_keys, share_keys

    def _verify_confirmations(self, confirmations: bytes) -> None:
        """Verifies that each surviving neighbour masked with the same sharers as we did.

        One that was told of other sharers may have masked with colluders and dropped parties only:
        its self mask, once opened, would be all that hides it.
        """
        masked = [i for i in self._partners if self._survivors[i]]
        signatures = wire.split(confirmations, SIGNATURE_BYTES, len(masked))
        for i, signature in zip(masked, signatures, strict=True):
            self._round.verify(self._names[i], "masked", self._transcript, signature)

    def _verify_quorum(self, signers: wire.Members, signatures: bytes) -> None:
        """Verifies that a quorum consented to our survivors, by a sample where that suffices."""
        count = int(signers.sum())
        if count < self._masking.quorum:
            raise VerificationError(
                f"{count} signatures on the survivors; unmasking takes {self._masking.quorum}"
            )
        pieces = wire.split(signatures, SIGNATURE_BYTES, count)
        payload = wire.consent_payload(self._transcript, self._survivors)
        indices = np.flatnonzero(signers)
        for i in quorum_sample(self._masking, count, self._identity.random.bytes):
            self._round.verify(self._names[indices[i]], "consent", payload, pieces[i])

    @property
    def _open_secrets(self) -> _Secrets:
        if self._secrets is None:
            raise ProtocolError(f"{self._round} is over for {self._identity.name!r}")
        return self._secrets


class _Secrets:
    """What a party must not lose or use twice: made for one attempt, dropped at its end."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self.mask_key = X25519PrivateKey.from_private_bytes(random_bytes(wire.KEY_BYTES))
        self.share_key = X25519PrivateKey.from_private_bytes(random_bytes(wire.KEY_BYTES))
        self.self_seed = random_bytes(SEED_BYTES)
        self.coin_share = random_bytes(graph.COIN_BYTES)
        self.own_share = b""
        self.opening: dict[int, bytes] = {}

    def __repr__(self) -> str:
        return "_Secrets(<hidden>)"


def quorum_sample(masking: Masking, count: int, random_bytes: Callable[[int], bytes]) -> list[int]:
    """Which of `count` signatures to verify, so that fewer good ones than a quorum are found out.

    The choice is secret, and made after the signatures were received.

    Args:
        masking: The round's parameters; says how many.
        count: Signatures received, at least the quorum.
        random_bytes: Source of the choice.

    Returns:
        Distinct numbers below `count`.
    """
    ranks = np.frombuffer(random_bytes(8 * count), np.uint64)
    return [int(i) for i in np.argsort(ranks)[: signatures_to_verify(masking, count)]]
