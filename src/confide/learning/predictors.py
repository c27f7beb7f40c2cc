"""What a training stage leaves in a run's state, as something that predicts.

A stage's task says how: a generalised linear model by its parameters, boosted trees, or naive
Bayes. Kinds that predict no distribution of a label are in `confide.learning.descriptions`, and all
of them, by the key of the task's settings that describes them, in `predictor_kinds`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from confide.computation import State
from confide.errors import DataError, PlanError
from confide.learning.algorithms.fed_naive_bayes import NaiveBayesSettings
from confide.learning.algorithms.fed_trees import (
    TreeSettings,
    binned,
    cells_of,
    family_of,
    forest_of,
)
from confide.learning.algorithms.measures import Measure, measure_of_family
from confide.learning.models import GeneralisedLinearModel
from confide.learning.models.estimators import (
    LinearRegression,
    LogisticRegression,
    PoissonRegression,
    SoftmaxRegression,
)
from confide.learning.models.families import Bernoulli, Categorical, Family, Gaussian, Poisson
from confide.learning.models.naive_bayes import Classes, NaiveBayes, joint_log_likelihood
from confide.learning.settings import Inputs, ModelSettings, model_settings
from confide.tables import Schema, Target

__all__ = [
    "BayesPredictor",
    "LinearPredictor",
    "Predictor",
    "Rated",
    "TreePredictor",
    "check_shapes",
    "of_schema",
]

Reals = NDArray[np.float64]

Rated = tuple[Reals, Mapping[str, NDArray[Any]]]
"""Scores of rows, and what else a measure reads of them."""


class OfFamily(ABC):
    """What all that predict a family's mean have in common."""

    @property
    @abstractmethod
    def family(self) -> Family:
        """See `Predictor.family`."""

    @abstractmethod
    def scores(self, table: Inputs, rows: Mapping[str, NDArray[Any]], state: State) -> Reals:
        """See `Predictor.scores`."""

    def answer(self, scores: Reals) -> NDArray[Any]:
        """See `Predictor.answer`: the mean."""
        return self.family.inverse_link(scores)

    def measure(self, table: Inputs) -> Measure:
        """See `Predictor.measure`."""
        target = getattr(table, "target", None)
        most = target.bounds[1] if isinstance(target, Target) and target.bounds else None
        return measure_of_family(self.family, most)

    def rated(self, table: Inputs, rows: Mapping[str, NDArray[Any]], state: State) -> Rated:
        """See `Predictor.rated`."""
        return self.scores(table, rows, state), {"targets": table.targets(rows, state)}


class Predictor(Protocol):
    """How a model predicts from a table's rows and what a run left in its state.

    Attributes:
        key: The key of its settings in a task.
        arrays: The names of the state's arrays that it reads.
    """

    key: ClassVar[str]
    arrays: ClassVar[tuple[str, ...]]

    @property
    def family(self) -> Family | None:
        """The distribution of the label given its mean; None if it predicts none."""

    @property
    def word(self) -> str:
        """What people call it."""

    @classmethod
    def read(cls, settings: Any, table: Inputs) -> Self:
        """Reads it from its settings in a task.

        Raises:
            PlanError: If they are not its settings.
        """

    def settings(self) -> dict[str, Any]:
        """What `read` takes."""

    def scores(self, table: Inputs, rows: Mapping[str, NDArray[Any]], state: State) -> Reals:
        """What it says of rows as the table reads them, shape `(rows, n_outputs)`.

        Of a family these are the linear predictors η, of a hazard its logarithm, of clusters the
        distances to their centres, of components the coordinates along them.
        """

    def answer(self, scores: Reals) -> NDArray[Any]:
        """What its scores predict: means, shape `(rows, n_outputs)`.

        Without a family it is what people ask for, shape `(rows,)`.

        Raises:
            PlanError: If it predicts nothing.
        """

    def measure(self, table: Inputs) -> Measure:
        """How its quality is measured."""

    def estimator(self, table: Inputs, state: State, classes: Any) -> Any:
        """The scikit-learn-shaped estimator over the model's inputs.

        Args:
            table: The table it reads.
            state: What training found.
            classes: The label's classes, if it has them.

        Raises:
            AttributeError: If it has none.
        """

    def rated(self, table: Inputs, rows: Mapping[str, NDArray[Any]], state: State) -> Rated:
        """What its measure reads of rows with labels."""

    def check(self, table: Inputs, state: State) -> None:
        """Refuses arrays that do not fit.

        Raises:
            DataError: Saying which one.
        """


_WORDS: Final = {
    "bernoulli": "logistic regression",
    "categorical": "softmax regression",
    "gaussian": "linear regression",
    "poisson": "Poisson regression",
}


_ESTIMATORS: Final[Mapping[type[Family], Any]] = {
    Bernoulli: LogisticRegression,
    Categorical: SoftmaxRegression,
    Gaussian: LinearRegression,
    Poisson: PoissonRegression,
}


