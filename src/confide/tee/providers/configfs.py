"""Linux's interface to SEV-SNP and TDX: configfs, `/sys/kernel/config/tsm/report`.

Linux, *Documentation/ABI/testing/configfs-tsm-report*: a folder is made, 64 bytes are written to
its `inblob`, and its `outblob` is the report or the quote. SEV-SNP's `auxblob` holds the host's
certificates as a table (AMD, *SEV-ES Guest-Hypervisor Communication Block Standardization*, 56421,
§4.1.8.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from confide.errors import AttestationError, Step
from confide.randomness import SecureRandom, SystemRandom
from confide.tee.reader import Reader
from confide.tee.workload import Quoted

__all__ = ["ConfigfsTsm", "certificate_table"]

_REPORT_DATA_BYTES: Final = 64
_MAX_BYTES: Final = 1 << 20
_ENTRY_BYTES: Final = 24
_GUID_BYTES: Final = 16
_MAX_CERTIFICATES: Final = 16


@dataclass(frozen=True)
class ConfigfsTsm:
    """Evidence of SEV-SNP or TDX, whichever the kernel runs on.

    Attributes:
        folder: Where the kernel keeps requests.
        event_log: A file with the event log of a TDX domain, as `confide.tee.event_log` reads it.
        random: Names requests, so that two of them do not meet.
    """

    folder: Path = Path("/sys/kernel/config/tsm/report")
    event_log: Path | None = None
    random: SecureRandom = field(default_factory=SystemRandom)

    def attest(self, report_data: bytes, nonce: bytes, public_key: bytes) -> Quoted:
        """See `confide.tee.workload.Attester`."""
        del nonce, public_key  # These are in the claims, whose hash the report data are.
        _require_report_data(report_data)
        try:
            with self._request() as request:
                before = _number(request / "generation")
                (request / "inblob").write_bytes(report_data)
                document = _read(request / "outblob")
                certificates = _read_if_there(request / "auxblob")
                if _number(request / "generation") != before + 1:
                    raise AttestationError(
                        Step.REPORT_DATA,
                        "somebody else wrote to the same request for evidence meanwhile; ask again",
                    )
            log = None if self.event_log is None else _read(self.event_log)
        except (OSError, ValueError) as error:
            raise AttestationError(
                Step.PARSE,
                f"no evidence from {self.folder}: {error}. It takes Linux 6.7 on SEV-SNP or TDX, "
                "and the right to make folders there",
            ) from error
        return Quoted(document, log, certificate_table(certificates) if certificates else ())

    @contextmanager
    def _request(self) -> Iterator[Path]:
        request = self.folder / f"confide-{self.random.bytes(8).hex()}"
        request.mkdir()
        try:
            yield request
        finally:
            request.rmdir()


def certificate_table(data: bytes) -> tuple[bytes, ...]:
    """The certificates of a host's table, in DER: entries of a GUID, an offset and a length.

    Raises:
        AttestationError: If an entry points outside, or the table does not end.
    """
    reader = Reader(data, "the host's table of certificates")
    found: list[bytes] = []
    while True:
        guid, offset, length = reader.take(_GUID_BYTES), reader.number(4), reader.number(4)
        if not any(guid):
            return tuple(found)
        if offset + length > len(data) or len(found) == _MAX_CERTIFICATES:
            raise reader.error(f"has an entry of {length:,} bytes at {offset:,} that is not in it")
        found.append(data[offset : offset + length])


def _require_report_data(report_data: bytes) -> None:
    if len(report_data) != _REPORT_DATA_BYTES:
        raise AttestationError(
            Step.REPORT_DATA,
            f"{len(report_data)} bytes for evidence to carry; it carries {_REPORT_DATA_BYTES}",
        )


def _number(path: Path) -> int:
    return int(path.read_text("ascii"))


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise AttestationError(Step.PARSE, f"{path} has more than {_MAX_BYTES:,} bytes")
    return data


def _read_if_there(path: Path) -> bytes:
    return _read(path) if path.exists() else b""
