"""Rows of many clients for simulations: the columns of all, and which rows each client has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from confide.errors import DataError, PlanError
from confide.plan.codec import nearest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ClientData", "columns_of"]

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class ClientData:
    """Columns, and the rows of each client.

    A client's rows are taken when it is asked for, so that many clients cost no more memory than
    the columns of all.

    Attributes:
        columns: By name, an array whose first axis is that of all rows.
        rows: By client, the numbers of its rows; a row may be at one client only.

    Raises:
        DataError: If a row is at two clients, or is none.

    Example:
        >>> rows = {"ash": np.array([0, 3]), "birch": np.array([4])}
        >>> data = ClientData({"x": np.arange(5)}, rows)
        >>> data.client_ids, data.client("ash")["x"].tolist()
        (('ash', 'birch'), [0, 3])
    """

    columns: Mapping[str, NDArray[Any]] = field(repr=False)
    rows: Mapping[str, Rows] = field(repr=False)

    def __post_init__(self) -> None:
        total = len(next(iter(self.columns.values()), ()))
        given = np.concatenate([np.zeros(0, np.intp), *self.rows.values()])
        if len(given) and not 0 <= given.min() <= given.max() < total:
            raise DataError(f"a client has row {given.max()} of {total}; rows are numbered from 0")
        if len(np.unique(given)) < len(given):
            raise DataError("one row is at two clients; each row is at one, or at none")

    @property
    def client_ids(self) -> tuple[str, ...]:
        """The clients' names."""
        return tuple(self.rows)

    @property
    def sizes(self) -> dict[str, int]:
        """How many rows each client has."""
        return {name: len(rows) for name, rows in self.rows.items()}

    def client(self, name: str) -> dict[str, NDArray[Any]]:
        """One client's columns.

        Raises:
            DataError: If there is no such client.
        """
        if name not in self.rows:
            raise DataError(f"no client {name!r}; {nearest(name, self.rows)}")
        return {column: values[self.rows[name]] for column, values in self.columns.items()}

    def data(self) -> dict[str, Callable[[], Mapping[str, NDArray[Any]]]]:
        """What `simulate` takes: by client, a function that gives its columns."""
        return {name: partial(self.client, name) for name in self.rows}

    def counts(self, label: str) -> NDArray[np.int64]:
        """How many rows of each class each client has, shape `(clients, classes)`.

        Args:
            label: The column of classes; they stand in the order of their values.

        Raises:
            DataError: If there is no such column.
        """
        if label not in self.columns:
            raise DataError(f"no column {label!r}; {nearest(label, self.columns)}")
        classes, number = np.unique(self.columns[label], return_inverse=True)
        return np.array(
            [np.bincount(number[rows], minlength=len(classes)) for rows in self.rows.values()]
        )

    def plot(self, label: str) -> Figure:
        """A picture of what each client has: its rows, a colour for each class.

        Args:
            label: The column of classes.

        Raises:
            PlanError: If matplotlib is not installed.
            DataError: If there is no such column.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise PlanError("pictures need matplotlib: pip install 'confide[demo]'") from None
        counts, left = self.counts(label), np.zeros(len(self.rows))
        figure = Figure(figsize=(7, max(2.5, min(0.25 * len(self.rows) + 1, 12))))
        axes = figure.add_subplot()
        for name, count in zip(np.unique(self.columns[label]), counts.T, strict=True):
            axes.barh(np.arange(len(self.rows)), count, left=left, label=str(name))
            left = left + count
        if len(self.rows) <= 40:
            axes.set_yticks(np.arange(len(self.rows)), self.client_ids)
        axes.invert_yaxis()
        axes.set(xlabel="rows", ylabel="client")
        axes.legend(title=label, loc="center left", bbox_to_anchor=(1, 0.5))
        figure.tight_layout()
        return figure


def columns_of(source: Any) -> dict[str, NDArray[Any]]:
    """Columns of a data frame or a map as arrays of one length.

    Raises:
        DataError: If there are none, or their lengths differ.
    """
    found = {str(name): np.asarray(source[name]) for name in source}
    lengths = {len(values) for values in found.values()}
    if len(lengths) != 1 or 0 in lengths:
        raise DataError(
            f"columns of {', '.join(map(str, sorted(lengths))) or 'no'} rows; they have one length"
        )
    return found
