"""A plain matrix times an encrypted vector, by diagonals (Halevi and Shoup 2014 and 2018).

Let the columns' period be n and the rows' period m. The k-th diagonal holds M[i mod m, (i + k) mod
n] for i < max(m, n), and the product is Σ_k diagonal_k ∘ rotate(x, k) over k < K = min(m, n); if
n > m, the result is folded n/m times onto itself. With k = g·j + i, √K rotations of x are enough
(baby steps, of one ciphertext, so hoisted), and √K of partial sums (giant steps, all by g, so of
one key): the diagonals are turned back beforehand. Matrices beyond the slots are cut into blocks.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from confide.errors import EncryptionError
from confide.he.ciphertext import Plain
from confide.he.encoding import Numbers
from confide.he.engine import C
from confide.he.layout import period

if TYPE_CHECKING:
    from confide.he.vector import EncryptedVector

__all__ = ["PlainMatrix"]


class PlainMatrix:
    """A matrix that is multiplied by encrypted vectors, perhaps by many: diagonals are made once.

    Args:
        matrix: (rows, columns).
        slots: Of the vectors' engine.

    Raises:
        EncryptionError: If it is not a matrix.
    """

    __array_ufunc__ = None

    def __init__(self, matrix: Numbers, slots: int) -> None:
        if matrix.ndim != 2 or not matrix.size:
            raise EncryptionError(f"a matrix of shape {matrix.shape}; it has rows and columns")
        self.shape: Final[tuple[int, int]] = (matrix.shape[0], matrix.shape[1])
        self.slots: Final = slots
        m, n = (period(size, slots) for size in self.shape)
        self._height, self._width = m, n
        self._count = min(m, n)
        self._baby = 1 << max(math.ceil(math.log2(math.sqrt(self._count))), 0)
        self._blocks = self._cut(matrix)
        self._plains: dict[tuple[int, int, int], Plain] = {}

    def _cut(self, matrix: Numbers) -> list[list[Numbers]]:
        """Blocks of (height, width), padded with zeros."""
        m, n = self._height, self._width
        rows, columns = -(-self.shape[0] // m), -(-self.shape[1] // n)
        padded = np.zeros((rows * m, columns * n), matrix.dtype)
        padded[: self.shape[0], : self.shape[1]] = matrix
        return [
            [padded[r * m : (r + 1) * m, c * n : (c + 1) * n] for c in range(columns)]
            for r in range(rows)
        ]

    def diagonal(self, row: int, column: int, k: int) -> Numbers:
        """The k-th diagonal of a block, turned back by its giant step: (slots,)."""
        i = np.arange(max(self._height, self._width))
        line = self._blocks[row][column][i % self._height, (i + k) % self._width]
        turned = np.roll(line, k - k % self._baby)
        return np.tile(turned, self.slots // len(turned))

    def __matmul__(self, x: EncryptedVector[C]) -> EncryptedVector[C]:
        """The product; takes one level.

        Raises:
            EncryptionError: If the vector has not as many numbers as there are columns, or no level
                is left.
        """
        from confide.he.vector import EncryptedVector

        if len(x) != self.shape[1]:
            raise EncryptionError(
                f"a matrix of {self.shape[1]} columns and a vector of {len(x)} numbers"
            )
        if x.evaluator.engine.slots != self.slots:
            raise EncryptionError(
                f"diagonals for {self.slots} slots and a vector of {x.evaluator.engine.slots}:"
                " make the PlainMatrix with the slots of the parameters"
            )
        steps = range(min(self._baby, self._count))
        turned = [x.evaluator.rotations(block, list(steps)) for block in x.blocks]
        settled = [[x.evaluator.settled(one) for one in ones] for ones in turned]
        rows = [self._row(x, row, settled) for row in range(len(self._blocks))]
        return EncryptedVector(x.evaluator, rows, self.shape[0])

    def _row(self, x: EncryptedVector[C], row: int, turned: list[list[C]]) -> C:
        """One block of rows: Horner's rule over the giant steps."""
        evaluator, total = x.evaluator, None
        for first in reversed(range(0, self._count, self._baby)):
            pairs = [
                (one, self._plain(x, row, column, first + i))
                for column, ones in enumerate(turned)
                for i, one in enumerate(ones)
                if first + i < self._count
            ]
            part = evaluator.dot([one for one, _ in pairs], [plain for _, plain in pairs])
            total = part if total is None else evaluator.add(total, part)
            if first:
                total = evaluator.rotate(total, self._baby)
        if total is None:
            raise AssertionError("a matrix has a diagonal")
        step = self._height
        while step < self._width:
            total = evaluator.add(total, evaluator.rotate(total, step))
            step *= 2
        return total

    def _plain(self, x: EncryptedVector[C], row: int, column: int, k: int) -> Plain:
        name = (row, column, k)
        if name not in self._plains:
            self._plains[name] = x.evaluator.engine.plain(self.diagonal(*name))
        return self._plains[name]

    def __repr__(self) -> str:
        return f"PlainMatrix(shape={self.shape}, slots={self.slots})"
