"""Two kinds of randomness that cannot be swapped.

`SecureRandom` is for keys, masks, secret shares and noise. It reads the operating system and cannot
be seeded. `public_generator` is for what everybody may predict: dithering, the order of
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

__all__ = [
    "SEED_BYTES",
    "InsecureReplayableRandom",
    "SecureRandom",
    "SystemRandom",
    "keystream",
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


class InsecureReplayableRandom:
    """A replayable byte stream, **for tests only**: whoever knows the seed knows every secret.

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


def keystream(key: bytes, out: bytearray) -> None:
    """Fills `out` with the AES-256-CTR key stream of `key` from counter zero.

    A key is used for one stream only, so the fixed counter never repeats under a key. AES-CTR is a
    pseudo-random generator as long as AES is a pseudo-random permutation and fewer than 2^64 blocks
    are drawn (Bellare, Desai, Jokipii and Rogaway 1997, Theorem 13).

    Args:
        key: 32 bytes, uniform.
        out: Overwritten in place, all of it.

    Raises:
        ValueError: If the key is not 32 bytes long.
    """
    if len(key) != SEED_BYTES:
        raise ValueError(f"a key of {len(key)} bytes; AES-256 takes {SEED_BYTES}")
    cipher = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
    # Block by block: making as many zeros as are asked for, and a copy of the stream, would take
    # ten times as long as the cipher.
    with memoryview(out) as whole:
        for start in range(0, len(out), len(_zeros)):
            block = whole[start : start + len(_zeros)]
            cipher.update_into(_zeros[: len(block)], block)


_zeros: Final = memoryview(bytes(1 << 18))


def public_generator(*context: object) -> np.random.Generator:
    """A generator that anybody rebuilds from public values; never for secrets.

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
