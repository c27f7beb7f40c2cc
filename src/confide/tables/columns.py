"""What a column of a table is, and what a model makes of it.

A schema is part of the plan and therefore public. So a declaration never comes from the data in
silence: bounds and vocabularies are written down from common knowledge, or they are found by a
stage of bounded sums that is charged like everything else (`confide.tables.found`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Final

from confide.errors import PlanError

__all__ = [
    "Boolean",
    "Category",
    "Column",
    "Date",
    "Label",
    "Missing",
    "Number",
    "Scale",
    "Survival",
    "Target",
]

MOST_CATEGORIES: Final = 10_000
MOST_BYTES: Final = 64
"""Of a category's name in UTF-8, so that vocabularies can be found in sums of fixed size."""

_EPOCH: Final = date(1970, 1, 1)
_LARGEST: Final = 1e15


class Missing(Enum):
    """What a missing value means."""

    REFUSE = "refuse"
    """The owner is told the column and the row, and nothing runs."""
    IMPUTE = "impute"
    """The mean, after scaling; for a category, the value "other"."""
    INDICATOR = "indicator"
    """As imputed, and one more input says that it was missing."""


class Scale(Enum):
    """How a number becomes a model's input."""

    STANDARD = "standard"
    """(x - mean) / standard deviation, both found by sums; cut to ±10."""
    QUANTILE = "quantile"
    """The share of all rows below x, found by sums, from -1 to 1."""
    LOG1P = "log1p"
    """sign(x)·log(1 + |x|), then as STANDARD."""
    RANGE = "range"
    """From -1 at the lower declared bound to 1 at the upper one; nothing is found."""
    NONE = "none"
    """x itself, within its bounds."""


@dataclass(frozen=True, kw_only=True)
class Number:
    """A column of numbers.

    Attributes:
        bounds: The smallest and largest value that counts; others are cut to them. None to find
            them by sums, so that about one value in a thousand is cut at each end.
        scale: How it becomes a model's input.
        missing: What a missing value means.
    """

    bounds: tuple[float, float] | None = None
    scale: Scale = Scale.STANDARD
    missing: Missing = Missing.REFUSE

    def __post_init__(self) -> None:
        _check_bounds(self.bounds)
        if self.scale is Scale.RANGE and self.bounds is None:
            raise PlanError(
                "a number scaled by its range has no bounds; declare them, or use the scale "
                "'standard', which finds its constants by sums"
            )

    @property
    def inputs(self) -> int:
        """How many inputs of a model it makes."""
        return 1 + (self.missing is Missing.INDICATOR)


@dataclass(frozen=True, kw_only=True)
class Date:
    """A column of dates, which become days since 1970.

    Attributes:
        bounds: The first and the last date that count, as "2026-01-31"; None to find them by sums.
        scale: As of a number.
        missing: What a missing value means.
    """

    bounds: tuple[str, str] | None = None
    scale: Scale = Scale.STANDARD
    missing: Missing = Missing.REFUSE

    def __post_init__(self) -> None:
        _ = self.number

    @property
    def number(self) -> Number:
        """The column as numbers of days."""
        bounds = None
        if self.bounds is not None:
            try:
                first, last = ((date.fromisoformat(d) - _EPOCH).days for d in self.bounds)
            except (TypeError, ValueError):
                raise PlanError(
                    f"bounds {list(self.bounds)!r} of a date; write two dates like '2026-01-31'"
                ) from None
            bounds = (float(first), float(last))
        return Number(bounds=bounds, scale=self.scale, missing=self.missing)

    @property
    def inputs(self) -> int:
        """How many inputs of a model it makes."""
        return self.number.inputs


@dataclass(frozen=True, kw_only=True)
class Boolean:
    """A column of yes and no, which become 1 and 0.

    Attributes:
        missing: What a missing value means; imputed, it is ½.
    """

    missing: Missing = Missing.REFUSE

    @property
    def inputs(self) -> int:
        """How many inputs of a model it makes."""
        return 1 + (self.missing is Missing.INDICATOR)


@dataclass(frozen=True, kw_only=True)
class Category:
    """A column of one of several values, which become one input each, and one for others.

    Attributes:
        values: The vocabulary, as texts of at most 64 bytes in UTF-8; None to find it by sums.
        most: How many values are found at most; only without `values`.
        missing: What a missing value means. Imputed, it counts as another value.
    """

    values: tuple[str, ...] | None = None
    most: int | None = None
    missing: Missing = Missing.REFUSE

    def __post_init__(self) -> None:
        if self.values is not None:
            object.__setattr__(self, "values", checked_words(self.values, "values of a category"))
            if self.most is not None:
                raise PlanError("a category with values and most; most is for values to be found")
        elif not isinstance(self.most, int) or not 1 <= self.most <= MOST_CATEGORIES:
            raise PlanError(
                f"a category without values and with most {self.most}; declare its values, or say "
                f"how many are to be found at most, from 1 to {MOST_CATEGORIES:,}"
            )

    @property
    def size(self) -> int:
        """How many values have an input of their own."""
        return len(self.values) if self.values is not None else int(self.most or 0)

    @property
    def inputs(self) -> int:
        """How many inputs of a model it makes: one a value, one for others."""
        return self.size + 1 + (self.missing is Missing.INDICATOR)


