"""A counter that the parties of a federation keep together (Matetic et al. 2017, ROTE, §4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from confide import canonical
from confide.errors import PlanError, ProtocolError, VerificationError
from confide.randomness import SecureRandom, SystemRandom
from confide.tee.counters.counter import MonotonicCounter
from confide.transparency.signatures import check_signature

__all__ = ["Ask", "CounterPeer", "QuorumCounter"]

_NONCE_BYTES: Final = 32
_MAX_REPLY: Final = 1024
_DOMAIN: Final = b"confide counter 1\0"

Ask = Callable[[bytes], bytes]
"""Carries a request to a peer and its answer back; the host's network, which may lie."""


@dataclass(frozen=True)
class CounterPeer:
    """A party that keeps a counter for an enclave and answers for it.

    Attributes:
        counter: On the party's own disk.
        key: The party's signing key, whose public half is in the plan.
        name: Of the counter: what it counts for.
    """

    counter: MonotonicCounter
    key: Ed25519PrivateKey = field(repr=False)
    name: bytes

    def answer(self, request: bytes) -> bytes:
        """Reads or raises the counter, and signs what it stands at.

        Args:
            request: A list of 'read' or 'advance', the counter's name, a nonce of 32 bytes, and the
                value to raise it to, or 0.

        Raises:
            ProtocolError: If the request is malformed, or for another counter.
            VerificationError: If the value is that or larger already.
        """
        match canonical.decode(request, _MAX_REPLY, max_items=5):
            case [str(verb), bytes(name), bytes(nonce), int(to)] if canonical.are_integers(to):
                pass
            case _:
                raise ProtocolError("not a valid request to a counter")
        if verb not in ("read", "advance") or name != self.name or len(nonce) != _NONCE_BYTES:
            raise ProtocolError(
                "a request for another counter, with another verb, or with a nonce of another size"
            )
        # What this request raised it to, and not where another one may have raised it since: two
        # instances must not both be told that one value is theirs.
        if verb == "advance":
            self.counter.advance(to)
        value = to if verb == "advance" else self.counter.read()
        signed = canonical.encode([verb, name, nonce, to, value])
        return canonical.encode([value, self.key.sign(_DOMAIN + signed)])


@dataclass(frozen=True)
class QuorumCounter:
    """A counter that several parties keep together.

    Attributes:
        name: What it counts for.
        peers: By public key, how to ask the party that has it.
        faulty: How many of them may lie, or be rolled back themselves.
        random: Where nonces come from.

    Raises:
        PlanError: If so many may lie that quorums need not share an honest peer.
    """

    name: bytes
    peers: Mapping[bytes, Ask]
    faulty: int
    random: SecureRandom = field(default_factory=SystemRandom, repr=False)

    def __post_init__(self) -> None:
        if self.faulty < 0 or self.quorum > len(self.peers) - self.faulty:
            raise PlanError(
                f"{len(self.peers)} counters of which {self.faulty} may lie: a quorum of "
                f"{self.quorum} needs {self.quorum + self.faulty}. Ask more parties to keep one"
            )

    @property
    def quorum(self) -> int:
        """How many must answer: any two quorums share more peers than may lie."""
        return (len(self.peers) + self.faulty) // 2 + 1

    def read(self) -> int:
        """The largest value that a peer of a quorum stands at.

        A peer that lies can claim a larger one: that stops the enclave, but rolls nothing back.
        """
        return max(self._ask("read", 0))

    def advance(self, to: int) -> None:
        """Raises the counters of a quorum."""
        values = self._ask("advance", to)
        if any(value != to for value in values):
            raise VerificationError(
                f"peers are at {max(values)} where {to} was requested: another instance runs"
            )

    def _ask(self, verb: str, to: int) -> list[int]:
        """The answers of at least a quorum."""
        values: list[int] = []
        problems: list[ProtocolError | OSError] = []
        for public, ask in self.peers.items():
            nonce = self.random.bytes(_NONCE_BYTES)
            try:
                reply = ask(canonical.encode([verb, self.name, nonce, to]))
                values.append(self._verified(reply, public, verb, nonce, to))
            except (ProtocolError, OSError) as error:
                problems.append(error)
        if len(values) < self.quorum:
            refused = any(isinstance(problem, VerificationError) for problem in problems)
            raise (VerificationError if refused else ProtocolError)(
                f"{len(values)} of {len(self.peers)} peers answer for the counter; "
                f"{self.quorum} are needed: {'; '.join(map(str, problems[:3]))}"
            )
        return values

    def _verified(self, reply: bytes, public: bytes, verb: str, nonce: bytes, to: int) -> int:
        match canonical.decode(reply, _MAX_REPLY, max_items=3):
            case [int(value), bytes(signature)] if canonical.are_integers(value):
                pass
            case _:
                raise ProtocolError("not a valid answer of a peer for the counter")
        signed = canonical.encode([verb, self.name, nonce, to, value])
        otherwise = f"peer {public.hex()[:16]}… did not sign what is said of its counter"
        check_signature(public, signature, _DOMAIN + signed, otherwise)
        return value
