"""Groups of observers that see the same, so that a plan of 10,000 parties has few groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from confide.plan import Exposure, Observer

__all__ = ["Alike", "alike"]


@dataclass(frozen=True)
class Alike:
    """Observers that see the same.

    Attributes:
        observers: The observers; if there are several, each is one party.
        seen: What the first of them sees.
    """

    observers: tuple[Observer, ...]
    seen: tuple[Exposure, ...]

    @property
    def first(self) -> Observer:
        """The observer that stands for the whole group."""
        return self.observers[0]


def alike(found: Iterable[Exposure]) -> tuple[Alike, ...]:
    """Groups exposures by their observers, and the observers by what they see.

    Args:
        found: The exposures of a plan, in their order.
    """
    by_observer: dict[str, list[Exposure]] = {}
    for exposure in found:
        by_observer.setdefault(exposure.observer.name, []).append(exposure)
    groups: dict[object, list[list[Exposure]]] = {}
    for seen in by_observer.values():
        groups.setdefault(_kind(seen), []).append(seen)
    return tuple(
        Alike(tuple(seen[0].observer for seen in group), tuple(group[0]))
        for group in groups.values()
    )


def _kind(seen: list[Exposure]) -> object:
    """What an observer sees, without its name where it is one of many parties."""
    observer = seen[0].observer
    who = observer.name if observer.party is None else ""
    roles = (observer.standing, observer.parties, observer.groups)
    return who, roles, tuple(map(_content, seen))


def _content(e: Exposure) -> object:
    return (
        e.value, e.detail, e.when, e.assumption, e.remedy, e.stage,
        e.what, e.of, e.form, e.condition, e.guarantee,
    )  # fmt: skip
