"""Long contributions in chunks under a hash tree, whose root the party signs.

Where a contribution has more than `CHUNK_BYTES`, its signed message holds the root of a Merkle tree
(`confide.transparency.merkle`, RFC 9162 §2.1) instead of the vector. The coordinator then asks for
one chunk after the other, and each comes with a proof that it is under the root. So nobody holds a
second copy of a contribution, a chunk that is altered, repeated or out of order is refused when it
comes, and a transfer continues after the last chunk that arrived.

A contribution counts once its last chunk is there: whose chunks stop coming has dropped out. How
many chunks there are, and how long each is, follows from the plan. Chunks carry no signature of
their own, since the root is signed over the plan, the round and the attempt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from confide import canonical
from confide.aggregation.envelope import Round, fields_of
from confide.aggregation.machinery import announced, answered
from confide.aggregation.modular import Layout
from confide.errors import ProtocolError, VerificationError
from confide.plan.plan import Plan
from confide.transparency import merkle

__all__ = [
    "CHUNK",
    "CHUNK_BYTES",
    "Given",
    "Incoming",
    "Outgoing",
    "chunk_bytes",
    "is_chunk",
    "pieces_of",
    "sizes_of",
]

CHUNK: Final = "chunk"
"""The kind of a request for a chunk, and of the chunk."""

CHUNK_BYTES: Final = 2 << 20
"""A contribution of more bytes comes in chunks of at most so many."""

_ROOT_BYTES: Final = 32
_ITEMS: Final = 8
_OVERHEAD: Final = 4096
"""Room for the envelope of a chunk, and for its proof."""

_BEGINS: Final = canonical.encode([CHUNK, "", 0, b"", b""])[: 2 + len(CHUNK)]


def pieces_of(layout: Layout, plan: Plan) -> list[tuple[slice, Layout]]:
    """The parts of a vector that are sent as one chunk each; an enclave gets the vector whole.

    Args:
        layout: Of the vector.
        plan: The plan that is run.
    """
    return layout.pieces(chunk_bytes(plan, layout.wire_bytes))


def chunk_bytes(plan: Plan, whole: int) -> int:
    """Bytes of the longest chunk of a contribution that has so many; for an enclave all of them."""
    return whole if plan.attested else min(whole, CHUNK_BYTES)


def is_chunk(message: bytes) -> bool:
    """Whether a party's message begins as a chunk; it is not verified."""
    return message.startswith(_BEGINS)


