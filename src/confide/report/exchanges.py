"""What reports say of a plan's exchanges, from what each observer sees of their messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from confide.plan import Condition, Exchange, Exposure, Form, Message, Plan, What

__all__ = ["MessageFacts", "exchange_promise", "message_facts"]


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


def exchange_promise(plan: Plan, found: Iterable[Exposure]) -> str:
    """Who reads what of whom in the plan's exchanges; empty without one."""
    return " ".join(_promises(plan, tuple(found)))


def _promises(plan: Plan, found: tuple[Exposure, ...]) -> Iterator[str]:
    for place, stage in enumerate(plan.stages):
        if not isinstance(stage, Exchange):
            continue
        read = [
            f"{e.observer.name} reads {e.value!r} ({', '.join(e.whose)})"
            for e in found
            if e.stage == place
            and e.condition is Condition.EVERY_RUN
            and e.what is not What.OWN_DATA
            and e.form in (Form.PLAINTEXT, Form.RESULT)
        ]
        yield (
            f"In exchange {stage.name!r} a party sends the declared messages and nothing else: "
            f"{'; '.join(dict.fromkeys(read)) or 'nobody reads data of others'}. Everybody else "
            "sees keys and ciphertexts."
        )
