"""Sums over slots without rotations, many of them in one ciphertext.

The sum of all slots is N/2 times the first coefficient of the polynomial, so nobody needs to add
slots up: the key holder reads a coefficient. If slot j belongs to group j modulo G, then the G sums
over the groups are S/G times the values of the polynomial of 2G coefficients that stand at the
multiples of S/G, where S = N/2: the trace to the subring of degree 2G leaves only these.

All other coefficients are of no use, and make room: ciphertexts are merged into one, each with its
coefficients between those of the others, by one automorphism each and without any level (Chen, Dai,
Kim and Song 2020, ePrint 2020/015, algorithm 2, here for 2G coefficients instead of one). A merger
doubles what is wanted; it is divided by the number of ciphertexts modulo the primes in advance.
Ciphertexts are merged at the squared scale of their products, where the error of switching keys is
as good as none, and rescaled when they are full.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.errors import EncryptionError
from confide.he.arithmetic import scaled
from confide.he.ciphertext import Ciphertext
from confide.he.ckks import CKKSEncoding
from confide.he.engine import NativeEngine
from confide.he.evaluator import Evaluator
from confide.he.keys import SecretKey

__all__ = ["Grouping", "Packer", "opened_sums"]

LEVEL: Final = 1
"""At which sums are merged; they arrive at the level below."""

_MOST_PACKED: Final = 1024


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """How slots are in groups: slot j is row j // groups of group j modulo `groups`.

    Attributes:
        degree: N.
        groups: G, a power of two: how many sums a ciphertext holds.
        expected: How many ciphertexts will be packed, if that is known to be few.
    """

    degree: int
    groups: int
    expected: int = _MOST_PACKED

    @property
    def rows(self) -> int:
        """How many slots each group has."""
        return self.degree // 2 // self.groups

    @property
    def packed(self) -> int:
        """How many ciphertexts are merged into one."""
        return min(self.rows, _MOST_PACKED, 1 << (self.expected - 1).bit_length())

    def powers(self) -> list[int]:
        """The automorphisms X -> X^power of the mergers, from the first one on.

        The wanted coefficients are `spacing` apart. This power leaves them where they are, and
        changes the sign of those in the middle between them.
        """
        spacings = [self.rows >> step for step in range(self.packed.bit_length() - 1)]
        return [2 * self.degree // spacing + 1 for spacing in spacings]

    def needs(self) -> dict[int, int]:
        """The keys of the mergers."""
        return dict.fromkeys(self.powers(), LEVEL)


class Packer:
    """Merges ciphertexts as they come, and holds a few at a time.

    Args:
        evaluator: Computes.
        grouping: Of the slots.
    """

    def __init__(self, evaluator: Evaluator[Ciphertext], grouping: Grouping) -> None:
        engine = evaluator.engine
        if not isinstance(engine, NativeEngine):
            raise EncryptionError("sums are packed by confide's own engine")
        self._evaluator, self._engine = evaluator, engine
        self._grouping, self._powers = grouping, grouping.powers()
        parameters = engine.context.parameters
        modulus = parameters.product(parameters.rows(LEVEL))
        self._inverse = pow(grouping.packed, -1, modulus)
        # Merged so far: (how often, ciphertext), the most merged first, as the bits of a counter.
        self._waiting: list[tuple[int, Ciphertext | None]] = []

    def ready(self, x: Ciphertext) -> Ciphertext:
        """A product or a sum at level 1, relinearised and divided; may run in any thread."""
        x = self._evaluator.relinearised(x if x.squared else self._engine.square_scale(x))
        return scaled(self._engine.context, x, self._inverse, squared=True)

    def add(self, ready: Ciphertext | None) -> Iterator[Ciphertext]:
        """Takes the next ciphertext; gives a packed one whenever one is full."""
        merged, times = ready, 0
        while self._waiting and self._waiting[-1][0] == times:
            merged = self._merged(self._waiting.pop()[1], merged, times)
            times += 1
        if times == len(self._powers):
            if merged is not None:
                yield self._engine.rescale(merged)
            return
        self._waiting.append((times, merged))

    def last(self) -> Iterator[Ciphertext]:
        """What is left, packed with nothing."""
        while self._waiting:
            yield from self.add(None)

    def _merged(
        self, first: Ciphertext | None, second: Ciphertext | None, times: int
    ) -> Ciphertext | None:
        """The sum x + X^h·y + σ(x - X^h·y) of first x and second y, where h is half the spacing.

        What is wanted of x is at multiples of the spacing, where σ changes nothing. What is wanted
        of y is shifted to the middle between, where σ changes the sign. So both are doubled, and
        what each has in the other's places cancels.
        """
        if first is None:
            return None  # The second came later, so there is none either.
        engine, power = self._engine, self._powers[times]
        if second is None:
            return engine.add(first, engine.turned(first, power))
        shifted = engine.shifted(second, self._grouping.rows >> (times + 1))
        turned = engine.turned(engine.subtract(first, shifted), power)
        return engine.add(engine.add(first, shifted), turned)


def opened_sums(
    secret: SecretKey, packed: Sequence[Ciphertext], grouping: Grouping, count: int
) -> NDArray[np.complex128]:
    """The sums that `Packer` packed, in the order in which their ciphertexts came.

    Returns:
        (count, groups): the sum over the rows of each group.

    Raises:
        EncryptionError: If there are not as many ciphertexts as `count` takes, or one is of another
            key or level.
    """
    if len(packed) != -(-count // grouping.packed):
        raise EncryptionError(
            f"{len(packed)} ciphertexts of sums, where {count} sums of {grouping.packed} in each"
            f" take {-(-count // grouping.packed)}"
        )
    spacing = grouping.rows // grouping.packed
    values = np.empty((len(packed), grouping.packed, 2 * grouping.groups))
    for i, x in enumerate(packed):
        coefficients = _coefficients(secret, x)
        # Coefficient k of ciphertext j stands at k·rows + reversed(j)·spacing.
        of_each = coefficients[::spacing].reshape(2 * grouping.groups, grouping.packed)
        values[i] = of_each[:, _reversed_bits(grouping.packed)].T
    lines = values.reshape(-1, 2 * grouping.groups)[:count]
    return grouping.rows * (lines @ _points(grouping.groups))


def _coefficients(secret: SecretKey, x: Ciphertext) -> NDArray[np.float64]:
    if x.level or x.squared or x.parts != 2:
        raise EncryptionError("sums arrive at level 0, in two parts")
    encoding: Any = secret.context.encoding
    if not isinstance(encoding, CKKSEncoding):
        raise EncryptionError("sums are of CKKS")
    return encoding.coefficients_of(secret.decrypt_private(x))


def _points(groups: int) -> NDArray[np.complex128]:
    """Powers of the points at which a polynomial of 2G coefficients has the groups' values."""
    exponents = [pow(5, j, 4 * groups) for j in range(groups)]
    turns = np.outer(np.arange(2 * groups), exponents) % (4 * groups)
    return np.asarray(np.exp(1j * np.pi / (2 * groups) * turns))


def _reversed_bits(count: int) -> NDArray[np.int64]:
    """Where each of `count` ciphertexts, merged two by two as they come, ends."""
    places = np.zeros(1, np.int64)
    while len(places) < count:
        places = np.concatenate([2 * places, 2 * places + 1])
    return places
