"""Checks an owner's own file before anything runs, on its own machine.

Counts stay where the file is: how many values are missing or would be cut are facts about private
rows, so only the owner sees them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.errors import DataError
from confide.plan.codec import nearest_column
from confide.tables.columns import Category, Missing, Number
from confide.tables.schema import Schema

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ColumnCheck", "TableCheck", "check_table"]


@dataclass(frozen=True, kw_only=True)
class ColumnCheck:
    """One column of an owner's table.

    Attributes:
        name: The column.
        kind: What the schema says it is.
        problem: Why it does not fit; empty if it does.
        missing: How many values are missing.
        clipped: How many lie outside the declared bounds and would be cut to them.
        other: How many are none of the declared values of a category.
        hint: What its owner should know though it fits; empty for nothing.
    """

    name: str
    kind: str
    problem: str = ""
    missing: int = 0
    clipped: int = 0
    other: int = 0
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class TableCheck:
    """An owner's table against a schema.

    Attributes:
        rows: How many rows the table has.
        beyond_capacity: How many of them a party's capacity leaves out.
        columns: Each column of the schema.
        unused: Columns of the table that the schema does not read.
    """

    rows: int
    beyond_capacity: int
    columns: tuple[ColumnCheck, ...]
    unused: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether the table can be used."""
        return self.rows > 0 and not any(column.problem for column in self.columns)


def check_table(table: pd.DataFrame, schema: Schema, *, capacity: int | None = None) -> TableCheck:
    """Compares a table with a schema, column by column.

    Args:
        table: The owner's rows, as `read_table` gives them.
        schema: The schema.
        capacity: The most rows that a party counts; None for any number.

    Example:
        >>> import pandas as pd
        >>> from confide.tables import Boolean, Number
        >>> features = {"age": Number(bounds=(0, 120)), "smoker": Boolean()}
        >>> schema = Schema(features=features, label="ill")
        >>> rows = pd.DataFrame({"age": ["61", "130"], "smoker": ["yes", "no"], "ill": ["1", "0"]})
        >>> [(c.name, c.clipped) for c in check_table(rows, schema).columns]
        [('age', 1), ('smoker', 0), ('ill', 0)]
    """
    names = [str(name) for name in table]
    columns = tuple(_check(table, names, schema, name) for name in schema.columns)
    unused = tuple(name for name in names if name not in schema.columns)
    beyond = 0 if capacity is None else max(0, len(table) - capacity)
    return TableCheck(rows=len(table), beyond_capacity=beyond, columns=columns, unused=unused)


def _check(table: Any, names: list[str], schema: Schema, name: str) -> ColumnCheck:
    column = schema.kind_of(name)
    kind = type(column).__name__.lower()
    if name not in names:
        return ColumnCheck(
            name=name, kind=kind, problem=f"no such column; {nearest_column(name, names)}"
        )
    try:
        values = schema.cells_of(name, table[name])
    except DataError as error:
        return ColumnCheck(name=name, kind=kind, problem=str(error))
    missing = np.isnan(values)
    problem = ""
    if missing.any() and getattr(column, "missing", Missing.REFUSE) is Missing.REFUSE:
        mend = (
            "leave these rows out"
            if name == schema.label
            else "fill them in, or declare missing = 'impute' or 'indicator'"
        )
        problem = f"{int(missing.sum()):,} of {len(values):,} values are missing: {mend}"
    known = values[~missing]
    clipped = other = 0
    bounds = getattr(column, "number", column)
    if (limits := getattr(bounds, "bounds", None)) is not None:
        clipped = int(np.count_nonzero((known < limits[0]) | (known > limits[1])))
    if isinstance(column, Category) and column.values is not None:
        other = int(np.count_nonzero(known == column.size))
    hint = "" if problem or not _identifies(name, column, known) else _IDENTIFIER
    return ColumnCheck(
        name=name, kind=kind, problem=problem, missing=int(missing.sum()), clipped=clipped,
        other=other, hint=hint,
    )  # fmt: skip


_IDENTIFIER: Final = (
    "each row has another value, as if it were an identifier: a model learns nothing from one; "
    "leave the column out"
)
_FEW: Final = 20
"""Values that fewer rows have may all differ by chance."""

_NAMED: Final = re.compile(r"(^|[^a-z])(ids?|nr|no|num|number|key|code|uuid)$")


def _identifies(name: str, column: object, known: NDArray[np.float64]) -> bool:
    """Whether a column seems to identify rows and to say nothing else.

    Each is another one; and they are found words, or whole numbers that nearly follow each other
    or whose column is named so.
    """
    if len(known) < _FEW or len(np.unique(known)) < len(known):
        return False
    if isinstance(column, Category):
        return column.values is None
    if not isinstance(column, Number) or (known != np.floor(known)).any():
        return False
    named = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return bool(np.ptp(known) < 2 * len(known)) or _NAMED.search(named) is not None
