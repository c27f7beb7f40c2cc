"""Models as computations on encrypted columns: one ciphertext holds one column of a block of rows.

Inputs lie in [-1, 1]. A score is what a model computes before its link: the owner applies the link
to the scores that it decrypts, which takes no level and reveals nothing more, since a link can be
inverted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from confide import he

__all__ = ["Circuit", "Linear", "Questions", "Tree", "Trees"]

Reals = NDArray[np.float64]


class Circuit(Protocol):
    """What an evaluator computes."""

    @property
    def inputs(self) -> int:
        """Columns that it takes."""

    @property
    def outputs(self) -> int:
        """Scores of a row."""

    def __call__(self, table: he.EncryptedMatrix[Any]) -> he.EncryptedMatrix[Any]:
        """Scores, (rows, outputs), of an encrypted table, (rows, inputs)."""

    def in_clear(self, table: Reals) -> Reals:
        """The same of numbers that anybody can read."""


@dataclass(frozen=True, eq=False)
class Linear:
    """Weights and an intercept for each output (a `Circuit`): one level, no keys.

    Attributes:
        weights: (inputs, outputs).
        intercept: (outputs,).
    """

    weights: Reals
    intercept: Reals

    @property
    def inputs(self) -> int:
        """See `Circuit`."""
        return len(self.weights)

    @property
    def outputs(self) -> int:
        """See `Circuit`."""
        return int(self.weights.shape[1])

    def __call__(self, table: he.EncryptedMatrix[Any]) -> he.EncryptedMatrix[Any]:
        """See `Circuit`."""
        scores: he.EncryptedMatrix[Any] = table @ self.weights + self.intercept
        return scores

    def in_clear(self, table: Reals) -> Reals:
        """See `Circuit`."""
        return table @ self.weights + self.intercept


Questions = Sequence[tuple[int, NDArray[np.bool_]]]
"""What trees ask: a column's place, and for each of its bins whether the answer is yes."""


@dataclass(frozen=True, eq=False)
class Tree:
    """A tree of depth d as a polynomial of degree d in its answers, +1 for yes and -1 for no.

    A node of answer s over the values y (yes) and n (no) is (y + n)/2 + s·(y - n)/2.

    Attributes:
        asked: The question of each node by its place, shape (2^d - 1,). Node i has the children
            2i + 1 (yes) and 2i + 2. -1 where every row goes to the first.
        leaves: Values, shape (2^d,).
    """

    asked: NDArray[np.intp]
    leaves: Reals

    def of(self, answers: Any) -> Any:
        """The tree's value for columns of answers, of ciphertexts or of numbers."""
        return self._node(answers, 0, self.leaves)

    def _node(self, answers: Any, node: int, leaves: Reals) -> Any:
        middle = len(leaves) // 2
        if (leaves == leaves[0]).all():
            return float(leaves[0])
        if self.asked[node] < 0:
            return self._node(answers, 2 * node + 1, leaves[:middle])
        yes = self._node(answers, 2 * node + 1, leaves[:middle] / 2)
        no = self._node(answers, 2 * node + 2, leaves[middle:] / 2)
        return (yes + no) + answers[int(self.asked[node])] * (yes - no)


@dataclass(frozen=True, eq=False)
class Trees:
    """Sums of trees (a `Circuit`): a level for each of their levels, and one for the leaves.

    The owner of a row answers the trees' questions in clear, since it knows its row; which leaf is
    reached, and what it is worth, is computed on ciphertexts.

    Attributes:
        questions: How many there are.
        trees: For each output.
    """

    questions: int
    trees: Sequence[Sequence[Tree]]

    @property
    def inputs(self) -> int:
        """See `Circuit`."""
        return self.questions

    @property
    def outputs(self) -> int:
        """See `Circuit`."""
        return len(self.trees)

    def __call__(self, table: he.EncryptedMatrix[Any]) -> he.EncryptedMatrix[Any]:
        """See `Circuit`."""
        nothing = table[0] * 0
        return he.EncryptedMatrix(
            [reduce(add, (tree.of(table) for tree in trees), nothing) for trees in self.trees]
        )

    def in_clear(self, table: Reals) -> Reals:
        """See `Circuit`."""
        columns = list(table.T)
        nothing = np.zeros(len(table))
        sums = [reduce(add, (tree.of(columns) for tree in trees), nothing) for trees in self.trees]
        return np.column_stack(sums)
