"""`confide plan new --from`: a plan file with a schema from a file's column names and types."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import pandas as pd

from confide.errors import PlanError
from confide.plan import NoNoise, Plan
from confide.tables import Category, Missing, read_table
from confide.tables.values import words
from confide.training import Epsilon, planned
from confide.training.drafts import Answer, ColumnType, column_type
from confide.training.kinds import KINDS

__all__ = ["draft_plan"]

_OWNERS: Final = ("north", "south", "west")
_MOST_VALUES: Final = 50

Ask = Callable[[str], bool]
"""Asks whether a line may be written; the text says what the line would publish."""


def draft_plan(
    source: str,
    kind: str,
    *,
    features: list[str] | None,
    label: str | None,
    event: str | None,
    classes: list[str] | None,
    epsilon: float | None,
    ask: Ask,
) -> str:
    """A plan file for tables with a file's columns.

    The plan file holds the names of the columns, and whether a column has numbers, dates, booleans
    or texts. A line that would publish values of the file is written only if `ask` allows it;
    without that line, sums find the values.

    Args:
        source: The file.
        kind: The kind of model.
        features: The columns to predict from; all others if None.
        label: The column to predict; None if nothing is.
        event: Of times, the column that says whether the event came.
        classes: Its values, if they are known.
        epsilon: ε for each record; exact sums if None.
        ask: Asks.

    Raises:
        PlanError, DataError: If the file has no such label, or a value must be declared.
    """
    table = read_table(source)
    for option, column in (("--label", label), ("--event", event)):
        if column is not None and column not in table.columns:
            raise PlanError(f"{source} has no column {column!r}; {option} names one of its columns")
    if label is None and kind in KINDS and KINDS[kind].answer is not Answer.NOTHING:
        raise PlanError("--from without --label; name the column to predict")
    texts = [
        name for name in map(str, table.columns)
        if name not in (label, event)
        and (features is None or name in features)
        and column_type(table[name]) is ColumnType.TEXTS
    ]  # fmt: skip
    columns = {
        name: Category(values=found, missing=Missing.INDICATOR)
        for name in texts
        if (found := _values(table, name, ask, "vocabulary"))
    }
    unknown = [name for name in texts if name not in columns]
    if unknown and epsilon is None:
        raise PlanError(
            f"column {unknown[0]!r} has texts: --yes writes its values into the plan, --epsilon 3 "
            "has them found privately, --features A,B leaves it out"
        )
    if label is not None and classes is None and column_type(table[label]) is ColumnType.TEXTS:
        classes = list(_values(table, label, ask, "classes of the label") or ())
        if not classes:
            raise PlanError(f"label {label!r} has texts: name its classes, as --classes no,yes")
    plan = planned(
        kind, {source: table}, features=features, label=label, event=event, classes=classes,
        columns=columns, parties=_OWNERS, privacy=None if epsilon is None else Epsilon(epsilon),
    ).plan  # fmt: skip
    return (
        "\n".join(_lines(replace(plan, name=f"{kind} of {label}" if label else kind), epsilon))
        + "\n"
    )


def _values(table: pd.DataFrame, name: str, ask: Ask, what: str) -> tuple[str, ...]:
    """The values of a column, if they are few and may be published."""
    texts, missing = words(table[name], name)
    found = tuple(sorted(set(texts[~missing])))
    if len(found) > _MOST_VALUES or any(len(word.encode()) > 64 for word in found):
        return ()
    question = f"{what} of {name!r}: the line would publish the {len(found)} values in this file"
    return found if ask(question) else ()


def _lines(plan: Plan, epsilon: float | None) -> Iterator[str]:
    yield "# Written from a file's column names and types: check each line, then run"
    yield "# `confide plan views` to see who will learn what."
    yield f"name = {_toml(plan.name)}"
    yield 'crowd = "fixed"'
    for party in plan.parties:
        yield f"\n[[party]]\nname = {_toml(party.name)}"
    yield '\n[threat.confidentiality]\nparties = "curious"'
    if epsilon is not None and not isinstance(plan.noise, NoNoise):
        yield f'\n[noise]\nplacement = "shares"\nepsilon = {epsilon}\ndelta = {plan.noise.delta!r}'
    for stage in plan.sum_stages:
        yield f"\n[[stage]]\nname = {_toml(stage.name)}"
        yield f"rounds = {stage.rounds}\nbudget = {round(stage.budget, 6)}"
        settings = {"name": stage.task.name, **stage.task.read()}
        tables = {k: v for k, v in settings.items() if isinstance(v, Mapping)}
        yield "\n[stage.task]"
        yield from _pairs({k: v for k, v in settings.items() if k not in tables})
        for key, value in tables.items():
            yield f"\n[stage.task.{key}]"
            yield from _pairs(value)


def _pairs(values: Mapping[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        if value is None:
            continue
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            yield f"{key} = ["
            yield from (f"  {_toml(each)}," for each in value)
            yield "]"
        else:
            yield f"{key} = {_toml(value)}"


def _toml(value: Any) -> str:
    """A value in one line of TOML; what is None is left out."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(k)} = {_toml(v)}" for k, v in value.items() if v is not None)
        return f"{{ {inner} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, float):
        return repr(value)
    # JSON writes texts, whole numbers, true and false as TOML has them.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if name.replace("_", "").isalnum() and name.isascii() else _toml(name)
