"""A schema from the names and types of columns, and from nothing else of the data.

A frame says the type of a column. A text file does not, so there its type is how all its cells are
written: as numbers, as dates, as true and false, or as texts. Which of these it is, and the
columns' names, become part of the plan and therefore public; no value does. What a type does not
tell (a category's values, a label's classes) is asked for, or found by sums with noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final

import numpy as np
import pandas as pd

from confide.errors import DataError, PlanError
from confide.plan.codec import nearest
from confide.tables import (
    Boolean,
    Category,
    Date,
    HoldOut,
    Label,
    Missing,
    Number,
    Schema,
    Survival,
    Target,
)
from confide.tables.columns import Column, Outcome
from confide.tables.forms import is_day, number_form
from confide.tables.values import booleans, numbers, words

__all__ = ["MOST_WORDS", "Answer", "ColumnType", "column_type", "draft_schema"]

MOST_WORDS: Final = 20
"""How many values of a text column are found at most; a public default."""

MOST_EVENTS: Final = 100.0
"""The most events that a row of a count has; a public default."""


class ColumnType(Enum):
    """How a column's cells are written."""

    NUMBERS = "numbers"
    DATES = "dates"
    BOOLEANS = "true and false"
    TEXTS = "texts"
    EMPTY = "no values"


class Answer(Enum):
    """What a kind of model predicts."""

    TWO_CLASSES = "two classes"
    CLASSES = "classes"
    NUMBER = "a number"
    COUNT = "a count"
    EITHER = "classes or a number"
    TIME = "a time until an event"
    NOTHING = "nothing"


def column_type(cells: pd.Series) -> ColumnType:
    """The type of a column: the frame's own, or how all of its cells are written."""
    kind = cells.dtype
    if cells.isna().all():
        return ColumnType.EMPTY
    if isinstance(kind, pd.CategoricalDtype):
        return ColumnType.TEXTS
    if pd.api.types.is_bool_dtype(kind):
        return ColumnType.BOOLEANS
    if pd.api.types.is_numeric_dtype(kind):
        return ColumnType.NUMBERS
    if pd.api.types.is_datetime64_any_dtype(kind):
        return ColumnType.DATES
    try:
        return _as_written(pd.Series(cells.unique()))
    except TypeError:  # not hashable
        raise DataError(
            f"column {cells.name!r} has lists or maps in its cells; give one value a cell"
        ) from None


def _as_written(cells: pd.Series) -> ColumnType:
    texts, missing = words(cells, "")
    if missing.all():
        return ColumnType.EMPTY
    for found, read in ((ColumnType.NUMBERS, numbers), (ColumnType.BOOLEANS, booleans)):
        try:
            read(cells, "")
        except DataError:
            continue
        return found
    return ColumnType.DATES if all(map(is_day, texts[~missing])) else ColumnType.TEXTS


def draft_schema(
    tables: Mapping[str, pd.DataFrame],
    *,
    label: str | None,
    answer: Answer,
    event: str | None = None,
    features: Sequence[str] | None = None,
    columns: Mapping[str, Any] | None = None,
    classes: Sequence[Any] | None = None,
    noise: bool = False,
    holdout: HoldOut | None = None,
) -> Schema:
    """A schema for the owners' tables.

    Args:
        tables: The owners' tables.
        label: The column to predict; None if nothing is.
        answer: What is predicted.
        event: Of times, the column that says whether the event came.
        features: The columns to predict from; all others that every owner has, if omitted.
        columns: What is known better: by name a `Number`, `Date`, `Boolean` or `Category`, and for
            the label a `Label` or `Target`.
        classes: The label's values, in order.
        noise: Whether the plan has noise, so that the values of text columns can be found.
        holdout: Which rows are held out.

    Raises:
        DataError, PlanError: If something must be asked; saying what to write.
    """
    declared = dict(columns or {})
    known = _outcomes(label, event, answer)
    names = _feature_names(tables, known, features)
    for name in declared:
        if name not in (*names, *known):
            raise PlanError(f"columns has {name!r}; {nearest(name, (*names, *known))}")
    types = {n: _types_of(tables, n) for n in (*names, *known) if n not in declared}
    asked = [n for n in names if n in types and types[n] is ColumnType.TEXTS and not noise]
    if asked:
        raise PlanError(_ask_for_values(asked))
    target: Outcome | None = None
    if event and event in declared:
        raise PlanError(f"columns has the event {event!r}; it is true or false: leave it out")
    if label is not None:
        given = declared.pop(label, None)
        target = given or _target(label, answer, classes, types.get(label), event)
    if classes is not None and not isinstance(target, Label):
        raise PlanError(
            f"classes of {label!r}, and the model predicts {answer.value}; leave them out"
        )
    return Schema(
        features={n: declared.get(n) or _column(types[n]) for n in names},
        label=label or "",
        target=target,
        holdout=holdout,
    )


def _outcomes(label: str | None, event: str | None, answer: Answer) -> list[str]:
    """The columns that are predicted.

    Raises:
        PlanError: If one is missing, or none belongs to the kind of model.
    """
    if answer is Answer.NOTHING:
        if label is not None or event is not None:
            raise PlanError(
                f"label {label or event!r}, and the model predicts nothing: leave it out, and name "
                "the columns to read by features=[…]"
            )
        return []
    if not isinstance(label, str):
        raise PlanError(f"the model predicts {answer.value}: name its column, as label='outcome'")
    if (answer is Answer.TIME) != (event is not None):
        raise PlanError(
            "times without an event: name the column that says whether it came, as event='died'"
            if event is None
            else f"event {event!r}, and the model predicts {answer.value}; leave it out"
        )
    return [label] if event is None else [label, event]


