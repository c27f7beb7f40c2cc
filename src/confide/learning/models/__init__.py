"""Generalised linear models: specifications for federated training, estimators for everybody."""

from typing import TYPE_CHECKING

from confide._lazy import attach

if TYPE_CHECKING:
    from confide.learning.models import families as families
    from confide.learning.models.base import ConvergenceWarning
    from confide.learning.models.cox import CoxRegression, concordance
    from confide.learning.models.estimators import (
        LinearRegression,
        LogisticRegression,
        PoissonRegression,
        SoftmaxRegression,
    )
    from confide.learning.models.fitting import Fit, fit_to_convergence
    from confide.learning.models.glm import GeneralisedLinearModel, Parameters
    from confide.learning.models.k_means import KMeans
    from confide.learning.models.metrics import accuracy, auc, log_loss
    from confide.learning.models.naive_bayes import NaiveBayes
    from confide.learning.models.pca import PCA

__all__ = [
    "PCA",
    "ConvergenceWarning",
    "CoxRegression",
    "Fit",
    "GeneralisedLinearModel",
    "KMeans",
    "LinearRegression",
    "LogisticRegression",
    "NaiveBayes",
    "Parameters",
    "PoissonRegression",
    "SoftmaxRegression",
    "accuracy",
    "auc",
    "concordance",
    "fit_to_convergence",
    "log_loss",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "confide.learning.models.families": (),
            "confide.learning.models.base": ("ConvergenceWarning",),
            "confide.learning.models.cox": ("CoxRegression", "concordance"),
            "confide.learning.models.estimators": (
                "LinearRegression",
                "LogisticRegression",
                "PoissonRegression",
                "SoftmaxRegression",
            ),
            "confide.learning.models.fitting": ("Fit", "fit_to_convergence"),
            "confide.learning.models.glm": ("GeneralisedLinearModel", "Parameters"),
            "confide.learning.models.k_means": ("KMeans",),
            "confide.learning.models.metrics": ("accuracy", "auc", "log_loss"),
            "confide.learning.models.naive_bayes": ("NaiveBayes",),
            "confide.learning.models.pca": ("PCA",),
        },
    )
