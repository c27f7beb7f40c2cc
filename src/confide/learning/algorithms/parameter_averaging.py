"""Synchronous parameter averaging: the parameters themselves are averaged, not their changes.

So worked data-parallel training before FedAvg: iterative parameter mixing (McDonald, Hall and Mann
2010, Figure 3), the synchronous form of the model replicas of DistBelief (Dean et al. 2012, §4),
local SGD (Stich 2019, Algorithm 1):

    w ← Σ p_k w_k / Σ p_k.

Without noise and clipping it is FedAvg with server step 1. With either it is worse, and here to be
compared: the bound is one on whole parameters, which are much longer than their changes, and who
is clipped pulls the mean to zero instead of staying where it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

import numpy as np

from confide.computation import Computation, State, Totals
from confide.errors import PlanError
from confide.learning.algorithms.clipping import AdaptiveClip
from confide.learning.algorithms.shared import (
    Contributing,
    LocalArguments,
    Training,
    TrainingSettings,
)
from confide.learning.algorithms.weighing import ClippedMean
from confide.learning.models import GeneralisedLinearModel
from confide.learning.modules.model import Model, Session
from confide.learning.settings import Inputs

__all__ = ["parameter_averaging", "parameter_averaging_from_settings"]


def parameter_averaging(
    model: GeneralisedLinearModel | Model,
    table: Inputs | None = None,
    **local_arguments: Unpack[LocalArguments],
) -> Computation:
    """Makes synchronous parameter averaging of a model.

    Args:
        model: What is trained.
        table: Of a generalised linear model, which columns are features and label.
        **local_arguments: As of `fed_avg`, but `clip_norm_l2` bounds a party's weighted
            parameters. See `LocalArguments`.

    Raises:
        PlanError: If a number is out of its range.
    """
    training = Training.of(model, table, local_arguments)
    clip = local_arguments["clip_norm_l2"]
    if isinstance(clip, AdaptiveClip):
        raise PlanError("an AdaptiveClip of parameters; it follows updates, so give a number")
    local, weights, layout = training.local, training.weights, training.layout
    mean = ClippedMean(
        weights, layout.size, clip, name="parameters",
        meaning="each party's parameters, weighted by its rows",
    )  # fmt: skip

    def contribute(
        session: Session, state: State, _: State, rng: np.random.Generator
    ) -> Contributing:
        w = session.array((yield local.descent(session, rng)))
        return {**mean.given(state, w, session.rows), **weights.given(session.rows)}, {}

    def update(state: State, totals: Totals) -> State:
        return layout.named(mean.mean(state, totals))

    return training.computation(
        "parameter-averaging",
        sums=(mean.sum, weights.sum),
        init=training.initial(),
        contribute=contribute,
        update=update,
    )


def parameter_averaging_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'parameter-averaging'."""
    model, table, others = TrainingSettings.read(settings, "task parameter-averaging").parts()
    return parameter_averaging(model, table, **others)
