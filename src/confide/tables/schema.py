"""A table's schema: which columns are a model's inputs, which is its label, and how they are read.

The schema travels in the plan and with the model, so an owner's file, a party's contribution and a
prediction years later are read in the same way. It has three steps: `read` turns cells into numbers
(an owner's own rows, on its own machine), `inputs` turns numbers into a model's inputs by constants
that are declared or were found by sums (`confide.tables.found`), and `outputs` turns what a
model predicts into the label's own words and units.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.errors import DataError, PlanError
from confide.plan.codec import nearest_column
from confide.tables.columns import (
    BINARY,
    FEATURE_KINDS,
    Boolean,
    Category,
    Column,
    Date,
    Label,
    Missing,
    Number,
    Outcome,
    Scale,
    Survival,
    Target,
    of_names,
)
from confide.tables.holdout import HoldOut, Part

if TYPE_CHECKING:
    from confide.tables.values import Cells

__all__ = ["Schema", "word_code"]

Reals = NDArray[np.float64]
Numeric = Mapping[str, NDArray[Any]]

MOST_DEVIATIONS: Final = 10.0
"""A standardised number is cut here, so that one odd row cannot dominate."""


@dataclass(frozen=True, kw_only=True)
class Schema:
    """Features and label of a table.

    Attributes:
        features: Each feature's column and what it is, in the order of the model's inputs.
        label: The column to predict; empty if nothing is.
        target: What it is: classes, a number, or a time until an event. None without a label.
        holdout: Which rows a computation reads; all if None.

    Raises:
        PlanError: If there is no feature, or a column occurs twice.

    Example:
        >>> schema = Schema(
        ...     features={"age": Number(bounds=(0, 120), scale=Scale.RANGE),
        ...               "smoker": Boolean(), "ward": Category(values=("A", "B"))},
        ...     label="outcome", target=Label(classes=("well", "ill")))
        >>> schema.names
        ('age', 'smoker', 'ward=A', 'ward=B', 'ward=other')
        >>> rows = schema.read({"age": ["60"], "smoker": ["no"], "ward": ["B"], "outcome": ["ill"]})
        >>> schema.inputs(rows, {})
        array([[0., 0., 0., 1., 0.]])
        >>> rows["targets"]
        array([1.])
    """

    features: Mapping[str, Column]
    label: str = ""
    target: Outcome | None = BINARY
    holdout: HoldOut | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.features, Mapping):
            raise PlanError(
                f"features are a {type(self.features).__name__}; give a map from each column's "
                "name to what it is, as {'age': Number(bounds=(0, 120))}"
            )
        if not self.features:
            raise PlanError("a schema without features; name at least one column")
        if self.label in self.features:
            raise PlanError(f"column {self.label!r} is feature and label; it is one of them")
        if not self.label:
            object.__setattr__(self, "target", None)
        elif self.target is None:
            raise PlanError(f"label {self.label!r} without a target; say what it is, as Label()")
        if self.event and self.event in (self.label, *self.features):
            raise PlanError(f"column {self.event!r} is the event and another column; it is one")
        if self.holdout is not None:
            self.holdout.check(self.columns)
        for name, column in self.features.items():
            if not isinstance(column, FEATURE_KINDS):
                raise PlanError(
                    f"feature {name!r} is a {type(column).__name__}; it is a Number, Date, Boolean "
                    "or Category"
                )

    @property
    def columns(self) -> tuple[str, ...]:
        """The table's columns: features, then the label and the event if there are such."""
        return (*self.features, *(name for name in (self.label, self.event) if name))

    @property
    def event(self) -> str:
        """The column that says whether the event came; empty if no time is predicted."""
        return self.target.event if isinstance(self.target, Survival) else ""

    def of_part(self, part: Part) -> Schema:
        """The same table, of which a computation reads the rows of one part."""
        if self.holdout is None:
            return self
        return replace(self, holdout=replace(self.holdout, part=part))

    def kind_of(self, name: str) -> Column | Outcome | None:
        """What a column is."""
        if name == self.label:
            return self.target
        return BOOLEAN if name == self.event else self.features[name]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of a model's inputs, in order."""
        return of_names(self.features)

    @property
    def are_numbers(self) -> tuple[bool, ...]:
        """Which of a model's inputs are numbers; the others are yes or no, 1 or 0."""
        found: list[bool] = []
        for column in self.features.values():
            number = isinstance(column, Number | Date)
            extra = 1 if number and column.missing is Missing.INDICATOR else 0
            found += [True] + [False] * extra if number else [False] * column.inputs
        return tuple(found)

    @cached_property  # asked for by each column of each chunk of rows
    def found_numbers(self) -> tuple[str, ...]:
        """The columns whose constants are found by sums."""
        found = [name for name, column in self.features.items() if _needs_constants(column)]
        scaled = isinstance(self.target, Target) and not self.target.count
        if scaled or (isinstance(self.target, Survival) and self.target.bounds is None):
            found.append(self.label)
        return tuple(found)

    @property
    def found_categories(self) -> tuple[str, ...]:
        """The columns whose vocabulary is found by sums."""
        return tuple(
            name for name, column in self.features.items()
            if isinstance(column, Category) and column.values is None
        )  # fmt: skip

    def read(self, cells: Any, *, label: bool = True) -> dict[str, NDArray[Any]]:
        """What a computation reads of a party's cells: `rows`, without those of the other part.

        Rows to predict for, without a label, are of no part, and all are read.

        Raises:
            DataError: As `rows`.
        """
        found = self.rows(cells, label=label)
        if self.holdout is None or not label:
            return found
        kept = self.holdout.counted(self.columns, found)
        return {name: values[kept] for name, values in found.items()}

    def rows(self, cells: Any, *, label: bool = True) -> dict[str, NDArray[Any]]:
        """Cells to numbers.

        Args:
            cells: A data frame, or a map from columns to cells of one length.
            label: Whether the label is read too; a table to predict for has none.

        Returns:
            `values` of shape `(rows, features)`, 0 where one is missing; `missing`, the same shape;
            and with `label`, if there is one, also `targets` of shape `(rows,)`, and `events` (1
            or 0) if they are times.

        Raises:
            DataError: If a column is missing, cannot be read, or has a missing value that the
                schema refuses; naming column and row, and never a cell.
        """
        read = {name: self._complete(cells, name) for name in self.features}
        predicted = {"targets": self.label, "events": self.event} if label else {}
        extra = {key: self._complete(cells, name) for key, name in predicted.items() if name}
        same_length({**read, **{predicted[key]: values for key, values in extra.items()}})
        values = np.column_stack(list(read.values()))
        missing = np.isnan(values)
        return {"values": np.where(missing, 0.0, values), "missing": missing, **extra}

    def inputs(self, rows: Numeric, state: Numeric) -> Reals:
        """Numbers to a model's inputs, shape `(rows, len(names))`.

        Args:
            rows: What `read` gives.
            state: The constants that were found, as a run's state has them; further arrays are
                left alone.

        Raises:
            PlanError: If a constant was not found.
        """
        made: list[Reals] = []
        for place, (name, column) in enumerate(self.features.items()):
            value, missing = rows["values"][:, place], rows["missing"][:, place]
            if isinstance(column, Category):
                made += _one_hot(column, value, missing, self._vocabulary(name, column, state))
                continue
            made.append(self._input(name, rows, state))
            if column.missing is Missing.INDICATOR:
                made.append(missing.astype(np.float64))
        return np.column_stack(made)

    def targets(self, rows: Numeric, state: Numeric) -> Reals:
        """The label as a model is trained on it, shape `(rows,)`: scaled if it is a number."""
        targets: Reals = rows["targets"]
        if isinstance(self.target, Survival):
            return self._cut(self.label, targets, state)
        if not isinstance(self.target, Target):
            return targets
        if self.target.count:
            return np.clip(targets, *(self.target.bounds or (0.0, np.inf)))
        centre, deviation = self._constants(self.label, state)[2:]
        return (self._cut(self.label, targets, state) - centre) / deviation

    def outputs(self, predicted: Reals, state: Numeric) -> Reals:
        """A regression's prediction in the label's own units, shape `(rows,)`."""
        if not isinstance(self.target, Target) or self.target.count:
            return predicted
        centre, deviation = self._constants(self.label, state)[2:]
        return predicted * deviation + centre

    def numbers_of(self, name: str, rows: Numeric) -> tuple[Reals, NDArray[np.bool_]]:
        """A column's numbers on the scale that its constants are of, and which are missing."""
        if name == self.label:
            targets: Reals = rows["targets"]
            return targets, np.zeros(len(targets), np.bool_)
        place = list(self.features).index(name)
        value, missing = rows["values"][:, place], rows["missing"][:, place]
        return (_log1p(value) if _logarithmic(self.features[name]) else value), missing

    def quantile_of(self, name: str, rows: Numeric, state: Numeric) -> Reals:
        """The share of all rows below a column's value, from -1 to 1; 0 where one is missing."""
        return self._input(name, rows, state)

    def places_of(self, name: str, values: Reals, state: Numeric) -> NDArray[np.intp]:
        """A category's values as places in its vocabulary; its size for another value."""
        column = self.features[name]
        assert isinstance(column, Category)  # noqa: S101 - anyone who asks knows
        hits = values[:, np.newaxis] == self._vocabulary(name, column, state)
        return np.where(hits.any(axis=1), hits.argmax(axis=1), column.size)

    def declared_bounds(self, name: str) -> tuple[float, float] | None:
        """The bounds that the schema declares for a column, on the scale of its constants."""
        if name == self.label:
            return self.target.bounds if isinstance(self.target, Target | Survival) else None
        column = self.features[name]
        if isinstance(column, Date):
            column = column.number
        if not isinstance(column, Number) or column.bounds is None:
            return None
        lower, upper = _log1p(np.array(column.bounds)) if _logarithmic(column) else column.bounds
        return float(lower), float(upper)

    def found_bounds(self, name: str, state: Numeric) -> tuple[float, float]:
        """The bounds that sums found for a column, on the scale of its constants.

        Raises:
            PlanError: If they were not found.
        """
        return self._constants(name, state)[:2]

    def cells_of(self, name: str, cells: Cells) -> Reals:
        """One column's cells as numbers, shape `(rows,)`, NaN where one is missing.

        Raises:
            DataError: If a cell cannot be read, or is not one of the label's classes.
        """
        if name == self.label:
            return self._label_cells(cells)
        column = BOOLEAN if name == self.event else self.features[name]
        from confide.tables.values import booleans, dates, numbers  # They need pandas.

        if isinstance(column, Category):
            return _codes(cells, name, column)
        read = {Number: numbers, Date: dates, Boolean: booleans}[type(column)]
        return read(cells, name)

    def _label_cells(self, cells: Cells) -> Reals:
        from confide.tables.values import booleans, codes, numbers

        if isinstance(self.target, Target):
            return _counts(cells, self.label) if self.target.count else numbers(cells, self.label)
        if not isinstance(self.target, Label):
            return _times(cells, self.label)
        if self.target.classes == ("false", "true"):
            return booleans(cells, self.label)
        found = codes(cells, self.label, self.target.classes)
        unknown = found == len(self.target.classes)
        if unknown.any():
            raise DataError(
                f"column {self.label!r} has in row {int(np.argmax(unknown))} (from 0) none of "
                f"the classes {', '.join(self.target.classes[:5])}: name all classes in order, of "
                "two the one to predict last, as classes=('no', 'yes'); upper and lower case count"
            )
        return found

    def _complete(self, cells: Any, name: str) -> Reals:
        """A column's numbers, if none is missing that the schema refuses to miss."""
        found = self.cells_of(name, present(cells, name))
        if name not in self.features or self.features[name].missing is Missing.REFUSE:
            check_present(found, name)
        return found

    def _input(self, name: str, rows: Numeric, state: Numeric) -> Reals:
        column = self.features[name]
        value, missing = self.numbers_of(name, rows)
        if not isinstance(column, Number | Date):  # yes or no: categories are dealt with before
            return np.where(missing, 0.5, value)
        kept = self._cut(name, value, state)
        match column.scale:
            case Scale.NONE:
                scaled = kept
            case Scale.RANGE:
                lower, upper = self.declared_bounds(name) or (0.0, 1.0)
                scaled = 2 * (kept - lower) / (upper - lower) - 1
            case Scale.QUANTILE:
                levels = np.linspace(-1, 1, state[QUANTILES].shape[1])
                scaled = np.interp(kept, state[QUANTILES][self.found_numbers.index(name)], levels)
            case _:
                centre, deviation = self._constants(name, state)[2:]
                scaled = np.clip((kept - centre) / deviation, -MOST_DEVIATIONS, MOST_DEVIATIONS)
        return np.where(missing, 0.0, scaled)

    def _cut(self, name: str, value: Reals, state: Numeric) -> Reals:
        bounds = self.declared_bounds(name)
        if bounds is None and name in self.found_numbers:
            bounds = self.found_bounds(name, state)
        return value if bounds is None else np.clip(value, *bounds)

    def _constants(self, name: str, state: Numeric) -> tuple[float, float, float, float]:
        """Lower bound, upper bound, mean and standard deviation of a column."""
        if CONSTANTS not in state:
            raise PlanError(
                f"the constants of column {name!r} should come from sums, but the state has "
                "none: run `summaries(schema)` as the stage before"
            )
        lower, upper, mean, deviation = state[CONSTANTS][self.found_numbers.index(name)]
        return float(lower), float(upper), float(mean), float(deviation)

    def _vocabulary(self, name: str, column: Category, state: Numeric) -> Reals:
        """The codes of a column's values, in order; NaN where fewer were found."""
        if column.values is not None:
            return np.arange(float(column.size))
        if vocabulary_name(name) not in state:
            raise PlanError(
                f"the values of column {name!r} should come from sums, but the state has none: "
                "run `vocabularies(schema)` as the stage before"
            )
        found = words_of(state[vocabulary_name(name)])
        return np.array([word_code(word) if word else np.nan for word in found])


