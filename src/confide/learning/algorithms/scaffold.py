"""SCAFFOLD (Karimireddy et al. 2020, Algorithm 1, option II).

Each party k keeps a control variate c_k, the public state holds c, and the local steps are
corrected by their difference, so that parties with different data drift less:

    y ← y - η (∇F_k(y) - c_k + c)                           K steps, from y = x
    c_k⁺ = c_k - c + (x - y) / (K η)
    x ← x + η_g · mean(y_k - x),    c ← c + |S| / N · mean(c_k⁺ - c_k).

The two means are sums of one round. A party's own c_k moves by what it sent, after clipping, and
only if that was in the sum, so that c stays the mean of all c_k.
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
from confide.learning.algorithms.weighing import ClippedMean
from confide.learning.models import GeneralisedLinearModel
from confide.learning.modules.model import Model, Session
from confide.learning.settings import Inputs

__all__ = ["scaffold", "scaffold_from_settings"]

CONTROL: Final = "scaffold/control"
OWN: Final = "scaffold/own_control"


def scaffold(
    model: GeneralisedLinearModel | Model,
    table: Inputs | None = None,
    *,
    control_clip_norm_l2: float,
    server_learning_rate: float = 1.0,
    participation: float = 1.0,
    **local_arguments: Unpack[LocalArguments],
) -> Computation:
    """Makes SCAFFOLD of a model.

    Args:
        model: What is trained.
        table: Of a generalised linear model, which columns are features and label.
        control_clip_norm_l2: Bound on how far a party's weighted control variate moves in a round;
            it is of the size of a gradient.
        server_learning_rate: η_g.
        participation: |S| / N, about which share of all parties takes part in a round; public.
        **local_arguments: As of `fed_avg`, without momentum; the paper weighs all parties alike,
            which is `weight_cap=1`. See `LocalArguments`.

    Raises:
        PlanError: If a number is out of its range.
    """
    if not server_learning_rate > 0:
        raise PlanError(f"server_learning_rate is {server_learning_rate}; it is positive")
    if not 0 < participation <= 1:
        raise PlanError(f"participation is {participation}; it is above 0 and at most 1")
    training = Training.of(model, table, local_arguments)
    training.plain("SCAFFOLD")
    local, weights = training.local, training.weights
    layout, mean = training.layout, training.mean()
    controls = ClippedMean(
        weights, layout.size, control_clip_norm_l2, name="control",
        meaning="how each party's control variate moved, weighted by its rows",
    )  # fmt: skip

    def contribute(
        session: Session, state: State, own: State, rng: np.random.Generator
    ) -> Contributing:
        x, c_k, c = session.start, own[OWN], state[CONTROL]
        correction = session.vector(c - c_k)
        y = yield local.descent(session, rng, direction=lambda _, gradient: gradient + correction)
        moved = session.array(y - x)
        steps = local.steps_of(session.rows)
        next_c_k = c_k - c - moved / (steps * local.learning_rate)
        change = controls.clipped(next_c_k - c_k, session.rows)
        given = {
            **mean.given(state, moved, session.rows),
            **controls.given(state, change, session.rows),
            **weights.given(session.rows),
        }
        return given, {OWN: c_k + change}

    def update(state: State, totals: Totals) -> State:
        x = layout.flat(state) + server_learning_rate * mean.mean(state, totals)
        c = state[CONTROL] + participation * controls.mean(state, totals)
        return {**layout.named(x), CONTROL: c, **mean.next(state, totals)}

    zero = np.zeros(layout.size)
    return training.computation(
        "scaffold",
        sums=(mean.sum, controls.sum, weights.sum, *mean.votes),
        init={**training.initial(), **mean.init(), CONTROL: zero},
        own={OWN: zero},
        contribute=contribute,
        update=update,
        control_clip_norm_l2=control_clip_norm_l2,
        server_learning_rate=server_learning_rate,
        participation=participation,
    )


class _Settings(TrainingSettings):
    control_clip_norm_l2: float
    server_learning_rate: float = 1.0
    participation: float = 1.0


def scaffold_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'scaffold'."""
    model, table, others = _Settings.read(settings, "task scaffold").parts()
    return scaffold(model, table, **others)
