"""A simulated machine, in a process of its own: `confide-sim` answers at a socket in its folder."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from confide.errors import AttestationError, Step
from confide.tee.workload import Quoted

__all__ = ["SimulatorSocket"]

_SOCKET: Final = "attest.sock"
_SIZE_BYTES: Final = 4
_MAX_BYTES: Final = 1 << 20
_PATIENCE_SECONDS: Final = 30.0


@dataclass(frozen=True)
class SimulatorSocket:
    """Evidence of a simulator, which protects nothing; verifiers refuse it unless told otherwise.

    Attributes:
        folder: Of the simulator.
    """

    folder: Path

    def attest(self, report_data: bytes, nonce: bytes, public_key: bytes) -> Quoted:
        """See `confide.tee.workload.Attester`."""
        del nonce, public_key
        path = self.folder / _SOCKET
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(_PATIENCE_SECONDS)
                connection.connect(str(path))
                connection.sendall(report_data)
                connection.shutdown(socket.SHUT_WR)
                answer = _received(connection)
        except OSError as error:
            raise AttestationError(
                Step.PARSE,
                f"no evidence from {self.folder}: {error}. Start a simulator: confide-sim "
                f"{self.folder}",
            ) from error
        document, *collateral = _parts(answer)
        return Quoted(document, None, tuple(collateral))


def _received(connection: socket.socket) -> bytes:
    found = bytearray()
    while part := connection.recv(1 << 16):
        found += part
        if len(found) > _MAX_BYTES:
            raise OSError(f"more than {_MAX_BYTES:,} bytes")
    return bytes(found)


def _parts(answer: bytes) -> list[bytes]:
    """The document and the collateral, each after its size in four bytes, big-endian."""
    parts, at = [], 0
    while at < len(answer):
        end = at + _SIZE_BYTES + int.from_bytes(answer[at : at + _SIZE_BYTES], "big")
        parts.append(answer[at + _SIZE_BYTES : end])
        at = end
    if not parts or at != len(answer):
        raise AttestationError(Step.PARSE, "the simulator's answer is cut off")
    return parts
