"""The protocol of engines that compute on ciphertexts, and confide's own engine.

An engine does not choose when to relinearise or rescale: `Evaluator` decides that, once for every
engine. Any engine with this protocol can replace confide's own: the planner's tracer, which
computes depth, noise and cost instead of numbers, and in the tests Microsoft SEAL.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol, TypeVar

import numpy as np

from confide.errors import EncryptionError
from confide.he.arithmetic import changed, lowered, rescaled, scaled
from confide.he.ciphertext import Ciphertext, Plain, require_fit
from confide.he.context import Context, moved_by
from confide.he.encoding import Polys
from confide.he.keys import RELINEARISATION, EvaluationKeys, SwitchingKey, conjugation
from confide.he.parameters import Scheme
from confide.he.ranges import Reach

__all__ = ["Encrypted", "Engine", "NativeEngine"]


class Encrypted(Protocol):
    """What every engine's ciphertexts know about themselves."""

    @property
    def level(self) -> int:
        """How many more multiplications it allows."""

    @property
    def squared(self) -> bool:
        """Whether its scale is the square of the level's: a product that is not yet rescaled."""

    @property
    def parts(self) -> int:
        """2, or 3 of a product that is not yet relinearised."""


C = TypeVar("C", bound=Encrypted)


class Engine(Protocol[C]):
    """Arithmetic on the slots of ciphertexts of one type.

    `Evaluator` ensures that the operands of one operation have one level and one scale.
    """

    @property
    def scheme(self) -> Scheme:
        """Which numbers are computed with."""

    @property
    def slots(self) -> int:
        """N/2: how many numbers rotations move."""

    @property
    def lowest(self) -> int:
        """The level at which nothing can be multiplied any more."""

    def plain(self, values: object) -> Plain:
        """Numbers that are going to meet ciphertexts; refuses what the scheme cannot hold."""

    def add(self, x: C, y: C) -> C:
        """The sum."""

    def subtract(self, x: C, y: C) -> C:
        """The difference."""

    def add_plain(self, x: C, y: Plain) -> C:
        """The sum."""

    def times(self, x: C, number: int) -> C:
        """A whole number times x, at the same level and scale."""

    def products(self, xs: Sequence[C], ys: Sequence[C]) -> C:
        """Σ x·y of two parts each: three parts, at the squared scale."""

    def weighted(self, xs: Sequence[C], ys: Sequence[Plain]) -> C:
        """Σ x·y, at the squared scale."""

    def square_scale(self, x: C) -> C:
        """The same numbers at the squared scale."""

    def rescale(self, x: C) -> C:
        """From the squared scale of a level to the scale of the level below."""

    def lower(self, x: C, level: int) -> C:
        """The same numbers at a lower level."""

    def relinearise(self, x: C) -> C:
        """From three parts to two."""

    def rotate(self, x: C, steps: Sequence[int]) -> list[C]:
        """What `numpy.roll(x, -step)` would give, for each of the steps; x has two parts."""

    def conjugate(self, x: C) -> C:
        """The conjugate numbers (CKKS), or the two rows swapped (BGV); x has two parts."""

    def known(self, x: C, of: C, reach: Reach) -> C:
        """x, which a theorem bounds: where it lies follows by `reach` from where `of` lies."""

    def declared(self, x: C, low: float, high: float) -> C:
        """x, whose numbers lie between `low` and `high`, as the computation declares."""


_AT_A_TIME: Final = 16
"""Plain factors that are encoded before they are used."""


