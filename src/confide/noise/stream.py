"""The random bits for noise: AES-256 in counter mode under a fresh key.

A `SecureRandom` gives 32 bytes, which OpenSSL expands at a nanosecond or two for a word of 64 bits;
the operating system's own generator takes twenty times as long, and longer than the sampling.
"Exact" holds for ideal bits. These bits are as good as AES-256 is a pseudo-random permutation, up
to an advantage of N²/2^129 with N blocks of 16 bytes: 2^-67 for a thousand million samples.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from confide.errors import DataError, PlanError
from confide.process_bound import ProcessBound
from confide.randomness import SEED_BYTES, SecureRandom

__all__ = ["KeyStream"]

_WORD_BYTES: Final = 8
_MOST_WORDS: Final = 2**18
_ZEROS: Final = memoryview(bytes(_MOST_WORDS * _WORD_BYTES))


class KeyStream(ProcessBound, what="a stream of noise"):
    """Words of 64 bits under a key of its own, which is never used again.

    Args:
        random: Gives the key.

    Raises:
        PlanError: If the source is one of numpy's, which anybody may predict.
        DataError: If it does not give 32 bytes.
    """

    def __init__(self, random: SecureRandom) -> None:
        # numpy's generators have a method of this name too, and would pass for secure.
        if type(random).__module__.partition(".")[0] == "numpy":
            raise PlanError(
                f"noise from a {type(random).__name__}, which anybody may predict; use "
                "confide.randomness.SystemRandom()"
            )
        key = random.bytes(SEED_BYTES)
        if len(key) != SEED_BYTES:
            raise DataError(
                f"the source of randomness gave {len(key)} bytes of {SEED_BYTES}: fewer give no "
                "secure noise; use confide.randomness.SystemRandom()"
            )
        self._encryptor = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()

    def bytes(self, words: int) -> bytes:
        """The next words as bytes, at most 2^18 words at a time."""
        self.check_process()
        return self._encryptor.update(_ZEROS[: words * _WORD_BYTES])

    def words(self, count: int) -> NDArray[np.uint64]:
        """The next `count` words, at most 2^18 at a time."""
        return np.frombuffer(self.bytes(count), dtype="<u8").astype(np.uint64, copy=False)

    def word(self) -> int:
        """The next word."""
        return int.from_bytes(self.bytes(1), "little")

    def __repr__(self) -> str:
        return "KeyStream(<secret>)"
