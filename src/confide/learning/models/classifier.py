# ruff: noqa: N803 - `X` is scikit-learn's name, and it may be passed by name
"""What the classifiers share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.errors import DataError
from confide.learning.models.base import Estimator
from confide.learning.models.families import Family
from confide.learning.models.glm import GeneralisedLinearModel
from confide.learning.models.inputs import as_numbers
from confide.learning.models.metrics import accuracy

__all__ = ["Classifier"]

Reals = NDArray[np.float64]


class Classifier(Estimator):
    """Predicts one of several classes.

    Attributes:
        classes_: The classes in the order of `predict_proba`'s columns, shape `(n_classes,)`.
    """

    _multi_class: ClassVar[bool]

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The likeliest class; the first of those equally likely.

        Args:
            X: Shape `(m, n_features)`.

        Returns:
            Shape `(m,)`.

        Raises:
            NotFittedError: If there are no parameters yet.
            DataError: If the columns are not the fitted ones, or a value is missing or too large.
        """
        eta = self._eta(X)
        against = np.hstack([np.zeros_like(eta), eta]) if eta.shape[1] == 1 else eta
        predicted: NDArray[Any] = self.classes_[against.argmax(axis=1)]
        return predicted

    def predict_proba(self, X: ArrayLike) -> Reals:
        """The classes' probabilities, shape `(m, n_classes)`; arguments and errors as `predict`."""
        eta = self._eta(X)
        mean = self.model_.family.inverse_link(eta)
        return np.hstack([1 - mean, mean]) if mean.shape[1] == 1 else mean

    def decision_function(self, X: ArrayLike) -> Reals:
        """The linear predictors; arguments and errors as `predict`.

        Returns:
            Shape `(m, n_classes)`; as in scikit-learn, for two classes the log-odds of the second,
            shape `(m,)`.
        """
        eta = self._eta(X)
        if eta.shape[1] == 1:
            return eta[:, 0]
        return eta[:, 1] - eta[:, 0] if eta.shape[1] == 2 else eta

    @abstractmethod
    def _family_of(self, n_classes: int) -> Family:
        """The family for this number of classes."""

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """The share of records whose class is predicted.

        Args:
            X: Shape `(m, n_features)`.
            y: Classes, shape `(m,)`.

        Raises:
            NotFittedError: If there are no parameters yet.
            DataError: If `X` or `y` does not fit the model.
        """
        return accuracy(y, self.predict(X))

    def _declare(self, y: ArrayLike) -> tuple[Family, ArrayLike, NDArray[Any]]:
        classes, targets = _classes(_labels(y))
        if len(classes) < 2:
            raise DataError(
                f"y holds {len(classes)} class ({classes.tolist()}); at least 2 are needed: train "
                "on records of every class"
            )
        return self._family_of(len(classes)), targets, classes

    def _check_classes(
        self, model: GeneralisedLinearModel, classes: ArrayLike | None
    ) -> NDArray[Any]:
        count = max(2, model.family.n_outputs)
        self._check_family(model, type(self._family_of(count)))
        named = np.arange(count) if classes is None else np.asarray(classes)
        if named.shape != (count,) or len(np.unique(named)) < count:
            raise DataError(
                f"classes {named.tolist()}; the model has {count} classes: name each once"
            )
        return named

    def _set_coefficients(self, coef: Reals, intercept: Reals) -> None:
        self.coef_ = coef
        self.intercept_ = intercept

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(multi_class=self._multi_class),
        )


def _labels(y: ArrayLike) -> NDArray[Any]:
    labels = np.asarray(y)
    if labels.ndim != 1:
        raise DataError(
            f"y of shape {labels.shape}; it must be (records,): pass one column, for example "
            "y.ravel()"
        )
    if labels.dtype.kind == "f":
        wrong = labels != np.floor(as_numbers(labels, "y"))
        wrong |= ~np.isfinite(labels)
        if wrong.any():
            record = int(np.argmax(wrong))
            raise DataError(
                f"Unknown label type: the number in record {record} is not a class; drop the "
                "record, or use a regression for numbers"
            )
    return labels


def _classes(labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The distinct labels, sorted, and for each record which of them it has."""
    try:
        _refuse_missing(labels)
        return np.unique(labels, return_inverse=True)
    except TypeError as error:
        raise DataError(
            f"the classes in y cannot be compared ({error}); give all the same type, and drop "
            "records without a class"
        ) from error


def _refuse_missing(labels: NDArray[Any]) -> None:
    """Missing values differ from themselves, or (pandas.NA) raise when compared."""
    if labels.dtype.kind != "O":
        return
    for record, value in enumerate(labels):
        if value is None or value != value:  # noqa: PLR0124
            raise DataError(f"y is missing in record {record}; drop the record")
