"""What each observer sees of an exchange, from its declaration alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from confide.plan.exchange import Exchange, Message, MessageForm
from confide.plan.parties import COORDINATOR

__all__ = ["Sight", "sights"]


@dataclass(frozen=True)
class Sight:
    """What one observer sees of one message.

    Attributes:
        observer: A party's name, 'coordinator' or 'network'.
        message: The message's name.
        value: What it is, in words.
        of: The names of the parties whose data it is computed from.
        form: In which form the observer has it, in words.
        opened: Whether the observer reads what is in it.
        times: How often.
        guarantee: What protects it.
        voided_by: Without which assumption the observer would see more.
    """

    observer: str
    message: str
    value: str
    of: tuple[str, ...]
    form: str
    opened: bool
    times: int
    guarantee: str
    voided_by: str


_HARDNESS: Final = "ring-LWE or SHA-256 broken, or the secret key leaving {holder}"
_CHANNEL: Final = "the encrypted channel (TLS 1.3) or its certificates broken"


class _Seen(NamedTuple):
    """How one observer has a message."""

    form: str
    opened: bool
    guarantee: str
    voided_by: str


def sights(exchange: Exchange) -> tuple[Sight, ...]:
    """What each observer sees of an exchange: its parties, the coordinator and the network.

    The coordinator may relay any message, so it counts as seeing all of them as they travel.
    """
    return tuple(
        Sight(
            observer=observer,
            message=message.name,
            value=message.told,
            of=tuple(exchange.party_of(role) for role in message.of),
            times=exchange.rounds,
            **seen._asdict(),
        )
        for message in exchange.messages
        for observer, seen in _seen(exchange, message)
    )


def _seen(exchange: Exchange, message: Message) -> Iterator[tuple[str, _Seen]]:
    travelling = _as_it_travels(exchange, message)
    yield exchange.party_of(message.sender), _as_sent(exchange, message)
    yield exchange.party_of(message.receiver), _as_received(exchange, message)
    yield COORDINATOR, travelling
    wrapped = f"encrypted by the channel; beneath it {travelling.form}"
    if travelling.opened:
        yield "network", _Seen(wrapped, False, "the encrypted channel", _CHANNEL)
    else:
        yield "network", travelling._replace(form=wrapped)


def _as_sent(exchange: Exchange, message: Message) -> _Seen:
    if message.of == (message.sender,):
        return _Seen("in full", True, "its own", "nothing")
    if not message.form.holds_data or (message.form.encrypted and message.key != message.sender):
        return _as_it_travels(exchange, message)
    return _Seen("in full", True, "none: it computed this itself", "nothing")


def _as_received(exchange: Exchange, message: Message) -> _Seen:
    if message.read_by_receiver and message.form.encrypted:
        guarantee = "ε = ∞ (exact: this is what it is to learn)"
        return _Seen("opened with its secret key", True, guarantee, "nothing")
    return _as_it_travels(exchange, message)


def _as_it_travels(exchange: Exchange, message: Message) -> _Seen:
    if message.form.encrypted:
        return _encrypted(exchange, message)
    if not message.form.holds_data:
        return _Seen(
            message.form.value.replace("-", " "),
            False,
            "made from randomness alone",
            _HARDNESS.format(holder=exchange.party_of(message.sender)),
        )
    noise = "; noise in it hides the secret key" if message.form is MessageForm.RESULT else ""
    return _Seen("in clear", True, f"ε = ∞{noise}", "nothing")


def _encrypted(exchange: Exchange, message: Message) -> _Seen:
    holder = exchange.party_of(message.key or "")
    form = f"a ciphertext under the key of {holder}, seemingly uniform"
    return _Seen(form, False, "encryption (128 bits)", _HARDNESS.format(holder=holder))
