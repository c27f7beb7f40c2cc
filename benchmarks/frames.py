"""Values through a pipe: eight bytes of length, then deterministic CBOR."""

from __future__ import annotations

from typing import IO, Any

from confide import canonical

__all__ = ["read", "write"]

_MAX_BYTES = 1 << 30


def write(stream: IO[bytes], value: object) -> None:
    """Writes one value."""
    data = canonical.encode(value)
    stream.write(len(data).to_bytes(8, "big"))
    stream.write(data)
    stream.flush()


def read(stream: IO[bytes]) -> Any:
    """Reads one value.

    Raises:
        EOFError: If the other side has ended.
    """
    header = stream.read(8)
    if len(header) < 8:
        raise EOFError("the other side of the benchmark ended; its error stream says why")
    return canonical.decode(stream.read(int.from_bytes(header, "big")), _MAX_BYTES)
