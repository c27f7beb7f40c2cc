"""How the owner of rows turns them into what is encrypted, and scores into answers.

It is the public part of a model: columns, how they are scaled, which questions trees ask, the
label's classes. Weights and leaf values are no part of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from confide.computation import State
from confide.encrypted.circuits import Questions
from confide.errors import DataError
from confide.learning.algorithms.fed_trees import TreeSettings, binned, cells_of
from confide.learning.answers import Answers
from confide.learning.models.families import Bernoulli, Categorical, Family, Gaussian, Poisson
from confide.learning.predictors import of_schema
from confide.learning.settings import Inputs, read_table, table_settings
from confide.tables import Number, Scale, Schema
from confide.tables.schema import CONSTANT_PREFIX, MOST_DEVIATIONS

__all__ = ["Reading", "TableReading", "TreeReading", "limits_of", "read_reading"]

Reals = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Reading(ABC):
    """From raw rows to encrypted columns, and from scores to answers.

    Attributes:
        kind: Its name in a file.
        answers: Which table is read, with its constants, and how scores are read.
    """

    kind: ClassVar[str]

    answers: Answers

    @property
    @abstractmethod
    def columns(self) -> int:
        """How many columns are encrypted."""

    @abstractmethod
    def encode(self, rows: Any) -> Reals:
        """Raw rows as what is encrypted: numbers from -1 to 1, shape `(rows, columns)`.

        Args:
            rows: A data frame, a map from columns to cells, or an array of all columns in order.

        Raises:
            DataError: If a column is missing, cannot be read, or is beyond its declared bounds;
                naming the column, and never a cell.
        """

    @abstractmethod
    def as_value(self) -> dict[str, Any]:
        """What `read_reading` reads."""


@dataclass(frozen=True, kw_only=True)
class TableReading(Reading):
    """A table's inputs, each divided by its limit.

    Attributes:
        limits: The largest size of each input, (columns,).
        strict: Whether numbers beyond their declared bounds are refused. Models that were trained
            by a schema cut them, as they did in training.
    """

    kind: ClassVar[str] = "table"

    limits: Reals
    strict: bool = False

    @property
    def columns(self) -> int:
        """See `Reading`."""
        return len(self.limits)

    def encode(self, rows: Any) -> Reals:
        """See `Reading`."""
        table = self.answers.table
        read = table.rows(_named(rows, table), label=False)
        if self.strict and isinstance(table, Schema):
            _require_within(table, read)
        inputs: Reals = table.inputs(read, self.answers.state) / self.limits
        return inputs

    def as_value(self) -> dict[str, Any]:
        """See `Reading`."""
        return _common(self) | {"limits": self.limits.tolist(), "strict": self.strict}


@dataclass(frozen=True, kw_only=True)
class TreeReading(Reading):
    """The answers to trees' questions, 1 for yes and -1 for no.

    Attributes:
        how: How the trees' bins are made.
        questions: What the trees ask.
    """

    kind: ClassVar[str] = "trees"

    how: TreeSettings
    questions: Questions

    @property
    def columns(self) -> int:
        """See `Reading`."""
        return len(self.questions)

    def encode(self, rows: Any) -> Reals:
        """See `Reading`."""
        table = of_schema(self.answers.table)
        read = table.rows(rows, label=False)
        bins = binned(table, read, self.answers.state, self.how)
        answers = [yes[bins[:, place]] for place, yes in self.questions]
        return np.where(np.column_stack(answers), 1.0, -1.0)

    def as_value(self) -> dict[str, Any]:
        """See `Reading`."""
        return _common(self) | {
            "how": self.how.model_dump(mode="json"),
            "questions": [[place, np.flatnonzero(yes).tolist()] for place, yes in self.questions],
        }


def _named(rows: Any, table: Inputs) -> Any:
    """Rows of an array by the names of the table's columns, if there are as many."""
    if not isinstance(rows, np.ndarray):
        return rows
    numbers = rows.reshape(len(rows), -1)
    if numbers.shape[1] != len(table.features):
        raise DataError(
            f"rows of {numbers.shape[1]} columns; the model takes {len(table.features)}"
        )
    return dict(zip(table.features, numbers.T, strict=True))


