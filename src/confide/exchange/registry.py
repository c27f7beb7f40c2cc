"""Finding what runs an exchange by its task's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from confide.computation import MakeExchange
from confide.errors import PlanError
from confide.exchange.score import TASK, EncryptedScore
from confide.exchange.session import Part
from confide.plan import Exchange, Plan
from confide.plan.codec import nearest

__all__ = ["FROM_FILES", "Program", "find_exchange", "find_program"]


class Program(Protocol):
    """What runs an exchange, made from its declaration."""

    def check_input(self, role: str, given: object) -> None:
        """Checks what the party in a role brings, before anything is sent.

        Raises:
            DataError: If it does not fit. The message shows no value of it.
        """

    def part(self, role: str, given: object, number: int) -> Part:
        """What a role does in one round.

        Args:
            role: The role.
            given: What its party brings to all rounds.
            number: The round of the exchange, from 0.
        """

    @property
    def seconds_per_round(self) -> float:
        """About how long the computing of a round takes on this machine."""


FROM_FILES: Final[Mapping[str, MakeExchange]] = {TASK: EncryptedScore.of_file}
"""By the name of a task, what makes its exchange from a plan file."""

_KNOWN: Final[Mapping[str, Callable[[Exchange], Any]]] = {TASK: EncryptedScore.of_exchange}


def find_program(exchange: Exchange) -> Program:
    """Makes what runs an exchange.

    Raises:
        PlanError: If this release has none for its task, or the exchange declares other messages
            than the task sends.
    """
    name = exchange.task.name
    if name not in _KNOWN:
        raise PlanError(f"no exchange {name!r} in this release; {nearest(name, _KNOWN)}")
    program: Program = _KNOWN[name](exchange)
    return program


def find_exchange(plan: Plan, stage: str | None = None) -> Exchange:
    """An exchange of a plan.

    Args:
        plan: The plan.
        stage: The name of the stage; the plan's only exchange if omitted.

    Raises:
        PlanError: If there is none of that name, or there are several and none is named.
    """
    names = [exchange.name for exchange in plan.exchanges]
    if stage is None and len(names) == 1:
        return plan.exchanges[0]
    if stage not in names:
        which = f"no exchange {stage!r}" if stage else f"{len(names)} exchanges, and none named,"
        raise PlanError(
            f"{which} in plan {plan.name!r}; its exchanges are {', '.join(names) or 'none'}"
        )
    return plan.exchanges[names.index(stage)]
