"""A plan as one line, and as what a notebook shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from confide.markup import facts_html

if TYPE_CHECKING:
    from confide.plan.plan import Plan

__all__ = ["plan_html", "plan_line"]

_NAMED: Final = 10


def plan_line(plan: Plan) -> str:
    """The plan in a line."""
    tasks = ", ".join(f"{s.task.name} × {s.rounds}" for s in plan.stages)
    return (
        f"Plan(name={plan.name!r}, {tasks}, aggregation={plan.aggregation!r}, "
        f"noise={plan.noise!r}, {len(plan.parties)} parties, hash={plan.short_hash}…)"
    )


def plan_html(plan: Plan) -> str:
    """The plan as a table: parties, stages, protection, hash."""
    names, more = [p.name for p in plan.parties[:_NAMED]], len(plan.parties) - _NAMED
    return facts_html(
        f"Plan {plan.name}",
        [
            ("parties", ", ".join(names) + (f" and {more:,} more" if more > 0 else "")),
            *(
                (f"stage {s.name}", f"{s.task.name}, {s.rounds} round{'s' * (s.rounds > 1)}")
                for s in plan.stages
            ),
            ("aggregation", plan.aggregation),
            ("noise", plan.noise),
            ("hash", plan.hash.hex()),
        ],
    )
