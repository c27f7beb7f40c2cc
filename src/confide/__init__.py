"""confide: compute together, reveal only what was agreed, and know beforehand who learns what."""

from confide._version import __version__

__all__ = ["__version__"]
