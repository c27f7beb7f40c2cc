"""An engine that computes on plain numbers, with errors as large as encryption would make them.

Intervals and triangle inequalities say what can happen at worst. What happens on the average is
less, since errors are independent and numbers are rarely at the ends of their ranges; no formula of
a few lines follows that through a program in which one number is used twice. So the program itself
runs here, in clear, some times: each operation adds a Gaussian error of the size that `Noise` gives
for it, and errors go through products and rotations as they do under encryption. The slots' errors
are sums of N coefficients' errors and so close to Gaussian (Costache et al. 2022, ePrint 2022/162).

It says nothing about numbers unlike its samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.errors import EncryptionError
from confide.he.ciphertext import Plain
from confide.he.noise import CKKSNoise
from confide.he.numbers import Numbers
from confide.he.parameters import MOST_DEPTH, Parameters, Scheme
from confide.he.ranges import Reach, alike
from confide.he.tracer import line_outside, plain_numbers

__all__ = ["ROOM", "Clear", "Simulated"]

ROOM: Final = 2.0
"""Numbers may be so much larger than those of the samples."""


@dataclass(frozen=True, eq=False)
class Clear:
    """Slots in clear (an `Encrypted`).

    Attributes:
        level: See `Encrypted`.
        squared: See `Encrypted`.
        parts: See `Encrypted`.
        numbers: Shape (period,), what repeats in the slots.
        error: What decryption would give beside them, shape (period,). Where numbers repeat, one
            error stands for all.
    """

    level: int
    squared: bool
    parts: int
    numbers: Numbers
    error: NDArray[Any]


class Simulated:
    """Computes in clear, with errors (an `Engine` of `Clear`). CKKS only.

    Args:
        degree: N.
        parameters: Of that degree; None to compute without errors.
        random: Where errors come from.

    Attributes:
        largest: The largest size of a number anywhere.
    """

    def __init__(
        self, degree: int, parameters: Parameters | None, random: np.random.Generator
    ) -> None:
        self.degree: Final = degree
        self.parameters: Final = parameters
        self.largest = 0.0
        self._random = random
        self._noise = CKKSNoise(parameters) if parameters else None

    @property
    def scheme(self) -> Scheme:
        """See `Engine`."""
        return Scheme.CKKS

    @property
    def slots(self) -> int:
        """See `Engine`."""
        return self.degree // 2

    @property
    def lowest(self) -> int:
        """See `Engine`; nothing is out of reach before there are parameters."""
        return 0 if self.parameters else -MOST_DEPTH

    def plain(self, values: object) -> Plain:
        """See `Engine`."""
        return Plain(plain_numbers(values, Scheme.CKKS))

    def fresh(self, numbers: Numbers, bound: float) -> Clear:
        """An input, encrypted under the public key at the top level."""
        level = self.parameters.depth if self.parameters else 0
        added = self._noise.fresh(bound, level, public=True) if self._noise else 0.0
        return self._made(level, squared=False, parts=2, numbers=numbers, error=0.0, added=added)

    def add(self, x: Clear, y: Clear) -> Clear:
        """See `Engine`."""
        return self._of_two(x, y, np.add)

    def subtract(self, x: Clear, y: Clear) -> Clear:
        """See `Engine`."""
        return self._of_two(x, y, np.subtract)

    def add_plain(self, x: Clear, y: Plain) -> Clear:
        """See `Engine`."""
        numbers, error, values, of_values = alike(
            x.numbers, x.error, y.values, self._error_of(y, x.level)
        )
        if self._noise and x.squared:
            of_values = of_values + values / self._noise.parameters.scale(x.level) * self._sign()
        return self._like(x, numbers=numbers + values, error=error + of_values)

    def times(self, x: Clear, number: int) -> Clear:
        """See `Engine`."""
        return self._like(x, numbers=x.numbers * number, error=x.error * number)

    def products(self, xs: Sequence[Clear], ys: Sequence[Clear]) -> Clear:
        """See `Engine`."""
        factors = [(y.numbers, y.error) for y in ys]
        return self._dot(xs, factors, parts=3)

    def weighted(self, xs: Sequence[Clear], ys: Sequence[Plain]) -> Clear:
        """See `Engine`."""
        factors = [(y.values, self._error_of(y, xs[0].level)) for y in ys]
        return self._dot(xs, factors, parts=xs[0].parts)

    def _dot(
        self, xs: Sequence[Clear], factors: Sequence[tuple[Numbers, Numbers]], *, parts: int
    ) -> Clear:
        numbers, error = np.zeros(()), np.zeros(())
        for x, factor in zip(xs, factors, strict=True):
            a, e, b, f = alike(x.numbers, x.error, *factor)
            product, wrong = a * b, e * b + f * a + e * f
            numbers, product, error, wrong = alike(numbers, product, error, wrong)
            numbers, error = numbers + product, error + wrong
        return self._made(xs[0].level, squared=True, parts=parts, numbers=numbers, error=error)

    def square_scale(self, x: Clear) -> Clear:
        """See `Engine`: the whole number that changes the scale is a rounded one."""
        error = x.error
        if self._noise:
            error = error + x.numbers / self._noise.parameters.scale(x.level) * self._sign()
        return self._made(x.level, squared=True, parts=x.parts, numbers=x.numbers, error=error)

    def rescale(self, x: Clear) -> Clear:
        """See `Engine`."""
        added = self._noise.rescaled(0.0, x.level) if self._noise else 0.0
        return self._made(
            x.level - 1, squared=False, parts=x.parts,
            numbers=x.numbers, error=x.error, added=added,
        )  # fmt: skip

    def lower(self, x: Clear, level: int) -> Clear:
        """See `Engine`."""
        above = Clear(level + 1, squared=False, parts=x.parts, numbers=x.numbers, error=x.error)
        return self.rescale(self.square_scale(above))

    def relinearise(self, x: Clear) -> Clear:
        """See `Engine`."""
        return self._switched(x, x.numbers, x.error)

    def rotate(self, x: Clear, steps: Sequence[int]) -> list[Clear]:
        """See `Engine`."""
        return [
            self._switched(x, np.roll(x.numbers, -step), np.roll(x.error, -step))
            if step % self.slots
            else x
            for step in steps
        ]

    def conjugate(self, x: Clear) -> Clear:
        """See `Engine`."""
        return self._switched(x, np.conjugate(x.numbers), np.conjugate(x.error))

    def known(self, x: Clear, of: Clear, reach: Reach) -> Clear:
        """See `Engine`: the numbers are there to be seen."""
        return x

    def declared(self, x: Clear, low: float, high: float) -> Clear:
        """See `Engine`: refuses a range that a sample leaves."""
        outside = (x.numbers.real < low) | (x.numbers.real > high) | (x.numbers.imag != 0)
        if outside.any():
            raise EncryptionError(
                f"within({low:g}, {high:g}), and {int(outside.sum()):,} of {outside.size:,} numbers"
                " of the samples lie outside: widen the range, or lower the bounds of the inputs"
            )
        return x

    def require_base(self, x: Clear) -> None:
        """Refuses a result that the base does not hold."""
        if self._noise:
            self._noise.require_room(0.0, ROOM * _largest(x.numbers), 0, squared=False)

    def _of_two(self, x: Clear, y: Clear, operation: np.ufunc) -> Clear:
        parts = max(x.parts, y.parts)
        a, e, b, f = alike(x.numbers, x.error, y.numbers, y.error)
        numbers, error = operation(a, b), operation(e, f)
        return self._made(x.level, squared=x.squared, parts=parts, numbers=numbers, error=error)

    def _like(self, x: Clear, *, numbers: Numbers, error: NDArray[Any]) -> Clear:
        return self._made(x.level, squared=x.squared, parts=x.parts, numbers=numbers, error=error)

    def _switched(self, x: Clear, numbers: Numbers, error: NDArray[Any]) -> Clear:
        added = self._noise.switched(0.0, x.level, squared=x.squared) if self._noise else 0.0
        return self._made(
            x.level, squared=x.squared, parts=2, numbers=numbers, error=error, added=float(added)
        )

    def _error_of(self, y: Plain, level: int) -> Any:
        """Of a plain number's encoding: the same each time it is used at a level."""
        if not self._noise or y.constant is not None:
            return np.zeros(())  # A constant's rounding is below any other error.
        name = (Simulated, id(self), level)
        if name not in y.encoded:
            error = self._noise.plain(_largest(y.values), level)
            y.encoded[name] = self._drawn(y.values, error)
        return y.encoded[name]

    def _made(
        self,
        level: int,
        *,
        squared: bool,
        parts: int,
        numbers: Any,
        error: Any,
        added: float | NDArray[Any] = 0.0,
    ) -> Clear:
        size = _largest(numbers)
        if not math.isfinite(size):
            raise EncryptionError(
                f"{line_outside()}: numbers of the samples grow beyond any bound: divide the inputs"
            )
        self.largest = max(self.largest, size)
        if self._noise:
            self._noise.require_room(0.0, ROOM * size, level, squared=squared)
            error = error + self._drawn(numbers, float(added)) if added else error
        wide = np.broadcast_to(np.asarray(error), np.shape(numbers))
        return Clear(level, squared, parts, numbers, wide)

    def _drawn(self, numbers: Numbers, size: float) -> NDArray[Any]:
        """Errors of this root mean square; real numbers keep the real half of it."""
        half = size / math.sqrt(2)
        drawn: NDArray[Any] = half * self._random.standard_normal(numbers.shape)
        if numbers.dtype.kind == "c":
            drawn = drawn + 1j * half * self._random.standard_normal(numbers.shape)
        return drawn

    def _sign(self) -> float:
        """What a rounding up or down is of the largest one."""
        return float(self._random.uniform(-1, 1))


def _largest(numbers: Numbers) -> float:
    return float(np.abs(numbers).max(initial=0.0))
