"""Predictors made from the state that a training stage leaves.

A stage's task says how: a generalised linear model by its parameters, or boosted trees. Each kind
is listed once in `PREDICTORS`, by the key of the task's settings that describes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from confide.computation import State
from confide.errors import DataError, PlanError
from confide.learning.algorithms.fed_trees import (
    TreeSettings,
    binned,
    cells_of,
    family_of,
    forest_of,
)
from confide.learning.models import GeneralisedLinearModel
from confide.learning.models.families import Family
from confide.learning.settings import Inputs, ModelSettings, model_settings
from confide.tables import Schema

__all__ = ["PREDICTORS", "LinearPredictor", "Predictor", "TreePredictor"]

Reals = NDArray[np.float64]


class Predictor(Protocol):
    """How a model predicts from a table's rows and what a run left in its state.

    Attributes:
        key: The key of its settings in a task.
        arrays: The names of the state's arrays that it reads.
    """

    key: ClassVar[str]
    arrays: ClassVar[tuple[str, ...]]

    @property
    def family(self) -> Family:
        """The distribution of the label given its mean."""

    @property
    def word(self) -> str:
        """Its name for readers."""

    @classmethod
    def read(cls, settings: Any, table: Inputs) -> Self:
        """Reads it from its settings in a task.

        Raises:
            PlanError: If they are not its settings.
        """

    def settings(self) -> dict[str, Any]:
        """What `read` takes."""

    def scores(self, table: Inputs, rows: Mapping[str, NDArray[Any]], state: State) -> Reals:
        """The linear predictors η of rows as the table reads them, shape `(rows, n_outputs)`."""

    def check(self, table: Inputs, state: State) -> None:
        """Refuses arrays that do not fit.

        Raises:
            DataError: Saying which one.
        """


_WORDS: Final = {
    "bernoulli": "logistic regression",
    "categorical": "softmax regression",
    "gaussian": "linear regression",
    "poisson": "Poisson regression",
}


@dataclass(frozen=True)
class LinearPredictor:
    """A generalised linear model; the state has its `parameters`."""

    model: GeneralisedLinearModel

    key: ClassVar[str] = "model"
    arrays: ClassVar[tuple[str, ...]] = ("parameters",)

    @property
    def family(self) -> Family:
        """See `Predictor.family`."""
        return self.model.family

    @property
    def word(self) -> str:
        """See `Predictor.word`."""
        return _WORDS[self.family.name]

    @classmethod
    def read(cls, settings: Any, table: Inputs) -> Self:
        """See `Predictor.read`."""
        return cls(ModelSettings.read(settings, "task model").model(len(table.names)))

    def settings(self) -> dict[str, Any]:
        """See `Predictor.settings`."""
        return model_settings(self.model)

    def scores(self, table: Inputs, rows: Mapping[str, NDArray[Any]], state: State) -> Reals:
        """See `Predictor.scores`."""
        x = table.inputs(rows, state)
        return self.model.linear_predictor(state["parameters"], x)

    def check(self, table: Inputs, state: State) -> None:
        """See `Predictor.check`."""
        self.model.unflatten(state["parameters"])


@dataclass(frozen=True)
class TreePredictor:
    """Boosted trees; the state has their columns, sets of bins and values."""

    how: TreeSettings
    table: Schema

    key: ClassVar[str] = "trees"
    arrays: ClassVar[tuple[str, ...]] = ("column", "left", "value", "trees")

    @property
    def family(self) -> Family:
        """See `Predictor.family`."""
        return family_of(self.table)

    @property
    def word(self) -> str:
        """See `Predictor.word`."""
        return "boosted trees"

    @classmethod
    def read(cls, settings: Any, table: Inputs) -> Self:
        """See `Predictor.read`."""
        if not isinstance(table, Schema):
            raise PlanError("trees over public scaling constants; they take a schema")
        return cls(TreeSettings.read(settings, "task trees"), table)

    def settings(self) -> dict[str, Any]:
        """See `Predictor.settings`."""
        return self.how.model_dump(mode="json")

    def scores(self, table: Inputs, rows: Mapping[str, NDArray[Any]], state: State) -> Reals:
        """See `Predictor.scores`."""
        bins = binned(self.table, rows, state, self.how)
        return forest_of(state).scores(bins, int(state["trees"]))

    def check(self, table: Inputs, state: State) -> None:
        """See `Predictor.check`."""
        forest = forest_of(state)
        trees, nodes = self.how.trees, 2**self.how.depth - 1
        outputs, columns = self.family.n_outputs, len(self.table.features)
        if (
            forest.column.shape != (trees, outputs, nodes)
            or forest.left.shape != (trees, outputs, nodes, cells_of(self.table, self.how))
            or forest.value.shape != (trees, outputs, nodes + 1)
            or not ((forest.column >= 0) & (forest.column < columns)).all()
            or not 0 <= int(state["trees"]) <= trees
        ):
            raise DataError("arrays 'column', 'left' and 'value' that are not trees of this table")


PREDICTORS: Final[Mapping[str, type[Predictor]]] = {
    kind.key: kind for kind in (LinearPredictor, TreePredictor)
}
"""Each kind of model by the key of its settings in a task."""
