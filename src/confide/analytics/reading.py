"""What statistics read of a table: some of its columns, with bounds that are declared or found."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.computation import Data, State
from confide.errors import PlanError
from confide.numbers import check_whole
from confide.plan.codec import nearest
from confide.tables import Boolean, Category, Missing, Scale, Schema
from confide.tables.columns import FEATURE_KINDS, Column
from confide.tables.schema import CONSTANTS, present, same_length
from confide.tables.written import SchemaSettings, schema_settings

__all__ = [
    "TableSettings",
    "bounds_in",
    "check_digits",
    "check_name",
    "chosen",
    "columns_of",
    "digit_limits",
    "digits_of",
    "limits_of",
    "norm_of",
    "numbers_of",
    "of_digits",
    "read_columns",
    "scaled",
    "scaling",
    "statistics_table",
    "table_settings",
]

Reals = NDArray[np.float64]

TableSettings = SchemaSettings
table_settings = schema_settings

_BOOLEAN_BOUNDS: Final = (0.0, 1.0)


def statistics_table(columns: Mapping[str, Column]) -> Schema:
    """A table for statistics: nothing is predicted, numbers stay as they are, some may be missing.

    Args:
        columns: Each column's name and what it is. A number or date without bounds, and a category
            without values, is found by a stage before: `confide.tables.summaries`, `vocabularies`.

    Raises:
        PlanError: If something is no column.
    """
    if not isinstance(columns, Mapping):
        raise PlanError(
            f"columns are a {type(columns).__name__}; give a map from names to what they are, as "
            "{'age': cf.Number(bounds=(0, 120))}"
        )
    for name, column in columns.items():
        if not isinstance(column, FEATURE_KINDS):
            raise PlanError(
                f"column {name!r} is a {type(column).__name__}; it is a Number, Date, Boolean or "
                "Category"
            )
    return Schema(features={name: _bare(column) for name, column in columns.items()}, label="")


def _bare(column: Column) -> Column:
    if isinstance(column, Boolean | Category):
        return replace(column, missing=Missing.IMPUTE)
    return replace(column, missing=Missing.IMPUTE, scale=Scale.NONE)


def numbers_of(table: Schema) -> tuple[str, ...]:
    """The columns that have a mean: numbers, dates as days since 1970, booleans as 0 and 1."""
    return columns_of(table, *(kind for kind in FEATURE_KINDS if kind is not Category))


def columns_of(table: Schema, *kinds: type) -> tuple[str, ...]:
    """The columns of some kinds; all without any.

    Raises:
        PlanError: If it is no table.
    """
    if not isinstance(table, Schema):
        raise PlanError(
            f"a table of type {type(table).__name__}; make one by statistics_table({{…}})"
        )
    return tuple(n for n, c in table.features.items() if isinstance(c, kinds or FEATURE_KINDS))


def chosen(
    table: Schema, columns: Sequence[str] | None, known: Sequence[str], what: str
) -> tuple[str, ...]:
    """The columns that a statistic is of.

    Args:
        table: The table.
        columns: Their names; all that are known, if None.
        known: The columns that it can be of.
        what: What they must be, in words, for the message.

    Raises:
        PlanError: If one is none of them, stands twice, or there is none.
    """
    if isinstance(columns, str):
        raise PlanError(f"columns is the text {columns!r}; give a list of names")
    names = tuple(known if columns is None else columns)
    if not names:
        raise PlanError(f"no column of {what} in the table; declare one")
    for name in names:
        if name not in table.features:
            raise PlanError(f"no column {name!r}; {nearest(str(name), table.features)}")
        if name not in known:
            kind = type(table.features[name]).__name__
            raise PlanError(f"column {name!r} is a {kind}; it takes {what}")
    if len(set(names)) < len(names):
        raise PlanError(f"columns {', '.join(names)} name one twice; each stands once")
    return names


def check_name(name: object) -> str:
    """The name of a statistic, which its arrays in a state begin with.

    Raises:
        PlanError: If it is no short lower-case word.
    """
    text = str(name)
    if not isinstance(name, str) or not text.replace("-", "_").isidentifier() or len(text) > 40:
        raise PlanError(f"a statistic named {name!r}; a name is like 'moments' or 'by-ward'")
    return text


def read_columns(table: Schema, names: Sequence[str]) -> Callable[[Any], Data]:
    """What turns a party's cells into `values` and `missing`, shape `(rows, len(names))`."""

    def read(cells: Any) -> Data:
        columns = {name: table.cells_of(name, present(cells, name)) for name in names}
        same_length(columns)
        values = np.column_stack(list(columns.values()))
        missing = np.isnan(values)
        return {"values": np.where(missing, 0.0, values), "missing": missing}

    return read


