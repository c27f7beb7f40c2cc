"""Ditto (Li et al. 2021, Ditto: Fair and Robust Federated Learning, Algorithm 1).

Beside the common model w, which is trained as in FedAvg, each party trains a model v of its own
that is kept near it:

    v ← v - η (∇F_k(v) + λ (v - w)).

λ = 0 is training alone; a large λ keeps v at w. v is in the party's own state, and never sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Unpack

import numpy as np

from confide.computation import Computation, State, Totals
from confide.errors import PlanError
from confide.learning.algorithms.shared import (
    Contributing,
    LocalArguments,
    Training,
    TrainingSettings,
)
from confide.learning.models import GeneralisedLinearModel
from confide.learning.modules.model import Model, Session
from confide.learning.settings import Inputs

__all__ = ["ditto", "ditto_from_settings", "personal_state"]

PREFIX: Final = "personal/"


def ditto(
    model: GeneralisedLinearModel | Model,
    table: Inputs | None = None,
    *,
    lambda_: float,
    **local_arguments: Unpack[LocalArguments],
) -> Computation:
    """Makes Ditto of a model.

    Args:
        model: What is trained.
        table: Of a generalised linear model, which columns are features and label.
        lambda_: λ, from 0.
        **local_arguments: As of `fed_avg`, for both models; see `LocalArguments`.

    Raises:
        PlanError: If a number is out of its range, or the model's buffers are not frozen.
    """
    if not lambda_ >= 0:
        raise PlanError(f"lambda_ is {lambda_}; it is from 0")
    training = Training.of(model, table, local_arguments)
    if training.model.kept.size:
        raise PlanError("Ditto trains two models over one set of buffers: make them 'frozen'")
    local, weights = training.local, training.weights
    layout, mean = training.layout, training.mean()

    def contribute(
        session: Session, state: State, own: State, rng: np.random.Generator
    ) -> Contributing:
        w = session.start
        trained = yield local.descent(session, rng)
        moved = session.array(trained - w)
        v = yield local.descent(
            session, rng,
            start=session.vector(layout.flat(_unprefixed(own))),
            direction=lambda v, gradient: gradient + lambda_ * (v - w),
        )  # fmt: skip
        given = {**mean.given(state, moved, session.rows), **weights.given(session.rows)}
        return given, _prefixed(layout.named(session.array(v)))

    def update(state: State, totals: Totals) -> State:
        moved = layout.flat(state) + mean.mean(state, totals)
        return {**layout.named(moved), **mean.next(state, totals)}

    return training.computation(
        "ditto",
        sums=(mean.sum, weights.sum, *mean.votes),
        init={**training.initial(), **mean.init()},
        own=_prefixed(training.initial()),
        contribute=contribute,
        update=update,
        lambda_=lambda_,
    )


def personal_state(state: State, own: State) -> State:
    """The state of a party's own model: what it keeps, and of the public state the rest.

    Args:
        state: The public state of a run.
        own: The party's own state, of Ditto, FedPer, FedRep, FedBN or local buffers.
    """
    return {**state, **own, **_unprefixed(own)}


def _prefixed(named: State) -> dict[str, Any]:
    return {PREFIX + name: array for name, array in named.items()}


def _unprefixed(own: State) -> dict[str, Any]:
    return {n.removeprefix(PREFIX): array for n, array in own.items() if n.startswith(PREFIX)}


class _Settings(TrainingSettings):
    lambda_: float


def ditto_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'ditto'."""
    model, table, others = _Settings.read(settings, "task ditto").parts()
    return ditto(model, table, **others)
