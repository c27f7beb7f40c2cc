"""What a party remembers of the enclaves that answered it, so that it detects two of them.

An enclave may be stopped and restart with another identifier and other keys: parties see this, and
only its memory is lost. Two that answer in turns are a fork, and an enclave whose receipts do not
follow those seen before was rolled back. An instance is recorded when its evidence was verified,
before anything is sent to it, so a host cannot hide an instance by withholding receipts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from confide.errors import VerificationError

__all__ = ["Link", "Witness"]

_FIRST: Final = bytes(32)


@dataclass(frozen=True)
class Link:
    """Where a receipt stands in its chain.

    Attributes:
        instance: Identifier of the enclave's instance.
        sequence: How many receipts it signed before.
        previous: Hash of the one before, zeros for the first.
        hash: Of the receipt.
    """

    instance: bytes
    sequence: int
    previous: bytes
    hash: bytes


class Witness:
    """One party's memory under one plan; it is lost when the process ends."""

    def __init__(self) -> None:
        self._instance: bytes | None = None
        self._last: Link | None = None
        self._gone: set[bytes] = set()

    def met(self, instance: bytes) -> None:
        """Records an instance whose evidence was verified, before anything is sent to it.

        Raises:
            VerificationError: If another instance answered since this one did.
        """
        if instance in self._gone:
            raise VerificationError(
                f"the enclave {instance.hex()[:16]}… answers again after another instance did: two "
                "of them run, and each may release a sum of its own"
            )
        if self._instance is not None and self._instance != instance:
            self._gone.add(self._instance)
        self._instance = instance

    def saw(self, link: Link) -> None:
        """Takes a receipt that was verified by itself.

        Raises:
            VerificationError: If its instance was replaced by another, or if it does not follow the
            instance's earlier receipts.
        """
        last = self._last
        self.met(link.instance)
        if last is not None and last.instance == link.instance:
            _check_follows(last, link)
        elif (link.sequence == 0) != (link.previous == _FIRST):
            raise VerificationError("a first receipt that names one before, or a later one that "
                                    "names none")  # fmt: skip
        self._last = link


def _check_follows(last: Link, link: Link) -> None:
    # A party that dropped out of rounds has not seen their receipts: then only the order is known.
    follows = link.sequence > last.sequence
    if link.sequence == last.sequence + 1:
        follows = link.previous == last.hash
    if not follows:
        raise VerificationError(
            f"receipt {link.sequence} of the enclave does not follow receipt {last.sequence}, "
            "which was seen before: it was rolled back, or there are two of it"
        )