def bounds_in(table: Schema, names: Sequence[str], state: State) -> Reals:
    """The lower and upper bounds of columns, declared or found, shape `(columns, 2)`.

    Raises:
        PlanError: If a column's bounds were to be found and the state has none.
    """
    return np.array([_bounds(table, name, state) for name in names], np.float64).reshape(-1, 2)


def _bounds(table: Schema, name: str, state: State) -> tuple[float, float]:
    if isinstance(table.features[name], Boolean):
        return _BOOLEAN_BOUNDS
    declared = table.declared_bounds(name)
    if declared is not None:
        return declared
    if CONSTANTS not in state:
        raise PlanError(
            f"column {name!r} has no bounds, and no stage has found any: declare them, as "
            f"{{{name!r}: cf.Number(bounds=(0, 100))}}, or run `summaries(table)` as the stage "
            "before"
        )
    lower, upper = state[CONSTANTS][table.found_numbers.index(name)][:2]
    return float(lower), float(upper)


@dataclass(frozen=True)
class Scaling:
    """How numbers become terms of a sum: (x − centre) ÷ scale, within ±`limits`.

    The scale is a power of two, so that where bounds are whole numbers, whole numbers become
    multiples of a power of two, which the lattice holds exactly.

    Attributes:
        centres: Shape `(columns,)`.
        scales: Shape `(columns,)`.
        limits: The most that a term can be, shape `(columns,)`; public, at most 1.
    """

    centres: Reals
    scales: Reals
    limits: Reals


def scaling(table: Schema, names: Sequence[str], state: State) -> Scaling:
    """The scaling of columns by their bounds."""
    bounds = bounds_in(table, names, state)
    half = (bounds[:, 1] - bounds[:, 0]) / 2
    scales = np.exp2(np.ceil(np.log2(half)))
    return Scaling(bounds.mean(axis=1), scales, half / scales)


def limits_of(table: Schema, names: Sequence[str]) -> Reals:
    """The most that a scaled term of each column can be: 1 where the bounds are found later."""
    declared = [table.declared_bounds(n) is not None or isinstance(table.features[n], Boolean)
                for n in names]  # fmt: skip
    known = [n for n, is_known in zip(names, declared, strict=True) if is_known]
    limits = np.ones(len(names))
    if known:
        limits[np.array(declared)] = scaling(table, known, {}).limits
    return limits


def scaled(data: Data, how: Scaling) -> Reals:
    """The terms of a party's rows, shape `(rows, columns)`; 0 where a value is missing."""
    terms = (data["values"] - how.centres) / how.scales
    return np.where(data["missing"], 0.0, np.clip(terms, -how.limits, how.limits))


def norm_of(*terms: float) -> float:
    """The largest L2 norm of a row whose terms are at most these."""
    return math.sqrt(math.fsum(term**2 for term in terms))


def check_digits(digits: object) -> int:
    """How many digits of six bits a number is summed in.

    Raises:
        PlanError: If it is out of range.
    """
    return check_whole("digits", digits, least=1, most=6, limit="from 1 to 6")


def digits_of(terms: Reals, digits: int) -> Reals:
    """Numbers within ±1 as digits of six bits, shape `(rows, digits · columns)`.

    A sum's lattice has steps of about 1/128 of a term, which it rounds an owner's total to. The
    first digits are multiples of 1/64, so the lattice holds their sums exactly, and what is rounded
    is the last digit alone: each digit more makes a sum 64 times as exact.
    """
    parts, rest = [], terms
    for _ in range(digits - 1):
        whole = np.rint(rest * _DIGIT) / _DIGIT
        parts.append(whole)
        rest = (rest - whole) * _DIGIT
    return np.hstack([*parts, rest])


def digit_limits(limits: Reals, digits: int) -> Reals:
    """The most that each digit of numbers within ±`limits` can be."""
    if digits == 1:
        return limits
    rounded = np.ceil(limits * _DIGIT) / _DIGIT
    return np.concatenate([rounded, *(np.full(len(limits), 0.5) for _ in range(digits - 1))])


def of_digits(sums: Reals, digits: int) -> Reals:
    """Sums of numbers from the sums of their digits, which the last axis has."""
    parts = sums.reshape(*sums.shape[:-1], digits, -1)
    return np.asarray((parts * _DIGIT ** -np.arange(digits)[:, np.newaxis]).sum(axis=-2))


_DIGIT: Final = 64.0
