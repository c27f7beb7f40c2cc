"""Vocabularies that nobody declared: the frequent words of a column, found by two rounds of sums.

In the first round a row counts once, in the bucket that its word hashes to; buckets whose count is
above the noise continue. In the second a row of such a bucket counts its word, byte by byte: at
each of 24 positions in one of 256 cells. A bucket's most frequent bytes spell its most frequent
word, which is kept if it hashes to its own bucket. One row moves either sum by √(24·k) for k
columns, and what is spelled out follows from sums with noise alone: a word that few rows hold is
not told from noise. Without noise it would be, so exact sums are refused.

References:
    R. Bassily, K. Nissim, U. Stemmer and A. Thakurta, "Practical Locally Private Heavy Hitters",
    NIPS 2017, §3 (a hash isolates a frequent word, sums of its symbols spell it).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.aggregation import Placed
from confide.computation import Computation, Data, State, Totals
from confide.errors import PlanError
from confide.plan import Norm, Sum, SumGroup, Task
from confide.plan.literals import Literal
from confide.tables.columns import MOST_BYTES, Category
from confide.tables.grid import PILOTS, noise_level
from confide.tables.schema import Schema, vocabulary_name
from confide.tables.values import words
from confide.tables.written import SchemaSettings, schema_settings

__all__ = ["vocabularies", "vocabularies_from_settings"]

Reals = NDArray[np.float64]
Bytes = NDArray[np.uint8]

LONGEST: Final = 24
"""Bytes of a word that is found; longer ones are not."""

_BUCKETS: Final = 64
"""Buckets for each word to be found: two of twenty frequent words meet in one in six runs."""

_SURE: Final = 4.5
_CHOSEN: Final = "schema buckets of "


def vocabularies(schema: Schema, *, capacity: int) -> Computation:
    """A stage that finds the values of a schema's categories.

    Args:
        schema: The schema; its `found_categories` are what is found.
        capacity: The most rows that a party counts; public, never the number of its rows.

    Returns:
        A computation of two rounds over records, for plans with noise. Its state has each column's
        words under `vocabulary_name`, the most frequent first.

    Raises:
        PlanError: If the schema declares all its vocabularies.
    """
    names = schema.found_categories
    if not names:
        raise PlanError("the schema declares all values; leave the stage of vocabularies out")
    sizes = {name: _size(schema.features[name]) for name in names}
    offsets = dict(zip(names, np.cumsum([0, *sizes.values()]).tolist(), strict=False))
    total = sum(sizes.values())
    counts = Sum(
        name="counts", shape=(total + PILOTS,), unit_bound=math.sqrt(len(names) * LONGEST),
        norm=Norm.L2, capacity=capacity,
        meaning="how many rows hold words of each hash, then which bytes those words have",
    )  # fmt: skip

    def read(cells: Any) -> Data:
        return {name: _spelled(cells[name], name) for name in names}

    def contribute(state: State, data: Data, _: np.random.Generator) -> Mapping[str, Any]:
        first = not any(name.startswith(_CHOSEN) for name in state)
        made = [
            (_hashed if first else _spelt)(state, name, data[name], _most(schema.features[name]))
            for name in names
        ]
        places = [offsets[name] + place for name, (place, _) in zip(names, made, strict=True)]
        values = np.hstack([value for _, value in made])
        # In the first round a row may count √24 times as much, for the same bound.
        return {"counts": Placed(np.hstack(places), values * (math.sqrt(LONGEST) if first else 1))}

    def update(state: State, totals: Totals) -> State:
        counted, noise = totals["counts"][:total], noise_level(totals["counts"][total:])
        found = dict(state)
        for name in names:
            part = counted[offsets[name] : offsets[name] + sizes[name]]
            most = _most(schema.features[name])
            if _CHOSEN + name in state:
                chosen = state[_CHOSEN + name]
                found[vocabulary_name(name)] = _read_out(name, part, chosen, noise)
            else:
                found[_CHOSEN + name] = _frequent(part[: most * _BUCKETS], most, noise)
        return found

    return Computation(
        task=Task.of("table-vocabularies", table=schema_settings(schema), capacity=capacity),
        sums=SumGroup((counts,)),
        columns=names,
        read=read,
        init=dict,
        contribute=contribute,
        update=update,
        needs_noise="words that few rows hold would be spelled out",
    )


def vocabularies_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'table-vocabularies'."""
    read = _Settings.read(settings, "task table-vocabularies")
    return vocabularies(read.table.table(), capacity=read.capacity)


