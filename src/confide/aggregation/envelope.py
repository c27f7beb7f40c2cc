"""Signed messages, of parties and of the coordinator.

The sender signs (plan hash, round, attempt, kind, its name, payload hash). A message therefore
means nothing in another round, another attempt, another step or under another plan. The
coordinator's signature keeps the network from speaking in its name, and two announcements that
contradict each other are evidence against it (`confide.runtime.evidence`). Parties still trust
only what the other parties have signed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from confide import canonical
from confide.errors import PlanError, ProtocolError, VerificationError
from confide.plan.parties import COORDINATOR
from confide.plan.plan import Plan

__all__ = [
    "PAYLOAD_ITEMS",
    "SIGNATURE_BYTES",
    "Envelope",
    "Round",
    "fields_of",
]

SIGNATURE_BYTES: Final = 64
_ENVELOPE_BYTES: Final = 512
"""Room for what surrounds a payload: kind, name, signature and CBOR."""

_ENVELOPE_ITEMS: Final = 5
"""A list of kind, sender, payload and signature."""

_ANNOUNCEMENT_ITEMS: Final = 16
"""A kind and a map of a few fields."""

_LIST_OF_THREE: Final = b"\x83"
"""How a list of three values begins."""

_SHOWN: Final = 80
"""Characters of somebody else's text that an error repeats."""

PAYLOAD_ITEMS: Final = 16
"""Values in a payload: a map of a few fields, and short lists in it."""

_MOST_ATTEMPTS: Final = 1 << 31


@dataclass(frozen=True)
class Envelope:
    """One verified message of a party."""

    sender: str
    kind: str
    payload: bytes


