"""FedNova (Wang et al. 2020, Tackling the Objective Inconsistency Problem, equations 6 to 9).

Parties that take different numbers of steps τ_k pull FedAvg toward those that take many. So each
sends its update per unit of its steps, and the mean direction is then taken as far as the mean
party went:

    d_k = (w_k - w) / ‖a_k‖₁,      w ← w + η_s · mean(‖a_k‖₁) · mean(d_k),

where ‖a_k‖₁ is τ_k for plain SGD, and with momentum ρ it is (τ - ρ (1 - ρ^τ) / (1 - ρ)) / (1 - ρ).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

import numpy as np

from confide.computation import Computation, State, Totals
from confide.errors import PlanError
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

__all__ = ["fed_nova", "fed_nova_from_settings"]


def fed_nova(
    model: GeneralisedLinearModel | Model,
    table: Inputs | None = None,
    *,
    steps_cap: int,
    server_learning_rate: float = 1.0,
    **local_arguments: Unpack[LocalArguments],
) -> Computation:
    """Makes FedNova of a model.

    Args:
        model: What is trained.
        table: Of a generalised linear model, which columns are features and label.
        steps_cap: The most steps that a party takes in a round; with `local_epochs` a party of many
            rows stops there. Public.
        server_learning_rate: η_s.
        **local_arguments: As of `fed_avg`, except for `clip_norm_l2`, which bounds the weighted
            direction: an update divided by its steps. See `LocalArguments`.

    Raises:
        PlanError: If a number is out of its range.
    """
    for name, value in (("steps_cap", steps_cap), ("server_learning_rate", server_learning_rate)):
        if not value > 0:
            raise PlanError(f"{name} is {value}; it is positive")
    training = Training.of(model, table, local_arguments)
    local, weights = training.local, training.weights
    layout, mean = training.layout, training.mean()
    longest = _length(steps_cap, local.momentum)
    lengths = ClippedMean(
        weights, 1, 1.0, name="steps",
        meaning=f"each party's steps as a fraction of {steps_cap:,}, weighted by its rows",
    )  # fmt: skip

    def contribute(
        session: Session, state: State, _: State, rng: np.random.Generator
    ) -> Contributing:
        w = yield local.descent(session, rng, most_steps=steps_cap)
        length = _length(min(local.steps_of(session.rows), steps_cap), local.momentum)
        direction = session.array(w - session.start) / length
        given = {
            **mean.given(state, direction, session.rows),
            **lengths.given(state, np.array([length / longest]), session.rows),
            **weights.given(session.rows),
        }
        return given, {}

    def update(state: State, totals: Totals) -> State:
        effective = longest * float(lengths.mean(state, totals)[0])
        moved = server_learning_rate * effective * mean.mean(state, totals)
        return {**layout.named(layout.flat(state) + moved), **mean.next(state, totals)}

    return training.computation(
        "fed-nova",
        sums=(mean.sum, lengths.sum, weights.sum, *mean.votes),
        init={**training.initial(), **mean.init()},
        contribute=contribute,
        update=update,
        steps_cap=steps_cap,
        server_learning_rate=server_learning_rate,
    )


def _length(steps: int, momentum: float) -> float:
    """‖a‖₁ of so many steps."""
    return (steps - momentum * (1 - momentum**steps) / (1 - momentum)) / (1 - momentum)


class _Settings(TrainingSettings):
    steps_cap: int
    server_learning_rate: float = 1.0


def fed_nova_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'fed-nova'."""
    model, table, others = _Settings.read(settings, "task fed-nova").parts()
    return fed_nova(model, table, **others)
