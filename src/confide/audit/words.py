"""How cells and lists of them are named for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["first_of", "labels_text"]

_MOST_SHOWN = 10


def labels_text(labels: Mapping[str, str]) -> str:
    """The labels of a cell, for people."""
    return ", ".join(f"{column} {label}" for column, label in labels.items()) or "the total"


def first_of(texts: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = len(texts) - _MOST_SHOWN
    return "; ".join(texts[:_MOST_SHOWN]) + (f"; and {more:,} more" if more > 0 else "")
