"""The audit of published tables: what outsiders and insiders can infer of each cell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import lsmr

from confide.audit.bounds import Bounds, bounds_of
from confide.audit.differences import differences_of
from confide.audit.findings import AuditedCell, Insider, Needed, TableAudit
from confide.audit.joint import Joint, join_tables
from confide.audit.published import Precision, Published, named, read_published
from confide.audit.structure import Structure, incidence, structure_of
from confide.audit.uniqueness import is_unique
from confide.audit.words import labels_text
from confide.errors import DataError

__all__ = ["audit_tables"]

Flags = NDArray[np.bool_]
Places = NDArray[np.int64]
Reals = NDArray[np.float64]

_CONFIDENCE: Final = 0.95
_Z: Final = 1.959964
_MOST_INSIDER_WORK: Final = 20_000
"""Cells × insiders up to which the intervals of insiders are found, too."""
_MOST_ESTIMATES: Final = 200
_NAMED: Final = "cell of "


def audit_tables(
    tables: Mapping[str, Any] | Sequence[Any],
    *,
    cells: Any = None,
    value: str | None = None,
    insiders: str | None = None,
    later: Mapping[str, Any] | Sequence[Any] = (),
    rounding: float = 0.0,
    deviation: float = 0.0,
    counts: bool = False,
    signed: bool = False,
    protection: float = 0.2,
    unique: bool = False,
) -> TableAudit:
    """Finds what published tables give away of the joint table's cells.

    Each table has columns of labels and one of values, which are sums of the cells with these
    labels; `Total` as a label, or a column that a table does not have, is a sum over all labels. A
    value that is suppressed (`*`, `D`, an empty cell) says nothing, and <5 that it is at most 5. A
    combination of labels that a table does not list is taken as not published.

    A cell is at least 0 unless `signed`. An outsider knows the tables and which cells may be
    occupied. An insider also knows the values of its own cells.

    Args:
        tables: Files, frames or URLs, or a mapping of names to them.
        cells: A table of the cells that may be occupied, where that is public; every combination of
            labels if omitted. Its columns may be more than the tables have, such as the firm. If
            it has the column of values these are the true ones, which only insiders use.
        value: The column of values; each table's last one if omitted.
        insiders: The column of `cells` that says whose a cell is. If omitted each cell is taken for
            a firm of its own.
        later: Tables of a later release of the same, to be compared.
        rounding: Values are rounded to the nearest multiple of this.
        deviation: Standard deviation of the noise on each value; intervals then hold with 95 %
            confidence, all together.
        counts: Whether cells are whole numbers.
        signed: Whether cells may be negative.
        protection: The share of its value within which no reader shall be sure of a cell.
        unique: Whether to ask if only one table of whole numbers agrees (needs `confide[audit]`).

    Raises:
        DataError: If a file cannot be read, a column is unknown, a value is negative without
            `signed`, or the tables contradict each other.

    References:
        Dalenius 1977; Fellegi 1972 for linear determination. Where two tables are sums over two
        columns, a cell is determined if and only if it is a bridge of their bipartite graph
        (Gusfield 1988, SIAM Journal on Computing 17(3), Theorem 2.1).

    Example:
        >>> import pandas as pd
        >>> county = pd.DataFrame({"county": ["east", "west"], "sales": [30.0, 12.0]})
        >>> line = pd.DataFrame({"line": ["tools", "paint"], "sales": [25.0, 17.0]})
        >>> cells = pd.DataFrame({"county": ["east", "east", "west"],
        ...                       "line": ["tools", "paint", "paint"]})
        >>> [cell.interval for cell in audit_tables([county, line], cells=cells).cells]
        [(25.0, 25.0), (5.0, 5.0), (12.0, 12.0)]
    """
    precision = Precision(rounding=rounding, deviation=deviation, counts=counts, signed=signed)
    if isinstance(protection, bool) or not 0 < protection < math.inf:
        raise DataError(f"protection is {protection!s:.40}; it is a share above 0, such as 0.2")
    read = _read(tables, value, precision)
    value_column = value or _common_value(tables, read)
    half = precision.half_width(_quantile(read) if deviation else 0.0)
    joint = join_tables(read, cells=cells, value=value_column, half_width=half, signed=signed,
                        whole=counts)  # fmt: skip
    blocks, count = list(joint.blocks), len(joint)
    everything = np.ones(count, np.bool_)
    structure = structure_of(blocks, everything)
    found = bounds_of(
        blocks, count, determined=structure.determined, whole=counts and not signed,
        network=structure.method == "bridges", signed=signed,
    )  # fmt: skip
    cells_found = _cells(joint, structure, found, protection)
    known, own = _insiders(joint, structure, cells_found, insiders, signed=signed)
    cells_found = _learnt(cells_found, known)
    needed = _needed(joint, cells_found, protection)
    return TableAudit(
        cells=tuple(cells_found),
        insiders=tuple(known),
        differences=differences_of(
            read, _read(later, value, replace(precision, signed=True)) if later else (),
            cells=cells, value=value_column,
        ),
        needed=needed,
        tables=tuple(table.name for table in read),
        method=structure.method,
        programs=found.programs,
        unique=is_unique(blocks, found.low, found.high) if unique else None,
        confidence=_CONFIDENCE if deviation else 1.0,
        own_cells=own,
    )  # fmt: skip


def _read(
    tables: Mapping[str, Any] | Sequence[Any], value: str | None, precision: Precision
) -> tuple[Published, ...]:
    if isinstance(tables, str) or not tables:
        raise DataError("tables: give a list of files or frames, or a mapping of names to them")
    return tuple(
        read_published(source, name, value=value, precision=precision)
        for name, source in named(tables).items()
    )


def _common_value(tables: Any, read: Sequence[Published]) -> str:
    """The name of the column of values, which all tables must agree on to find it in `cells`."""
    from confide.tables import read_table

    columns = {str(read_table(source).columns[-1]) for source in named(tables).values()}
    if len(columns) > 1 and any(columns & set(table.dimensions) for table in read):
        raise DataError(
            f"the last columns of the tables are {', '.join(sorted(columns))}, and one of them has "
            "labels in another table: name the column of values (--value)"
        )
    return columns.pop()


def _quantile(read: Sequence[Published]) -> float:
    """Standard deviations that no value's noise exceeds, with 95 % confidence for all together."""
    from scipy.special import ndtri

    values = sum(int(table.printed.sum()) for table in read)
    return float(-ndtri((1 - _CONFIDENCE) / 2 / max(values, 1)))


