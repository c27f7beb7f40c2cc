"""Models and algorithms that learn from bounded sums."""

from typing import TYPE_CHECKING

from confide._lazy import attach

if TYPE_CHECKING:
    from confide.learning.algorithms.clipping import AdaptiveClip
    from confide.learning.algorithms.ditto import ditto, personal_state
    from confide.learning.algorithms.fed_avg import fed_avg
    from confide.learning.algorithms.fed_cox import fed_cox
    from confide.learning.algorithms.fed_k_means import fed_k_means
    from confide.learning.algorithms.fed_naive_bayes import fed_naive_bayes
    from confide.learning.algorithms.fed_nova import fed_nova
    from confide.learning.algorithms.fed_opt import fed_opt
    from confide.learning.algorithms.fed_pca import fed_pca
    from confide.learning.algorithms.fed_prox import fed_prox
    from confide.learning.algorithms.fed_sgd import fed_sgd
    from confide.learning.algorithms.ifca import cluster_state, ifca
    from confide.learning.algorithms.newton import fed_newton
    from confide.learning.algorithms.parameter_averaging import parameter_averaging
    from confide.learning.algorithms.personal_layers import fed_bn, fed_per, fed_rep
    from confide.learning.algorithms.scaffold import scaffold
    from confide.learning.algorithms.score_histogram import auc_of_histogram, score_histogram
    from confide.learning.algorithms.server import Adagrad, Adam, Momentum, Yogi
    from confide.learning.client_data import ClientData
    from confide.learning.fitted import fitted_estimator, quality, trained_model
    from confide.learning.images import read_images
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
    from confide.learning.modules import Averaged, PartialFitModel, TorchModel, model_factory
    from confide.learning.predictors import Predictor
    from confide.learning.table_model import TableModel, load_model
    from confide.learning.tables import Table

__all__ = [
    "PCA",
    "Adagrad",
    "Adam",
    "AdaptiveClip",
    "Averaged",
    "ClientData",
    "CoxRegression",
    "GeneralisedLinearModel",
    "KMeans",
    "LinearRegression",
    "LogisticRegression",
    "Momentum",
    "NaiveBayes",
    "PartialFitModel",
    "PoissonRegression",
    "Predictor",
    "SoftmaxRegression",
    "Table",
    "TableModel",
    "TorchModel",
    "Yogi",
    "accuracy",
    "auc",
    "auc_of_histogram",
    "cluster_state",
    "concordance",
    "ditto",
    "fed_avg",
    "fed_bn",
    "fed_cox",
    "fed_k_means",
    "fed_naive_bayes",
    "fed_newton",
    "fed_nova",
    "fed_opt",
    "fed_pca",
    "fed_per",
    "fed_prox",
    "fed_rep",
    "fed_sgd",
    "fitted_estimator",
    "ifca",
    "load_model",
    "model_factory",
    "parameter_averaging",
    "personal_state",
    "quality",
    "read_images",
    "scaffold",
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
            "confide.learning.algorithms.ditto": (
                "ditto",
                "personal_state",
            ),
            "confide.learning.algorithms.fed_nova": ("fed_nova",),
            "confide.learning.algorithms.fed_opt": ("fed_opt",),
            "confide.learning.algorithms.fed_prox": ("fed_prox",),
            "confide.learning.algorithms.ifca": (
                "cluster_state",
                "ifca",
            ),
            "confide.learning.algorithms.parameter_averaging": ("parameter_averaging",),
            "confide.learning.algorithms.personal_layers": (
                "fed_bn",
                "fed_per",
                "fed_rep",
            ),
            "confide.learning.algorithms.scaffold": ("scaffold",),
            "confide.learning.algorithms.server": (
                "Adagrad",
                "Adam",
                "Momentum",
                "Yogi",
            ),
            "confide.learning.client_data": ("ClientData",),
            "confide.learning.images": ("read_images",),
            "confide.learning.modules": (
                "Averaged",
                "PartialFitModel",
                "TorchModel",
                "model_factory",
            ),
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
