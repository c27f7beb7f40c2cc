"""What both sides of an attested round agree on: headers of sealed messages, bounds, names."""

from __future__ import annotations

from typing import Final

from confide import canonical
from confide.aggregation.envelope import Round
from confide.errors import ProtocolError
from confide.plan.masking import MAX_ATTEMPTS
from confide.plan.plan import Plan
from confide.tee.verification import Expected

__all__ = [
    "CHALLENGE_BYTES",
    "MET",
    "PURPOSE",
    "expected_of",
    "header",
    "join",
    "opening_bytes",
    "split",
]

PURPOSE: Final = "aggregate"
"""What the enclave's claims say that it is for."""

MET: Final = "met"
"""The kind under which a party signs the identifier of the instance that it verified."""

CHALLENGE_BYTES: Final = 256
_FRONT_SIZE: Final = 2
_OVERHEAD: Final = 4096
_MAX_FRONT: Final = 512


def expected_of(plan: Plan, nonce: bytes) -> Expected:
    """What an enclave must claim to a party that asked with a nonce."""
    return Expected(nonce, PURPOSE, plan.hash, plan.task_names)


def header(round_: Round, sender: str, step: int) -> bytes:
    """The header that binds a sealed message to its place: it opens nowhere else.

    Args:
        round_: The attempt.
        sender: The party's name.
        step: How many messages it sealed in this attempt before.
    """
    return canonical.encode(
        ["confide sealed 1", round_.plan.hash, round_.number, round_.attempt, sender, step]
    )


def join(sender: str, met: bytes, sealed: bytes | memoryview) -> bytes:
    """A party's message to its enclave: who sends it, and which instance it met, before the seal.

    The sealed part is at the end, so that it is not copied into a frame and out again.
    """
    front = canonical.encode(["sealed", sender, met])
    return b"".join((len(front).to_bytes(_FRONT_SIZE, "big"), front, sealed))


def split(message: bytes, most_sealed: int) -> tuple[str, bytes, memoryview]:
    """What `join` put together.

    Raises:
        ProtocolError: If it is something else, or the sealed part is larger.
    """
    size = _FRONT_SIZE + int.from_bytes(message[:_FRONT_SIZE], "big")
    if len(message) < size or len(message) - size > most_sealed:
        raise ProtocolError(
            f"a message to the enclave of {len(message):,} bytes; {most_sealed:,} may be sealed"
        )
    match canonical.decode(message[_FRONT_SIZE:size], _MAX_FRONT, max_items=4):
        case ["sealed", str(sender), bytes(met)]:
            return sender, met, memoryview(message)[size:]
        case _:
            raise ProtocolError("a message to the enclave that is not sealed")


def opening_bytes(plan: Plan) -> int:
    """The most bytes of an announcement with the openings so far, or with a set of survivors."""
    members = 16 + len(plan.parties) // 8
    return (plan.rounds * MAX_ATTEMPTS + 1) * members + _OVERHEAD