def _cells(
    joint: Joint, structure: Structure, found: Bounds, protection: float
) -> list[AuditedCell]:
    width = found.high - found.low
    scale = np.maximum(1.0, np.where(np.isfinite(found.high), np.abs(found.high), 1.0))
    determined = structure.determined | (width <= 1e-9 * scale)
    middle = (found.low + found.high) / 2
    with np.errstate(invalid="ignore"):
        close = determined | (width / 2 <= protection * np.abs(middle))
    printed = _printed(joint)
    cells = []
    for place in range(len(joint)):
        how = "published" if printed[place] else "sums" if structure.determined[place] else "bounds"
        cells.append(
            AuditedCell(
                cell=joint.name(place),
                interval=(float(found.low[place]), float(found.high[place])),
                determined=bool(determined[place]),
                how=how if determined[place] else "",
                sharp=bool(found.sharp[place]),
                close=bool(close[place]) and bool(np.isfinite(found.high[place])),
            )
        )
    return cells


def _printed(joint: Joint) -> Flags:
    """Which cells are a published value by themselves."""
    alone = np.zeros(len(joint), np.bool_)
    for block in joint.blocks:
        inside = block.row >= 0
        size = np.bincount(block.row[inside], minlength=len(block.low))
        whole = set(block.dimensions) == set(joint.dimensions)
        alone[inside] |= block.exact[block.row[inside]] & (size[block.row[inside]] == 1) & whole
    return alone


