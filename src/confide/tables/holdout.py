"""Which rows are kept from training, so that a model is measured on rows it has not seen.

A keyed hash of a row's own values decides, so a row is in the same part in every stage and wherever
it stands in a table, and adding or removing other rows changes nothing: each row is either in the
training's sums or in the metrics'. The key is public. Equal rows are in one part, so a copy of a
training row never measures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from confide.errors import PlanError
from confide.numbers import check_real
from confide.plan.codec import nearest

__all__ = ["HoldOut", "Part"]


class Part(Enum):
    """The two parts of a table's rows."""

    TRAINING = "training"
    HELD_OUT = "held out"


@dataclass(frozen=True, kw_only=True)
class HoldOut:
    """The rows that a computation reads.

    Attributes:
        share: The share of all rows that are held out, above 0 and below 1; about, as by a coin.
        part: Which rows are read.
        columns: The columns whose values decide, as ("patient",) to keep a patient's rows
            together; all columns if empty.
        key: A public text that goes into the hash: another one draws other rows.

    Raises:
        PlanError: If the share is out of range.
    """

    share: float = 0.2
    part: Part = Part.TRAINING
    columns: tuple[str, ...] = ()
    key: str = "confide hold-out"

    def __post_init__(self) -> None:
        share = check_real("share of the hold-out", self.share, above=0, below=1,
                           limit="it is above 0 and below 1, as 0.2")  # fmt: skip
        object.__setattr__(self, "share", share)
        object.__setattr__(self, "columns", tuple(self.columns))

    def check(self, names: Sequence[str]) -> None:
        """Refuses a column that the table does not have.

        Raises:
            PlanError: Naming it.
        """
        for name in self.columns:
            if name not in names:
                raise PlanError(f"hold-out by column {name!r}; {nearest(name, names)}")

    def counted(self, names: Sequence[str], rows: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Which rows are read, shape `(rows,)`.

        Args:
            names: The table's columns: features, then label and event.
            rows: What `Schema.rows` gives.
        """
        outcomes = [rows[key] for key in ("targets", "events") if key in rows]
        values = np.where(rows["missing"], np.nan, rows["values"])
        table = np.column_stack([values, *outcomes])
        if self.columns:
            table = table[:, [list(names).index(name) for name in self.columns]]
        # One not-a-number and one zero, so that equal rows have equal bytes.
        plain = np.ascontiguousarray(np.where(np.isnan(table), np.nan, table + 0.0), "<f8")
        key = hashlib.sha256(self.key.encode()).digest()
        drawn = np.array([_drawn(row.tobytes(), key) for row in plain], np.float64)
        held_out = drawn < self.share
        return held_out if self.part is Part.HELD_OUT else ~held_out


def _drawn(row: bytes, key: bytes) -> float:
    """A number from 0 to 1 that follows from a row."""
    digest = hashlib.blake2b(row, digest_size=8, key=key).digest()
    return int.from_bytes(digest, "big") / 2**64
