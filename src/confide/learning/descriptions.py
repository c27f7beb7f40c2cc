"""Predictors of no distribution: hazards, clusters and principal components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from confide.computation import State
from confide.errors import PlanError
from confide.learning.algorithms.fed_cox import CoxSettings, time_cells
from confide.learning.algorithms.fed_k_means import KMeansSettings
from confide.learning.algorithms.fed_pca import PCASettings
from confide.learning.algorithms.measures import TIMES, Distances, Lifetimes, Measure
from confide.learning.models.cox import CoxRegression
from confide.learning.models.k_means import KMeans, nearest_centres
from confide.learning.models.pca import PCA, Components
from confide.learning.predictors import Rated, check_shapes, of_schema
from confide.learning.settings import Inputs
from confide.tables import Schema

__all__ = ["ClusterPredictor", "ComponentPredictor", "CoxPredictor"]

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class CoxPredictor:
    """Cox regression; the state has the log hazard ratios, and what happened in each cell."""

    how: CoxSettings
    table: Schema

    key: ClassVar[str] = "cox"
    arrays: ClassVar[tuple[str, ...]] = ("hazard_ratios", "baseline")
    word: ClassVar[str] = "Cox regression"
    family: ClassVar[None] = None

    @classmethod
    def read(cls, settings: Any, table: Inputs) -> Self:
        """See `Predictor.read`."""
        return cls(CoxSettings.read(settings, "task cox"), of_schema(table))

    def settings(self) -> dict[str, Any]:
        """See `Predictor.settings`."""
        return self.how.model_dump(mode="json")

    def scores(self, table: Inputs, rows: Mapping[str, NDArray[Any]], state: State) -> Reals:
        """See `Predictor.scores`: xᵀβ, the logarithm of the hazard ratio."""
        x = np.clip(table.inputs(rows, state), -10, 10)
        return np.asarray(x @ state["hazard_ratios"])[:, np.newaxis]

    def answer(self, scores: Reals) -> Reals:
        """See `Predictor.answer`."""
        return scores[:, 0]

    def measure(self, table: Inputs) -> Measure:
        """See `Predictor.measure`."""
        return Lifetimes()

    def rated(self, table: Inputs, rows: Mapping[str, NDArray[Any]], state: State) -> Rated:
        """See `Predictor.rated`: ranks of risks, as if xᵀβ were normal with deviation ‖β‖.

        Independent standardised inputs make it so; others only make cells of uneven fullness.
        """
        deviation = max(float(np.linalg.norm(state["hazard_ratios"])), 1e-12)
        ranks = ndtr(self.scores(table, rows, state) / deviation)
        cells = time_cells(self.table, table.targets(rows, state), state, TIMES)
        return ranks, {"cells": cells, "events": rows["events"]}

    def estimator(self, table: Inputs, state: State, classes: Any) -> CoxRegression:
        """See `Predictor.estimator`."""
        return CoxRegression.from_coefficients(state["hazard_ratios"], l2=self.how.l2)

    def check(self, table: Inputs, state: State) -> None:
        """See `Predictor.check`."""
        shapes = {"hazard_ratios": (len(table.names),), "baseline": (self.how.cells,)}
        check_shapes(self.word, state, shapes)


@dataclass(frozen=True)
class ClusterPredictor:
    """k-means; the state has the centres of each start, and what was left of each."""

    how: KMeansSettings
    table: Schema

    key: ClassVar[str] = "k_means"
    arrays: ClassVar[tuple[str, ...]] = ("centres", "inertia", "middle")
    word: ClassVar[str] = "k-means"
    family: ClassVar[None] = None

    @classmethod
    def read(cls, settings: Any, table: Inputs) -> Self:
        """See `Predictor.read`."""
        return cls(KMeansSettings.read(settings, "task k_means"), of_schema(table))

    def settings(self) -> dict[str, Any]:
        """See `Predictor.settings`."""
        return self.how.model_dump(mode="json")

    def scores(self, table: Inputs, rows: Mapping[str, NDArray[Any]], state: State) -> Reals:
        """See `Predictor.scores`: distances to the centres."""
        return self.estimator(table, state, None).transform(self._inputs(table, rows, state))

    def answer(self, scores: Reals) -> NDArray[np.intp]:
        """See `Predictor.answer`: the nearest centre's number."""
        return np.asarray(scores.argmin(axis=1))

    def measure(self, table: Inputs) -> Measure:
        """See `Predictor.measure`."""
        return Distances(len(table.names))

    def rated(self, table: Inputs, rows: Mapping[str, NDArray[Any]], state: State) -> Rated:
        """See `Predictor.rated`: squared distances to the mean of all rows and to the centre."""
        x = self._inputs(table, rows, state)
        whole = ((x - state["middle"]) ** 2).sum(axis=1)
        _, left = nearest_centres(x, self.centres(state))
        return np.column_stack([whole, left]), {}

    def centres(self, state: State) -> Reals:
        """The centres of the best start, shape `(k, inputs)`."""
        best: Reals = state["centres"][int(np.argmin(state["inertia"]))]
        return best

    def estimator(self, table: Inputs, state: State, classes: Any) -> KMeans:
        """See `Predictor.estimator`."""
        return KMeans.from_centres(self.centres(state))

    def check(self, table: Inputs, state: State) -> None:
        """See `Predictor.check`."""
        inputs, starts = len(table.names), self.how.starts
        shapes = {"centres": (starts, self.how.clusters, inputs), "inertia": (starts,)}
        check_shapes(self.word, state, shapes | {"middle": (inputs,)})

    def _inputs(self, table: Inputs, rows: Mapping[str, NDArray[Any]], state: State) -> Reals:
        bound = self.how.input_bound
        return np.clip(table.inputs(rows, state), -bound, bound)


