"""A counter that an external log keeps: who sets it back says so in public.

Every answer *is* an entry of a transparency log, with the nonce that was asked with, so an answer
is as new as its question. A keeper could answer with an older value, as any keeper could; but then
its log holds a value below one that stands before it, for everybody who reads it (`check_log`), and
another log can be shown to nobody who keeps a head of this one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from confide import canonical
from confide.errors import ProtocolError, VerificationError
from confide.randomness import SecureRandom, SystemRandom
from confide.tee.counters.counter import LARGEST
from confide.tee.counters.quorum import Ask
from confide.transparency import merkle
from confide.transparency.log import Entry, Inclusion, LogHead, TransparencyLog

__all__ = ["LogCounter", "LogKeeper", "check_log"]

_KIND: Final = "confide counter 1"
_READ, _ADVANCE = "read", "advance"
_NONCE_BYTES: Final = 32
_MAX_NAME: Final = 256
_MAX_REQUEST: Final = 1024
_MAX_REPLY: Final = 16 << 10
_LONGEST_PROOF: Final = 64
_START: Final = canonical.encode([_KIND, "", b"", b"", 0])[:-4]
"""How the entries of counters begin, whatever comes after."""


@dataclass(frozen=True)
class _Said:
    """What an entry says of a counter: that it was read or raised, and stood at a value then."""

    verb: str
    name: bytes
    nonce: bytes
    value: int

    def to_bytes(self) -> bytes:
        return canonical.encode([_KIND, self.verb, self.name, self.nonce, self.value])

    @classmethod
    def in_entry(cls, entry: Entry) -> _Said | None:
        """What it says; None of entries of others."""
        if not entry.body.startswith(_START) or len(entry.body) > _MAX_REQUEST:
            return None
        try:
            values = canonical.decode(entry.body, _MAX_REQUEST, max_items=6)
        except ProtocolError:
            return None
        match values:
            case [str(), str(verb), bytes(name), bytes(nonce), int(value)] if (
                canonical.are_integers(value)
            ):
                return cls(verb, name, nonce, value)
            case _:
                return None


@dataclass
class LogKeeper:
    """Who keeps the log, and counters for anybody in it.

    Whoever may ask can raise a counter, and so stop the enclave that it is for, and makes the log
    longer: who may ask is for the channel to decide.

    Attributes:
        log: The log, which may have other entries as well.
        key: Signs heads.
    """

    log: TransparencyLog
    key: Ed25519PrivateKey = field(repr=False)
    _seen: int = field(default=0, init=False, repr=False)
    _values: dict[bytes, int] = field(default_factory=dict, init=False, repr=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def answer(self, request: bytes) -> bytes:
        """Reads or raises a counter, and shows the entry that says so.

        Args:
            request: A list of 'read' or 'advance', the counter's name, a nonce of 32 bytes, the
                value to raise it to or 0, and the size of the log that the asker knows or 0.

        Raises:
            ProtocolError: If the request is malformed.
            VerificationError: If the value is that or larger already.
        """
        match canonical.decode(request, _MAX_REQUEST, max_items=6):
            case [str(verb), bytes(name), bytes(nonce), int(to), int(size)] if (
                canonical.are_integers(to, size)
                and verb in (_READ, _ADVANCE)
                and len(nonce) == _NONCE_BYTES
                and 0 < len(name) <= _MAX_NAME
                and 0 <= to <= LARGEST
            ):
                pass
            case _:
                raise ProtocolError("a request to a log that keeps counters, and it is none")
        with self._lock:
            number = self._log(verb, name, nonce, to)
            shown = self.log.inclusion(number, self.key)
            grew = list(self.log.consistency(size)) if size else []
        return canonical.encode([shown.to_bytes(), grew])

    def _log(self, verb: str, name: bytes, nonce: bytes, to: int) -> int:
        """Appends what is answered, alone with the log; returns the entry's number."""
        with self.log.appending() as append:
            for entry in self.log.entries(self._seen):
                if said := _Said.in_entry(entry):
                    self._values[said.name] = said.value
                self._seen = entry.number + 1
            value = self._values.get(name, 0)
            if verb == _ADVANCE:
                if value >= to:
                    raise VerificationError(
                        f"the counter stands at {value}, at or above {to}: another instance "
                        "raised it"
                    )
                value = to
            return append(_Said(verb, name, nonce, value).to_bytes()).number


@dataclass
class LogCounter:
    """A counter in a log that somebody else keeps.

    Attributes:
        name: What it counts for.
        key: Public key of who keeps the log; it belongs into the measured build.
        ask: Carries a request there and its answer back.
        random: Where nonces come from.
        head: The newest head seen: the log may not fall behind it.
    """

    name: bytes
    key: bytes
    ask: Ask = field(repr=False)
    random: SecureRandom = field(default_factory=SystemRandom, repr=False)
    head: LogHead | None = None

    def read(self) -> int:
        """See `confide.tee.counters.MonotonicCounter.read`.

        Raises:
            VerificationError: If the log does not show it, or is another one than before.
        """
        return self._ask(_READ, 0)

    def advance(self, to: int) -> None:
        """See `confide.tee.counters.MonotonicCounter.advance`."""
        value = self._ask(_ADVANCE, to)
        if value != to:
            raise VerificationError(
                f"the log's counter stands at {value} where {to} was asked for: another instance "
                "raised it"
            )

    def _ask(self, verb: str, to: int) -> int:
        nonce = self.random.bytes(_NONCE_BYTES)
        size = self.head.size if self.head else 0
        try:
            reply = self.ask(canonical.encode([verb, self.name, nonce, to, size]))
        except OSError as error:
            raise ProtocolError(f"the log does not answer: {error}") from error
        match canonical.decode(reply, _MAX_REPLY, max_items=_LONGEST_PROOF + 3):
            case [bytes(shown), list(grew)] if all(isinstance(step, bytes) for step in grew):
                inclusion = Inclusion.from_bytes(shown)
            case _:
                raise ProtocolError("an answer of a log that keeps counters, and it is none")
        said = _Said.in_entry(inclusion.verify(self.key))
        if said is None or (said.verb, said.name, said.nonce) != (verb, self.name, nonce):
            raise VerificationError("the log answers with an entry that is none to this question")
        newest = inclusion.head
        if self.head is not None:
            known = self.head
            merkle.check_consistency(known.size, known.root, newest.size, newest.root, grew)
        self.head = newest
        return said.value


def check_log(log: TransparencyLog) -> None:
    """Holds a keeper to its answers: values grow when raised, and are as before when read.

    Args:
        log: A copy of its log, which a head that others have stands for.

    Raises:
        VerificationError: Naming the first entry that is a lie.
    """
    values: dict[bytes, int] = {}
    for entry in log.entries():
        said = _Said.in_entry(entry)
        if said is None:
            continue
        before = values.get(said.name, 0)
        true = said.value > before if said.verb == _ADVANCE else said.value == before
        if not true:
            raise VerificationError(
                f"entry {entry.number} of {log} says that a counter stood at {said.value}, and it "
                f"stood at {before}: the keeper set it back"
            )
        values[said.name] = said.value