Column = Number | Date | Boolean | Category
"""What a feature may be."""

FEATURE_KINDS: Final = (Number, Date, Boolean, Category)


@dataclass(frozen=True, kw_only=True)
class Label:
    """What a classifier predicts.

    Attributes:
        classes: The values, as texts or numbers, in the order of the model's outputs. Of two, the
            second is the one whose probability is predicted.
    """

    classes: tuple[str, ...] = ("0", "1")

    def __post_init__(self) -> None:
        words = tuple(_written(c) for c in self.classes)
        object.__setattr__(self, "classes", checked_words(words, "classes of a label"))
        if len(self.classes) < 2:
            raise PlanError(f"a label of {len(self.classes)} class; name at least two")


@dataclass(frozen=True, kw_only=True)
class Target:
    """A number to predict.

    Attributes:
        bounds: The smallest and largest value that counts; others are cut to them. None to find
            them by sums.
        count: Whether it counts events, for Poisson regression: it is not scaled then.
    """

    bounds: tuple[float, float] | None = None
    count: bool = False

    def __post_init__(self) -> None:
        _check_bounds(self.bounds)
        if self.count and (self.bounds is None or self.bounds[0] < 0):
            raise PlanError(
                f"a count with bounds {self.bounds}; declare the most events that a row counts, "
                "as (0, 20)"
            )


@dataclass(frozen=True, kw_only=True)
class Survival:
    """A time until an event, or until a row was last seen without it.

    Attributes:
        event: The column that says whether the event came: true, or false for a censored time.
        bounds: The shortest and longest time that counts; others are cut to them. None to find
            them, and a grid of times, by sums.
    """

    event: str
    bounds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not self.event:
            raise PlanError(
                f"event is {self.event!r}; name the column that says whether the event came"
            )
        _check_bounds(self.bounds)
        if self.bounds is not None and self.bounds[0] < 0:
            raise PlanError(f"times from {self.bounds[0]:g}; a time until an event is at least 0")


Outcome = Label | Target | Survival
"""What may be predicted."""


def checked_words(words: object, what: str) -> tuple[str, ...]:
    """A vocabulary, if each word is a short text and stands once."""
    if not isinstance(words, tuple | list) or not all(isinstance(word, str) for word in words):
        raise PlanError(f"{what} are {words!r}; give a list of texts")
    if not 1 <= len(words) <= MOST_CATEGORIES:
        raise PlanError(f"{len(words):,} {what}; from 1 to {MOST_CATEGORIES:,}")
    for word in words:
        if not 0 < len(word.encode()) <= MOST_BYTES or word != word.strip():
            raise PlanError(
                f"{what} have {word!r}; texts have 1 to {MOST_BYTES} bytes and no blank at an end"
            )
    if len(set(words)) < len(words):
        raise PlanError(f"{what} name a value twice; each stands once")
    return tuple(words)


def _written(value: object) -> str:
    """A class as the text that a file has for it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else str(value)


def _check_bounds(bounds: tuple[float, float] | None) -> None:
    if bounds is None:
        return
    try:
        lower, upper = map(float, bounds)
    except (TypeError, ValueError):
        raise PlanError(f"bounds are {bounds!r}; give two numbers, as (0, 120)") from None
    if not -_LARGEST <= lower < upper <= _LARGEST or math.isnan(lower + upper):
        raise PlanError(
            f"bounds are ({lower:g}, {upper:g}); the first is below the second, and both are at "
            f"most {_LARGEST:g} in magnitude"
        )


def of_names(columns: Mapping[str, Column]) -> tuple[str, ...]:
    """The inputs' names of all columns, in order."""
    names: list[str] = []
    for name, column in columns.items():
        if isinstance(column, Category):
            known = column.values or tuple(f"#{i + 1}" for i in range(column.size))
            names += [f"{name}={value}" for value in (*known, "other")]
        else:
            names.append(name)
        if column.missing is Missing.INDICATOR:
            names.append(f"{name} missing")
    return tuple(names)


BINARY: Final = Label()
"""A label of 0 and 1."""
