"""confide: compute together, reveal only what was agreed, and know beforehand who learns what.

A federated computation is a pair of pure functions over declared sums (`Computation`, or ready-made
ones in `confide.learning`). A `Plan` says who runs it with whom, under which protection, against
which threat. `views(plan)` says who will learn what, `estimate` what it costs, and `simulate` runs
it.
"""

from typing import TYPE_CHECKING

from confide._lazy import attach
from confide._version import __version__
from confide.errors import ConfideError

if TYPE_CHECKING:
    from confide.computation import Account, Computation
    from confide.describing import Description, describe
    from confide.engines import Drop, EnclaveHost, Run, simulate
    from confide.exchange.planfile import read_plan
    from confide.learning.algorithms.clipping import AdaptiveClip
    from confide.learning.algorithms.fed_avg import fed_avg
    from confide.learning.algorithms.fed_sgd import fed_sgd
    from confide.learning.algorithms.score_histogram import score_histogram
    from confide.learning.fitted import fitted_estimator, quality, trained_model
    from confide.learning.models import (
        GeneralisedLinearModel,
        LinearRegression,
        LogisticRegression,
        PoissonRegression,
        SoftmaxRegression,
    )
    from confide.learning.models import families as families
    from confide.learning.table_model import TableModel, load_model
    from confide.learning.tables import Table
    from confide.plan import (
        Adversary,
        CentralNoise,
        Clear,
        Coordinator,
        Corruption,
        Enclave,
        Encrypted,
        FixedCrowd,
        FullBatch,
        Hardware,
        Masked,
        Neighbours,
        NoiseShares,
        NoNoise,
        Norm,
        OpenCrowd,
        Party,
        Plan,
        PoissonSampling,
        PublicValue,
        Recipients,
        Relation,
        Release,
        Rule,
        Sum,
        SumGroup,
        Sums,
        Task,
        Threat,
        Unit,
    )
    from confide.privacy.guarantee import Calibrated, guarantee, statement, with_noise
    from confide.privacy.ledger import Cap, Filter, Ledger
    from confide.report.estimate import CostLimits, estimate
    from confide.report.views import views
    from confide.tables import (
        Boolean,
        Category,
        Date,
        HoldOut,
        Label,
        Missing,
        Number,
        Scale,
        Schema,
        Survival,
        Target,
        read_table,
    )
    from confide.training import Epsilon, Trained, train

__all__ = [
    "Account",
    "AdaptiveClip",
    "Adversary",
    "Boolean",
    "Calibrated",
    "Cap",
    "Category",
    "CentralNoise",
    "Clear",
    "Computation",
    "ConfideError",
    "Coordinator",
    "Corruption",
    "CostLimits",
    "Date",
    "Description",
    "Drop",
    "Enclave",
    "EnclaveHost",
    "Encrypted",
    "Epsilon",
    "Filter",
    "FixedCrowd",
    "FullBatch",
    "GeneralisedLinearModel",
    "Hardware",
    "HoldOut",
    "Label",
    "Ledger",
    "LinearRegression",
    "LogisticRegression",
    "Masked",
    "Missing",
    "Neighbours",
    "NoNoise",
    "NoiseShares",
    "Norm",
    "Number",
    "OpenCrowd",
    "Party",
    "Plan",
    "PoissonRegression",
    "PoissonSampling",
    "PublicValue",
    "Recipients",
    "Relation",
    "Release",
    "Rule",
    "Run",
    "Scale",
    "Schema",
    "SoftmaxRegression",
    "Sum",
    "SumGroup",
    "Sums",
    "Survival",
    "Table",
    "TableModel",
    "Target",
    "Task",
    "Threat",
    "Trained",
    "Unit",
    "__version__",
    "describe",
    "estimate",
    "fed_avg",
    "fed_sgd",
    "fitted_estimator",
    "guarantee",
    "load_model",
    "quality",
    "read_plan",
    "read_table",
    "score_histogram",
    "simulate",
    "statement",
    "train",
    "trained_model",
    "views",
    "with_noise",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "confide.computation": ("Account", "Computation"),
            "confide.describing": ("Description", "describe"),
            "confide.engines": ("Drop", "EnclaveHost", "Run", "simulate"),
            "confide.exchange.planfile": ("read_plan",),
            "confide.learning.algorithms.clipping": ("AdaptiveClip",),
            "confide.learning.algorithms.fed_avg": ("fed_avg",),
            "confide.learning.algorithms.fed_sgd": ("fed_sgd",),
            "confide.learning.algorithms.score_histogram": ("score_histogram",),
            "confide.learning.fitted": ("fitted_estimator", "quality", "trained_model"),
            "confide.learning.models": (
                "GeneralisedLinearModel",
                "LinearRegression",
                "LogisticRegression",
                "PoissonRegression",
                "SoftmaxRegression",
                "families",
            ),
            "confide.learning.table_model": ("TableModel", "load_model"),
            "confide.learning.tables": ("Table",),
            "confide.plan": (
                "Adversary",
                "CentralNoise",
                "Clear",
                "Coordinator",
                "Corruption",
                "Enclave",
                "Encrypted",
                "FixedCrowd",
                "FullBatch",
                "Hardware",
                "Masked",
                "Neighbours",
                "NoiseShares",
                "NoNoise",
                "Norm",
                "OpenCrowd",
                "Party",
                "Plan",
                "PoissonSampling",
                "PublicValue",
                "Recipients",
                "Relation",
                "Release",
                "Rule",
                "Sum",
                "SumGroup",
                "Sums",
                "Task",
                "Threat",
                "Unit",
            ),
            "confide.privacy.guarantee": ("Calibrated", "guarantee", "statement", "with_noise"),
            "confide.privacy.ledger": ("Cap", "Filter", "Ledger"),
            "confide.report.estimate": ("CostLimits", "estimate"),
            "confide.report.views": ("views",),
            "confide.tables": (
                "Boolean",
                "Category",
                "Date",
                "HoldOut",
                "Label",
                "Missing",
                "Number",
                "Scale",
                "Schema",
                "Survival",
                "Target",
                "read_table",
            ),
            "confide.training": ("Epsilon", "Trained", "train"),
        },
    )
