"""Generalised linear models: specifications for federated training, estimators for everybody."""

from typing import TYPE_CHECKING

from confide._lazy import attach

if TYPE_CHECKING:
    from confide.learning.models import families as families
    from confide.learning.models.base import ConvergenceWarning
    from confide.learning.models.estimators import (
        LinearRegression,
        LogisticRegression,
        PoissonRegression,
        SoftmaxRegression,
    )
    from confide.learning.models.fitting import Fit, fit_to_convergence
    from confide.learning.models.glm import GeneralisedLinearModel, Parameters
    from confide.learning.models.metrics import accuracy, auc, log_loss

__all__ = [
    "ConvergenceWarning",
    "Fit",
    "GeneralisedLinearModel",
    "LinearRegression",
    "LogisticRegression",
    "Parameters",
    "PoissonRegression",
    "SoftmaxRegression",
    "accuracy",
    "auc",
    "fit_to_convergence",
    "log_loss",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "confide.learning.models.families": (),
            "confide.learning.models.base": ("ConvergenceWarning",),
            "confide.learning.models.estimators": (
                "LinearRegression",
                "LogisticRegression",
                "PoissonRegression",
                "SoftmaxRegression",
            ),
            "confide.learning.models.fitting": ("Fit", "fit_to_convergence"),
            "confide.learning.models.glm": ("GeneralisedLinearModel", "Parameters"),
            "confide.learning.models.metrics": ("accuracy", "auc", "log_loss"),
        },
    )
