"""Plan files that may have exchanges."""

from __future__ import annotations

from confide.computation import Computation
from confide.computation import read_plan as read_plan_of
from confide.exchange.registry import FROM_FILES
from confide.plan import Plan

__all__ = ["read_plan"]


def read_plan(text: str, where: str) -> tuple[Plan, tuple[Computation, ...]]:
    """Reads a plan file, with the exchanges of this release.

    Args:
        text: The TOML.
        where: The file's name, for messages.

    Returns:
        The checked plan, and the computations that its tasks name, one for each stage of sums, in
        order.

    Raises:
        PlanError: If the TOML is malformed, a key unknown, a value wrong, the task not installed,
            or the plan must not be made. All faults of single keys are reported at once.
    """
    return read_plan_of(text, where, exchanges=FROM_FILES)
