"""Reads the inputs of the parties in a plan's exchanges from files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from confide.cli.files import load_table
from confide.errors import DataError
from confide.exchange import EncryptedScore, ScoreModel, find_program
from confide.exchange.score import EVALUATOR, OWNER
from confide.plan import Exchange, Plan
from confide.plan.codec import nearest

__all__ = ["exchange_inputs"]

_INTERCEPT: Final = "intercept"
_OPTIONS: Final = {OWNER: ("rows", "--rows"), EVALUATOR: ("weights", "--weights")}
"""By role: its party's input, and the option that names the file with it."""


def exchange_inputs(
    plan: Plan, rows: Mapping[str, Path], weights: Mapping[str, Path]
) -> dict[str, dict[str, Any]]:
    """What each party brings to each exchange.

    Args:
        plan: The plan.
        rows: By party, the rows that it has scored.
        weights: By party, the model that it scores with.

    Raises:
        DataError: If a file is missing or unreadable, or belongs to no party.
        PlanError: If this release does not run an exchange.
    """
    named = {OWNER: rows, EVALUATOR: weights}
    _refuse_strangers(plan, named)
    if missing := list(_missing(plan, named)):
        raise DataError("; ".join(missing))
    return {
        exchange.name: {
            role.party: _read(exchange, role.name, named[role.name][role.party])
            for role in exchange.roles
        }
        for exchange in plan.exchanges
    }


def _missing(plan: Plan, named: Mapping[str, Mapping[str, Path]]) -> Iterator[str]:
    for exchange in plan.exchanges:
        find_program(exchange)
        for role in exchange.roles:
            what, option = _OPTIONS[role.name]
            if role.party not in named[role.name]:
                yield (
                    f"exchange {exchange.name!r} needs the {what} of {role.party!r}: give "
                    f"{option} {role.party}=FILE"
                )


def _refuse_strangers(plan: Plan, named: Mapping[str, Mapping[str, Path]]) -> None:
    for role, files in named.items():
        holders = {e.party_of(role) for e in plan.exchanges if role in _roles(e)}
        option = _OPTIONS[role][1]
        for name in files:
            if name not in holders:
                known = nearest(name, holders) if holders else "the plan has no such exchange"
                raise DataError(
                    f"{option} of {name!r}, who is not the {role} of an exchange; {known}"
                )


def _roles(exchange: Exchange) -> set[str]:
    return {role.name for role in exchange.roles}


def _read(exchange: Exchange, role: str, path: Path) -> Any:
    table = load_table(path)
    if role == OWNER:
        return table
    columns = EncryptedScore.of_exchange(exchange).columns
    known = (*columns, _INTERCEPT)
    for column in table:
        if column not in known:
            raise DataError(
                f"{path} has an unknown column {column!r}; {nearest(str(column), known)}"
            )
    if missing := [name for name in columns if name not in table]:
        raise DataError(f"{path} has no weight of {', '.join(missing)}: give one column for each")
    if len(table) != 1:
        raise DataError(f"{path} has {len(table)} rows; a model has one row of weights")
    intercept = table[_INTERCEPT].to_numpy() if _INTERCEPT in table else 0.0
    return ScoreModel.of(table[list(columns)].to_numpy(), intercept)