def limits_of(table: Inputs, state: State) -> Reals:
    """The largest size that each of a table's inputs can have, (inputs,)."""
    if not isinstance(table, Schema):
        return np.full(len(table.names), table.limit)
    limits: list[float] = []
    for name, column in table.features.items():
        sizes = [1.0] * column.inputs
        if isinstance(column, Number) and column.scale is not Scale.RANGE:
            sizes[0] = _limit(table, name, column, state)
        elif len(sizes) and getattr(column, "scale", None) in _DEVIATIONS:
            sizes[0] = MOST_DEVIATIONS
        limits += sizes
    return np.array(limits)


def _limit(table: Schema, name: str, column: Number, state: State) -> float:
    if column.scale in _DEVIATIONS:
        return MOST_DEVIATIONS
    if column.scale is Scale.QUANTILE:
        return 1.0
    low, high = table.declared_bounds(name) or table.found_bounds(name, state)
    return max(abs(low), abs(high), 1e-9)


_DEVIATIONS: Final = (Scale.STANDARD, Scale.LOG1P)
_FAMILIES: Final[Mapping[str, type[Family]]] = {
    kind.name: kind for kind in (Bernoulli, Gaussian, Poisson)
}
_READINGS: Final = {kind.kind: kind for kind in (TableReading, TreeReading)}


def _require_within(table: Schema, rows: Mapping[str, NDArray[Any]]) -> None:
    """Refuses numbers beyond what was declared: a model scores no row that it does not know."""
    for place, name in enumerate(table.features):
        bounds = table.declared_bounds(name)
        values = rows["values"][:, place][~rows["missing"][:, place]]
        if bounds is None:
            continue
        beyond = int(np.count_nonzero((values < bounds[0]) | (values > bounds[1])))
        if beyond:
            raise DataError(
                f"column {name!r}: {beyond:,} of {len(values):,} rows are beyond the declared"
                f" bounds of {bounds[0]:g} to {bounds[1]:g}; mend these rows, or have the job"
                " planned with wider bounds"
            )


def _common(reading: Reading) -> dict[str, Any]:
    answers, family = reading.answers, reading.answers.family
    return {
        "kind": reading.kind,
        "table": table_settings(answers.table),
        "family": family.name,
        "classes": family.n_classes if isinstance(family, Categorical) else None,
        "constants": {
            name: {"type": array.dtype.name, "values": array.tolist()}
            for name, array in sorted(answers.state.items())
        },
    }


def read_reading(given: Mapping[str, Any]) -> Reading:
    """The reading that `as_value` wrote.

    Raises:
        ConfideError: If table or settings are refused.
        KeyError, TypeError, ValueError: If it is malformed.
    """
    kind, classes = _READINGS[given["kind"]], given["classes"]
    family = Categorical(n_classes=classes) if classes else _FAMILIES[given["family"]]()
    answers = Answers(read_table(given["table"]), family, _constants(given["constants"]))
    if kind is TableReading:
        limits = np.array(given["limits"], np.float64)
        if limits.shape != (len(answers.table.names),) or not (limits > 0).all():
            raise ValueError("limits that are not one for each input")
        return TableReading(answers=answers, limits=limits, strict=bool(given["strict"]))
    table, how = of_schema(answers.table), TreeSettings.read(given["how"], "trees")
    questions = _questions(given["questions"], len(table.features), cells_of(table, how))
    return TreeReading(answers=answers, how=how, questions=questions)


def _constants(given: Mapping[str, Any]) -> State:
    if not all(name.startswith(CONSTANT_PREFIX) for name in given):
        raise ValueError("an array that is no constant of a table")
    return {name: np.array(array["values"], array["type"]) for name, array in given.items()}


def _questions(given: Sequence[Any], columns: int, cells: int) -> Questions:
    found = []
    for place, bins in given:
        yes = np.zeros(cells, np.bool_)
        yes[np.array(bins, np.intp)] = True
        if not 0 <= place < columns:
            raise ValueError("a question about no column")
        found.append((int(place), yes))
    return found
