"""Estimators in scikit-learn's shape, without scikit-learn.

`fit` trains on records that are available in one place, pooled or local. A federated run trains the
same `GeneralisedLinearModel` elsewhere and hands its parameters to `from_parameters`.
"""

from __future__ import annotations

from typing import ClassVar

from confide.errors import DataError
from confide.learning.models.classifier import Classifier
from confide.learning.models.families import Bernoulli, Categorical, Family, Gaussian, Poisson
from confide.learning.models.regressor import Regressor

__all__ = ["LinearRegression", "LogisticRegression", "PoissonRegression", "SoftmaxRegression"]


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
            `LogisticRegression` has C = 1 / (m·l2), and 1 by default. Without a penalty, classes
            that a plane separates have no best weights: `fit` warns that it does not converge.
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

    def _family_of(self, n_classes: int) -> Family:
        return Categorical(n_classes=n_classes)
