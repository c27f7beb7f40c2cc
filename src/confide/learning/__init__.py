"""Models and algorithms that learn from bounded sums."""

from confide.learning.algorithms import (
    AdaptiveClip,
    auc_of_histogram,
    fed_avg,
    fed_newton,
    fed_sgd,
    score_histogram,
)
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
from confide.learning.tables import Table

__all__ = [
    "AdaptiveClip",
    "GeneralisedLinearModel",
    "LinearRegression",
    "LogisticRegression",
    "PoissonRegression",
    "SoftmaxRegression",
    "Table",
    "accuracy",
    "auc",
    "auc_of_histogram",
    "fed_avg",
    "fed_newton",
    "fed_sgd",
    "fitted_estimator",
    "quality",
    "score_histogram",
    "trained_model",
]
