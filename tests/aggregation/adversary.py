"""A coordinator that lies, its colluders, and what they make of what they see."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from tests.aggregation.support import Attempt

from confide import canonical
from confide.aggregation import Integers, Layout
from confide.aggregation.masked import MaskedCoordinator, MaskedParty, shamir
from confide.aggregation.masked.shares import shares_of_list
from confide.aggregation.masked.streams import MaskAdder
from confide.aggregation.sharing import SharingCoordinator, wire
from confide.aggregation.sharing.keys import decrypt, pairwise_key
from confide.errors import VerificationError


class Loot:
    """All that the adversary knows of one attempt, with the arithmetic that it would do.

    It sees every message, so it knows graph, transcripts and public keys; they are read from the
    sessions for short. Secrets come from shares, as many as the threshold, or from a colluder.
    """

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._names = [p.name for p in attempt.round_.plan.parties]
        self._threshold = attempt.round_.plan.masking.threshold
        self._layout = Layout.of_sum(attempt.round_.plan)
        self.key_shares: dict[int, dict[int, bytes]] = defaultdict(dict)
        self.seed_shares: dict[int, dict[int, bytes]] = defaultdict(dict)
        self.keys: dict[int, bytes] = {}
        self.seeds: dict[int, bytes] = {}

    def corrupt(self, names: Iterable[str]) -> Loot:
        """Takes colluders' secrets and all shares in their hands, before they open any."""
        for name in names:
            party = self.party(name)
            secrets = party._open_secrets
            self.keys[party._me] = secrets.mask_key.private_bytes_raw()
            self.seeds[party._me] = secrets.self_seed
            self.seed_shares[party._me][party._me] = secrets.own_share
            for other, ciphertext in party._ciphertexts.items():
                both = decrypt(party._open_secrets.opening[other], ciphertext)
                self.take_shares(other, party._me, both)
        return self

    def take_shares(self, owner: int, holder: int, both: bytes) -> None:
        """Takes what one holder has of one owner: a share of its mask key, and of its self mask."""
        self.key_shares[owner][holder] = both[: shamir.SHARE_BYTES]
        self.seed_shares[owner][holder] = both[shamir.SHARE_BYTES :]

    def take_opened(self) -> Loot:
        """Takes the shares that parties have opened to the coordinator so far."""
        for (kind, name), answer in self._attempt.answers.items():
            if kind == "opened":
                values = canonical.decode(payload_of(answer), len(answer))
                for shares, field in ((self.key_shares, "keys"), (self.seed_shares, "seeds")):
                    opened = shares_of_list(values[field], len(self._names))
                    for owner, share in opened.items():
                        shares[owner][self._names.index(name)] = share
        return self

    def strip(self, *names: str) -> Integers:
        """The sum of some parties' masked vectors, less every mask that the adversary can make."""
        total = np.zeros(self._layout.size, self._layout.dtype)
        masks = MaskAdder(self._layout.dtype)
        for name in names:
            party = self.party(name)
            total += self.vector(name)
            if seed := self._secret(self.seeds, self.seed_shares, party._me):
                masks.subtract(total, seed)
            for other in party._partners:
                if key := self._pairwise(party, other):
                    masks.apply(total, key, add=party._me > other)
        return self._layout.to_integers(total)

    def vector(self, name: str) -> np.ndarray:
        """The masked vector that a party sent."""
        payload = payload_of(self._attempt.answers["contribution", name])
        return self._layout.unpack(payload[-self._layout.wire_bytes :])

    def party(self, name: str) -> MaskedParty:
        party = self._attempt.parties[name]
        assert isinstance(party, MaskedParty)
        return party

    def _pairwise(self, party: MaskedParty, other: int) -> bytes | None:
        """The key that a party masks with towards another, if either's secret is known."""
        pair = (min(party._me, other), max(party._me, other))
        theirs = party._mask_keys[other]
        if own := self._secret(self.keys, self.key_shares, party._me):
            key, public = own, theirs
        elif known := self._secret(self.keys, self.key_shares, other):
            key, public = known, self._advertised(party)
        else:
            return None
        private = X25519PrivateKey.from_private_bytes(key)
        return pairwise_key(private, public, b"mask", party._transcript, pair)

    def _advertised(self, party: MaskedParty) -> bytes:
        advert = payload_of(self._attempt.answers["advertise", self._names[party._me]])
        key = canonical.decode(advert, len(advert))["mask_key"]
        assert isinstance(key, bytes)
        return key

    def _secret(
        self,
        known: Mapping[int, bytes],
        shares: Mapping[int, Mapping[int, bytes]],
        owner: int,
    ) -> bytes | None:
        if owner in known:
            return known[owner]
        held = dict(list(shares.get(owner, {}).items())[: self._threshold])
        if len(held) < self._threshold:
            return None
        factors = shamir.lagrange_at_zero([holder + 1 for holder in held])
        try:
            return shamir.combine(factors, list(held.values()))
        except VerificationError:
            return None


def relay_of(attempt: Attempt) -> SharingCoordinator:
    """The coordinator of any protocol with shared secrets, to make it lie."""
    assert isinstance(attempt.coordinator, SharingCoordinator)
    return attempt.coordinator


def coordinator_of(attempt: Attempt) -> MaskedCoordinator:
    """The coordinator of masked sums, to make it lie."""
    assert isinstance(attempt.coordinator, MaskedCoordinator)
    return attempt.coordinator


def payload_of(message: bytes) -> bytes:
    """The payload of an envelope, unverified."""
    payload = canonical.decode(message, len(message))[2]
    assert isinstance(payload, bytes)
    return payload


def another_story(attempt: Attempt, *, without: Collection[str]) -> SharingCoordinator:
    """A second coordinator that knows the same, but calls some parties dropped in this step."""
    liar = copy.deepcopy(relay_of(attempt))
    call_dropped(liar, without)
    return liar


def call_dropped(coordinator: SharingCoordinator, names: Iterable[str]) -> None:
    """Forgets that these have answered."""
    coordinator._answered[[coordinator._index[name] for name in names]] = False


def around(attempt: Attempt, name: str) -> list[str]:
    """A party's neighbours on the circle, from one side to the other."""
    coordinator = coordinator_of(attempt)
    circle, half = coordinator._circle, coordinator._masking.degree // 2
    place = int(circle.place[coordinator._index[name]])
    steps = [*range(-half, 0), *range(1, half + 1)]
    return [coordinator._names[circle.order[(place + s) % len(circle.order)]] for s in steps]


def at_place(attempt: Attempt, places: Iterable[int]) -> list[str]:
    """Who stands at these places of the circle."""
    coordinator = coordinator_of(attempt)
    order = coordinator._circle.order
    return [coordinator._names[order[place % len(order)]] for place in places]


def call_for_unmasking(attempt: Attempt, signatures: Mapping[str, bytes]) -> bytes:
    """The coordinator's last announcement, with these signatures on the survivors."""
    coordinator = relay_of(attempt)
    by_index = {coordinator._index[name]: s for name, s in signatures.items()}
    signers = np.zeros(len(coordinator._names), bool)
    signers[list(by_index)] = True
    return attempt.say(
        coordinator.asks_to_open,
        signers=wire.members_to_bytes(signers),
        signatures=b"".join(by_index[i] for i in sorted(by_index)),
    )


def signature_of(message: bytes) -> bytes:
    """The signature of an envelope."""
    signature = canonical.decode(message, len(message))[3]
    assert isinstance(signature, bytes)
    return signature
