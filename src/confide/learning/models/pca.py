"""Principal components from the sums of a table's rows and of their products.

References:
    C. Dwork, K. Talwar, A. Thakurta and L. Zhang, "Analyze Gauss: optimal bounds for
    privacy-preserving principal component analysis", STOC 2014, Algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.errors import DataError
from confide.learning.models.parameters import Parameters

__all__ = ["PCA", "Components", "components_of_sums", "products_of_all", "row_products"]

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Components:
    """Directions of largest variance.

    Attributes:
        mean: Of each input, shape `(inputs,)`.
        directions: Unit vectors by falling variance, shape `(k, inputs)`; the largest coordinate
            of each is positive.
        variance: Along each, shape `(k,)`.
        total: Of all inputs together.
    """

    mean: Reals
    directions: Reals
    variance: Reals
    total: float


def row_products(x: Reals) -> Reals:
    """1, x and the upper triangle of xxᵀ with √2 off its diagonal.

    Shape `(rows, 1 + p + p(p + 1)/2)`. The last part has the norm ‖x‖² then: that of xxᵀ.
    """
    upper = np.triu_indices(x.shape[1])
    weight = np.where(upper[0] == upper[1], 1.0, np.sqrt(2))
    return np.column_stack([np.ones(len(x)), x, x[:, upper[0]] * x[:, upper[1]] * weight])


def products_of_all(x: Reals) -> Reals:
    """The sum of `row_products` over rows, by a product of matrices."""
    upper = np.triu_indices(x.shape[1])
    weight = np.where(upper[0] == upper[1], 1.0, np.sqrt(2))
    return np.concatenate([[len(x)], x.sum(axis=0), (x.T @ x)[upper] * weight])


def components_of_sums(sums: Reals, inputs: int, k: int) -> Components:
    """The first k components from the sums of `row_products`.

    Args:
        sums: Shape `(1 + p + p(p + 1)/2,)`; noise may have been added.
        inputs: p.
        k: How many components, at most p.
    """
    rows, upper = max(float(sums[0]), 2.0), np.triu_indices(inputs)
    mean = sums[1 : inputs + 1] / rows
    weight = np.where(upper[0] == upper[1], 1.0, np.sqrt(2))
    covariance = np.zeros((inputs, inputs))
    covariance[upper] = sums[inputs + 1 :] / weight
    covariance += np.triu(covariance, 1).T
    covariance = (covariance - rows * np.outer(mean, mean)) / (rows - 1)
    values, vectors = np.linalg.eigh(covariance)
    directions = vectors[:, ::-1].T[:k]
    largest = directions[np.arange(k), np.abs(directions).argmax(axis=1)]
    return Components(
        mean,
        directions * np.sign(largest)[:, np.newaxis],
        np.maximum(values[::-1][:k], 0.0),
        max(float(np.trace(covariance)), 1e-300),
    )


class PCA(Parameters):
    """Principal component analysis, as scikit-learn's.

    Args:
        n_components: k; all inputs if None.

    Attributes:
        components_: Shape `(k, n_features)`.
        mean_: Shape `(n_features,)`.
        explained_variance_: Shape `(k,)`.
        explained_variance_ratio_: Its share of the whole variance, shape `(k,)`.

    Example:
        >>> PCA(n_components=1).fit([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]).components_.round(3)
        array([[0.707, 0.707]])
    """

    def __init__(self, *, n_components: int | None = None) -> None:
        self.n_components = n_components

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: N803
        """Finds the components of records that one may see.

        Args:
            X: Shape `(m, n_features)`.
            y: Not read.

        Raises:
            DataError: If a shape is wrong, or there are more components than inputs.
        """
        x = self._first(X)
        k = x.shape[1] if self.n_components is None else self.n_components
        if not 1 <= k <= x.shape[1]:
            raise DataError(f"n_components is {k}; from 1 to the {x.shape[1]} inputs")
        return self._adopt(components_of_sums(products_of_all(x), x.shape[1], k))

    @classmethod
    def from_components(cls, found: Components) -> Self:
        """A fitted estimator from components that were found elsewhere."""
        made = cls(n_components=len(found.directions))
        made.n_features_in_ = len(found.mean)
        return made._adopt(found)

    def transform(self, X: ArrayLike) -> Reals:  # noqa: N803
        """The rows' coordinates along the components, shape `(m, k)`."""
        return np.asarray((self._again(X) - self.mean_) @ self.components_.T)

    def inverse_transform(self, X: ArrayLike) -> Reals:  # noqa: N803
        """Rows from their coordinates, shape `(m, n_features)`."""
        return np.asarray(np.asarray(X, np.float64) @ self.components_ + self.mean_)

    def _adopt(self, found: Components) -> Self:
        self.mean_, self.components_ = found.mean, found.directions
        self.explained_variance_ = found.variance
        self.explained_variance_ratio_ = found.variance / found.total
        return self
