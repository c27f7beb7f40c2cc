# ruff: noqa: N803 - `X` is scikit-learn's name, and it may be passed by name
"""Estimators in scikit-learn's shape, without scikit-learn.

`fit` trains on records that one may see, pooled or one's own. A federated run trains the same
`GeneralisedLinearModel` elsewhere and hands its parameters to `from_parameters`.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.errors import DataError
from confide.learning.models.base import Classifier, Regressor
from confide.learning.models.family import Bernoulli, Categorical, Family, Gaussian, Poisson

__all__ = ["LinearRegression", "LogisticRegression", "PoissonRegression", "SoftmaxRegression"]

Reals = NDArray[np.float64]


class LinearRegression(Regressor):
    """Least squares: the mean of the target is wᵀx + b.

    Minimises ½ mean (wᵀx + b − y)² + ½·l2·‖w‖².

    Args:
        l2: The weight of the penalty, at least 0; with m records, scikit-learn's `Ridge` has
            alpha = m·l2.
        fit_intercept: Whether there is a b.
        max_iter: The most steps.

    Example:
        >>> regression = LinearRegression().fit([[0.0], [1.0], [2.0]], [1, 3, 5])
        >>> regression.predict([[3.0]]).round(9)
        array([7.])
    """

    _family: ClassVar[Family] = Gaussian()


class PoissonRegression(Regressor):
    """Counts or rates: the mean of the target is exp(wᵀx + b).

    Minimises mean (μ − y·log μ) + ½·l2·‖w‖², as scikit-learn's `PoissonRegressor` with alpha = l2.

    Args:
        l2: The weight of the penalty, at least 0.
        fit_intercept: Whether there is a b.
        max_iter: The most steps.

    Example:
        >>> claims = PoissonRegression().fit([[0.0], [0.0], [1.0], [1.0]], [1, 3, 4, 4])
        >>> claims.predict([[0.0], [1.0], [2.0]]).round(9)
        array([2., 4., 8.])
    """

    _family: ClassVar[Family] = Poisson()


class LogisticRegression(Classifier):
    """Two classes: the log-odds of the second are wᵀx + b.

    Minimises the mean log loss + ½·l2·‖w‖².

    Args:
        l2: The weight of the penalty, at least 0; with m records, scikit-learn's
            `LogisticRegression` has C = 1 / (m·l2).
        fit_intercept: Whether there is a b.
        max_iter: The most steps.

    Example:
        >>> x = [[0.0], [0.0], [0.0], [1.0], [1.0], [1.0]]
        >>> approval = LogisticRegression().fit(x, ["no", "no", "yes", "no", "yes", "yes"])
        >>> approval.predict_proba([[1.0]]).round(6)
        array([[0.333333, 0.666667]])
        >>> approval.predict([[1.0]])
        array(['yes'], dtype='<U3')
    """

    _multi_class: ClassVar[bool] = False

    def decision_function(self, X: ArrayLike) -> Reals:
        """The log-odds of the second class, shape `(m,)`; arguments and errors as `predict`."""
        return self._eta(X)[:, 0]

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The likelier class; the first if both are equally likely.

        Args:
            X: Shape `(m, n_features)`.

        Returns:
            Shape `(m,)`.

        Raises:
            NotFittedError: If there are no parameters yet.
            DataError: If the columns are not the fitted ones, or a value is missing or too large.
        """
        second = self.decision_function(X) > 0
        return self.classes_[second.astype(np.intp)]

    def predict_proba(self, X: ArrayLike) -> Reals:
        """Both classes' probabilities, shape `(m, 2)`; arguments and errors as `predict`."""
        second = Bernoulli().inverse_link(self._eta(X))
        return np.hstack([1 - second, second])

    def _family_of(self, n_classes: int) -> Family:
        if n_classes != 2:
            raise DataError(
                f"y holds {n_classes} classes. Only binary classification is supported: use "
                "SoftmaxRegression"
            )
        return Bernoulli()


class SoftmaxRegression(Classifier):
    """Two or more classes: the log-probability of class c is w_cᵀx + b_c plus what normalises it.

    Minimises the mean log loss + ½·l2·‖W‖², as multinomial logistic regression. The classes'
    coefficients add up to zero.

    Args:
        l2: The weight of the penalty, at least 0; with m records, scikit-learn's
            `LogisticRegression` has C = 1 / (m·l2).
        fit_intercept: Whether there is a b.
        max_iter: The most steps.

    Example:
        >>> x = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]]
        >>> species = SoftmaxRegression(l2=0.01).fit(x, ["a", "a", "b", "b", "c", "c"])
        >>> species.predict([[0.2], [2.5], [4.8]])
        array(['a', 'b', 'c'], dtype='<U1')
    """

    _multi_class: ClassVar[bool] = True

    def decision_function(self, X: ArrayLike) -> Reals:
        """Each class's linear predictor; arguments and errors as `predict`.

        Returns:
            Shape `(m, n_classes)`; as in scikit-learn, for two classes the log-odds of the second,
            shape `(m,)`.
        """
        eta = self._eta(X)
        return eta[:, 1] - eta[:, 0] if eta.shape[1] == 2 else eta

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
        predicted: NDArray[Any] = self.classes_[self._eta(X).argmax(axis=1)]
        return predicted

    def predict_proba(self, X: ArrayLike) -> Reals:
        """The classes' probabilities, shape `(m, n_classes)`; arguments and errors as `predict`."""
        eta = self._eta(X)
        return Categorical(n_classes=eta.shape[1]).inverse_link(eta)

    def _family_of(self, n_classes: int) -> Family:
        return Categorical(n_classes=n_classes)
