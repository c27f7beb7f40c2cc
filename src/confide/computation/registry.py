"""Finds a computation by its name in a plan, among entry points of installed packages.

A package offers computations by an entry point in the group `confide.computations` whose name is
the task's and whose object makes the computation from the task's settings. So a plan from somebody
else runs only code that the party has installed itself.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from typing import Any, Final

from confide.computation.computation import Computation
from confide.errors import PlanError
from confide.plan import Task
from confide.plan.codec import nearest

__all__ = ["GROUP", "find_computation", "make_computation", "offered_computations"]

GROUP: Final = "confide.computations"
"""The entry-point group."""


def find_computation(task: Task) -> Computation:
    """Makes the computation that a plan's task names.

    Raises:
        PlanError: If no installed package offers it, or its settings do not fit or are incomplete.
    """
    computation = make_computation(task.name, task.read())
    if computation.task != task:
        raise PlanError(
            f"the settings of task {task.name!r} are incomplete; make the plan from the "
            "computation, which fills in all of them"
        )
    return computation


def offered_computations() -> tuple[str, ...]:
    """The names of the computations that installed packages offer."""
    return tuple(sorted(importlib.metadata.entry_points(group=GROUP).names))


def make_computation(name: str, settings: Mapping[str, Any]) -> Computation:
    """Makes a computation from its name and settings; those left out take their defaults.

    Raises:
        PlanError: If no installed package offers it, or its settings do not fit.
    """
    offered = importlib.metadata.entry_points(group=GROUP)
    found = offered.select(name=name)
    if not found:
        raise PlanError(f"no installed package computes {name!r}; {nearest(name, offered.names)}")
    entry = next(iter(found))
    try:
        make = entry.load()
    except (ImportError, AttributeError) as error:
        raise PlanError(f"{entry.value}, which computes {name!r}, has no code: {error}") from error
    computation = make(settings)
    if not isinstance(computation, Computation):
        raise PlanError(
            f"the entry point {name!r} makes a {type(computation).__name__} instead of a "
            "Computation"
        )
    return computation
