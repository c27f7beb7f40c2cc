"""Encrypted tables: one encrypted vector for each column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import add, mul, sub
from typing import Any, Final, Generic, SupportsIndex

from confide.errors import EncryptionError
from confide.he.blocks import each
from confide.he.engine import C
from confide.he.layout import Layout
from confide.he.numbers import Numbers, numbers_in
from confide.he.operand import EncryptedNumbers
from confide.he.transform import PlainMatrix
from confide.he.vector import EncryptedVector, concatenate, reciprocals

__all__ = ["EncryptedMatrix"]


class EncryptedMatrix(EncryptedNumbers, Generic[C]):
    """A table under encryption, in the hands of whoever computes.

    `X @ w` takes plain weights, or an encrypted vector of them; `r @ X` an encrypted or plain
    vector as long as the columns; `+`, `-`, `*`, and `/` by plain numbers are elementwise, with a
    number, one number for each column, an encrypted vector, or another encrypted table. `X[j]` is a
    column.
    """

    def __init__(self, columns: Sequence[EncryptedVector[C]]) -> None:
        self.columns: Final = tuple(columns)
        if not self.columns or len({len(column) for column in self.columns}) != 1:
            raise EncryptionError("a table has columns, all of one length")

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self.columns[0]), len(self.columns)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, column: SupportsIndex) -> EncryptedVector[C]:
        return self.columns[column]

    def __matmul__(self, weights: object) -> Any:
        """Rows times weights: a vector, or with plain weights (columns, k) a table.

        With plain weights no rotation is needed, each block of rows is rescaled once, and it takes
        one level. Encrypted weights are first put into all slots, each by a sum: two levels.
        """
        if isinstance(weights, EncryptedVector):
            return self._weighed_by(weights)
        if isinstance(weights, EncryptedNumbers):
            return NotImplemented
        numbers = numbers_in(weights)
        if numbers.ndim == 0:
            raise EncryptionError(
                "a table @ one number; multiply by it with *, or give one weight for each of the"
                f" {len(self.columns)} columns"
            )
        if numbers.ndim > 2 or len(numbers) != len(self.columns):
            raise EncryptionError(
                f"weights of shape {numbers.shape} for {len(self.columns)} columns; give one for"
                " each, or (columns, k)"
            )
        if numbers.ndim == 2:
            return EncryptedMatrix([self @ column for column in numbers.T])
        first = self.columns[0]
        plain = first.evaluator.engine.plain
        return self._dot([[plain(w)] * len(first.blocks) for w in numbers], numbers.dtype.kind)

    def _weighed_by(self, weights: EncryptedVector[C]) -> EncryptedVector[C]:
        if len(weights) != len(self.columns):
            raise EncryptionError(
                f"{len(weights)} encrypted weights for {len(self.columns)} columns; one for each"
            )
        if weights.evaluator is not self.columns[0].evaluator:
            raise EncryptionError("a table and weights of two evaluators: compute with one")
        single = [weights[j] for j in range(len(weights))]
        blocks = [(w.blocks[0],) * len(self.columns[0].blocks) for w in single]
        return self._dot(blocks, "c" if weights.layout.complex else "f")

    def _dot(self, factors: Sequence[Sequence[Any]], kind: str) -> EncryptedVector[C]:
        """Σ_j of column j by its factors, one for each block; every block is rescaled once."""
        first, count = self.columns[0], len(self.columns)
        blocks = each(
            lambda *parts: first.evaluator.dot(parts[:count], parts[count:]),
            *(column.blocks for column in self.columns),
            *factors,
        )
        layout = Layout(
            length=len(first),
            clean=all(column.clean for column in self.columns),
            complex=kind == "c" or any(column.layout.complex for column in self.columns),
        )
        return EncryptedVector(first.evaluator, blocks, layout)

    def __rmatmul__(self, vector: object) -> Any:
        """Σ_i r_i·X_ij for each column j, in two levels: one for the product, one to pack.

        A plain matrix on the left gives a table, in one level.
        """
        if isinstance(vector, EncryptedVector):
            return concatenate([column @ vector for column in self.columns])
        if isinstance(vector, PlainMatrix):
            return EncryptedMatrix([vector @ column for column in self.columns])
        numbers = numbers_in(vector)
        if numbers.ndim == 2:
            return PlainMatrix(numbers, self.columns[0].evaluator.engine.slots) @ self
        return concatenate([column @ numbers for column in self.columns])

    def sum(self, axis: int | None = None) -> EncryptedVector[C]:
        """Sums, as numpy's.

        Args:
            axis: 0 for one sum for each column (takes a level), 1 for one for each row, None for
                the sum of all numbers: a vector of length one.

        Raises:
            EncryptionError: If there is no such axis, or no level is left.
        """
        return self._summed(axis, 1)

    def mean(self, axis: int | None = None) -> EncryptedVector[C]:
        """Means, as numpy's; CKKS only. Each takes a level. See `sum`."""
        rows, columns = self.shape
        counts = {0: rows, 1: columns, None: rows * columns}
        scheme = self.columns[0].evaluator.engine.scheme
        return self._summed(axis, float(reciprocals(counts.get(axis, 1), scheme)))

    def _summed(self, axis: int | None, weight: float) -> EncryptedVector[C]:
        if axis not in {0, 1, None}:
            raise EncryptionError(f"axis {axis!r:.20} of a table; 0, 1 or None")
        if axis == 0:
            return concatenate([column.sum() for column in self.columns], weight=weight)
        total = self.columns[0]
        for column in self.columns[1:]:
            total = total + column
        total = total if axis == 1 else total.sum()
        return total if weight == 1 else total * weight

    def __add__(self, other: object) -> EncryptedMatrix[C]:
        return self._each(add, other)

    __radd__ = __add__

    def __sub__(self, other: object) -> EncryptedMatrix[C]:
        return self._each(sub, other)

    def __rsub__(self, other: object) -> EncryptedMatrix[C]:
        return -self + other

    def __neg__(self) -> EncryptedMatrix[C]:
        return EncryptedMatrix([-column for column in self.columns])

    def __mul__(self, other: object) -> EncryptedMatrix[C]:
        return self._each(mul, other)

    __rmul__ = __mul__

    def __truediv__(self, other: object) -> EncryptedMatrix[C]:
        if isinstance(other, EncryptedNumbers):
            return EncryptedMatrix([column / other for column in self.columns])
        return self * reciprocals(other, self.columns[0].evaluator.engine.scheme)

    def __rtruediv__(self, other: object) -> EncryptedMatrix[C]:
        return EncryptedMatrix([other / column for column in self.columns])

    def __pow__(self, exponent: SupportsIndex) -> EncryptedMatrix[C]:
        return EncryptedMatrix([column**exponent for column in self.columns])

    def conjugate(self) -> EncryptedMatrix[C]:
        """The conjugate numbers; real and whole ones are their own."""
        return EncryptedMatrix([column.conjugate() for column in self.columns])

    def _each(self, operation: Callable[[Any, Any], Any], other: object) -> EncryptedMatrix[C]:
        pairs = zip(self.columns, self._others(other), strict=True)
        return EncryptedMatrix([operation(x, y) for x, y in pairs])

    def _others(self, other: object) -> Sequence[Any]:
        count = len(self.columns)
        others: Sequence[Any]
        if isinstance(other, EncryptedMatrix):
            others = other.columns
        elif isinstance(other, EncryptedVector):
            others = [other] * count
        else:
            numbers: Numbers = numbers_in(other)
            others = [numbers] * count if numbers.ndim == 0 else list(numbers)
            if numbers.ndim > 1:
                raise EncryptionError(
                    f"an array of shape {numbers.shape} beside a table: one number for each column"
                )
        if len(others) != count:
            raise EncryptionError(f"{len(others)} operands for {count} columns")
        return others

    def __repr__(self) -> str:
        return f"EncryptedMatrix(shape={self.shape}, {self.columns[0]!r})"