@dataclass(frozen=True)
class LinearPredictor(OfFamily):
    """A generalised linear model; the state has its `parameters`."""

    model: GeneralisedLinearModel

    key: ClassVar[str] = "model"
    arrays: ClassVar[tuple[str, ...]] = ("parameters",)

    @property
    def family(self) -> Family:
        """See `Predictor.family`."""
        return self.model.family

    @property
    def word(self) -> str:
        """See `Predictor.word`."""
        return _WORDS[self.family.name]

    @classmethod
    def read(cls, settings: Any, table: Inputs) -> Self:
        """See `Predictor.read`."""
        return cls(ModelSettings.read(settings, "task model").model(len(table.names)))

    def settings(self) -> dict[str, Any]:
        """See `Predictor.settings`."""
        return model_settings(self.model)

    def scores(self, table: Inputs, rows: Mapping[str, NDArray[Any]], state: State) -> Reals:
        """See `Predictor.scores`."""
        x = table.inputs(rows, state)
        return self.model.linear_predictor(state["parameters"], x)

    def estimator(self, table: Inputs, state: State, classes: Any) -> Any:
        """See `Predictor.estimator`."""
        kind = _ESTIMATORS[type(self.family)]
        names = list(table.names)
        return kind.from_parameters(self.model, state["parameters"], feature_names=names)

    def check(self, table: Inputs, state: State) -> None:
        """See `Predictor.check`."""
        self.model.unflatten(state["parameters"])


@dataclass(frozen=True)
class TreePredictor(OfFamily):
    """Boosted trees; the state has their columns, sets of bins and values."""

    how: TreeSettings
    table: Schema

    key: ClassVar[str] = "trees"
    arrays: ClassVar[tuple[str, ...]] = ("column", "left", "value", "trees")

    @property
    def family(self) -> Family:
        """See `Predictor.family`."""
        return family_of(self.table)

    @property
    def word(self) -> str:
        """See `Predictor.word`."""
        return "boosted trees"

    @classmethod
    def read(cls, settings: Any, table: Inputs) -> Self:
        """See `Predictor.read`."""
        return cls(TreeSettings.read(settings, "task trees"), of_schema(table))

    def settings(self) -> dict[str, Any]:
        """See `Predictor.settings`."""
        return self.how.model_dump(mode="json")

    def scores(self, table: Inputs, rows: Mapping[str, NDArray[Any]], state: State) -> Reals:
        """See `Predictor.scores`."""
        bins = binned(self.table, rows, state, self.how)
        return forest_of(state).scores(bins, int(state["trees"]))

    def estimator(self, table: Inputs, state: State, classes: Any) -> Any:
        """See `Predictor.estimator`; there is none.

        Raises:
            AttributeError: Always.
        """
        raise AttributeError(f"{self.word} have no coefficients")

    def check(self, table: Inputs, state: State) -> None:
        """See `Predictor.check`."""
        forest = forest_of(state)
        trees, nodes = self.how.trees, 2**self.how.depth - 1
        outputs, columns = self.family.n_outputs, len(self.table.features)
        if (
            forest.column.shape != (trees, outputs, nodes)
            or forest.left.shape != (trees, outputs, nodes, cells_of(self.table, self.how))
            or forest.value.shape != (trees, outputs, nodes + 1)
            or not ((forest.column >= 0) & (forest.column < columns)).all()
            or not 0 <= int(state["trees"]) <= trees
        ):
            raise DataError("arrays 'column', 'left' and 'value' that are no trees of this table")


@dataclass(frozen=True)
class BayesPredictor(OfFamily):
    """Naive Bayes; the state has each class's share, means and variances."""

    how: NaiveBayesSettings
    table: Schema

    key: ClassVar[str] = "naive_bayes"
    arrays: ClassVar[tuple[str, ...]] = ("class_prior", "class_mean", "class_variance")

    @property
    def family(self) -> Family:
        """See `Predictor.family`."""
        return family_of(self.table)

    @property
    def word(self) -> str:
        """See `Predictor.word`."""
        return "naive Bayes"

    @classmethod
    def read(cls, settings: Any, table: Inputs) -> Self:
        """See `Predictor.read`."""
        return cls(NaiveBayesSettings.read(settings, "task naive_bayes"), of_schema(table))

    def settings(self) -> dict[str, Any]:
        """See `Predictor.settings`."""
        return self.how.model_dump(mode="json")

    def scores(self, table: Inputs, rows: Mapping[str, NDArray[Any]], state: State) -> Reals:
        """See `Predictor.scores`: log-odds of two classes, else joint log-likelihoods."""
        bound = self.how.input_bound
        x = np.clip(table.inputs(rows, state), -bound, bound)
        joint = joint_log_likelihood(x, self.classes(state))
        return joint[:, 1:] - joint[:, :1] if joint.shape[1] == 2 else joint

    def estimator(self, table: Inputs, state: State, classes: Any) -> NaiveBayes:
        """See `Predictor.estimator`."""
        return NaiveBayes.from_classes(self.classes(state), classes)

    def classes(self, state: State) -> Classes:
        """What the state says of each class."""
        prior, mean, variance = (state[name] for name in self.arrays)
        return Classes(prior, mean, variance, np.array(self.table.are_numbers))

    def check(self, table: Inputs, state: State) -> None:
        """See `Predictor.check`."""
        classes, inputs = max(self.family.n_outputs, 2), len(self.table.names)
        shapes: dict[str, tuple[int, ...]] = {"class_prior": (classes,)}
        shapes |= dict.fromkeys(self.arrays[1:], (classes, inputs))
        check_shapes(self.word, state, shapes)


def of_schema(table: Inputs) -> Schema:
    """The table, if it is a schema.

    Raises:
        PlanError: If it has public scaling constants instead.
    """
    if not isinstance(table, Schema):
        raise PlanError("a table of public scaling constants; this kind of model takes a Schema")
    return table


def check_shapes(word: str, state: State, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuses arrays of other shapes.

    Raises:
        DataError: Naming the first one.
    """
    for name, shape in shapes.items():
        found = np.shape(state[name])
        if found != shape:
            raise DataError(f"array {name!r} of shape {found}; {word} of this table has {shape}")
