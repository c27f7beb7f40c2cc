"""A plain matrix times an encrypted vector, by diagonals (Halevi and Shoup 2014 and 2018).

Let the columns' period be n and the rows' period m. The k-th diagonal holds M[i mod m, (i + k) mod
n] for i < max(m, n), and the product is Σ_k diagonal_k ∘ rotate(x, k) over k < K = min(m, n); if
n > m, the result is folded n/m times onto itself. With k = g·j + i, √K rotations of x are enough
(baby steps, of one ciphertext, so hoisted), and √K of partial sums (giant steps, all by g, so of
one key): the diagonals are turned back beforehand. Matrices beyond the slots are cut into blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from confide.errors import EncryptionError
from confide.he.ciphertext import Plain
from confide.he.engine import C
from confide.he.evaluator import Evaluator
from confide.he.layout import as_table, period
from confide.he.numbers import Numbers

__all__ = ["PlainMatrix"]


class PlainMatrix:
    """A matrix for products with encrypted vectors, `matrix @ x`: diagonals are made once.

    Args:
        matrix: (rows, columns).
        slots: Of the vectors' engine.

    Attributes:
        shape: (rows, columns).
        slots: Of the vectors' engine.
        complex: Whether its numbers may have imaginary parts.

    Raises:
        EncryptionError: If it is not a matrix.
    """

    __array_ufunc__ = None

    def __init__(self, matrix: ArrayLike, slots: int) -> None:
        numbers = as_table(matrix)
        self.shape: Final[tuple[int, int]] = (numbers.shape[0], numbers.shape[1])
        self.slots: Final = slots
        m, n = (period(size, slots) for size in self.shape)
        self._height, self._width = m, n
        self._count = min(m, n)
        self._baby = 1 << max(math.ceil(math.log2(math.sqrt(self._count))), 0)
        self.complex: Final = numbers.dtype.kind == "c"
        self._blocks = self._cut(numbers)
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

    def times(self, evaluator: Evaluator[C], blocks: Sequence[C], length: int) -> list[C]:
        """The blocks of the product with a vector; takes one level.

        Args:
            evaluator: Computes.
            blocks: Of the vector; what stands in its padding does not count.
            length: Of the vector.

        Raises:
            EncryptionError: If the vector has not as many numbers as there are columns, or no level
                is left.
        """
        if length != self.shape[1]:
            raise EncryptionError(
                f"a matrix of {self.shape[1]} columns and a vector of {length} numbers"
            )
        if evaluator.engine.slots != self.slots:
            raise EncryptionError(
                f"diagonals for {self.slots} slots and a vector of {evaluator.engine.slots}:"
                " make the PlainMatrix with the slots of the parameters"
            )
        steps = range(min(self._baby, self._count))
        # Settled before they are turned: once for each block, and at the lower level.
        settled = [evaluator.settled(block) for block in blocks]
        turned = [evaluator.rotations(block, list(steps)) for block in settled]
        return [self._row(evaluator, row, turned) for row in range(len(self._blocks))]

    def _row(self, evaluator: Evaluator[C], row: int, turned: list[list[C]]) -> C:
        """One block of rows: Horner's rule over the giant steps."""
        total = None
        for first in reversed(range(0, self._count, self._baby)):
            pairs = [
                (one, self._plain(evaluator, row, column, first + i))
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

    def _plain(self, evaluator: Evaluator[C], row: int, column: int, k: int) -> Plain:
        name = (row, column, k)
        if name not in self._plains:
            self._plains[name] = evaluator.engine.plain(self.diagonal(*name))
        return self._plains[name]

    def __repr__(self) -> str:
        return f"PlainMatrix(shape={self.shape}, slots={self.slots})"
