"""A transparency log: entries are only added, and anybody can check that an entry is in it.

Each entry names the one before by its hash, and all are leaves of a Merkle tree, so a signed head
of a few hundred bytes stands for all of them: a proof of inclusion shows that an entry is among
them, a proof of consistency that a later log only has more (RFC 9162, §2.1). A reader who keeps a
head detects entries that were changed, removed or inserted. Readers who compare heads detect that
they were shown two different logs.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from confide import canonical
from confide.clock import system_clock
from confide.errors import ProtocolError, VerificationError
from confide.transparency import merkle
from confide.transparency.signatures import check_signature

__all__ = [
    "LAST_TIME",
    "MAX_BODY_BYTES",
    "Entry",
    "Inclusion",
    "LogHead",
    "TransparencyLog",
    "check_heads",
]

MAX_BODY_BYTES: Final = 1 << 20
LAST_TIME: Final = 253_402_300_799
"""The last second that has a date in four digits, 9999-12-31T23:59:59Z."""

_DOMAIN: Final = b"confide log head 1\0"
_FIRST: Final = bytes(32)
_HASH_BYTES: Final = 32
_LONGEST_PROOF: Final = 64
_MADE: Final = "CREATE TABLE confide_log (number INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT"
_TABLE: Final = _MADE.replace("TABLE", "TABLE IF NOT EXISTS", 1)


@dataclass(frozen=True)
class Entry:
    """One entry.

    Attributes:
        number: How many came before.
        time: Seconds since 1970, by the clock of the log operator; it never goes back.
        previous: Hash of the one before, zeros for the first.
        body: What it says.
    """

    number: int
    time: int
    previous: bytes
    body: bytes

    def to_bytes(self) -> bytes:
        """Deterministic CBOR."""
        return canonical.encode([self.number, self.time, self.previous, self.body])

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote.

        Raises:
            ProtocolError: If it is anything else.
        """
        match canonical.decode(data, MAX_BODY_BYTES + 256, max_items=5):
            case [int(number), int(time), bytes(previous), bytes(body)] if (
                canonical.are_integers(number, time) and 0 <= time <= LAST_TIME
            ):
                return cls(number, time, previous, body)
            case _:
                raise ProtocolError("not a valid log entry")

    @property
    def hash(self) -> bytes:
        """SHA-256 of it, which the next one names."""
        return hashlib.sha256(self.to_bytes()).digest()


@dataclass(frozen=True)
class LogHead:
    """A signed commitment to a whole log.

    Attributes:
        size: How many entries it has.
        root: Of the tree over them.
        last: Hash of the last one.
        time: When it was signed, seconds since 1970.
        key: Public key of the log operator, 32 bytes.
        signature: By that key, over the rest.
    """

    size: int
    root: bytes
    last: bytes
    time: int
    key: bytes
    signature: bytes

    def signed(self, key: Ed25519PrivateKey) -> LogHead:
        """The head with a signature."""
        return replace(self, signature=key.sign(self._covered()))

    def verify(self, key: bytes) -> None:
        """Checks who signed it.

        Args:
            key: Public key of the log operator, known from elsewhere.

        Raises:
            VerificationError: If another key signed it.
        """
        check_signature(
            key,
            self.signature,
            self._covered(),
            f"the head of {self.size} entries is not signed by {key.hex()[:16]}…",
        )

    def to_bytes(self) -> bytes:
        """Deterministic CBOR."""
        return canonical.encode([*self._fields(), self.signature])

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote.

        Raises:
            ProtocolError: If it is anything else.
        """
        match canonical.decode(data, 1024, max_items=7):
            case [int(size), bytes(root), bytes(last), int(time), bytes(key), bytes(signature)] if (
                canonical.are_integers(size, time)
            ):
                return cls(size, root, last, time, key, signature)
            case _:
                raise ProtocolError("not a valid log head")

    def _fields(self) -> list[int | bytes]:
        return [self.size, self.root, self.last, self.time, self.key]

    def _covered(self) -> bytes:
        return _DOMAIN + canonical.encode(self._fields())


@dataclass(frozen=True)
class Inclusion:
    """A proof that an entry is in a log, for a reader who has neither.

    Attributes:
        entry: The entry.
        path: The hashes from it to the root.
        head: The head that they lead to.
    """

    entry: Entry
    path: tuple[bytes, ...]
    head: LogHead

    def verify(self, key: bytes) -> Entry:
        """Checks that the log of a key has the entry.

        Args:
            key: Public key of the log operator, known from elsewhere.

        Raises:
            VerificationError: If this does not show it.
        """
        self.head.verify(key)
        leaf = merkle.leaf_hash(self.entry.to_bytes())
        merkle.check_inclusion(leaf, self.entry.number, self.head.size, self.path, self.head.root)
        return self.entry

    def to_bytes(self) -> bytes:
        """Deterministic CBOR."""
        return canonical.encode([self.entry.to_bytes(), list(self.path), self.head.to_bytes()])

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote.

        Raises:
            ProtocolError: If it is anything else.
        """
        match canonical.decode(data, MAX_BODY_BYTES + (8 << 10), max_items=_LONGEST_PROOF + 4):
            case [bytes(entry), list(path), bytes(head)] if all(_is_hash(step) for step in path):
                return cls(Entry.from_bytes(entry), tuple(path), LogHead.from_bytes(head))
            case _:
                raise ProtocolError("not a valid proof of inclusion")


