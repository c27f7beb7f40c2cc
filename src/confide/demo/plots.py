"""The demonstration's pictures, as data URIs inside the page."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from confide.demo.experiment import DROP, Experiment
from confide.demo.lenders import LENDERS, TABLE
from confide.engines import Run

__all__ = ["learning_curves", "lenders_gains", "models_compared", "what_was_seen"]

_COLOURS: Final = {
    "alone": "#9aa5b5",
    "pooled": "#8a5a00",
    "clear": "#2457a6",
    "masked": "#1d7a4c",
    "private": "#7b3fa0",
}
_STYLE: Final[Any] = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8792a3",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e9ef",
    "font.size": 12,
    "svg.hashsalt": "confide",
}


@mpl.rc_context(_STYLE)
def what_was_seen(experiment: Experiment) -> str:
    """One lender's first update as the coordinator received it, in clear and masked."""
    figure = _figure(5.2)
    upper, lower = figure.subplots(2, 1, sharex=True)
    names = [*TABLE.features, "intercept"]
    for axes, name in ((upper, "clear"), (lower, "masked")):
        axes.bar(range(len(names)), experiment.seen[name], color=_COLOURS[name])
        axes.axhline(0, color="#1c2330", lw=0.8)
        axes.set_title(_SEEN[name], loc="left", fontsize=12, color=_COLOURS[name])
        axes.grid(visible=False, axis="x")
    lower.set_xticks(range(len(names)), names, rotation=90, fontsize=10)
    return _data_uri(figure)


@mpl.rc_context(_STYLE)
def lenders_gains(experiment: Experiment) -> str:
    """For each lender the AUC of its own model and of the model of all, with and without noise."""
    figure = _figure(5.2)
    axes = figure.subplots()
    masked, private = (
        experiment.scores(run).auc for run in (experiment.masked, experiment.private)
    )
    own = sorted(experiment.alone.items(), key=lambda entry: entry[1].auc)
    right = max(masked, private, experiment.pooled.auc, *(scores.auc for _, scores in own))
    for row, (_, scores) in enumerate(own):
        axes.plot([scores.auc, masked], [row, row], color="#b8c1cf", lw=3, zorder=1)
        gain = f"  {masked - scores.auc:+.3f}"
        axes.text(right, row, gain, va="center", color=_COLOURS["masked"], fontweight="bold")
    rows = range(len(own))
    style: dict[str, Any] = {"s": 110, "edgecolor": "white", "zorder": 3}
    axes.scatter([scores.auc for _, scores in own], rows, color=_COLOURS["alone"],
                 label="its own model", **style)  # fmt: skip
    axes.scatter([masked] * len(own), rows, color=_COLOURS["masked"],
                 label="the model of all, masked", **style)  # fmt: skip
    axes.scatter([private] * len(own), rows, color=_COLOURS["private"], marker="D",
                 label=f"with noise, {_epsilon(experiment)}", **{**style, "s": 60})  # fmt: skip
    axes.axvline(experiment.pooled.auc, color=_COLOURS["pooled"], ls="--", lw=1.5,
                 label="on pooled rows (forbidden)", zorder=0)  # fmt: skip
    axes.set(yticks=rows, yticklabels=[name for name, _ in own], xlabel="AUC on the hold-out")
    left = min(private, *(scores.auc for _, scores in own))
    axes.set_xlim(left - 0.08 * (right - left), right + 0.25 * (right - left))
    axes.margins(y=0.12)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    _legend(axes)
    return _data_uri(figure)


@mpl.rc_context(_STYLE)
def learning_curves(experiment: Experiment) -> str:
    """AUC by round, in clear and masked, between the lenders alone and the forbidden ideal."""
    figure = _figure(4.8)
    axes = figure.subplots()
    runs: list[tuple[str, Run, str, dict[str, Any]]] = [
        ("clear", experiment.clear, "federated, in clear", {"lw": 5, "alpha": 0.35}),
        ("masked", experiment.masked, f"masked, without {DROP.party}", {"lw": 2}),
        ("private", experiment.private, f"with noise, {_epsilon(experiment)}", {"lw": 2}),
    ]
    for name, run, label, style in runs:
        rounds = run.history.index + 1
        axes.plot(rounds, run.history["auc"], color=_COLOURS[name], label=label, **style)
    lines = [
        ("pooled", experiment.pooled, "pooled (forbidden)"),
        ("alone", experiment.alone_mean, "alone, on average"),
    ]
    for name, scores, label in lines:
        axes.axhline(scores.auc, color=_COLOURS[name], ls="--", lw=1.5, label=label)
    axes.set(xlabel="round", ylabel="AUC on the hold-out", xlim=(1, experiment.clear.plan.rounds))
    _legend(axes)
    return _data_uri(figure)


@mpl.rc_context(_STYLE)
def models_compared(experiment: Experiment, spread: pd.DataFrame) -> str:
    """AUC of the models: this run's as large dots, those of other seeds as small ones."""
    figure = _figure(4.4)
    axes = figure.subplots()
    shown = {
        "alone": (experiment.alone_mean, spread[list(LENDERS)].mean(axis=1), "alone\n(mean of 5)"),
        "pooled": (experiment.pooled, spread["pooled"], "pooled\n(forbidden)"),
        "clear": (experiment.scores(experiment.clear), spread["clear"], "in clear"),
        "masked": (experiment.scores(experiment.masked), spread["masked"], "masked"),
        "private": (
            experiment.scores(experiment.private),
            spread["private"],
            f"with noise,\n{_epsilon(experiment)}",
        ),
    }
    for row, (name, (scores, seeds, _)) in enumerate(shown.items()):
        jitter = np.linspace(-0.2, 0.2, len(seeds))
        axes.scatter(seeds, row + jitter, color=_COLOURS[name], s=16, alpha=0.5, lw=0)
        axes.plot([seeds.mean()] * 2, [row - 0.3, row + 0.3], color=_COLOURS[name])
        axes.scatter([scores.auc], [row], color=_COLOURS[name], s=90, edgecolor="white", zorder=3)
    axes.set(
        yticks=range(len(shown)),
        yticklabels=[label for _, _, label in shown.values()],
        xlabel="AUC on the hold-out",
    )
    axes.invert_yaxis()
    return _data_uri(figure)


_SEEN: Final = {
    "clear": f"in clear: it reads how {DROP.party} would change each weight",
    "masked": "masked: the same update, uniformly random numbers",
}


def _epsilon(experiment: Experiment) -> str:
    return f"ε = {experiment.privacy.epsilon:.2g}"


def _figure(height: float) -> Figure:
    """A figure whose letters can be read on a phone that is 375 pixels wide."""
    return Figure(figsize=(6.4, height), layout="constrained")


def _legend(axes: Axes) -> None:
    """Puts the legend below the axes, where it covers nothing."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.45, -0.16), ncols=2, frameon=False)


def _data_uri(figure: Figure) -> str:
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
