"""Questions, so that the same one is answered once and then again for free.

An answer that its observers have already seen tells them nothing more. It is free only word for
word and only for them: fresh noise would be a new release, and new observers new losers of privacy.
"""

from __future__ import annotations

from dataclasses import dataclass

from confide.canonical import sha256
from confide.errors import DataError
from confide.privacy.ledger.entries import Reserved

__all__ = ["Question"]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What makes two questions the same.

    Attributes:
        dataset: The dataset's name.
        data_digest: SHA-256 of the data as they were, so that changed data are asked again.
        plan_hash: The plan that asks.
        round_number: Which of the plan's rounds.
        observers: Who sees the answer.
        event: The event's deterministic CBOR.
    """

    dataset: str
    data_digest: bytes
    plan_hash: bytes
    round_number: int
    observers: frozenset[str]
    event: bytes

    @property
    def key(self) -> bytes:
        """SHA-256 of all of it."""
        return sha256([
            "confide question", self.dataset, self.data_digest, self.plan_hash, self.round_number,
            sorted(self.observers), self.event,
        ])  # fmt: skip

    def check(self, charged: Reserved) -> None:
        """Checks that it is what a reservation was made for.

        Raises:
            DataError: If it is not: an answer to it would be free for those who never paid.
        """
        asked = (self.dataset, self.plan_hash, self.event, tuple(sorted(self.observers)))
        paid = (charged.dataset, charged.plan_hash, charged.event, charged.observers)
        if asked != paid:
            raise DataError(
                f"the question is about dataset {self.dataset!r}, and another event, plan or "
                f"observers than reservation {charged.reservation.hex()} was made for; its answer "
                "is not kept"
            )
