"""What runs a protection, and what it costs: registered once for each protection.

`confide.plan.protections` says what a protection hides from whom; a `Machinery` says how it runs:
its sessions, its kinds of messages, their bytes, and how often it uses which primitive. Code that
runs a round, counts its bytes or estimates its time uses the machinery of the plan.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from confide import canonical
from confide.aggregation.envelope import SIGNATURE_BYTES, Round
from confide.aggregation.session import (
    Announcer,
    Contribution,
    CoordinatorSession,
    Identity,
    PartySession,
)
from confide.errors import PlanError
from confide.plan.plan import Plan
from confide.plan.protection import Protection

if TYPE_CHECKING:
    from confide.aggregation.enclave import Aggregator

__all__ = [
    "Machinery",
    "Sent",
    "Work",
    "announced",
    "answered",
    "machinery_of",
    "register",
    "timed",
    "without_aggregator",
]


@dataclass(frozen=True)
class Sent:
    """The messages of one round at one party when nobody drops out.

    Attributes:
        answers: Bytes of each message that the party sends, envelope included.
        told: Bytes of each message that it receives.
        history: Bytes that it receives on top in a round that so many openings came before.
        opening: Bytes of what it computes a verified sum from, which replaces the sum.
        receipt: Bytes of what an enclave signs of the sum.
    """

    answers: tuple[int, ...]
    told: tuple[int, ...]
    history: Callable[[int], int] = lambda _: 0
    opening: int = 0
    receipt: int = 0


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a round costs both sides, in counts of primitives and in bytes held.

    Attributes:
        party: How often a party uses each primitive, by name: `agree` (X25519), `sign` and `verify`
            (Ed25519), `byte` (a byte of a vector masked, added or encrypted), or one of
            `primitives`.
        coordinator: The same for the coordinator.
        party_bytes: Memory that a party's session holds at most.
        coordinator_bytes: The same for the coordinator's session.
        primitives: Seconds of primitives of the protection's own, measured when asked.
    """

    party: Mapping[str, float]
    coordinator: Mapping[str, float]
    party_bytes: int
    coordinator_bytes: int
    primitives: Callable[[], Mapping[str, float]] = dict


class PartyFactory(Protocol):
    """Makes a party's session of one attempt."""

    def __call__(
        self, round_: Round, identity: Identity, state_hash: bytes, contribution: Contribution, /
    ) -> PartySession:
        """The session."""
        ...


class CoordinatorFactory(Protocol):
    """Makes a coordinator's session of one attempt."""

    def __call__(
        self,
        round_: Round,
        state_hash: bytes,
        invited: tuple[str, ...],
        announcer: Announcer,
        aggregator: Aggregator | None,
        /,
    ) -> CoordinatorSession:
        """The session; the aggregator is what runs in an enclave, for a plan that has one."""
        ...


def without_aggregator(
    make: Callable[[Round, bytes, tuple[str, ...], Announcer], CoordinatorSession],
) -> CoordinatorFactory:
    """Makes the coordinator's session of a protection that has no enclave, so no aggregator."""

    def made(
        round_: Round,
        state_hash: bytes,
        invited: tuple[str, ...],
        announcer: Announcer,
        _: Aggregator | None,
    ) -> CoordinatorSession:
        return make(round_, state_hash, invited, announcer)

    return made


@dataclass(frozen=True, kw_only=True)
class Machinery:
    """What runs one protection.

    Attributes:
        party: Makes a party's session.
        coordinator: Makes the coordinator's session.
        kinds_of: The kinds of messages that a party sends in a round of a plan, in order.
        sent: Bytes of a round's messages at a party of a name, for a plan of one stage.
        most_bytes: The most bytes that any message of an attempt has.
        work: What a round costs both sides, for a plan of one stage.
    """

    party: PartyFactory
    coordinator: CoordinatorFactory
    kinds_of: Callable[[Plan], tuple[str, ...]]
    sent: Callable[[Plan, str], Sent]
    most_bytes: Callable[[Round], int]
    work: Callable[[Plan], Work]


_REGISTERED: Final[dict[type[Protection], Machinery]] = {}


def register(protection: type[Protection], machinery: Machinery) -> None:
    """Says what runs a protection.

    Raises:
        PlanError: If something else does already.
    """
    if _REGISTERED.setdefault(protection, machinery) is not machinery:
        raise PlanError(f"protection {protection.__name__!r} has its machinery already")


def machinery_of(protection: Protection) -> Machinery:
    """What runs a protection.

    Raises:
        PlanError: If nothing is registered that does.
    """
    try:
        return _REGISTERED[type(protection)]
    except KeyError:
        raise PlanError(
            f"nothing runs protection {protection.name!r}: register its machinery with "
            "confide.aggregation.machinery.register"
        ) from None


def answered(name: str, kind: str, payload: bytes) -> int:
    """Bytes of a party's signed message.

    Args:
        name: The party's name.
        kind: The message's kind.
        payload: A payload of the right size.
    """
    return len(canonical.encode([kind, name, payload, bytes(SIGNATURE_BYTES)]))


def announced(kind: str, **values: object) -> int:
    """Bytes of a signed announcement with values of the right sizes."""
    return len(canonical.encode([kind, canonical.encode(values), bytes(SIGNATURE_BYTES)]))


def timed(call: Callable[[], object], repeats: int = 30) -> float:
    """Seconds of a call on this machine, the mean of some repetitions."""
    began = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - began) / repeats
