"""What reports say of a plan's exchanges, from what each observer sees of their messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from confide.plan import COORDINATOR, Exchange, Message, Plan, Sight, sights

__all__ = [
    "MessageFacts",
    "exchange_metadata",
    "exchange_promise",
    "message_facts",
    "sights_by_observer",
]


@dataclass(frozen=True)
class MessageFacts:
    """What follows from the declaration of one message.

    Attributes:
        stage: The exchange that it belongs to.
        name: Its name.
        meaning: What it is, in words.
        sender: The party that sends it.
        receiver: The party that it is for.
        form: In which form it travels.
        shape: The shape of its numbers; None for keys.
        max_bytes: The most bytes of its content.
        times: How often it is sent.
    """

    stage: str
    name: str
    meaning: str
    sender: str
    receiver: str
    form: str
    shape: tuple[int, ...] | None
    max_bytes: int
    times: int


def message_facts(plan: Plan) -> tuple[MessageFacts, ...]:
    """The messages of all exchanges, in order."""
    return tuple(_facts(e, message) for e in plan.exchanges for message in e.messages)


def _facts(exchange: Exchange, message: Message) -> MessageFacts:
    return MessageFacts(
        stage=exchange.name,
        name=message.name,
        meaning=message.told,
        sender=exchange.party_of(message.sender),
        receiver=exchange.party_of(message.receiver),
        form=message.form.value.replace("-", " "),
        shape=message.shape,
        max_bytes=message.max_bytes,
        times=exchange.rounds,
    )


def sights_by_observer(plan: Plan) -> Mapping[str, tuple[Sight, ...]]:
    """What each observer sees of all exchanges: parties by their names, coordinator, network."""
    found: dict[str, list[Sight]] = {}
    for exchange in plan.exchanges:
        for sight in sights(exchange):
            found.setdefault(sight.observer, []).append(sight)
    order = [*(p.name for p in plan.parties), COORDINATOR, "network"]
    return {name: tuple(found[name]) for name in order if name in found}


def exchange_promise(plan: Plan) -> str:
    """Who reads what of whom in the plan's exchanges; empty without one."""
    return " ".join(_promises(plan))


def _promises(plan: Plan) -> Iterator[str]:
    for exchange in plan.exchanges:
        read = [
            f"{sight.observer} reads {sight.value!r} ({', '.join(sight.of)})"
            for sight in sights(exchange)
            if sight.opened and set(sight.of) - {sight.observer}
        ]
        yield (
            f"In exchange {exchange.name!r} a party sends the declared messages and nothing else: "
            f"{'; '.join(dict.fromkeys(read)) or 'nobody reads data of others'}. Everybody else "
            "sees keys and ciphertexts."
        )


def exchange_metadata(plan: Plan) -> Iterator[str]:
    """What becomes known by taking part in the plan's exchanges."""
    for exchange in plan.exchanges:
        yield (
            f"whoever carries messages of exchange {exchange.name!r} learns who sends which to "
            "whom, when, and how much: sizes depend on the plan alone"
        )
        yield (
            f"each party of exchange {exchange.name!r} learns how long the others compute, and "
            "whether one of them stops"
        )
