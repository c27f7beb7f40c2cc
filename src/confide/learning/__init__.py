"""Models and algorithms that learn from bounded sums."""

from typing import TYPE_CHECKING

from confide._lazy import attach

if TYPE_CHECKING:
    from confide.learning.algorithms.clipping import AdaptiveClip
    from confide.learning.algorithms.fed_avg import fed_avg
    from confide.learning.algorithms.fed_cox import fed_cox
    from confide.learning.algorithms.fed_k_means import fed_k_means
    from confide.learning.algorithms.fed_naive_bayes import fed_naive_bayes
    from confide.learning.algorithms.fed_pca import fed_pca
    from confide.learning.algorithms.fed_sgd import fed_sgd
    from confide.learning.algorithms.newton import fed_newton
    from confide.learning.algorithms.score_histogram import auc_of_histogram, score_histogram
    from confide.learning.fitted import fitted_estimator, quality, trained_model
    from confide.learning.models import (
        PCA,
        CoxRegression,
        GeneralisedLinearModel,
        KMeans,
        LinearRegression,
        LogisticRegression,
        NaiveBayes,
        PoissonRegression,
        SoftmaxRegression,
        accuracy,
        auc,
        concordance,
    )
    from confide.learning.predictors import Predictor
    from confide.learning.table_model import TableModel, load_model
    from confide.learning.tables import Table

__all__ = [
    "PCA",
    "AdaptiveClip",
    "CoxRegression",
    "GeneralisedLinearModel",
    "KMeans",
    "LinearRegression",
    "LogisticRegression",
    "NaiveBayes",
    "PoissonRegression",
    "Predictor",
    "SoftmaxRegression",
    "Table",
    "TableModel",
    "accuracy",
    "auc",
    "auc_of_histogram",
    "concordance",
    "fed_avg",
    "fed_cox",
    "fed_k_means",
    "fed_naive_bayes",
    "fed_newton",
    "fed_pca",
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
            "confide.learning.algorithms.fed_cox": ("fed_cox",),
            "confide.learning.algorithms.fed_k_means": ("fed_k_means",),
            "confide.learning.algorithms.fed_naive_bayes": ("fed_naive_bayes",),
            "confide.learning.algorithms.fed_pca": ("fed_pca",),
            "confide.learning.algorithms.fed_sgd": ("fed_sgd",),
            "confide.learning.algorithms.newton": ("fed_newton",),
            "confide.learning.algorithms.score_histogram": ("auc_of_histogram", "score_histogram"),
            "confide.learning.fitted": ("fitted_estimator", "quality", "trained_model"),
            "confide.learning.models": (
                "PCA",
                "CoxRegression",
                "GeneralisedLinearModel",
                "KMeans",
                "LinearRegression",
                "LogisticRegression",
                "NaiveBayes",
                "PoissonRegression",
                "SoftmaxRegression",
                "accuracy",
                "auc",
                "concordance",
            ),
            "confide.learning.predictors": ("Predictor",),
            "confide.learning.table_model": ("TableModel", "load_model"),
            "confide.learning.tables": ("Table",),
        },
    )
