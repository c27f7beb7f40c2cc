"""Each kind of model once, by the key of the task's settings that describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from confide.learning.descriptions import ClusterPredictor, ComponentPredictor, CoxPredictor
from confide.learning.predictors import BayesPredictor, LinearPredictor, Predictor, TreePredictor

__all__ = ["PREDICTORS"]

PREDICTORS: Final[Mapping[str, type[Predictor]]] = {
    kind.key: kind
    for kind in (
        LinearPredictor,
        TreePredictor,
        BayesPredictor,
        CoxPredictor,
        ClusterPredictor,
        ComponentPredictor,
    )
}
"""Each kind of model by the key of its settings in a task."""
