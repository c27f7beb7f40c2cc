"""What both sides of a protocol with shared secrets agree on: sets, transcripts, bounds."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from confide import canonical
from confide.aggregation.envelope import Round
from confide.errors import ProtocolError
from confide.plan.masking import MAX_ATTEMPTS
from confide.plan.openings import Opening

__all__ = [
    "ADVERT_BYTES",
    "KEY_BYTES",
    "Members",
    "chain",
    "consent_payload",
    "history_of",
    "history_to_bytes",
    "members_of",
    "members_to_bytes",
    "message_limit",
    "opening_bytes",
    "split",
    "start_transcript",
]

KEY_BYTES: Final = 32
ADVERT_BYTES: Final = 256
"""Room for the payload of an advertisement: keys and a commitment."""

_OVERHEAD: Final = 1024
_PLACE: Final = ">QI"
"""How an opening begins: its round and its attempt."""

Members = NDArray[np.bool_]
"""A set of parties, by their place in the plan, shape `(n,)`."""


def members_to_bytes(members: Members) -> bytes:
    """A set as bits."""
    return np.packbits(members, bitorder="little").tobytes()


def members_of(data: bytes, parties: int) -> Members:
    """A set from its bits.

    Raises:
        ProtocolError: If the number of bits is not that of the parties.
    """
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    if len(data) != -(-parties // 8) or bits[parties:].any():
        raise ProtocolError(f"a set of parties of {len(data)} bytes, for {parties} parties")
    return bits[:parties].astype(bool)


def history_to_bytes(history: Iterable[Opening], names: Sequence[str]) -> bytes:
    """Openings as bytes: of each the round, the attempt and the survivors as bits."""
    parts = []
    for opening in history:
        members = np.isin(names, opening.survivors)
        parts.append(struct.pack(_PLACE, opening.number, opening.attempt))
        parts.append(members_to_bytes(members))
    return b"".join(parts)


def opening_bytes(parties: int) -> int:
    """Bytes of one opening among so many parties."""
    return struct.calcsize(_PLACE) + -(-parties // 8)


def history_of(data: bytes, names: Sequence[str]) -> tuple[Opening, ...]:
    """Openings from their bytes.

    Raises:
        ProtocolError: If the bytes are not those of openings among these parties.
    """
    size = opening_bytes(len(names))
    found = []
    for piece in split(data, size, len(data) // size):
        number, attempt = struct.unpack_from(_PLACE, piece)
        members = members_of(piece[struct.calcsize(_PLACE) :], len(names))
        survivors = tuple(names[int(i)] for i in np.flatnonzero(members))
        found.append(Opening(number, attempt, survivors))
    return tuple(found)


def start_transcript(protocol: str, round_: Round, state_hash: bytes) -> bytes:
    """The transcript at the start: protocol, plan, round, attempt and the state contributed to."""
    return canonical.sha256(
        [f"confide {protocol} 1", round_.plan.hash, round_.number, round_.attempt, state_hash]
    )


def chain(transcript: bytes, label: str, *values: bytes) -> bytes:
    """The transcript after another message."""
    return canonical.sha256([transcript, label, *values])


def consent_payload(transcript: bytes, survivors: Members) -> bytes:
    """What a party signs to consent to a sum over these survivors, and only these."""
    return chain(transcript, "survivors", members_to_bytes(survivors))


def message_limit(round_: Round, sealed_bytes: int, vector_bytes: int = 0) -> int:
    """The most bytes of any message of this round, besides a vector.

    Args:
        round_: The attempt.
        sealed_bytes: Bytes of one neighbour's encrypted shares.
        vector_bytes: Bytes of a contribution, if the message may be one.
    """
    per_neighbour = sealed_bytes + 4 * ADVERT_BYTES
    per_party = 128
    masking = round_.plan.masking
    history = round_.plan.rounds * MAX_ATTEMPTS * (16 + masking.parties // 8)
    beside = masking.parties * per_party + masking.degree * per_neighbour + history
    return vector_bytes + beside + _OVERHEAD


def split(data: bytes, size: int, count: int) -> list[bytes]:
    """Cuts bytes into `count` pieces of `size`.

    Raises:
        ProtocolError: If that is not their length.
    """
    if len(data) != size * count:
        raise ProtocolError(f"{len(data):,} bytes where {count} pieces of {size} belong")
    return [data[i : i + size] for i in range(0, len(data), size)]
