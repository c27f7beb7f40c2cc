"""What estimators without a linear predictor share: scikit-learn's parameters and input checks."""

from __future__ import annotations

import inspect
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.errors import NotFittedError, PlanError
from confide.learning.models.inputs import as_features, check_features, feature_names

__all__ = ["Parameters"]

Reals = NDArray[np.float64]


class Parameters:
    """Constructor parameters by name, and the columns that were fitted."""

    n_features_in_: int

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        return tuple(name for name in inspect.signature(cls).parameters)

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002
        """The constructor's parameters by name; `deep` is scikit-learn's and changes nothing."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Self:
        """Sets constructor parameters by name.

        Raises:
            PlanError: If there is no such parameter.
        """
        for name, value in params.items():
            if name not in self._names():
                known = ", ".join(self._names())
                raise PlanError(f"{type(self).__name__} has no parameter {name!r}; it has {known}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        given = (f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({', '.join(given)})"

    def _first(self, x: ArrayLike) -> Reals:
        """Rows to fit, shape `(m, n_features)`."""
        found = as_features(x)
        check_features(found, feature_names(x))
        self.n_features_in_ = found.shape[1]
        return found

    def _again(self, x: ArrayLike) -> Reals:
        """New rows with the fitted columns.

        Raises:
            NotFittedError: If nothing is fitted.
            DataError: If there are other columns, or a value is missing.
        """
        if not hasattr(self, "n_features_in_"):
            raise NotFittedError(f"this {type(self).__name__} is not fitted; call fit first")
        found = as_features(x, self.n_features_in_)
        check_features(found, feature_names(x))
        return found
