# ruff: noqa: N803 - `X` is scikit-learn's name, and it may be passed by name
"""What all estimators share: their parameters, training and feature names."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.errors import DataError, NotFittedError, PlanError
from confide.learning.models.families import Family
from confide.learning.models.fitting import fit_to_convergence
from confide.learning.models.glm import GeneralisedLinearModel, Parameters
from confide.learning.models.inputs import as_features, check_features, feature_names

__all__ = ["ConvergenceWarning", "Estimator"]

Reals = NDArray[np.float64]


class ConvergenceWarning(UserWarning):
    """A fit ended before its optimum, or its optimum lies at infinity."""


class Estimator(ABC):
    """A generalised linear model with scikit-learn's methods and attributes.

    Attributes:
        coef_: Shape `(n_outputs, n_features)`; `(n_features,)` for regression.
        intercept_: Shape `(n_outputs,)`; a number for regression.
        n_features_in_: Columns of X.
        feature_names_in_: Their names, shape `(n_features,)`; only if X was a DataFrame with text
            names.
        n_iter_: Steps that `fit` took; only after `fit`.
        model_: The specification.
        parameters_: The parameter vector, shape `(n_parameters,)`, which predictions are made with.
    """

    _HYPERPARAMETERS: ClassVar[tuple[str, ...]] = ("fit_intercept", "l2", "max_iter")

    def __init__(
        self, *, l2: float = 0.0, fit_intercept: bool = True, max_iter: int = 1000
    ) -> None:
        self.l2 = l2
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Trains to convergence on records that are available in one place; deterministic.

        Args:
            X: An array or a pandas DataFrame, shape `(m, n_features)`.
            y: Targets, shape `(m,)`.
            sample_weight: How much each record counts, shape `(m,)`; None for equally.

        Returns:
            This estimator.

        Raises:
            DataError: If a shape is wrong, or a value is missing, too large or out of range.
            PlanError: If a constructor parameter is out of range.

        Warns:
            ConvergenceWarning: If `max_iter` is too small or the optimum lies at infinity.
        """
        if y is None:
            raise DataError(
                f"{type(self).__name__} requires y to be passed, but the target y is None"
            )
        names = feature_names(X)
        features = as_features(X)
        check_features(features, names)
        family, targets, classes = self._declare(y)
        model = GeneralisedLinearModel(
            family=family,
            n_features=features.shape[1],
            l2=self.l2,
            fit_intercept=self.fit_intercept,
        )
        fit = fit_to_convergence(
            model, features, targets, sample_weight=sample_weight, max_iter=self.max_iter
        )
        if not fit.converged:
            self._warn(fit.iterations)
        self.n_iter_ = fit.iterations
        return self._adopt(model, fit.parameters, classes, names)

    @classmethod
    def from_parameters(
        cls,
        model: GeneralisedLinearModel,
        vector: Parameters,
        classes: ArrayLike | None = None,
        *,
        feature_names: Sequence[str] | None = None,
    ) -> Self:
        """A fitted estimator from parameters that were trained elsewhere.

        Args:
            model: The specification they were trained for.
            vector: Shape `(n_parameters,)`.
            classes: For classification, what the targets 0, 1, ... stand for, shape `(n_classes,)`;
                None for these numbers themselves.
            feature_names: Names of the columns, for DataFrames, shape `(n_features,)`.

        Raises:
            DataError: If a shape is wrong or a parameter is not finite.
            PlanError: If the model's family is another estimator's.
        """
        estimator = cls(l2=model.l2, fit_intercept=model.fit_intercept)
        names = None if feature_names is None else np.asarray(feature_names, dtype=object)
        if names is not None and names.shape != (model.n_features,):
            raise DataError(f"{len(names)} feature names; the model takes {model.n_features}")
        return estimator._adopt(model, vector, estimator._check_classes(model, classes), names)

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002
        """The constructor's parameters by name; `deep` is scikit-learn's and changes nothing."""
        return {name: getattr(self, name) for name in self._HYPERPARAMETERS}

    def set_params(self, **params: Any) -> Self:
        """Sets constructor parameters by name.

        Raises:
            PlanError: If there is no such parameter.
        """
        for name, value in params.items():
            if name not in self._HYPERPARAMETERS:
                known = ", ".join(self._HYPERPARAMETERS)
                raise PlanError(f"{type(self).__name__} has no parameter {name!r}; it has {known}")
            setattr(self, name, value)
        return self

    @abstractmethod
    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The predicted target of each record, shape `(m,)`."""

    @abstractmethod
    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """How good the predictions are; 1 is best."""

    @abstractmethod
    def _declare(self, y: ArrayLike) -> tuple[Family, ArrayLike, NDArray[Any] | None]:
        """The family, the targets as it encodes them, and the classes they stand for."""

    @abstractmethod
    def _check_classes(
        self, model: GeneralisedLinearModel, classes: ArrayLike | None
    ) -> NDArray[Any] | None:
        """The classes to adopt with a model trained elsewhere."""

    def _adopt(
        self,
        model: GeneralisedLinearModel,
        parameters: Parameters,
        classes: NDArray[Any] | None,
        names: NDArray[np.object_] | None,
    ) -> Self:
        coef, intercept = model.unflatten(parameters)
        self.model_ = model
        self.parameters_ = np.array(parameters, dtype=np.float64)
        self.n_features_in_ = model.n_features
        self._set_coefficients(coef.T.copy(), intercept.copy())
        if classes is not None:
            self.classes_ = classes
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def _check_family(self, model: GeneralisedLinearModel, takes: type[Family]) -> None:
        if not isinstance(model.family, takes):
            raise PlanError(
                f"a {model.family.name} model for {type(self).__name__}, which takes the family "
                f"{takes.name}; use the estimator of the model's family"
            )

    @abstractmethod
    def _set_coefficients(self, coef: Reals, intercept: Reals) -> None:
        """Sets `coef_` from shape `(n_outputs, n_features)`, `intercept_` from `(n_outputs,)`."""

    def _eta(self, X: ArrayLike) -> Reals:
        """The linear predictors of new records, shape `(m, n_outputs)`."""
        if not hasattr(self, "model_"):
            raise NotFittedError(
                f"this {type(self).__name__} is not fitted; call fit(X, y) first, or make it with "
                "from_parameters"
            )
        names, features = feature_names(X), as_features(X)
        self._check_columns(features.shape[1], names)
        check_features(features, names)
        return self.model_.linear_predictor(self.parameters_, features)

    def _check_columns(self, count: int, names: NDArray[np.object_] | None) -> None:
        if count != self.n_features_in_:
            raise DataError(
                f"X has {count} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input: select the fitted columns"
            )
        if names is None or not hasattr(self, "feature_names_in_"):
            return
        for place, (name, fitted) in enumerate(zip(names, self.feature_names_in_, strict=True)):
            if name != fitted:
                raise DataError(
                    f"column {place} of X is {name!r}; when fitted it was {fitted!r}: select the "
                    "columns X[estimator.feature_names_in_]"
                )

    def _warn(self, iterations: int) -> None:
        warnings.warn(
            f"{type(self).__name__} has no finite optimum, or did not reach it in {iterations} of "
            f"max_iter = {self.max_iter} steps: a feature may separate the classes, or a group "
            f"hold only zeros; set l2 above {self.l2:g}, or raise max_iter",
            ConvergenceWarning,
            stacklevel=3,
        )

    def __repr__(self) -> str:
        defaults = type(self)().get_params()
        changed = {n: v for n, v in self.get_params().items() if v != defaults[n]}
        return f"{type(self).__name__}({', '.join(f'{n}={v!r}' for n, v in changed.items())})"

    @abstractmethod
    def __sklearn_tags__(self) -> Any:
        """Tags for scikit-learn; only scikit-learn calls this, so it is imported here."""
