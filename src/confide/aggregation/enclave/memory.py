"""What an aggregator must keep: its keys, which sums it opened, its last receipt."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Final, Self

from confide import canonical
from confide.errors import ProtocolError
from confide.randomness import SecureRandom

__all__ = ["Memory"]

_SEED_BYTES: Final = 32
_MAX_BYTES: Final = 16 << 20


@dataclass
class Memory:
    """The state of one instance; it leaves the enclave only sealed.

    Attributes:
        hpke_seed: Of what data is encrypted to.
        signing_seed: Of what receipts are signed with.
        instance: Its identifier.
        epoch: Number of the keys: how many states were sealed before they were made.
        history: The openings so far, as announced (`confide.aggregation.sharing.wire`). A set of
            survivors is recorded here before it is announced.
        number: The round of the last attempt that it took; -1 before the first. It is recorded
            before a message of the attempt is opened, so that a restart opens no message again.
        attempt: The last attempt at that round.
        receipts: How many receipts were signed.
        last: Hash of the last one, zeros before the first.
    """

    hpke_seed: bytes = field(repr=False)
    signing_seed: bytes = field(repr=False)
    instance: bytes
    epoch: int
    history: bytes = b""
    number: int = -1
    attempt: int = 0
    receipts: int = 0
    last: bytes = bytes(32)

    @classmethod
    def fresh(cls, random: SecureRandom, epoch: int) -> Self:
        """Of an instance that begins."""
        seeds = random.bytes(_SEED_BYTES), random.bytes(_SEED_BYTES)
        return cls(*seeds, instance=random.bytes(_SEED_BYTES), epoch=epoch)

    def to_bytes(self) -> bytes:
        """Deterministic CBOR."""
        return canonical.encode({f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote.

        Raises:
            ProtocolError: If it is anything else.
        """
        values = canonical.decode(data, _MAX_BYTES)
        if not isinstance(values, dict) or values.keys() != {f.name for f in fields(cls)}:
            raise ProtocolError("sealed state of another version of the aggregator")
        return cls(**values)
