"""A generalised linear model over a table, as the algorithms see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.computation import Data, State
from confide.learning.models import GeneralisedLinearModel
from confide.learning.modules.layout import Layout
from confide.learning.settings import (
    Inputs,
    check_features,
    inputs_and_targets,
    model_settings,
    table_settings,
)

__all__ = ["LinearModel"]

Reals = NDArray[np.float64]

PARAMETERS: Final = "parameters"


@dataclass(frozen=True)
class _Session:
    model: GeneralisedLinearModel
    x: Reals
    y: Reals
    start: Reals

    @property
    def rows(self) -> int:
        return len(self.x)

    def gradient(self, w: Reals, batch: Any) -> Reals:
        return self.model.gradient(w, self.x[batch], self.y[batch])

    def loss(self, w: Reals) -> float:
        return self.model.loss(w, self.x, self.y)

    def vector(self, flat: Reals) -> Reals:
        return flat

    def array(self, w: Reals) -> Reals:
        return w

    def buffers(self) -> State:
        return {}


class LinearModel:
    """A generalised linear model over a table's columns.

    Args:
        model: The model.
        table: Which columns are features and label.

    Raises:
        PlanError: If they do not fit together.
    """

    simulation_only = ""
    buffers = "frozen"
    kept = Layout({}, {})

    def __init__(self, model: GeneralisedLinearModel, table: Inputs) -> None:
        check_features(model, table)
        self.model, self.table = model, table
        self.columns, self.read = table.columns, table.read
        self.layout = Layout({PARAMETERS: (model.n_parameters,)}, {PARAMETERS: "float64"})

    def init(self) -> State:
        """See `Model.init`."""
        return {PARAMETERS: self.model.init()}

    def open(self, state: State, data: Data, rng: np.random.Generator) -> _Session:
        """See `Model.open`."""
        x, y = inputs_and_targets(self.model, self.table, data, state)
        return _Session(self.model, x, y, self.layout.flat(state))

    def settings(self) -> Mapping[str, Any]:
        """See `Model.settings`."""
        return {"model": model_settings(self.model), "table": table_settings(self.table)}
