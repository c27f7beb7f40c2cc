"""An engine that computes nothing: it follows levels, sizes, errors, keys and work.

What runs on it is the computation itself, so nothing is described twice. Without parameters levels
count down from zero and tell the depth; with parameters it also follows errors and costs, and
refuses what would go wrong.
"""

from __future__ import annotations

import math
import sys
import weakref
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from confide.errors import EncryptionError
from confide.he.ciphertext import Plain
from confide.he.context import moved_by
from confide.he.keys import RELINEARISATION, conjugation
from confide.he.noise import BGVNoise, CKKSNoise, Noise
from confide.he.numbers import numbers_in
from confide.he.parameters import MOST_DEPTH, Parameters, Scheme

__all__ = ["Symbol", "Tracer", "Work"]


@dataclass(frozen=True, eq=False)
class Symbol:
    """What is known of a ciphertext in advance (an `Encrypted`)."""

    level: int
    squared: bool
    parts: int
    bound: float
    """The largest size of a number."""
    error: float
    """As `Noise` counts it."""


@dataclass
class Work:
    """What a computation does.

    Attributes:
        operations: How often each operation ran.
        butterflies: Of transforms.
        products: Multiplications and additions of residues outside them.
        encodings: Plain numbers turned into polynomials.
        written: Bytes of ciphertexts made.
        held: Bytes of ciphertexts held now.
        most_held: Bytes of ciphertexts held at most.
    """

    operations: Counter[str] = field(default_factory=Counter)
    butterflies: int = 0
    products: int = 0
    encodings: int = 0
    written: int = 0
    held: int = 0
    most_held: int = 0


