"""Events of a TDX domain, and the run-time registers that they extend.

Intel, *TDX Module Base Architecture*, §13.2.3: a register becomes SHA-384(register ‖ digest).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from confide_sim.checks import sized, unsigned

__all__ = ["APPLICATION_EVENT", "BOOT", "Event", "extended", "to_json"]

APPLICATION_EVENT: Final = 0x08000001
"""The type of events that applications add while they run, as dstack numbers it."""

_REGISTERS: Final = 4
_REGISTER_BYTES: Final = 48


@dataclass(frozen=True)
class Event:
    """Something that was measured.

    Attributes:
        name: What it is called.
        payload: Its contents.
        register: The run-time register that it extends, 0 to 3.
        kind: Its type, a number below 2^32.

    Raises:
        ValueError: If there is no such register or type.
    """

    name: str
    payload: bytes = b""
    register: int = 3
    kind: int = APPLICATION_EVENT

    def __post_init__(self) -> None:
        if not 0 <= self.register < _REGISTERS:
            raise ValueError(f"register {self.register}; a domain has {_REGISTERS}, from 0")
        unsigned("kind", self.kind, 4)

    @property
    def digest(self) -> bytes:
        """What its register is extended with, 48 bytes.

        For applications it binds the name: SHA-384(type ‖ ':' ‖ name ‖ ':' ‖ payload), the type in
        little-endian order (dstack, cc-eventlog). For others it is SHA-384(payload).
        """
        if self.kind != APPLICATION_EVENT:
            return hashlib.sha384(self.payload).digest()
        parts = (unsigned("kind", self.kind, 4), self.name.encode(), self.payload)
        return hashlib.sha384(b":".join(parts)).digest()


BOOT: Final = (
    Event("EV_EFI_PLATFORM_FIRMWARE_BLOB2", b"simulated firmware", 0, 0x8000000A),
    Event("EV_EFI_BOOT_SERVICES_APPLICATION", b"simulated kernel", 1, 0x80000003),
    Event("EV_EVENT_TAG", b"simulated command line and initial files", 2, 0x6),
)
"""How a simulated domain starts, unless its registers are given."""


def extended(registers: Sequence[bytes], events: Iterable[Event]) -> tuple[bytes, ...]:
    """The four registers after events.

    Args:
        registers: RTMR0 to RTMR3 before them, 48 bytes each.
        events: In their order.

    Raises:
        ValueError: If these are not four registers.
    """
    if len(registers) != _REGISTERS:
        raise ValueError(f"{len(registers)} registers; a domain has {_REGISTERS}")
    values = [sized(f"RTMR{i}", value, _REGISTER_BYTES) for i, value in enumerate(registers)]
    for event in events:
        values[event.register] = hashlib.sha384(values[event.register] + event.digest).digest()
    return tuple(values)


def to_json(events: Iterable[Event]) -> bytes:
    """A log: a JSON list of maps with imr, event_type, digest, event and event_payload."""
    entries = [
        {
            "imr": event.register,
            "event_type": event.kind,
            "digest": event.digest.hex(),
            "event": event.name,
            "event_payload": event.payload.hex(),
        }
        for event in events
    ]
    return json.dumps(entries).encode()
