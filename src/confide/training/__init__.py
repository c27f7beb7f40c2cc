"""From owners' tables to a model in one call: the door for those who begin."""

from typing import TYPE_CHECKING

from confide._lazy import attach

if TYPE_CHECKING:
    from confide.training.kinds import KINDS, Kind
    from confide.training.owners import OwnerReport
    from confide.training.plans import Epsilon, Prepared
    from confide.training.plots import (
        plot_calibration,
        plot_coefficients,
        plot_components,
        plot_confusion,
        plot_metrics,
    )
    from confide.training.result import Trained
    from confide.training.running import planned, train

__all__ = [
    "KINDS",
    "Epsilon",
    "Kind",
    "OwnerReport",
    "Prepared",
    "Trained",
    "planned",
    "plot_calibration",
    "plot_coefficients",
    "plot_components",
    "plot_confusion",
    "plot_metrics",
    "train",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "confide.training.kinds": ("KINDS", "Kind"),
            "confide.training.owners": ("OwnerReport",),
            "confide.training.plans": ("Epsilon", "Prepared"),
            "confide.training.plots": (
                "plot_calibration",
                "plot_coefficients",
                "plot_components",
                "plot_confusion",
                "plot_metrics",
            ),
            "confide.training.result": ("Trained",),
            "confide.training.running": ("planned", "train"),
        },
    )