def _insiders(
    joint: Joint, structure: Structure, cells: list[AuditedCell], column: str | None, *,
    signed: bool,
) -> tuple[list[Insider], bool]:  # fmt: skip
    if column is None:
        return _alone_in_a_cell(joint, structure, cells), True
    owner = joint.column(column)
    names = joint.labels[joint.dimensions.index(column)]
    open_cells = np.array([not cell.determined for cell in cells])
    found = []
    for place, name in enumerate(names):
        own = owner == place
        learnt = structure_of(list(joint.blocks), ~own).determined & open_cells & ~own
        intervals: dict[int, tuple[float, float]] = {}
        if joint.truth is not None and not signed and (
            len(joint) * len(names) <= _MOST_INSIDER_WORK
        ):  # fmt: skip
            known = np.where(own, joint.truth, np.nan)
            bounds = bounds_of(list(joint.blocks), len(joint), determined=learnt, known=known)
            intervals = {
                int(c): (float(bounds.low[c]), float(bounds.high[c])) for c in np.flatnonzero(~own)
            }
            exact = bounds.high - bounds.low <= 1e-9 * np.maximum(1.0, np.abs(bounds.high))
            learnt |= exact & open_cells & ~own
        told = tuple(joint.name(int(cell)) for cell in np.flatnonzero(learnt))
        found.append(Insider(name=name, knows=int(own.sum()), learns=told, intervals=intervals))
    return found, False


def _alone_in_a_cell(joint: Joint, structure: Structure, cells: list[AuditedCell]) -> list[Insider]:
    """Each cell as an insider of its own: it learns those that are in its group."""
    members: dict[int, list[int]] = {}
    for cell, group in enumerate(structure.group):
        if group >= 0 and not cells[cell].determined:
            members.setdefault(int(group), []).append(cell)
    return [
        Insider(
            name=_NAMED + labels_text(joint.name(cell)),
            knows=1,
            learns=tuple(joint.name(other) for other in together if other != cell),
        )
        for together in members.values()
        for cell in together
        if len(together) > 1
    ]


def _learnt(cells: list[AuditedCell], insiders: Sequence[Insider]) -> list[AuditedCell]:
    by: dict[tuple[str, ...], list[str]] = {}
    for insider in insiders:
        for cell in insider.learns:
            by.setdefault(tuple(cell.values()), []).append(insider.name)
    return [
        replace(cell, learnt_by=tuple(by[key]))
        if (key := tuple(cell.cell.values())) in by
        else cell
        for cell in cells
    ]


def _needed(joint: Joint, cells: Sequence[AuditedCell], protection: float) -> Needed:
    """The noise after which no best linear estimate of a cell is too good.

    With noise of variance σ² on each published value, the best unbiased linear estimate yᵀb of a
    cell that they determine has variance σ²‖y‖², where y is the shortest with Aᵀy = e_cell. For
    cells that are close and not determined ‖y‖ ≥ 1/√k is used, k the sums that a cell counts in.
    """
    count = np.zeros(len(joint), np.int64)
    for block in joint.blocks:
        inside = block.row >= 0
        count[inside] += np.isfinite(block.high)[block.row[inside]]
    largest = max((c.interval[1] for c in cells), default=0.0)
    risky = [p for p, c in enumerate(cells) if (c.determined or c.close) and c.interval[1] > 0]
    risky.sort(key=lambda place: -cells[place].middle)
    lengths = _estimator_lengths(joint, [p for p in risky if cells[p].how == "sums"])
    best, cell = 0.0, None
    for place in risky:
        length = lengths.get(place, 1 / math.sqrt(max(int(count[place]), 1)))
        deviation = protection * abs(cells[place].middle) / (_Z * length)
        if deviation > best:
            best, cell = deviation, cells[place].cell
    return Needed(
        protection=protection, deviation=best, cell=cell, counted_in=int(count.max(initial=1)),
        largest=largest,
    )  # fmt: skip


def _estimator_lengths(joint: Joint, places: Sequence[int]) -> dict[int, float]:
    """‖y‖ for the largest of the cells that the sums determine."""
    if not places:
        return {}
    everything = np.ones(len(joint), np.bool_)
    rows = [np.where((b.row >= 0) & b.exact[b.row], b.row, -1) for b in joint.blocks]
    system = incidence([r for r in rows if (r >= 0).any()], everything).T.tocsr()
    found = {}
    for place in places[:_MOST_ESTIMATES]:
        wanted = np.zeros(len(joint))
        wanted[place] = 1.0
        y = lsmr(system, wanted, atol=1e-10, btol=1e-10, maxiter=2000)[0]
        found[place] = float(np.linalg.norm(y))
    return found
