"""Models and algorithms that learn from bounded sums."""

from typing import TYPE_CHECKING

from confide._lazy import attach

if TYPE_CHECKING:
    from confide.learning.algorithms.clipping import AdaptiveClip
    from confide.learning.algorithms.fed_avg import fed_avg
    from confide.learning.algorithms.fed_sgd import fed_sgd
    from confide.learning.algorithms.newton import fed_newton
    from confide.learning.algorithms.score_histogram import auc_of_histogram, score_histogram
    from confide.learning.fitted import fitted_estimator, quality, trained_model
    from confide.learning.models import (
        GeneralisedLinearModel,
        LinearRegression,
        LogisticRegression,
        PoissonRegression,
        SoftmaxRegression,
        accuracy,
        auc,
    )
    from confide.learning.predictors import Predictor
    from confide.learning.table_model import TableModel, load_model
    from confide.learning.tables import Table

__all__ = [
    "AdaptiveClip",
    "GeneralisedLinearModel",
    "LinearRegression",
    "LogisticRegression",
    "PoissonRegression",
    "Predictor",
    "SoftmaxRegression",
    "Table",
    "TableModel",
    "accuracy",
    "auc",
    "auc_of_histogram",
    "fed_avg",
    "fed_newton",
    "fed_sgd",
    "fitted_estimator",
    "load_model",
    "quality",
    "score_histogram",
    "trained_model",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "confide.learning.algorithms.clipping": ("AdaptiveClip",),
            "confide.learning.algorithms.fed_avg": ("fed_avg",),
            "confide.learning.algorithms.fed_sgd": ("fed_sgd",),
            "confide.learning.algorithms.newton": ("fed_newton",),
            "confide.learning.algorithms.score_histogram": ("auc_of_histogram", "score_histogram"),
            "confide.learning.fitted": ("fitted_estimator", "quality", "trained_model"),
            "confide.learning.models": (
                "GeneralisedLinearModel",
                "LinearRegression",
                "LogisticRegression",
                "PoissonRegression",
                "SoftmaxRegression",
                "accuracy",
                "auc",
            ),
            "confide.learning.predictors": ("Predictor",),
            "confide.learning.table_model": ("TableModel", "load_model"),
            "confide.learning.tables": ("Table",),
        },
    )
