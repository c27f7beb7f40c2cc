"""The keys of one running instance, kept between commands in memory that only it has."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from confide import canonical
from confide.errors import DataError, ProtocolError, why_unreadable
from confide.randomness import SecureRandom
from confide.tee.workload import WorkloadKeys

__all__ = ["Instance"]

_FORMAT: Final = "confide instance 1"
_MAX_BYTES: Final = 1024
_SECRET_BYTES: Final = 32


@dataclass(frozen=True)
class Instance:
    """Identifies one run of a machine.

    Attributes:
        identifier: 32 random bytes.
        keys: Of this run.
    """

    identifier: bytes
    keys: WorkloadKeys

    @classmethod
    def fresh(cls, random: SecureRandom) -> Self:
        """A new one."""
        return cls(random.bytes(_SECRET_BYTES), WorkloadKeys.generate(random))

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `write` wrote.

        Raises:
            DataError: If it cannot be read, or is another file.
        """
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
            match canonical.decode(data, _MAX_BYTES, max_items=5):
                case [str(form), bytes(identifier), bytes(hpke), bytes(signing)] if (
                    form == _FORMAT
                    and all(len(part) == _SECRET_BYTES for part in (identifier, hpke, signing))
                ):
                    return cls(identifier, WorkloadKeys(hpke, signing))
        except (OSError, ProtocolError) as error:
            why = why_unreadable(error)
            raise DataError(f"cannot read the instance's keys {path}: {why}") from error
        raise DataError(f"{path} holds no instance's keys")

    def write(self, path: Path) -> Self:
        """Writes it into a new file that nobody else may read; returns itself.

        Args:
            path: In memory of the enclave's, which a restart clears: never on the host's disk.

        Raises:
            DataError: If the file exists, or cannot be written.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
                file.write(canonical.encode([_FORMAT, self.identifier, *self.keys.seeds]))
        except OSError as error:
            raise DataError(f"cannot write the instance's keys {path}: {error}") from error
        return self
