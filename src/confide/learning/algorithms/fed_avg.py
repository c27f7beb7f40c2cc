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
from numpy.typing import ArrayLike, NDArray

from confide.computation import Computation, Data, State, Totals
from confide.errors import PlanError
from confide.learning.algorithms.clipping import AdaptiveClip
from confide.learning.models import GeneralisedLinearModel
from confide.learning.settings import (
    Inputs,
    check_features,
    inputs_and_targets,
    model_settings,
    table_settings,
)
from confide.plan import Norm, Sum, SumGroup, Task, Unit

__all__ = ["fed_avg"]

Reals = NDArray[np.float64]


def fed_avg(
    model: GeneralisedLinearModel,
    table: Inputs,
    *,
    weight_cap: int,
    clip_norm_l2: float | AdaptiveClip,
    local_steps: int = 10,
    batch_rows: int | None = None,
    learning_rate: float = 0.5,
    server_learning_rate: float = 1.0,
) -> Computation:
    """Makes weighted federated averaging of a model.

    Args:
        model: What is trained.
        table: Which columns are features and label.
        weight_cap: N, the most rows that a party's weight counts.
        clip_norm_l2: Bound on a party's weighted update: what one party can move the sum. An
            `AdaptiveClip` bounds it in units of a clip that moves from round to round.
        local_steps: Gradient steps that a party takes in a round.
        batch_rows: Rows of a step's mini-batch, drawn without replacement; all rows if None.
        learning_rate: η of the local steps.
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
    check_features(model, table)
    for name, value in (
        ("weight_cap", weight_cap),
        ("local_steps", local_steps),
        ("learning_rate", learning_rate),
        ("server_learning_rate", server_learning_rate),
        ("batch_rows", 1 if batch_rows is None else batch_rows),
    ):
        if not value > 0:
            raise PlanError(f"{name} is {value}; it is positive")
    adaptive = clip_norm_l2 if isinstance(clip_norm_l2, AdaptiveClip) else None
    bound = 1.0 if isinstance(clip_norm_l2, AdaptiveClip) else clip_norm_l2
    size = model.n_parameters
    update = Sum(
        name="update", shape=(size,), unit=Unit.PARTY, unit_bound=bound, norm=Norm.L2,
        capacity=1, meaning="how each party would change the parameters, weighted by its rows",
    )  # fmt: skip
    weight = Sum(
        name="weight", unit=Unit.PARTY, unit_bound=1.0, capacity=1,
        meaning=f"rows as a fraction of {weight_cap:,}",
    )  # fmt: skip

    # A count of one row; a smaller weight is noise, and is not divided by.
    least_weight = 1 / weight_cap / 2

    def contribute(state: State, data: Data, rng: np.random.Generator) -> Mapping[str, ArrayLike]:
        x, y = inputs_and_targets(model, table, data, state)
        local = start = state["parameters"]
        for _ in range(local_steps):
            batch = _batch(len(x), batch_rows, rng)
            local = local - learning_rate * model.gradient(local, x[batch], y[batch])
        share = min(len(x), weight_cap) / weight_cap
        moved = share * (local - start)
        if adaptive is None:
            return {"update": moved, "weight": share}
        clip = float(state["clip_norm_l2"])
        return {"update": moved / clip, "weight": share, "below": adaptive.vote(moved, clip)}

    def step(state: State, totals: Totals) -> State:
        total, parameters = float(totals["weight"]), state["parameters"]
        clip = float(state["clip_norm_l2"]) if adaptive else 1.0
        if total > least_weight:
            parameters = parameters + server_learning_rate * clip * totals["update"] / total
        if adaptive is None:
            return {**state, "parameters": parameters}
        moved = adaptive.next_clip(clip, float(totals["below"]))
        return {**state, "parameters": parameters, "clip_norm_l2": np.array(moved)}

    def init() -> State:
        start = {"parameters": model.init()}
        return start | {"clip_norm_l2": np.array(adaptive.initial)} if adaptive else start

    return Computation(
        task=Task.of(
            "fed-avg",
            model=model_settings(model),
            table=table_settings(table),
            weight_cap=weight_cap,
            clip_norm_l2=adaptive.model_dump() if adaptive else clip_norm_l2,
            local_steps=local_steps,
            batch_rows=batch_rows,
            learning_rate=learning_rate,
            server_learning_rate=server_learning_rate,
        ),
        sums=SumGroup((update, weight, adaptive.votes) if adaptive else (update, weight)),
        columns=table.columns,
        read=table.read,
        init=init,
        contribute=contribute,
        update=step,
    )


def _batch(rows: int, batch_rows: int | None, rng: np.random.Generator) -> Any:
    """The rows of one step: all, or a few drawn without replacement."""
    if batch_rows is None or batch_rows >= rows:
        return slice(None)
    return rng.choice(rows, batch_rows, replace=False)
