# ruff: noqa: N803 - `X` is scikit-learn's name, and it may be passed by name
"""What the regressions share."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.errors import DataError
from confide.learning.models.base import Estimator
from confide.learning.models.families import Family
from confide.learning.models.glm import GeneralisedLinearModel

__all__ = ["Regressor"]

Reals = NDArray[np.float64]


class Regressor(Estimator):
    """Predicts the mean of a number."""

    _family: ClassVar[Family]

    def predict(self, X: ArrayLike) -> Reals:
        """The predicted means.

        Args:
            X: Shape `(m, n_features)`.

        Returns:
            Shape `(m,)`.

        Raises:
            NotFittedError: If there are no parameters yet.
            DataError: If the columns are not the fitted ones, or a value is missing or too large.
        """
        return self._family.inverse_link(self._eta(X))[:, 0]

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """The share of deviance explained, D²; for linear regression this is R².

        One less the deviance of the predictions over that of the mean of y. If y is constant: one
        for perfect predictions, else zero.

        Args:
            X: Shape `(m, n_features)`.
            y: Targets, shape `(m,)`.

        Raises:
            NotFittedError: If there are no parameters yet.
            DataError: If `X` or `y` does not fit the model.
        """
        eta, encoded = self._eta(X), self._family.encode(y)
        if len(eta) != len(encoded):
            raise DataError(
                f"X has {len(eta)} records, y has {len(encoded)}; each needs one target"
            )
        unexplained = float(self._family.half_deviance(eta, encoded).mean())
        if (encoded == encoded[0]).all():
            return float(unexplained == 0)
        constant = np.broadcast_to(self._family.link(encoded.mean(axis=0)), eta.shape)
        return 1 - unexplained / float(self._family.half_deviance(constant, encoded).mean())

    def _declare(self, y: ArrayLike) -> tuple[Family, ArrayLike, None]:
        return self._family, y, None

    def _check_classes(self, model: GeneralisedLinearModel, classes: ArrayLike | None) -> None:
        self._check_family(model, type(self._family))
        if classes is not None:
            raise DataError(
                f"classes for {type(self).__name__}, which predicts a number; leave them out"
            )

    def _set_coefficients(self, coef: Reals, intercept: Reals) -> None:
        self.coef_ = coef[0]
        self.intercept_ = float(intercept[0])

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import RegressorTags, Tags, TargetTags

        return Tags(
            estimator_type="regressor",
            target_tags=TargetTags(required=True, positive_only=self._family.name == "poisson"),
            regressor_tags=RegressorTags(),
        )
