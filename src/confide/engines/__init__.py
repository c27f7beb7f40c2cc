"""Engines: a plan run in simulation."""

from typing import TYPE_CHECKING

from confide._lazy import attach

if TYPE_CHECKING:
    from confide.engines.drops import Drop
    from confide.engines.local import EnclaveHost, NoiseWarning, simulate
    from confide.engines.outcome import Run

__all__ = ["Drop", "EnclaveHost", "NoiseWarning", "Run", "simulate"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "confide.engines.drops": ("Drop",),
            "confide.engines.local": ("EnclaveHost", "NoiseWarning", "simulate"),
            "confide.engines.outcome": ("Run",),
        },
    )
