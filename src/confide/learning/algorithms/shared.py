"""What the algorithms that train any model by local steps have in common, and no more than that.

Each algorithm gives its two functions; here they become a computation: the model is opened at the
party, buffers follow their policy, and the task's settings say all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Required, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.computation import Computation, Data, State, Together, Totals
from confide.errors import PlanError
from confide.learning.algorithms.clipping import AdaptiveClip
from confide.learning.algorithms.local import LocalSGD
from confide.learning.algorithms.weighing import WEIGHT, ClippedMean, Weights
from confide.learning.models import GeneralisedLinearModel
from confide.learning.modules.descent import Descent, alone, in_step
from confide.learning.modules.estimator import EstimatorSettings
from confide.learning.modules.layout import Layout
from confide.learning.modules.linear import LinearModel
from confide.learning.modules.model import Averaged, Model, Session
from confide.learning.modules.torch_model import TorchSettings
from confide.learning.settings import Inputs, ModelSettings, TableSettings
from confide.plan import Sum, SumGroup, Task
from confide.plan.literals import Literal

__all__ = ["Contributing", "Given", "LocalArguments", "Training", "TrainingSettings"]

Reals = NDArray[np.float64]

Given = dict[str, ArrayLike]

Contributing = Generator[Descent, Any, tuple[Given, State]]
"""Asks for local steps, gets the parameters after them, and gives contributions and the next own
state."""

Contribute = Callable[[Session, State, State, np.random.Generator], Contributing]
"""From (model at the party, public state, own state, public generator) to a contribution in the
making."""


class LocalArguments(TypedDict, total=False):
    """What all these algorithms take.

    Attributes:
        weight_cap: N, the most rows that a party's weight counts; 1 weighs all parties alike.
        clip_norm_l2: Bound on what a party sends, weighted: what one party can move the sum.
        local_steps: Gradient steps that a party takes in a round; 10 if `local_epochs` is left out.
        local_epochs: Passes over a party's rows in a round, instead.
        batch_rows: Rows of a step's mini-batch; all rows if None.
        learning_rate: η of the local steps; 0.5 if left out.
        momentum: Of the local steps; none if left out.
    """

    weight_cap: Required[int]
    clip_norm_l2: Required[float | AdaptiveClip]
    local_steps: int | None
    local_epochs: int | None
    batch_rows: int | None
    learning_rate: float
    momentum: float


@dataclass(frozen=True)
class Training:
    """A model, how parties train it, how they weigh and how their updates are clipped."""

    model: Model
    local: LocalSGD
    weights: Weights
    arguments: LocalArguments

    @classmethod
    def of(cls, model: object, table: Inputs | None, arguments: LocalArguments) -> Training:
        """Checks what an algorithm was given.

        Raises:
            PlanError: If it is not a model, or a number is out of its range.
        """
        local = LocalSGD(
            steps=arguments.get("local_steps"),
            epochs=arguments.get("local_epochs"),
            batch_rows=arguments.get("batch_rows"),
            learning_rate=arguments.get("learning_rate", 0.5),
            momentum=arguments.get("momentum", 0.0),
        )
        return cls(_model(model, table), local, Weights(arguments["weight_cap"]), arguments)

    @property
    def layout(self) -> Layout:
        """The model's parameters in one vector."""
        return self.model.layout

    def initial(self) -> State:
        """The model's first parameters."""
        made = self.model.init()
        return {name: made[name] for name in self.layout.shapes}

    def mean(self, size: int | None = None) -> ClippedMean:
        """The weighted mean of updates of so many coordinates; of all parameters if None."""
        size = self.model.layout.size if size is None else size
        return ClippedMean(self.weights, size, self.arguments["clip_norm_l2"])

    def plain(self, algorithm: str) -> None:
        """Refuses momentum, where an algorithm's correction is one of plain SGD.

        Raises:
            PlanError: If there is momentum.
        """
        if self.local.momentum:
            raise PlanError(f"{algorithm} with momentum {self.local.momentum}; its steps have none")

    def settings(self) -> dict[str, Any]:
        """What a task says of it."""
        clip, local = self.arguments["clip_norm_l2"], self.local
        return {
            **self.model.settings(),
            "weight_cap": self.arguments["weight_cap"],
            "clip_norm_l2": clip.model_dump() if isinstance(clip, AdaptiveClip) else clip,
            "local_steps": local.steps,
            "local_epochs": local.epochs,
            "batch_rows": local.batch_rows,
            "learning_rate": local.learning_rate,
            "momentum": local.momentum,
        }

    def computation(
        self,
        name: str,
        *,
        sums: tuple[Sum, ...],
        init: Mapping[str, NDArray[Any]],
        contribute: Contribute,
        update: Callable[[State, Totals], State],
        own: Mapping[str, NDArray[Any]] | None = None,
        opened: Callable[[State], State] = lambda state: state,
        **settings: Any,
    ) -> Computation:
        """The computation of an algorithm's two functions.

        Args:
            name: The task's name.
            sums: The algorithm's sums, one of which is called 'weight'.
            init: The public state before the first round.
            contribute: What a party does.
            update: From (state, totals) to what changes in the state.
            own: A party's own state before its first round, if the algorithm keeps one.
            opened: From the public state to the one that the model is opened with.
            **settings: The algorithm's own settings.
        """
        model, buffers = self.model, _Buffers(self.model, self.weights)

        def asking(state: State, kept: State, data: Data, rng: np.random.Generator) -> Contributing:
            session = model.open({**opened(state), **kept}, data, rng)
            given, after = yield from contribute(session, state, kept, rng)
            given = {**given, **buffers.given(session, state)}
            return given, {**kept, **after, **buffers.own(session)}

        def with_own(
            state: State, kept: State, data: Data, rng: np.random.Generator
        ) -> tuple[Given, State]:
            return alone(asking(state, kept, data, rng))

        def of_several(
            state: State, parties: Sequence[tuple[State, Data, np.random.Generator]]
        ) -> list[tuple[Given, State]]:
            return in_step([asking(state, *party) for party in parties])

        def without(state: State, data: Data, rng: np.random.Generator) -> Given:
            return with_own(state, {}, data, rng)[0]

        def step(state: State, totals: Totals) -> State:
            if not self.weights.enough(totals[WEIGHT]).any():
                return state
            return {**state, **update(state, totals), **buffers.next(state, totals)}

        keeps = {**(own or {}), **buffers.first_own()}
        at_once = int(getattr(model, "at_once", 1))
        return Computation(
            task=Task.of(name, **self.settings(), **settings),
            sums=SumGroup((*sums, *buffers.sums)),
            columns=model.columns,
            read=model.read,
            init=lambda: {**init, **buffers.first()},
            contribute=with_own if keeps else without,
            update=step,
            own=(lambda: keeps) if keeps else None,
            simulation_only=model.simulation_only,
            together=Together(at_once, of_several) if at_once > 1 else None,
        )


