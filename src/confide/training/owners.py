"""The owners' tables: read from wherever they are, and told what of them does not count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import pandas as pd

from confide.errors import DataError
from confide.tables import Schema, TableCheck, check_table, read_table

__all__ = ["OwnerReport", "read_owners", "refuse_unfit"]


@dataclass(frozen=True)
class OwnerReport:
    """What an owner learns about its own rows, on its own machine; nothing of it leaves there.

    Attributes:
        check: Its table against the schema: values missing or beyond declared bounds, rows beyond
            the capacity.
        metrics: The model's metrics on its own rows.
    """

    check: TableCheck
    metrics: Mapping[str, float] = field(default_factory=dict)


def read_owners(data: object) -> dict[str, pd.DataFrame]:
    """The owners' tables.

    Args:
        data: By owner: a frame, a map from columns to cells, a path, or a database's URL.

    Raises:
        DataError: If one cannot be read; naming the owner, and never a cell.
    """
    if not isinstance(data, Mapping):
        raise DataError(
            f"data are a {type(data).__name__}; give a map from each owner's name to its table, as "
            "{'north': north_df, 'south': 'south.csv'}"
        )
    return {str(owner): _read(owner, source) for owner, source in data.items()}


def _read(owner: object, source: Any) -> pd.DataFrame:
    try:
        table = pd.DataFrame(dict(source)) if isinstance(source, Mapping) else _table(source)
    except DataError as error:
        raise DataError(f"owner {owner!r}: {error}") from None
    except ValueError:  # columns of different lengths; what pandas says may quote them
        raise DataError(f"owner {owner!r}: columns of different lengths; give a table") from None
    if not len(table):
        raise DataError(f"owner {owner!r} has no rows; leave it out, or give its table")
    if not all(isinstance(name, str) for name in table.columns):
        raise DataError(f"owner {owner!r}: columns without names; give each a text as its name")
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise DataError(f"owner {owner!r} has column {twice[0]!r} twice; rename one of them")
    return table


def _table(source: Any) -> pd.DataFrame:
    if hasattr(source, "shape") and not hasattr(source, "columns"):
        raise DataError(
            f"a {type(source).__name__}, whose columns have no names; give a data frame"
        )
    if not (hasattr(source, "columns") or isinstance(source, str | PathLike)):
        raise DataError(f"a {type(source).__name__}; give a data frame, a path or a database's URL")
    return read_table(source)


def refuse_unfit(
    tables: Mapping[str, pd.DataFrame], schema: Schema, capacity: int
) -> dict[str, OwnerReport]:
    """What each owner is told about its table; all that does not fit, of all owners, in one error.

    Raises:
        DataError: Naming owner and column, what was expected and what to write; never a cell.
    """
    checks = {
        owner: check_table(table, schema, capacity=capacity) for owner, table in tables.items()
    }
    problems: dict[str, list[tuple[str, str]]] = {}
    for owner, check in checks.items():
        for column in check.columns:
            if column.problem:
                problems.setdefault(column.name, []).append((owner, column.problem))
    if problems:
        more = f"; and {len(problems) - 5} more columns" if len(problems) > 5 else ""
        raise DataError("; ".join(_said(n, at) for n, at in list(problems.items())[:5]) + more)
    return {owner: OwnerReport(check) for owner, check in checks.items()}


def _said(column: str, at: list[tuple[str, str]]) -> str:
    """A column's problem at the first owner that has one, and who else has one."""
    owner, problem = at[0]
    name = f"column {column!r}"
    others = ", ".join(repr(other) for other, _ in at[1:4])
    also = f" (also at {others}{f' and {len(at) - 4} more' if len(at) > 4 else ''})"
    text = problem if name in problem else f"{name}: {problem}"
    return f"owner {owner!r}, {text}{also if others else ''}"
