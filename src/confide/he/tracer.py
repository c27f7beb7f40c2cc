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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from confide.errors import EncryptionError
from confide.he.ciphertext import Plain
from confide.he.context import moved_by
from confide.he.keys import RELINEARISATION, conjugation
from confide.he.noise import BGVNoise, CKKSNoise, Error, Noise, added, largest
from confide.he.numbers import Numbers, numbers_in
from confide.he.parameters import MOST_DEPTH, Parameters, Scheme
from confide.he.ranges import Range, Reach, once

__all__ = ["Symbol", "Tracer", "Work", "line_outside", "plain_numbers"]


_HERE: Final = str(Path(__file__).parent)


@dataclass(frozen=True, eq=False)
class Symbol:
    """What is known of a ciphertext beforehand (an `Encrypted`)."""

    level: int
    squared: bool
    parts: int
    range: Range
    """Where its numbers lie."""
    error: Error
    """As `Noise` counts it, for all slots or for each."""

    @property
    def bound(self) -> float:
        """The largest size of a number."""
        return self.range.largest

    @property
    def largest_error(self) -> float:
        """That of the worst slot."""
        return largest(self.error)


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
        trusting: Whether a range that the computation declares counts where it does not follow.
        follows: Whether errors and ranges are followed, or levels and work alone.

    Attributes:
        declarations: Ranges that were declared and do not follow from the inputs' bounds.
        used: The keys that were used: for each power of X the levels.
        lowest_seen: The lowest level that a ciphertext came to.
        deepest: The line outside confide that took it there.
        largest: The largest bound of a number anywhere.
        work: What was done.
    """

    def __init__(
        self,
        scheme: Scheme,
        degree: int,
        parameters: Parameters | None,
        *,
        secret: bool = False,
        trusting: bool = False,
        follows: bool = True,
    ) -> None:
        self.scheme: Final = scheme
        self.degree: Final = degree
        self.parameters: Final = parameters
        self.trusting: Final = trusting
        self.declarations: Final[list[str]] = []
        self.used: Final[dict[int, set[int]]] = {}
        self.work: Final = Work()
        self.lowest_seen = 0 if parameters is None else parameters.depth
        self.largest = 0.0
        self.deepest = ""
        self._noise: Noise | None = None
        self._follows = follows
        self._times = 1
        self._fresh: dict[tuple[float, bool], float] = {}
        if parameters and follows:
            ckks = scheme is Scheme.CKKS
            self._noise = CKKSNoise(parameters, secret=secret) if ckks else BGVNoise(parameters)

    @property
    def needs(self) -> dict[int, int]:
        """The keys that were used: the highest level for each power of X."""
        return {power: max(levels) for power, levels in sorted(self.used.items())}

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
        return Plain(plain_numbers(values, self.scheme))

    def fresh(self, bound: float, *, public: bool, real: bool = True) -> Symbol:
        """An input: numbers up to a bound, encrypted at the top level."""
        level = self.parameters.depth if self.parameters else 0
        if (bound, public) not in self._fresh:
            if self._noise:
                self._noise.require_encodable(bound, level)
            error = self._noise.fresh(bound, level, public=public) if self._noise else 0.0
            self._fresh[bound, public] = error
        lies, error = Range.about_zero(bound, real=real), self._fresh[bound, public]
        return self._made("encrypt", level, squared=False, parts=2, lies=lies, error=error)

    @contextmanager
    def repeated(self, count: int) -> Iterator[None]:
        """See `confide.he.blocks.Repeating`."""
        before = self._times
        self._times = before * count
        try:
            yield
        finally:
            self._times = before

    def summed(self, x: Symbol, count: int) -> Symbol:
        """See `confide.he.blocks.Repeating`."""
        self._multiply((count - 1) * x.parts * self._rows(x.level))
        return self._made(
            "add", x.level, squared=x.squared, parts=x.parts,
            lies=x.range.times(count), error=x.error * count,
        )  # fmt: skip

    def known(self, x: Symbol, of: Symbol, reach: Reach) -> Symbol:
        """See `Engine`."""
        return self._narrowed(x, x.range.meets(reach(of.range)))

    def declared(self, x: Symbol, low: float, high: float) -> Symbol:
        """See `Engine`: it counts where the bounds of the inputs do not imply it, and is noted."""
        if x.range.lies_in(low, high):
            return x
        if not x.range.real:
            raise EncryptionError("within(low, high) is for real numbers; these may be complex")
        if not self._follows:
            return x
        first, last = x.range.hull()
        if first > high or last < low:
            raise EncryptionError(
                f"within({low:g}, {high:g}) of numbers that lie between {first:.3g} and {last:.3g}"
            )
        if not self.trusting:
            raise EncryptionError(
                f"within({low:g}, {high:g}) of numbers that may lie between {first:.3g} and"
                f" {last:.3g}: results that are shown to others, and BGV, rest on the bounds of"
                " the inputs alone. Lower those bounds, or leave within(...) out"
            )
        self.declarations.append(f"{line_outside()}: within({low:g}, {high:g})")
        return self._narrowed(x, x.range.meets(Range(low, high)))

    def add(self, x: Symbol, y: Symbol) -> Symbol:
        """See `Engine`."""
        return self._added(x, y, x.range + y.range)

    def subtract(self, x: Symbol, y: Symbol) -> Symbol:
        """See `Engine`."""
        return self._added(x, y, x.range - y.range)

    def _added(self, x: Symbol, y: Symbol, lies: Range) -> Symbol:
        parts = max(x.parts, y.parts)
        self._multiply(parts * self._rows(x.level))
        return self._made(
            "add",
            x.level,
            squared=x.squared,
            parts=parts,
            lies=lies,
            error=added(x.error, y.error),
        )

    def add_plain(self, x: Symbol, y: Plain) -> Symbol:
        """See `Engine`."""
        number = self._lies(y)
        error = self._plain_error(y, x.level)
        self._encode(x.level, y)
        if self._noise and x.squared:
            error = self._noise.squared_scale(error, number.largest, x.level)
        return self._made(
            "add plain", x.level, squared=x.squared, parts=x.parts,
            lies=x.range + number, error=added(x.error, error),
        )  # fmt: skip

    def times(self, x: Symbol, number: int) -> Symbol:
        """See `Engine`."""
        self._multiply(x.parts * self._rows(x.level))
        return self._made(
            "times", x.level, squared=x.squared, parts=x.parts,
            lies=x.range.times(number), error=x.error * abs(number),
        )  # fmt: skip

    def products(self, xs: Sequence[Symbol], ys: Sequence[Symbol]) -> Symbol:
        """See `Engine`."""
        level = xs[0].level
        error: Error = 0.0
        self._multiply(4 * len(xs) * self._rows(level))
        lies = []
        for x, y in zip(xs, ys, strict=True):
            lies.append(x.range.squared() if x is y else x.range * y.range)
            error = added(error, self._product(x.error, x.range, y.error, y.range))
        return self._made(
            "multiply", level, squared=True, parts=3, lies=sum(lies[1:], lies[0]), error=error
        )

    def weighted(self, xs: Sequence[Symbol], ys: Sequence[Plain]) -> Symbol:
        """See `Engine`."""
        level = xs[0].level
        error: Error = 0.0
        lies = []
        for x, y in zip(xs, ys, strict=True):
            self._encode(level, y)
            # Slot by slot: factors that are zero in turn do not add up.
            factor = self._lies(y)
            lies.append(x.range * factor)
            by = self._product(x.error, x.range, self._plain_error(y, level), factor)
            error = added(error, by)
        self._multiply(xs[0].parts * len(xs) * self._rows(level))
        return self._made(
            "multiply plain", level, squared=True, parts=xs[0].parts,
            lies=sum(lies[1:], lies[0]), error=error,
        )  # fmt: skip

    def square_scale(self, x: Symbol) -> Symbol:
        """See `Engine`."""
        self._multiply(x.parts * self._rows(x.level))
        error = self._noise.squared_scale(x.error, x.bound, x.level) if self._noise else 0.0
        return self._made(
            "square scale", x.level, squared=True, parts=x.parts, lies=x.range, error=error
        )

    def rescale(self, x: Symbol) -> Symbol:
        """See `Engine`."""
        self._divide(x.parts, x.level)
        error = self._noise.rescaled(x.error, x.level) if self._noise else 0.0
        return self._made(
            "rescale", x.level - 1, squared=False, parts=x.parts, lies=x.range, error=error
        )

    def lower(self, x: Symbol, level: int) -> Symbol:
        """See `Engine`."""
        above = self.square_scale(
            Symbol(level + 1, squared=False, parts=x.parts, range=x.range, error=x.error)
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
            x if power == 1 else self._switched("rotate", x, power, hoisted=hoisted, turned=step)
            for power, step in zip(powers, steps, strict=True)
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
            error = self._noise.opened(x.largest_error, x.level)
            self._noise.require_room(error, x.bound, 0, squared=False)

    def _switched(
        self, name: str, x: Symbol, power: int, *, hoisted: bool, turned: int = 0
    ) -> Symbol:
        self.used.setdefault(power, set()).add(x.level)
        error: Error = 0.0
        if self.parameters:
            if not hoisted:
                self._decompose(x.level)
            rows = self._rows(x.level) + len(self.parameters.special)
            self._multiply(2 * self.parameters.digits(x.level) * rows)
            self._transform(2 * rows)
        if self._noise:
            before = np.roll(x.error, -turned) if isinstance(x.error, np.ndarray) else x.error
            error = self._noise.switched(before, x.level, squared=x.squared)
        lies = x.range.turned(turned)
        return self._made(name, x.level, squared=x.squared, parts=2, lies=lies, error=error)

    def _made(
        self, name: str, level: int, *, squared: bool, parts: int, lies: Range, error: Error
    ) -> Symbol:
        bound = lies.largest
        if self._follows and not math.isfinite(bound):
            raise EncryptionError("numbers that grow beyond any bound: divide the inputs")
        if self._noise:
            self._noise.require_room(largest(error), bound, level, squared=squared)
        if level - squared < self.lowest_seen:
            self.lowest_seen, self.deepest = level - squared, line_outside()
        self.largest = max(self.largest, bound)
        self.work.operations[name] += self._times
        self.work.written += self._times * self._bytes(level, parts)
        return self._held(Symbol(level, squared, parts, lies.compact(), error))

    def _narrowed(self, x: Symbol, lies: Range) -> Symbol:
        """The same ciphertext, of which more is known."""
        return self._held(Symbol(x.level, x.squared, x.parts, lies.compact(), x.error))

    def _held(self, x: Symbol) -> Symbol:
        size = self._times * self._bytes(x.level, x.parts)
        self.work.held += size
        self.work.most_held = max(self.work.most_held, self.work.held)
        weakref.finalize(x, self._released, size)
        return x

    def _bytes(self, level: int, parts: int) -> int:
        return 8 * parts * self._rows(level) * self.degree

    def _released(self, size: int) -> None:
        self.work.held -= size

    def _product(self, x: Error, x_lies: Range, y: Error, y_lies: Range) -> Error:
        return self._noise.product(x, x_lies.size, y, y_lies.size) if self._noise else 0.0

    def _plain_error(self, y: Plain, level: int) -> Error:
        return self._noise.plain(self._size(y), level) if self._noise else 0.0

    @staticmethod
    def _lies(y: Plain) -> Range:
        """Where plain numbers lie; looked at once, though a diagonal meets many ciphertexts."""
        if Range not in y.encoded:
            y.encoded[Range] = Range.of(y.values).compact()
        lies: Range = y.encoded[Range]
        return lies

    def _size(self, y: Plain) -> float:
        return self._lies(y).largest

    def _rows(self, level: int) -> int:
        return len(self.parameters.rows(level)) if self.parameters else 0

    def _transform(self, polynomials: int) -> None:
        self.work.butterflies += (
            self._times * polynomials * self.degree // 2 * (self.degree.bit_length() - 1)
        )

    def _encode(self, level: int, y: Plain) -> None:
        """What stands in every slot is one number, and needs no transform."""
        if self._noise:
            self._noise.require_encodable(self._size(y), level)
        if y.constant is None:
            self.work.encodings += self._times
            self._transform(self._rows(level))
        self._multiply(self._rows(level))

    def _multiply(self, polynomials: int) -> None:
        self.work.products += self._times * polynomials * self.degree

    def _decompose(self, level: int) -> None:
        if self.parameters:
            rows, digits = self._rows(level), self.parameters.digits(level)
            self._transform(rows + digits * (rows + len(self.parameters.special)) - rows)

    def _divide(self, parts: int, level: int) -> None:
        if self.parameters:
            self._transform(parts * self._rows(level))
            self._multiply(parts * self._rows(level))


def plain_numbers(values: object, scheme: Scheme) -> Numbers:
    """What engines without encodings take as plain numbers: once each, if they repeat.

    Raises:
        EncryptionError: If the scheme does not hold them.
    """
    numbers = once(numbers_in(values))
    # Small types overflow where encodings do not.
    wide: Any = {"c": np.complex128, "f": np.float64}.get(numbers.dtype.kind, np.int64)
    if numbers.dtype == np.uint64 and numbers.size and numbers.max() > np.iinfo(np.int64).max:
        wide = np.float64
    numbers = numbers.astype(wide)
    whole = wide is np.int64 or (np.rint(numbers.real) == numbers).all()
    if scheme is Scheme.BGV and not whole:
        raise EncryptionError("BGV computes with whole numbers; round them, or take CKKS")
    if not np.isfinite(numbers).all():
        raise EncryptionError("NaN or infinity among the numbers; they have no encoding")
    return numbers


def line_outside() -> str:
    """Where the computation that is traced stands: file and line."""
    frame = sys._getframe()  # noqa: SLF001 -- nothing else is as cheap
    while frame.f_back and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}, line {frame.f_lineno}"
