"""Messages of a run beside those of a round's protocol.

Before each announcement stands the round and the attempt that it is of, in twelve bytes, so that a
party knows what to verify its signature for. Beside the announcements of a protocol there are
*result* (the released sums, by which a late party catches up), *consents* (what shows a verified
result to a party that did not see it opened) and *skip* (a round without a result). A party answers
with messages of the protocol, or with *ready* (it missed results, and names the round that it waits
for) or *refusal* (it takes no further part in this attempt, and why).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any, Final

import numpy as np

from confide.aggregation import Integers, Layout, Round, RoundResult
from confide.aggregation.envelope import fields_of
from confide.aggregation.sharing.wire import members_of, members_to_bytes
from confide.errors import (
    DataError,
    LedgerError,
    OpeningError,
    PlanError,
    PrivacyBudgetError,
    ProtocolError,
    VerificationError,
)
from confide.plan import NoNoise, Plan
from confide.plan.noise import noise_tail

__all__ = [
    "CONSENTS",
    "READY",
    "REFUSAL",
    "RESULT",
    "SKIP",
    "Announced",
    "Refusal",
    "check_reach",
    "frame",
    "framed",
    "kind_of",
    "result_fields",
    "result_limit",
    "result_of",
    "unframed",
]

RESULT: Final = "result"
SKIP: Final = "skip"
CONSENTS: Final = "consents"
READY: Final = "ready"
REFUSAL: Final = "refusal"

_FRAME: Final = struct.Struct(">QI")
_OVERHEAD: Final = 4096
_TEXT: Final = 0x60
"""The first byte of a CBOR text of no characters; a text of n < 24 begins with n more."""


class Refusal(Enum):
    """Why a party takes no further part in an attempt, and no more: reasons follow from data."""

    DATA = "data"
    BUDGET = "budget"
    OPENING = "opening"
    UNVERIFIED = "unverified"
    PROTOCOL = "protocol"
    PLAN = "plan"
    ERROR = "error"

    @classmethod
    def of(cls, error: BaseException) -> Refusal:
        """The reason that stands for an error."""
        for kind, reason in _REASONS:
            if isinstance(error, kind):
                return reason
        return cls.ERROR


# The first that fits: subclasses stand before their bases.
_REASONS: Final[tuple[tuple[type[Exception], Refusal], ...]] = (
    (OpeningError, Refusal.OPENING),
    (VerificationError, Refusal.UNVERIFIED),
    (ProtocolError, Refusal.PROTOCOL),
    (DataError, Refusal.DATA),
    (LedgerError, Refusal.BUDGET),
    (PrivacyBudgetError, Refusal.BUDGET),
    (PlanError, Refusal.PLAN),
)


def frame(round_: Round) -> bytes:
    """What stands before an announcement: the round and the attempt that it is of."""
    return _FRAME.pack(round_.number, round_.attempt)


def framed(round_: Round, announcement: bytes) -> bytes:
    """An announcement behind the round and attempt that it is of."""
    return frame(round_) + announcement


def unframed(message: bytes) -> tuple[int, int, memoryview]:
    """What `framed` put together: round, attempt and announcement, which is not copied.

    Raises:
        ProtocolError: If it is too short.
    """
    if len(message) < _FRAME.size:
        raise ProtocolError(f"an announcement of {len(message)} bytes")
    number, attempt = _FRAME.unpack_from(message)
    return number, attempt, memoryview(message)[_FRAME.size :]


def kind_of(message: bytes | memoryview) -> str:
    """The kind that an announcement or envelope begins with, or nothing; it is not verified."""
    length = message[1] - _TEXT if len(message) > 1 else -1
    if not 0 < length < 24:
        return ""
    return bytes(message[2 : 2 + length]).decode("ascii", "replace")


@lru_cache(maxsize=32)
def _layout(part: Plan) -> Layout:
    return Layout.of_release(part)


def result_limit(round_: Round) -> int:
    """The most bytes that a result has."""
    layout = _layout(round_.part)
    # The sum; of a verified one also the sum of the masked vectors, with a carry of a byte at most.
    sums = 2 * layout.wire_bytes + layout.size
    return sums + len(round_.plan.parties) * 256 + (1 << 16) + _OVERHEAD


def check_reach(round_: Round, totals: Integers) -> None:
    """Refuses sums that honest parties' contributions do not add up to.

    With noise, honest sums are refused with a probability of at most 2^-60 (`confide.plan.noise`).

    Raises:
        VerificationError: If a number lies beyond their reach.
    """
    part, start = round_.part, 0
    noisy = not isinstance(part.noise, NoNoise)
    for declared in part.sums.sums:
        numbers = totals[start : start + declared.size]
        most = len(part.parties) * declared.lattice.party_range
        most += noise_tail(part, declared) if noisy else 0
        if int(numbers.max()) > most or int(numbers.min()) < -most:
            raise VerificationError(
                f"sum {declared.name!r} of {round_} lies beyond what honest parties' contributions "
                f"add up to (at most {most:,} lattice steps): somebody set it"
            )
        start += declared.size


def result_fields(round_: Round, result: RoundResult) -> dict[str, bytes]:
    """A result as the fields of an announcement.

    What parties compute from an opening is not announced beside it.

    Raises:
        VerificationError: If a sum lies beyond what honest parties can reach.
    """
    names = [p.name for p in round_.plan.parties]
    check_reach(round_, result.totals)
    totals = b"" if result.opening else _layout(round_.part).pack(result.totals)
    return {
        "survivors": members_to_bytes(np.isin(names, result.survivors)),
        "totals": totals,
        "receipt": result.receipt or b"",
        "opening": result.opening or b"",
    }


@dataclass(frozen=True)
class Announced:
    """A result as it was announced: see `confide.aggregation.session.Released`."""

    survivors: tuple[str, ...]
    totals: Integers | None = field(repr=False)
    receipt: bytes | None = field(default=None, repr=False)
    opening: bytes | None = field(default=None, repr=False)
    consents: bytes | None = field(default=None, repr=False)


def result_of(round_: Round, values: Mapping[str, Any]) -> Announced:
    """The result that an announcement carries.

    Raises:
        ProtocolError: If it is malformed.
        VerificationError: If it is over too few parties, or lies beyond what honest parties can
            reach.
    """
    fields = dict.fromkeys(("survivors", "totals", "receipt", "opening"), bytes)
    survivors, totals, receipt, opening = fields_of(values, **fields)
    plan, part = round_.plan, round_.part
    members = members_of(survivors, len(plan.parties))
    if members.sum() < round_.min_survivors:
        raise VerificationError(
            f"a result over {members.sum()} parties; {round_} takes at least {round_.min_survivors}"
        )
    names = tuple(plan.parties[int(i)].name for i in np.flatnonzero(members))
    integers = None
    if totals or not plan.verified:
        layout = _layout(part)
        integers = layout.to_integers(layout.unpack(totals))
        check_reach(round_, integers)
    return Announced(names, integers, receipt or None, opening or None)
