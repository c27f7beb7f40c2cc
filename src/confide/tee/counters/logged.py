"""A counter that an external log keeps: who sets it back signs a contradiction.

Every value is an entry of a transparency log. The log's keeper could answer with an older value, as
any keeper could; but the answer is signed with its nonce and the log's size, so it and the log
convict the keeper, and no other copy of the log can be shown to those who keep its heads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from confide import canonical
from confide.errors import ProtocolError, VerificationError
from confide.randomness import SecureRandom, SystemRandom
from confide.tee import merkle
from confide.tee.counters.counter import LARGEST
from confide.tee.counters.quorum import Ask
from confide.tee.log import Entry, Inclusion, LogHead, TransparencyLog
from confide.tee.signatures import check_signature

__all__ = ["LogCounter", "LogKeeper", "check_answer"]

_DOMAIN: Final = b"confide log counter 1\0"
_KIND: Final = "confide counter 1"
_NONCE_BYTES: Final = 32
_MAX_NAME: Final = 256
_MAX_REQUEST: Final = 1024
_MAX_REPLY: Final = 16 << 10
_LONGEST_PROOF: Final = 64
_START: Final = canonical.encode([_KIND, b"", 0])[:-2]
"""How the entries of counters begin, whatever comes after."""


@dataclass
class LogKeeper:
    """Who keeps the log, and counters for anybody in it.

    Whoever may ask can raise a counter, and so stop the enclave that it is for: who may ask is for
    the channel to decide.

    Attributes:
        log: The log, which may have other entries as well.
        key: Signs answers and heads.
    """

    log: TransparencyLog
    key: Ed25519PrivateKey = field(repr=False)
    _seen: int = field(default=0, init=False, repr=False)
    _newest: dict[bytes, Entry] = field(default_factory=dict, init=False, repr=False)

    def answer(self, request: bytes) -> bytes:
        """Reads or raises a counter, and signs what it stands at.

        Args:
            request: A list of 'read' or 'advance', the counter's name, a nonce of 32 bytes, the
                value to raise it to or 0, and the size of the log that the asker knows or 0.

        Raises:
            ProtocolError: If the request is malformed.
            VerificationError: If the value is that or larger already.
        """
        match canonical.decode(request, _MAX_REQUEST, max_items=6):
            case [str(verb), bytes(name), bytes(nonce), int(to), int(size)] if (
                verb in ("read", "advance")
                and len(nonce) == _NONCE_BYTES
                and 0 < len(name) <= _MAX_NAME
                and 0 <= to <= LARGEST
            ):
                pass
            case _:
                raise ProtocolError("a request to a log that keeps counters, and it is none")
        if verb == "advance":
            self._advance(name, to)
        self.log.refresh()
        self._take_in()
        return self._signed(verb, name, nonce, size)

    def _advance(self, name: bytes, to: int) -> None:
        with self.log.appending() as append:
            self._take_in()
            newest = self._newest.get(name)
            value = _count(newest, name) if newest else 0
            if value >= to:
                raise VerificationError(
                    f"the counter stands at {value}, at or above {to}: another instance raised it"
                )
            append(_body(name, to))

    def _take_in(self) -> None:
        for entry in self.log.entries(self._seen):
            name = _name_in(entry)
            if name is not None:
                self._newest[name] = entry
            self._seen = entry.number + 1

    def _signed(self, verb: str, name: bytes, nonce: bytes, size: int) -> bytes:
        head, shown, value = b"", b"", 0
        path: tuple[bytes, ...] = ()
        newest = self._newest.get(name)
        if newest is not None:
            inclusion = self.log.inclusion(newest.number, self.key)
            value, path = _count(newest, name), inclusion.path
            head, shown = inclusion.head.to_bytes(), newest.to_bytes()
        elif len(self.log):
            head = self.log.head(self.key).to_bytes()
        grew = list(self.log.consistency(size)) if size else []
        said = canonical.encode([verb, name, nonce, value, head])
        signature = self.key.sign(_DOMAIN + said)
        return canonical.encode([value, head, shown, list(path), grew, signature])


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
            VerificationError: If the keeper did not sign it, or the log is another one than before.
        """
        return self._ask("read", 0)

    def advance(self, to: int) -> None:
        """See `confide.tee.counters.MonotonicCounter.advance`."""
        value = self._ask("advance", to)
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
        match canonical.decode(reply, _MAX_REPLY, max_items=2 * _LONGEST_PROOF + 7):
            case [int(value), bytes(head), bytes(shown), list(path), list(grew), bytes(signature)]:
                said = canonical.encode([verb, self.name, nonce, value, head])
            case _:
                raise ProtocolError("an answer of a log that keeps counters, and it is none")
        _verify(self.key, signature, said)
        if not all(isinstance(step, bytes) for step in [*path, *grew]):
            raise ProtocolError("an answer of a log with a proof that is none")
        if not head:
            if value or self.head:
                raise VerificationError("the log says that it is empty, and it was not")
            return 0
        newest = LogHead.from_bytes(head)
        newest.verify(self.key)
        if self.head is not None:
            merkle.check_consistency(self.head.size, self.head.root, newest.size, newest.root, grew)
        if value:
            self._check_shown(value, Inclusion(Entry.from_bytes(shown), tuple(path), newest))
        self.head = newest
        return value

    def _check_shown(self, value: int, shown: Inclusion) -> None:
        if shown.verify(self.key).body != _body(self.name, value):
            raise VerificationError(
                f"the log does not show the entry that raised the counter to {value}"
            )


def check_answer(answer: bytes, request: bytes, log: TransparencyLog, key: bytes) -> None:
    """Holds a keeper to what it answered, by the log that it shows to others.

    Args:
        answer: What it answered, as it came.
        request: What was asked.
        log: A copy of its log, at least as long as the answer says that it was.
        key: Its public key.

    Raises:
        VerificationError: If it lied, or the answer is not its own.
    """
    verb, name, nonce, *_ = canonical.decode(request, _MAX_REQUEST, max_items=6)
    value, head, *_, signature = canonical.decode(answer, _MAX_REPLY)
    _verify(key, signature, canonical.encode([verb, name, nonce, value, head]))
    size = LogHead.from_bytes(head).size if head else 0
    values = [_count(e, name) for e in log.entries() if e.number < size and _name_in(e) == name]
    truth = values[-1] if values else 0
    if truth != value:
        raise VerificationError(
            f"the keeper of {log} said that a counter stood at {value}, and by its first {size} "
            f"entries it stood at {truth}"
        )


def _body(name: bytes, value: int) -> bytes:
    return canonical.encode([_KIND, name, value])


def _name_in(entry: Entry) -> bytes | None:
    """Whose counter an entry raised; None for entries of others."""
    if not entry.body.startswith(_START) or len(entry.body) > _MAX_REQUEST:
        return None
    match canonical.decode(entry.body, _MAX_REQUEST, max_items=4):
        case [str(), bytes(name), int()]:
            return name
        case _:
            return None


def _count(entry: Entry, name: bytes) -> int:
    _, found, value = canonical.decode(entry.body, _MAX_REQUEST, max_items=4)
    assert found == name  # noqa: S101 - only such entries are asked
    return int(value)


def _verify(key: bytes, signature: bytes, said: bytes) -> None:
    otherwise = f"the answer about a counter is not signed by the log of {key.hex()[:16]}…"
    check_signature(key, signature, _DOMAIN + said, otherwise)
