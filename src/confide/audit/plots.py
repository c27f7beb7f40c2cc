"""Pictures of audits. They need matplotlib, which nothing else of them does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from confide.errors import PlanError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from confide.audit.findings import AuditedCell, TableAudit
    from confide.audit.reconstruction import Recovery

__all__ = ["plot_audit", "plot_recovery"]

_RED: Final = "#b3261e"
_BLUE: Final = "#2457a6"
_GREY: Final = "#9aa5b5"
_MOST_CELLS: Final = 40


def plot_audit(audit: TableAudit, after: TableAudit | None, axes: Axes | None) -> Axes:
    """Draws each cell's interval, the narrowest first; red where it is a point.

    Args:
        audit: Before.
        after: The same cells after a remedy, in blue below each.
        axes: Where to draw; a new figure if None.

    Raises:
        PlanError: If matplotlib is not installed, or the two audits are of other cells.
    """
    axes = _new_axes() if axes is None else axes
    if after is not None and len(after.cells) != len(audit.cells):
        raise PlanError(
            f"one audit has {len(audit.cells):,} cells and the other {len(after.cells):,}; draw "
            "audits of the same cells"
        )
    order = sorted(range(len(audit.cells)), key=lambda place: _width(audit.cells[place]))
    order = order[:_MOST_CELLS]
    shift = 0.16 if after is not None else 0.0
    names = ("before", "before: known exactly") if after is not None else ("range", "known exactly")
    _intervals(axes, [audit.cells[p] for p in order], -shift, _GREY, names)
    if after is not None:
        _intervals(axes, [after.cells[p] for p in order], shift, _BLUE,
                   ("after", "after: known exactly"))  # fmt: skip
    labels = [", ".join(audit.cells[place].cell.values()) for place in order]
    axes.set_yticks(range(len(order)), labels, fontsize=7 if len(order) > 20 else 8)
    axes.invert_yaxis()
    axes.set(xlabel="what a reader can infer", xlim=(0, None))
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, fontsize=8)
    return axes


def plot_recovery(recoveries: Sequence[Recovery], axes: Axes | None = None) -> Axes:
    """Draws the share of bits that were recovered against the noise.

    Args:
        recoveries: What `reconstruct_bits` found at several levels of noise.
        axes: Where to draw; a new figure if None.

    Raises:
        PlanError: If matplotlib is not installed.
    """
    axes = _new_axes() if axes is None else axes
    found = sorted(recoveries, key=lambda r: r.noise)
    axes.plot([r.noise for r in found], [100 * r.recovered for r in found], "o-", color=_RED)
    axes.axhline(50, color=_GREY, ls="--", lw=1)
    axes.annotate("a coin", (found[-1].noise, 50), (0, 4), textcoords="offset points",
                  ha="right", color=_GREY, fontsize=8)  # fmt: skip
    axes.set(xlabel="noise on each answer, in √n", ylabel="bits recovered, %", ylim=(45, 102))
    return axes


def _intervals(
    axes: Axes, cells: Sequence[AuditedCell], shift: float, colour: str, names: tuple[str, str]
) -> None:
    finite = max((c.interval[1] for c in cells if np.isfinite(c.interval[1])), default=1.0)
    for place, cell in enumerate(cells):
        low, high = cell.interval
        if cell.determined:
            axes.plot([low], [place + shift], "o", color=_RED, ms=4)
        else:
            axes.plot([max(low, 0), min(high, 1.2 * finite)], [place + shift] * 2, color=colour,
                      lw=3, solid_capstyle="butt")  # fmt: skip
    axes.plot([], [], color=colour, lw=3, label=names[0])
    if any(cell.determined for cell in cells):
        axes.plot([], [], "o", color=_RED, ms=4, label=names[1])


def _width(cell: AuditedCell) -> float:
    return cell.interval[1] - cell.interval[0]


def _new_axes() -> Axes:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise PlanError("pictures need matplotlib: pip install 'confide[audit]'") from None
    return Figure(figsize=(6, 4.5), layout="constrained").subplots()
