"""Masks as key streams, added up here or in processes beside.

A mask is the AES-256-CTR key stream of a key that is used for nothing else, from counter zero, so
the counter never repeats under a key. AES-CTR is a pseudo-random generator as long as AES is a
pseudo-random permutation and fewer than 2^64 blocks are drawn (Bellare, Desai, Jokipii and Rogaway
1997, Theorem 13).

The file is also the script that the processes beside run, so it imports nothing of confide, whose
import takes longer than most sums.
"""

from __future__ import annotations

import hashlib
import os
import select
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from numpy.typing import NDArray

__all__ = ["Helper", "MaskAdder", "SharedMaskAdder", "shared_mask_adder", "signed_key"]

Words = NDArray[np.unsignedinteger[Any]]

_KEY_BYTES: Final = 32
_BLOCK_BYTES: Final = 128 << 10
"""Zeros, key stream and words of a block fit together into a core's cache."""
_PLUS, _MINUS = b"+", b"-"
_SIGNED_KEY_BYTES: Final = _KEY_BYTES + 1

_BATCH_STREAM_BYTES: Final = 64 << 20
"""Key stream that a helper makes of one batch: about ten milliseconds of work."""
_BATCH_KEYS: Final = 256
_IN_FLIGHT: Final = 3
"""Batches that a helper may have before it. All of them fit into a pipe, so writing never waits."""
_WORTH_HELPERS_BYTES: Final = 2 << 30
"""Less key stream than this is made sooner than a helper is of use."""
_PATIENCE_S: Final = 60
"""A helper that says nothing for so long at the end is given up, and its work done here."""
_DIGEST_BYTES: Final = 32
_MOST_HELPERS: Final = 3
"""Deriving the keys, which stays here, takes as long as making a third of the streams or more."""


def signed_key(key: bytes, *, add: bool) -> bytes:
    """A mask's key behind the sign with which it enters: what `MaskAdder.apply_all` takes."""
    return (_PLUS if add else _MINUS) + key


