"""Which keys may be named at all, where they are not known in advance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from numbers import Integral
from typing import Any, Final

from confide.errors import DataError, PlanError
from confide.noise.exact import WORD_BITS, exp_bounds
from confide.noise.stream import KeyStream
from confide.numbers import check_real, check_whole
from confide.plan import Relation
from confide.privacy.mechanisms.checks import check_declared, check_pure_epsilon
from confide.privacy.mechanisms.mechanism import OneShot, PureMechanism
from confide.privacy.mechanisms.released import Released
from confide.randomness import SecureRandom, SystemRandom

__all__ = ["KeySelection"]

_LEAST_DELTA: Final = 2.0**-200
_GUARD_BITS: Final = 320
"""Bounds of π are this much finer than the uniform number: e^ε multiplies what they are off by."""


@dataclass(frozen=True, kw_only=True)
class KeySelection(PureMechanism, OneShot[Released[frozenset[Any]]]):
    """Names each key with the largest probability that (ε, δ) allows for its number of units.

    π(0) = 0 and π(n+1) = min(e^ε·π(n) + δ, 1 - e^-ε·(1 - π(n) - δ), 1): no other independent
    decision for each key names more (Desfontaines, Voss, Gipson and Mandayam 2022, "Differentially
    private partition selection", Theorem 1, arXiv 2006.03684). A key that one unit alone has is
    named with probability δ.

    It holds for units that are added or removed and have one key each: give each unit's key once.

    Args:
        epsilon: ε, up to 50.
        delta: δ, below 1 ÷ units.

    Raises:
        PlanError: If ε or δ is out of range.

    Example:
        >>> selection = KeySelection(epsilon=1.0, delta=1e-5)
        >>> round(selection.probability(10), 4)
        0.1282
        >>> sorted(selection.release({"flu": 500, "measles": 300, "rabies": 1}).value)
        ['flu', 'measles']
    """

    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        check_pure_epsilon(self.epsilon)
        if self.epsilon > 50:
            raise PlanError(f"epsilon is {self.epsilon}; naming keys takes at most 50")
        check_real(
            "delta", self.delta, least=_LEAST_DELTA, below=1,
            limit="it lies between 2^-200 and 1, below 1 ÷ units: with a smaller one "
            "no unknown key can be named",
        )  # fmt: skip
        check_declared(self, "epsilon", "delta")

    @property
    def relation(self) -> Relation:  # type: ignore[override] # it holds for no other
        """Units that are added or removed."""
        return Relation.ADD_OR_REMOVE_ONE

    def probability(self, units: int) -> float:
        """The probability of naming a key that so many units have, to a float's precision.

        Args:
            units: n ≥ 0.
        """
        count = check_whole("units", units, least=0, limit="a whole number of units, 0 or more")
        return self._bounds(count, WORD_BITS)[0] / 2.0**WORD_BITS

    def release(
        self, counts: Mapping[Any, int], *, random: SecureRandom | None = None
    ) -> Released[frozenset[Any]]:
        """Names keys.

        Args:
            counts: How many units have each key.
            random: The operating system's if it is omitted.

        Returns:
            The keys, in random order: the order must not depend on the data.

        Raises:
            DataError: If a count is not a whole number. Nothing was released.
        """
        if not isinstance(counts, Mapping):
            raise DataError(
                f"the counts are a {type(counts).__name__}; give a mapping of keys to counts, "
                "such as value_counts().to_dict()"
            )
        if not all(_is_count(count) for count in counts.values()):
            raise DataError("the counts are not whole numbers of at least 0")
        stream = KeyStream(SystemRandom() if random is None else random)
        named = (key for key, count in counts.items() if self._named(int(count), stream))
        return Released(frozenset(named), self)

    def _named(self, units: int, stream: KeyStream) -> bool:
        drawn, bits = stream.word(), WORD_BITS
        while True:
            low, high = self._bounds(units, bits)
            if drawn < low:
                return True
            if drawn >= high:
                return False
            drawn, bits = drawn << WORD_BITS | stream.word(), bits + WORD_BITS

    def _bounds(self, units: int, bits: int) -> tuple[int, int]:
        """Whole numbers around 2^bits·π(n)."""
        fine = bits + _GUARD_BITS
        known = self._known.setdefault(fine, [(0, 0)])
        if len(known) <= units and known[-1][0] < 1 << fine:
            self._extend(known, units, fine)
        low, high = known[min(units, len(known) - 1)]
        return low >> _GUARD_BITS, -(-high >> _GUARD_BITS)

    def _extend(self, known: list[tuple[int, int]], units: int, bits: int) -> None:
        shrinks = exp_bounds(Fraction(self.epsilon), bits)
        delta = int(Fraction(self.delta) * (1 << bits))
        while len(known) <= units and known[-1][0] < 1 << bits:
            known.append(_next(known[-1], delta, shrinks, bits))

    @cached_property
    def _known(self) -> dict[int, list[tuple[int, int]]]:
        """Bounds of π(0), π(1), … until it is 1, by their resolution in bits."""
        return {}


def _next(now: tuple[int, int], delta: int, shrinks: tuple[int, int], bits: int) -> tuple[int, int]:
    """One step of the recurrence on bounds, the lower one rounded down and the upper one up.

    Args:
        now: Bounds of π(n), in units of 2^-bits, like all that follows.
        delta: δ, rounded down.
        shrinks: Bounds of e^-ε.
        bits: Resolution.
    """
    (low, high), (least, most), whole = now, shrinks, 1 << bits
    low_up = (low << bits) // most + delta
    high_up = -(-(high << bits) // least) + delta + 1
    low_down = whole - -(-most * max(0, whole - low - delta) >> bits)
    high_down = whole - (least * max(0, whole - high - delta - 1) >> bits)
    return min(low_up, low_down, whole), min(high_up, high_down, whole)


def _is_count(count: object) -> bool:
    if isinstance(count, bool) or not isinstance(count, Integral):
        return False
    return int(count) >= 0
