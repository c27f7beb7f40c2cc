"""How large a model's updates can be compared with the noise in them, from the plan alone.

A sum of clipped updates over n parties moves a model by at most n·C in a round, C being the bound
of one party. Its noise has the standard deviation σ in each of d coordinates, a length of σ√d, and
over T rounds noise adds up to √T as much, updates to T. So at best all rounds together move the
model n·C·√T / (σ√d) times as far as the noise does, and since σ grows with √T for one ε, more
rounds do not change this. Below a few times, what is learned is mostly noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from confide.plan import NoiseShares, NoNoise, Plan, Sums, Unit

__all__ = ["LEAST", "Signal", "noise_warnings", "signals"]

LEAST: Final = 3.0
"""A ratio below this is warned of: clipped updates rarely reach their bound, and rarely all point
in one direction."""

_MODEL: Final = "model"


@dataclass(frozen=True)
class Signal:
    """The updates of one stage compared with their noise.

    Attributes:
        stage: The stage's name.
        name: The sum's name.
        ratio: The most that all rounds can move the model ÷ what the noise moves it.
        parties: How many parties are in a sum at least.
    """

    stage: str
    name: str
    ratio: float
    parties: int

    @property
    def enough(self) -> int:
        """About how many parties it takes to reach the ratio `LEAST` with this noise."""
        return math.ceil(self.parties * LEAST / self.ratio)


def signals(plan: Plan) -> Iterator[Signal]:
    """The sums of updates over parties that train a model under noise, each with its ratio.

    Sums over records are left out, because a plan does not say how many rows there are.
    """
    if isinstance(plan.noise, NoNoise):
        return
    for part in plan.sum_plans:
        stage = part.stage
        if not isinstance(stage, Sums) or _MODEL not in stage.task.read():
            continue
        for declared in part.sums.sums:
            if declared.unit is Unit.PARTY and declared.size > 1:
                draws = part.min_survivors if isinstance(part.noise, NoiseShares) else 1
                steps = part.noise_steps(declared) * math.sqrt(draws)
                noise = steps * declared.lattice.resolution * math.sqrt(declared.size)
                most = part.min_survivors * declared.unit_bound * math.sqrt(part.rounds)
                yield Signal(stage.name, declared.name, most / noise, part.min_survivors)


def noise_warnings(plan: Plan) -> Iterator[str]:
    """A sentence for each stage whose updates are smaller than its noise, with what helps."""
    for signal in signals(plan):
        if signal.ratio < LEAST:
            yield (
                f"MOSTLY NOISE: all rounds of '{signal.name}' move the model at most "
                f"{signal.ratio:.2g} times as far as its noise. Protect records by sums of "
                "gradients (fed_sgd), use fed_newton without noise, or have about "
                f"{signal.enough:,} parties."
            )
