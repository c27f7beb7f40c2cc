"""Makes ledgers of many entries, a thousand to a transaction."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dp_accounting as dp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from confide.privacy.ledger import Cap, Ledger
from confide.privacy.ledger.entries import Committed, Fact, Used
from confide.randomness import SystemRandom

__all__ = ["fill"]

_AT_ONCE = 333


def fill(where: Path, entries: int, key: Ed25519PrivateKey | None) -> int:
    """Charges a ledger until it has so many entries: reserved, used and committed in turn.

    Returns:
        How many it has.
    """
    random = SystemRandom()
    with Ledger.open(where, key=key) as ledger:
        ledger.open_dataset("people")
        ledger.cap("people", Cap(epsilon=1e6, delta=1e-6))
        event = dp.GaussianDpEvent(100.0)
        ledger.reserve("people", event, observers=["analyst"], meaning="a mean").commit()
        (charge,) = ledger.charges()

        def three() -> tuple[Fact, ...]:
            reserved = replace(charge.fact, reservation=random.bytes(16))
            name = reserved.reservation
            used = Used(reservation=name)
            return reserved, used, Committed(reservation=name, used=1, release=b"", question=b"")

        while (number := ledger.position().number) < entries:
            facts = [fact for _ in range(min(_AT_ONCE, (entries - number) // 3 + 1))
                     for fact in three()]  # fmt: skip

            def at_once(_state: object, _rows: object, some: list[Fact] = facts) -> list[Fact]:
                return some

            # The ledger itself writes one charge at a time, each flushed: that takes minutes.
            ledger._journal.append(at_once)  # noqa: SLF001
        return ledger.position().number
