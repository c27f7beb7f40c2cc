"""Runs an exchange on this machine, with the same state machines that a network would use."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from confide.aggregation import Identity, Round
from confide.computation import Account
from confide.errors import DataError
from confide.exchange.charges import charged
from confide.exchange.registry import Program, find_exchange, find_program
from confide.exchange.session import ExchangeSession, Parcel
from confide.plan import Exchange, Plan
from confide.plan.codec import nearest

__all__ = ["ExchangeRun", "run_exchange"]


@dataclass(frozen=True, kw_only=True)
class ExchangeRun:
    """The outcome of an exchange.

    Attributes:
        plan: The plan as it ran.
        stage: The name of the stage.
        results: By party, what it learned in each round; parties that learn nothing are left out.
        rounds: One map of plain values per round: its number in the plan, the bytes of each
            message, seconds.
    """

    plan: Plan
    stage: str
    results: Mapping[str, tuple[Any, ...]] = field(repr=False)
    rounds: tuple[Mapping[str, Any], ...]


def run_exchange(
    plan: Plan,
    inputs: Mapping[str, Any],
    *,
    stage: str | None = None,
    accounts: Mapping[str, Account] | None = None,
    identities: Mapping[str, Identity] | None = None,
    on_round: Callable[[Mapping[str, Any]], None] | None = None,
) -> ExchangeRun:
    """Runs an exchange on this machine.

    Args:
        plan: The plan. Real keys are replaced by simulated ones, because other parties' keys cannot
            sign here.
        inputs: By party name, what it brings; the exchange's task says what its role needs.
        stage: The name of the stage; the plan's only exchange if omitted.
        accounts: By party name, the ledgers that the exchange is written into before it begins.
        identities: By party name, the identity that remembers the rounds it took part in; fresh
            ones if omitted.
        on_round: Called with each round's entry, for progress.

    Raises:
        PlanError: If there is no such exchange, or this release does not run it.
        DataError: If an input is missing or does not fit; before anything is sent.
        PrivacyBudgetError: If a party's ledger has no room for it; nothing is computed.
        ProtocolError: If a message is not as declared.

    Example:
        >>> from confide.exchange import EncryptedScore, ScoreModel
        >>> scoring = EncryptedScore(columns=("income", "debt"), precision=1e-3)
        >>> plan = scoring.plan(owner="bank", evaluator="bureau")
        >>> model = ScoreModel.of([0.5, -0.25], intercept=0.1)
        >>> run = run_exchange(plan, {"bank": [[0.8, 0.4]], "bureau": model})
        >>> run.results["bank"][0].round(2).tolist()
        [0.4]
    """
    plan = plan.simulated()
    exchange = find_exchange(plan, stage)
    program = find_program(exchange)
    given = accounts or {}
    _check_names("an account", given, exchange)
    _check_inputs(exchange, program, inputs)
    known = identities or {name: Identity.simulation(name) for name in exchange.parties}
    results: dict[str, list[Any]] = {name: [] for name in exchange.parties}
    history = []
    with charged(plan, exchange, given) as reservations:
        for place in range(exchange.rounds):
            for reservation in reservations:
                reservation.use()
            parts = {r.party: program.part(r.name, inputs[r.party], place) for r in exchange.roles}
            round_ = Round(plan, plan.first_round(exchange.name) + place)
            sessions = {
                name: ExchangeSession(round_, known[name], part) for name, part in parts.items()
            }
            history.append(_driven(round_, sessions))
            for name, session in sessions.items():
                results[name].append(session.result)
            if on_round:
                on_round(history[-1])
    return ExchangeRun(
        plan=plan,
        stage=exchange.name,
        results={n: tuple(r) for n, r in results.items() if any(each is not None for each in r)},
        rounds=tuple(history),
    )


def _driven(round_: Round, sessions: Mapping[str, ExchangeSession]) -> Mapping[str, Any]:
    began = time.perf_counter()
    sizes = {parcel.message: len(parcel.data) for parcel in _delivered(sessions)}
    seconds = round(time.perf_counter() - began, 4)
    return {"round": round_.number, **sizes, "seconds": seconds}


def _delivered(sessions: Mapping[str, ExchangeSession]) -> Iterator[Parcel]:
    """Carries messages until all roles have sent and received theirs."""
    moved = True
    while moved:
        moved = False
        for session in sessions.values():
            while (parcel := session.send()) is not None:
                sessions[parcel.receiver].receive(parcel.data)
                moved = True
                yield parcel


def _check_inputs(exchange: Exchange, program: Program, inputs: Mapping[str, Any]) -> None:
    _check_names("an input", inputs, exchange)
    for role in exchange.roles:
        if role.party not in inputs:
            raise DataError(f"{role.party!r} holds the role {role.name!r} and has no input")
    for role in exchange.roles:
        program.check_input(role.name, inputs[role.party])


def _check_names(what: str, names: Iterable[str], exchange: Exchange) -> None:
    for name in names:
        if name not in exchange.parties:
            raise DataError(
                f"{what} of {name!r}, who holds no role in exchange {exchange.name!r}; "
                f"{nearest(name, exchange.parties)}"
            )
