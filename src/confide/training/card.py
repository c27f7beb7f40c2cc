"""A model's card: a page that says what it is, how good, and who learned what."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import TYPE_CHECKING, Any

from confide.learning.descriptions import ComponentPredictor
from confide.report.document import render
from confide.training.margins import written
from confide.training.plots import (
    new_figure,
    plot_calibration,
    plot_coefficients,
    plot_components,
    plot_confusion,
    plot_metrics,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from confide.training.result import Trained

__all__ = ["card_html", "figure_of"]

_LISTED = (
    "loss", "deviance", "auc", "accuracy", "base_rate", "r2", "d2", "concordance", "explained",
    "inertia", "events", "rows",
)  # fmt: skip


def figure_of(result: Trained) -> Figure:
    """The pictures of a training side by side: metrics, calibration, confusion, coefficients."""
    drawn = _pictures(result)
    figure = new_figure(max(len(drawn), 1))
    for place, draw in enumerate(drawn):
        draw(figure.add_subplot(1, len(drawn), place + 1))
    return figure


def _pictures(result: Trained) -> list[Any]:
    """What draws each picture into axes."""
    metrics, model = result.metrics, result.model
    drawn: list[Any] = []
    if metrics:
        drawn.append(lambda axes: plot_metrics(metrics, axes))
    if "calibration" in metrics:
        drawn.append(lambda axes: plot_calibration(metrics, axes))
    if "confusion" in metrics:
        drawn.append(lambda axes: plot_confusion(metrics, model.classes_.tolist(), axes))
    if getattr(model, "coef_", None) is not None and len(model.coef_.shape) in (1, 2):
        one = model.coef_.size == len(model.feature_names_in_)
        drawn += [lambda axes: plot_coefficients(model, axes)] if one else []
    if isinstance(model.predictor, ComponentPredictor):
        drawn.append(lambda axes: plot_components(model, axes))
    return drawn


def card_html(result: Trained) -> str:
    """The card as one page that loads nothing.

    Raises:
        PlanError: If matplotlib is not installed.
    """
    title = repr(result.model).removeprefix("TableModel(").removesuffix(")")
    return render(
        "card.html",
        package="confide.training",
        title=title[:1].upper() + title[1:],
        pictures=[_svg(draw) for draw in _pictures(result)],
        **_facts(result),
    )


def _svg(draw: Any) -> str:
    """One picture as an address that holds it."""
    figure, drawn = new_figure(1), BytesIO()
    axes = figure.subplots()
    draw(axes)
    figure.savefig(drawn, format="svg")
    data = base64.b64encode(drawn.getvalue()).decode()
    return f"data:image/svg+xml;base64,{data}"


def summary_html(result: Trained) -> str:
    """The verdicts and metrics as a fragment for notebooks."""
    return render("summary.html", package="confide.training", title=repr(result.model),
                  **_facts(result))  # fmt: skip


def _facts(result: Trained) -> dict[str, Any]:
    plan = result.plan
    shares = {
        s.name: f"{s.rounds} round{'s' * (s.rounds > 1)}, {s.budget:.0%} of the noise budget"
        for s in plan.sum_stages
    }
    exact = result.exact
    stages = {n: text.split(",")[0] if exact else text for n, text in shares.items()}
    return {
        "verdicts": [(s.text, s.tone.value) for s in result.verdicts],
        "metrics": [
            (name.replace("_", " "), written(name, result.metrics, result.margins, ",.4g"))
            for name in _LISTED
            if name in result.metrics
        ],
        "stages": stages,
        "plan": plan.hash.hex(),
        "owners": [p.name for p in plan.parties],
        "columns": list(result.model.feature_names),
        "label": result.model.table.label,
        "exact": exact,
        "margins": bool(result.margins),
        "measured_on": result.measured_on,
    }
