"""State that outlives an enclave, and cannot be rolled back.

Sealed state is encrypted under a secret that only the same enclave gets again: derived by the
processor for its measurement or its signer. The host keeps the file and may give back an older one;
so each state carries the value of a monotonic counter, and opens only if the counter still has it
(Matetic et al. 2017, ROTE; Strackx and Piessens 2016, Ariadne). Gramine's encrypted files have no
such protection (gramineproject/gramine#1835).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from confide import canonical
from confide.errors import ProtocolError, VerificationError
from confide.randomness import SecureRandom, SystemRandom
from confide.tee.counters import MonotonicCounter

__all__ = ["SealedState", "Sealer"]

_LEAST_SECRET: Final = 16
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_MAX_BYTES: Final = 64 << 20


class Sealer:
    """Encrypts state under a secret of the enclave's.

    Args:
        secret: At least 16 bytes, from the processor.
        bound_to: What the secret is bound to, in a word; another word gives another key.
        random: Where nonces come from.

    Raises:
        VerificationError: If the secret is too short.
    """

    def __init__(self, secret: bytes, bound_to: str, random: SecureRandom | None = None) -> None:
        if len(secret) < _LEAST_SECRET:
            raise VerificationError(
                f"a sealing secret of {len(secret)} bytes; it has at least {_LEAST_SECRET}"
            )
        info = b"confide sealed state 1\0" + bound_to.encode()
        self._cipher = AESGCM(HKDF(SHA256(), _KEY_BYTES, salt=None, info=info).derive(secret))
        self._random = random or SystemRandom()

    def __repr__(self) -> str:
        return "Sealer(<hidden>)"

    def seal(self, data: bytes, context: bytes) -> bytes:
        """Encrypts; it opens in this context only."""
        nonce = self._random.bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Decrypts.

        Raises:
            VerificationError: If another enclave sealed it, or in another context; or altered.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)
        except (InvalidTag, ValueError) as error:
            raise VerificationError(
                "sealed state that does not open: another build or signer sealed it, or another "
                "plan's enclave, or it was altered"
            ) from error


@dataclass
class SealedState:
    """One state in a file of the host's, newest or nothing.

    Attributes:
        path: The file.
        sealer: Encrypts it.
        counter: Grows with each state.
        purpose: What the state is of: the plan's hash.
    """

    path: Path
    sealer: Sealer = field(repr=False)
    counter: MonotonicCounter
    purpose: bytes
    _at: int | None = field(default=None, init=False, repr=False)
    """The number of the state that this instance holds; what it saves is the next one."""

    def begin(self) -> int:
        """Discards the old state: the next save is the first state of a new epoch.

        Returns:
            How many states there were before.

        Raises:
            ProtocolError: If the counter does not answer.
        """
        self._at = self.counter.read()
        return self._at

    def save(self, state: bytes) -> None:
        """Writes the next state; when it returns, older states can no longer be opened.

        The next one is by what this instance loaded or saved last, never by where the counter
        stands: of two instances that were started from one state, the first to save stops the
        other, which would have forgotten what the first did.

        The counter comes first: only one instance can raise it to a value, so no two states have
        the same value. A crash in between loses the state, and with it the epoch; the other way
        round, a host that stops the counter could collect two states of one value.

        Raises:
            ProtocolError: If the file cannot be written, or the counter does not answer.
            VerificationError: If another instance raised the counter, or what was there before was
                neither loaded nor given up.
        """
        if self._at is None:
            raise VerificationError(
                f"the sealed state {self.path} was neither loaded nor discarded: load it, or begin "
                "a new epoch with fresh keys"
            )
        value = self._at + 1
        self.counter.advance(value)
        self._at = value
        sealed = self.sealer.seal(state, self._context(value))
        beside = self.path.with_name(f"{self.path.name}.new")
        try:
            with beside.open("wb") as file:
                file.write(canonical.encode({"counter": value, "state": sealed}))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
        except OSError as error:
            raise ProtocolError(f"cannot write the sealed state {self.path}: {error}") from error

    def load(self) -> bytes | None:
        """The newest state, or None if there never was one.

        Raises:
            VerificationError: If the file is not the newest state: it was rolled back, removed, or
                is another enclave's.
        """
        value = self.counter.read()
        if not self.path.exists():
            if value:
                raise VerificationError(
                    f"the sealed state {self.path} is gone, and the counter says that there were "
                    f"{value}: start a new epoch with fresh keys"
                )
            self._at = 0
            return None
        found, sealed = self._read()
        if found != value:
            raise VerificationError(
                f"the sealed state {self.path} is number {found}, but the counter is at "
                f"{value}: somebody rolled the state back. Start a new epoch with fresh keys"
            )
        state = self.sealer.open(sealed, self._context(found))
        self._at = found
        return state

    def _read(self) -> tuple[int, bytes]:
        try:
            with self.path.open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
        except OSError as error:
            raise ProtocolError(f"cannot read the sealed state {self.path}: {error}") from error
        match canonical.decode(data, _MAX_BYTES, max_items=5):
            case {"counter": int(found), "state": bytes(sealed)} if canonical.are_integers(found):
                return found, sealed
            case _:
                raise ProtocolError(f"{self.path} is not a sealed state")

    def _context(self, value: int) -> bytes:
        return canonical.encode(["confide sealed state 1", self.purpose, value])
