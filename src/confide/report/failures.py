"""The failures that would void a guarantee, in words: after "unless" and after "while"."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

from confide.plan.protections.base import CHANNEL

__all__ = ["COLLUSION", "MISSING_NOISE", "clause", "failures", "held"]

MISSING_NOISE: Final = "the coordinator leaves its noise out"
"""The failure that leaves sums without noise."""

COLLUSION: Final = re.compile(r"\d+ parties or more collude")
"""The failure that more parties collude than the plan assumes."""

_OR: Final = "; or "
_COORDINATOR: Final = "the coordinator "

_FAILURES: Final = (
    (re.escape(CHANNEL), "the channel (TLS 1.3) is broken", "the channel (TLS 1.3) holds"),
    (
        r"(.+) or (\S+) broken, or the secret key leaving (.+)",
        r"\1 or \2 is broken or \3 gives its secret key away",
        r"\1 and \2 hold and \3 keeps its secret key",
    ),
    (r"(.+) or (\S.*) broken", r"\1 or \2 is broken", r"\1 and \2 hold"),
    (r"(.+) opened", r"\1 is opened", r"\1 is not opened"),
    (r"1 parties or more collude", "a party colludes", "no party colludes"),
    (r"(\d+) parties or more collude", r"\g<0>", r"fewer than \1 collude"),
    (r"(.+) pooling their shares", r"\1 pool their shares", r"fewer than \1 pool their shares"),
    (r"(.+) passes on what it reads", r"\g<0>", r"\1 keeps what it reads"),
    (r"(.+) leaves its noise out", r"\g<0>", r"\1 adds its noise"),
)
"""A failure as exposures name it: as a clause, and the clause that it does not happen."""


def clause(failure: str) -> str:
    """The failures of an exposure as a clause: 'the channel or its keys broken' → '… is broken'."""
    return " or ".join(_told(each, 1) for each in failures(failure))


def held(assumptions: Iterable[str], *, leave_out: Collection[str] = ()) -> str:
    """What must hold so that nothing of these assumptions fails, as a clause."""
    each = dict.fromkeys(f for assumption in assumptions for f in failures(assumption))
    clauses = [_told(failure, 2) for failure in each if failure not in leave_out]
    coordinator = [c for c in clauses if c.startswith(_COORDINATOR)]
    kept = [c.removeprefix(_COORDINATOR) if c in coordinator[1:] else c for c in clauses]
    return " and ".join(kept)


def failures(assumption: str) -> tuple[str, ...]:
    """The failures that an exposure names, each by itself."""
    return tuple(assumption.split(_OR))


def _told(failure: str, column: int) -> str:
    for row in _FAILURES:
        if found := re.fullmatch(row[0], failure):
            return found.expand(row[column])
    return failure if column == 1 else f"this does not happen: {failure}"
