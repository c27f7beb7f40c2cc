"""The demonstration's pictures, as data URIs that a page carries in itself."""

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
from confide.demo.lenders import TABLE

__all__ = ["learning_curves", "models_compared", "what_was_seen"]

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
    "font.size": 11,
    "svg.hashsalt": "confide",
}


def learning_curves(experiment: Experiment) -> str:
    """AUC by round, in clear and masked, between the lenders alone and the forbidden ideal."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9, 4.4), layout="constrained")
        axes = figure.subplots()
        for name, run in (("clear", experiment.clear), ("masked", experiment.masked)):
            style = {"lw": 5, "alpha": 0.35} if name == "clear" else {"lw": 2}
            axes.plot(run.history.index + 1, run.history["auc"], color=_COLOURS[name], **style)
        noisy = experiment.private.history["auc"]
        axes.plot(noisy.index + 1, noisy, color=_COLOURS["private"], lw=2)
        right = experiment.clear.plan.rounds
        for name, scores in (("pooled", experiment.pooled), ("alone", experiment.alone_mean)):
            axes.axhline(scores.auc, color=_COLOURS[name], ls="--", lw=1.5)
        _label(axes, right, experiment.pooled.auc, "pooled (forbidden)", "pooled", up=True)
        _label(axes, right, experiment.alone_mean.auc, "alone, on average", "alone", up=True)
        axes.set(xlabel="round", ylabel="AUC on the hold-out", xlim=(1, right))
        handles = [
            mpl.lines.Line2D([], [], color=_COLOURS["clear"], lw=5, alpha=0.35),
            mpl.lines.Line2D([], [], color=_COLOURS["masked"], lw=2),
            mpl.lines.Line2D([], [], color=_COLOURS["private"], lw=2),
        ]
        axes.legend(
            handles,
            [
                "federated, in clear",
                f"federated, masked, without {DROP.party}",
                f"the same with noise, ε = {experiment.privacy.epsilon:.2g}",
            ],
            loc="upper center",
            bbox_to_anchor=(0.5, -0.14),
            ncols=3,
            frameon=False,
        )
        return _data_uri(figure)


def models_compared(experiment: Experiment, spread: pd.DataFrame) -> str:
    """AUC of the models: this run's as dots, and how they spread over seeds."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9, 4.2), layout="constrained")
        axes = figure.subplots()
        shown = {
            "alone": experiment.alone_mean.auc,
            "pooled": experiment.pooled.auc,
            "clear": experiment.scores(experiment.clear).auc,
            "masked": experiment.scores(experiment.masked).auc,
            "private": experiment.scores(experiment.private).auc,
        }
        for row, (name, value) in enumerate(shown.items()):
            if name in spread:
                jitter = np.linspace(-0.18, 0.18, len(spread))
                axes.scatter(
                    spread[name], row + jitter, color=_COLOURS[name], s=16, alpha=0.45, lw=0
                )
                axes.plot([spread[name].mean()] * 2, [row - 0.3, row + 0.3], color=_COLOURS[name])
            axes.scatter([value], [row], color=_COLOURS[name], s=90, edgecolor="white", zorder=3)
        axes.set(
            yticks=range(len(shown)),
            yticklabels=["alone (mean of five)", "pooled (forbidden)", "federated, clear",
            "federated, masked", f"masked, ε = {experiment.privacy.epsilon:.2g}"],
            xlabel="AUC on the hold-out",
        )  # fmt: skip
        axes.invert_yaxis()
        return _data_uri(figure)


def what_was_seen(experiment: Experiment) -> str:
    """One lender's first update as the coordinator received it, in clear and masked."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9, 5.4), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True)
        names = [*TABLE.features, "intercept"]
        for axes, name in ((upper, "clear"), (lower, "masked")):
            axes.bar(range(len(names)), experiment.seen[name], color=_COLOURS[name])
            axes.axhline(0, color="#1c2330", lw=0.8)
            axes.set_ylabel("as received")
            axes.set_title(_SEEN[name].format(party=DROP.party), loc="left", fontsize=11)
        lower.set_xticks(range(len(names)), names, rotation=60, ha="right")
        return _data_uri(figure)


_SEEN: Final = {
    "clear": "in clear: the coordinator reads how {party} would change each weight",
    "masked": "masked: the same update in the same round, uniformly random numbers",
}


def _label(axes: Axes, x: float, y: float, text: str, name: str, *, up: bool) -> None:
    axes.annotate(
        text,
        (x, y),
        xytext=(-4, 4 if up else -4),
        textcoords="offset points",
        ha="right",
        va="bottom" if up else "top",
        color=_COLOURS[name],
    )


def _data_uri(figure: Figure) -> str:
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
