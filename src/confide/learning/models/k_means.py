"""k-means: Lloyd's steps from the counts and coordinate sums of each cluster.

References:
    S. Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 1982.
    D. Arthur and S. Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007.
"""

from __future__ import annotations

from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.errors import DataError
from confide.learning.models.parameters import Parameters

__all__ = ["KMeans", "lloyd_step", "nearest_centres", "public_start"]

Reals = NDArray[np.float64]

_CANDIDATES: Final = 200
"""Points for each centre from which a start is drawn."""


def nearest_centres(x: Reals, centres: Reals) -> tuple[NDArray[np.intp], Reals]:
    """The nearest centre of each row, and the squared distance to it; both of shape `(rows,)`."""
    distances = squared_distances(x, centres)
    nearest = distances.argmin(axis=1)
    return nearest, distances[np.arange(len(x)), nearest]


def squared_distances(x: Reals, centres: Reals) -> Reals:
    """Of each row to each centre, shape `(rows, k)`."""
    return np.stack([((x - centre) ** 2).sum(axis=1) for centre in centres], axis=1)


def lloyd_step(centres: Reals, counts: Reals, sums: Reals, *, least: float = 0.5) -> Reals:
    """Each cluster's mean; a cluster of fewer than `least` rows keeps its centre.

    Args:
        centres: Shape `(k, inputs)`.
        counts: Rows of each cluster, shape `(k,)`.
        sums: Their coordinates' sums, shape `(k, inputs)`.
        least: The least count that moves a centre; with noise, what stands out of it.
    """
    held = counts > least
    means = sums / np.where(held, counts, 1.0)[:, np.newaxis]
    return np.where(held[:, np.newaxis], means, centres)


def public_start(k: int, numbers: NDArray[np.bool_], rng: np.random.Generator) -> Reals:
    """Centres that spread as k-means++ would, over points that nobody's data are.

    Points are drawn as standardised columns are, normal, or between 0 and 1 for a yes or no; then
    each next centre is drawn by its squared distance to those before.

    Args:
        k: How many.
        numbers: Which inputs are standardised numbers, shape `(inputs,)`.
        rng: A public generator.
    """
    shape = (_CANDIDATES * k, len(numbers))
    points = np.where(numbers, rng.normal(size=shape), rng.random(shape))
    chosen = [points[0]]
    while len(chosen) < k:
        weights = squared_distances(points, np.array(chosen)).min(axis=1)
        chosen.append(points[rng.choice(len(points), p=weights / weights.sum())])
    return np.array(chosen)


class KMeans(Parameters):
    """k-means by Lloyd's steps from a public start; the best of several starts.

    Args:
        n_clusters: k, at least 1.
        n_init: Starts.
        max_iter: Steps.
        seed: Of the starts.

    Attributes:
        cluster_centers_: Shape `(k, n_features)`.
        inertia_: The sum of squared distances to the nearest centre, after `fit`.

    Example:
        >>> clusters = KMeans(n_clusters=2).fit([[-1.0], [-1.2], [1.0], [1.2]])
        >>> sorted(clusters.cluster_centers_.ravel().round(6).tolist())
        [-1.1, 1.1]
    """

    def __init__(
        self, *, n_clusters: int = 8, n_init: int = 8, max_iter: int = 50, seed: int = 0
    ) -> None:
        self.n_clusters, self.n_init, self.max_iter, self.seed = n_clusters, n_init, max_iter, seed

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: N803
        """Finds centres of standardised records that one may see.

        Args:
            X: Shape `(m, n_features)`.
            y: Not read.

        Raises:
            DataError: If a shape is wrong or a value is missing.
        """
        x, rng = self._first(X), np.random.default_rng(self.seed)
        if self.n_clusters < 1:
            raise DataError(f"n_clusters is {self.n_clusters}; it is at least 1")
        best = np.inf
        for _ in range(self.n_init):
            centres = public_start(self.n_clusters, np.ones(x.shape[1], np.bool_), rng)
            for _ in range(self.max_iter):
                nearest, _ = nearest_centres(x, centres)
                sums = np.zeros_like(centres)
                np.add.at(sums, nearest, x)
                counts = np.bincount(nearest, minlength=self.n_clusters).astype(np.float64)
                centres = lloyd_step(centres, counts, sums)
            inertia = float(nearest_centres(x, centres)[1].sum())
            if inertia < best:
                best, self.cluster_centers_ = inertia, centres
        self.inertia_ = best
        return self

    @classmethod
    def from_centres(cls, centres: Reals) -> Self:
        """A fitted estimator from centres that were found elsewhere, shape `(k, inputs)`."""
        made = cls(n_clusters=len(centres))
        made.n_features_in_, made.cluster_centers_ = centres.shape[1], centres
        return made

    def predict(self, X: ArrayLike) -> NDArray[np.intp]:  # noqa: N803
        """The nearest centre of each row, shape `(m,)`."""
        return nearest_centres(self._again(X), self.cluster_centers_)[0]

    def transform(self, X: ArrayLike) -> Reals:  # noqa: N803
        """The distance of each row to each centre, shape `(m, k)`."""
        return np.asarray(np.sqrt(squared_distances(self._again(X), self.cluster_centers_)))

    def score(self, X: ArrayLike, y: object = None) -> float:  # noqa: N803
        """Minus the sum of squared distances to the nearest centre, as scikit-learn's."""
        return -float(nearest_centres(self._again(X), self.cluster_centers_)[1].sum())
