"""The interface of every protection: two state machines over byte messages.

A party's session answers each message of the coordinator with one of its own; the coordinator's
session hands out messages, takes answers in any order, and moves on when told to. They contain no
transport, clock or thread, so simulation and network use the same machines:

    outbox = coordinator.open()
    while outbox:
        for name, message in outbox.items():
            asked = coordinator.receive(parties[name].receive(message))
            while asked:
                asked = coordinator.receive(parties[name].receive(asked[name]))
        outbox = coordinator.advance()
    result = coordinator.result

A long contribution comes in chunks, one for each message (`confide.aggregation.chunks`): then
`receive` gives what the same party is asked next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from confide.aggregation.encoding import Integers
from confide.aggregation.register import RoundRegister
from confide.aggregation.witness import Witness
from confide.errors import VerificationError
from confide.plan.openings import Opening
from confide.plan.parties import COORDINATOR, simulation_key
from confide.randomness import SecureRandom, SystemRandom

if TYPE_CHECKING:
    from confide.tee.relying import RelyingParty

__all__ = [
    "Announcer",
    "CoordinatorSession",
    "FalseShare",
    "Identity",
    "PartySession",
    "Released",
    "RoundResult",
    "totals_of",
]


@dataclass(frozen=True)
class RoundResult:
    """What a round releases.

    Attributes:
        survivors: Names of the parties in the sum, in order.
        totals: The sums' lattice integers, shape `(group.size,)`.
        receipt: What an enclave signed about it (`confide.aggregation.enclave.Receipt`), or None.
        opening: What each party checks a verified sum by (`confide.aggregation.masked.Opening`), or
            None.
        consents: What shows a party that was not among the survivors what a quorum signed before a
            verified sum was opened (`confide.aggregation.masked.Consents`), or None.
    """

    survivors: tuple[str, ...]
    totals: Integers = field(repr=False)
    receipt: bytes | None = None
    opening: bytes | None = field(default=None, repr=False)
    consents: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class FalseShare:
    """A share that is not of the secret it was opened for.

    Attributes:
        owner: Whose secret it should be of; None for one of a sum of secrets.
        holder: Who opened it. It lies, or an owner gave it a false share.
    """

    owner: str | None
    holder: str


class Released(Protocol):
    """A result as a party receives it: a `RoundResult`, or one without the sums.

    A party that verifies a sum computes it from the opening, so that is announced alone.
    """

    @property
    def survivors(self) -> tuple[str, ...]:
        """See `RoundResult`."""

    @property
    def totals(self) -> Integers | None:
        """See `RoundResult`; None where parties compute them."""

    @property
    def receipt(self) -> bytes | None:
        """See `RoundResult`."""

    @property
    def opening(self) -> bytes | None:
        """See `RoundResult`."""

    @property
    def consents(self) -> bytes | None:
        """See `RoundResult`."""


def totals_of(result: Released) -> Integers:
    """The sums that a result was announced with.

    Raises:
        VerificationError: If it was announced without.
    """
    if result.totals is None:
        raise VerificationError("a result without its sums, which nobody can compute here")
    return result.totals


class PartySession(Protocol):
    """One party's side of one attempt at one round."""

    def receive(self, message: bytes) -> bytes:
        """Answers a message of the coordinator.

        Raises:
            ProtocolError: If the message is malformed, repeated, out of order or a lie. Then the
            session is over, has dropped its secrets and sends no more messages.
        """

    def accept(self, result: Released) -> Integers:
        """Checks what was released, as far as the protection lets a party, when the round is over.

        Returns:
            The sums, as announced or as the party computes them, shape `(group.size,)`.

        Raises:
            VerificationError: If it is not what the enclave signed, or who signed was another one;
                or a verified sum is false.
        """


class CoordinatorSession(Protocol):
    """The coordinator's side of one attempt at one round."""

    def open(self) -> Mapping[str, bytes]:
        """The first message to each party."""

    def receive(self, message: bytes) -> Mapping[str, bytes]:
        """Takes one party's answer.

        Raises:
            ProtocolError: If it is malformed, repeated or out of order; the state is as before.

        Returns:
            What that party is asked at once, by its name; mostly nothing.
        """

    def advance(self) -> Mapping[str, bytes]:
        """Closes the step without those who have not answered; the next messages, or none.

        Raises:
            DropoutError: If too few parties are left; nothing is released.
        """

    @property
    def awaits(self) -> str:
        """The kind of message that this step takes; the one with data in it is 'contribution'."""

    @property
    def opening(self) -> Opening | None:
        """The survivors of this attempt as they were announced, or None before that.

        From the announcement on, the sum counts as opened, however the attempt ends.
        """

    @property
    def false_shares(self) -> tuple[FalseShare, ...]:
        """Shares that are false, and who opened them; the sum is right without them."""

    @property
    def result(self) -> RoundResult:
        """What is released.

        Raises:
            ProtocolError: If the round is not finished.
        """


@dataclass(frozen=True)
class Identity:
    """A party as it takes part: its name, its signing key, its memory and its randomness.

    Attributes:
        name: As the plan has it.
        key: What it signs with.
        register: What it remembers of rounds.
        random: Where its secrets come from.
        relying: How it verifies an enclave before it sends; None where a plan has none.
        witness: What it remembers of the enclaves that answered.
    """

    name: str
    key: Ed25519PrivateKey = field(repr=False)
    register: RoundRegister = field(default_factory=RoundRegister, repr=False)
    random: SecureRandom = field(default_factory=SystemRandom)
    relying: RelyingParty | None = None
    witness: Witness = field(default_factory=Witness, repr=False)

    @classmethod
    def simulation(
        cls,
        name: str,
        random: SecureRandom | None = None,
        relying: RelyingParty | None = None,
    ) -> Identity:
        """A simulated party, with the key that everybody can make from its name."""
        return cls(name, simulation_key(name), random=random or SystemRandom(), relying=relying)


@dataclass(frozen=True)
class Announcer:
    """Who announces: the key it signs with, and the sums that were opened before.

    Attributes:
        key: Signs announcements.
        history: The openings of the run so far, in order: every set of survivors announced.
    """

    key: Ed25519PrivateKey = field(default_factory=lambda: simulation_key(COORDINATOR), repr=False)
    history: tuple[Opening, ...] = ()


Contribution = Callable[[], Integers]
"""Computes a party's lattice integers when the protocol needs them, shape `(group.size,)`."""
