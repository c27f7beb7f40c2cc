"""What a charge costs for each number of its runs, as entries store it and totals add it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from confide.errors import DataError
from confide.privacy.ledger.costs import FIRST_ORDERS, N_UNITS, ORDERS, Cost
from confide.privacy.ledger.entries import ROUNDS_FORMAT

__all__ = ["Pair", "Price", "prices_of", "stored", "written"]

_NO_PAIR = (-1, -1)
_PAIR_AT = slice(4, 6)


class Pair(NamedTuple):
    """All runs of a charge together are (ε, δ)-DP.

    Attributes:
        delta: δ, in whole units.
        epsilon: ε, in whole units.
    """

    delta: int
    epsilon: int


class Price(NamedTuple):
    """What a charge costs at one distance.

    Attributes:
        once: One run's cost.
        pair: A pair that all runs keep, which may be less than their pairs add up to; None for
            that. It stays as it is if some runs are given back.
    """

    once: Cost
    pair: Pair | None = None

    def of(self, runs: int) -> Cost:
        """What so many runs cost."""
        cost = self.once * runs
        return cost.with_pair(*self.pair) if self.pair and runs else cost


def prices_of(distances: Sequence[int], units: Sequence[int], format_: int) -> dict[int, Price]:
    """Reads what an entry of a ledger of some format stores, by distance.

    Raises:
        DataError: If there are more or fewer numbers, or one is out of range.
    """
    size = 3 + len(FIRST_ORDERS) if format_ <= ROUNDS_FORMAT else N_UNITS
    if len(units) != size * len(distances):
        raise DataError(f"costs of {len(units)} numbers; it takes {size * len(distances)}")
    parts = (units[at : at + size] for at in range(0, len(units), size))
    read = _first if format_ <= ROUNDS_FORMAT else _read
    return {distance: read(part) for distance, part in zip(distances, parts, strict=True)}


def stored(prices: Mapping[int, Price]) -> Iterator[int]:
    """The numbers that an entry stores, of one distance after the other."""
    for price in prices.values():
        units = list(price.once.units())
        units[_PAIR_AT] = price.pair or _NO_PAIR
        yield from units


def written(cost: Cost, format_: int) -> tuple[int, ...]:
    """The numbers of a cost that entries of a format hold themselves; others follow from them."""
    if format_ > ROUNDS_FORMAT:
        return cost.units()
    known = dict(zip(ORDERS, cost.renyi, strict=True))
    return cost.squared_mu, cost.closeness, cost.delta, *map(known.__getitem__, FIRST_ORDERS)


def _first(units: Sequence[int]) -> Price:
    return Price(Cost.of_first_units(units))


def _read(units: Sequence[int]) -> Price:
    pair = tuple(units[_PAIR_AT])
    plain = list(units)
    plain[_PAIR_AT] = (units[3], units[-1]) if pair == _NO_PAIR else pair
    cost = Cost.of_units(plain)
    if pair == _NO_PAIR:
        return Price(cost)
    return Price(cost.with_pair(cost.delta, cost.renyi[-1]), Pair(*pair))
