"""From a table's columns to a model's inputs, by public constants."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from confide.errors import PlanError
from confide.plan.codec import nearest
from confide.tables.schema import complete, present
from confide.tables.values import numbers

if TYPE_CHECKING:
    from confide.computation import Columns, State

__all__ = ["Table"]

Reals = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Which columns are features and label, and how features are scaled.

    A feature x becomes (x - centre) / scale, cut to [-limit, limit]. The constants are part of the
    plan and therefore public: take them from documentation or common knowledge, never from the data
    (a mean of private data is a release).

    Attributes:
        features: Column names, in the order of the model's coefficients.
        label: The column to predict.
        scaling: (centre, scale) of each scaled feature; the others stay as they are.
        limit: Scaled features are cut to this magnitude, so that one odd row cannot dominate.
    """

    features: tuple[str, ...]
    label: str
    scaling: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    limit: float = 10.0

    def __post_init__(self) -> None:
        if not self.features:
            raise PlanError("a table without features; name at least one column")
        if len(set(self.features)) < len(self.features) or self.label in self.features:
            raise PlanError("a column stands twice among features and label; each stands once")
        for name, (centre, scale) in self.scaling.items():
            if name not in self.features:
                raise PlanError(
                    f"scaling of {name!r}, which is no feature; {nearest(name, self.features)}"
                )
            if not math.isfinite(centre):
                raise PlanError(f"centre {centre} of feature {name!r}; it is finite")
            if not 0 < scale < math.inf:
                raise PlanError(f"scale {scale} of feature {name!r}; it is positive and finite")
        if not 0 < self.limit < math.inf:
            raise PlanError(f"limit is {self.limit}; it is positive and finite")

    read: ClassVar[None] = None
    """Its columns are numbers already."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Features, then the label."""
        return (*self.features, self.label)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of a model's inputs."""
        return self.features

    def rows(self, cells: Any, *, label: bool = True) -> dict[str, Reals]:
        """Cells as numbers by column, each of shape `(rows,)`.

        Args:
            cells: A data frame, or a map from columns to cells of one length.
            label: Whether the label is read too; a table to predict for has none.

        Raises:
            DataError: If a column is missing, or has something else than numbers.
        """
        names = self.columns if label else self.features
        return complete({name: numbers(present(cells, name), name) for name in names})

    def inputs(self, data: Columns, state: State | None = None) -> Reals:
        """The scaled features, shape `(rows, features)`; all constants are the table's own."""
        raw = np.column_stack([np.asarray(data[f], np.float64) for f in self.features])
        pairs = [self.scaling.get(f, (0.0, 1.0)) for f in self.features]
        centre, scale = np.array(pairs).T
        scaled: Reals = np.clip((raw - centre) / scale, -self.limit, self.limit)
        return scaled

    def targets(self, data: Columns, state: State | None = None) -> Reals:
        """The label column, shape `(rows,)`."""
        return np.asarray(data[self.label], np.float64)
