"""Federated averaging (McMahan et al. 2017, Algorithm 1), weighted, as a pair of pure functions.

In a round, party k starts from the common parameters w, takes local steps on its n_k rows, and
contributes its weighted update and its weight:

    u_k = n_k / N · (w_k - w)   and   n_k / N,   where N is the public weight cap;

everybody then computes w ← w + η_s · Σ u_k / Σ (n_k / N). Weights beyond the cap count as the cap.
The update is clipped to a norm that is fixed, or that follows a quantile of the parties' norms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
from confide.learning.models import GeneralisedLinearModel
from confide.learning.modules.model import Model, Session
from confide.learning.settings import Inputs

__all__ = ["fed_avg", "fed_avg_from_settings"]


def fed_avg(
    model: GeneralisedLinearModel | Model,
    table: Inputs | None = None,
    *,
    weight_cap: int,
    clip_norm_l2: float | AdaptiveClip,
    local_steps: int | None = None,
    local_epochs: int | None = None,
    batch_rows: int | None = None,
    learning_rate: float = 0.5,
    momentum: float = 0.0,
    server_learning_rate: float = 1.0,
) -> Computation:
    """Makes weighted federated averaging of a model.

    Args:
        model: What is trained: a generalised linear model, or one of any make, as a `TorchModel`.
        table: Of a generalised linear model, which columns are features and label.
        weight_cap: N, the most rows that a party's weight counts; 1 weighs all parties alike.
        clip_norm_l2: Bound on a party's weighted update: what one party can move the sum. An
            `AdaptiveClip` bounds it in units of a clip that moves from round to round.
        local_steps: Gradient steps that a party takes in a round; 10 unless epochs are given.
        local_epochs: Passes over a party's rows in a round, instead.
        batch_rows: Rows of a step's mini-batch, drawn without replacement; all rows if None.
        learning_rate: η of the local steps.
        momentum: Of the local steps, from zero in each round.
        server_learning_rate: η_s.

    Returns:
        A computation: make a plan of it and simulate that. Its state is the model's parameters.

    Raises:
        PlanError: If a number is out of its range, or model and table do not fit together.

    Example:
        >>> from confide.learning import Table
        >>> from confide.learning.models.families import Bernoulli
        >>> model = GeneralisedLinearModel(family=Bernoulli(), n_features=2)
        >>> table = Table(features=("age", "dose"), label="cured")
        >>> training = fed_avg(model, table, weight_cap=500, clip_norm_l2=2.0)
        >>> [declared.name for declared in training.sums.sums]
        ['update', 'weight']
        >>> plan = training.plan(parties=["ash", "birch", "cedar", "dogwood"], rounds=20)
        >>> plan.min_survivors
        4
    """
    if not server_learning_rate > 0:
        raise PlanError(f"server_learning_rate is {server_learning_rate}; it is positive")
    training = Training.of(
        model,
        table,
        LocalArguments(
            weight_cap=weight_cap, clip_norm_l2=clip_norm_l2, local_steps=local_steps,
            local_epochs=local_epochs, batch_rows=batch_rows, learning_rate=learning_rate,
            momentum=momentum,
        ),
    )  # fmt: skip
    local, weights = training.local, training.weights
    layout, mean = training.layout, training.mean()

    def contribute(
        session: Session, state: State, _: State, rng: np.random.Generator
    ) -> Contributing:
        w = yield local.descent(session, rng)
        moved = session.array(w - session.start)
        return {**mean.given(state, moved, session.rows), **weights.given(session.rows)}, {}

    def update(state: State, totals: Totals) -> State:
        moved = server_learning_rate * mean.mean(state, totals)
        return {**layout.named(layout.flat(state) + moved), **mean.next(state, totals)}

    return training.computation(
        "fed-avg",
        sums=(mean.sum, weights.sum, *mean.votes),
        init={**training.initial(), **mean.init()},
        contribute=contribute,
        update=update,
        server_learning_rate=server_learning_rate,
    )


class _Settings(TrainingSettings):
    server_learning_rate: float = 1.0


def fed_avg_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'fed-avg'."""
    model, table, others = _Settings.read(settings, "task fed-avg").parts()
    return fed_avg(model, table, **others)
