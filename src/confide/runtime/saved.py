"""Runs as bytes, from which a stopped run continues.

A session is a pure function of the seed of its secrets and of the messages it received, so these
are saved; restoring replays them. The register is separate from the save and decides what may
continue: a save that is older than the register opens nothing twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from confide import canonical
from confide.aggregation import Integers, Round, RoundRegister
from confide.computation import State, checked_state
from confide.errors import ProtocolError
from confide.plan import Opening, Plan
from confide.randomness import SEED_BYTES

__all__ = [
    "Recording",
    "ReplayedRegister",
    "openings_of_plain",
    "openings_to_plain",
    "read",
    "state_of_plain",
    "state_to_plain",
    "write",
]

_FORMAT: Final = "confide run 2"
_MAX_BYTES: Final = 1 << 34


def write(plan: Plan, values: Mapping[str, Any]) -> bytes:
    """A saved run of a plan."""
    body = canonical.encode(dict(values))
    return canonical.encode([_FORMAT, plan.hash, canonical.sha256([body]), body])


def read(plan: Plan, data: bytes) -> Mapping[str, Any]:
    """What `write` wrote.

    Raises:
        ProtocolError: If it is damaged, or of another plan.
    """
    match canonical.decode(data, _MAX_BYTES):
        case [str(form), bytes(owner), bytes(digest), bytes(body)] if form == _FORMAT:
            pass
        case _:
            raise ProtocolError("this is not a saved run of this format")
    if owner != plan.hash:
        raise ProtocolError(
            f"a saved run of plan {owner[:8].hex()}…, not of {plan.short_hash}…: give that plan"
        )
    if canonical.sha256([body]) != digest:
        raise ProtocolError("the saved run is damaged: its digest does not match its content")
    values = canonical.decode(body, _MAX_BYTES)
    if not isinstance(values, dict):
        raise ProtocolError("the saved run is damaged: it has no fields")
    return values


def state_to_plain(state: State) -> list[Any]:
    """A state as names, types, shapes and bytes."""
    return [
        [name, array.dtype.str, list(array.shape), np.ascontiguousarray(array).tobytes()]
        for name, array in sorted(state.items())
    ]


def state_of_plain(plain: list[Any]) -> State:
    """What `state_to_plain` wrote."""
    return checked_state(
        {name: np.frombuffer(data, kind).reshape(shape) for name, kind, shape, data in plain},
        "a saved run",
    )


def openings_to_plain(openings: list[Opening]) -> list[Any]:
    """Openings as lists."""
    return [[o.number, o.attempt, list(o.survivors)] for o in openings]


def openings_of_plain(plain: list[Any]) -> list[Opening]:
    """What `openings_to_plain` wrote."""
    return [Opening(number, attempt, tuple(names)) for number, attempt, names in plain]


@dataclass
class Recording:
    """The history of a party's session of one attempt.

    Attributes:
        seed: Of all its secrets; 32 bytes.
        received: The announcements that it answered, in order.
        contribution: Its contribution, once it was computed; it is never computed twice.
        own: The private state that is kept if the contribution is in the sum.
    """

    seed: bytes = field(repr=False)
    received: list[bytes] = field(default_factory=list, repr=False)
    contribution: Integers | None = field(default=None, repr=False)
    own: State = field(default_factory=dict, repr=False)

    def to_plain(self) -> dict[str, Any]:
        """The recording as lists and bytes."""
        made = self.contribution
        return {
            "seed": self.seed,
            "received": list(self.received),
            "contribution": None if made is None else made.astype("<i8").tobytes(),
            "own": state_to_plain(self.own),
        }

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> Recording:
        """What `to_plain` wrote.

        Raises:
            ProtocolError: If the seed has another length.
        """
        if len(plain["seed"]) != SEED_BYTES:
            raise ProtocolError("the saved run is damaged: its seed has another length")
        made = plain["contribution"]
        return cls(
            seed=plain["seed"],
            received=list(plain["received"]),
            contribution=None if made is None else np.frombuffer(made, "<i8").astype(np.int64),
            own=state_of_plain(plain["own"]),
        )


class ReplayedRegister(RoundRegister):
    """A register while a saved session is replayed: it allows nothing twice, and nothing new.

    Args:
        real: The party's register.
        round_: The attempt that is replayed.

    Raises:
        ProtocolError: If the register does not know the attempt as its latest.
    """

    def __init__(self, real: RoundRegister, round_: Round) -> None:
        super().__init__()
        if not real.knows(round_):
            raise ProtocolError(
                f"{round_} is not what the register of rounds knows as the latest: the save is "
                "older, or the register is another party's"
            )
        self._real, self._place = real, (round_.number, round_.attempt)

    def claim(self, round_: Round) -> None:
        """Claims nothing: the register knows the attempt."""
        if not self._real.knows(round_):
            self._real.claim(round_)

    def spend(self, round_: Round) -> None:
        """See `RoundRegister.spend`; once."""
        if round_.number not in self._real.spent:
            self._real.spend(round_)

    def consent(self, round_: Round, survivors: tuple[str, ...]) -> None:
        """See `RoundRegister.consent`; once, and then to the same survivors only."""
        if Opening(round_.number, round_.attempt, survivors) not in self._real.openings:
            self._real.consent(round_, survivors)

    def answered(self, round_: Round, step: int, announcement: bytes, answer: bytes) -> None:
        """See `RoundRegister.answered`."""
        self._real.answered(round_, step, announcement, answer)

    @property
    def latest(self) -> tuple[int, int]:
        """See `RoundRegister.latest`."""
        return self._real.latest

    @property
    def spent(self) -> frozenset[int]:
        """See `RoundRegister.spent`."""
        return self._real.spent

    @property
    def openings(self) -> tuple[Opening, ...]:
        """Those before the attempt: its own consents are replayed."""
        return tuple(o for o in self._real.openings if (o.number, o.attempt) != self._place)
