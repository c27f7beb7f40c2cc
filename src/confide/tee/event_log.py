"""Intel TDX: what was measured while the machine started and ran, from the log of it.

A run-time register holds SHA-384(register ‖ digest), extended event by event (Intel, *TDX Module
Base Architecture*, §13.2.3), so a log that replays to the registers in a verified quote is complete
and in order. A digest binds an event's name and contents only where it is known how it was made:
for the events of applications, SHA-384(type ‖ ':' ‖ name ‖ ':' ‖ contents), as in dstack; in its
second version SHA-384 of canonical JSON (RFC 8785) of the three. Newer logs of dstack leave the
digests of these events out, and anyone who reads them computes them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from confide import canonical
from confide.errors import AttestationError, Step

__all__ = ["APPLICATION_EVENT", "Event", "application_digest", "parse", "replay"]

APPLICATION_EVENT: Final = 0x08000001
_APPLICATION_REGISTER: Final = 3
_REGISTERS: Final = 4
_DIGEST_BYTES: Final = 48
_MAX_BYTES: Final = 1 << 20
_MAX_EVENTS: Final = 4096
_KEYS: Final = {"imr": int, "event_type": int, "digest": str, "event": str, "event_payload": str}
_OPTIONAL_KEYS: Final = {"version": int, "preimage": str}
_VERSIONS: Final = (1, 2)


@dataclass(frozen=True)
class Event:
    """One entry: the register it extended, and what it says of itself.

    Attributes:
        version: How the digest of an application's event is made.
    """

    register: int
    kind: int
    digest: bytes
    name: str
    contents: bytes
    version: int = 1


def application_digest(kind: int, name: str, contents: bytes, version: int = 1) -> bytes:
    """What an application's event extends its register with, 48 bytes."""
    if version == 1:
        parts = (kind.to_bytes(4, "little"), name.encode(), contents)
        return hashlib.sha384(b":".join(parts)).digest()
    # RFC 8785: keys in order, no spaces, and characters written out unless JSON must escape them,
    # which is how Python writes texts and whole numbers too.
    stated = {"name": name, "payload": contents.hex(), "type": kind}
    text = json.dumps(stated, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha384(text.encode()).digest()


def parse(data: bytes) -> list[Event]:
    """Reads a log: a JSON list of maps with imr, event_type, digest, event and event_payload.

    Of an application's event the digest may be empty: then it is computed from the others. It may
    have a `version`, 1 or 2, and a `preimage`, which is not read: it repeats the others.

    Raises:
        AttestationError: If it is anything else, at the step `parse`.
    """
    if len(data) > _MAX_BYTES:
        raise _error(f"has {len(data):,} bytes; at most {_MAX_BYTES:,} are read")
    try:
        entries = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _error("is not JSON") from error
    if not isinstance(entries, list) or len(entries) > _MAX_EVENTS:
        raise _error(f"is not a list of at most {_MAX_EVENTS:,} events")
    return [_event(entry) for entry in entries]


def replay(events: list[Event], registers: Mapping[str, bytes]) -> dict[str, bytes]:
    """Replays a log.

    Args:
        events: In the order in which they happened.
        registers: Of the verified quote: 'rtmr0' to 'rtmr3'.

    Returns:
        The contents of applications' events, by 'event:NAME'. Names that occur twice are left out,
        because a reference could mean either, and names with a colon, because a digest does not
        bind where such a name ends and its contents begin.

    Raises:
        AttestationError: If the log does not lead to the registers, at the step `measurement`.
    """
    values = [bytes(_DIGEST_BYTES)] * _REGISTERS
    for event in events:
        values[event.register] = hashlib.sha384(values[event.register] + event.digest).digest()
    for index, value in enumerate(values):
        if registers[f"rtmr{index}"] != value:
            raise AttestationError(
                Step.MEASUREMENT, f"the event log does not lead to what RTMR{index} holds"
            )
    own = [e for e in events if e.register == _APPLICATION_REGISTER]
    times = Counter(e.name for e in own)
    return {f"event:{e.name}": e.contents for e in own if times[e.name] == 1 and _binds_contents(e)}


def _binds_contents(event: Event) -> bool:
    if event.kind != APPLICATION_EVENT or (":" in event.name and event.version == 1):
        return False
    made = application_digest(event.kind, event.name, event.contents, event.version)
    return event.digest == made


def _event(entry: Any) -> Event:
    every = {**_KEYS, **_OPTIONAL_KEYS}
    if not isinstance(entry, dict) or not _KEYS.keys() <= entry.keys() <= every.keys():
        raise _error(f"has an entry that is not a map of {', '.join(_KEYS)}")
    for key, value in entry.items():
        if type(value) is not every[key]:
            raise _error(f"has an entry whose {key} is of another type")
    version = entry.get("version", 1)
    if version not in _VERSIONS:
        raise _error(f"has an entry of version {version}; 1 and 2 are read")
    try:
        digest, contents = bytes.fromhex(entry["digest"]), bytes.fromhex(entry["event_payload"])
    except ValueError as error:
        raise _error("has an entry that is not hexadecimal") from error
    if not canonical.has_encoding(entry["event"]):
        raise _error("has an entry whose name is not a text")
    register, kind = entry["imr"], entry["event_type"]
    if not digest and kind == APPLICATION_EVENT:
        digest = application_digest(kind, entry["event"], contents, version)
    if not 0 <= register < _REGISTERS or not 0 <= kind < 1 << 32 or len(digest) != _DIGEST_BYTES:
        raise _error("has an entry of no register, no kind or a digest that is not SHA-384")
    return Event(register, kind, digest, entry["event"], contents, version)


def _error(problem: str) -> AttestationError:
    return AttestationError(Step.PARSE, f"the event log {problem}")
