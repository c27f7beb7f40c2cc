"""Finding a computation by its name in a plan: entry points of installed packages, nothing else.

A package offers computations by an entry point in the group `confide.computations` whose name is the
task's and whose object makes the computation from the task's settings. So a plan that arrives from
elsewhere runs only code that the party has installed itself.
"""

from __future__ import annotations

import importlib.metadata
from typing import Final

from confide.computation.computation import Computation
from confide.errors import PlanError
from confide.plan import Task
from confide.plan.codec import nearest

__all__ = ["GROUP", "find_computation"]

GROUP: Final = "confide.computations"
"""The entry-point group."""


def find_computation(task: Task) -> Computation:
    """Makes the computation that a task names.

    Raises:
        PlanError: If no installed package offers it, or its settings do not fit.
    """
    offered = importlib.metadata.entry_points(group=GROUP)
    found = offered.select(name=task.name)
    if not found:
        raise PlanError(f"no installed package computes {task.name!r}; {nearest(task.name, offered.names)}")
    computation = next(iter(found)).load()(task.read())
    if not isinstance(computation, Computation) or computation.task != task:
        raise PlanError(f"the entry point for {task.name!r} gives another task than its settings say")
    return computation
