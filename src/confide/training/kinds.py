"""The kinds of models that `train` makes, each once: what it predicts, and which stage trains it.

Everything that a kind sets is a public default: it follows from the kind and the options, never
from rows, their number or their values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from confide.computation import Computation
from confide.learning import GeneralisedLinearModel
from confide.learning.algorithms import fed_cox, fed_k_means, fed_naive_bayes, fed_pca
from confide.learning.algorithms.fed_sgd import fed_sgd
from confide.learning.algorithms.fed_trees import TreeSettings, fed_trees, for_trees
from confide.learning.algorithms.fed_trees import for_noise as with_noise
from confide.learning.algorithms.newton import fed_newton
from confide.learning.models.families import Bernoulli, Categorical, Family, Gaussian, Poisson
from confide.plan.literals import Literal
from confide.tables import Label, Schema
from confide.training.drafts import Answer

__all__ = ["KINDS", "Kind", "LinearSettings", "Request"]


class LinearSettings(Literal):
    """What one may set of a generalised linear model.

    Attributes:
        l2: The weight of the squared penalty.
        l1: The weight of the absolute penalty; without noise only.
        rounds: Steps; by default enough Newton steps to converge, and 40 gradient steps with noise.
        learning_rate: η of the gradient steps, with noise only.
        clip_norm_l2: Bound on one record's gradient, with noise only; 2 by default, of counts 8.
    """

    l2: float = 1e-3
    l1: float = 0.0
    rounds: int | None = None
    learning_rate: float | None = None
    clip_norm_l2: float | None = None


@dataclass(frozen=True)
class Request:
    """What a training stage is made from.

    Attributes:
        schema: The table, as the kind's `prepare` left it.
        capacity: The most rows that a party counts.
        noise: Whether the plan has noise.
        settings: The kind's settings.
    """

    schema: Schema
    capacity: int
    noise: bool
    settings: Any


@dataclass(frozen=True)
class Kind:
    """A kind of model.

    Attributes:
        meaning: What it is, in a few words.
        answer: What it predicts.
        settings: What one may set of it.
        stage: From a request to the training computation and its number of rounds.
        prepare: Makes the schema as the kind needs it.
    """

    meaning: str
    answer: Answer
    settings: type[Literal]
    stage: Callable[[Request], tuple[Computation, int]]
    prepare: Callable[[Schema], Schema] = lambda schema: schema


NEWTON_ROUNDS: Final[Mapping[str, int]] = {
    "gaussian": 2, "bernoulli": 10, "categorical": 10, "poisson": 12
}  # fmt: skip
GRADIENT_ROUNDS: Final = 40
RATE: Final[Mapping[str, float]] = {
    "gaussian": 0.3, "bernoulli": 4.0, "categorical": 2.0, "poisson": 0.3
}  # fmt: skip
CLIP: Final[Mapping[str, float]] = {
    "gaussian": 2.0, "bernoulli": 2.0, "categorical": 2.0, "poisson": 8.0
}  # fmt: skip
"""Rows of many events have large gradients: cut at 2, a model of counts forgets them."""


def _linear(family: Family | None, request: Request) -> tuple[Computation, int]:
    """Newton's method on exact sums, clipped gradients under noise."""
    schema, how = request.schema, request.settings
    if family is None:
        assert isinstance(schema.target, Label)  # noqa: S101 - classes are what it answers with
        family = Categorical(n_classes=len(schema.target.classes))
    model = GeneralisedLinearModel(family=family, n_features=len(schema.names), l2=how.l2)
    if not request.noise:
        rounds = how.rounds or NEWTON_ROUNDS[family.name]
        return fed_newton(model, schema, capacity=request.capacity, l1=how.l1), rounds
    made = fed_sgd(
        model,
        schema,
        capacity=request.capacity,
        clip_norm_l2=how.clip_norm_l2 or CLIP[family.name],
        learning_rate=how.learning_rate or RATE[family.name],
        rows_found=bool(schema.found_numbers),
        averaged=True,
    )
    return made, how.rounds or GRADIENT_ROUNDS


def _trees(request: Request) -> tuple[Computation, int]:
    how = with_noise(request.settings) if request.noise else request.settings
    made = fed_trees(request.schema, capacity=request.capacity, settings=how)
    return made, how.trees * how.depth


def _naive_bayes(request: Request) -> tuple[Computation, int]:
    how, schema = request.settings, request.schema
    if request.noise:
        how = fed_naive_bayes.for_noise(how, len(schema.names))
    made = fed_naive_bayes.fed_naive_bayes(schema, capacity=request.capacity, settings=how)
    return made, 1


def _cox(request: Request) -> tuple[Computation, int]:
    how, schema = request.settings, request.schema
    if request.noise:
        how = fed_cox.for_noise(how, len(schema.names))
    made = fed_cox.fed_cox(schema, capacity=request.capacity, settings=how)
    return made, how.rounds or (6 if request.noise else 8)


def _k_means(request: Request) -> tuple[Computation, int]:
    how, schema = request.settings, request.schema
    if request.noise:
        how = fed_k_means.for_noise(how, len(schema.names))
    made = fed_k_means.fed_k_means(schema, capacity=request.capacity, settings=how)
    return made, how.rounds or (5 if request.noise else 20)


def _pca(request: Request) -> tuple[Computation, int]:
    how, schema = request.settings, request.schema
    if request.noise:
        how = fed_pca.for_noise(how, len(schema.names))
    return fed_pca.fed_pca(schema, capacity=request.capacity, settings=how), 1


KINDS: Final[Mapping[str, Kind]] = {
    "linear": Kind(
        "linear regression of a number", Answer.NUMBER, LinearSettings, partial(_linear, Gaussian())
    ),
    "logistic": Kind(
        "logistic regression of two classes", Answer.TWO_CLASSES, LinearSettings,
        partial(_linear, Bernoulli()),
    ),
    "poisson": Kind(
        "Poisson regression of a count", Answer.COUNT, LinearSettings, partial(_linear, Poisson())
    ),
    "softmax": Kind(
        "softmax regression of several classes", Answer.CLASSES, LinearSettings,
        partial(_linear, None),
    ),
    "trees": Kind(
        "gradient-boosted trees of two classes; of several with classes=(…), of a number with "
        "columns={…: cf.Target()}",
        Answer.EITHER, TreeSettings, _trees, for_trees,
    ),
    "naive_bayes": Kind(
        "naive Bayes of classes", Answer.CLASSES, fed_naive_bayes.NaiveBayesSettings, _naive_bayes
    ),
    "cox": Kind(
        "Cox regression of a time until an event, with event=…", Answer.TIME, fed_cox.CoxSettings,
        _cox,
    ),
    "k_means": Kind(
        "clusters, without a label", Answer.NOTHING, fed_k_means.KMeansSettings, _k_means
    ),
    "pca": Kind("principal components, without a label", Answer.NOTHING, fed_pca.PCASettings, _pca),
}  # fmt: skip
"""Each kind by its name."""
