"""Compiled kernels of confide. They hold no cryptography: random words come from the caller."""

from __future__ import annotations

from confide_native._kernel import __version__, fill

__all__ = ["__version__", "fill"]
