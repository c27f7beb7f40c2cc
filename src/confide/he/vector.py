"""Encrypted vectors of any length, with the operators of numpy."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, Generic, NoReturn, SupportsIndex, TypeGuard

import numpy as np

from confide.errors import EncryptionError
from confide.he import polynomial
from confide.he.blocks import Alike, each
from confide.he.ciphertext import Plain
from confide.he.engine import C
from confide.he.evaluator import Evaluator
from confide.he.gather import Run, gathered
from confide.he.layout import Layout, as_line, blocks_of, is_full, period
from confide.he.numbers import Numbers, numbers_in
from confide.he.operand import EncryptedNumbers
from confide.he.parameters import Scheme
from confide.he.polynomial import interval
from confide.he.ranges import Reach
from confide.he.transform import PlainMatrix

__all__ = ["EncryptedVector", "concatenate", "reciprocals"]


class EncryptedVector(EncryptedNumbers, Generic[C]):
    """Numbers under encryption, in the hands of whoever computes.

    Operators are numpy's: elementwise `+`, `-`, `*` and `**` with another encrypted vector, an
    array or a number, `/` by plain numbers, `@` for inner products and for a plain matrix on the
    left, `x[i]` and slices. A vector of length one meets every other. Multiplications in a row take
    levels; sums and whole factors take none.

    Args:
        evaluator: Computes.
        blocks: The ciphertexts, laid out as `confide.he.layout` says.
        layout: What they hold.
    """

    def __init__(self, evaluator: Evaluator[C], blocks: Sequence[C], layout: Layout) -> None:
        self.evaluator: Final = evaluator
        self.blocks: Final = blocks if isinstance(blocks, Alike) else tuple(blocks)
        self.layout: Final = layout.within(evaluator.engine.slots)

    @property
    def length(self) -> int:
        """How many numbers there are."""
        return self.layout.length

    @property
    def clean(self) -> bool:
        """Whether the padding is zero, or there is none."""
        return self.layout.clean

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
        total: EncryptedVector[C] = self._sum(other, self.evaluator.add)
        return total

    __radd__ = __add__

    def __sub__(self, other: object) -> EncryptedVector[C]:
        total: EncryptedVector[C] = self._sum(other, self.evaluator.subtract)
        return total

    def __rsub__(self, other: object) -> EncryptedVector[C]:
        return -self + other

    def __neg__(self) -> EncryptedVector[C]:
        return self._like(each(self.evaluator.negate, self.blocks))

    def __mul__(self, other: object) -> EncryptedVector[C]:
        if isinstance(other, EncryptedVector):
            return self._product(other)
        if isinstance(other, EncryptedNumbers):
            return NotImplemented
        numbers = numbers_in(other)
        mixed = self.layout.complex or numbers.dtype.kind == "c"
        if numbers.ndim == 0:
            factor = self.evaluator.engine.plain(numbers)
            blocks = each(lambda x: self.evaluator.multiply(x, factor), self.blocks)
            return self._like(blocks, complex=mixed)
        line = as_line(numbers)
        x, plains = self._against(line)
        return self._like(
            each(self.evaluator.multiply, x, plains),
            length=max(self.length, len(line)),
            clean=self.clean or len(line) > 1,
            complex=mixed,
        )

    __rmul__ = __mul__

    def _product(self, other: EncryptedVector[C]) -> EncryptedVector[C]:
        x, y = self._broadcast(other)
        blocks = each(self.evaluator.multiply, x, y)
        longer = max(self, other, key=len)
        # A vector of length one stands in the padding of the other too.
        alike = len(self) == len(other)
        return self._like(
            blocks,
            length=longer.length,
            clean=longer.clean or (alike and other.clean),
            complex=self.layout.complex or other.layout.complex,
        )

    def __truediv__(self, other: object) -> EncryptedVector[C]:
        if isinstance(other, EncryptedNumbers):
            _refuse_division()
        return self * reciprocals(other, self.evaluator.engine.scheme)

    def __rtruediv__(self, other: object) -> NoReturn:
        _refuse_division()

    def __pow__(self, exponent: SupportsIndex) -> EncryptedVector[C]:
        """By squaring, so that x**n takes ⌈log2 n⌉ levels."""
        try:
            power = 0 if isinstance(exponent, bool) else operator.index(exponent)
        except TypeError:
            power = 0
        if power < 1:
            raise EncryptionError("an exponent that is not one of the whole powers 1, 2, 3, …")
        if power == 1:
            return self
        half = self ** (power // 2)
        return half * half if power % 2 == 0 else half * (self ** (power - power // 2))

    def __matmul__(self, other: Any) -> Any:
        """An inner product with a vector (length 1), or with every column of a matrix."""
        if isinstance(other, EncryptedVector):
            return self._inner(other)
        if isinstance(other, EncryptedNumbers):
            return NotImplemented  # an encrypted table knows what to do
        numbers = numbers_in(other)
        return self._times(numbers.T) if numbers.ndim == 2 else self._weighted(as_line(numbers))

    def __rmatmul__(self, matrix: object) -> EncryptedVector[C]:
        """A plain matrix times this vector; see `confide.he.transform.PlainMatrix`."""
        if isinstance(matrix, PlainMatrix):
            return self._times(matrix)
        numbers = numbers_in(matrix)
        return self._weighted(as_line(numbers)) if numbers.ndim == 1 else self._times(numbers)

    def _times(self, matrix: PlainMatrix | Numbers) -> EncryptedVector[C]:
        if not isinstance(matrix, PlainMatrix):
            matrix = PlainMatrix(matrix, self.evaluator.engine.slots)
        return self._like(
            matrix.times(self.evaluator, self.blocks, self.length),
            length=matrix.shape[0],
            clean=True,
            complex=self.layout.complex or matrix.complex,
        )

    def _weighted(self, weights: Numbers) -> EncryptedVector[C]:
        if len(self) != len(weights):
            raise _lengths(self, weights)
        return (self * weights).sum()

    def _inner(self, other: EncryptedVector[C]) -> EncryptedVector[C]:
        self._require_evaluator(other)
        if len(self) != len(other):
            raise _lengths(self, other)
        x = self if other.clean else self._cleaned()
        product = self.evaluator.dot(x.blocks, other.blocks)
        mixed = self.layout.complex or other.layout.complex
        return self._like([product], length=self.period, clean=True, complex=mixed).sum()

    def __getitem__(
        self, index: SupportsIndex | slice | Sequence[int] | Numbers
    ) -> EncryptedVector[C]:
        """One number (length 1), a slice, or the numbers at an array of places.

        Takes a level, unless what is kept can stay where it is; and rotations.

        Raises:
            IndexError: If there is no such number.
            EncryptionError: If none would be left.
        """
        numbers = np.arange(self.length)[index]
        places: Numbers = np.atleast_1d(numbers)
        if places.ndim != 1 or not len(places):
            raise EncryptionError("an index that leaves no vector; keep at least one number")
        if (np.diff(places) == 1).all():
            run = self.run(0, start=int(places[0]), count=len(places))
            return self._gathered([run], len(places))
        chosen = np.zeros((len(places), self.length), np.int8)
        chosen[np.arange(len(places)), places] = 1
        return self._times(chosen)

    def roll(self, shift: SupportsIndex) -> EncryptedVector[C]:
        """What `numpy.roll(x, shift)` would give; a level, unless the length is a power of two."""
        by = operator.index(shift) % self.length
        parts = [self.run(by, count=self.length - by)]
        if by:
            parts.append(self.run(0, start=self.length - by, count=by))
        return self._gathered(parts, self.length)

    def run(self, at: int, *, start: int = 0, count: int | None = None) -> Run[C]:
        """Numbers of this vector, to be put elsewhere by `confide.he.gather`."""
        many = self.length if count is None else count
        return Run(blocks=self.blocks, length=self.length, start=start, count=many, at=at)

    def _gathered(self, runs: Sequence[Run[C]], length: int) -> EncryptedVector[C]:
        blocks, clean = gathered(self.evaluator, runs, length)
        return self._like(blocks, length=length, clean=clean)

    def sum(self) -> EncryptedVector[C]:
        """The sum of the numbers: a vector of length one."""
        x = self._cleaned()
        # In two parts first: a sum with a rotated one would stay in three at every step.
        total = x.evaluator.relinearised(x.evaluator.total(x.blocks))
        step = 1
        while step < x.period:
            total = x.evaluator.add(total, x.evaluator.rotate(total, step))
            step *= 2
        return self._like([total], length=1, clean=True)

    def _cleaned(self) -> EncryptedVector[C]:
        """With zeros in the padding: a level, if it holds something else."""
        return self if self.clean else self * np.ones(self.length, np.int64)

    def mean(self) -> EncryptedVector[C]:
        """The mean of the numbers: a vector of length one. CKKS only."""
        return self.sum() / self.length

    def conjugate(self) -> EncryptedVector[C]:
        """The conjugate numbers; real and whole ones are their own."""
        if not self.layout.complex:
            return self
        return self._like(each(self.evaluator.conjugate, self.blocks))

    def polynomial(self, coefficients: object) -> EncryptedVector[C]:
        """Σ c_k·x^k of every number, in ⌈log2 d⌉ + 1 levels; see `confide.he.polynomial`."""
        return polynomial.of_powers(self, coefficients)

    def chebyshev(self, coefficients: object, low: object, high: object) -> EncryptedVector[C]:
        """Σ c_k·T_k of every number between `low` and `high`: stable for high degrees."""
        return polynomial.of_chebyshev(self, coefficients, low, high)

    def within(self, low: object, high: object) -> EncryptedVector[C]:
        """The same numbers, which whoever writes this says lie between `low` and `high`.

        The planner then needs no room for more. It counts for CKKS and `decrypt_private` alone:
        numbers that lie elsewhere make results wrong, and nothing would say so. `plan(samples=...)`
        checks it on samples.

        Raises:
            EncryptionError: If it is no interval, or cannot be so.
        """
        first, last = interval(low, high)
        declared = self.evaluator.engine.declared
        return self._like(each(lambda x: declared(x, first, last), self.blocks))

    def known(self, of: EncryptedVector[C], reach: Reach) -> EncryptedVector[C]:
        """Itself, with what a theorem says about where it lies, from where `of` lies."""
        known = self.evaluator.engine.known
        return self._like(each(lambda x, y: known(x, y, reach), self.blocks, of.blocks))

    def weighed(
        self, members: Sequence[EncryptedVector[C]], weights: Sequence[float]
    ) -> EncryptedVector[C]:
        """Σ weight·member of vectors of this length, rescaled once."""
        factors = [self.evaluator.engine.plain(weight) for weight in weights]
        return self._like(
            each(
                lambda *xs: self.evaluator.dot(xs, factors), *(member.blocks for member in members)
            ),
            clean=all(member.clean for member in members),
            complex=any(member.layout.complex for member in members),
        )

    def settled(self) -> EncryptedVector[C]:
        """In as few bytes as it takes: relinearised and rescaled."""
        return self._like(each(self.evaluator.settled, self.blocks))

    def _like(self, blocks: Sequence[C], **changes: Any) -> EncryptedVector[C]:
        """Other blocks in this layout, but for what changes in it."""
        return EncryptedVector(self.evaluator, blocks, replace(self.layout, **changes))

    def _sum(self, other: object, operation: Callable[[C, C | Plain], C]) -> Any:
        if isinstance(other, EncryptedVector):
            x, y = self._broadcast(other)
            blocks = each(operation, x, y)
            return self._like(
                blocks,
                length=max(len(self), len(other)),
                clean=self.clean and other.clean and len(self) == len(other),
                complex=self.layout.complex or other.layout.complex,
            )
        if isinstance(other, EncryptedNumbers):
            return NotImplemented
        numbers = numbers_in(other)
        mixed = self.layout.complex or numbers.dtype.kind == "c"
        if numbers.ndim == 0:
            # Padding stays zero: a number is added to what counts alone.
            if is_full(self.length, self.evaluator.engine.slots):
                constant = self.evaluator.engine.plain(numbers)
                blocks = each(lambda x: operation(x, constant), self.blocks)
                return self._like(blocks, complex=mixed)
            numbers = np.full(self.length, numbers)
        left, plains = self._against(as_line(numbers))
        return self._like(
            each(operation, left, plains),
            length=max(self.length, len(numbers)),
            clean=self.clean and self.length == len(numbers),
            complex=mixed,
        )

    def _require_evaluator(self, other: EncryptedVector[Any]) -> None:
        if other.evaluator is not self.evaluator:
            raise EncryptionError("vectors of two evaluators: compute with one")

    def _broadcast(self, other: EncryptedVector[C]) -> tuple[Sequence[C], Sequence[C]]:
        self._require_evaluator(other)
        if len(self) == len(other):
            return self.blocks, other.blocks
        if len(self) == 1:
            return (self.blocks[0],) * len(other.blocks), other.blocks
        if len(other) == 1:
            return self.blocks, (other.blocks[0],) * len(self.blocks)
        raise _lengths(self, other)

    def _against(self, line: Numbers) -> tuple[Sequence[C], Sequence[Plain]]:
        if len(line) != len(self) and 1 not in {len(line), len(self)}:
            raise _lengths(self, line)
        engine = self.evaluator.engine
        plains = [engine.plain(block) for block in blocks_of(line, engine.slots)]
        count = max(len(plains), len(self.blocks))
        return (
            self.blocks if len(self.blocks) == count else (self.blocks[0],) * count,
            plains if len(plains) == count else plains * count,
        )

    def __repr__(self) -> str:
        return (
            f"EncryptedVector(length={self.length}, level {self.level},"
            f" {self.blocks[0]!r} x {len(self.blocks)})"
        )


def concatenate(vectors: Sequence[EncryptedVector[C]], *, weight: float = 1) -> EncryptedVector[C]:
    """Vectors one after another in one, as `numpy.concatenate` has them; takes one level.

    Args:
        vectors: Of one evaluator.
        weight: By what every number is multiplied, in the same level.

    Raises:
        EncryptionError: If there are none, one is no encrypted vector, or no level is left.
    """
    if not _all_vectors(vectors):
        raise EncryptionError("encrypted vectors are put together, at least one, and nothing else")
    first, runs, at = vectors[0], [], 0
    for vector in vectors:
        if vector.evaluator is not first.evaluator:
            raise EncryptionError("vectors of two evaluators: compute with one")
        runs.append(vector.run(at))
        at += len(vector)
    blocks, clean = gathered(first.evaluator, runs, at, weight=weight)
    mixed = any(vector.layout.complex for vector in vectors)
    return EncryptedVector(first.evaluator, blocks, Layout(length=at, clean=clean, complex=mixed))


def _all_vectors(given: object) -> TypeGuard[Sequence[EncryptedVector[Any]]]:
    return (
        isinstance(given, Sequence)
        and len(given) > 0
        and all(isinstance(each, EncryptedVector) for each in given)
    )


def reciprocals(divisors: object, scheme: Scheme) -> Numbers:
    """1/x of plain numbers that something encrypted is divided by.

    Raises:
        EncryptionError: If one is zero, or the scheme has whole numbers only.
    """
    numbers = numbers_in(divisors)
    if scheme is Scheme.BGV:
        raise EncryptionError(
            "BGV has whole numbers, which are not divided: divide after decryption, or take CKKS"
        )
    if not numbers.all():
        raise EncryptionError("a division by zero")
    with np.errstate(over="ignore"):
        inverse: Numbers = 1 / numbers
    return inverse


def _refuse_division() -> NoReturn:
    raise EncryptionError(
        "an encrypted number is no divisor: approximate 1/x by a polynomial, x.chebyshev(...), on"
        " the interval where it lies"
    )


def _lengths(x: Any, y: Any) -> EncryptionError:
    return EncryptionError(
        f"vectors of {len(x)} and {len(y)} numbers; they are of one length, or one of them of 1"
    )