class Outgoing:
    """A party's contribution, as it gives it away chunk by chunk.

    Args:
        chunks: In order, at least two.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = list(chunks)
        self._leaves = [merkle.leaf_hash(chunk) for chunk in self._chunks]
        self._next = 0

    def head(self, beside: bytes) -> bytes:
        """The payload that the party signs.

        Args:
            beside: What the protocol sends in addition to the vector.
        """
        return canonical.encode({"beside": beside, "root": merkle.root_of(self._leaves)})

    def give(self, index: int, sender: str) -> bytes:
        """The message with a chunk, which is the next one.

        Raises:
            ProtocolError: If another one is asked for.
        """
        if index != self._next:
            raise ProtocolError(
                f"the coordinator asks for chunk {index} of a contribution where chunk "
                f"{self._next} is next: each is given once, in order"
            )
        self._next += 1
        proof = b"".join(merkle.inclusion_proof(self._leaves, index))
        return canonical.encode([CHUNK, sender, index, self._chunks[index], proof])

    @property
    def over(self) -> bool:
        """Whether all were given."""
        return self._next == len(self._chunks)


@dataclass
class Given:
    """What has arrived of a party's contribution.

    Attributes:
        root: What the party signed.
        beside: What the protocol sends in addition to the vector.
        chunks: Those that came, in order.
    """

    root: bytes
    beside: bytes
    chunks: list[bytes] = field(default_factory=list, repr=False)


class Incoming:
    """Contributions on their way to the coordinator.

    Args:
        round_: The attempt.
        sizes: Bytes of each chunk of a contribution.
        beside: Bytes that the protocol sends in addition to a contribution.
        key: Signs the requests.
    """

    def __init__(
        self, round_: Round, sizes: Sequence[int], beside: int, key: Ed25519PrivateKey
    ) -> None:
        self._round, self._sizes, self._key = round_, tuple(sizes), key
        self._beside = beside
        self._open: dict[str, Given] = {}

    @property
    def chunked(self) -> bool:
        """Whether contributions come in chunks at all."""
        return len(self._sizes) > 1

    def __contains__(self, sender: object) -> bool:
        return sender in self._open

    def begin(self, sender: str, payload: bytes) -> bytes:
        """Takes the signed head of a contribution, and returns the request for the first chunk.

        Raises:
            ProtocolError: If it is malformed.
        """
        values = canonical.decode(payload, len(payload), _ITEMS)
        beside, root = fields_of(values, beside=bytes, root=bytes)
        if len(root) != _ROOT_BYTES or len(beside) != self._beside:
            raise ProtocolError(
                f"{sender!r} signs a root of {len(root)} bytes and {len(beside)} beside it; it "
                f"takes {_ROOT_BYTES} and {self._beside}"
            )
        self._open[sender] = Given(root, beside)
        return self._request(0)

    def take(self, message: bytes) -> tuple[str, Given | bytes]:
        """Takes a chunk.

        Raises:
            ProtocolError: If nobody is asked for it, or it is malformed, repeated or out of order;
                all is as before.
            VerificationError: If it is not what its party signed; all is as before.

        Returns:
            Whose it is, and the request for the next chunk, or after the last one all of them.
        """
        match canonical.decode(message, max(self._sizes) + _OVERHEAD, _ITEMS):
            case [_, str(sender), int(index), bytes(data), bytes(proof)]:
                pass
            case _:
                raise ProtocolError("a message that is not a chunk")
        given = self._open.get(sender)
        if given is None:
            raise ProtocolError(
                f"a chunk of {sender[:80]!r}, whose contribution is not being received"
            )
        expected = len(given.chunks)
        if index != expected:
            raise ProtocolError(
                f"chunk {index} of the contribution of {sender!r} where chunk {expected} belongs: "
                "it is repeated or out of order"
            )
        self._check(sender, given, data, proof)
        given.chunks.append(data)
        if len(given.chunks) == len(self._sizes):
            return sender, self._open.pop(sender)
        return sender, self._request(index + 1)

    def drop(self) -> None:
        """Drops unfinished contributions: their parties have dropped out."""
        self._open.clear()

    def _request(self, index: int) -> bytes:
        return self._round.announce(self._key, CHUNK, index=index)

    def _check(self, sender: str, given: Given, data: bytes, proof: bytes) -> None:
        index, count = len(given.chunks), len(self._sizes)
        if len(data) != self._sizes[index] or len(proof) % _ROOT_BYTES:
            raise ProtocolError(
                f"chunk {index} of the contribution of {sender!r} has {len(data):,} bytes; this "
                f"round's has {self._sizes[index]:,}"
            )
        hashes = [proof[i : i + _ROOT_BYTES] for i in range(0, len(proof), _ROOT_BYTES)]
        try:
            merkle.check_inclusion(merkle.leaf_hash(data), index, count, hashes, given.root)
        except VerificationError as error:
            raise VerificationError(
                f"chunk {index} of the contribution of {sender!r} in {self._round} is not what "
                f"{sender!r} signed: it was altered on the way, or {sender!r} lies"
            ) from error


def sizes_of(name: str, beside: int, sizes: Sequence[int]) -> tuple[list[int], list[int]]:
    """Bytes of the messages that carry a contribution: a party's answers, and what it is told.

    Args:
        name: The party's name.
        beside: Bytes that the protocol sends in addition to the vector.
        sizes: Bytes of each chunk.
    """
    if len(sizes) == 1:
        return [answered(name, "contribution", bytes(beside + sizes[0]))], []
    head = canonical.encode({"beside": bytes(beside), "root": bytes(_ROOT_BYTES)})
    leaves = [bytes(_ROOT_BYTES)] * len(sizes)
    proofs = [b"".join(merkle.inclusion_proof(leaves, i)) for i in range(len(sizes))]
    given = [
        len(canonical.encode([CHUNK, name, i, bytes(size), proof]))
        for i, (size, proof) in enumerate(zip(sizes, proofs, strict=True))
    ]
    return (
        [answered(name, "contribution", head), *given],
        [announced(CHUNK, index=i) for i in range(len(sizes))],
    )