def _feature_names(
    tables: Mapping[str, pd.DataFrame], outcomes: list[str], features: Sequence[str] | None
) -> list[str]:
    if isinstance(features, str):
        raise PlanError(f"features is the text {features!r}; give a list of columns")
    first = next(iter(tables.values()), None)
    if first is None:
        raise DataError("data name no owner; give each owner's table")
    names = [*outcomes, *(features if features is not None else first.columns)]
    for owner, table in tables.items():
        for name in names:
            if name not in table.columns:
                mend = (
                    "It is predicted: rename or add it, or leave this owner out"
                    if name in outcomes
                    else "Name the columns that all owners have: features=[…]"
                )
                raise DataError(
                    f"owner {owner!r} has no column {name!r}; {_near(name, list(table.columns))}. "
                    f"{mend}"
                )
        if features is None and any(not name.strip() for name in table.columns):
            raise DataError(
                f"owner {owner!r} has a column without a name, row numbers perhaps: name it, leave "
                "it out of the file (pandas: index=False), or say features=[…]"
            )
    return [name for name in dict.fromkeys(names) if name not in outcomes]


def _near(name: str, known: list[str]) -> str:
    """The nearest known name, of long lists the first few."""
    return nearest(name, known) if len(known) <= 20 else nearest(name, known).split(", ")[0]


def _types_of(tables: Mapping[str, pd.DataFrame], name: str) -> ColumnType:
    """The one type that all owners' columns of a name have."""
    found = {owner: _type_at(owner, table[name]) for owner, table in tables.items()}
    known = {owner: kind for owner, kind in found.items() if kind is not ColumnType.EMPTY}
    kinds = set(known.values())
    if not kinds:
        raise DataError(
            f"column {name!r} has no values at any owner; leave it out: name the others, as "
            "features=[…]"
        )
    if len(kinds) > 1:
        held = ", ".join(f"{kind.value} at {owner!r}" for owner, kind in known.items())
        meant = "Boolean" if kinds == {ColumnType.NUMBERS, ColumnType.BOOLEANS} else "Number"
        raise DataError(
            f"column {name!r} has {held}: mend the files, or declare what it is, as "
            f"columns={{{name!r}: cf.{meant}()}}"
        )
    return kinds.pop()


def _type_at(owner: str, cells: pd.Series) -> ColumnType:
    """The type of an owner's column; numbers with something beside them are no texts."""
    try:
        kind = column_type(cells)
    except DataError as error:
        raise DataError(f"owner {owner!r}, {error}") from None
    if kind is ColumnType.TEXTS and not isinstance(cells.dtype, pd.CategoricalDtype):
        texts, missing = words(pd.Series(cells.unique()), "")
        if form := number_form(texts[~missing]):
            raise DataError(
                f"owner {owner!r}, column {cells.name!r} has numbers written with {form}: write "
                "them as 1234.5 in the file, or declare what it is, as "
                f"columns={{{cells.name!r}: cf.Category(values=(…))}}"
            )
    return kind


def _ask_for_values(names: list[str]) -> str:
    listed = ", ".join(f"{n!r}: cf.Category(values=(…))" for n in names[:5])
    others = f" (and {len(names) - 5} more)" if len(names) > 5 else ""
    return (
        f"column {names[0]!r}{f' and {len(names) - 1} others' if len(names) > 1 else ''} of texts: "
        f"write down the values that count, columns={{{listed}}}{others}, or leave the column out "
        "(an identifier, say) by features=[…]. To find values privately takes noise: "
        "privacy=cf.Epsilon(3.0)"
    )


def _column(kind: ColumnType) -> Column:
    if kind is ColumnType.TEXTS:
        return Category(most=MOST_WORDS, missing=Missing.INDICATOR)
    made: dict[ColumnType, Column] = {
        ColumnType.NUMBERS: Number(missing=Missing.INDICATOR),
        ColumnType.DATES: Date(missing=Missing.INDICATOR),
        ColumnType.BOOLEANS: Boolean(missing=Missing.INDICATOR),
    }
    return made[kind]


def _target(
    label: str,
    answer: Answer,
    classes: Sequence[Any] | None,
    kind: ColumnType | None,
    event: str | None,
) -> Outcome:
    if answer in (Answer.NUMBER, Answer.COUNT, Answer.TIME):
        if kind is not ColumnType.NUMBERS:
            raise DataError(
                f"label {label!r} has {kind.value if kind else 'no numbers'}, and the model "
                f"predicts {answer.value}: choose 'logistic' or 'softmax' for classes"
            )
        if answer is Answer.TIME:
            return Survival(event=event or "")
        return Target(bounds=(0, MOST_EVENTS), count=True) if answer is Answer.COUNT else Target()
    if classes is not None:
        if isinstance(classes, str):
            raise PlanError(f"classes is the text {classes!r}; give them as ('no', 'yes')")
        found = Label(classes=tuple(_class(c) for c in classes))
    elif kind is ColumnType.NUMBERS and answer in (Answer.TWO_CLASSES, Answer.EITHER):
        found = Label()
    elif kind is ColumnType.BOOLEANS:
        found = Label(classes=("false", "true"))
    else:
        raise PlanError(
            f"label {label!r} has {kind.value if kind else 'values'}: name its classes in order, "
            "of two the one to predict last, as classes=('no', 'yes')"
        )
    if answer is Answer.TWO_CLASSES and len(found.classes) != 2:
        raise PlanError(f"{len(found.classes)} classes of {label!r}; 'softmax' takes more than two")
    return found


def _class(value: Any) -> Any:
    """A class as a plain value: numpy's numbers print as themselves."""
    return value.item() if isinstance(value, np.generic) else value
