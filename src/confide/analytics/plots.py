"""Pictures of statistics. They need matplotlib, which nothing else of them does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from confide.analytics.interval import Z
from confide.errors import PlanError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from confide.analytics.results import (
        Counts,
        Covariances,
        Distinct,
        Groups,
        Histogram,
        Moments,
        Quantiles,
        SurvivalCurves,
    )

__all__ = ["plot_result"]

_BLUE: Final = "#2457a6"
_GREY: Final = "#9aa5b5"
_COLOURS: Final = ("#2457a6", "#c2571a", "#1d7a4c", "#7b3fa0", "#8a5a00", "#5b6675")
_MOST_BARS: Final = 25


def plot_result(result: Any, axes: Axes | None) -> Axes:
    """Draws a result.

    Raises:
        PlanError: If matplotlib is not installed.
    """
    kind = type(result).__name__
    if kind not in _DRAWN:
        raise PlanError(f"no picture of a {kind}")
    drawn: Axes = _DRAWN[kind](result, _new_axes() if axes is None else axes)
    return drawn


def _new_axes() -> Axes:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise PlanError("pictures need matplotlib: pip install 'confide[demo]'") from None
    return Figure(figsize=(5.6, 3.8), layout="constrained").subplots()


def _histogram(result: Histogram, axes: Axes) -> Axes:
    error = Z * result.noise or None
    if result.edges is not None:
        widths = np.diff(result.edges)
        axes.bar(
            result.edges[:-1], result.counts, widths, align="edge", color=_BLUE, alpha=0.85,
            edgecolor="white", yerr=error, ecolor=_GREY,
        )  # fmt: skip
        axes.set(xlabel=result.column, ylabel="rows")
    else:
        order = np.argsort(-result.counts, kind="stable")[:_MOST_BARS][::-1]
        names = [result.labels[place] for place in order]
        axes.barh(names, result.counts[order], color=_BLUE, xerr=error, ecolor=_GREY)
        axes.set(xlabel="rows")
    axes.set_title(result.column + (f" ({result.missing:,.0f} missing)" if _some(result) else ""))
    return axes


def _some(result: Histogram) -> bool:
    return result.missing > max(0.5, Z * result.noise)


def _counts(result: Counts, axes: Axes) -> Axes:
    if len(result) != 1:
        raise PlanError("several histograms; plot each: result['age'].plot()")
    return _histogram(next(iter(result.values())), axes)


def _moments(result: Moments, axes: Axes) -> Axes:
    names = list(result.columns)[::-1]
    missing = (100 * result.missing / max(result.rows, 1.0))[::-1]
    bars = axes.barh(names, missing, color=_BLUE)
    axes.bar_label(bars, [f"{share:.1f} %" for share in missing], padding=3)
    axes.set(xlabel="rows without a value, %", xlim=(0, max(5.0, 1.2 * missing.max())))
    axes.set_title("Missing values")
    return axes


def _covariances(result: Covariances, axes: Axes) -> Axes:
    found = result.correlation
    axes.imshow(found, cmap="RdBu_r", vmin=-1, vmax=1)
    for (row, column), value in np.ndenumerate(found):
        ink = "white" if abs(value) > 0.6 else "black"
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=ink, fontsize=8)
    places = range(len(result.columns))
    axes.set_xticks(places, list(result.columns), rotation=45, ha="right")
    axes.set_yticks(places, list(result.columns))
    axes.set_title("Correlations")
    return axes


def _groups(result: Groups, axes: Axes) -> Axes:
    kept = result.table.index
    shown = [place for place, key in enumerate(result.keys)
             if (key[0] if len(key) == 1 else key) in kept][:_MOST_BARS]  # fmt: skip
    names = [", ".join(result.keys[place]) for place in shown]
    if result.columns:
        values, error = result.mean[shown, 0], Z * result.mean_error[shown, 0]
        axes.errorbar(
            values, range(len(shown)), xerr=error if result.noise else None, fmt="o", color=_BLUE,
            ecolor=_GREY,
        )  # fmt: skip
        axes.set(xlabel=f"mean {result.columns[0]}")
    else:
        axes.barh(range(len(shown)), result.rows[shown], color=_BLUE)
        axes.set(xlabel="rows")
    axes.set_yticks(range(len(shown)), names)
    axes.invert_yaxis()
    axes.set_title(f"By {', '.join(result.by)}")
    return axes


def _quantiles(result: Quantiles, axes: Axes) -> Axes:
    """Each column's quantiles, as shares of the range between its first and its last."""
    spans = [(row.min(), max(row.max() - row.min(), 1e-12)) for row in result.values]
    for place, (values, (start, width)) in enumerate(zip(result.values, spans, strict=True)):
        axes.plot((values - start) / width, np.full(len(values), place), color=_GREY, zorder=1)
        axes.scatter((values - start) / width, np.full(len(values), place), color=_BLUE, zorder=2)
        for value in values:
            axes.annotate(f"{value:.4g}", ((value - start) / width, place), (0, 7),
                          textcoords="offset points", ha="center", fontsize=8)  # fmt: skip
    axes.set_yticks(range(len(result.columns)), list(result.columns))
    axes.set_xticks([])
    axes.set(xlim=(-0.1, 1.1), ylim=(len(result.columns) - 0.5, -0.5))
    axes.set_title("Quantiles " + ", ".join(f"{100 * share:g} %" for share in result.at))
    return axes


def _distinct(result: Distinct, axes: Axes) -> Axes:
    axes.barh([result.column], [result.count], xerr=[Z * result.error], color=_BLUE, ecolor=_GREY)
    axes.set(xlabel="different values")
    return axes


def _survival(result: SurvivalCurves, axes: Axes) -> Axes:
    for place, (name, curve) in enumerate(result.curves.items()):
        colour = _COLOURS[place % len(_COLOURS)]
        times = np.append(0.0, curve.times)
        axes.step(times, np.append(1.0, curve.survival), where="post", color=colour, label=name)
        low, high = curve.interval.T
        axes.fill_between(times, np.append(1.0, low), np.append(1.0, high), step="post",
                          color=colour, alpha=0.18, lw=0)  # fmt: skip
    axes.set(xlabel=result.time, ylabel="survival", ylim=(0, 1.02), xlim=(0, None))
    if result.by is not None:
        axes.legend(title=result.by, frameon=False)
    return axes


_DRAWN: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "Counts": _counts,
    "Covariances": _covariances,
    "Distinct": _distinct,
    "Groups": _groups,
    "Histogram": _histogram,
    "Moments": _moments,
    "Quantiles": _quantiles,
    "SurvivalCurves": _survival,
}
