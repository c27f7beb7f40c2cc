"""What an audit of published tables finds, as values, text and JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from confide.audit.plots import plot_audit
from confide.audit.text import audit_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["AuditedCell", "Difference", "Insider", "Needed", "TableAudit"]


@dataclass(frozen=True, kw_only=True)
class AuditedCell:
    """What a reader of the tables can infer of one cell.

    Attributes:
        cell: Its labels, by column.
        interval: The least and the most that it can be; ∞ without limit.
        determined: Whether the tables give its value away.
        how: "published", "sums" (the sums alone determine it), "bounds" (they do because no cell is
            negative, or all are whole), or "" if it is not determined.
        sharp: Whether both ends of the interval can occur. Otherwise the true interval lies within.
        close: Whether the interval lies within the protected share of its middle.
        learnt_by: The insiders who learn it by subtracting their own values.
    """

    cell: Mapping[str, str]
    interval: tuple[float, float]
    determined: bool
    how: str
    sharp: bool
    close: bool
    learnt_by: tuple[str, ...] = ()

    @property
    def middle(self) -> float:
        """The middle of the interval: a reader's guess."""
        return sum(self.interval) / 2

    def to_json(self) -> dict[str, Any]:
        """As JSON writes it; null without limit."""
        return {
            "cell": dict(self.cell),
            "interval": [_finite(end) for end in self.interval],
            "determined": self.determined,
            "how": self.how,
            "sharp": self.sharp,
            "close": self.close,
            "learnt_by": list(self.learnt_by),
        }


@dataclass(frozen=True, kw_only=True)
class Insider:
    """What somebody learns who subtracts its own values.

    Attributes:
        name: Who.
        knows: How many cells are its own.
        learns: The cells that it learns and that the tables do not give away to everybody.
        intervals: Of all cells that are not its own, by the place in the audit's cells, if the true
            values were given; else empty.
    """

    name: str
    knows: int
    learns: tuple[Mapping[str, str], ...]
    intervals: Mapping[int, tuple[float, float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As JSON writes it."""
        ends = {str(p): [_finite(e) for e in found] for p, found in self.intervals.items()}
        return {
            "name": self.name, "knows": self.knows, "learns": [dict(c) for c in self.learns],
            "intervals": ends,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A value that is in two releases and changed.

    Attributes:
        table: The table of the later release.
        labels: Of the value, by column.
        change: Later less earlier.
        cells: The joint cells whose change the changes determine.
    """

    table: str
    labels: Mapping[str, str]
    change: float
    cells: tuple[tuple[Mapping[str, str], float], ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON writes it."""
        changes = [{"cell": dict(cell), "change": change} for cell, change in self.cells]
        return {
            "table": self.table, "labels": dict(self.labels), "change": self.change,
            "cells": changes,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Needed:
    """The noise that ends it.

    Attributes:
        protection: The share of a cell's value within which no reader shall be sure of it.
        deviation: Standard deviation on every published value, so that the 95 % interval of the
            best linear estimate of each cell to be protected reaches at least that far.
        cell: The cell that needs most; None if none is to be protected.
        counted_in: The number of published values that one cell counts in at most.
        largest: The largest that a cell can be.
    """

    protection: float
    deviation: float
    cell: Mapping[str, str] | None
    counted_in: int
    largest: float

    def to_json(self) -> dict[str, Any]:
        """As JSON writes it."""
        return {
            "protection": self.protection, "deviation": self.deviation,
            "cell": dict(self.cell) if self.cell else None, "counted_in": self.counted_in,
            "largest": _finite(self.largest),
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True, repr=False)
class TableAudit:
    """What published tables give away.

    Attributes:
        cells: One entry for each cell of the joint table.
        insiders: Who learns more by subtracting its own values.
        differences: Values that changed between two releases.
        needed: The noise that ends it.
        tables: What was audited.
        method: How exact determination was decided: "bridges", "elimination" or "projection".
        programs: How many linear programs were solved.
        unique: Whether only one table of whole numbers agrees; None if it was not asked.
        confidence: How sure the intervals are: 1, or 0.95 where values have noise.
        own_cells: Whether each cell was taken for a firm of its own.
    """

    cells: tuple[AuditedCell, ...]
    insiders: tuple[Insider, ...]
    differences: tuple[Difference, ...]
    needed: Needed
    tables: tuple[str, ...]
    method: str
    programs: int
    unique: bool | None = None
    confidence: float = 1.0
    own_cells: bool = False

    @property
    def determined(self) -> tuple[AuditedCell, ...]:
        """The cells whose value the tables give away."""
        return tuple(cell for cell in self.cells if cell.determined)

    @property
    def to_protect(self) -> tuple[AuditedCell, ...]:
        """The cells that are determined or nearly so, and whose value is not 0."""
        return tuple(c for c in self.cells if (c.determined or c.close) and c.interval[1] > 0)

    @property
    def learnt(self) -> int:
        """How many cells are safe from outsiders, and some insider learns."""
        return sum(bool(c.learnt_by) and not c.determined for c in self.cells)

    def to_json(self) -> dict[str, Any]:
        """As JSON writes it."""
        return {
            "tables": list(self.tables),
            "confidence": self.confidence,
            "method": self.method,
            "linear_programs": self.programs,
            "unique": self.unique,
            "determined": len(self.determined),
            "learnt_by_insiders": self.learnt,
            "cells": [cell.to_json() for cell in self.cells],
            "insiders": [insider.to_json() for insider in self.insiders],
            "differences": [difference.to_json() for difference in self.differences],
            "needed_noise": self.needed.to_json(),
        }

    def plot(self, after: TableAudit | None = None, axes: Axes | None = None) -> Axes:
        """Draws the intervals, before and after.

        Args:
            after: The same tables after a remedy.
            axes: Where to draw; a new figure if omitted.

        Raises:
            PlanError: If matplotlib is not installed.
        """
        return plot_audit(self, after, axes)

    def __repr__(self) -> str:
        return f"<TableAudit: {len(self.determined)} of {len(self.cells)} cells determined>"

    def __str__(self) -> str:
        return audit_text(self)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
