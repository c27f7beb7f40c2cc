"""A trained model with its table: it takes raw rows and answers in the label's own words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from confide.computation import State
from confide.errors import PlanError
from confide.learning.models.estimators import (
    LinearRegression,
    LogisticRegression,
    PoissonRegression,
    SoftmaxRegression,
)
from confide.learning.models.metrics import accuracy, auc
from confide.tables import Label, Schema

__all__ = ["TableModel"]

Reals = NDArray[np.float64]
Estimator = LinearRegression | LogisticRegression | PoissonRegression | SoftmaxRegression


class TableModel:
    """A model that reads tables by its schema, as they were read in training.

    Args:
        schema: The schema.
        estimator: The fitted estimator over the schema's inputs.
        constants: What training found of the schema, as the run's state has it.
    """

    def __init__(self, schema: Schema, estimator: Estimator, constants: State) -> None:
        self.schema = schema
        self.estimator = estimator
        self.constants = constants

    def inputs(self, table: Any) -> Reals:
        """The model's inputs of raw rows, shape `(rows, len(schema.names))`.

        Raises:
            DataError: If a column is missing or cannot be read.
        """
        return self.schema.inputs(self.schema.read(table, label=False), self.constants)

    def predict(self, table: Any) -> NDArray[Any]:
        """What the model predicts for raw rows, shape `(rows,)`.

        Classes are in their own words, numbers in the label's own units.

        Raises:
            DataError: If a column is missing or cannot be read.
        """
        predicted = self.estimator.predict(self.inputs(table))
        if isinstance(self.schema.target, Label):
            return np.array(self.schema.target.classes, object)[predicted.astype(np.intp)]
        return self.schema.outputs(predicted, self.constants)

    def predict_proba(self, table: Any) -> Reals:
        """The probability of each class, shape `(rows, classes)`.

        Raises:
            DataError: If a column is missing or cannot be read.
            PlanError: If the model predicts a number.
        """
        if not isinstance(self.estimator, LogisticRegression | SoftmaxRegression):
            raise PlanError(f"{self.schema.label!r} is a number; it has no classes: use predict")
        return np.asarray(self.estimator.predict_proba(self.inputs(table)))

    def score(self, table: Any) -> float:
        """How well it predicts the labels of raw rows: R² of numbers, accuracy of classes.

        Raises:
            DataError: If a column is missing or cannot be read.
        """
        return self.metrics(table)[
            "r2" if not isinstance(self.schema.target, Label) else "accuracy"
        ]

    def metrics(self, table: Any) -> dict[str, float]:
        """All metrics on raw rows with labels that one may see.

        Returns:
            For classes `accuracy`, `base_rate` (the accuracy of always saying the most frequent
            class) and for two of them `auc`; for numbers `r2` and `rmse`.

        Raises:
            DataError: If a column is missing or cannot be read.
        """
        rows = self.schema.read(table)
        truth = rows["targets"]
        x = self.schema.inputs(rows, self.constants)
        predicted = self.estimator.predict(x)
        if not isinstance(self.schema.target, Label):
            away = truth - self.schema.outputs(predicted, self.constants)
            spread = float(np.sum((truth - truth.mean()) ** 2))
            missed = float(np.sum(away**2))
            return {
                "r2": 1 - missed / spread if spread else 0.0,
                "rmse": (missed / len(away)) ** 0.5,
            }
        counts = np.bincount(truth.astype(np.intp))
        found = {
            "accuracy": accuracy(truth, predicted), "base_rate": float(counts.max() / counts.sum())
        }  # fmt: skip
        if isinstance(self.estimator, LogisticRegression):
            found["auc"] = auc(truth, self.estimator.predict_proba(x)[:, 1])
        return found

    def __repr__(self) -> str:
        kind = type(self.estimator).__name__
        return (
            f"TableModel({kind} of {self.schema.label!r} from {len(self.schema.features)} columns)"
        )