class NativeEngine:
    """confide's own engine (an `Engine` of `Ciphertext`).

    Args:
        keys: The operations that it is allowed: without a key of products none can be relinearised.
    """

    def __init__(self, keys: EvaluationKeys) -> None:
        self.keys: Final = keys
        self.context: Final[Context] = keys.context
        self._parameters = keys.context.parameters
        self._ring = keys.context.ring
        self._monomials: dict[tuple[int, int], Polys] = {}

    @property
    def scheme(self) -> Scheme:
        """See `Engine`."""
        return self._parameters.scheme

    @property
    def slots(self) -> int:
        """See `Engine`."""
        return self._parameters.slots

    @property
    def lowest(self) -> int:
        """See `Engine`."""
        return 0

    def plain(self, values: object) -> Plain:
        """See `Engine`."""
        return Plain(self.context.encoding.checked(values))

    def add(self, x: Ciphertext, y: Ciphertext) -> Ciphertext:
        """See `Engine`."""
        if x.parts < y.parts:
            x, y = y, x
        self._require_alike(x, y)
        out, rows = self._like(x.data), self._rows(x)
        self._ring.add(out[: y.parts], x.data[: y.parts], y.data, rows)
        out[y.parts :] = x.data[y.parts :]
        return changed(x, out, squared=x.squared)

    def subtract(self, x: Ciphertext, y: Ciphertext) -> Ciphertext:
        """See `Engine`."""
        if x.parts != y.parts:
            return self.add(x, self.times(y, -1))
        self._require_alike(x, y)
        out = self._like(x.data)
        self._ring.subtract(out, x.data, y.data, self._rows(x))
        return changed(x, out, squared=x.squared)

    def add_plain(self, x: Ciphertext, y: Plain) -> Ciphertext:
        """See `Engine`."""
        self._require_mine(x)
        out = self._like(x.data)
        out[:] = x.data
        encoded = self._encoded(y, x.level, squared=x.squared)
        self._ring.add(out[:1], x.data[:1], encoded, self._rows(x))
        return changed(x, out, squared=x.squared)

    def times(self, x: Ciphertext, number: int) -> Ciphertext:
        """See `Engine`."""
        self._require_mine(x)
        return scaled(self.context, x, number, squared=x.squared)

    def products(self, xs: Sequence[Ciphertext], ys: Sequence[Ciphertext]) -> Ciphertext:
        """See `Engine`."""
        self._require_alike(*xs, *ys)
        rows = self._rows(xs[0])
        out = self.context.empty(3, len(rows))
        self._ring.tensor(out, [x.data for x in xs], [y.data for y in ys], rows)
        return changed(xs[0], out, squared=True)

    def weighted(self, xs: Sequence[Ciphertext], ys: Sequence[Plain]) -> Ciphertext:
        """See `Engine`."""
        self._require_alike(*xs)
        rows, total = self._rows(xs[0]), None
        for some, weights in _chunks(xs, ys):
            factors = [self._encoded(y, xs[0].level, squared=False) for y in weights]
            out = self._like(xs[0].data)
            self._ring.weighted(out, [x.data for x in some], factors, rows)
            if total is not None:
                self._ring.add(out, total, out, rows)
            total = out
        if total is None:
            raise EncryptionError("a sum of no products; give at least one")
        return changed(xs[0], total, squared=True)

    def square_scale(self, x: Ciphertext) -> Ciphertext:
        """See `Engine`."""
        self._require_mine(x)
        return scaled(self.context, x, self.context.encoding.to_squared(x.level), squared=True)

    def rescale(self, x: Ciphertext) -> Ciphertext:
        """See `Engine`."""
        self._require_mine(x)
        return rescaled(self.context, x)

    def lower(self, x: Ciphertext, level: int) -> Ciphertext:
        """See `Engine`."""
        self._require_mine(x)
        return lowered(self.context, x, level)

    def relinearise(self, x: Ciphertext) -> Ciphertext:
        """See `Engine`."""
        self._require_mine(x)
        rows, special = self._rows(x), self._parameters.special
        key = self.keys.find(RELINEARISATION, x.level, "relinearising a product")
        above = self.context.empty(2, len(rows) + len(special))
        self._ring.switch_key(above, x.data[2:], *self._where(x, key))
        out = self._divided(above, rows)
        self._ring.add(out, out, x.data[:2], rows)
        return changed(x, out, squared=x.squared)

    def rotate(self, x: Ciphertext, steps: Sequence[int]) -> list[Ciphertext]:
        """See `Engine`: one decomposition serves all steps (Halevi and Shoup 2018, hoisting)."""
        self._require_mine(x)
        powers = [moved_by(step, self._parameters.degree) for step in steps]
        keys = [
            self.keys.find(power, x.level, f"rotating by {step}") if power != 1 else None
            for power, step in zip(powers, steps, strict=True)
        ]
        used = [key for key in keys if key is not None]
        digits = self._decomposed(x) if len(used) > 1 else None
        return [
            x if key is None else self._turned(x, power, key, digits)
            for power, key in zip(powers, keys, strict=True)
        ]

    def conjugate(self, x: Ciphertext) -> Ciphertext:
        """See `Engine`."""
        self._require_mine(x)
        power = conjugation(self._parameters.degree)
        return self._turned(x, power, self.keys.find(power, x.level, "conjugating"), None)

    def shifted(self, x: Ciphertext, power: int) -> Ciphertext:
        """X^power times the polynomials, exactly: no level, no error.

        X^(N/2) multiplies every slot by i.
        """
        self._require_mine(x)
        rows, out = self._rows(x), self._like(x.data)
        self._ring.weighted(out, [x.data], [self._monomial(power, x.level)], rows)
        return changed(x, out, squared=x.squared)

    def turned(self, x: Ciphertext, power: int) -> Ciphertext:
        """What X -> X^power makes of x, for any odd power whose key there is; x has two parts."""
        self._require_mine(x)
        key = self.keys.find(power, x.level, f"turning X to X^{power}")
        return self._turned(x, power, key, None)

    def _monomial(self, power: int, level: int) -> Polys:
        """X^power, transformed; made once for each level."""
        name = (power, level)
        if name not in self._monomials:
            degree, rows = self._parameters.degree, self._parameters.rows(level)
            place, negative = power % degree, power // degree % 2
            out = self.context.empty(1, len(rows))
            out[:] = 0
            out[0, :, place] = self.context.encoding.residues(-1 if negative else 1, rows)
            self._ring.forward(out, rows)
            self._monomials[name] = out
        return self._monomials[name]

    def known(self, x: Ciphertext, of: Ciphertext, reach: Reach) -> Ciphertext:
        """See `Engine`: nobody looks at numbers here."""
        return x

    def declared(self, x: Ciphertext, low: float, high: float) -> Ciphertext:
        """See `Engine`: nobody looks at numbers here."""
        return x

    def _decomposed(self, x: Ciphertext) -> Polys:
        rows, special = self._rows(x), self._parameters.special
        out = self.context.empty(self._parameters.digits(x.level), len(rows) + len(special))
        self._ring.decompose(out, x.data[1:], rows, special, self._parameters.width)
        return out

    def _turned(
        self, x: Ciphertext, power: int, key: SwitchingKey, digits: Polys | None
    ) -> Ciphertext:
        """What X -> X^power makes of x, under the same secret."""
        rows, special = self._rows(x), self._parameters.special
        above = self.context.empty(2, len(rows) + len(special))
        if digits is None:
            self._ring.switch_key(above, x.data[1:], *self._where(x, key))
        else:
            self._ring.switch_digits(above, digits, *self._where(x, key))
        switched = self._divided(above, rows)
        self._ring.add(switched[:1], switched[:1], x.data[:1], rows)
        out = self._like(switched)
        self._ring.rotate(out, switched, power)
        return changed(x, out, squared=x.squared)

    def _divided(self, above: Polys, rows: range) -> Polys:
        """Without the special primes."""
        out = self.context.empty(2, len(rows))
        t = self._parameters.plain_modulus
        self._ring.lower(out, above, rows, self._parameters.special, t)
        return out

    def _where(
        self, x: Ciphertext, key: SwitchingKey
    ) -> tuple[Polys, list[int], Polys, range, range, int]:
        """How the ring is told which key switches what."""
        parameters = self._parameters
        offset = key.offset(self.context, x.level)
        rows = self._rows(x)
        return key.data, key.rows(parameters), offset, rows, parameters.special, parameters.width

    def _like(self, polys: Polys) -> Polys:
        return self.context.empty(len(polys), polys.shape[1])

    def _rows(self, x: Ciphertext) -> range:
        return self._parameters.rows(x.level)

    def _encoded(self, y: Plain, level: int, *, squared: bool) -> Polys:
        encoding = self.context.encoding
        number = None if y.constant is None else encoding.constant(y.constant, level)
        if number is not None:
            by = encoding.to_squared(level) if squared else 1
            return self._constant(number * by, level)
        encoded = self._encoded_at(y, level)
        if not squared:
            return encoded
        rows, out = self._parameters.rows(level), self._like(encoded)
        by = encoding.to_squared(level)
        self._ring.scale(out, encoded, encoding.residues(by, rows), rows)
        return out

    def _encoded_at(self, y: Plain, level: int) -> Polys:
        name = (self._parameters, level)
        if name not in y.encoded:
            y.encoded[name] = self.context.encoding.encode(y.values, level)
        found: Polys = y.encoded[name]
        return found

    def _constant(self, number: int, level: int) -> Polys:
        """The same value at every point is the same number in every place."""
        rows = self._parameters.rows(level)
        out = self.context.empty(1, len(rows))
        out[0] = np.array(self.context.encoding.residues(number, rows), np.uint64)[:, None]
        return out

    def _require_mine(self, *xs: Ciphertext) -> None:
        require_fit(self._parameters, self.keys.key_id, *xs)

    def _require_alike(self, *xs: Ciphertext) -> None:
        self._require_mine(*xs)
        if len({(x.level, x.squared) for x in xs}) != 1:
            raise EncryptionError(
                "ciphertexts of different levels or scales: "
                + ", ".join(f"level {x.level}{' squared' * x.squared}" for x in xs[:4])
                + ". An Evaluator brings them together"
            )

    def __repr__(self) -> str:
        return f"NativeEngine({self.keys!r})"


def _chunks(
    xs: Sequence[Ciphertext], ys: Sequence[Plain]
) -> Iterator[tuple[Sequence[Ciphertext], Sequence[Plain]]]:
    if len(xs) != len(ys):
        raise EncryptionError(f"{len(xs)} ciphertexts and {len(ys)} plain factors; as many of each")
    for first in range(0, len(xs), _AT_A_TIME):
        yield xs[first : first + _AT_A_TIME], ys[first : first + _AT_A_TIME]
