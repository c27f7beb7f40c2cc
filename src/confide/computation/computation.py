"""A federated computation: a pair of pure functions over declared sums.

`contribute` runs at each party and turns the public state and that party's data into contributions;
`update` runs everywhere and turns the state and the released sums into the next state. Neither
depends on how the sums are protected. So a computation runs under every protection, in simulation
and over the network, and its report follows from its declaration.

A computation may also keep a private state at each party, such as control variates or personal
layers: `own` gives the first one, and `contribute` takes the current one and returns the next. It
never leaves the party, and the next one is kept only if the party's contribution is in the sum.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from confide.computation.code import code_of
from confide.errors import PlanError
from confide.plan import NoNoise, Party, Plan, SumGroup, Sums, Task, Unit
from confide.privacy.guarantee import plan_with

__all__ = [
    "Computation",
    "Contribute",
    "Data",
    "State",
    "Together",
    "Totals",
    "Update",
    "as_parties",
]

State = Mapping[str, NDArray[Any]]
"""What everybody knows between rounds: named arrays."""

Data = Mapping[str, NDArray[Any]]
"""One party's rows: named columns of equal length (a column may have further axes)."""

Totals = Mapping[str, NDArray[np.float64]]
"""The released sums, each in its declared shape."""

Contributed = Mapping[str, Any]
"""A contribution to each sum: an array, or `confide.aggregation.Placed`."""

Contribute = Callable[[State, Data, np.random.Generator], Contributed]
ContributeWithOwn = Callable[[State, State, Data, np.random.Generator], tuple[Contributed, State]]
Update = Callable[[State, Totals], State]


@dataclass(frozen=True)
class Together:
    """How a simulation computes the contributions of several parties at once.

    Attributes:
        parties: How many at most.
        contribute: From the state and each party's (own, data, public generator) to each one's
            (contributions, next own), as `Computation.contribute` gives them for each alone; the
            last bits of real numbers may differ. An error is that of no party: then each is
            computed alone.
    """

    parties: int
    contribute: Callable[
        [State, Sequence[tuple[State, Data, np.random.Generator]]],
        Sequence[tuple[Contributed, State]],
    ]


_STAGE_FIELDS = frozenset(field.name for field in dataclasses.fields(Sums)) - {"name"}
"""The fields that `Computation.plan` gives to the stage; all others are the plan's."""


