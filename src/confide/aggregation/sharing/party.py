"""A party's side of a round in which secrets are shared and survivors signed.

The session is a chain of steps. Each reads one announcement, checks it, and answers; the session
then waits for the next step's kind and no other. A failure ends the session, which lets go of its
secrets: what a lying coordinator gets is an error in somebody's log.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from confide import canonical
from confide.aggregation.chunks import CHUNK, Outgoing
from confide.aggregation.encoding import Integers
from confide.aggregation.envelope import SIGNATURE_BYTES, Round, fields_of
from confide.aggregation.session import Contribution, Identity, Released, totals_of
from confide.aggregation.sharing import wire
from confide.aggregation.sharing.keys import agree, derive, encrypt
from confide.errors import DropoutError, ProtocolError, VerificationError
from confide.plan.crowds import check_openings
from confide.plan.masking import Masking, signatures_to_verify
from confide.plan.openings import Opening, check_history

__all__ = ["ShareSecrets", "SharingParty", "Step", "quorum_sample"]

Step = Callable[[Mapping[str, Any]], tuple[str, bytes]]


class ShareSecrets:
    """What a party must not lose or use twice: made for one attempt, dropped at its end.

    Attributes:
        share_key: What shares to this party are encrypted to.
        opening: The keys that open neighbours' shares, by neighbour.
    """

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self.share_key = X25519PrivateKey.from_private_bytes(random_bytes(wire.KEY_BYTES))
        self.opening: dict[int, bytes] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(<hidden>)"


SecretsT = TypeVar("SecretsT", bound=ShareSecrets)


class SharingParty(ABC, Generic[SecretsT]):
    """One party's side: see `confide.aggregation.session.PartySession`.

    Args:
        round_: The attempt; it is claimed from the identity's register at once.
        identity: Name, key, register and randomness of the party.
        state_hash: Hash of the state that the party itself computed and contributes to.
        contribution: Called once, when the vector is due.
        sealed_bytes: Bytes of the encrypted shares for one neighbour.
    """

    protocol: ClassVar[str]
    """The name that stands in the transcript."""

    asks_to_open: ClassVar[str]
    """The announcement that asks for the shares of the survivors' secrets."""

    def __init__(
        self,
        round_: Round,
        identity: Identity,
        state_hash: bytes,
        contribution: Contribution,
        *,
        sealed_bytes: int,
    ) -> None:
        identity.register.claim(round_)
        self._round, self._identity, self._contribution = round_, identity, contribution
        self._masking = round_.plan.masking
        self._names = [p.name for p in round_.plan.parties]
        self._me = self._names.index(identity.name)
        self._state_hash = state_hash
        self._start = wire.start_transcript(self.protocol, round_, state_hash)
        self._transcript = self._start
        self._sealed_bytes = sealed_bytes
        self._limit = wire.message_limit(round_, sealed_bytes)
        self._awaited: tuple[str, Step] | None = ("open", self._advertise)
        self._secrets: SecretsT | None = None

    def __repr__(self) -> str:
        awaited = self._awaited[0] if self._awaited else "nothing more"
        return f"{type(self).__name__}({self._identity.name!r}, {self._round}, awaits {awaited!r})"

    def receive(self, message: bytes) -> bytes:
        """Answers the next announcement; see `confide.aggregation.session.PartySession`."""
        if self._awaited is None:
            raise ProtocolError(f"a message after the end of {self._round}")
        kind, step = self._awaited
        self._awaited = None
        try:
            said = self._round.read_announcement(message, kind, self._limit, self._masking.degree)
            reply, payload = step(said)
        except BaseException:
            self._secrets = None
            self._awaited = None
            raise
        if reply == CHUNK:  # The root above it is signed.
            return payload
        return self._round.seal(self._identity.key, self._identity.name, reply, payload)

    def accept(self, result: Released) -> Integers:
        """Nothing here tells a false sum from a true one."""
        return totals_of(result)

    @abstractmethod
    def _advertise(self, said: Mapping[str, Any]) -> tuple[str, bytes]:
        """The first step: makes the attempt's secrets and sends public keys."""

    @abstractmethod
    def _open(self) -> tuple[str, bytes]:
        """The last step: lets go of the secrets and opens what the survivors' sum takes."""

    # --- steps that protocols have in common -----------------------------------------------------

    def _read_history(self, said: Mapping[str, Any]) -> None:
        """Reads which sums were opened before; all that follows binds it.

        Two quorums share an honest party, which refuses a history that lacks what it consented to.
        So no two sums are opened under histories that do not know of each other.
        """
        (history,) = fields_of(said, history=bytes)
        self._history = wire.history_of(history, self._names)
        known = self._identity.register.openings
        check_history(self._history, (o for o in known if self._round.plan.opens(o.number)))
        self._start = wire.chain(self._start, "history", history)
        self._transcript = self._start

    def _enter_roster(self, present: bytes) -> None:
        everybody = np.ones(self._masking.parties, bool)
        self._present = self._subset(present, everybody, "roster")
        self._transcript = wire.chain(self._transcript, "roster", present)

    def _meet(self, around: Iterable[int]) -> None:
        """Fixes who the neighbours are; enough of them must be there to hold shares."""
        self._neighbours = [i for i in around if self._present[i]]
        self._require_neighbourhood(self._present)

    def _read_adverts(self, adverts: list[Any], *fields: str) -> list[dict[int, bytes]]:
        """The signed advertisements of all neighbours that are present, and of nobody else.

        Args:
            adverts: The envelopes.
            fields: The fields of an advertisement, each of which holds bytes.

        Returns:
            For each field a map from neighbour to what it advertises.
        """
        if len(adverts) != len(self._neighbours):
            raise ProtocolError(
                f"{len(adverts)} key advertisements for {len(self._neighbours)} neighbours"
            )
        found: list[dict[int, bytes]] = [{} for _ in fields]
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
            advertised = fields_of(values, **dict.fromkeys(fields, bytes))
            for column, value in zip(found, advertised, strict=True):
                column[index] = value
        return found

    def _seal_shares(self, share_keys: Mapping[int, bytes], shares: Iterable[bytes]) -> bytes:
        """Encrypts to each neighbour its shares, in the neighbours' order."""
        secrets, sealed = self._open_secrets, []
        for other, share in zip(self._neighbours, shares, strict=True):
            # A key for each direction, so each encrypts once. Shares are encrypted before the
            # sharers are known, so the keys bind what is known by now.
            agreed, way = agree(secrets.share_key, share_keys[other]), (self._me, other)
            sending = derive(agreed, b"share", self._transcript, way)
            secrets.opening[other] = derive(agreed, b"share", self._transcript, way[::-1])
            sealed.append(encrypt(sending, share))
        return b"".join(sealed)

    def _take_shares(self, said: Mapping[str, Any]) -> None:
        """Notes who shared secrets, and keeps the shares sealed until they are asked for."""
        sharers, ciphertexts = fields_of(said, sharers=bytes, ciphertexts=bytes)
        self._sharers = self._subset(sharers, self._present, "sharers")
        self._require_neighbourhood(self._sharers)
        self._partners = [i for i in self._neighbours if self._sharers[i]]
        pieces = wire.split(ciphertexts, self._sealed_bytes, len(self._partners))
        self._ciphertexts = dict(zip(self._partners, pieces, strict=True))
        self._transcript = wire.chain(self._transcript, "sharers", sharers)

    def _contribute(self, beside: bytes, chunks: list[bytes]) -> tuple[str, bytes]:
        """Gives away the vector, in chunks if it has several."""
        if len(chunks) == 1:
            self._await_survivors()
            return "contribution", beside + chunks[0]
        self._outgoing = Outgoing(chunks)
        self._awaited = (CHUNK, self._give_chunk)
        return "contribution", self._outgoing.head(beside)

    def _give_chunk(self, said: Mapping[str, Any]) -> tuple[str, bytes]:
        (index,) = fields_of(said, index=int)
        message = self._outgoing.give(index, self._identity.name)
        if self._outgoing.over:
            del self._outgoing
            self._await_survivors()
        else:
            self._awaited = (CHUNK, self._give_chunk)
        return CHUNK, message

    def _await_survivors(self) -> None:
        self._awaited = (
            ("survivors", self._consent)
            if self._masking.quorum
            else (self.asks_to_open, self._open_curious)
        )

    def _consent(self, said: Mapping[str, Any]) -> tuple[str, bytes]:
        self._accept_survivors(self._read_survivors(said))
        # Spent before it signs, not before it opens: two attempts at one round, opened by different
        # parties, would give sums over different survivors, but both need a quorum of signers, and
        # two quorums share an honest party.
        self._identity.register.consent(self._round, self._survivor_names)
        self._awaited = (self.asks_to_open, self._open_with_quorum)
        return "consent", wire.consent_payload(self._transcript, self._survivors)

    def _read_survivors(self, said: Mapping[str, Any]) -> bytes:
        survivors: bytes = fields_of(said, survivors=bytes)[0]
        return survivors

    def _open_curious(self, said: Mapping[str, Any]) -> tuple[str, bytes]:
        (survivors,) = fields_of(said, survivors=bytes)
        self._accept_survivors(survivors)
        self._identity.register.consent(self._round, self._survivor_names)
        return self._open()

    def _open_with_quorum(self, said: Mapping[str, Any]) -> tuple[str, bytes]:
        signers, signatures = fields_of(said, signers=bytes, signatures=bytes)
        self._verify_quorum(self._subset(signers, self._survivors, "signers"), signatures)
        return self._open()

    # --- checks ----------------------------------------------------------------------------------

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
        if members.sum() < self._round.min_survivors:
            raise DropoutError(
                f"the {what} are {members.sum()} parties; {self._round} takes at least "
                f"{self._round.min_survivors}: more dropped out than the plan bears, so "
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
        self._check_opening()

    def _check_opening(self) -> None:
        """Refuses a sum that would tell few parties apart beside those opened before."""
        plan, round_ = self._round.plan, self._round
        opening = Opening(round_.number, round_.attempt, self._survivor_names)
        check_openings(plan, (*self._history, opening))

    def _verify_quorum(self, signers: wire.Members, signatures: bytes) -> None:
        """Verifies that a quorum consented to our survivors, by a sample where that suffices."""
        count = int(signers.sum())
        if count < self._masking.quorum:
            raise VerificationError(
                f"{count} signatures on the survivors; opening their sum takes "
                f"{self._masking.quorum}"
            )
        pieces = wire.split(signatures, SIGNATURE_BYTES, count)
        payload = wire.consent_payload(self._transcript, self._survivors)
        indices = np.flatnonzero(signers)
        for i in self._signatures_to_verify(count):
            self._round.verify(self._names[indices[i]], "consent", payload, pieces[i])

    def _signatures_to_verify(self, count: int) -> Iterable[int]:
        """Which of so many signatures are verified: a sample, where that suffices for opening."""
        return quorum_sample(self._masking, count, self._identity.random.bytes)

    @property
    def _survivor_names(self) -> tuple[str, ...]:
        return tuple(self._names[i] for i in np.flatnonzero(self._survivors))

    @property
    def _open_secrets(self) -> SecretsT:
        if self._secrets is None:
            raise ProtocolError(f"{self._round} is over for {self._identity.name!r}")
        return self._secrets


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