@dataclass(frozen=True)
class Round:
    """One attempt at one round of one plan: the scope of a signature.

    Attributes:
        plan: The plan.
        number: The round, counted through the plan from zero.
        attempt: From zero; an attempt repeats a round with fresh keys and masks.
        announcer: Whose signature announcements carry, as a raw Ed25519 public key: the
            coordinator's, unless an enclave with a key of its own announces.
    """

    plan: Plan
    number: int
    attempt: int = 0
    announcer: bytes | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.plan.rounds:
            raise ProtocolError(f"round {self.number} of a plan of {self.plan.rounds} rounds")
        if not 0 <= self.attempt < _MOST_ATTEMPTS:
            raise ProtocolError(f"attempt {self.attempt}; attempts count from 0 to below 2^31")

    @cached_property
    def part(self) -> Plan:
        """The round's stage as a plan of its own: its sums, lattices and noise."""
        return self.plan.stage_plans[self.plan.stage_of(self.number)]

    @property
    def min_survivors(self) -> int:
        """The fewest parties that the sum is released over."""
        return self.plan.least_in(self.number)

    def __str__(self) -> str:
        return f"round {self.number}, attempt {self.attempt} of plan {self.plan.short_hash}"

    def seal(self, key: Ed25519PrivateKey, sender: str, kind: str, payload: bytes) -> bytes:
        """Signs a payload and puts it into an envelope."""
        return canonical.encode([kind, sender, payload, self.sign(key, sender, kind, payload)])

    def sign(self, key: Ed25519PrivateKey, sender: str, kind: str, payload: bytes) -> bytes:
        """A signature alone, for messages that are shown to others than the coordinator."""
        return key.sign(self.signed_bytes(sender, kind, payload))

    def open(self, data: bytes, kind: str, max_payload: int) -> Envelope:
        """Opens an envelope of this round.

        Args:
            data: The envelope.
            kind: The only kind accepted.
            max_payload: Bytes of the largest payload accepted.

        Raises:
            ProtocolError: If it is malformed, too large or of another kind.
            VerificationError: If the sender is not in the plan or did not sign this here.
        """
        sender, payload, signature = self._parse(data, kind, max_payload)
        self.verify(sender, kind, payload, signature)
        return Envelope(sender, kind, payload)

    def verify(self, sender: str, kind: str, payload: bytes, signature: bytes) -> None:
        """Verifies one signature.

        Raises:
            VerificationError: If the sender is not in the plan or did not sign this here.
        """
        try:
            key = _public_key(self._key_of(sender))
            key.verify(signature, self.signed_bytes(sender, kind, payload))
        except PlanError as error:
            raise VerificationError(
                f"a message from {_short(sender)}, which is not a party of the plan"
            ) from error
        except (InvalidSignature, ValueError) as error:
            raise VerificationError(
                f"the signature of {sender!r} on its {kind!r} message does not verify for {self}: "
                "another key, another plan, another round or altered content"
            ) from error

    def announce(self, key: Ed25519PrivateKey | None, kind: str, **values: object) -> bytes:
        """An announcement.

        Args:
            key: The key that signs it; None for an announcement that evidence proves.
            kind: What is announced.
            **values: Its fields.
        """
        return self.announce_behind(b"", key, kind, values)

    def announce_behind(
        self, frame: bytes, key: Ed25519PrivateKey | None, kind: str, values: Mapping[str, object]
    ) -> bytes:
        """An announcement behind a few bytes; see `announce`."""
        # Joined in one step: a result is as long as a model, and is copied only once.
        payload = canonical.pieces(dict(values))
        signature = b""
        if key is not None:
            digest = canonical.sha256_of_pieces(payload)
            signature = key.sign(self._signed(COORDINATOR, kind, digest))
        began = canonical.head_of_bytes(sum(map(len, payload)))
        parts = [frame, _LIST_OF_THREE, canonical.encode(kind), began, *payload]
        return b"".join([*parts, canonical.encode(signature)])

    def read_announcement(
        self,
        data: bytes | memoryview,
        kind: str,
        max_bytes: int,
        max_listed: int = 0,
        *,
        signed: bool = True,
    ) -> Mapping[str, Any]:
        """Reads an announcement of the one kind accepted.

        Args:
            data: The message.
            kind: The only kind accepted.
            max_bytes: Its most bytes.
            max_listed: How many values its lists hold at most.
            signed: Whether it carries a signature.

        Raises:
            ProtocolError: If it is malformed, too large or of another kind.
            VerificationError: If the coordinator did not sign this here.
        """
        match canonical.decode(data, max_bytes + _ENVELOPE_BYTES, _ENVELOPE_ITEMS):
            case [str(found), bytes(payload), bytes(signature)]:
                pass
            case _:
                raise ProtocolError("a message that is not an announcement")
        if found != kind:
            raise ProtocolError(
                f"the coordinator says {_short(found)} where this step takes {kind!r}"
            )
        if signed:
            self.verify(COORDINATOR, kind, payload, signature)
        values = canonical.decode(payload, max_bytes, _ANNOUNCEMENT_ITEMS + max_listed)
        if not isinstance(values, dict):
            raise ProtocolError(f"the announcement {kind!r} has no fields")
        return values

    def _key_of(self, sender: str) -> bytes:
        if sender == COORDINATOR:
            return self.announcer or self.plan.coordinator.key
        return self.plan.party(sender).key

    def signed_bytes(self, sender: str, kind: str, payload: bytes) -> bytes:
        """What a signature covers."""
        return self._signed(sender, kind, hashlib.sha256(payload).digest())

    def _signed(self, sender: str, kind: str, digest: bytes) -> bytes:
        return self._signed_prefix + b"".join(map(canonical.encode, (kind, sender, digest)))

    @cached_property
    def _signed_prefix(self) -> bytes:
        """How a list of six begins: the plan's hash, the round and the attempt."""
        place = (self.plan.hash, self.number, self.attempt)
        return b"confide message 1\0\x86" + b"".join(map(canonical.encode, place))

    def _parse(self, data: bytes, kind: str, max_payload: int) -> tuple[str, bytes, bytes]:
        match canonical.decode(data, max_payload + _ENVELOPE_BYTES, _ENVELOPE_ITEMS):
            case [str(found), str(sender), bytes(payload), bytes(signature)]:
                pass
            case _:
                raise ProtocolError("a message that is not an envelope")
        if sender == COORDINATOR:
            raise VerificationError("a party's message in the coordinator's name")
        if found != kind:
            raise ProtocolError(
                f"a {_short(found)} message from {_short(sender)} in {self}; this step takes "
                f"{kind!r}: it is repeated or out of order"
            )
        if len(payload) > max_payload:
            raise ProtocolError(f"a payload of {len(payload):,} bytes; at most {max_payload:,}")
        return sender, payload, signature


@lru_cache(maxsize=4096)
def _public_key(raw: bytes) -> Ed25519PublicKey:
    """A key as a point of the curve, once for all the messages that it signs."""
    return Ed25519PublicKey.from_public_bytes(raw)


def _short(text: str) -> str:
    """Another's text for an error message, shortened."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def fields_of(values: object, **types: type) -> tuple[Any, ...]:
    """The fields of a decoded message, in the order asked for, each of its type and no others.

    Raises:
        ProtocolError: If a field is missing, unknown or of another type.
    """
    if not isinstance(values, dict):
        raise ProtocolError("a message that is not a map of fields")
    if set(values) != set(types):
        found = _short(", ".join(map(str, values)))
        raise ProtocolError(f"a message with fields {found}; it takes {sorted(types)}")
    for name, kind in types.items():
        if type(values[name]) is not kind:
            raise ProtocolError(f"field {name!r} is not of type {kind.__name__}")
    return tuple(values[name] for name in types)
