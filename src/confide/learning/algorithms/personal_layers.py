"""Models with layers of each party's own: FedPer, FedRep and FedBN.

The parameters that are named personal stay at the party, in its own state; the sums and the public
state have only the others, which are averaged as in FedAvg.

- FedPer (Arivazhagan et al. 2019, Algorithms 1 and 2) takes steps on both together.
- FedRep (Collins et al. 2021, Algorithm 1) takes steps on the personal head first, with the shared
  representation fixed, and then on the representation, with the new head fixed.
- FedBN (Li et al. 2021, Algorithm 1) is FedPer with the normalisation layers as personal, their
  statistics included.

Parameters that nobody else gets need no common start and no bound. Who drops out of a round keeps
its layers as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from confide.computation import Computation, State, Totals
from confide.errors import PlanError
from confide.learning.algorithms.local import LocalSGD
from confide.learning.algorithms.shared import (
    Contributing,
    LocalArguments,
    Training,
    TrainingSettings,
)
from confide.learning.models import GeneralisedLinearModel
from confide.learning.modules.descent import Descent
from confide.learning.modules.model import Model, Session
from confide.learning.modules.torch_model import TorchModel
from confide.learning.settings import Inputs

__all__ = [
    "fed_bn",
    "fed_bn_from_settings",
    "fed_per",
    "fed_per_from_settings",
    "fed_rep",
    "fed_rep_from_settings",
]

Trained = Generator[Descent, Any, Any]
"""Asks for local steps; gives the trained vector."""

Train = Callable[[Session, np.random.Generator, NDArray[np.bool_]], Trained]
"""From (model at the party, generator, which coordinates are personal) to the steps."""


def fed_per(
    model: GeneralisedLinearModel | Model,
    table: Inputs | None = None,
    *,
    personal: Sequence[str],
    **local_arguments: Unpack[LocalArguments],
) -> Computation:
    """Makes FedPer of a model.

    Args:
        model: What is trained.
        table: Of a generalised linear model, which columns are features and label.
        personal: Names of the parameters that stay at each party, or patterns such as 'head.*'.
        **local_arguments: As of `fed_avg`; see `LocalArguments`.

    Raises:
        PlanError: If a name fits nothing, no parameter is shared, or a number is out of its range.
    """
    training = Training.of(model, table, local_arguments)
    local = training.local
    return _personal(
        "fed-per", training, tuple(personal),
        lambda session, rng, _: _once(local.descent(session, rng)),
        personal=list(personal),
    )  # fmt: skip


def fed_rep(
    model: GeneralisedLinearModel | Model,
    table: Inputs | None = None,
    *,
    personal: Sequence[str],
    head_steps: int,
    **local_arguments: Unpack[LocalArguments],
) -> Computation:
    """Makes FedRep of a model.

    Args:
        model: What is trained.
        table: Of a generalised linear model, which columns are features and label.
        personal: Names of the head's parameters, or patterns such as 'head.*'.
        head_steps: Steps on the head in a round, before those on the representation.
        **local_arguments: As of `fed_avg`, for the representation; the head's steps have the same
            batches and learning rate. See `LocalArguments`.

    Raises:
        PlanError: If a name fits nothing, no parameter is shared, or a number is out of its range.
    """
    training = Training.of(model, table, local_arguments)
    body = training.local
    head = LocalSGD(
        steps=head_steps, batch_rows=body.batch_rows, learning_rate=body.learning_rate,
        momentum=body.momentum,
    )  # fmt: skip

    def train(session: Session, rng: np.random.Generator, mine: NDArray[np.bool_]) -> Trained:
        on_head, on_body = (session.vector(part.astype(np.float64)) for part in (mine, ~mine))
        w = yield head.descent(session, rng, direction=lambda _, gradient: gradient * on_head)
        trained = yield body.descent(
            session, rng, start=w, direction=lambda _, gradient: gradient * on_body
        )
        return trained

    return _personal(
        "fed-rep", training, tuple(personal), train,
        personal=list(personal), head_steps=head_steps,
    )  # fmt: skip


def fed_bn(model: TorchModel, **local_arguments: Unpack[LocalArguments]) -> Computation:
    """Makes FedBN of a PyTorch module.

    Args:
        model: What is trained, with `buffers='local'`.
        **local_arguments: As of `fed_avg`; see `LocalArguments`.

    Raises:
        PlanError: If the module has no normalisation layers, its statistics are not local, or a
            number is out of its range.
    """
    if not getattr(model, "normalisation", ()):
        raise PlanError("FedBN of a model without normalisation layers; fed_avg is the same there")
    if model.kept.size and model.buffers != "local":
        raise PlanError("FedBN keeps statistics at each party: make the model with buffers='local'")
    training = Training.of(model, None, local_arguments)
    local = training.local
    return _personal(
        "fed-bn",
        training,
        model.normalisation,
        lambda session, rng, _: _once(local.descent(session, rng)),
    )


def _once(descent: Descent) -> Trained:
    trained = yield descent
    return trained


def _personal(
    name: str, training: Training, names: tuple[str, ...], train: Train, **settings: Any
) -> Computation:
    if not names:
        raise PlanError("no parameter is personal; name some, or take fed_avg")
    mine = training.layout.mask(names)
    shared, own_layout = (training.layout.only(names, others=others) for others in (True, False))
    if not shared.size:
        raise PlanError("all parameters are personal, and nothing is shared: name fewer of them")
    mean, weights, first = training.mean(shared.size), training.weights, training.initial()

    def contribute(
        session: Session, state: State, _: State, rng: np.random.Generator
    ) -> Contributing:
        w = yield from train(session, rng, mine)
        moved = session.array(w - session.start)[~mine]
        given = {**mean.given(state, moved, session.rows), **weights.given(session.rows)}
        return given, own_layout.named(session.array(w)[mine])

    def update(state: State, totals: Totals) -> State:
        moved = shared.flat(state) + mean.mean(state, totals)
        return {**shared.named(moved), **mean.next(state, totals)}

    return training.computation(
        name,
        sums=(mean.sum, weights.sum, *mean.votes),
        init={**{n: first[n] for n in shared.shapes}, **mean.init()},
        own={n: first[n] for n in own_layout.shapes},
        contribute=contribute,
        update=update,
        **settings,
    )


class _PerSettings(TrainingSettings):
    personal: list[str]


class _RepSettings(_PerSettings):
    head_steps: int


def fed_per_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'fed-per'."""
    model, table, others = _PerSettings.read(settings, "task fed-per").parts()
    return fed_per(model, table, **others)


def fed_rep_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'fed-rep'."""
    model, table, others = _RepSettings.read(settings, "task fed-rep").parts()
    return fed_rep(model, table, **others)


def fed_bn_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'fed-bn'."""
    model, _, others = TrainingSettings.read(settings, "task fed-bn").parts()
    return fed_bn(model, **others)
