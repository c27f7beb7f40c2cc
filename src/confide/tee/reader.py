"""Reading vendors' binary formats strictly: every byte is accounted for."""

from __future__ import annotations

from confide.errors import AttestationError, Step

__all__ = ["Reader"]


class Reader:
    """A cursor over bytes; lengths and integers are little-endian, as in all formats read here.

    Args:
        data: The bytes.
        what: What they are, for errors.
    """

    def __init__(self, data: bytes, what: str) -> None:
        self._data, self._what, self.at = data, what, 0

    def take(self, size: int) -> bytes:
        """The next bytes.

        Raises:
            AttestationError: If there are not so many.
        """
        if size > self.left:
            missing = size - self.left
            raise self.error(f"ends after {len(self._data):,} bytes, {missing:,} too early")
        self.at += size
        return self._data[self.at - size : self.at]

    def number(self, size: int) -> int:
        """The next unsigned integer of so many bytes."""
        return int.from_bytes(self.take(size), "little")

    def zeros(self, size: int) -> None:
        """Passes over bytes that mean nothing and that no signature covers.

        Raises:
            AttestationError: If one is not zero.
        """
        start = self.at
        if any(self.take(size)):
            raise self.error(f"has bytes from {start:,} to {self.at:,} that should be zero")

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self.at

    def end(self, *, padded: bool = False) -> None:
        """Ends the reading.

        Args:
            padded: Whether zeros may follow.

        Raises:
            AttestationError: If bytes are left.
        """
        if padded:
            self.zeros(self.left)
        if self.left:
            raise self.error(f"has {self.left:,} bytes after its end, at {self.at:,}")

    def error(self, problem: str) -> AttestationError:
        """An error of this format."""
        return AttestationError(Step.PARSE, f"{self._what} {problem}")
