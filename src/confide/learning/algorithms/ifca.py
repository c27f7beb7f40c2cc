"""IFCA, iterative federated clustering (Ghosh et al. 2020, Algorithm 1, model averaging).

The public state has k models. A party finds the one with the least loss on its rows, trains it, and
contributes to that model's part of the sums; the parts of the others are zero. So each model is
trained by the parties that it suits, and under masks nobody sees which these are.
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
from confide.learning.algorithms.weighing import WEIGHT
from confide.learning.models import GeneralisedLinearModel
from confide.learning.modules.model import Model, Session
from confide.learning.settings import Inputs
from confide.plan import Norm, Sum, Unit
from confide.randomness import public_generator

__all__ = ["cluster_state", "ifca", "ifca_from_settings"]


def ifca(
    model: GeneralisedLinearModel | Model,
    table: Inputs | None = None,
    *,
    clusters: int,
    spread: float = 0.1,
    seed: int = 0,
    **local_arguments: Unpack[LocalArguments],
) -> Computation:
    """Makes IFCA of a model.

    Args:
        model: What is trained.
        table: Of a generalised linear model, which columns are features and label.
        clusters: k, from 2.
        spread: Standard deviation of what is added to the model's first parameters, so that the k
            models differ.
        seed: Of these.
        **local_arguments: As of `fed_avg`; see `LocalArguments`.

    Raises:
        PlanError: If a number is out of its range, or the model's buffers are not frozen.
    """
    training = Training.of(model, table, local_arguments)
    clip = local_arguments["clip_norm_l2"]
    if clusters < 2 or not spread > 0:
        raise PlanError(f"clusters is {clusters} and spread {spread}; at least 2, and positive")
    if training.model.kept.size or isinstance(clip, AdaptiveClip):
        raise PlanError("IFCA takes a clip_norm_l2 that is a number, and frozen buffers")
    local, weights, layout = training.local, training.weights, training.layout
    sums = (
        Sum(
            name="update", shape=(clusters, layout.size), unit=Unit.PARTY, unit_bound=clip,
            norm=Norm.L2, capacity=1,
            meaning="how each party would change the model that suits it, weighted by its rows",
        ),
        Sum(
            name=WEIGHT, shape=(clusters,), unit=Unit.PARTY, unit_bound=1.0, capacity=1,
            meaning="the rows of the parties that a model suits",
        ),
    )  # fmt: skip

    def contribute(
        session: Session, state: State, _: State, rng: np.random.Generator
    ) -> Contributing:
        models = [session.vector(layout.flat(cluster_state(state, k))) for k in range(clusters)]
        best = int(np.argmin([session.loss(w) for w in models]))
        share = weights.share(session.rows)
        update, weight = np.zeros((clusters, layout.size)), np.zeros(clusters)
        trained = yield local.descent(session, rng, start=models[best])
        update[best] = share * session.array(trained - models[best])
        weight[best] = share
        return {"update": update, WEIGHT: weight}, {}

    def update(state: State, totals: Totals) -> State:
        after: dict[str, Any] = {}
        for k in range(clusters):
            w = layout.flat(cluster_state(state, k))
            if weights.enough(totals[WEIGHT][k]):
                w = w + totals["update"][k] / totals[WEIGHT][k]
            after |= _of_cluster(k, layout.named(w))
        return after

    first, init = layout.flat(training.initial()), dict[str, Any]()
    for k in range(clusters):
        moved = spread * public_generator("ifca", seed, k).standard_normal(layout.size)
        init |= _of_cluster(k, layout.named(first + moved))
    return training.computation(
        "ifca",
        sums=sums,
        init=init,
        contribute=contribute,
        update=update,
        opened=lambda state: {**state, **cluster_state(state, 0)},
        clusters=clusters,
        spread=spread,
        seed=seed,
    )


def cluster_state(state: State, cluster: int) -> State:
    """The parameters of one of the models of a run of IFCA, numbered from 0."""
    prefix = f"cluster{cluster}/"
    return {n.removeprefix(prefix): array for n, array in state.items() if n.startswith(prefix)}


def _of_cluster(cluster: int, named: State) -> dict[str, Any]:
    return {f"cluster{cluster}/{name}": array for name, array in named.items()}


class _Settings(TrainingSettings):
    clusters: int
    spread: float = 0.1
    seed: int = 0


def ifca_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'ifca'."""
    model, table, others = _Settings.read(settings, "task ifca").parts()
    return ifca(model, table, **others)
