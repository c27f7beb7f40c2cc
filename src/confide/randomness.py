"""Two kinds of randomness that cannot be swapped.

`SecureRandom` is for keys, masks, secret shares and noise. It reads the operating system and cannot
be seeded. `public_generator` is for values that everybody may predict: dithering, the order of
mini-batches in simulation, model initialisation. It is a `numpy.random.Generator` that any party
can rebuild from public values, so a run is repeated bit for bit.
"""

from __future__ import annotations

import hashlib
import os
from typing import Final, Protocol

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from confide.canonical import encode
from confide.process_bound import ProcessBound

__all__ = [
    "SEED_BYTES",
    "InsecureReplayableRandom",
    "SecretStream",
    "SecureRandom",
    "SystemRandom",
    "public_generator",
]

SEED_BYTES: Final = 32
"""Length of every key and seed: 256 bits."""


class SecureRandom(Protocol):
    """A source of bytes that nobody can predict."""

    def bytes(self, count: int) -> bytes:
        """Returns `count` fresh uniform bytes."""


class SystemRandom:
    """The operating system's generator. Holds no state, so nothing can be copied or replayed."""

    def bytes(self, count: int) -> bytes:
        """Returns `count` fresh uniform bytes from `os.urandom`."""
        return os.urandom(count)

    def __repr__(self) -> str:
        return "SystemRandom()"


class SecretStream(ProcessBound, what="a secret stream"):
    """A secret seed of the operating system, expanded by AES-256 in counter mode.

    One attempt of one party draws all its secrets from one seed, so that a restarted party
    continues with the same secrets and never derives two masks from one key. A fork would draw the
    same bytes twice, so only the process that made the stream reads it.

    Args:
        seed: 32 bytes of a `SecureRandom`, used for nothing else.
    """

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a seed of {len(seed)} bytes; it must have {SEED_BYTES}")
        self._stream = Cipher(algorithms.AES(seed), modes.CTR(bytes(16))).encryptor()

    def bytes(self, count: int) -> bytes:
        """Returns the next `count` bytes of the stream."""
        self.check_process()
        return self._stream.update(bytes(count))

    def __repr__(self) -> str:
        return "SecretStream(<hidden>)"


class InsecureReplayableRandom:
    """A replayable byte stream, **for tests only**: anyone who knows the seed knows every secret.

    Args:
        seed: Any bytes; equal seeds give equal streams.
    """

    def __init__(self, seed: bytes) -> None:
        key = hashlib.sha256(b"confide insecure replay\0" + seed).digest()
        self._stream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()

    def bytes(self, count: int) -> bytes:
        """Returns the next `count` bytes of the stream."""
        return self._stream.update(bytes(count))

    def __repr__(self) -> str:
        return "InsecureReplayableRandom(<for tests only>)"


def public_generator(*context: object) -> np.random.Generator:
    """A generator that anybody can rebuild from public values; never for secrets.

    Args:
        *context: Texts, whole numbers and bytes that name the use, for example
            ("dither", seed, "alder", 3). Equal contexts give equal streams on every machine.

    Example:
        >>> a, b = public_generator("dither", 7), public_generator("dither", 7)
        >>> bool(a.random() == b.random())
        True
    """
    digest = hashlib.sha256(encode(["confide public randomness", *context])).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "big")))
