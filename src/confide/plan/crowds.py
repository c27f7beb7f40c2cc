"""Which parties the sums of a plan cover: all that are there, the same ones, or cohorts in turn.

Sums over different parties differ by what these parties contribute. So which crowds a plan may have
depends on what its sums reveal together (`confide.plan.openings`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

from confide.errors import OpeningError, PlanError
from confide.plan.fields import in_file
from confide.plan.openings import Opening, check_classes, check_fixed, classes
from confide.plan.value import Value

if TYPE_CHECKING:
    from confide.plan.plan import Plan

__all__ = [
    "Cohort",
    "Cohorts",
    "Crowd",
    "FixedCrowd",
    "OpenCrowd",
    "check_cohorts",
    "check_openings",
    "smallest_class",
]

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True)
class OpenCrowd(Value):
    """Each round's sum is over all parties that are present, up to the plan's dropouts.

    Two sums over different parties differ by what those parties contributed. So exact sums over an
    open crowd are for a coordinator that is not malicious.
    """

    word: ClassVar[str] = "open"


@dataclass(frozen=True)
class FixedCrowd(Value):
    """All sums are over the parties of the first one.

    A party that misses the first sum stays out, and a later loss ends the run. Then sums differ
    only by what the same parties contributed in different rounds (So et al. 2023, Securing Secure
    Aggregation).
    """

    word: ClassVar[str] = "fixed"


@dataclass(frozen=True, kw_only=True)
class Cohort(Value):
    """Parties that are asked together.

    Attributes:
        name: Lower-case identifier, unique within the plan.
        parties: Their names.
    """

    name: str
    parties: tuple[str, ...]

    def _check(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise PlanError(f"a cohort named {self.name!r}; a name is like 'north' or 'a'")
        object.__setattr__(self, "parties", tuple(sorted(set(self.parties))))


@dataclass(frozen=True, kw_only=True)
class Cohorts(Value):
    """Rounds are over cohorts in turn, which the plan names.

    The first cohort is asked in the first round, the next one in the next, and after the last the
    first again. Parties that are in the same cohorts form a class, and exact sums of all cohorts
    together reveal only the totals of classes. So each class must have enough ownership groups.

    Attributes:
        cohorts: The cohorts, in the order in which they are asked.
    """

    word: ClassVar[str] = "cohorts"

    cohorts: tuple[Cohort, ...] = field(metadata=in_file(key="cohort"))

    def _check(self) -> None:
        if len(self.cohorts) < 2:
            raise PlanError(
                f"{len(self.cohorts)} cohorts; at least 2 are needed. If every round asks all "
                "parties, take crowd 'fixed' or 'open'"
            )
        _refuse_repeated("share the name", (c.name for c in self.cohorts))
        _refuse_repeated("have the parties", (", ".join(c.parties) for c in self.cohorts))

    def of_round(self, number: int) -> Cohort:
        """The cohort that is asked in a round, counted through the plan."""
        return self.cohorts[number % len(self.cohorts)]

    @property
    def classes(self) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
        """The classes: the names of the cohorts that their parties are in, and the parties."""
        planned = [Opening(place, 0, c.parties) for place, c in enumerate(self.cohorts)]
        return tuple(
            (tuple(self.cohorts[place].name for place in sorted(places)), names)
            for places, names in classes(planned).items()
        )


Crowd = OpenCrowd | FixedCrowd | Cohorts


def check_cohorts(plan: Plan) -> None:
    """Refuses cohorts of other parties than the plan's, and parties that no cohort has.

    Raises:
        PlanError: Naming the party.
    """
    if not isinstance(plan.crowd, Cohorts):
        return
    held: set[str] = set()
    for cohort in plan.crowd.cohorts:
        for name in cohort.parties:
            plan.party(name)
        held |= {*cohort.parties}
    for party in plan.parties:
        if party.name not in held:
            raise PlanError(
                f"party {party.name!r} is in no cohort: name it in one, or leave it out of the plan"
            )


def smallest_class(plan: Plan) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    """The class of a plan's cohorts with the fewest ownership groups.

    Returns:
        The names of the cohorts that its parties are in, the parties, and how many groups they are.
    """
    assert isinstance(plan.crowd, Cohorts)  # noqa: S101 - narrows the type for mypy
    counted = [
        (within, names, len({plan.owners[name] for name in names}))
        for within, names in plan.crowd.classes
    ]
    return min(counted, key=lambda found: found[2])


def check_openings(plan: Plan, openings: Iterable[Opening]) -> None:
    """Refuses a sum that, with the sums opened before, would single out few ownership groups.

    Args:
        plan: The plan, which says what sums keep together.
        openings: All openings in order, the new one last.

    Raises:
        OpeningError: If it is over other parties than the crowd of the plan allows, or a class
            would be too small.
    """
    together = tuple(openings)
    if plan.fixed_crowd:
        check_fixed(together)
    if isinstance(plan.crowd, Cohorts):
        for opening in together:
            _check_within(plan.crowd.of_round(opening.number), opening)
    if plan.keeps_classes:
        check_classes(together, plan.owners, plan.least_class)


def _check_within(cohort: Cohort, opening: Opening) -> None:
    if strangers := sorted(set(opening.survivors) - set(cohort.parties)):
        raise OpeningError(
            f"{opening} contains {strangers[0]!r}, who is not in cohort {cohort.name!r} that "
            "the plan asks in that round: this sum is not opened"
        )


def _refuse_repeated(what: str, values: Iterable[str]) -> None:
    for value, count in Counter(values).items():
        if count > 1:
            raise PlanError(f"{count} cohorts {what} {value}; each has its own")
