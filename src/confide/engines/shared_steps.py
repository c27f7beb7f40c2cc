"""What a simulation computes once for all of its parties, or for several of them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from confide.aggregation import Integers, Round
from confide.computation import Computation, Computed, State
from confide.plan import Plan
from confide.runtime import PartyRun
from confide.runtime.party import Steps
from confide.runtime.stages import StagesOfRun
from confide.runtime.wire import Announced

__all__ = ["SharedSteps"]


class SharedSteps(Steps):
    """Reads a result and computes the next state once, since all parties compute the same.

    Contributions are computed for several parties at once, where the computation can
    (`Computation.together`). Which parties are together follows from the plan alone, so a party's
    bits do not depend on who drops out. From there on each contribution takes the usual path.

    Args:
        plan: The plan.
        stages: Its stages with their computations.

    Attributes:
        parties: The parties' runs, by name; set before the first round.
    """

    def __init__(self, plan: Plan, stages: StagesOfRun) -> None:
        self._plan, self._stages = plan, stages
        self.parties: Mapping[str, PartyRun] = {}
        self._read: tuple[memoryview, Announced] | None = None
        self._taken: tuple[State, Integers, State] | None = None
        self._number = -1
        self._group_of: dict[str, Sequence[str]] = {}
        self._computed: dict[str, Computed] = {}
        self._alone: set[str] = set()

    def read(self, round_: Round, announcement: memoryview) -> Announced:
        """See `Steps.read`; a second time for the same bytes only."""
        last = self._read
        if last is not None and (
            # Every party gets the same object; comparing megabytes for each would take longer.
            (last[0].obj is announcement.obj and last[0].nbytes == announcement.nbytes)
            or bytes(last[0]) == bytes(announcement)
        ):
            return last[1]
        found = super().read(round_, announcement)
        self._read = announcement, found
        return found

    def take(self, computation: Computation, state: State, totals: Integers) -> State:
        """See `Steps.take`."""
        last = self._taken
        if last is not None and last[0] is state and np.array_equal(last[1], totals):
            return last[2]
        after = super().take(computation, state, totals)
        self._taken = state, totals, after
        return after

    def computed(self, party: str, number: int) -> Computed | None:
        """See `Steps.computed`: computes for the whole group of a party when its first one asks."""
        if number != self._number:
            self._begin(number)
        group = self._group_of.get(party)
        if group is not None and party not in self._computed and party not in self._alone:
            self._computed |= self._of_group(group, number)
            self._alone.update(name for name in group if name not in self._computed)
        return self._computed.pop(party, None)

    def _begin(self, number: int) -> None:
        """Deals the parties of a round into groups, by their places in the plan."""
        self._number, self._computed, self._group_of, self._alone = number, {}, {}, set()
        together = self._stages.computation(number).together
        if together is None:
            return
        asked = self._plan.asked(number)
        for first in range(0, len(asked), together.parties):
            group = asked[first : first + together.parties]
            self._group_of.update(dict.fromkeys(group, group))

    def _of_group(self, group: Sequence[str], number: int) -> Mapping[str, Computed]:
        """What was computed for a group; nothing if it failed: then each is computed alone."""
        together = self._stages.computation(number).together
        assert together is not None  # noqa: S101 - there is a group
        state = self.parties[group[0]].state
        inputs = {}
        for name in group:
            try:
                found = self.parties[name].inputs(number)
            # Whatever a party's loader raises is raised again when its turn comes.
            except Exception:  # noqa: BLE001, S112
                continue
            if found is not None and self.parties[name].state is state:
                inputs[name] = found
        try:
            given = together.contribute(state, list(inputs.values()))
        # An error is one party's, which finds it alone, and fails alone.
        except Exception:  # noqa: BLE001
            return {}
        rows = [len(next(iter(data.values()))) for _, data, _ in inputs.values()]
        return {
            name: Computed(contributed, own, count)
            for name, (contributed, own), count in zip(inputs, given, rows, strict=True)
        }
