"""Openings over the same data: what several opened sums reveal together.

A sum is *opened* over its survivors. Parties that were in exactly the same opened sums form a
class, and every linear combination of the sums is one of class totals (So et al. 2023, Securing
Secure Aggregation, §3). A coordinator that may lie can make a party contribute the same vector
twice: it announces a sum that leaves the state as it was. So the total of a class may become known
exactly, and each class must be large enough by itself: it needs the colluding ownership groups,
which subtract their own part, and two more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from confide.errors import OpeningError

__all__ = ["Opening", "check_classes", "check_fixed", "check_history", "classes", "least_owners"]


@dataclass(frozen=True, order=True)
class Opening:
    """A set of survivors that a party consented to: from then on its sum counts as opened.

    Attributes:
        number: The round, counted through the plan.
        attempt: The attempt at the round.
        survivors: Names of the parties in the sum, in order.
    """

    number: int
    attempt: int
    survivors: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"the sum of round {self.number}, attempt {self.attempt} over {len(self.survivors)} "
            "parties"
        )


def least_owners(colluding: int) -> int:
    """How many ownership groups a class needs: the colluders and two honest ones.

    A receiver of a sum can subtract its own part, so at least one counts as a colluder.
    """
    return max(colluding, 1) + 2


def classes(openings: Iterable[Opening]) -> Mapping[frozenset[int], tuple[str, ...]]:
    """The classes of parties: from the places of the openings they are in to their names.

    A party in no opening is in no class.

    Example:
        >>> both = (Opening(0, 0, ("a", "b", "c")), Opening(1, 0, ("a", "b")))
        >>> sorted(classes(both).values())
        [('a', 'b'), ('c',)]
    """
    places: dict[str, set[int]] = {}
    for place, opening in enumerate(openings):
        for name in opening.survivors:
            places.setdefault(name, set()).add(place)
    found: dict[frozenset[int], list[str]] = {}
    for name, of in sorted(places.items()):
        found.setdefault(frozenset(of), []).append(name)
    return {of: tuple(names) for of, names in found.items()}


def check_classes(openings: Iterable[Opening], owners: Mapping[str, str], least: int) -> None:
    """Refuses openings that would single out few ownership groups.

    Args:
        openings: All openings, the new one included.
        owners: The ownership group of each party.
        least: How many groups each class keeps, from `least_owners`.

    Raises:
        OpeningError: Naming the smallest class.
    """
    together = tuple(openings)
    smallest = min(
        classes(together).values(), key=lambda names: len({owners[n] for n in names}), default=()
    )
    found = len({owners[name] for name in smallest})
    if together and found < least:
        raise OpeningError(
            f"after {together[-1]}, {_some(smallest)} could be singled out by combining the "
            f"opened sums: {found} ownership group{'' if found == 1 else 's'} together, and a "
            "class keeps "
            f"at least {least}. This sum is not opened. Continue with the parties of the "
            "earlier sums, or make the plan with crowd 'fixed' or with noise per ownership group"
        )


def check_fixed(openings: Iterable[Opening]) -> None:
    """Refuses openings over different parties.

    Raises:
        OpeningError: Saying who is missing and who is new.
    """
    first, *later = openings
    for opening in later:
        gone = sorted(set(first.survivors) - set(opening.survivors))
        new = sorted(set(opening.survivors) - set(first.survivors))
        if gone or new:
            what = [f"{_some(gone)} missing"] * bool(gone) + [f"{_some(new)} new"] * bool(new)
            raise OpeningError(
                f"the plan has a fixed crowd, that of {first}, and {opening} would have "
                f"{' and '.join(what)}: the difference of the two sums would be what these "
                "parties contribute. This sum is not opened, and the run ends"
            )


def check_history(announced: tuple[Opening, ...], known: Iterable[Opening]) -> None:
    """Refuses an announced history that leaves out an opening that the party consented to.

    Args:
        announced: The openings that the coordinator announced so far, in order.
        known: Those that the party remembers.

    Raises:
        OpeningError: If one is missing, or the history contradicts itself.
    """
    order = [(opening.number, opening.attempt) for opening in announced]
    if order != sorted(set(order)):
        raise OpeningError(
            "the history of openings is not in order, or has two for one attempt; each attempt "
            "has one set of survivors"
        )
    for opening in known:
        if opening not in announced:
            raise OpeningError(
                f"the announced history leaves out {opening}, which this party consented to: "
                "sums over other parties could be combined with it to single somebody out. The "
                "party does not take part"
            )


def _some(names: Iterable[str]) -> str:
    listed = [repr(name) for name in names]
    more = len(listed) - 5
    return ", ".join(listed[:5]) + (f" and {more:,} more" if more > 0 else "")
