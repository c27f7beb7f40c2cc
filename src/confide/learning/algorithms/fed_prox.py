"""FedProx (Li et al. 2020, Federated Optimization in Heterogeneous Networks, Algorithm 2).

Party k takes steps on its loss and a proximal term that keeps it near the common parameters w,

    min_v  F_k(v) + μ/2 ‖v - w‖²,   so a step is   v ← v - η (∇F_k(v) + μ (v - w)),

and the updates v_k - w are averaged as in FedAvg, which is μ = 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

import numpy as np
from pydantic import Field

from confide.computation import Computation, State, Totals
from confide.errors import PlanError
from confide.learning.algorithms.server import Momentum, Server, ServerOptimiser
from confide.learning.algorithms.shared import (
    Contributing,
    LocalArguments,
    Training,
    TrainingSettings,
)
from confide.learning.models import GeneralisedLinearModel
from confide.learning.modules.model import Model, Session
from confide.learning.settings import Inputs

__all__ = ["fed_prox", "fed_prox_from_settings"]


def fed_prox(
    model: GeneralisedLinearModel | Model,
    table: Inputs | None = None,
    *,
    mu: float,
    server: Server = Momentum(),  # noqa: B008 - a frozen value
    **local_arguments: Unpack[LocalArguments],
) -> Computation:
    """Makes FedProx of a model.

    Args:
        model: What is trained.
        table: Of a generalised linear model, which columns are features and label.
        mu: μ, from 0.
        server: The server's step.
        **local_arguments: As of `fed_avg`; see `LocalArguments`.

    Raises:
        PlanError: If a number is out of its range.
    """
    if not mu >= 0:
        raise PlanError(f"mu is {mu}; it is from 0")
    training = Training.of(model, table, local_arguments)
    local, weights = training.local, training.weights
    layout, mean = training.layout, training.mean()

    def contribute(
        session: Session, state: State, _: State, rng: np.random.Generator
    ) -> Contributing:
        w = session.start
        v = yield local.descent(session, rng, direction=lambda v, gradient: gradient + mu * (v - w))
        moved = session.array(v - w)
        return {**mean.given(state, moved, session.rows), **weights.given(session.rows)}, {}

    def update(state: State, totals: Totals) -> State:
        w, kept = server.step(state, layout.flat(state), mean.mean(state, totals))
        return {**layout.named(w), **kept, **mean.next(state, totals)}

    return training.computation(
        "fed-prox",
        sums=(mean.sum, weights.sum, *mean.votes),
        init={**training.initial(), **mean.init(), **server.init(layout.size)},
        contribute=contribute,
        update=update,
        mu=mu,
        server=server.model_dump(mode="json"),
    )


class _Settings(TrainingSettings):
    mu: float
    server: ServerOptimiser = Field(default_factory=Momentum)


def fed_prox_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'fed-prox'."""
    model, table, others = _Settings.read(settings, "task fed-prox").parts()
    return fed_prox(model, table, **others)
