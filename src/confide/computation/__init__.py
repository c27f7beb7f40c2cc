"""Federated computations: pure functions over declared sums, and the parties that run them."""

from typing import TYPE_CHECKING

from confide._lazy import attach

if TYPE_CHECKING:
    from confide.computation.account import Account
    from confide.computation.code import code_of
    from confide.computation.computation import Computation, Data, State, Together, Totals
    from confide.computation.participant import (
        Columns,
        Computed,
        DataSource,
        Participant,
        next_state,
    )
    from confide.computation.planfile import MakeExchange, read_plan
    from confide.computation.registry import find_computation, make_computation
    from confide.computation.starter import STARTER, keys_in_markdown
    from confide.computation.state import Checkpoint, checked_state, state_hash

__all__ = [
    "STARTER",
    "Account",
    "Checkpoint",
    "Columns",
    "Computation",
    "Computed",
    "Data",
    "DataSource",
    "MakeExchange",
    "Participant",
    "State",
    "Together",
    "Totals",
    "checked_state",
    "code_of",
    "find_computation",
    "keys_in_markdown",
    "make_computation",
    "next_state",
    "read_plan",
    "state_hash",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "confide.computation.account": ("Account",),
            "confide.computation.code": ("code_of",),
            "confide.computation.computation": (
                "Computation",
                "Data",
                "State",
                "Together",
                "Totals",
            ),
            "confide.computation.participant": (
                "Columns",
                "Computed",
                "DataSource",
                "Participant",
                "next_state",
            ),
            "confide.computation.planfile": ("MakeExchange", "read_plan"),
            "confide.computation.registry": ("find_computation", "make_computation"),
            "confide.computation.starter": ("STARTER", "keys_in_markdown"),
            "confide.computation.state": ("Checkpoint", "checked_state", "state_hash"),
        },
    )