class Tracer:
    """Follows a computation (an `Engine` of `Symbol`).

    Args:
        scheme: Which numbers are computed with.
        degree: N.
        parameters: Of that scheme and degree; None to learn the depth.
        secret: Whether only errors that depend on the secret key are followed.

    Attributes:
        needs: The keys that were used: the highest level for each power of X.
        lowest_seen: The lowest level that a ciphertext came to.
        deepest: The line outside confide that took it there.
        largest: The largest bound of a number anywhere.
        work: What was done.
    """

    def __init__(
        self, scheme: Scheme, degree: int, parameters: Parameters | None, *, secret: bool = False
    ) -> None:
        self.scheme: Final = scheme
        self.degree: Final = degree
        self.parameters: Final = parameters
        self.needs: Final[dict[int, int]] = {}
        self.work: Final = Work()
        self.lowest_seen = 0 if parameters is None else parameters.depth
        self.largest = 0.0
        self.deepest = ""
        self._noise: Noise | None = None
        if parameters:
            ckks = scheme is Scheme.CKKS
            self._noise = CKKSNoise(parameters, secret=secret) if ckks else BGVNoise(parameters)

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
        numbers = numbers_in(values)
        # Small types overflow where encodings do not.
        wide = {"c": np.complex128, "f": np.float64}.get(numbers.dtype.kind, np.int64)
        if numbers.dtype == np.uint64 and numbers.size and numbers.max() > np.iinfo(np.int64).max:
            wide = np.float64
        numbers = numbers.astype(wide)
        whole = wide is np.int64 or (np.rint(numbers.real) == numbers).all()
        if self.scheme is Scheme.BGV and not whole:
            raise EncryptionError("BGV computes with whole numbers; round them, or take CKKS")
        if not np.isfinite(numbers).all():
            raise EncryptionError("NaN or infinity among the numbers; they cannot be encoded")
        return Plain(numbers)

    def fresh(self, bound: float, *, public: bool) -> Symbol:
        """An input: numbers up to a bound, encrypted at the top level."""
        level = self.parameters.depth if self.parameters else 0
        if self._noise:
            self._noise.require_encodable(bound, level)
        error = self._noise.fresh(bound, level, public=public) if self._noise else 0.0
        return self._made("encrypt", level, squared=False, parts=2, bound=bound, error=error)

    def add(self, x: Symbol, y: Symbol) -> Symbol:
        """See `Engine`."""
        parts = max(x.parts, y.parts)
        self._multiply(parts * self._rows(x.level))
        return self._made(
            "add", x.level, squared=x.squared, parts=parts,
            bound=x.bound + y.bound, error=x.error + y.error,
        )  # fmt: skip

    subtract = add

    def add_plain(self, x: Symbol, y: Plain) -> Symbol:
        """See `Engine`."""
        bound, error = self._size(y), self._plain_error(y, x.level)
        self._encode(x.level, y)
        if self._noise and x.squared:
            error = self._noise.squared_scale(error, bound, x.level)
        return self._made(
            "add plain", x.level, squared=x.squared, parts=x.parts,
            bound=x.bound + bound, error=x.error + error,
        )  # fmt: skip

    def times(self, x: Symbol, number: int) -> Symbol:
        """See `Engine`."""
        self._multiply(x.parts * self._rows(x.level))
        return self._made(
            "times", x.level, squared=x.squared, parts=x.parts,
            bound=x.bound * abs(number), error=x.error * abs(number),
        )  # fmt: skip

    def products(self, xs: Sequence[Symbol], ys: Sequence[Symbol]) -> Symbol:
        """See `Engine`."""
        level = xs[0].level
        self._multiply(4 * len(xs) * self._rows(level))
        pairs = list(zip(xs, ys, strict=True))
        error = sum(self._product(x.error, x.bound, y.error, y.bound) for x, y in pairs)
        bound = sum(x.bound * y.bound for x, y in pairs)
        return self._made("multiply", level, squared=True, parts=3, bound=bound, error=error)

    def weighted(self, xs: Sequence[Symbol], ys: Sequence[Plain]) -> Symbol:
        """See `Engine`."""
        level, error = xs[0].level, 0.0
        # Slot by slot: factors that are zero in turn do not add up.
        bounds = np.zeros(())
        for x, y in zip(xs, ys, strict=True):
            self._encode(level, y)
            bounds = bounds + x.bound * np.abs(y.values)
            error += self._product(x.error, x.bound, self._plain_error(y, level), self._size(y))
        self._multiply(xs[0].parts * len(xs) * self._rows(level))
        return self._made(
            "multiply plain", level, squared=True, parts=xs[0].parts,
            bound=float(bounds.max()), error=error,
        )  # fmt: skip

    def square_scale(self, x: Symbol) -> Symbol:
        """See `Engine`."""
        self._multiply(x.parts * self._rows(x.level))
        error = self._noise.squared_scale(x.error, x.bound, x.level) if self._noise else 0.0
        return self._made(
            "square scale", x.level, squared=True, parts=x.parts, bound=x.bound, error=error
        )

    def rescale(self, x: Symbol) -> Symbol:
        """See `Engine`."""
        self._divide(x.parts, x.level)
        error = self._noise.rescaled(x.error, x.level) if self._noise else 0.0
        return self._made(
            "rescale", x.level - 1, squared=False, parts=x.parts, bound=x.bound, error=error
        )

    def lower(self, x: Symbol, level: int) -> Symbol:
        """See `Engine`."""
        above = self.square_scale(
            Symbol(level + 1, squared=False, parts=x.parts, bound=x.bound, error=x.error)
        )
        return self.rescale(above)

    def relinearise(self, x: Symbol) -> Symbol:
        """See `Engine`."""
        return self._switched("relinearise", x, RELINEARISATION, hoisted=False)

    def rotate(self, x: Symbol, steps: Sequence[int]) -> list[Symbol]:
        """See `Engine`."""
        powers = [moved_by(step, self.degree) for step in steps]
        hoisted = sum(power != 1 for power in powers) > 1
        if hoisted:
            self._decompose(x.level)
        return [
            x if power == 1 else self._switched("rotate", x, power, hoisted=hoisted)
            for power in powers
        ]

    def conjugate(self, x: Symbol) -> Symbol:
        """See `Engine`."""
        return self._switched("conjugate", x, conjugation(self.degree), hoisted=False)

    def require_base(self, x: Symbol) -> None:
        """Refuses a result that the base does not hold.

        Raises:
            EncryptionError: If it is too large.
        """
        if self._noise:
            error = self._noise.opened(x.error, x.level)
            self._noise.require_room(error, x.bound, 0, squared=False)

    def _switched(self, name: str, x: Symbol, power: int, *, hoisted: bool) -> Symbol:
        self.needs[power] = max(self.needs.get(power, x.level), x.level)
        error = 0.0
        if self.parameters and self._noise:
            if not hoisted:
                self._decompose(x.level)
            rows = self._rows(x.level) + len(self.parameters.special)
            self._multiply(2 * self.parameters.digits(x.level) * rows)
            self._transform(2 * rows)
            error = self._noise.switched(x.error, x.level, squared=x.squared)
        return self._made(name, x.level, squared=x.squared, parts=2, bound=x.bound, error=error)

    def _made(
        self, name: str, level: int, *, squared: bool, parts: int, bound: float, error: float
    ) -> Symbol:
        if not math.isfinite(bound):
            raise EncryptionError("numbers that grow beyond any bound: divide the inputs")
        if self._noise:
            self._noise.require_room(error, bound, level, squared=squared)
        if level - squared < self.lowest_seen:
            self.lowest_seen, self.deepest = level - squared, _line_outside()
        self.largest = max(self.largest, bound)
        self.work.operations[name] += 1
        made = Symbol(level, squared=squared, parts=parts, bound=bound, error=error)
        size = 8 * parts * self._rows(level) * self.degree
        self.work.held += size
        self.work.written += size
        self.work.most_held = max(self.work.most_held, self.work.held)
        weakref.finalize(made, self._released, size)
        return made

    def _released(self, size: int) -> None:
        self.work.held -= size

    def _product(self, x: float, x_bound: float, y: float, y_bound: float) -> float:
        return self._noise.product(x, x_bound, y, y_bound) if self._noise else 0.0

    def _plain_error(self, y: Plain, level: int) -> float:
        return self._noise.plain(self._size(y), level) if self._noise else 0.0

    @staticmethod
    def _size(y: Plain) -> float:
        return float(np.abs(y.values.astype(np.complex128)).max(initial=0.0))

    def _rows(self, level: int) -> int:
        return len(self.parameters.rows(level)) if self.parameters else 0

    def _transform(self, polynomials: int) -> None:
        self.work.butterflies += polynomials * self.degree // 2 * (self.degree.bit_length() - 1)

    def _encode(self, level: int, y: Plain) -> None:
        """What stands in every slot is one number, and needs no transform."""
        if self._noise:
            self._noise.require_encodable(self._size(y), level)
        if y.constant is None:
            self.work.encodings += 1
            self._transform(self._rows(level))
        self._multiply(self._rows(level))

    def _multiply(self, polynomials: int) -> None:
        self.work.products += polynomials * self.degree

    def _decompose(self, level: int) -> None:
        if self.parameters:
            rows, digits = self._rows(level), self.parameters.digits(level)
            self._transform(rows + digits * (rows + len(self.parameters.special)) - rows)

    def _divide(self, parts: int, level: int) -> None:
        if self.parameters:
            self._transform(parts * self._rows(level))
            self._multiply(parts * self._rows(level))


def _line_outside() -> str:
    """Where the computation that is traced stands: file and line."""
    here, frame = Path(__file__).parent, sys._getframe()  # noqa: SLF001 -- nothing else is as cheap
    while frame.f_back and Path(frame.f_code.co_filename).parent == here:
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}, line {frame.f_lineno}"
