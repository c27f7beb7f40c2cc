"""The mechanism of a query: exact sums from an engine, noise on them, and the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from confide.errors import DataError, PlanError
from confide.plan import Relation
from confide.privacy.mechanisms import OneShot, Released
from confide.privacy.mechanisms.lattice import FARTHEST_STEPS
from confide.query.bounding import Bounded, SampleKey
from confide.query.estimators import Estimated, estimated
from confide.query.noise import Noises
from confide.query.parts import LEVELS, Output
from confide.query.tree import Query, Value
from confide.randomness import SecureRandom, SystemRandom

if TYPE_CHECKING:
    import pyarrow as pa
    from dp_accounting import DpEvent

__all__ = ["Engine", "QueryMechanism", "key_grid"]

_MOST_GROUPS: Final = 1_000_000

Key = tuple[Value, ...]


class Engine(Protocol):
    """Runs a statement over the declared tables."""

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a statement, in any order.

        Raises:
            DataError: If it cannot be run; the message shows nothing of the data.
        """


def key_grid(allowed: Sequence[tuple[Any, ...]]) -> list[Key]:
    """All combinations of public values, in the order of the values.

    Raises:
        PlanError: If there are more than a million.
    """
    grid: list[Key] = [()]
    for values in allowed:
        if len(grid) * len(values) > _MOST_GROUPS:
            raise PlanError(
                f"the keys' values combine to more than {_MOST_GROUPS:,} groups; group by fewer "
                "columns or coarser values"
            )
        grid = [(*key, value) for key in grid for value in values]
    return grid


