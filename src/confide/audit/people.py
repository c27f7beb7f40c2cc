"""Reconstruction of people from published statistics (Garfinkel, Abowd and Martindale 2019).

A block's table gives counts, means and medians of ages for several groups. Each constrains which
people can live there; a search over whole numbers finds them, and whether others are possible too.
People are kept in order, so that each set of them is one solution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from confide.audit.uniqueness import solved, solver
from confide.errors import DataError

__all__ = ["Statistic", "reconstruct_people"]

_AGE: Final = "age"


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """A published statistic of a group.

    Attributes:
        where: The group: the value of some attributes, or a pair (least, most) for "age".
        count: How many people are in it.
        most: How many at most, where the count is suppressed because it is small.
        mean: Of their ages, as printed.
        median: Of their ages; of an even number of people the mean of the middle two.
        step: What the mean is rounded to.
    """

    where: Mapping[str, Any] = field(default_factory=dict)
    count: int | None = None
    most: int | None = None
    mean: float | None = None
    median: float | None = None
    step: float = 0.1


def reconstruct_people(
    attributes: Mapping[str, Sequence[str]],
    statistics: Sequence[Statistic],
    *,
    oldest: int = 115,
    impossible: Sequence[Mapping[str, Any]] = (),
    limit: int = 2,
) -> tuple[tuple[Mapping[str, Any], ...], ...]:
    """Finds groups of people that agree with all statistics.

    Args:
        attributes: The values of each attribute beside the age.
        statistics: What was published.
        oldest: The highest age.
        impossible: Groups that nobody is in, as `Statistic.where`.
        limit: How many solutions to look for. With 2, a single one found is the only one.

    Returns:
        The solutions, each a tuple of people in the order of their ages.

    Raises:
        DataError: If a group names an unknown attribute or value, a mean or median comes without
            its count, the number of all people is missing, or nobody agrees with all.
        PlanError: If OR-tools is not installed.
    """
    number = next((s.count for s in statistics if not s.where and s.count is not None), None)
    if number is None:
        raise DataError(
            "the number of all people is missing; add a Statistic(count=…) of everybody"
        )
    block = _Block(number, attributes, oldest)
    for where in impossible:
        block.add(Statistic(where=where, count=0))
    for statistic in statistics:
        block.add(statistic)
    found: list[tuple[Mapping[str, Any], ...]] = []
    while len(found) < limit and (people := block.next()) is not None:
        found.append(people)
    if not found:
        raise DataError("nobody agrees with all statistics: they contradict each other")
    return tuple(found)


class _Block:
    """People in the order of their ages, and of their attributes where ages are equal.

    So each set of people is one solution, and the person in the middle of a group is found by
    counting.
    """

    def __init__(self, number: int, attributes: Mapping[str, Sequence[str]], oldest: int) -> None:
        self._attributes, self._oldest = attributes, oldest
        self._model = model = solver().CpModel()
        self._ages = [model.new_int_var(0, oldest, "") for _ in range(number)]
        self._has: list[dict[tuple[str, str], Any]] = []
        self._keys = []
        for age in self._ages:
            has = {(n, v): model.new_bool_var("") for n, vs in attributes.items() for v in vs}
            key = age
            for name, values in attributes.items():
                model.add_exactly_one(has[name, value] for value in values)
                place = sum(p * has[name, value] for p, value in enumerate(values))
                key = key * len(values) + place
            self._has.append(has)
            self._keys.append(key)
        for one, next_one in pairwise(self._keys):
            model.add(one <= next_one)

    def add(self, statistic: Statistic) -> None:
        """Adds a published statistic."""
        members = self._members(statistic.where)
        if statistic.most is not None:
            self._model.add(sum(members) <= statistic.most)
        if statistic.count is None:
            if statistic.mean is not None or statistic.median is not None:
                raise DataError("a mean or a median without its count; give the count too")
            return
        self._model.add(sum(members) == statistic.count)
        if statistic.mean is not None:
            self._add_mean(members, statistic.mean, statistic.count, statistic.step)
        if statistic.median is not None:
            ranks = (statistic.count + 1) // 2, statistic.count // 2 + 1
            middle = [self._age_at(members, rank) for rank in ranks]
            self._model.add(sum(middle) == round(2 * statistic.median))

    def next(self) -> tuple[Mapping[str, Any], ...] | None:
        """Another set of people that agrees with all statistics, or None."""
        found = solved(self._model)
        if found is None:
            return None
        others = []
        for key in self._keys:
            value = found.value(key)
            for differs in (key <= value - 1, key >= value + 1):
                other = self._model.new_bool_var("")
                self._model.add(differs).only_enforce_if(other)
                others.append(other)
        self._model.add_bool_or(others)
        return tuple(
            {_AGE: found.value(age)}
            | {name: value for (name, value), is_so in has.items() if found.value(is_so)}
            for age, has in zip(self._ages, self._has, strict=True)
        )

    def _members(self, where: Mapping[str, Any]) -> list[Any]:
        """For each person whether it is in a group."""
        for name, value in where.items():
            if name != _AGE and (name, value) not in {
                (n, v) for n, vs in self._attributes.items() for v in vs
            }:
                raise DataError(
                    f"a group of {name!s:.40}; attributes are {', '.join(self._attributes)} and "
                    "age, with the values that were declared"
                )
        return [self._member(place, where) for place in range(len(self._ages))]

    def _member(self, place: int, where: Mapping[str, Any]) -> Any:
        model, age = self._model, self._ages[place]
        parts = [self._has[place][name, v] for name, v in where.items() if name != _AGE]
        if _AGE in where:
            least, most = where[_AGE]
            for inside, outside in ((age >= least, age < least), (age <= most, age > most)):
                part = model.new_bool_var("")
                model.add(inside).only_enforce_if(part)
                model.add(outside).only_enforce_if(~part)
                parts.append(part)
        member = model.new_bool_var("")
        model.add_bool_and(parts).only_enforce_if(member)
        model.add_bool_or([member, *(~part for part in parts)])
        return member

    def _add_mean(self, members: list[Any], mean: float, count: int, step: float) -> None:
        ages = []
        for age, member in zip(self._ages, members, strict=True):
            counted = self._model.new_int_var(0, self._oldest, "")
            self._model.add(counted == age).only_enforce_if(member)
            self._model.add(counted == 0).only_enforce_if(~member)
            ages.append(counted)
        # In whole numbers: the sum of ages in half steps, within half a step of the printed mean.
        scale = round(2 / step)
        self._model.add(scale * sum(ages) >= round(mean * scale * count) - count)
        self._model.add(scale * sum(ages) <= round(mean * scale * count) + count)

    def _age_at(self, members: list[Any], rank: int) -> Any:
        """The age of the member of this rank, from 1."""
        age_there = self._model.new_int_var(0, self._oldest, "")
        here = [self._model.new_bool_var("") for _ in members]
        self._model.add_exactly_one(here)
        for place, (age, member) in enumerate(zip(self._ages, members, strict=True)):
            self._model.add_implication(here[place], member)
            self._model.add(sum(members[: place + 1]) == rank).only_enforce_if(here[place])
            self._model.add(age_there == age).only_enforce_if(here[place])
        return age_there