class TransparencyLog:
    """A log in a file, which only grows.

    Args:
        path: The file; made if there is none.
        clock: The time, with a time zone.

    Raises:
        ProtocolError: If it cannot be opened.
        VerificationError: If its entries do not form a hash chain.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime] = system_clock) -> None:
        self._path, self._clock = path, clock
        self._leaves: list[bytes] = []
        self._last: Entry | None = None
        with self._connected() as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(_TABLE)
            made = connection.execute(
                "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'confide_log'"
            ).fetchone()
        if made is None or made[0] != _MADE:
            raise VerificationError(f"{self} has other tables than a log: another program made it")
        self.refresh()

    def __str__(self) -> str:
        return f"the log {self._path}"

    def __len__(self) -> int:
        return len(self._leaves)

    def entries(self, start: int = 0) -> Iterator[Entry]:
        """The entries from a number on, from the file.

        Raises:
            VerificationError: If they do not form a hash chain.
        """
        last = None
        with self._connected() as connection:
            for data in _rows(connection, start):
                last = Entry.from_bytes(data) if start and not last else _following(last, data)
                yield last

    def refresh(self) -> None:
        """Reads the entries that others appended.

        Raises:
            VerificationError: If it does not follow what was there.
        """
        with self._connected() as connection:
            self._catch_up(connection)

    @contextmanager
    def appending(self) -> Iterator[Callable[[bytes], Entry]]:
        """Locks the file, reads what others appended, and appends; all of it or nothing.

        Yields:
            A function that appends a body and returns its entry.

        Raises:
            ProtocolError: If the file cannot be written, or a body is too large.
            VerificationError: If its entries do not form a hash chain.
        """
        added: list[Entry] = []
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            self._catch_up(connection)

            def append(body: bytes) -> Entry:
                if len(body) > MAX_BODY_BYTES:
                    raise ProtocolError(
                        f"an entry of {len(body):,} bytes; at most {MAX_BODY_BYTES:,} are logged"
                    )
                entry = self._next(added[-1] if added else self._last, body)
                row = entry.number, entry.to_bytes()
                connection.execute("INSERT INTO confide_log VALUES (?, ?)", row)
                added.append(entry)
                return entry

            try:
                yield append
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        for entry in added:
            self._take_in(entry)

    def append(self, body: bytes) -> Entry:
        """Appends one entry; when this returns, it is on the disk."""
        with self.appending() as append:
            return append(body)

    def head(self, key: Ed25519PrivateKey) -> LogHead:
        """A signed head of the log as it is known here.

        Raises:
            ProtocolError: If it is empty.
        """
        if self._last is None:
            raise ProtocolError(f"{self} is empty: there is nothing to sign")
        public = key.public_key().public_bytes_raw()
        time = max(int(self._clock().timestamp()), self._last.time)
        root = merkle.root_of(self._leaves)
        return LogHead(len(self), root, self._last.hash, time, public, b"").signed(key)

    def inclusion(self, number: int, key: Ed25519PrivateKey) -> Inclusion:
        """A proof that an entry is in the log.

        Raises:
            ProtocolError: If there is no such entry.
        """
        if not 0 <= number < len(self):
            raise ProtocolError(f"{self} has no entry {number}; it has 0 to {len(self) - 1}")
        with self._connected() as connection:
            entry = Entry.from_bytes(next(_rows(connection, number)))
        path = merkle.inclusion_proof(self._leaves, number)
        return Inclusion(entry, tuple(path), self.head(key))

    def consistency(self, size: int) -> tuple[bytes, ...]:
        """A proof that this log has only grown since it had `size` entries.

        Raises:
            ProtocolError: If the log has fewer entries: it was truncated or restored from an older
            copy.
        """
        if not 0 < size <= len(self):
            raise ProtocolError(
                f"{self} has {len(self)} entries and not {size}: it was truncated, or replaced "
                "by an older copy"
            )
        return tuple(merkle.consistency_proof(self._leaves, size))

    def check_grew_from(self, head: LogHead, key: bytes) -> None:
        """Checks that the log still has all entries that a head commits to.

        Args:
            head: A head that was kept from before, in another place.
            key: Public key of the log operator.

        Raises:
            VerificationError: If it has not.
            ProtocolError: If it has fewer entries.
        """
        head.verify(key)
        root = merkle.root_of(self._leaves)
        proof = self.consistency(head.size)
        merkle.check_consistency(head.size, head.root, len(self), root, proof)

    def _next(self, last: Entry | None, body: bytes) -> Entry:
        now = int(self._clock().timestamp())
        if last is None:
            return Entry(0, now, _FIRST, body)
        return Entry(last.number + 1, max(now, last.time), last.hash, body)

    def _catch_up(self, connection: sqlite3.Connection) -> None:
        known = self._last
        if known is not None and next(_rows(connection, known.number), b"") != known.to_bytes():
            raise VerificationError(
                f"entry {known.number} of {self} was removed or changed while the log was open"
            )
        for data in _rows(connection, len(self._leaves)):
            self._take_in(_following(self._last, data))

    def _take_in(self, entry: Entry) -> None:
        self._last = entry
        self._leaves.append(merkle.leaf_hash(entry.to_bytes()))

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = sqlite3.connect(self._path, isolation_level=None, timeout=30)
        except sqlite3.Error as error:
            raise ProtocolError(f"cannot open {self}: {error}") from error
        try:
            connection.execute("PRAGMA trusted_schema=OFF")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA fullfsync=ON")
            yield connection
        except sqlite3.Error as error:
            raise ProtocolError(f"cannot use {self}: {error}") from error
        finally:
            connection.close()


def check_heads(heads: Sequence[LogHead]) -> None:
    """Checks that heads do not contradict each other by themselves.

    Raises:
        VerificationError: If two heads of one size have different roots: somebody was shown another
        log.
    """
    roots: dict[int, bytes] = {}
    for head in heads:
        if roots.setdefault(head.size, head.root) != head.root:
            raise VerificationError(
                f"two heads of {head.size} entries differ: {head.key.hex()[:16]}… shows two "
                "different logs"
            )


def _rows(connection: sqlite3.Connection, start: int) -> Iterator[bytes]:
    query = "SELECT data FROM confide_log WHERE number >= ? ORDER BY number"
    for (data,) in connection.execute(query, (start,)):
        yield data


def _following(last: Entry | None, data: bytes) -> Entry:
    entry = Entry.from_bytes(data)
    number, previous, time = (last.number + 1, last.hash, last.time) if last else (0, _FIRST, 0)
    if (entry.number, entry.previous) != (number, previous) or entry.time < time:
        raise VerificationError(
            f"entry {entry.number} of the log does not follow the one before: an entry was "
            "changed or removed"
        )
    return entry


def _is_hash(step: object) -> bool:
    return isinstance(step, bytes) and len(step) == _HASH_BYTES
