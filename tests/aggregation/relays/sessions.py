"""The sessions and the sizes of sums over two relays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from tests.aggregation.relays.protection import Relays

from confide import canonical
from confide.aggregation.clear import ClearCoordinator
from confide.aggregation.encoding import Integers
from confide.aggregation.envelope import Round, fields_of
from confide.aggregation.machinery import Machinery, Sent, Work, announced, answered, register
from confide.aggregation.modular import Layout, Words
from confide.aggregation.session import Released, totals_of
from confide.aggregation.sharing.keys import TAG_BYTES, decrypt, encrypt, pairwise_key
from confide.errors import DropoutError, ProtocolError
from confide.plan import Plan
from confide.randomness import SEED_BYTES, SystemRandom

KINDS = ("split",)


class Relay:
    """One relay: it adds up its shares of a set of parties, once for each attempt."""

    known: ClassVar[dict[bytes, Relay]] = {}

    def __init__(self) -> None:
        self._key = X25519PrivateKey.generate()
        self.public = self._key.public_key().public_bytes_raw()
        self._spent: set[tuple[bytes, int, int]] = set()
        Relay.known[self.public] = self

    def add_up(self, round_: Round, place: int, sealed: Mapping[str, tuple[bytes, bytes]]) -> Words:
        """The sum of the shares that parties sealed to this relay: their keys and ciphertexts."""
        attempt = (round_.plan.hash, round_.number, round_.attempt)
        if attempt in self._spent:
            raise ProtocolError("a relay adds up one set of parties for each attempt")
        self._spent.add(attempt)
        layout = Layout.of_sum(round_.part)
        total = np.zeros(layout.size, layout.dtype)
        for key, ciphertext in sealed.values():
            shared = pairwise_key(self._key, key, b"relay", _transcript(round_), (place, 2))
            total += layout.unpack(decrypt(shared, ciphertext))
        return total


def _keys(plan: Plan) -> tuple[bytes, ...]:
    protection = plan.inner
    assert isinstance(protection, Relays)
    return protection.keys


def _transcript(round_: Round) -> bytes:
    return canonical.sha256([round_.plan.hash, round_.number, round_.attempt])


class RelaysParty:
    """A party splits its vector in two and seals one share to each relay."""

    def __init__(self, round_, identity, state_hash, contribution) -> None:
        identity.register.claim(round_)
        self._round, self._identity = round_, identity
        self._state, self._contribution = state_hash, contribution

    def receive(self, message: bytes) -> bytes:
        said = self._round.read_announcement(message, "open", 1024)
        (state,) = fields_of(said, state=bytes)
        if state != self._state:
            raise ProtocolError("another state than ours")
        layout = Layout.of_sum(self._round.part)
        self._identity.register.spend(self._round)
        words = layout.to_words(self._contribution())
        first = np.frombuffer(SystemRandom().bytes(layout.vector_bytes), layout.dtype)
        key, sealed = X25519PrivateKey.generate(), {}
        for place, share in enumerate((first, words - first)):
            relay = _keys(self._round.plan)[place]
            shared = pairwise_key(key, relay, b"relay", _transcript(self._round), (place, 2))
            sealed[f"share{place}"] = encrypt(shared, layout.pack(share))
        payload = canonical.encode({"key": key.public_key().public_bytes_raw(), **sealed})
        return self._round.seal(self._identity.key, self._identity.name, "split", payload)

    def accept(self, result: Released) -> Integers:
        return totals_of(result)


class RelaysCoordinator(ClearCoordinator):
    """The coordinator hands each relay its shares and adds the two sums."""

    def __init__(self, *given) -> None:
        super().__init__(*given)
        self._sealed: dict[str, tuple[bytes, bytes, bytes]] = {}

    def receive(self, message: bytes) -> Mapping[str, bytes]:
        envelope = self._round.open(message, "split", _most_bytes(self._round))
        if envelope.sender in self._sealed or envelope.sender not in self._invited:
            raise ProtocolError(f"a second or uninvited message of {envelope.sender!r}")
        values = canonical.decode(envelope.payload, len(envelope.payload))
        fields = fields_of(values, key=bytes, share0=bytes, share1=bytes)
        self._sealed[envelope.sender] = (fields[0], fields[1], fields[2])
        return {}

    def advance(self) -> Mapping[str, bytes]:
        if len(self._sealed) < self._round.plan.min_survivors:
            raise DropoutError(f"{len(self._sealed)} parties split their vectors; too few")
        layout = Layout.of_sum(self._round.part)
        sums = [
            Relay.known[public].add_up(
                self._round, place, {n: (v[0], v[1 + place]) for n, v in self._sealed.items()}
            )
            for place, public in enumerate(_keys(self._round.plan))
        ]
        self._total = layout.to_integers(sums[0] + sums[1])
        self._seen, self._over = set(self._sealed), True
        return {}

    @property
    def awaits(self) -> str:
        return "split"


def _sent(plan: Plan, name: str) -> Sent:
    share = bytes(Layout.of_sum(plan).wire_bytes + TAG_BYTES)
    payload = canonical.encode({"key": bytes(SEED_BYTES), "share0": share, "share1": share})
    return Sent((answered(name, "split", payload),), (announced("open", state=bytes(32)),))


def _most_bytes(round_: Round) -> int:
    return 2 * Layout.of_sum(round_.part).wire_bytes + 4096


def _work(plan: Plan) -> Work:
    vector, n = Layout.of_sum(plan).vector_bytes, len(plan.parties)
    return Work(
        party={"agree": 2, "sign": 1, "byte": 3 * vector},
        coordinator={"agree": 2 * n, "verify": n, "byte": 2 * n * vector},
        party_bytes=4 * vector,
        coordinator_bytes=2 * n * vector,
    )


register(
    Relays,
    Machinery(
        party=RelaysParty,
        coordinator=lambda round_, state, invited, announcer, _: RelaysCoordinator(
            round_, state, invited, announcer
        ),
        kinds_of=lambda _: KINDS,
        sent=_sent,
        most_bytes=_most_bytes,
        work=_work,
    ),
)
