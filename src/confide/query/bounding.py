"""Bounding what one unit contributes, inside the engine, and the exact sums after it.

Rows are prepared (`base`): the owner, the keys, and for each part a whole number. Then

1. of each unit at most `rows_per_group` rows in each group stay, then at most `rows` in all;
2. rows become sums for each unit and group, of which at most `groups` groups of a unit stay;
3. sums for each group are added up, exactly.

Which rows and groups stay is decided by a keyed hash of the unit and the row's content, or of the
unit and the group: the least stay. The key is drawn for each release, so which rows stay is random
and differs from release to release. It is a function of the
unit's own rows: the order of rows, and other units, change nothing. The bound on sensitivity holds
for every key; the hash only makes the sample fair.

The hash works on whole numbers below the prime p = 2^31 - 1, which every engine computes exactly:
an affine function of the content with secret coefficients (pairwise independent: Carter and
Wegman 1979), then twice x → x^5 (a permutation modulo p) plus a secret constant, which breaks up
arithmetic progressions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from confide.query.catalog import Contribution
from confide.query.dialects import Dialect
from confide.query.functions import Facts
from confide.query.parts import LEVELS, Part
from confide.query.stability import Analysed
from confide.query.tree import Kind, Value
from confide.randomness import SecureRandom

__all__ = ["Bounded", "SampleKey"]

_PRIME: Final = (1 << 31) - 1
_LIMB: Final = (1 << 30) - 1
_ROWS, _GROUPS, _RANKED = 0, 1000, 2000
"""Where the coefficients of each of a release's hashes begin, so that they are independent."""


class SampleKey:
    """The secret coefficients of one release's hash.

    Args:
        random: Where they come from.
    """

    def __init__(self, random: SecureRandom) -> None:
        self._random = random
        self._drawn: list[int] = []

    def __repr__(self) -> str:
        return "SampleKey(secret)"

    def coefficient(self, place: int) -> int:
        """A number from 1 to p - 1; the same each time for one place."""
        while len(self._drawn) <= place:
            word = int.from_bytes(self._random.bytes(8), "big")
            # 64 bits modulo a number of 31: less than 2^-32 from uniform.
            self._drawn.append(1 + word % (_PRIME - 1))
        return self._drawn[place]


