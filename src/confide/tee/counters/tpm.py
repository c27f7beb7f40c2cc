"""A counter in a TPM 2.0, which no deleting and no restoring sets back.

A TPM's counter begins where no counter of the same chip ever was (TCG, *TPM 2.0 Library*, Part 1,
"NV counters", and Part 3, TPM2_NV_Increment), so one that is deleted and made again only grows.
Reading it proves who answers, and raising it proves that this very command was carried out: of two
instances that raise it at once, one finds a value that it did not expect.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from confide.errors import PlanError, ProtocolError, VerificationError
from confide.randomness import SecureRandom, SystemRandom
from confide.tee.counters.tpm_session import Session, Transmit, sized

__all__ = ["TpmCounter", "tpm_device", "tpm_socket"]

_INCREMENT, _READ = 0x134, 0x14E
_SHA256: Final = b"\0\x0b"
_COUNTER_BYTES: Final = 8
_FIRST_INDEX, _LAST_INDEX = 0x01000000, 0x01FFFFFF
_MAX_ANSWER: Final = 4096

_ATTRIBUTES: Final = 1 << 2 | 1 << 4 | 1 << 18 | 1 << 25 | 1 << 29
"""A counter that is read and written with an empty password, that no wrong guesses lock, and that
was raised once: 'tpm2_nvdefine -a "authread|authwrite|no_da|nt=counter"'."""

Connect = Callable[[], AbstractContextManager[Transmit]]
"""Opens the way to a TPM."""


@dataclass(frozen=True)
class TpmCounter:
    """A counter in a TPM that this enclave knows.

    Attributes:
        connect: The way to the TPM: `tpm_device()`, which the host may tamper with.
        key: Public half of a storage key of the TPM's, P-256. Whoever chooses it chooses the TPM,
            so it belongs into the measured build, and into the parties' register of machines.
        key_handle: Where the key is in the TPM.
        index: Where the counter is in the TPM.
        base: What it stood at when it was enrolled; the first value here is one more.
        random: Where secrets and nonces come from.

    Raises:
        PlanError: If the key is of another curve, or the index no place for a counter.
    """

    connect: Connect = field(repr=False)
    key: ec.EllipticCurvePublicKey
    key_handle: int
    index: int
    base: int
    random: SecureRandom = field(default_factory=SystemRandom, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.key.curve, ec.SECP256R1):
            raise PlanError(f"a TPM's key on {self.key.curve.name}; use one on P-256 (ecc256)")
        if not _FIRST_INDEX <= self.index <= _LAST_INDEX:
            raise PlanError(
                f"a counter at {self.index:#x} in a TPM; indices are {_FIRST_INDEX:#x} to "
                f"{_LAST_INDEX:#x}"
            )

    def read(self) -> int:
        """See `confide.tee.counters.MonotonicCounter.read`.

        Raises:
            VerificationError: If another than the TPM answers, or it stands below where it was
                enrolled: it is another counter.
        """
        with self._session() as session:
            return self._value(session)

    def advance(self, to: int) -> None:
        """See `confide.tee.counters.MonotonicCounter.advance`; a TPM's counter moves by one.

        Raises:
            VerificationError: If it stands elsewhere afterwards: another instance raised it, too.
        """
        value = self.read() + 1
        if value == to:
            with self._session() as session:
                session.call(_INCREMENT, [self.index] * 2, [self._name] * 2, b"", last=False)
                value = self._value(session)
        if value != to:
            raise VerificationError(
                f"the TPM's counter goes to {value} where {to} was asked for: another instance "
                "raised it"
            )

    @contextmanager
    def _session(self) -> Iterator[Session]:
        try:
            with self.connect() as transmit:
                yield Session(transmit, self.key_handle, self.key, self.random)
        except OSError as error:
            raise ProtocolError(f"the TPM does not answer: {error}") from error

    def _value(self, session: Session) -> int:
        parameters = _COUNTER_BYTES.to_bytes(2, "big") + bytes(2)
        answer = session.call(_READ, [self.index] * 2, [self._name] * 2, parameters, last=True)
        if len(answer) != 2 + _COUNTER_BYTES:
            raise ProtocolError(f"a TPM's counter of {len(answer) - 2} bytes, not {_COUNTER_BYTES}")
        value = int.from_bytes(answer[2:], "big") - self.base
        if value < 0:
            raise VerificationError(
                f"the TPM's counter stands {-value} below where it was enrolled: it is another one"
            )
        return value

    @property
    def _name(self) -> bytes:
        """What the TPM calls the index: a hash of all that it is."""
        public = self.index.to_bytes(4, "big") + _SHA256 + _ATTRIBUTES.to_bytes(4, "big")
        public += sized(b"") + _COUNTER_BYTES.to_bytes(2, "big")
        return _SHA256 + hashlib.sha256(public).digest()


def tpm_device(path: Path = Path("/dev/tpmrm0")) -> Connect:
    """The way to a TPM through Linux's resource manager: a command is written, its answer read."""

    @contextmanager
    def connect() -> Iterator[Transmit]:
        device = os.open(path, os.O_RDWR | os.O_CLOEXEC)

        def transmit(command: bytes) -> bytes:
            if os.write(device, command) != len(command):
                raise OSError(f"{path} took a part of a command")
            return os.read(device, _MAX_ANSWER)

        try:
            yield transmit
        finally:
            os.close(device)

    return connect


def tpm_socket(host: str, port: int, timeout: float = 10.0) -> Connect:
    """The way to a TPM behind a socket, as swtpm offers it to virtual machines and to tests."""

    @contextmanager
    def connect() -> Iterator[Transmit]:
        with socket.create_connection((host, port), timeout=timeout) as stream:

            def transmit(command: bytes) -> bytes:
                stream.sendall(command)
                answer = _exactly(stream, 6)
                size = min(int.from_bytes(answer[2:6], "big"), _MAX_ANSWER)
                return answer + _exactly(stream, max(0, size - 6))

            yield transmit

    return connect


def _exactly(stream: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        piece = stream.recv(size - len(found))
        if not piece:
            raise OSError("the connection ended within an answer")
        found += piece
    return found
