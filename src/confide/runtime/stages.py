"""The stages of a plan as a run goes through them: sums with their computation, or exchanges."""

from __future__ import annotations

from collections.abc import Sequence

from confide.computation import Computation, State, checked_state
from confide.errors import PlanError
from confide.plan import Exchange, Plan, Sums

__all__ = ["StagesOfRun"]


class StagesOfRun:
    """What each stage computes, and the public state that goes through them.

    Args:
        plan: The plan.
        computations: What each stage of sums computes, in order.

    Raises:
        PlanError: If there are not as many computations as stages of sums.
    """

    def __init__(self, plan: Plan, computations: Sequence[Computation]) -> None:
        if len(computations) != len(plan.sum_stages):
            raise PlanError(
                f"{len(computations)} computations for the {len(plan.sum_stages)} stages of sums "
                f"of plan {plan.name!r}; give one for each, in order"
            )
        given = iter(computations)
        self._plan = plan
        self._computations = tuple(
            next(given) if isinstance(stage, Sums) else None for stage in plan.stages
        )
        self._entered: tuple[int, State, State] | None = None

    def computation(self, number: int) -> Computation:
        """What is computed in a round.

        Raises:
            PlanError: If the round belongs to an exchange.
        """
        found = self._computations[self._plan.stage_of(number)]
        if found is None:
            raise PlanError(f"round {number} of plan {self._plan.name!r} belongs to an exchange")
        return found

    def exchange(self, number: int) -> Exchange | None:
        """The exchange that a round is one of; None for a round of sums, and after the last."""
        if number >= self._plan.rounds:
            return None
        stage = self._plan.stages[self._plan.stage_of(number)]
        return stage if isinstance(stage, Exchange) else None

    def begins(self, number: int) -> bool:
        """Whether a stage begins with a round."""
        if not 0 < number < self._plan.rounds:
            return number == 0
        return self._plan.stage_of(number) != self._plan.stage_of(number - 1)

    def entered(self, number: int, state: State) -> State:
        """The public state before a round, from the one that the round before left.

        The parties of a simulation, which share this object, share the state as well.
        """
        if not self.begins(number) or self.exchange(number) is not None:
            return state
        last = self._entered
        if last is not None and last[0] == number and (last[1] is state or not number):
            return last[2]
        begun = checked_state(self.computation(number).begin(state))
        self._entered = number, state, begun
        return begun
