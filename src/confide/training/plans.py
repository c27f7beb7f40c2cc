"""The plan of a training: stages for what is found, for the model, and for its metrics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from confide.computation import Account, Computation
from confide.errors import PlanError
from confide.learning.algorithms.fed_metrics import fed_metrics
from confide.learning.predictor_kinds import PREDICTORS
from confide.plan import (
    Adversary,
    Corruption,
    FixedCrowd,
    Masked,
    Neighbours,
    NoiseShares,
    NoNoise,
    Party,
    Plan,
    PublicValue,
    Sums,
    Threat,
    Unit,
)
from confide.privacy.guarantee import Calibrated, plan_with
from confide.tables import Part, Schema, rounds_of, summaries, vocabularies
from confide.training.kinds import Kind, Request

if TYPE_CHECKING:
    from confide.privacy.ledger import Ledger

__all__ = ["CAPACITY", "Epsilon", "Prepared", "door_plan", "prepare", "unused"]

DELTA: Final = 1e-6
"""δ unless given; a public default."""

CAPACITY: Final = 100_000
"""The most rows that a party counts; a public default, which follows from nobody's table."""

HOLD_OUT: Final = 0.2
"""The share of rows that are held out to measure the model; a public default."""

SHARES: Final[Mapping[str, float]] = {"vocabularies": 0.2, "summaries": 0.3, "metrics": 0.05}
"""The shares of the noise budget of all stages but the training, which has the rest.

A rare value that the summaries take for noise is lost to every model, so they have much of it.
"""


@dataclass(frozen=True)
class Epsilon:
    """How much the released sums may tell of one unit: differential privacy.

    Attributes:
        epsilon: ε of everything together: what is found, the model and its metrics.
        per: The unit; 'record' is the only one so far.
        delta: δ, a public default unless given.

    Raises:
        PlanError: If a value is out of range.

    Example:
        >>> Epsilon(3.0)
        Epsilon(epsilon=3.0, per='record', delta=1e-06)
    """

    epsilon: float
    per: str = "record"
    delta: float = DELTA

    def __post_init__(self) -> None:
        if not _between(self.epsilon, math.inf):
            raise PlanError(f"epsilon is {self.epsilon!r}; it is a positive number, as 3.0")
        if self.per != Unit.RECORD.value:
            raise PlanError(
                f"privacy per {self.per!r}; `train` protects each 'record'. Per person or party, "
                "make the plan yourself: docs/privacy.md"
            )
        if not _between(self.delta, 1.0):
            raise PlanError(f"delta is {self.delta!r}; it is above 0 and below 1, as 1e-6")


def _between(value: object, above: float) -> bool:
    return isinstance(value, int | float) and 0 < value < above


@dataclass(frozen=True)
class Prepared:
    """A plan and the computations of its stages."""

    plan: Plan
    computations: tuple[Computation, ...]


def prepare(
    kind: Kind,
    schema: Schema,
    settings: Any,
    *,
    name: str,
    parties: Sequence[str],
    privacy: Epsilon | None,
    capacity: int,
    metrics: bool,
    public: tuple[PublicValue, ...] = (),
) -> Prepared:
    """Makes the plan of a training.

    Raises:
        PlanError: If it must not be made.
    """
    schema = kind.prepare(schema)
    made = list(_finding(schema, capacity))
    request = Request(schema, capacity, privacy is not None, settings)
    computation, rounds = kind.stage(request)
    made.append(("training", computation, rounds))
    if metrics:
        read = computation.task.read()
        described = next(((k, read[n]) for n, k in PREDICTORS.items() if n in read), None)
        if described is not None:
            predictor = described[0].read(described[1], schema)
            measured = schema.of_part(Part.HELD_OUT)
            made.append(("metrics", fed_metrics(predictor, measured, capacity=capacity), 1))
    plan = door_plan(name, parties, _budgeted(made), privacy, public=public)
    return Prepared(plan, tuple(computation for _, computation, _ in made))


def door_plan(
    name: str,
    parties: Sequence[str],
    stages: Sequence[Sums],
    privacy: Epsilon | None,
    *,
    public: tuple[PublicValue, ...] = (),
) -> Plan:
    """A plan against which the coordinator and the network may lie, and one party tells them all.

    So the crowd is fixed and nobody may be missing, sums are masked, and each party adds its share
    of the noise.

    Raises:
        PlanError: If it must not be made.
    """
    return plan_with(
        NoNoise() if privacy is None else _noise(privacy),
        name=name,
        parties=tuple(map(Party.simulation, parties)),
        stages=tuple(stages),
        public=public,
        crowd=FixedCrowd(),
        aggregation=Masked(),
        neighbours=Neighbours(unit=Unit.RECORD),
        threat=Threat(confidentiality=Adversary(parties=Corruption.CURIOUS)),
    )


def unused(plan: Plan, accounts: Mapping[str, Account] | None) -> Plan:
    """A plan that no ledger knows: the plan itself, or the same one with the next public seed.

    A plan runs once, so that no sum of it is opened twice. To ask the same again is to ask for
    new sums: those are another plan's, which the ledgers charge in full, or refuse.

    Args:
        plan: The plan.
        accounts: By owner, the ledger that it will be charged to.
    """
    given: Iterable[object] = (accounts or {}).values()  # `simulate` refuses what is none
    ledgers = [account.ledger for account in given if isinstance(account, Account)]
    if not ledgers:
        return plan
    plans = (replace(plan, seed=seed) for seed in count(plan.seed))
    return next(p for p in plans if not any(_ran(ledger, p) for ledger in ledgers))


def _ran(ledger: Ledger, plan: Plan) -> bool:
    number, _ = ledger.latest_attempt(plan.hash)
    return number >= 0


def _noise(privacy: Epsilon) -> Calibrated:
    return Calibrated(kind=NoiseShares, epsilon=float(privacy.epsilon), delta=privacy.delta)


def _finding(schema: Schema, capacity: int) -> list[tuple[str, Computation, int]]:
    made: list[tuple[str, Computation, int]] = []
    if schema.found_categories:
        made.append(("vocabularies", vocabularies(schema, capacity=capacity), 2))
    if schema.found_numbers:
        made.append(("summaries", summaries(schema, capacity=capacity), rounds_of(schema)))
    return made


def _budgeted(made: list[tuple[str, Computation, int]]) -> list[Sums]:
    rest = 1 - sum(SHARES.get(name, 0.0) for name, _, _ in made)
    return [
        computation.stage(name=name, rounds=rounds, budget=SHARES.get(name, rest))
        for name, computation, rounds in made
    ]
