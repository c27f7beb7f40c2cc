"""FedOpt (Reddi et al. 2021, Adaptive Federated Optimization, Algorithms 1 and 2).

Parties train and send updates as in FedAvg; the server takes the mean update Δ for the negative of
a gradient, and steps by an optimiser of its own: momentum, Adagrad, Adam or Yogi.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

import numpy as np

from confide.computation import Computation, State, Totals
from confide.learning.algorithms.server import Server, ServerOptimiser
from confide.learning.algorithms.shared import (
    Contributing,
    LocalArguments,
    Training,
    TrainingSettings,
)
from confide.learning.models import GeneralisedLinearModel
from confide.learning.modules.model import Model, Session
from confide.learning.settings import Inputs

__all__ = ["fed_opt", "fed_opt_from_settings"]


def fed_opt(
    model: GeneralisedLinearModel | Model,
    table: Inputs | None = None,
    *,
    server: Server,
    **local_arguments: Unpack[LocalArguments],
) -> Computation:
    """Makes FedOpt of a model.

    Args:
        model: What is trained.
        table: Of a generalised linear model, which columns are features and label.
        server: `Momentum`, `Adagrad`, `Adam` or `Yogi`.
        **local_arguments: As of `fed_avg`; see `LocalArguments`.

    Raises:
        PlanError: If a number is out of its range.
    """
    training = Training.of(model, table, local_arguments)
    local, weights = training.local, training.weights
    layout, mean = training.layout, training.mean()

    def contribute(
        session: Session, state: State, _: State, rng: np.random.Generator
    ) -> Contributing:
        w = yield local.descent(session, rng)
        moved = session.array(w - session.start)
        return {**mean.given(state, moved, session.rows), **weights.given(session.rows)}, {}

    def update(state: State, totals: Totals) -> State:
        w, kept = server.step(state, layout.flat(state), mean.mean(state, totals))
        return {**layout.named(w), **kept, **mean.next(state, totals)}

    return training.computation(
        "fed-opt",
        sums=(mean.sum, weights.sum, *mean.votes),
        init={**training.initial(), **mean.init(), **server.init(layout.size)},
        contribute=contribute,
        update=update,
        server=server.model_dump(mode="json"),
    )


class _Settings(TrainingSettings):
    server: ServerOptimiser


def fed_opt_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'fed-opt'."""
    model, table, others = _Settings.read(settings, "task fed-opt").parts()
    return fed_opt(model, table, **others)