class _Settings(Literal):
    table: SchemaSettings
    capacity: int


def _most(column: object) -> int:
    assert isinstance(column, Category)  # noqa: S101 - `found_categories` are
    return column.size


def _size(column: object) -> int:
    """Coordinates of a column: its buckets, or 256 cells a byte of each word, whichever is more."""
    return _most(column) * max(_BUCKETS, 256 * LONGEST)


def _spelled(cells: Any, name: str) -> Bytes:
    """Each cell's word in UTF-8, shape `(rows, LONGEST)`; zeros if it is missing or longer."""
    texts, missing = words(cells, name)
    found = np.zeros((len(texts), LONGEST), np.uint8)
    for row, text in enumerate(texts):
        encoded = text.encode()
        if not missing[row] and len(encoded) <= LONGEST:
            found[row, : len(encoded)] = np.frombuffer(encoded, np.uint8)
    return found


def _buckets(name: str, spelled: Bytes, count: int) -> NDArray[np.intp]:
    """The bucket of each word, shape `(rows,)`; a different hash for each column."""
    distinct, back = np.unique(spelled, axis=0, return_inverse=True)
    of_distinct = [
        int.from_bytes(hashlib.sha256(name.encode() + b"\0" + word.tobytes()).digest()[:8], "big")
        % count
        for word in distinct
    ]
    return np.array(of_distinct, np.intp)[back.ravel()]


def _hashed(_: State, name: str, spelled: Bytes, most: int) -> tuple[NDArray[np.intp], Reals]:
    """One place for each row: the bucket of its word; an empty one counts nothing."""
    places = _buckets(name, spelled, most * _BUCKETS)[:, np.newaxis]
    return places, (spelled[:, :1] != 0).astype(np.float64)


def _spelt(state: State, name: str, spelled: Bytes, most: int) -> tuple[NDArray[np.intp], Reals]:
    """A place for each byte of a row's word, if its bucket is one of the chosen."""
    buckets = _buckets(name, spelled, most * _BUCKETS)
    slot = np.full(most * _BUCKETS, -1)
    chosen = state[_CHOSEN + name].astype(np.intp)
    slot[chosen[chosen >= 0]] = np.flatnonzero(chosen >= 0)
    of_row = slot[buckets]
    counts = (of_row >= 0) & (spelled[:, 0] != 0)
    start = np.maximum(of_row, 0)[:, np.newaxis] * LONGEST + np.arange(LONGEST)
    return start * 256 + spelled, np.repeat(counts[:, np.newaxis], LONGEST, axis=1).astype(float)


def _frequent(counts: Reals, most: int, noise: float) -> Reals:
    """The fullest buckets whose counts are above the noise, the fullest first; -1 for none."""
    order = np.argsort(-counts, kind="stable")[:most]
    return np.where(counts[order] > _SURE * noise, order, -1).astype(np.float64)


def _read_out(name: str, cells: Reals, chosen: Reals, noise: float) -> Reals:
    """The words that the chosen buckets spell, as UTF-8, shape `(most, 64)`; zeros for none."""
    most, kept = len(chosen), 0
    found = np.zeros((most, MOST_BYTES))
    table = cells[: most * LONGEST * 256].reshape(most, LONGEST, 256)
    for bucket, symbols in zip(chosen, table, strict=True):
        spelled = symbols.argmax(axis=1).astype(np.uint8)
        if bucket < 0 or symbols.max(axis=1).min() <= _SURE * noise or not _is_word(spelled):
            continue
        if _buckets(name, spelled[np.newaxis], most * _BUCKETS)[0] == bucket:
            found[kept, :LONGEST] = spelled
            kept += 1
    return found


def _is_word(spelled: Bytes) -> bool:
    """Whether bytes are a text, padded with zeros at the end alone."""
    word = bytes(spelled).rstrip(b"\0")
    try:
        text = word.decode()
    except UnicodeDecodeError:
        return False
    return len(word) > 0 and "\0" not in text and text == text.strip()
