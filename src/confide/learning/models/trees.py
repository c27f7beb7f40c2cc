"""Boosted trees over binned columns: how they are grown from histograms, and what they predict.

A node sends a row left if the row's bin of the node's column is in the node's set. So thresholds
of numbers, sets of categories and the side for missing values are one thing, and a tree is three
arrays.

References:
    T. Chen and C. Guestrin, "XGBoost: A Scalable Tree Boosting System", KDD 2016, §2.2 (weights and
    gains, equations 5 and 7), §3.4 (missing values).
    W. D. Fisher, "On Grouping for Maximum Homogeneity", JASA 1958 (the best split of categories is
    one of their order by mean).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Forest", "Growth", "best_split"]

Reals = NDArray[np.float64]
Bins = NDArray[np.intp]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Forest:
    """Trees, T for each of K outputs, all of one depth.

    Node i has the children 2i + 1 and 2i + 2; the last level's children are leaves.

    Attributes:
        column: The column that a node asks about, shape `(T, K, nodes)`.
        left: The bins that go left, shape `(T, K, nodes, bins)`.
        value: What a leaf adds to the score, shape `(T, K, leaves)`.
    """

    column: NDArray[np.intp]
    left: Bools
    value: Reals

    @classmethod
    def empty(cls, trees: int, outputs: int, depth: int, bins: int) -> Forest:
        """Trees that send every row left and add nothing."""
        nodes = 2**depth - 1
        return cls(
            np.zeros((trees, outputs, nodes), np.intp),
            np.ones((trees, outputs, nodes, bins), np.bool_),
            np.zeros((trees, outputs, nodes + 1)),
        )

    @property
    def depth(self) -> int:
        """Levels of nodes."""
        return int(self.value.shape[2]).bit_length() - 1

    def position(self, binned: Bins, tree: int, output: int, level: int) -> NDArray[np.intp]:
        """Which of a level's nodes each row reaches, from 0, shape `(rows,)`."""
        rows = np.arange(len(binned))
        node = np.zeros(len(binned), np.intp)
        for _ in range(level):
            column = self.column[tree, output, node]
            left = self.left[tree, output, node, binned[rows, column]]
            node = 2 * node + np.where(left, 1, 2)
        return np.asarray(node - (2**level - 1))

    def scores(self, binned: Bins, trees: int) -> Reals:
        """The sum of the first trees' values, shape `(rows, outputs)`."""
        found = np.zeros((len(binned), self.column.shape[1]))
        for tree in range(trees):
            for output in range(found.shape[1]):
                leaf = self.position(binned, tree, output, self.depth)
                found[:, output] += self.value[tree, output, leaf]
        return found


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How trees grow.

    Attributes:
        l2: λ, added to each node's sum of second derivatives.
        min_child: The least sum of second derivatives on either side of a split.
        min_gain: γ, the least gain of a split.
        ordered: Whether a column's bins have an order, shape `(columns,)`; categories have none.
        monotone: 1 where the score must not fall with the column, -1 where it must not rise, 0
            where it may do either; shape `(columns,)`.
        noise: The standard deviation of the noise in each cell of a histogram.
    """

    l2: float
    min_child: float
    min_gain: float
    ordered: Bools
    monotone: NDArray[np.intp]
    noise: float = 0.0

    def weight(self, gradient: Reals, hessian: Reals) -> Reals:
        """-G / (H + λ), equation 5; noise counts as a penalty, against fitting it."""
        return np.asarray(-gradient / (np.maximum(hessian, 0) + self.l2 + self.noise))


@dataclass(frozen=True)
class Split:
    """A node's split.

    Attributes:
        column: What it asks about.
        left: The bins that go left, shape `(bins,)`.
        weights: The scores that the two sides would add.
    """

    column: int
    left: Bools
    weights: tuple[float, float]


def best_split(
    gradients: Reals, hessians: Reals, growth: Growth, bounds: tuple[float, float]
) -> Split | None:
    """The split of a node with the largest gain.

    Args:
        gradients: The sums of first derivatives, shape `(columns, bins)`; the last bin holds
            missing values.
        hessians: The sums of second derivatives, the same shape.
        growth: How trees grow.
        bounds: The least and largest weight that constraints above the node allow.

    Returns:
        The split; None if none gains enough.
    """
    best, gain = None, growth.min_gain
    for column in range(len(gradients)):
        sets = _candidates(gradients[column], hessians[column], growth, column)
        sides = np.stack([sets, ~sets], axis=1).astype(np.float64)
        sums = np.stack([sides @ gradients[column], sides @ hessians[column]])
        gains, weights = _gains(sums, growth, int(growth.monotone[column]), bounds)
        place = int(np.argmax(gains)) if len(gains) else 0
        if len(gains) and gains[place] > gain:
            gain = float(gains[place])
            best = Split(column, sets[place], (float(weights[place, 0]), float(weights[place, 1])))
    return best


def _candidates(gradient: Reals, hessian: Reals, growth: Growth, column: int) -> Bools:
    """The sets of bins that may go left, shape `(candidates, bins)`."""
    bins = len(gradient)
    if growth.ordered[column]:
        below = np.tri(bins - 1, dtype=np.bool_)[:-1]  # thresholds between the bins of values
        without = np.column_stack([below, np.zeros(len(below), np.bool_)])
        with_missing = np.column_stack([below, np.ones(len(below), np.bool_)])
        return np.vstack([without, with_missing])
    # Categories in the order of their weights: the best of all sets is one of their beginnings.
    held = hessian > growth.noise
    order = np.argsort(growth.weight(gradient, hessian), kind="stable")
    order = order[held[order]]
    found = np.zeros((max(0, len(order) - 1), bins), np.bool_)
    for size in range(1, len(order)):
        found[size - 1, order[:size]] = True
    return found


def _gains(
    sums: Reals, growth: Growth, direction: int, bounds: tuple[float, float]
) -> tuple[Reals, Reals]:
    """The gain of each split, equation 7, and the weights of its sides.

    Args:
        sums: First and second derivatives of both sides, shape `(2, splits, 2)`.
        growth: How trees grow.
        direction: The column's constraint.
        bounds: The least and largest weight.

    Returns:
        The gains, minus infinity where a split is not allowed; the weights, shape `(splits, 2)`.
    """
    g, h = sums[0], np.maximum(sums[1], 0.0)
    weights = np.clip(growth.weight(g, h), *bounds)
    penalty = growth.l2 + growth.noise
    whole = np.clip(growth.weight(g.sum(axis=1), h.sum(axis=1)), *bounds)
    # The loss's second-order model at the two weights, less that at one.
    one = g.sum(axis=1) * whole + 0.5 * (h.sum(axis=1) + penalty) * whole**2
    gains = one - (g * weights + 0.5 * (h + penalty) * weights**2).sum(axis=1)
    least = max(growth.min_child, growth.noise * _SURE)
    allowed = (h >= least).all(axis=1) & (direction * (weights[:, 1] - weights[:, 0]) >= 0)
    return np.where(allowed, gains, -np.inf), weights


_SURE: Final = 10.0
"""Each side of a split has at least this many standard deviations of a cell's noise."""
