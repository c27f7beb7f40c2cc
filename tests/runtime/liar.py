"""A coordinator that lies, against real parties: it announces, and ignores, as it likes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from confide.aggregation import (
    Aggregator,
    Announcer,
    Identity,
    Round,
    RoundResult,
    coordinator_session,
)
from confide.computation import Computation, next_state, state_hash
from confide.errors import DropoutError
from confide.plan import COORDINATOR, Opening, Plan, Sum, SumGroup, Task, Unit, simulation_key
from confide.runtime import PartyRun
from confide.runtime.wire import RESULT, SKIP, framed, result_fields

KEY = simulation_key(COORDINATOR)
NAMES = tuple(f"p{i}" for i in range(7))


def drift() -> Computation:
    """Each party contributes its own number and its rows' distance from the state.

    The number does not depend on the state, as a count of rows does not; the rest does.
    """
    sums = SumGroup(
        (
            Sum(name="own", unit=Unit.PARTY, unit_bound=64.0, capacity=1),
            Sum(name="step", unit=Unit.PARTY, unit_bound=64.0, capacity=1),
        )
    )

    def contribute(state: Any, data: Any, rng: np.random.Generator) -> Mapping[str, Any]:
        mean = data["x"].mean()
        return {"own": mean, "step": mean - state["w"]}

    def update(state: Any, totals: Any) -> Mapping[str, Any]:
        return {"w": state["w"] + totals["step"] / 16}

    return Computation(
        task=Task.of("drift"),
        sums=sums,
        columns=("x",),
        init=lambda: {"w": np.array(0.0)},
        contribute=contribute,
        update=update,
    )


def rows(names: Sequence[str] = NAMES) -> dict[str, dict[str, Any]]:
    """Each party's rows: whole numbers, which the lattice holds exactly."""
    return {name: {"x": np.array([1.0, 2.0, 6.0]) + 3 * i} for i, name in enumerate(names)}


class Liar:
    """Drives real parties through the rounds of a plan, and announces what it likes.

    Attributes:
        sums: The honest sums that it opened, by round: what it knows.
        openings: Every set of survivors that it announced.
        aggregator: What runs in the enclave, for a plan that has one.
    """

    def __init__(self, plan: Plan, computation: Computation | None = None) -> None:
        self.plan, self.computation = plan, computation or drift()
        names = tuple(p.name for p in plan.parties)
        self.parties = {
            name: PartyRun(plan, [self.computation], Identity.simulation(name), data)
            for name, data in rows(names).items()
        }
        self.state = self.parties[names[0]].state
        self.sums: dict[int, RoundResult] = {}
        self.openings: list[Opening] = []
        self.number = 0
        self.aggregator: Aggregator | None = None

    def open_round(
        self,
        *,
        ignoring: Collection[str] = (),
        history: Sequence[Opening] | None = None,
        attempt: int = 0,
        loses: Collection[str] = (),
        loses_at: str = "opened",
        invited: Collection[str] | None = None,
    ) -> RoundResult:
        """Runs the protocol, and ignores the contributions of some.

        Args:
            ignoring: Whose contributions it calls missing.
            history: The openings that it announces; all that there were, if omitted.
            attempt: The attempt.
            loses: Whose answers it loses at the end, so that the attempt may fail.
            loses_at: The kind of these answers.
            invited: Whom it asks; those that the plan says, if omitted.

        Raises:
            DropoutError: If too few parties go along.
        """
        round_ = Round(self.plan, self.number, attempt)
        told = tuple(self.openings if history is None else history)
        session = coordinator_session(
            round_,
            state_hash(self.state),
            tuple(self.plan.asked(self.number) if invited is None else invited),
            self.aggregator,
            Announcer(KEY, told),
        )
        outbox = session.open()
        try:
            while outbox:
                for name, said in outbox.items():
                    answer = self.parties[name].receive(framed(round_, said))
                    lost = name in ignoring and session.awaits == "contribution"
                    lost = lost or (name in loses and session.awaits == loses_at)
                    if answer is not None and not lost and self.parties[name].failure is None:
                        session.receive(answer)
                outbox = session.advance()
        finally:
            if session.opening is not None and session.opening not in self.openings:
                self.openings.append(session.opening)
        self.sums[self.number] = session.result
        return session.result

    def announce(self, totals: np.ndarray, survivors: Sequence[str]) -> None:
        """Announces these sums as the round's, to everybody, and goes on."""
        round_ = Round(self.plan, self.number)
        opened = self.sums.get(self.number)
        opening = opened.opening if opened is not None else None
        result = RoundResult(tuple(survivors), totals, opening=opening)
        # With the opening of the true sum, and false sums beside it.
        false = result_fields(round_, replace(result, opening=None))["totals"]
        said = round_.announce(KEY, RESULT, **{**result_fields(round_, result), "totals": false})
        for party in self.parties.values():
            party.receive(framed(round_, said))
        self.state = next_state(self.computation, self.state, totals)
        self.number += 1

    def freeze(self) -> None:
        """Announces sums of nothing: the state stays as it was."""
        survivors = self.sums[self.number].survivors
        self.announce(np.zeros(self.plan.sums.size, np.int64), survivors)

    def skip(self) -> None:
        """Announces that the round has no result."""
        round_ = Round(self.plan, self.number)
        for party in self.parties.values():
            party.receive(framed(round_, round_.announce(KEY, SKIP)))
        self.number += 1

    @property
    def failures(self) -> dict[str, Exception]:
        """Why parties stopped."""
        return {n: p.failure for n, p in self.parties.items() if p.failure is not None}

    def contribution(self, victim: str) -> np.ndarray:
        """What a victim contributes at the state of the liar, to compare with."""
        return self.parties[victim]._participants[0].contribution(self.number, self.state)


def steal(liar: Liar, victim: str) -> np.ndarray | None:
    """The frozen state: opens the sum of all, keeps the state, and calls the victim missing.

    Returns:
        The victim's contribution as the difference of both sums, or None if parties refuse.
    """
    full = liar.open_round()
    liar.freeze()
    try:
        without = liar.open_round(ignoring=[victim])
    except DropoutError:
        return None
    return full.totals - without.totals


def close_to(stolen: np.ndarray, true: np.ndarray, plan: Plan) -> bool:
    """Whether two contributions are equal up to the public dither: a step for each party."""
    return bool(np.abs(stolen - true).max() <= 2 * len(plan.parties))