@dataclass(frozen=True)
class Bounded:
    """The statements of one query.

    Attributes:
        dialect: The engine's SQL.
        rows: What the analysis found.
        keys: What rows are grouped by.
        parts: What is added up.
        scales: For each part how many steps one is: a power of two.
        most: For each part how far one row moves it, in steps.
        allowed: For each key the values that are counted; None for all.
        contribution: What one unit contributes; None where units are rows.
    """

    dialect: Dialect
    rows: Analysed
    keys: tuple[Facts, ...]
    parts: tuple[Part, ...]
    scales: tuple[float, ...]
    most: tuple[int, ...]
    allowed: tuple[tuple[str | int | bool, ...] | None, ...]
    contribution: Contribution | None

    def statement(self, key: SampleKey) -> str:
        """Sums of all parts that add up, and the number of units, for each group.

        Columns: the keys, one for each part (0 for those that `rows_statement` computes), units.
        """
        sums = [
            self.dialect.exact_sum(name) if self._adds(part) else "CAST(0 AS BIGINT)"
            for name, part in zip(self._values, self.parts, strict=True)
        ]
        sums = [
            "count(*)" if p.kind == "units" else s for s, p in zip(sums, self.parts, strict=True)
        ]
        found = [*self._keys, *(f"{s} AS {v}" for s, v in zip(sums, self._values, strict=True))]
        last = self._groups(key) if self.contribution else f"SELECT * FROM ({self._base})"
        by = f" GROUP BY {', '.join(self._keys)}" if self._keys else ""
        return f"SELECT {', '.join([*found, 'count(*) AS units'])} FROM ({last}){by}"

    def rows_statement(self, place: int, key: SampleKey) -> str:
        """What a part needs rows for: the number of different values, or counts by cell."""
        rows = f"SELECT * FROM ({self._base})"
        if self.contribution:
            rows = self._rows(key)
            if self._keys:
                both = [*self.rows.units, *self._keys]
                kept = f"SELECT {', '.join(both)} FROM ({self._groups(key)})"
                rows = f"SELECT l.* FROM ({rows}) AS l JOIN ({kept}) AS r ON " + " AND ".join(
                    f"l.{name} = r.{name}" for name in both
                )
        value, keys = self._values[place], list(self._keys)
        if self.parts[place].kind == "distinct":
            by = f" GROUP BY {', '.join(keys)}" if keys else ""
            found = [*keys, f"count(DISTINCT {value}) AS n"]
            return f"SELECT {', '.join(found)} FROM ({rows}){by}"
        keys.append(value)
        present = f"SELECT * FROM ({rows}) WHERE {value} IS NOT NULL"
        return f"SELECT {', '.join([*keys, 'count(*) AS n'])} FROM ({present}) GROUP BY {', '.join(keys)}"  # noqa: E501 - SQL

    @property
    def _keys(self) -> tuple[str, ...]:
        return tuple(f"k{place}" for place in range(len(self.keys)))

    @property
    def _values(self) -> tuple[str, ...]:
        return tuple(f"p{place}" for place in range(len(self.parts)))

    def _adds(self, part: Part) -> bool:
        return part.kind in ("count", "sum", "unit")

    @cached_property
    def _base(self) -> str:
        """Rows with owner, keys and one whole number (or value) for each part."""
        wanted = [*self.rows.hidden]
        wanted += [
            f"{each.sql} AS {name}" for each, name in zip(self.keys, self._keys, strict=True)
        ]
        for place, name in enumerate(self._values):
            wanted.append(f"{self._whole(place)} AS {name}")
        sql = f"SELECT {', '.join(wanted)} FROM ({self.rows.sql})"
        conditions = [f"{name} IS NOT NULL" for name in self._keys]
        conditions += [
            f"{name} IN ({', '.join(map(self._written, values))})"
            for name, values in zip(self._keys, self.allowed, strict=True)
            if values is not None
        ]
        return f"SELECT * FROM ({sql}) WHERE {' AND '.join(conditions)}" if conditions else sql

    def _whole(self, place: int) -> str:
        part, scale, most = self.parts[place], self.scales[place], self.most[place]
        if part.kind == "units":
            return "CAST(1 AS BIGINT)"
        if part.kind == "distinct":
            return part.sql
        if part.kind == "count":
            one = "CAST(1 AS BIGINT)"
            return f"CASE WHEN {part.sql} THEN {one} ELSE 0 END" if part.sql else one
        if part.kind == "levels":
            cell = self.dialect.floor(f"({part.sql}) * CAST('{float(1 << LEVELS)!r}' AS DOUBLE)")
            return f"CASE WHEN {cell} >= {1 << LEVELS} THEN {(1 << LEVELS) - 1} ELSE {cell} END"
        nan, zero, half = (f"CAST('{each}' AS DOUBLE)" for each in ("NaN", "0.0", "0.5"))
        scaled = f"({part.sql}) * CAST('{scale!r}' AS DOUBLE) + {half}"
        # The last word on sensitivity, and on errors of the cast, whatever rounding did before.
        total = f"coalesce(nullif({scaled}, {nan}), {zero})"
        ends = f"CAST(-{most} AS DOUBLE)), CAST({most} AS DOUBLE)"
        return self.dialect.floor(f"least(greatest({total}, {ends})")

    def _written(self, value: Value) -> str:
        if isinstance(value, bool):
            return str(value).upper()
        return self.dialect.text(value) if isinstance(value, str) else str(value)

    def _rows(self, key: SampleKey) -> str:
        """Step 1."""
        given = self.contribution
        if given is None or not any(part.kind != "units" for part in self.parts):
            return f"SELECT * FROM ({self._base})"
        every = [*self.rows.hidden, *self._keys, *self._values]
        kinds = [*self._kinds, *(self._kind_of(part) for part in self.parts)]
        sql = self._hashed(self._base, every, kinds, key, first=_ROWS)
        sql = _least(sql, [*self.rows.units, *self._keys], given.rows_per_group, "r1")
        if given.total == given.groups * given.rows_per_group:
            return sql
        # Rows of equal content have one hash; their rank, which is as good as any, parts them.
        sql = self._hashed(sql, ["h", "r1"], [Kind.WHOLE, Kind.WHOLE], key, first=_RANKED)
        return _least(sql, self.rows.units, given.total, "r2")

    def _groups(self, key: SampleKey) -> str:
        """Step 2."""
        both = [*self.rows.units, *self._keys]
        sums = [
            f"CAST(sum({name}) AS BIGINT) AS {name}" if self._adds(part) else f"1 AS {name}"
            for name, part in zip(self._values, self.parts, strict=True)
        ]
        found = ", ".join([*both, *sums])
        sql = f"SELECT {found} FROM ({self._rows(key)}) GROUP BY {', '.join(both)}"
        if not self._keys or self.contribution is None:
            return sql
        owners = self._kinds[: len(self.rows.units)]
        kinds = [*owners, *(each.kind for each in self.keys)]
        hashed = self._hashed(sql, both, kinds, key, first=_GROUPS)
        return _least(hashed, self.rows.units, self.contribution.groups, "r3")

    @property
    def _kinds(self) -> list[Kind]:
        """The kinds of the hidden columns and the keys."""
        return [*self.rows.hidden_kinds, *(each.kind for each in self.keys)]

    def _kind_of(self, part: Part) -> Kind:
        return part.value_kind if part.kind == "distinct" else Kind.WHOLE

    def _hashed(
        self, sql: str, columns: Sequence[str], kinds: Sequence[Kind], key: SampleKey, *, first: int
    ) -> str:
        """Rows with the keyed hash `h` of some columns.

        Args:
            sql: The rows.
            columns: What is hashed.
            kinds: What they are.
            key: The release's.
            first: The place of the first coefficient: two hashes of one release are independent.
        """
        limbs, places = [], iter(range(first, first + 1000))
        numbers = [self._number(column, kind) for column, kind in zip(columns, kinds, strict=True)]
        made = ", ".join(f"{number} AS n{place}" for place, number in enumerate(numbers))
        sql = f"SELECT *, {made} FROM ({sql})"
        for place in range(len(numbers)):
            limbs += [f"(n{place} & {_LIMB})", f"({self.dialect.shift(f'n{place}', 30)} & {_LIMB})",
                      f"({self.dialect.shift(f'n{place}', 60)} & 15)"]  # fmt: skip
        for name in ("x", "y"):
            terms = [f"{key.coefficient(next(places))} * {limb} % {_PRIME}" for limb in limbs]
            total = " + ".join([*terms, str(key.coefficient(next(places)))])
            sql = f"SELECT *, ({total}) % {_PRIME} AS {name} FROM ({sql})"
        x = "x"
        for turn in ("a", "b"):
            sql = f"SELECT *, {x} * {x} % {_PRIME} AS {turn}2 FROM ({sql})"
            fifth = f"({turn}2 * {turn}2 % {_PRIME}) * {x} % {_PRIME}"
            sql = f"SELECT *, ({fifth} + {key.coefficient(next(places))}) % {_PRIME} AS {turn} FROM ({sql})"  # noqa: E501 - SQL
            x = turn
        kept = ", ".join(dict.fromkeys([*self.rows.hidden, *self._keys, *self._values]))
        if first == _GROUPS:
            kept = ", ".join([*self.rows.units, *self._keys, *self._values])
        return f"SELECT {kept}, {x} * {1 << 31} + y AS h FROM ({sql})"

    def _number(self, column: str, kind: Kind) -> str:
        """A column's content as a whole number of 64 bits."""
        if kind is Kind.WHOLE:
            return f"coalesce({column}, -1)"
        if kind is Kind.BOOLEAN:
            return f"CASE WHEN {column} THEN 1 WHEN NOT {column} THEN 0 ELSE -1 END"
        return f"coalesce({self.dialect.text_limb(f'CAST({column} AS {self.dialect.texts})')}, -1)"


def _least(sql: str, per: Sequence[str], most: int, rank: str) -> str:
    """At most so many rows for each owner, those with the least hash."""
    ranked = f"row_number() OVER (PARTITION BY {', '.join(per)} ORDER BY h) AS {rank}"
    return f"SELECT * FROM (SELECT *, {ranked} FROM ({sql})) WHERE {rank} <= {most}"