class _Buffers:
    """The buffers of a model by their policy: still, each party's own, or averaged by a sum."""

    def __init__(self, model: Model, weights: Weights) -> None:
        self._layout, self._weights = model.kept, weights
        self._model, self._local = model, model.buffers == "local"
        self._mean: ClippedMean | None = None
        if isinstance(model.buffers, Averaged):
            self._mean = ClippedMean(
                weights, self._layout.size, model.buffers.clip_norm_l2, name="buffers",
                meaning="how each party's statistics moved, weighted by its rows",
            )  # fmt: skip

    @property
    def sums(self) -> tuple[Sum, ...]:
        return (self._mean.sum,) if self._mean else ()

    def _initial(self) -> State:
        made = self._model.init()
        return {name: made[name] for name in self._layout.shapes}

    def first(self) -> State:
        return self._initial() if self._mean else {}

    def first_own(self) -> State:
        return self._initial() if self._local else {}

    def own(self, session: Session) -> State:
        return session.buffers() if self._local else {}

    def given(self, session: Session, state: State) -> Given:
        if self._mean is None:
            return {}
        moved = self._layout.flat(session.buffers()) - self._layout.flat(state)
        return self._mean.given(state, moved, session.rows)

    def next(self, state: State, totals: Totals) -> State:
        if self._mean is None:
            return {}
        moved = self._layout.flat(state) + self._mean.mean(state, totals)
        return self._layout.named(moved)


class TrainingSettings(Literal):
    """What the tasks of these algorithms have in a plan file; see `LocalArguments`.

    Attributes:
        model: A generalised linear model, over `table`; or instead one of:
        torch: A PyTorch module.
        estimator: An estimator of scikit-learn.
    """

    model: ModelSettings | None = None
    table: TableSettings | None = None
    torch: TorchSettings | None = None
    estimator: EstimatorSettings | None = None
    weight_cap: int
    clip_norm_l2: float | AdaptiveClip
    local_steps: int | None = None
    local_epochs: int | None = None
    batch_rows: int | None = None
    learning_rate: float = 0.5
    momentum: float = 0.0

    def parts(self) -> tuple[Any, Any, dict[str, Any]]:
        """Model and table as the algorithms take them, and all other arguments.

        Raises:
            PlanError: If there is no model or several, or it cannot be made.
        """
        named = {
            name: given
            for name in ("model", "torch", "estimator")
            if (given := getattr(self, name)) is not None
        }
        if len(named) != 1 or (self.table is None) == ("model" in named):
            raise PlanError(
                "a task trains one model: [task.model] with [task.table], [task.torch] or "
                f"[task.estimator]; found {', '.join(named) or 'none'}"
                + (" and a table" if self.table is not None else " and no table")
            )
        others = {
            name: getattr(self, name)
            for name in type(self).model_fields
            if name not in {"model", "table", "torch", "estimator"}
        }
        if self.model is None:
            (given,) = named.values()
            return given.model(), None, others
        assert self.table is not None  # noqa: S101 - checked above
        table = self.table.table()
        return self.model.model(len(table.names)), table, others


def _model(model: object, table: Inputs | None) -> Model:
    if table is not None:
        # Of another type it is refused there, with what to give.
        return LinearModel(model, table)  # type: ignore[arg-type]
    if isinstance(model, GeneralisedLinearModel):
        raise PlanError(
            "a GeneralisedLinearModel without a table; give the table that says which columns are "
            "its features and label"
        )
    if not isinstance(model, Model):
        raise PlanError(
            f"a model of type {type(model).__name__}; give a TorchModel, a PartialFitModel, or a "
            "GeneralisedLinearModel and its table"
        )
    return model
