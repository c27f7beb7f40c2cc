"""Naive Bayes: classes by the sums, squares and counts of their rows.

Given its class, each input is independent of the others: a number is normal, a yes or no is
Bernoulli. So all that is learned of n_c rows of class c is n_c, Σx and Σx².

References:
    T. Hastie, R. Tibshirani and J. Friedman, "The Elements of Statistical Learning", 2nd ed., 2009,
    §6.6.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.errors import DataError
from confide.learning.models.parameters import Parameters

__all__ = ["Classes", "NaiveBayes", "classes_of_sums", "joint_log_likelihood", "row_moments"]

Reals = NDArray[np.float64]
Bools = NDArray[np.bool_]

SMOOTHING: Final = 1e-9
"""Of the largest variance, added to each, as scikit-learn does."""

LAPLACE: Final = 1.0
"""Rows of yes and of no that each class is given, as scikit-learn does."""


@dataclass(frozen=True)
class Classes:
    """What naive Bayes knows of each class.

    Attributes:
        prior: The share of each class, shape `(classes,)`.
        mean: Of each input, shape `(classes, inputs)`: of a yes or no the chance of yes.
        variance: Of each input that is a number, the same shape.
        numbers: Which inputs are numbers, shape `(inputs,)`.
    """

    prior: Reals
    mean: Reals
    variance: Reals
    numbers: Bools


def row_moments(x: Reals) -> Reals:
    """1, x and x² of each row, shape `(rows, 1 + 2·inputs)`."""
    return np.column_stack([np.ones(len(x)), x, x**2])


def classes_of_sums(sums: Reals, numbers: Bools, *, least_variance: float = 0.0) -> Classes:
    """Priors, means and variances from the sums of `row_moments` by class.

    Args:
        sums: Shape `(classes, 1 + 2·inputs)`; noise may have been added.
        numbers: Which inputs are numbers.
        least_variance: No variance is below it: with noise, of what the noise may have left.
    """
    inputs = len(numbers)
    counts = np.maximum(sums[:, :1], 1.0)
    first, second = sums[:, 1 : inputs + 1], sums[:, inputs + 1 :]
    rows = max(float(sums[:, 0].sum()), 1.0)
    of_all = first.sum(axis=0) / rows
    spread = np.where(numbers, second.sum(axis=0) / rows - of_all**2, 0.0)
    mean = first / counts
    variance = np.maximum(second / counts - mean**2, 0.0) + SMOOTHING * max(
        float(spread.max()), 0.0
    )
    chance = np.clip((first + LAPLACE) / (counts + 2 * LAPLACE), 1e-6, 1 - 1e-6)
    return Classes(
        counts[:, 0] / counts.sum(),
        np.where(numbers, mean, chance),
        np.maximum(variance, max(least_variance, 1e-300)),
        numbers,
    )


def joint_log_likelihood(x: Reals, classes: Classes) -> Reals:
    """Log P(c) + Σ log P(x_j | c) of each row and class, shape `(rows, classes)`."""
    found = np.empty((len(x), len(classes.prior)))
    numbers, yes = x[:, classes.numbers], x[:, ~classes.numbers]
    for c, prior in enumerate(classes.prior):
        mean, variance = classes.mean[c][classes.numbers], classes.variance[c][classes.numbers]
        normal = np.log(2 * np.pi * variance) + (numbers - mean) ** 2 / variance
        chance = classes.mean[c][~classes.numbers]
        bernoulli = yes * np.log(chance) + (1 - yes) * np.log(1 - chance)
        found[:, c] = np.log(prior) - 0.5 * normal.sum(axis=1) + bernoulli.sum(axis=1)
    return found


class NaiveBayes(Parameters):
    """Naive Bayes of numbers and of yes and no, as scikit-learn's GaussianNB and BernoulliNB.

    Args:
        booleans: The places of inputs that are yes or no (1 or 0); the others are numbers.

    Attributes:
        classes_: The classes, sorted, shape `(classes,)`.
        theta_: The mean of each input by class, shape `(classes, n_features)`.
        var_: Its variance, the same shape.
        class_prior_: Shape `(classes,)`.

    Example:
        >>> model = NaiveBayes().fit([[0.0], [1.0], [4.0], [5.0]], ["low", "low", "high", "high"])
        >>> model.predict([[0.5], [4.2]]).tolist()
        ['low', 'high']
    """

    def __init__(self, *, booleans: tuple[int, ...] = ()) -> None:
        self.booleans = booleans

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803
        """Trains on records that one may see.

        Args:
            X: Shape `(m, n_features)`.
            y: Classes, shape `(m,)`.

        Raises:
            DataError: If a shape is wrong, or there are fewer than two classes.
        """
        x = self._first(X)
        known, place = np.unique(np.asarray(y), return_inverse=True)
        if len(place) != len(x) or len(known) < 2:
            raise DataError(f"{len(x)} rows and {len(place)} labels of {len(known)} classes; "
                            "give one label a row, of two classes or more")  # fmt: skip
        sums = np.zeros((len(known), 1 + 2 * x.shape[1]))
        np.add.at(sums, place, row_moments(x))
        numbers = ~np.isin(np.arange(x.shape[1]), self.booleans)
        return self._adopt(classes_of_sums(sums, numbers), known)

    @classmethod
    def from_classes(cls, classes: Classes, names: ArrayLike) -> Self:
        """A fitted estimator from sums that were made elsewhere.

        Args:
            classes: What `classes_of_sums` gives.
            names: What the classes are called, shape `(classes,)`.
        """
        made = cls(booleans=tuple(np.flatnonzero(~classes.numbers).tolist()))
        made.n_features_in_ = len(classes.numbers)
        return made._adopt(classes, np.asarray(names))

    def predict_proba(self, X: ArrayLike) -> Reals:  # noqa: N803
        """The probability of each class, shape `(m, classes)`."""
        joint = joint_log_likelihood(self._again(X), self._known)
        odds = np.exp(joint - joint.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803
        """The likeliest class of each row, shape `(m,)`."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def score(self, X: ArrayLike, y: ArrayLike) -> float:  # noqa: N803
        """The share of rows whose class is predicted."""
        return float(np.mean(self.predict(X) == np.asarray(y)))

    def _adopt(self, classes: Classes, names: NDArray[Any]) -> Self:
        self._known, self.classes_ = classes, names
        self.theta_, self.var_ = classes.mean, classes.variance
        self.class_prior_ = classes.prior
        return self
