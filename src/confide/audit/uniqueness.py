"""Uniqueness by search over whole numbers (OR-tools' CP-SAT)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.audit.joint import Block
from confide.errors import DataError, PlanError

if TYPE_CHECKING:
    from ortools.sat.python import cp_model as cp_model_types

__all__ = ["is_unique", "solved", "solver"]

_MOST_CELLS: Final = 20_000
_SECONDS: Final = 60.0


def solver() -> Any:
    """OR-tools' module.

    Raises:
        PlanError: If it is not installed.
    """
    try:
        from ortools.sat.python import cp_model
    except ImportError:
        raise PlanError("uniqueness needs OR-tools: pip install 'confide[audit]'") from None
    return cp_model


def is_unique(blocks: list[Block], low: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
    """Whether only one table of whole numbers has the published sums.

    Args:
        blocks: The sums.
        low: `(cells,)`: the least that each cell can be.
        high: `(cells,)`: the most.

    Raises:
        PlanError: If OR-tools is not installed.
        DataError: If there is no such table, there are too many cells, or the search did not end.
    """
    cp_model = solver()
    if len(low) > _MOST_CELLS:
        raise DataError(
            f"{len(low):,} cells; uniqueness is searched for up to {_MOST_CELLS:,}: leave --unique "
            "out, or audit parts"
        )
    if np.isinf(high).any():
        return False
    model = cp_model.CpModel()
    least, most = np.ceil(low - 1e-6).astype(int), np.floor(high + 1e-6).astype(int)
    cells = [model.new_int_var(int(a), int(b), "") for a, b in zip(least, most, strict=True)]
    for block in blocks:
        _add_sums(model, block, cells)
    first = solved(model)
    if first is None:
        raise DataError("no table of whole numbers has these sums; leave --unique out for sums")
    values = [first.value(cell) for cell in cells]
    others = []
    for cell, value, smallest, largest in zip(cells, values, least, most, strict=True):
        if value > smallest:
            below = model.new_bool_var("")
            model.add(cell <= value - 1).only_enforce_if(below)
            others.append(below)
        if value < largest:
            above = model.new_bool_var("")
            model.add(cell >= value + 1).only_enforce_if(above)
            others.append(above)
    model.add_bool_or(others)
    return solved(model) is None


def _add_sums(model: cp_model_types.CpModel, block: Block, cells: list[Any]) -> None:
    members: dict[int, list[Any]] = {}
    for cell, row in enumerate(block.row):
        if row >= 0:
            members.setdefault(int(row), []).append(cells[cell])
    for row, inside in members.items():
        low, high = block.low[row], block.high[row]
        if np.isfinite(low):
            model.add(sum(inside) >= int(np.ceil(low - 1e-6)))
        if np.isfinite(high):
            model.add(sum(inside) <= int(np.floor(high + 1e-6)))


def solved(model: cp_model_types.CpModel) -> Any:
    """The solver with a solution, or None if there is none.

    Raises:
        DataError: If the search did not end in a minute.
    """
    cp_model = solver()
    found = cp_model.CpSolver()
    found.parameters.max_time_in_seconds = _SECONDS
    found.parameters.num_workers = 1
    status = found.solve(model)
    if status == cp_model.INFEASIBLE:
        return None
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        raise DataError(
            f"the search for a table did not end in {_SECONDS:.0f} s: audit fewer cells"
        )
    return found
