"""When to relinearise, rescale and change levels: the same for every engine.

Both are put off as long as they can be. A product keeps three parts and the squared scale until
something needs it otherwise, so a sum of a thousand products is relinearised and rescaled once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Generic

from confide.errors import EncryptionError
from confide.he.blocks import Alike, each
from confide.he.ciphertext import Plain
from confide.he.engine import C, Engine
from confide.he.parameters import Scheme

__all__ = ["Evaluator"]


class Evaluator(Generic[C]):
    """Arithmetic on ciphertexts at any level.

    Args:
        engine: What computes.
    """

    def __init__(self, engine: Engine[C]) -> None:
        self.engine: Final = engine

    def add(self, x: C, y: C | Plain) -> C:
        """The sum."""
        if isinstance(y, Plain):
            return self.engine.add_plain(x, y)
        return self.engine.add(*self._together(x, y))

    def subtract(self, x: C, y: C | Plain) -> C:
        """The difference."""
        if isinstance(y, Plain):
            return self.engine.add_plain(x, Plain(-y.values))
        return self.engine.subtract(*self._together(x, y))

    def negate(self, x: C) -> C:
        """The negative."""
        return self.engine.times(x, -1)

    def multiply(self, x: C, y: C | Plain) -> C:
        """x·y. A whole number takes no level; any other factor takes one.

        Raises:
            EncryptionError: If no level is left.
        """
        if isinstance(y, Plain):
            number = self._whole(y)
            if number is not None:
                return self.engine.times(x, number)
            return self.dot([x], [y])
        return self.dot([x], [y])

    def dot(self, xs: Sequence[C], ys: Sequence[C] | Sequence[Plain]) -> C:
        """Σ x·y, relinearised and rescaled once, when the sum is used.

        Raises:
            EncryptionError: If no level is left, or there are not as many of each.
        """
        if not xs or len(xs) != len(ys):
            raise EncryptionError(
                f"{len(xs)} left and {len(ys)} right factors; as many of each, and at least one"
            )
        if isinstance(xs, Alike) and isinstance(ys, Alike):
            return self.total(each(lambda x, y: self.dot([x], [y]), xs, ys))
        plain = [y for y in ys if isinstance(y, Plain)]
        if plain:
            factors = self.at_one_level(self._each_settled(xs))
            self._require_level(factors)
            return self.engine.weighted(factors, plain)
        others = [y for y in ys if not isinstance(y, Plain)]
        both = self.at_one_level(self._each_settled([*xs, *others]))
        self._require_level(both)
        return self.engine.products(both[: len(xs)], both[len(xs) :])

    def total(self, xs: Sequence[C]) -> C:
        """The sum of some ciphertexts."""
        if isinstance(xs, Alike):
            total: C = xs.engine.summed(xs.first, len(xs))
            return total
        total = xs[0]
        for x in xs[1:]:
            total = self.add(total, x)
        return total

    def rotate(self, x: C, steps: int) -> C:
        """What `numpy.roll(x, -steps)` would give."""
        return self.rotations(x, [steps])[0]

    def rotations(self, x: C, steps: Sequence[int]) -> list[C]:
        """Several rotations of one ciphertext: cheaper than one by one."""
        return self.engine.rotate(self.relinearised(x), steps)

    def conjugate(self, x: C) -> C:
        """The conjugate numbers (CKKS), or the two rows swapped (BGV)."""
        return self.engine.conjugate(self.relinearised(x))

    def relinearised(self, x: C) -> C:
        """In two parts."""
        return self.engine.relinearise(x) if x.parts > 2 else x

    def settled(self, x: C) -> C:
        """Relinearised and rescaled to its level's scale: the smallest form, ready to be sent.

        Relinearised first: what key switching adds is then divided with the rest.
        """
        x = self.relinearised(x)
        return self.engine.rescale(x) if x.squared else x

    def _each_settled(self, xs: Sequence[C]) -> list[C]:
        """The same ciphertext twice is settled once."""
        settled: dict[int, C] = {}
        for x in xs:
            if id(x) not in settled:
                settled[id(x)] = self.settled(x)
        return [settled[id(x)] for x in xs]

    def _whole(self, y: Plain) -> int | None:
        """The factor, if one whole number stands in every slot."""
        constant = y.constant
        if constant is None or constant.imag or not constant.real.is_integer():
            return None
        number = int(constant.real)
        exact = self.engine.scheme is Scheme.BGV or abs(number) < 2**30
        return number if exact else None

    def at_one_level(self, xs: Sequence[C]) -> list[C]:
        """At the lowest of their levels; the same ciphertext twice is lowered once."""
        low = min(x.level for x in xs)
        lowered: dict[int, C] = {}
        for x in xs:
            if id(x) not in lowered:
                lowered[id(x)] = x if x.level == low else self.engine.lower(x, low)
        return [lowered[id(x)] for x in xs]

    def _together(self, x: C, y: C) -> tuple[C, C]:
        """At one level and one scale."""
        if x.level > y.level:
            other, one = self._together(y, x)
            return one, other
        if x.level < y.level:
            y = self.settled(y)
            # Rescaling may have taken it below the other one.
            if y.level < x.level:
                return self._together(x, y)
            y = y if y.level == x.level else self.engine.lower(y, x.level)
        if x.squared and not y.squared:
            y = self.engine.square_scale(y)
        if y.squared and not x.squared:
            x = self.engine.square_scale(x)
        return x, y

    def _require_level(self, xs: Sequence[C]) -> None:
        if xs[0].level <= self.engine.lowest:
            raise EncryptionError(
                f"a product at level {xs[0].level}, where no level is left: the parameters have "
                "too few levels for this multiplicative depth. Let plan(...) choose them, ask"
                " for more depth, or multiply in a balanced tree"
            )
