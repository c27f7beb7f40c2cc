"""Encrypted tables: one encrypted vector for each column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Generic

import numpy as np
from numpy.typing import ArrayLike

from confide.errors import EncryptionError
from confide.he.encoding import Numbers
from confide.he.engine import C
from confide.he.transform import PlainMatrix
from confide.he.vector import EncryptedVector

__all__ = ["EncryptedMatrix"]


class EncryptedMatrix(Generic[C]):
    """A table under encryption, in the hands of whoever computes.

    `X @ w` takes a plain vector or matrix of weights, `r @ X` an encrypted or plain vector as long
    as the columns; `+`, `-` and `*` are elementwise, with a number, one number for each column, or
    another encrypted table.
    """

    __array_ufunc__ = None

    def __init__(self, columns: Sequence[EncryptedVector[C]]) -> None:
        self.columns: Final = tuple(columns)
        if not self.columns or len({len(column) for column in self.columns}) != 1:
            raise EncryptionError("a table has columns, all of one length")

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self.columns[0]), len(self.columns)

    def __getitem__(self, column: int) -> EncryptedVector[C]:
        return self.columns[column]

    def __matmul__(self, weights: ArrayLike) -> Any:
        """Rows times plain weights: a vector, or with weights (columns, k) a table.

        No rotation is needed, and each block of rows is rescaled once.
        """
        numbers = np.asarray(weights)
        if numbers.ndim not in {1, 2} or len(numbers) != len(self.columns):
            raise EncryptionError(
                f"weights of shape {numbers.shape} for {len(self.columns)} columns"
            )
        if numbers.ndim == 2:
            return EncryptedMatrix([self @ column for column in numbers.T])
        first = self.columns[0]
        evaluator, plain = first.evaluator, first.evaluator.engine.plain
        factors = [plain(weight) for weight in numbers]
        blocks = [
            evaluator.dot([column.blocks[at] for column in self.columns], factors)
            for at in range(len(first.blocks))
        ]
        return first.like(blocks, clean=all(column.clean for column in self.columns))

    def __rmatmul__(self, vector: EncryptedVector[C] | ArrayLike) -> Any:
        """Σ_i r_i·X_ij for each column j, in two levels: one for the product, one to pack.

        A plain matrix on the left gives a table, in one level.
        """
        if not isinstance(vector, EncryptedVector) and np.ndim(vector) == 2:
            matrix = PlainMatrix(np.asarray(vector), self.columns[0].evaluator.engine.slots)
            return EncryptedMatrix([matrix @ column for column in self.columns])
        sums = [_inner(vector, column) for column in self.columns]
        evaluator, count = self.columns[0].evaluator, len(sums)
        places = [self.columns[0].plain(place) for place in np.eye(count, dtype=np.int64)]
        packed = [
            evaluator.dot([each.blocks[0] for each in sums], [place[at] for place in places])
            for at in range(len(places[0]))
        ]
        return EncryptedVector(evaluator, packed, count)

    def __add__(self, other: object) -> EncryptedMatrix[C]:
        return EncryptedMatrix([x + y for x, y in self._paired(other)])

    __radd__ = __add__

    def __sub__(self, other: object) -> EncryptedMatrix[C]:
        return EncryptedMatrix([x - y for x, y in self._paired(other)])

    def __mul__(self, other: object) -> EncryptedMatrix[C]:
        return EncryptedMatrix([x * y for x, y in self._paired(other)])

    __rmul__ = __mul__

    def _paired(self, other: object) -> list[tuple[EncryptedVector[C], Any]]:
        count = len(self.columns)
        others: Sequence[Any]
        if isinstance(other, EncryptedMatrix):
            others = other.columns
        elif isinstance(other, EncryptedVector):
            others = [other] * count
        else:
            numbers: Numbers = np.asarray(other)
            others = [numbers] * count if numbers.ndim == 0 else list(numbers)
            if numbers.ndim > 1:
                raise EncryptionError(
                    f"an array of shape {numbers.shape} beside a table: one number for each column"
                )
        if len(others) != count:
            raise EncryptionError(f"{len(others)} operands for {count} columns")
        return list(zip(self.columns, others, strict=True))

    def __repr__(self) -> str:
        return f"EncryptedMatrix(shape={self.shape}, {self.columns[0]!r})"


def _inner(
    vector: EncryptedVector[C] | ArrayLike, column: EncryptedVector[C]
) -> EncryptedVector[C]:
    found: EncryptedVector[C] = column @ vector
    return found
