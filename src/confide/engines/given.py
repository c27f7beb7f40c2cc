"""What a run is given: a plan, and data for each of its parties."""

from __future__ import annotations

from collections.abc import Mapping

from confide.errors import DataError, PlanError
from confide.plan import Plan
from confide.plan.codec import nearest

__all__ = ["check_parties", "check_types"]


def check_types(plan: object, data: object) -> None:
    """Refuses arguments of other types: the plan, and the map from parties to data.

    Raises:
        PlanError: If the plan is of another type.
        DataError: If the data are.
    """
    if not isinstance(plan, Plan):
        raise PlanError(f"plan is of type {type(plan).__name__}; make one by computation.plan(...)")
    if not isinstance(data, Mapping):
        raise DataError(
            f"data is of type {type(data).__name__}; give a map of party names to their data, "
            "such as {'alder': frame, 'birch': other}"
        )


def check_parties(plan: Plan, data: Mapping[str, object]) -> None:
    """Refuses data of unknown parties, and parties without data.

    Raises:
        DataError: If there are such.
    """
    names = {p.name for p in plan.parties} if plan.sum_stages else set[str]()
    unknown = sorted(data.keys() - names)
    if unknown and not plan.sum_stages:
        raise DataError(
            f"data for {', '.join(unknown)}, and plan {plan.name!r} has no sums for them: give "
            "the inputs of an exchange in exchanges=…"
        )
    if missing := sorted(names - data.keys()):
        odd = (
            f", and {unknown[0]!r} is not a party; {nearest(unknown[0], names)}" if unknown else ""
        )
        raise DataError(f"no data for {', '.join(missing)}; each party of the plan needs some{odd}")
    if unknown:
        raise DataError(f"data for {', '.join(unknown)}, who is not in plan {plan.name!r}")
