"""Engines: a plan run in simulation."""

from typing import TYPE_CHECKING

from confide._lazy import attach

if TYPE_CHECKING:
    from confide.engines.local import Drop, EnclaveHost, Run, simulate

__all__ = ["Drop", "EnclaveHost", "Run", "simulate"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "confide.engines.local": ("Drop", "EnclaveHost", "Run", "simulate"),
        },
    )
