"""Federated computations: pure functions over declared sums, and what a party does with them."""

from confide.computation.account import Account
from confide.computation.code import code_of
from confide.computation.computation import Computation, Data, State, Totals
from confide.computation.participant import Columns, DataSource, Participant, next_state
from confide.computation.planfile import read_plan
from confide.computation.registry import find_computation, make_computation
from confide.computation.starter import STARTER, keys_in_markdown
from confide.computation.state import Checkpoint, checked_state, state_hash

__all__ = [
    "STARTER",
    "Account",
    "Checkpoint",
    "Columns",
    "Computation",
    "Data",
    "DataSource",
    "Participant",
    "State",
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