class MaskAdder:
    """Adds and subtracts masks in place.

    Works block by block in two small buffers, so that thousands of long masks need no memory of
    their own: making a fresh one for each would take ten times as long as filling it. All masks
    enter a block before the next one, which stays in the cache meanwhile.

    Args:
        dtype: Of the words to add to, little-endian.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        stream = bytearray(_BLOCK_BYTES)
        self._zeros, self._stream = memoryview(bytes(_BLOCK_BYTES)), memoryview(stream)
        self._mask = np.frombuffer(stream, dtype)

    def add(self, words: Words, key: bytes) -> None:
        """Adds the mask of a key to `words`."""
        self.apply(words, key, add=True)

    def subtract(self, words: Words, key: bytes) -> None:
        """Subtracts the mask of a key from `words`."""
        self.apply(words, key, add=False)

    def apply(self, words: Words, key: bytes, *, add: bool) -> None:
        """Adds or subtracts."""
        self._apply(words, [(_combines(add=add), _stream(key))])

    def apply_all(self, words: Words, batch: bytes | bytearray) -> None:
        """Adds and subtracts the masks of signed keys, laid end to end."""
        signed = [
            bytes(batch[start : start + _SIGNED_KEY_BYTES])
            for start in range(0, len(batch), _SIGNED_KEY_BYTES)
        ]
        self._apply(words, [(_combines(add=s[:1] == _PLUS), _stream(s[1:])) for s in signed])

    def _apply(self, words: Words, streams: list[tuple[np.ufunc, CipherContext]]) -> None:
        for start in range(0, len(words), len(self._mask)):
            block = words[start : start + len(self._mask)]
            zeros, mask = self._zeros[: block.nbytes], self._mask[: len(block)]
            for combine, stream in streams:
                stream.update_into(zeros, self._stream)
                combine(block, mask, out=block)


def _combines(*, add: bool) -> np.ufunc:
    return np.add if add else np.subtract


def _stream(key: bytes) -> CipherContext:
    return Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor()


class SharedMaskAdder:
    """A mask adder for one vector that shares the work with helpers, if there are any.

    Args:
        words: What to add to, shape `(size,)`; complete only after `finish`.
        helpers: The processes beside.
    """

    def __init__(self, words: Words, helpers: Sequence[Helper] = ()) -> None:
        self._words, self._own = words, MaskAdder(words.dtype)
        self.helpers = helpers
        size = min(_BATCH_KEYS, max(1, _BATCH_STREAM_BYTES // max(1, words.nbytes)))
        self._batch_bytes = size * _SIGNED_KEY_BYTES
        self._collected, self._batches = bytearray(), deque[bytes]()

    def apply(self, key: bytes, *, add: bool) -> None:
        """Has the mask of a key added or subtracted, by whoever comes to it."""
        self._collected += signed_key(key, add=add)
        if len(self._collected) >= self._batch_bytes:
            self._hand_out()

    def finish(self) -> None:
        """Works off what is left, together with the helpers, and adds up their parts."""
        self._hand_out()
        while self._batches:
            self._take_one()
            self._hand_out()
        for helper in self.helpers:
            part = helper.finish()
            if part is None:  # What it had to do is known, so only time is lost.
                self._own.apply_all(self._words, b"".join(helper.given))
            else:
                np.add(self._words, np.frombuffer(part, self._words.dtype), out=self._words)

    def _hand_out(self) -> None:
        if self._collected:
            self._batches.append(bytes(self._collected))
            self._collected.clear()
        for helper in self.helpers:
            while self._batches and helper.has_room():
                helper.give(self._batches.popleft())
        while self._batches and not self.helpers:
            self._take_one()

    def _take_one(self) -> None:
        self._own.apply_all(self._words, self._batches.popleft())


@contextmanager
def shared_mask_adder(words: Words, count: int) -> Iterator[SharedMaskAdder]:
    """Adds masks to `words`; they are all in when the context ends without an error.

    Where there are many, other cores help: child processes read the keys of masks from a pipe that
    nobody else can open, and give back the sum of those masks. Additions modulo 2^32 or 2^64
    commute, so the sum is the same bit for bit whoever adds.

    Args:
        words: Changed in place, shape `(size,)`.
        count: How many masks will be applied, roughly.
    """
    helpers = _start_helpers(words, count)
    try:
        masks = SharedMaskAdder(words, helpers)
        yield masks
        masks.finish()
    finally:
        for helper in helpers:
            helper.stop()


def _start_helpers(words: Words, count: int) -> list[Helper]:
    script = Path(__file__)
    if (
        count * words.nbytes < _WORTH_HELPERS_BYTES
        or os.name != "posix"
        or not sys.executable
        or getattr(sys, "frozen", False)  # The executable is a program of its own, not Python.
        or not script.is_file()  # Imported from an archive.
    ):
        return []
    helpers: list[Helper] = []
    # If no process can be had any more, those that started, if any, are enough.
    with suppress(OSError, RuntimeError, MemoryError):
        helpers.extend(Helper(script, words) for _ in range(min(_cores() - 1, _MOST_HELPERS)))
    return helpers


def _cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _isolation() -> list[str]:
    """The options by which this interpreter is kept from code of its surroundings, if it is."""
    flags = {
        "-I": sys.flags.isolated,
        "-E": sys.flags.ignore_environment,
        "-s": sys.flags.no_user_site,
    }
    return [option for option, on in flags.items() if on]


class Helper:
    """A child process that adds up masks. It is told keys of masks, and nothing of whose they are.

    Its sum counts only with the digest of what it was given and of the sum, so nothing that is
    lost, or printed in between by what else runs in it, can change a sum.

    Attributes:
        command: Its command line, which anybody on the machine can read.
        process: The child.
        given: The batches it was given.
    """

    def __init__(self, script: Path, words: Words) -> None:
        arguments = [str(script), str(words.size), words.dtype.str]
        self.command = [sys.executable, "-P", *_isolation(), *arguments]
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and this file
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        assert self.process.stdin and self.process.stdout  # noqa: S101, PT018 - both are pipes
        self._to, self._from = self.process.stdin, self.process.stdout
        os.set_blocking(self._from.fileno(), False)
        self._bytes = words.nbytes
        self._done = 0
        self._alive = True
        self.given: list[bytes] = []

    def has_room(self) -> bool:
        """Whether it can take another batch."""
        if self._alive:
            self._done += len(self._from.read(_IN_FLIGHT) or b"")
        return self._alive and len(self.given) - self._done < _IN_FLIGHT

    def give(self, batch: bytes) -> None:
        """Gives it a batch of signed keys."""
        self.given.append(batch)
        left = memoryview(len(batch).to_bytes(4, "little") + batch)
        try:
            while left:  # A signal may cut a write short.
                left = left[self._to.write(left) :]
        except OSError:
            self._alive = False

    def finish(self) -> memoryview | None:
        """The sum of all masks it was given, or None if it does not give it."""
        dots = max(0, len(self.given) - self._done)
        try:
            self._to.write(_END)
            rest = _read(self._from, dots + self._bytes + _DIGEST_BYTES)
        except (OSError, MemoryError):
            return None
        part = rest[dots : dots + self._bytes]
        return part if rest[dots + self._bytes :] == _digest(self.given, part) else None

    def stop(self) -> None:
        """Ends it, if it has not ended."""
        self.process.kill()
        self.process.wait()
        self._to.close()
        self._from.close()


def _read(stream: Any, count: int) -> memoryview:
    """Reads so many bytes, or fewer if no more come."""
    whole, filled = memoryview(bytearray(count)), 0
    poll = select.poll()
    poll.register(stream, select.POLLIN)
    while filled < count and poll.poll(1000 * _PATIENCE_S):
        read = stream.readinto(whole[filled:])
        if not read:
            break
        filled += read
    return whole[:filled]


def _digest(batches: Iterable[bytes], part: Any) -> bytes:
    """What shows that a part is the sum of these batches' masks, and all of it."""
    told = hashlib.sha256()
    for batch in batches:
        told.update(batch)
    told.update(part)
    return told.digest()


_END: Final = bytes(4)
"""In the place of a batch's length. The end of the pipe would not do: others may hold it open."""


def _help(source: BinaryIO, sink: BinaryIO, size: int, dtype: str) -> None:
    """What a helper does: a dot for each batch that is done, then the sum."""
    total = np.zeros(size, dtype)
    adder = MaskAdder(total.dtype)
    heard = []
    while (header := source.read(4)) not in {_END, b""}:
        heard.append(source.read(int.from_bytes(header, "little")))
        adder.apply_all(total, heard[-1])
        sink.write(b".")
        sink.flush()
    sink.write(total.data)
    sink.write(_digest(heard, total))


if __name__ == "__main__":
    _help(sys.stdin.buffer, sys.stdout.buffer, int(sys.argv[1]), sys.argv[2])