@dataclass(frozen=True)
class ComponentPredictor:
    """Principal components; the state has their directions and variances."""

    how: PCASettings
    table: Schema

    key: ClassVar[str] = "pca"
    arrays: ClassVar[tuple[str, ...]] = (
        "component_mean", "components", "component_variance", "whole_variance",
    )  # fmt: skip
    word: ClassVar[str] = "principal components"
    family: ClassVar[None] = None

    @classmethod
    def read(cls, settings: Any, table: Inputs) -> Self:
        """See `Predictor.read`."""
        return cls(PCASettings.read(settings, "task pca"), of_schema(table))

    def settings(self) -> dict[str, Any]:
        """See `Predictor.settings`."""
        return self.how.model_dump(mode="json")

    def scores(self, table: Inputs, rows: Mapping[str, NDArray[Any]], state: State) -> Reals:
        """See `Predictor.scores`: coordinates along the components."""
        return self.estimator(table, state, None).transform(table.inputs(rows, state))

    def answer(self, scores: Reals) -> NDArray[Any]:
        """See `Predictor.answer`; there is none.

        Raises:
            PlanError: Always.
        """
        raise PlanError("principal components predict nothing: use transform")

    def measure(self, table: Inputs) -> Measure:
        """See `Predictor.measure`."""
        return Distances(len(table.names))

    def rated(self, table: Inputs, rows: Mapping[str, NDArray[Any]], state: State) -> Rated:
        """See `Predictor.rated`: squared distances to the mean and to the projection."""
        away = table.inputs(rows, state) - state["component_mean"]
        whole = (away**2).sum(axis=1)
        kept = ((away @ state["components"].T) ** 2).sum(axis=1)
        return np.column_stack([whole, np.maximum(whole - kept, 0.0)]), {}

    def estimator(self, table: Inputs, state: State, classes: Any) -> PCA:
        """See `Predictor.estimator`."""
        mean, directions, variance, total = (state[name] for name in self.arrays)
        return PCA.from_components(Components(mean, directions, variance, float(total)))

    def check(self, table: Inputs, state: State) -> None:
        """See `Predictor.check`."""
        inputs, k = len(table.names), self.how.components
        shapes: dict[str, tuple[int, ...]] = dict(
            zip(self.arrays, [(inputs,), (k, inputs), (k,), ()], strict=True)
        )
        check_shapes(self.word, state, shapes)
