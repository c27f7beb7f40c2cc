"""Encrypted vectors of any length, with the operators of numpy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, cast

import numpy as np
from numpy.typing import ArrayLike

from confide.errors import EncryptionError
from confide.he.ciphertext import Plain
from confide.he.encoding import Numbers
from confide.he.engine import C
from confide.he.evaluator import Evaluator
from confide.he.layout import as_line, blocks_of, is_full, period

__all__ = ["EncryptedVector"]


class EncryptedVector(Generic[C]):
    """Numbers under encryption, in the hands of whoever computes.

    Operators are numpy's: elementwise `+`, `-`, `*` and `**` with another encrypted vector, an
    array or a number, `@` for inner products and for a plain matrix on the left. A vector of length
    one meets every other. Multiplications in a row take levels; sums and whole factors take none.

    Args:
        evaluator: Computes.
        blocks: The ciphertexts, laid out as `confide.he.layout` says.
        length: How many numbers there are.
        clean: Whether the padding is zero.
    """

    __array_ufunc__ = None
    """numpy leaves its operators to this class."""

    def __init__(
        self, evaluator: Evaluator[C], blocks: Sequence[C], length: int, *, clean: bool = True
    ) -> None:
        self.evaluator: Final = evaluator
        self.blocks: Final = tuple(blocks)
        self.length: Final = length
        self.clean: Final = clean or is_full(length, evaluator.engine.slots)

    @property
    def shape(self) -> tuple[int]:
        """(length,)."""
        return (self.length,)

    @property
    def level(self) -> int:
        """How many more multiplications it bears."""
        return min(block.level - block.squared for block in self.blocks)

    @property
    def period(self) -> int:
        """After how many slots the numbers repeat."""
        return period(self.length, self.evaluator.engine.slots)

    def __len__(self) -> int:
        return self.length

    def __add__(self, other: object) -> EncryptedVector[C]:
        return self._sum(other, self.evaluator.add)

    __radd__ = __add__

    def __sub__(self, other: object) -> EncryptedVector[C]:
        return self._sum(other, self.evaluator.subtract)

    def __rsub__(self, other: object) -> EncryptedVector[C]:
        return -self + other

    def __neg__(self) -> EncryptedVector[C]:
        return self.like([self.evaluator.negate(x) for x in self.blocks])

    def __mul__(self, other: object) -> EncryptedVector[C]:
        if isinstance(other, EncryptedVector):
            x, y = self._broadcast(other)
            blocks = [self.evaluator.multiply(*pair) for pair in zip(x, y, strict=True)]
            longer = max(self, other, key=len)
            # A vector of length one stands in the padding of the other too.
            alike = len(self) == len(other)
            return longer.like(blocks, clean=longer.clean or (alike and other.clean))
        if np.ndim(cast("ArrayLike", other)) == 0:
            factor = self.evaluator.engine.plain(cast("ArrayLike", other))
            return self.like([self.evaluator.multiply(x, factor) for x in self.blocks])
        line = as_line(cast("ArrayLike", other))
        x, plains = self._against(line)
        return EncryptedVector(
            self.evaluator,
            [self.evaluator.multiply(*pair) for pair in zip(x, plains, strict=True)],
            max(self.length, len(line)),
            clean=self.clean or len(line) > 1,
        )

    __rmul__ = __mul__

    def __pow__(self, exponent: int) -> EncryptedVector[C]:
        """By squaring, so that x**n takes ⌈log2 n⌉ levels."""
        if type(exponent) is not int or exponent < 1:
            raise EncryptionError(f"a power of {exponent!r}; whole powers from 1 on are products")
        if exponent == 1:
            return self
        half = self ** (exponent // 2)
        return half * half if exponent % 2 == 0 else half * (self ** (exponent - exponent // 2))

    def __matmul__(self, other: Any) -> Any:
        """An inner product with a vector (length 1), or with every column of a matrix."""
        if isinstance(other, EncryptedVector):
            return self._inner(other)
        if not isinstance(other, np.ndarray | Sequence):
            return NotImplemented  # an encrypted matrix knows what to do
        numbers = np.asarray(other)
        if numbers.ndim == 2:
            return numbers.T @ self
        return self._weighed(as_line(numbers))

    def __rmatmul__(self, matrix: ArrayLike) -> EncryptedVector[C]:
        """A plain matrix times this vector; see `confide.he.transform.PlainMatrix`."""
        from confide.he.transform import PlainMatrix

        numbers = np.asarray(matrix)
        if numbers.ndim == 1:
            return self._weighed(as_line(numbers))
        return PlainMatrix(numbers, self.evaluator.engine.slots) @ self

    def _weighed(self, weights: Numbers) -> EncryptedVector[C]:
        if len(self) != len(weights):
            raise _lengths(self, weights)
        return (self * weights).sum()

    def _inner(self, other: EncryptedVector[C]) -> EncryptedVector[C]:
        if len(self) != len(other):
            raise _lengths(self, other)
        x = self if self.clean or other.clean else self * np.ones(self.length, np.int64)
        product = self.evaluator.dot(x.blocks, other.blocks)
        return EncryptedVector(self.evaluator, [product], self.period).sum()

    def sum(self) -> EncryptedVector[C]:
        """The sum of the numbers: a vector of length one."""
        x = self if self.clean else self * np.ones(self.length, np.int64)
        total = x.blocks[0]
        for block in x.blocks[1:]:
            total = x.evaluator.add(total, block)
        step = 1
        while step < x.period:
            total = x.evaluator.add(total, x.evaluator.rotate(total, step))
            step *= 2
        return EncryptedVector(x.evaluator, [total], 1)

    def mean(self) -> EncryptedVector[C]:
        """The mean of the numbers: a vector of length one. CKKS only."""
        return self.sum() * (1 / self.length)

    def polynomial(self, coefficients: ArrayLike) -> EncryptedVector[C]:
        """Σ c_k·x^k of every number, in ⌈log2 d⌉ + 1 levels; see `confide.he.polynomial`."""
        from confide.he.polynomial import of_powers

        return of_powers(self, coefficients)

    def chebyshev(self, coefficients: ArrayLike, low: float, high: float) -> EncryptedVector[C]:
        """Σ c_k·T_k of every number between `low` and `high`: stable for high degrees."""
        from confide.he.polynomial import of_chebyshev

        return of_chebyshev(self, coefficients, low, high)

    def settled(self) -> EncryptedVector[C]:
        """In as few bytes as it takes: relinearised and rescaled."""
        return self.like([self.evaluator.settled(x) for x in self.blocks])

    def like(self, blocks: Sequence[C], *, clean: bool | None = None) -> EncryptedVector[C]:
        """Other blocks in the same layout."""
        same = self.clean if clean is None else clean
        return EncryptedVector(self.evaluator, blocks, self.length, clean=same)

    def plain(self, numbers: ArrayLike) -> list[Plain]:
        """Plain numbers in the layout of this length."""
        line = as_line(numbers)
        engine = self.evaluator.engine
        return [engine.plain(block) for block in blocks_of(line, engine.slots)]

    def _sum(self, other: object, operation: Callable[[C, C | Plain], C]) -> EncryptedVector[C]:
        if isinstance(other, EncryptedVector):
            x, y = self._broadcast(other)
            blocks = [operation(*pair) for pair in zip(x, y, strict=True)]
            longer = max(self, other, key=len)
            clean = self.clean and other.clean and len(self) == len(other)
            return longer.like(blocks, clean=clean)
        numbers = np.asarray(cast("ArrayLike", other))
        if numbers.ndim == 0:
            # Padding stays zero: a number is added to what counts alone.
            full = is_full(self.length, self.evaluator.engine.slots)
            if full:
                constant = self.evaluator.engine.plain(numbers)
                return self.like([operation(x, constant) for x in self.blocks])
            numbers = np.full(self.length, numbers)
        left, plains = self._against(numbers)
        length = max(self.length, len(numbers))
        clean = self.clean and self.length == len(numbers)
        return EncryptedVector(
            self.evaluator,
            [operation(*pair) for pair in zip(left, plains, strict=True)],
            length,
            clean=clean,
        )

    def _broadcast(self, other: EncryptedVector[C]) -> tuple[Sequence[C], Sequence[C]]:
        if other.evaluator is not self.evaluator:
            raise EncryptionError("vectors of two evaluators: compute with one")
        if len(self) == len(other):
            return self.blocks, other.blocks
        if len(self) == 1:
            return self.blocks * len(other.blocks), other.blocks
        if len(other) == 1:
            return self.blocks, other.blocks * len(self.blocks)
        raise _lengths(self, other)

    def _against(self, other: object) -> tuple[Sequence[C], Sequence[Plain]]:
        line = as_line(cast("ArrayLike", other))
        if len(line) != len(self) and 1 not in {len(line), len(self)}:
            raise _lengths(self, line)
        plains = self.plain(line)
        count = max(len(plains), len(self.blocks))
        return (
            self.blocks if len(self.blocks) == count else self.blocks * count,
            plains if len(plains) == count else plains * count,
        )

    def __repr__(self) -> str:
        return (
            f"EncryptedVector(length={self.length}, level {self.level},"
            f" {self.blocks[0]!r} x {len(self.blocks)})"
        )


def _lengths(x: Any, y: Any) -> EncryptionError:
    return EncryptionError(
        f"vectors of {len(x)} and {len(y)} numbers; they are of one length, or one of them of 1"
    )
