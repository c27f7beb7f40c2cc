"""confide: compute together, reveal only what was agreed, and know beforehand who learns what.

A federated computation is a pair of pure functions over declared sums (`Computation`, or ready-made
ones in `confide.learning`). A `Plan` says who runs it with whom, under which protection, against
which threat. `views(plan)` says who will learn what, `quote` what it costs, and `simulate` runs it.
"""

from confide._version import __version__
from confide.computation import Computation, read_plan
from confide.engines import Drop, Run, simulate
from confide.errors import ConfideError
from confide.learning import (
    Bernoulli,
    Categorical,
    Gaussian,
    GeneralisedLinearModel,
    LinearRegression,
    LogisticRegression,
    Poisson,
    PoissonRegression,
    SoftmaxRegression,
    Table,
    fed_avg,
    fed_sgd,
    fitted_estimator,
    quality,
    trained_model,
)
from confide.plan import (
    Adversary,
    CentralNoise,
    Clear,
    Corruption,
    Masked,
    Neighbours,
    NoiseShares,
    NoNoise,
    Norm,
    Party,
    Plan,
    PublicValue,
    Recipients,
    Relation,
    Release,
    Sum,
    SumGroup,
    Task,
    Threat,
    Unit,
)
from confide.report import Budget, quote, views

__all__ = [
    "Adversary",
    "Bernoulli",
    "Budget",
    "Categorical",
    "CentralNoise",
    "Clear",
    "Computation",
    "ConfideError",
    "Corruption",
    "Drop",
    "Gaussian",
    "GeneralisedLinearModel",
    "LinearRegression",
    "LogisticRegression",
    "Masked",
    "Neighbours",
    "NoNoise",
    "NoiseShares",
    "Norm",
    "Party",
    "Plan",
    "Poisson",
    "PoissonRegression",
    "PublicValue",
    "Recipients",
    "Relation",
    "Release",
    "Run",
    "SoftmaxRegression",
    "Sum",
    "SumGroup",
    "Table",
    "Task",
    "Threat",
    "Unit",
    "__version__",
    "fed_avg",
    "fed_sgd",
    "fitted_estimator",
    "quality",
    "quote",
    "read_plan",
    "simulate",
    "trained_model",
    "views",
]
