"""A trained model with its table: it reads raw rows and answers with the label's own values."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from confide.computation import State
from confide.errors import ConfideError, DataError, PlanError
from confide.learning.answers import Answers
from confide.learning.model_files import read_model, write_model
from confide.learning.models.cox import concordance
from confide.learning.models.families import Bernoulli, Categorical, Family, Poisson
from confide.learning.models.metrics import accuracy, auc
from confide.learning.predictors import Predictor
from confide.learning.settings import Inputs
from confide.tables import Schema, read_table

__all__ = ["TableModel", "load_model"]

Reals = NDArray[np.float64]


class TableModel:
    """A model that reads tables as they were read in training.

    Rows are a data frame, a map from columns to cells, or the path of a file; columns that the
    model does not read are left alone. What it cannot read it refuses, and says which column.

    Args:
        table: Which columns are inputs and label, and how they are read.
        predictor: What predicts.
        state: What training found: the predictor's arrays, and the schema's constants.

    Attributes:
        table: As given.
        predictor: As given.
        state: As given.
        about: Facts for people, as `metrics` and `plan`; they are saved with the model.

    Raises:
        DataError: If the arrays are not the predictor's.
    """

    def __init__(
        self,
        table: Inputs,
        predictor: Predictor,
        state: State,
        *,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        if missing := [name for name in predictor.arrays if name not in state]:
            raise DataError(
                f"the state has no {missing[0]!r}: the stage that trains the model has not run"
            )
        predictor.check(table, state)
        self.table, self.predictor, self.state = table, predictor, state
        self.about = dict(about or {})

    # --- what it is ------------------------------------------------------------------------------

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The table's columns that it reads, in order."""
        return tuple(self.table.features)

    @property
    def feature_names_in_(self) -> NDArray[np.object_]:
        """The names of the model's inputs: one a number, one for each value of a category."""
        return np.array(self.table.names, object)

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes in the order of `predict_proba`: numbers or booleans if the label has these.

        Raises:
            AttributeError: If it predicts a number.
        """
        if not self._classifies:
            raise AttributeError(f"{self.predictor.word}: no classes are predicted")
        return self._said.classes

    @property
    def estimator(self) -> Any:
        """The scikit-learn-shaped estimator over the model's inputs (`inputs`).

        Raises:
            AttributeError: If the model is one of trees.
        """
        classes = self.classes_ if self._classifies else None
        return self.predictor.estimator(self.table, self.state, classes)

    @property
    def coef_(self) -> Reals:
        """The coefficients of the inputs `feature_names_in_`, as scikit-learn shapes them."""
        coefficients: Reals = self.estimator.coef_
        return coefficients

    @property
    def intercept_(self) -> Any:
        """The intercept, as scikit-learn shapes it."""
        return self.estimator.intercept_

    # --- what it says ----------------------------------------------------------------------------

    def inputs(self, rows: Any) -> Reals:
        """The model's inputs of raw rows, shape `(rows, len(feature_names_in_))`.

        Raises:
            DataError: If a column is missing or cannot be read.
        """
        return self.table.inputs(self._read(rows, label=False), self.state)

    def predict(self, rows: Any) -> NDArray[Any]:
        """What the model predicts for raw rows, shape `(rows,)`.

        Classes are the label's values, numbers are in the label's units. Of times it is the
        logarithm of the hazard ratio, of clusters the number of the nearest one.

        Raises:
            DataError: If a column is missing or cannot be read.
            PlanError: If the model predicts nothing.
        """
        scores = self._scores(self._read(rows, label=False))
        if self.predictor.family is None:
            return self.predictor.answer(scores)
        return self._said.predictions(scores)

    def transform(self, rows: Any) -> Reals:
        """Raw rows in the model's terms, shape `(rows, k)`.

        These are coordinates along principal components, or distances to the clusters' centres.

        Raises:
            DataError: If a column is missing or cannot be read.
            PlanError: If the model predicts a label.
        """
        if self.table.label:
            raise PlanError(f"{self.predictor.word} transforms nothing: use predict")
        return self.predictor.scores(self.table, self._read(rows, label=False), self.state)

    def predict_proba(self, rows: Any) -> Reals:
        """The probability of each class, shape `(rows, classes)`.

        Raises:
            DataError: If a column is missing or cannot be read.
            PlanError: If the model predicts a number.
        """
        if not self._classifies:
            raise PlanError(f"{self.predictor.word} predicts no classes: use predict")
        return self._said.probabilities(self._scores(self._read(rows, label=False)))

    def score(self, rows: Any) -> float:
        """How well it predicts the labels of raw rows: R² of numbers, accuracy of classes.

        Raises:
            DataError: If a column is missing or cannot be read.
        """
        found = self.metrics(rows)
        return next(found[name] for name in _SCORES if name in found)

    def metrics(self, rows: Any) -> dict[str, float]:
        """All metrics on raw rows with labels that one may see.

        Returns:
            For classes `accuracy`, `base_rate` (the accuracy of always saying the most frequent
            class) and for two of them `auc`; for numbers `r2` and `rmse`, and of counts also
            `deviance` and `d2`; for times `concordance`; for clusters and components `inertia` and
            `explained`.

        Raises:
            DataError: If a column is missing or cannot be read.
        """
        read = self._read(rows, label=True)
        if self.predictor.family is None:
            return self._of_description(read)
        truth, scores = read[_label_of(self.table)], self._scores(read)
        if not self._classifies:
            spread = float(np.sum((truth - truth.mean()) ** 2))
            missed = float(np.sum((truth - self._said.predictions(scores)) ** 2))
            r2 = 1 - missed / spread if spread else 0.0
            found = {"r2": r2, "rmse": (missed / len(truth)) ** 0.5}
            if isinstance(self.predictor.family, Poisson):
                counted = self._measured(read)
                found |= {name: counted[name] for name in ("deviance", "d2")}
            return found
        self._said.family.encode(truth)
        chances = self._said.probabilities(scores)
        counts = np.bincount(truth.astype(np.intp))
        found = {
            "accuracy": accuracy(truth, chances.argmax(axis=1).astype(np.float64)),
            "base_rate": float(counts.max() / counts.sum()),
        }
        both = chances.shape[1] == 2 and np.count_nonzero(counts) == 2
        return found | ({"auc": auc(truth, chances[:, 1])} if both else {})

    # --- kept and found again --------------------------------------------------------------------

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the model as one file, which `load_model` reads.

        Raises:
            DataError: If it cannot be written.
        """
        write_model(self, Path(path))

    def __repr__(self) -> str:
        columns = len(self.feature_names)
        of = f" of {self.table.label!r}" if self.table.label else ""
        return f"TableModel({self.predictor.word}{of} from {columns} columns)"

    # --- how -------------------------------------------------------------------------------------

    @property
    def _classifies(self) -> bool:
        return isinstance(self.predictor.family, Bernoulli | Categorical)

    @property
    def _said(self) -> Answers:
        """How its scores are read."""
        return Answers(self.table, cast("Family", self.predictor.family), self.state)

    def _of_description(self, read: Mapping[str, NDArray[Any]]) -> dict[str, float]:
        if "events" not in read:
            return {name: self._measured(read)[name] for name in ("inertia", "explained")}
        risk = self.predictor.scores(self.table, read, self.state)[:, 0]
        return {"concordance": concordance(read["targets"], read["events"], risk)}

    def _measured(self, read: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        measure = self.predictor.measure(self.table)
        rated = self.predictor.rated(self.table, read, self.state)
        return measure.metrics(measure.terms(*rated).sum(axis=0))

    def _read(self, rows: Any, *, label: bool) -> Mapping[str, NDArray[Any]]:
        if isinstance(rows, str | PathLike):
            rows = read_table(rows)
        if not (isinstance(rows, Mapping) or hasattr(rows, "columns")):
            raise DataError(
                f"rows are a {type(rows).__name__}; give a data frame, or a map from the columns "
                f"{', '.join(self.feature_names[:5])}… to their cells"
            )
        return self.table.rows(rows, label=label)

    def _scores(self, read: Mapping[str, NDArray[Any]]) -> Reals:
        return self.predictor.scores(self.table, read, self.state)


_SCORES = ("accuracy", "d2", "r2", "concordance", "explained")


def _label_of(table: Inputs) -> str:
    """Where read rows have the label."""
    return "targets" if isinstance(table, Schema) else table.label


def load_model(path: str | PathLike[str]) -> TableModel:
    """Reads a model that `TableModel.save` wrote.

    Raises:
        DataError: If the file cannot be read, is damaged, or is not a model.
    """
    table, predictor, state, about = read_model(path)
    try:
        return TableModel(table, predictor, state, about=about)
    except (ConfideError, KeyError, ValueError, TypeError, IndexError) as error:
        raise DataError(f"{path} holds no model that this release knows: {error}") from None
