"""A simulated SEV-SNP machine in a process of its own, which answers at a socket in a folder.

    confide-sim FOLDER --measurement HEX

It writes `root.pem` into the folder, and answers until it is stopped. The root's key is in memory
and ends with the process. Each connection sends 64 bytes for the evidence to carry, and receives
the report and its collateral, each after its size in four bytes, big-endian.
"""

from __future__ import annotations

import argparse
import signal
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from confide_sim import pki
from confide_sim.amd import AmdVendor

__all__ = ["main", "serve"]

_SOCKET: Final = "attest.sock"
_REPORT_DATA_BYTES: Final = 64
_MEASUREMENT_BYTES: Final = 48
_PATIENCE_SECONDS: Final = 30.0


def main() -> None:
    """The command `confide-sim`."""
    parser = argparse.ArgumentParser(
        prog="confide-sim",
        description="A simulated SEV-SNP machine, which protects nothing; until it is stopped.",
    )
    parser.add_argument("folder", type=Path, help="for root.pem and the socket")
    parser.add_argument(
        "--measurement", required=True, type=bytes.fromhex, help="of what it runs, 48 bytes in hex"
    )
    given = parser.parse_args()
    if len(given.measurement) != _MEASUREMENT_BYTES:
        parser.error(f"--measurement has {len(given.measurement)} bytes; it has 48")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serve(given.folder, given.measurement)


def serve(folder: Path, measurement: bytes) -> None:
    """Answers until the process ends.

    Args:
        folder: Where `root.pem` and the socket go; made if absent.
        measurement: Of what the machine runs, 48 bytes.
    """
    vendor = AmdVendor()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "root.pem").write_bytes(pki.pem(x509.load_der_x509_certificate(vendor.root)))
    path = folder / _SOCKET
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()
        try:
            while True:
                connection, _ = listening.accept()
                with connection:
                    _answer(connection, vendor, measurement)
        finally:
            path.unlink(missing_ok=True)


def _answer(connection: socket.socket, vendor: AmdVendor, measurement: bytes) -> None:
    connection.settimeout(_PATIENCE_SECONDS)
    try:
        asked = b""
        while len(asked) < _REPORT_DATA_BYTES and (part := connection.recv(_REPORT_DATA_BYTES)):
            asked += part
        if len(asked) != _REPORT_DATA_BYTES:
            return
        made = vendor.attest(asked, at=datetime.now(UTC), measurement=measurement)
        for part in (made.evidence, *made.collateral):
            connection.sendall(len(part).to_bytes(4, "big") + part)
    except OSError:  # who asked is gone; the next one is answered
        return
