"""What both sides of the masked protocol agree on: kinds, sets of parties, transcripts, bounds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from confide import canonical
from confide.aggregation.envelope import Round
from confide.aggregation.masked.shamir import SHARE_BYTES
from confide.errors import ProtocolError

__all__ = [
    "ADVERT_BYTES",
    "CIPHERTEXT_BYTES",
    "KEY_BYTES",
    "Members",
    "chain",
    "consent_payload",
    "members_of",
    "members_to_bytes",
    "message_limit",
    "shares_of_list",
    "shares_to_list",
    "split",
    "start_transcript",
]

KEY_BYTES: Final = 32
CIPHERTEXT_BYTES: Final = 2 * SHARE_BYTES + 16
"""An encrypted share message: a share of each of two secrets, and the GCM tag."""

ADVERT_BYTES: Final = 256
"""Room for the payload of an advertisement: two keys and a commitment."""

_OVERHEAD: Final = 1024

Members = NDArray[np.bool_]
"""A set of parties, by their place in the plan, shape `(n,)`."""


def members_to_bytes(members: Members) -> bytes:
    """A set as bits."""
    return np.packbits(members, bitorder="little").tobytes()


def members_of(data: bytes, parties: int) -> Members:
    """A set from its bits.

    Raises:
        ProtocolError: If there are not just as many bits as parties.
    """
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    if len(data) != -(-parties // 8) or bits[parties:].any():
        raise ProtocolError(f"a set of parties of {len(data)} bytes, for {parties} parties")
    return bits[:parties].astype(bool)


def start_transcript(round_: Round, state_hash: bytes) -> bytes:
    """The transcript at the start: plan, round, attempt and the state contributed to."""
    return canonical.sha256(
        ["confide masked 1", round_.plan.hash, round_.number, round_.attempt, state_hash]
    )


def chain(transcript: bytes, label: str, *values: bytes) -> bytes:
    """The transcript after something more was said."""
    return canonical.sha256([transcript, label, *values])


def consent_payload(transcript: bytes, survivors: Members) -> bytes:
    """What a party signs to consent to unmasking over these survivors, and only these."""
    return chain(transcript, "survivors", members_to_bytes(survivors))


def commitments_hash(commitments: list[bytes]) -> bytes:
    """What the coordinator fixes before any share of the coin is revealed."""
    return hashlib.sha256(b"".join(commitments)).digest()


def message_limit(round_: Round, vector_bytes: int = 0) -> int:
    """The most bytes that any message of this round has, beside a vector."""
    per_neighbour = CIPHERTEXT_BYTES + 4 * ADVERT_BYTES
    per_party = 128
    masking = round_.plan.masking
    return vector_bytes + masking.parties * per_party + masking.degree * per_neighbour + _OVERHEAD


def split(data: bytes, size: int, count: int) -> list[bytes]:
    """Cuts bytes into `count` pieces of `size`.

    Raises:
        ProtocolError: If that is not their length.
    """
    if len(data) != size * count:
        raise ProtocolError(f"{len(data):,} bytes where {count} pieces of {size} belong")
    return [data[i : i + size] for i in range(0, len(data), size)]


def shares_to_list(shares: Mapping[int, bytes], parties: int) -> list[bytes]:
    """Shares by whose secret they are of: the set of those parties, then the shares in order."""
    members = np.zeros(parties, bool)
    members[list(shares)] = True
    return [members_to_bytes(members), b"".join(shares[i] for i in sorted(shares))]


def shares_of_list(data: list[object], parties: int) -> dict[int, bytes]:
    """What `shares_to_list` wrote.

    Raises:
        ProtocolError: If it is malformed.
    """
    match data:
        case [bytes(members), bytes(shares)]:
            owners = np.flatnonzero(members_of(members, parties)).tolist()
            return dict(zip(owners, split(shares, SHARE_BYTES, len(owners)), strict=True))
        case _:
            raise ProtocolError("a list of shares that is none")