@dataclass(frozen=True, kw_only=True)
class Computation:
    """A federated computation.

    Attributes:
        task: Its name and settings, as plans name them.
        sums: What leaves a party in a round.
        columns: The data columns that `contribute` reads; it never gets others.
        read: From a party's columns, cells of any type, to the named numeric arrays of one length
            that `contribute` gets; None if the columns are numbers already. `Schema.read` is one.
        init: Gives the public state before the first round.
        contribute: From (state, data, public generator) to a contribution for each sum: one row per
            unit, shape `(units, *shape)`; if the unit is the party, of shape `shape`. Over records
            it is called on chunks of rows, so it must treat each row independently. With `own`,
            from (state, own, data, public generator) to (contributions, next own).
        update: From (state, totals) to the next state.
        own: Gives a party's own state before its first round; None if parties keep none. Its names
            and shapes stay the same, so that it cannot grow.
        follow: In a plan of several stages, from the state that the stage before left to the state
            before the first round. If omitted, that state together with what `init` adds to it.
        needs_noise: Why its sums must not be exact, in words; empty if they may be.
        person_column: If the unit is the person, the column that identifies the person of a row.
        simulation_only: Why nobody else could run it, in words, as a model of a notebook; empty if
            they could. Then a plan with real keys is refused.
        together: Computes several parties at once, for simulations of many small ones; None if it
            cannot. A party of a run over a network is always computed alone.

    Example:
        The mean age, without anybody's age or number of rows leaving a party::

            ages = Computation(
                task=Task.of("mean-age"),
                sums=SumGroup((Sum(name="total", unit_bound=120, capacity=10_000),
                               Sum(name="count", unit_bound=1, capacity=10_000))),
                columns=("age",),
                init=lambda: {},
                contribute=lambda state, data, rng: {"total": data["age"],
                                                     "count": np.ones(len(data["age"]))},
                update=lambda state, totals: {"mean": totals["total"] / totals["count"]},
            )
    """

    task: Task
    sums: SumGroup
    columns: tuple[str, ...]
    init: Callable[[], State]
    contribute: Contribute | ContributeWithOwn
    update: Update
    person_column: str | None = None
    needs_noise: str = ""
    read: Callable[[Any], Data] | None = None
    own: Callable[[], State] | None = None
    follow: Callable[[State], State] | None = None
    simulation_only: str = ""
    together: Together | None = None

    def __post_init__(self) -> None:
        by_person = self.sums.unit is Unit.PERSON
        if by_person != (self.person_column is not None):
            raise PlanError(
                f"computation {self.task.name!r} has the unit {self.sums.unit.value!r} and "
                + ("no person_column: name the column that identifies the person of a row"
                   if by_person
                   else f"person_column {self.person_column!r}: it needs the unit 'person'")
            )  # fmt: skip

    def plan(self, *, parties: Sequence[Party | str], **fields: Any) -> Plan:
        """A plan to run this computation.

        Args:
            parties: The parties; a bare name stands for a simulated party.
            **fields: Further fields of `confide.plan.Plan`, such as `aggregation`, and of its one
                stage (`confide.plan.Sums`), such as `rounds`. `noise` may also be a target ε,
                `confide.privacy.guarantee.Calibrated`.

        Raises:
            PlanError: If the plan must not be made.
        """
        own = {key: fields.pop(key) for key in _STAGE_FIELDS & fields.keys()}
        named = {"name": self.task.name, **fields}
        noise = named.pop("noise", NoNoise())
        stages = (self.stage(**own),)
        made = plan_with(noise, parties=as_parties(parties), stages=stages, **named)
        self._check_runnable(made)
        return made

    def stage(self, **fields: Any) -> Sums:
        """A stage that runs this computation, for a plan of several.

        Args:
            **fields: Further fields of `confide.plan.Sums`, such as `name`, `rounds` and `budget`.

        Raises:
            PlanError: If the stage must not be made.
        """
        own = {
            "task": self.task,
            "code": code_of(self.contribute, self.update),
            "sums": self.sums,
            "keeps_own_state": self.own is not None,
        }
        return Sums(**{**own, **fields})

    def begin(self, before: State) -> State:
        """The public state before the first round.

        Args:
            before: The state after the stage before; empty for the first stage.
        """
        if self.follow is not None and before:
            return self.follow(before)
        return {**self.init(), **before}

    def check_plan(self, plan: Plan) -> None:
        """Refuses a plan, or a stage as a plan, that is not for this computation or this code.

        Raises:
            PlanError: Saying what differs.
        """
        self._check_runnable(plan)
        if self.needs_noise and isinstance(plan.noise, NoNoise):
            raise PlanError(
                f"computation {self.task.name!r} over exact sums: {self.needs_noise}. Add noise "
                "to the plan, or declare the values that it would find"
            )
        if plan.keeps_own_state != (self.own is not None):
            keeps = "keeps" if self.own is not None else "does not keep"
            raise PlanError(
                f"computation {self.task.name!r} {keeps} a private state at each party, but "
                f"plan {plan.name!r} says otherwise: make the plan from the computation"
            )
        if plan.task != self.task or plan.sums != self.sums:
            what = "task" if plan.task != self.task else "sums"
            raise PlanError(
                f"plan {plan.name!r} declares another {what} than computation {self.task.name!r}: "
                "make the plan from the computation"
            )
        code = code_of(self.contribute, self.update)
        if plan.code != code:
            raise PlanError(
                f"plan {plan.name!r} names {plan.code.package} {plan.code.version} "
                f"({plan.code.digest.hex()[:16]}…), but {code.package} {code.version} "
                f"({code.digest.hex()[:16]}…) is installed: install the agreed version, or "
                "agree on a new plan"
            )

    def _check_runnable(self, plan: Plan) -> None:
        if self.simulation_only and not all(party.simulated for party in plan.parties):
            raise PlanError(
                f"computation {self.task.name!r} in a plan with real keys: {self.simulation_only}"
            )


def as_parties(parties: Sequence[Party | str]) -> tuple[Party, ...]:
    """Turns names into simulated parties, and leaves parties as they are."""
    if isinstance(parties, str):
        raise PlanError(f"parties is the text {parties!r}; give a list of names")
    return tuple(Party.simulation(p) if isinstance(p, str) else p for p in parties)
