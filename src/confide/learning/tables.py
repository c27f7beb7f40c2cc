"""From a table's columns to a model's inputs, by public constants."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from confide.aggregation.numbers import real_numbers
from confide.errors import PlanError
from confide.numbers import check_real, shown
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

    A scaled feature x becomes (x - centre) / scale, cut to [-limit, limit]; the others stay as they
    are, however large, and gradients grow with them: scale what is far from 1. The constants are
    part of the plan and therefore public: take them from documentation or common knowledge, never
    from the data (a mean of private data is a release).

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
        names: object = self.features
        if isinstance(names, str) or not isinstance(names, Iterable):
            raise PlanError(
                "features takes the names of columns, as features=('age',) for a single one"
            )
        object.__setattr__(self, "features", tuple(self.features))
        if not isinstance(self.label, str):
            raise PlanError(f"label is {shown(self.label)}; give the name of a column")
        if not isinstance(self.scaling, Mapping):
            raise PlanError(
                f"scaling is {shown(self.scaling)}; give a mapping of features to (centre, "
                "scale), such as scaling={'age': (50, 15)}"
            )
        if not self.features:
            raise PlanError("a table without features; name at least one column")
        if len(set(self.features)) < len(self.features) or self.label in self.features:
            raise PlanError("a column occurs twice among features and label; name each once")
        for name, pair in self.scaling.items():
            if name not in self.features:
                raise PlanError(
                    f"scaling of {name!r}, which is not a feature; {nearest(name, self.features)}"
                )
            given: object = pair
            if not isinstance(given, list | tuple) or len(given) != 2:
                raise PlanError(f"scaling of {name!r} is not a pair; give (centre, scale)")
            check_real(f"centre of feature {name!r}", pair[0], above=-math.inf, below=math.inf,
                       limit="it is finite")  # fmt: skip
            check_real(f"scale of feature {name!r}", pair[1], above=0, below=math.inf,
                       limit="it is positive and finite")  # fmt: skip
        scaling = {name: tuple(map(float, pair)) for name, pair in self.scaling.items()}
        object.__setattr__(self, "scaling", scaling)
        limit = "it is positive and finite"
        cut = check_real("limit", self.limit, above=0, below=math.inf, limit=limit)
        object.__setattr__(self, "limit", cut)

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
            DataError: If a column is missing, or has values that are not numbers.
        """
        names = self.columns if label else self.features
        return complete({name: numbers(present(cells, name), name) for name in names})

    def inputs(self, data: Columns, state: State | None = None) -> Reals:
        """The features, shape `(rows, features)`: scaled ones cut to the limit, others as they are.

        All constants are the table's own.

        Raises:
            DataError: If a column has values that are not numbers.
        """
        raw = np.column_stack([real_numbers(data[f], f"column {f!r}") for f in self.features])
        pairs = [self.scaling.get(f, (0.0, 1.0)) for f in self.features]
        centre, scale = np.array(pairs).T
        limit = np.array([self.limit if f in self.scaling else np.inf for f in self.features])
        scaled: Reals = np.clip((raw - centre) / scale, -limit, limit)
        return scaled

    def targets(self, data: Columns, state: State | None = None) -> Reals:
        """The label column, shape `(rows,)`."""
        return real_numbers(data[self.label], f"column {self.label!r}")
