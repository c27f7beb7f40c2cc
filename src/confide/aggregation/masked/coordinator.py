"""The coordinator's side of masked aggregation.

It relays, counts who is left, adds up masked vectors as they arrive, and in the end removes the
masks that the survivors have opened. It holds one vector, and one more for each core while it takes
many masks off, whatever the number of parties.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from confide import canonical
from confide.aggregation.envelope import SIGNATURE_BYTES, Round, announce, fields_of
from confide.aggregation.masked import graph, wire
from confide.aggregation.masked.keys import check_public_key
from confide.aggregation.masked.unmask import Opened, unmask
from confide.aggregation.modular import Layout
from confide.aggregation.session import RoundResult
from confide.errors import CoinError, DropoutError, ProtocolError

__all__ = ["MaskedCoordinator"]

Outbox = Mapping[str, bytes]


class MaskedCoordinator:
    """The coordinator's side: see `confide.aggregation.session.CoordinatorSession`.

    Args:
        round_: The attempt.
        state_hash: Hash of the state that this round contributes to.
        invited: Names of the parties to ask.
    """

    def __init__(self, round_: Round, state_hash: bytes, invited: tuple[str, ...]) -> None:
        self._round, self._masking = round_, round_.plan.masking
        self._names = [p.name for p in round_.plan.parties]
        self._index = {name: i for i, name in enumerate(self._names)}
        self._layout = Layout.of_sum(round_.plan)
        self._start = self._transcript = wire.start_transcript(round_, state_hash)
        self._total = np.zeros(self._layout.size, self._layout.dtype)
        self._adverts: dict[int, bytes] = {}
        self._mask_keys: dict[int, bytes] = {}
        self._commitments: dict[int, bytes] = {}
        self._coin_shares: dict[int, bytes] = {}
        self._sealed_shares: dict[int, bytes] = {}
        self._confirmations: dict[int, bytes] = {}
        self._consents: dict[int, bytes] = {}
        self._opened: dict[int, Opened] = {}
        self._result: RoundResult | None = None
        self._members = np.isin(self._names, invited)
        self._await("advertise", self._take_advert, self._close_adverts)

    def open(self) -> Outbox:
        """Asks the invited parties to advertise their keys."""
        return self._to(self._members, lambda _: announce("open"))

    def receive(self, message: bytes) -> None:
        """Takes one answer of this step."""
        if not self._kind:
            raise ProtocolError(f"a message after the end of {self._round}")
        limit = wire.message_limit(self._round, self._layout.wire_bytes)
        envelope = self._round.open(message, self._kind, limit)
        index = self._index[envelope.sender]
        if not self._members[index] or self._answered[index]:
            raise ProtocolError(
                f"a second or unasked {self._kind!r} message of {envelope.sender!r}"
            )
        self._take(index, envelope.payload, message)
        self._answered[index] = True

    def advance(self) -> Outbox:
        """Closes the step."""
        if not self._kind:
            return {}
        left = int(self._answered.sum())
        if left < self._masking.min_survivors:
            raise DropoutError(
                f"{left} of {self._masking.parties} parties answered {self._kind!r} in "
                f"{self._round}; the plan bears {self._masking.dropouts} "
                "dropouts. No sum is released"
            )
        before, self._members = self._members, self._answered
        return self._close(before)

    @property
    def awaits(self) -> str:
        """The kind of message that this step takes."""
        return self._kind

    @property
    def result(self) -> RoundResult:
        """The sum over the survivors."""
        if self._result is None:
            raise ProtocolError(f"{self._round} is not finished")
        return self._result

    # --- the steps: what is taken, and what closing it sends -------------------------------------

    def _take_advert(self, index: int, payload: bytes, message: bytes) -> None:
        values = canonical.decode(payload, wire.ADVERT_BYTES)
        commitment, mask_key, share_key = fields_of(
            values, commitment=bytes, mask_key=bytes, share_key=bytes
        )
        # A neighbour would stop at such a key, so one party could stop all of its neighbours.
        check_public_key(mask_key)
        check_public_key(share_key)
        self._adverts[index], self._mask_keys[index] = message, mask_key
        self._commitments[index] = commitment

    def _close_adverts(self, _: wire.Members) -> Outbox:
        self._present = self._members
        present = wire.members_to_bytes(self._present)
        self._transcript = wire.chain(self._transcript, "roster", present)
        if self._masking.complete:
            self._circle = graph.draw_circle(self._masking, b"")
            return self._send_neighbours(present=present)
        self._await("reveal", self._take_coin_share, self._close_coin)
        commitments = wire.commitments_hash([self._commitments[i] for i in sorted(self._adverts)])
        said = announce("roster", present=present, commitments=commitments)
        return self._to(self._members, lambda _: said)

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

    def _send_neighbours(self, **said: bytes) -> Outbox:
        self._neighbours = {
            int(i): [j for j in self._circle.neighbours(int(i)) if self._present[j]]
            for i in np.flatnonzero(self._present)
        }
        self._await("shares", self._take_shares, self._close_shares)
        return self._to(
            self._members,
            lambda i: announce(
                "neighbours", adverts=[self._adverts[j] for j in self._neighbours[i]], **said
            ),
        )

    def _take_shares(self, index: int, payload: bytes, _: bytes) -> None:
        wire.split(payload, wire.CIPHERTEXT_BYTES, len(self._neighbours[index]))
        self._sealed_shares[index] = payload

    def _close_shares(self, _: wire.Members) -> Outbox:
        self._sharers = self._members
        sharers = wire.members_to_bytes(self._sharers)
        self._transcript = wire.chain(self._transcript, "sharers", sharers)
        self._await("contribution", self._take_masked, self._close_masked)
        return self._to(
            self._members,
            lambda i: announce("deliver", sharers=sharers, ciphertexts=self._shares_for(i)),
        )

    def _shares_for(self, index: int) -> bytes:
        """The encrypted shares that a party's neighbours made for it, in their order."""
        pieces = []
        for sender in self._neighbours[index]:
            if self._sharers[sender]:
                start = self._neighbours[sender].index(index) * wire.CIPHERTEXT_BYTES
                pieces.append(self._sealed_shares[sender][start : start + wire.CIPHERTEXT_BYTES])
        return b"".join(pieces)

    def _take_masked(self, index: int, payload: bytes, _: bytes) -> None:
        signed = SIGNATURE_BYTES if self._masking.quorum else 0
        confirmation, words = payload[:signed], self._layout.unpack(payload[signed:])
        if signed:
            self._round.verify(self._names[index], "masked", self._transcript, confirmation)
            self._confirmations[index] = confirmation
        np.add(self._total, words, out=self._total)

    def _close_masked(self, _: wire.Members) -> Outbox:
        self._survivors = self._members
        self._sealed_shares.clear()
        survivors = wire.members_to_bytes(self._survivors)
        if not self._masking.quorum:
            self._await("opened", self._take_opened, self._close_opened)
            said = announce("unmask", survivors=survivors)
        else:
            self._await("consent", self._take_consent, self._close_consents)
            return self._to(
                self._members,
                lambda i: announce(
                    "survivors", survivors=survivors, confirmations=self._confirmations_for(i)
                ),
            )
        return self._to(self._members, lambda _: said)

    def _confirmations_for(self, index: int) -> bytes:
        """What a party's surviving neighbours signed that they masked under."""
        surviving = [i for i in self._neighbours[index] if self._survivors[i]]
        return b"".join(self._confirmations[i] for i in surviving)

    def _take_consent(self, index: int, payload: bytes, message: bytes) -> None:
        if payload != wire.consent_payload(self._transcript, self._survivors):
            raise ProtocolError(f"{self._names[index]!r} consents to something else")
        self._consents[index] = canonical.decode(message, len(message))[3]

    def _close_consents(self, _: wire.Members) -> Outbox:
        signatures = b"".join(self._consents[i] for i in sorted(self._consents))
        signers = wire.members_to_bytes(self._members)
        self._await("opened", self._take_opened, self._close_opened)
        said = announce("unmask", signers=signers, signatures=signatures)
        return self._to(self._members, lambda _: said)

    def _take_opened(self, index: int, payload: bytes, _: bytes) -> None:
        values = canonical.decode(payload, len(payload))
        keys, seeds = fields_of(values, keys=list, seeds=list)
        n = self._masking.parties
        opened = Opened(keys=wire.shares_of_list(keys, n), seeds=wire.shares_of_list(seeds, n))
        held = {index, *self._neighbours[index]}
        if not (opened.keys.keys() | opened.seeds.keys()) <= held:
            raise ProtocolError(f"{self._names[index]!r} opens shares that it cannot hold")
        self._opened[index] = opened

    def _close_opened(self, _: wire.Members) -> Outbox:
        self._kind = ""
        unmask(
            self._total,
            masking=self._masking,
            transcript=self._transcript,
            neighbours=self._neighbours,
            mask_keys=self._mask_keys,
            sharers=self._sharers,
            survivors=self._survivors,
            opened=self._opened,
            names=self._names,
        )
        survivors = tuple(self._names[i] for i in np.flatnonzero(self._survivors))
        self._result = RoundResult(survivors, self._layout.to_integers(self._total))
        return {}

    # --- bookkeeping -----------------------------------------------------------------------------

    def _await(
        self,
        kind: str,
        take: Callable[[int, bytes, bytes], None],
        close: Callable[[wire.Members], Outbox],
    ) -> None:
        self._kind = kind
        self._take, self._close = take, close
        self._answered = np.zeros(self._masking.parties, bool)

    def _to(self, members: wire.Members, message: Callable[[int], bytes]) -> Outbox:
        return {self._names[i]: message(int(i)) for i in np.flatnonzero(members)}
