"""Pictures of a trained model. They need matplotlib, which nothing else of a training does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from confide.errors import DataError, PlanError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "plot_calibration",
    "plot_coefficients",
    "plot_components",
    "plot_confusion",
    "plot_metrics",
]

_SHARES = ("r2", "d2", "explained", "concordance", "auc", "accuracy", "base_rate")
"""Metrics of at most 1, the larger the better."""

_BLUE, _GREY, _INK = "#2457a6", "#9aa5b5", "#1d2530"


def plot_calibration(metrics: Mapping[str, Any], axes: Axes | None = None) -> Axes:
    """How often what was predicted with some probability was true; a circle's area is its rows.

    Args:
        metrics: Of two classes, as `Trained.metrics`.
        axes: Where to draw; a new figure if omitted.

    Raises:
        DataError: If the metrics have no calibration.
    """
    points = np.array(_need(metrics, "calibration", "two classes"), np.float64).reshape(-1, 3)
    axes = _axes(axes)
    axes.plot([0, 1], [0, 1], color=_GREY, lw=1, ls="--")
    area = 20 + 300 * points[:, 2] / max(float(points[:, 2].max(initial=1.0)), 1.0)
    axes.scatter(points[:, 0], points[:, 1], s=area, color=_BLUE, alpha=0.7, lw=0)
    axes.set(
        xlabel="predicted probability", ylabel="share that was so", xlim=(0, 1), ylim=(-0.03, 1.03),
        title="Calibration",
    )  # fmt: skip
    return axes


def plot_confusion(
    metrics: Mapping[str, Any], classes: Sequence[Any], axes: Axes | None = None
) -> Axes:
    """How many rows of each class were predicted as which.

    Args:
        metrics: Of classes, as `Trained.metrics`.
        classes: Their names, in order.
        axes: Where to draw; a new figure if omitted.

    Raises:
        DataError: If the metrics have no confusion matrix.
    """
    table = np.array(_need(metrics, "confusion", "classes"), np.float64)
    axes = _axes(axes)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(table):
        ink = "white" if share[row, column] > 0.5 else _INK
        axes.text(column, row, f"{count:,.0f}", ha="center", va="center", color=ink)
    places, names = range(len(classes)), [str(c) for c in classes]
    axes.set_xticks(places, names)
    axes.set_yticks(places, names)
    axes.set(xlabel="predicted", ylabel="true", title="Confusion matrix")
    axes.grid(visible=False)
    return axes


def plot_coefficients(model: Any, axes: Axes | None = None, *, most: int = 15) -> Axes:
    """The largest coefficients of a linear model with one output.

    Args:
        model: A `TableModel`.
        axes: Where to draw; a new figure if omitted.
        most: How many at most.

    Raises:
        DataError: If the model has no coefficients, or several for each input.
    """
    coefficients = getattr(model, "coef_", None)
    if coefficients is None or np.size(coefficients) != len(model.feature_names_in_):
        raise DataError("coefficients are plotted of a linear model with one output")
    values = np.ravel(coefficients)
    order = [i for i in np.argsort(-np.abs(values))[:most] if values[i]][::-1]
    axes = _axes(axes)
    axes.barh([str(model.feature_names_in_[i]) for i in order], values[order], color=_BLUE)
    axes.axvline(0, color=_GREY, lw=1)
    axes.set(xlabel="coefficient of the scaled input", title="What the model looks at")
    return axes


def plot_components(model: Any, axes: Axes | None = None) -> Axes:
    """The share of the whole variance along each principal component.

    Args:
        model: A `TableModel` of principal components.
        axes: Where to draw; a new figure if omitted.
    """
    shares = np.asarray(model.estimator.explained_variance_ratio_)
    axes = _axes(axes)
    bars = axes.bar([str(k + 1) for k in range(len(shares))], shares, color=_BLUE)
    axes.bar_label(bars, [f"{share:.0%}" for share in shares], padding=3)
    axes.set(xlabel="component", ylabel="share of the variance", ylim=(0, 1.1),
             title="What components explain")  # fmt: skip
    return axes


def plot_metrics(metrics: Mapping[str, Any], axes: Axes | None = None) -> Axes:
    """Accuracy beside the base rate, AUC, R² and their like, as far as there are."""
    names = [n for n in _SHARES if n in metrics]
    values = [float(metrics[n]) for n in names]
    axes = _axes(axes)
    colours = [_GREY if n == "base_rate" else _BLUE for n in names]
    bars = axes.barh([n.replace("_", " ") for n in names], values, color=colours)
    axes.bar_label(bars, [f"{v:.3f}" for v in values], padding=3)
    axes.set(xlim=(min(0.0, *values, 0.0), 1.15), title="Metrics")
    return axes


def new_figure(columns: int) -> Figure:
    """An empty figure for so many pictures side by side.

    Raises:
        PlanError: If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise PlanError("pictures need matplotlib: pip install 'confide[demo]'") from None

    class Picture(Figure):
        """A figure that a notebook shows, also before pyplot was imported."""

        def _repr_png_(self) -> bytes:
            drawn = BytesIO()
            self.savefig(drawn, format="png")
            return drawn.getvalue()

    return Picture(figsize=(4.6 * columns, 3.9), layout="constrained")


def _axes(axes: Axes | None) -> Axes:
    return new_figure(1).subplots() if axes is None else axes


def _need(metrics: Mapping[str, Any], name: str, of: str) -> Any:
    if name not in metrics:
        raise DataError(f"no {name} in these metrics; only those of {of} have it")
    return metrics[name]
