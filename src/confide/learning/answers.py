"""What a model's scores say in the label's own values: classes, probabilities, numbers.

It needs no weights, so the owner of rows that somebody else's model scored reads its scores so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from confide.computation import State
from confide.errors import PlanError
from confide.learning.models.families import Bernoulli, Categorical, Family
from confide.learning.settings import Inputs
from confide.tables import Label, Schema

__all__ = ["Answers"]

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """How scores are read.

    Attributes:
        table: Whose label is predicted.
        family: The label's distribution given the scores.
        state: The table's constants, if it has any.
    """

    table: Inputs
    family: Family
    state: State

    @property
    def classifies(self) -> bool:
        """Whether classes are predicted, and not a number."""
        return isinstance(self.family, Bernoulli | Categorical)

    @property
    def classes(self) -> NDArray[Any]:
        """The classes in the order of `probabilities`: numbers or booleans if the label has these.

        Raises:
            PlanError: If a number is predicted.
        """
        if not self.classifies:
            raise PlanError("the model predicts a number, no classes")
        if not isinstance(self.table, Schema):
            return np.arange(max(self.family.n_outputs, 2))
        return _as_values(cast("Label", self.table.target).classes)

    def probabilities(self, scores: Reals) -> Reals:
        """The probability of each class, shape `(rows, classes)`.

        Args:
            scores: Linear predictors, shape `(rows, n_outputs)`.
        """
        return both_classes(self.family.inverse_link(scores))

    def predictions(self, scores: Reals) -> NDArray[Any]:
        """The most probable class, or the number in the label's units, shape `(rows,)`.

        Args:
            scores: Linear predictors, shape `(rows, n_outputs)`.
        """
        if self.classifies:
            return np.asarray(self.classes[self.probabilities(scores).argmax(axis=1)])
        means = self.family.inverse_link(scores)[:, 0]
        return self.table.outputs(means, self.state) if isinstance(self.table, Schema) else means


def both_classes(means: Reals) -> Reals:
    """Probabilities of all classes: of two, a model gives the second's alone."""
    return np.column_stack([1 - means, means]) if means.shape[1] == 1 else means


def _as_values(classes: tuple[str, ...]) -> NDArray[Any]:
    """Classes as numbers or booleans where they are written as such, else as texts."""
    if set(classes) == {"true", "false"}:
        return np.array([c == "true" for c in classes])
    try:
        numbers = [int(c) for c in classes]
    except ValueError:
        return np.array(classes, object)
    written = all(str(n) == c and abs(n) < 1 << 53 for n, c in zip(numbers, classes, strict=True))
    return np.array(numbers) if written else np.array(classes, object)
