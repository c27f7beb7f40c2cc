"""Compiled kernels of confide: exact noise, and the ring that its encryption computes in."""

from __future__ import annotations

from confide_native._kernel import (
    Ring,
    Secret,
    SumKey,
    __version__,
    draw_error,
    draw_gaussian,
    draw_ternary,
    fill,
    fresh_seed,
    paths,
    read_stream,
)

__all__ = [
    "Ring",
    "Secret",
    "SumKey",
    "__version__",
    "draw_error",
    "draw_gaussian",
    "draw_ternary",
    "fill",
    "fresh_seed",
    "paths",
    "read_stream",
]
