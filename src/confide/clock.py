"""The clock for verifying and signing; tests replace it."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["system_clock"]


def system_clock() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)
