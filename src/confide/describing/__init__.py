"""From owners' tables to statistics of all their rows in one call."""

from typing import TYPE_CHECKING

from confide._lazy import attach

if TYPE_CHECKING:
    from confide.describing.asking import describe, planned_description
    from confide.describing.description import Description

__all__ = ["Description", "describe", "planned_description"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "confide.describing.asking": ("describe", "planned_description"),
            "confide.describing.description": ("Description",),
        },
    )