@dataclass(frozen=True, eq=False)
class QueryMechanism(OneShot[Released["pa.Table"]]):
    """One query with its noise. What it takes as values is the engine with the data.

    Attributes:
        query: The tree; its having, order and limit work on what is released.
        bounded: The statements that compute exact sums.
        outputs: What the answer's columns are made of.
        noises: The noise of each part.
        keys: The groups, if they are public; None if they are found.
    """

    query: Query
    bounded: Bounded
    outputs: tuple[Output, ...]
    noises: Noises
    keys: tuple[Key, ...] | None

    @property
    def relation(self) -> Relation:  # type: ignore[override] # it holds for no other
        """Units that are added or removed."""
        return Relation.ADD_OR_REMOVE_ONE

    @property
    def event(self) -> DpEvent:
        """All parts' noise and the naming of keys, composed."""
        return self.noises.event

    @property
    def delta(self) -> float:  # type: ignore[override] # that of naming keys
        """The probability that naming keys is not covered by the event."""
        return self.noises.delta

    @property
    def closeness(self) -> float:
        """Within how many nats of the event's the likelihoods of a release lie."""
        return self.noises.closeness

    def release(self, values: Engine, *, random: SecureRandom | None = None) -> Released[pa.Table]:
        """Computes, adds noise, and makes the answer. Use `Session.run`, which charges it.

        Args:
            values: The engine.
            random: The source of the noise and of the sample's key.

        Raises:
            DataError: If the engine fails. Nothing was released.
        """
        random = SystemRandom() if random is None else random
        found = self.exact(values, SampleKey(random))
        keys = self._named(found, random)
        noisy = self._noisy(found, keys, random)
        columns = [estimated(output, noisy, self.noises.parts) for output in self.outputs]
        return Released(self._table(keys, columns), self)

    def exact(self, engine: Engine, key: SampleKey) -> Mapping[Key, list[Any]]:
        """The exact counters of each group, in rows and steps: for the owner's eyes alone.

        Args:
            engine: The engine.
            key: Decides which rows stay.

        Returns:
            For each group a number for each part, or a map from cells to counts for levels; last
            the number of units.
        """
        size = len(self.bounded.keys)
        found: dict[Key, list[Any]] = {
            row[:size]: [int(value or 0) for value in row[size:]]
            for row in engine.run(self.bounded.statement(key))
        }
        for place, part in enumerate(self.bounded.parts):
            if part.kind not in ("distinct", "levels"):
                continue
            for values in found.values():
                values[place] = 0 if part.kind == "distinct" else {}
            for row in engine.run(self.bounded.rows_statement(place, key)):
                if part.kind == "distinct":
                    found[row[:size]][place] = int(row[-1])
                else:
                    found[row[:size]][place][int(row[size])] = int(row[-1])
        return found

    def _named(self, found: Mapping[Key, list[Any]], random: SecureRandom) -> list[Key]:
        """The groups of the answer; their order depends on their names alone."""
        if self.keys is not None:
            return list(self.keys)
        if self.noises.selection is None:
            raise AssertionError("keys that are not public are selected")
        counts = {key: values[-1] for key, values in found.items()}
        return sorted(self.noises.selection.release(counts, random=random).value, key=_order)

    def _noisy(
        self, found: Mapping[Key, list[Any]], keys: list[Key], random: SecureRandom
    ) -> list[NDArray[np.float64]]:
        noisy = []
        for place, part in enumerate(self.bounded.parts):
            noise = self.noises.parts[place]
            step = noise.row_steps if part.counts else 1
            values = [found[key][place] if key in found else None for key in keys]
            if part.kind == "levels":
                exact = np.array([_tree(value or {}) for value in values], np.int64)
                exact = exact.reshape(len(keys), 2 << LEVELS)
            else:
                cut = FARTHEST_STEPS // step
                exact = np.array([min(max(v or 0, -cut), cut) for v in values], np.int64)
            noisy.append(noise.noisy(exact * step, random))
        return noisy

    def _table(self, keys: list[Key], columns: list[Estimated]) -> pa.Table:
        import pyarrow as pa

        rows = [*range(len(keys))]
        data: dict[str, Any] = {}
        for place, (name, _) in enumerate(self.query.keys):
            data[name] = [key[place] for key in keys]
        for output, column in zip(self.outputs, columns, strict=True):
            whole = column.whole
            data[output.name] = _listed(column.value, whole=whole)
            data[f"{output.name}_standard_error"] = _listed(column.standard_error, whole=False)
            data[f"{output.name}_low"] = _listed(column.low, whole=whole)
            data[f"{output.name}_high"] = _listed(column.high, whole=whole)
        rows = _after(self.query, data, rows)
        # An empty column has no type of its own.
        arrays = {
            name: pa.array([values[row] for row in rows]) if rows else pa.array([], pa.null())
            for name, values in data.items()
        }
        facts = {"mechanism": self.noises.name, "relation": self.relation.value}
        return pa.table(arrays).replace_schema_metadata({"confide": json.dumps(facts)})


def _after(query: Query, data: Mapping[str, list[Any]], rows: list[int]) -> list[int]:
    """What happens to a released answer: it costs nothing."""
    if query.having is not None:
        from confide.query.having import holds

        rows = [row for row in rows if holds(query.having, {n: v[row] for n, v in data.items()})]
    for name, falls in reversed(query.order):
        rows = sorted(rows, key=lambda row: _order((data[name][row],)), reverse=falls)
    return rows[: query.limit]


def _order(key: Key) -> tuple[Any, ...]:
    return tuple((type(part).__name__, part) for part in key)


def _listed(values: NDArray[np.float64], *, whole: bool) -> list[Any]:
    return [int(value) for value in values] if whole else [float(value) for value in values]


def _tree(cells: Mapping[int, int]) -> list[int]:
    """Dyadic counts of a grid's cells; the root and the place before it stay 0."""
    tree = [0] * (2 << LEVELS)
    for cell, count in cells.items():
        if not 0 <= cell < 1 << LEVELS:
            raise DataError("an engine counted a cell that is not on the grid")
        node = cell + (1 << LEVELS)
        while node > 1:
            tree[node] += count
            node //= 2
    return tree
