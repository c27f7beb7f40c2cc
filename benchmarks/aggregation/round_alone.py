"""Masked rounds by whichever confide is first on the path, one for each line that comes in.

Run as a script by `benchmarks.aggregation.before`, with the source tree that is measured on
PYTHONPATH. So it imports nothing of this package, and speaks to releases with plans of schema 2 as
well as of schema 3.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import Any

import numpy as np

import confide.plan as plans
from confide.aggregation import Identity, Round, coordinator_session, message_kinds, party_session

_STATE_HASH = bytes(32)
_SEED = 1


def plan_of(case: dict[str, Any]) -> Any:
    """The plan of a case, in the schema of the release."""
    corruption = plans.Corruption.MALICIOUS if case["malicious"] else plans.Corruption.CURIOUS
    update = plans.Sum(
        name="update",
        shape=(case["coordinates"],),
        unit=plans.Unit.PARTY,
        unit_bound=5.0,
        capacity=1,
    )
    work: dict[str, Any] = {
        "task": plans.Task.of("fed-avg", learning_rate=0.5),
        "code": plans.Code(package="confide", version="0", digest=bytes(32)),
        "sums": plans.SumGroup((update,)),
    }
    staged = hasattr(plans, "Sums")
    made: Any = plans.Plan
    return made(
        name="benchmark",
        parties=tuple(plans.Party.simulation(f"party-{i:04}") for i in range(case["parties"])),
        dropouts=case["dropping"],
        threat=plans.Threat(
            confidentiality=plans.Adversary(
                colluding_parties=case["colluding"], coordinator=corruption, network=corruption
            )
        ),
        seed=_SEED,
        # Schema 2 has no stages, and no verified sums.
        **({"stages": (plans.Sums(**work),)} if staged else work),
        aggregation=plans.Masked(verified=False) if staged else plans.Masked(),
    )


class Clock:
    """Adds up processor time of this process."""

    def __init__(self) -> None:
        self.ns = 0

    def run(self, work: Any, *arguments: object) -> Any:
        """What a call gives, on the clock."""
        before = time.process_time_ns()
        result = work(*arguments)
        self.ns += time.process_time_ns() - before
        return result


class Measured:
    """One round, with who drops out before its vector."""

    def __init__(self, case: dict[str, Any], plan: Any) -> None:
        self._round, names = Round(plan, 0), [p.name for p in plan.parties]
        rng = np.random.default_rng(_SEED)
        self._dropping = set(rng.choice(names, case["dropping"], replace=False).tolist())
        assert "contribution" in message_kinds(plan)  # noqa: S101 - what is left out below
        self._vector = rng.integers(-1000, 1000, case["coordinates"])
        self._server = Clock()
        self._clients = {name: Clock() for name in names}
        self._parties = {name: self._party(name) for name in names}
        self._coordinator = self._server.run(
            coordinator_session, self._round, _STATE_HASH, tuple(names)
        )

    def _party(self, name: str) -> Any:
        vector = self._vector.astype(np.int64)
        identity = Identity.simulation(name)
        return self._clients[name].run(
            party_session, self._round, identity, _STATE_HASH, vector.copy
        )

    def run(self) -> dict[str, float]:
        """Runs the round.

        Raises:
            RuntimeError: If the sum is not that of the survivors.
        """
        coordinator = self._coordinator
        outbox = self._server.run(coordinator.open)
        while outbox:
            for name, message in outbox.items():
                if coordinator.awaits != "contribution" or name not in self._dropping:
                    self._deliver(name, message)
            outbox = self._server.run(coordinator.advance)
        staying = len(self._clients) - len(self._dropping)
        if not np.array_equal(coordinator.result.totals, staying * self._vector):
            raise RuntimeError("the round gave another sum than that of its survivors")
        clients = [c.ns for n, c in self._clients.items() if n not in self._dropping]
        return {
            "client_median_cpu_s": statistics.median(clients) / 1e9,
            "server_cpu_s": self._server.ns / 1e9,
        }

    def _deliver(self, name: str, message: bytes) -> None:
        answer = self._clients[name].run(self._parties[name].receive, message)
        # A long vector is asked for in several messages; earlier releases take it in one.
        asked = self._server.run(self._coordinator.receive, answer) or {}
        for again in asked.values():
            self._deliver(name, again)


def main(case: dict[str, Any]) -> None:
    """Answers each line with what a fresh round took."""
    plan = plan_of(case)
    print("{}", flush=True)
    for _ in sys.stdin:
        print(json.dumps(Measured(case, plan).run()), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
