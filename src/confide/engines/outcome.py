"""What a run gave: the last public state, the rounds, and the sums that were released."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from confide.aggregation import RoundResult
from confide.computation import State
from confide.exchange import ExchangeRun
from confide.markup import facts_html
from confide.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Run"]


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run gave.

    Attributes:
        plan: The plan as it ran.
        state: The public state after the last round.
        rounds: One map of plain values per round: survivors, bytes, seconds, public measurements.
        totals: The lattice integers released in each round that this process ran.
        exchanges: By the name of each stage that is an exchange, what it gave whom.
        own: By party, the state of its own, where the computation keeps one: here only because a
            simulation is all parties at once.
        evidence: Of the enclave, by which its receipts in `totals` are verified; None without one.
        replayable: Whether somebody drew keys, masks, noise or batches from randomness that can be
            replayed, as tests do. Then nothing of the run is private, whatever the plan says.
    """

    plan: Plan
    state: State
    rounds: tuple[Mapping[str, Any], ...]
    totals: tuple[RoundResult, ...] = field(repr=False)
    exchanges: Mapping[str, ExchangeRun] = field(default_factory=dict, repr=False)
    own: Mapping[str, State] = field(default_factory=dict, repr=False)
    evidence: bytes | None = field(default=None, repr=False)
    replayable: bool = False

    @property
    def history(self) -> pd.DataFrame:
        """The rounds as a data frame, indexed by round."""
        import pandas as pd

        return pd.DataFrame(self.rounds).set_index("round")

    def __repr__(self) -> str:
        return f"Run({len(self.rounds)} rounds of {self.plan!r})"

    def _repr_html_(self) -> str:
        """What a notebook shows; the state is in `state`, the rounds are in `history`."""
        sent = sum(entry.get("bytes_sent_per_party", 0) for entry in self.rounds)
        shapes = ", ".join(f"{n} {np.shape(v)}" for n, v in list(self.state.items())[:10])
        return facts_html(
            f"Run of plan {self.plan.name}",
            [
                ("rounds", len(self.rounds)),
                ("bytes that a party sent", f"{sent:,}"),
                ("state", shapes),
                ("plan", self.plan.hash.hex()),
            ],
        )