CONSTANT_PREFIX: Final = "schema "
"""The prefix of a state's arrays that belong to a schema."""

CONSTANTS: Final = "schema constants"
"""In a state: lower bound, upper bound, mean and deviation of each found number, shape `(k, 4)`."""

QUANTILES: Final = "schema quantiles"
"""In a state: equally spaced quantiles of each found number, shape `(k, levels)`."""


ROWS: Final = "schema rows"
"""In a state: how many rows all parties have together, as found with the constants."""


def vocabulary_name(column: str) -> str:
    """Where a state has the values found for a column: UTF-8 bytes, shape `(most, 64)`."""
    return f"schema values of {column}"


def words_of(table: NDArray[Any]) -> list[str]:
    """The words of an array of UTF-8 bytes, one a row; an empty row is not a word."""
    rows = (bytes(row.astype(np.uint8)).rstrip(b"\0") for row in table)
    return [row.decode(errors="replace") for row in rows]


def word_code(word: str) -> float:
    """A number that stands for a word: 52 bits of its SHA-256, which a float holds exactly."""
    return float(int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big") >> 12)


def _counts(cells: Cells, name: str) -> Reals:
    from confide.tables.values import numbers

    found = numbers(cells, name)
    if (found < 0).any():
        raise DataError(
            f"column {name!r} has in row {int(np.argmax(found < 0))} (from 0) a count below 0: "
            "'linear' predicts numbers that may be"
        )
    return found


def _logarithmic(column: Column) -> bool:
    """Whether a column's constants are those of its logarithms."""
    return isinstance(column, Number | Date) and column.scale is Scale.LOG1P


def _needs_constants(column: Column) -> bool:
    if isinstance(column, Date):
        column = column.number
    if not isinstance(column, Number):
        return False
    by_scale = column.scale in (Scale.STANDARD, Scale.LOG1P, Scale.QUANTILE)
    return by_scale or column.bounds is None


def _one_hot(
    column: Category, value: Reals, missing: NDArray[np.bool_], vocabulary: Reals
) -> list[Reals]:
    hits = [(value == code) & ~missing for code in vocabulary]
    other = ~np.any(hits, axis=0)
    if column.missing is Missing.INDICATOR:
        other &= ~missing
        hits += [other, missing]
    else:
        hits.append(other)
    return [hit.astype(np.float64) for hit in hits]


def _codes(cells: Cells, name: str, column: Category) -> Reals:
    """A category's cells as places in its vocabulary, or as codes of words where it is found."""
    from confide.tables.values import codes, words

    if column.values is not None:
        return codes(cells, name, column.values)
    texts, missing = words(cells, name)
    return np.where(missing, np.nan, [word_code(text) for text in texts])


def _times(cells: Cells, name: str) -> Reals:
    from confide.tables.values import numbers

    found = numbers(cells, name)
    if (found < 0).any():
        raise DataError(
            f"column {name!r} has in row {int(np.argmax(found < 0))} (from 0) a time below 0: "
            "times count from each row's own start"
        )
    return found


BOOLEAN: Final = Boolean()
"""What a column of events is."""


def _log1p(values: Reals) -> Reals:
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))


def complete(columns: Mapping[str, Reals]) -> dict[str, Reals]:
    """Columns of numbers, if all have one length and no value is missing.

    Raises:
        DataError: Naming the column.
    """
    same_length(columns)
    for name, values in columns.items():
        check_present(values, name)
    return dict(columns)


def same_length(columns: Mapping[str, Reals]) -> None:
    """Refuses columns of different lengths."""
    if len({len(column) for column in columns.values()}) > 1:
        raise DataError(
            "columns of different lengths: "
            + ", ".join(f"{name} {len(column):,}" for name, column in columns.items())
        )


def present(cells: Mapping[str, Cells], name: str) -> Cells:
    """A column's cells.

    Raises:
        DataError: If there is no such column.
    """
    names = [str(column) for column in cells]
    if name not in names:
        raise DataError(f"no column {name!r}; {nearest_column(name, names)}")
    return cells[name]


def check_present(values: Reals, name: str) -> None:
    absent = np.isnan(values)
    if absent.any():
        raise DataError(
            f"column {name!r} has no value in row {int(np.argmax(absent))} (from 0): fill it in, "
            "or declare what a missing value means (missing = 'impute' or 'indicator')"
        )
