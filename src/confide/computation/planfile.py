"""Plans as TOML files: read into checked plans by the declared fields (`confide.plan.fields`)."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from confide.computation.computation import Computation
from confide.computation.registry import make_computation
from confide.errors import PlanError
from confide.plan import (
    CentralNoise,
    Coordinator,
    NoiseShares,
    NoNoise,
    Party,
    Plan,
    Sums,
)
from confide.plan.fields import Key, keys_of
from confide.plan.written import Reader
from confide.privacy.guarantee import Calibrated, plan_with

__all__ = ["STAGE_KEY", "read_plan", "stage_keys", "top_keys"]

STAGE_KEY: Final = "stage"
"""The key of the list of stages."""

_OF_SEVERAL: Final = frozenset({"name", "budget"})
"""What a stage has only in a plan of several."""


@dataclass(frozen=True)
class _Computed:
    """A stage, and the computation that its task names."""

    stage: Sums
    computation: Computation


def read_plan(text: str, where: str) -> tuple[Plan, tuple[Computation, ...]]:
    """Reads a plan file.

    Args:
        text: The TOML.
        where: The file's name, for messages.

    Returns:
        The checked plan, and the computations that its tasks name, in the order of its stages.

    Raises:
        PlanError: If the TOML is malformed, a key unknown, a value wrong, the task not installed,
            or the plan must not be made. What is wrong with single keys is named all at once.
    """
    try:
        given = tomllib.loads(text)
    # Numbers of thousands of digits and brackets without end raise errors of their own.
    except (ValueError, RecursionError) as error:
        raise PlanError(f"{where} is no TOML: {error}") from error
    fields = _read(given, where)
    computed: tuple[_Computed, ...] = fields.pop("stages")
    fields["stages"] = tuple(c.stage for c in computed)
    plan = plan_with(fields.pop("noise", NoNoise()), **fields)
    return plan, tuple(c.computation for c in computed)


def top_keys() -> tuple[Key, ...]:
    """The keys at the top of every plan file."""
    return tuple(key for key in keys_of(Plan) if key.name != STAGE_KEY)


def stage_keys(*, alone: bool) -> tuple[Key, ...]:
    """The keys of a stage.

    Args:
        alone: For the only stage of a plan, whose keys stand at the top.
    """
    return tuple(key for key in keys_of(Sums) if not (alone and key.name in _OF_SEVERAL))


def _read(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The plan's fields; stages as `_Computed`."""
    reader = Reader(_MAKERS)
    if STAGE_KEY in given:
        _refuse_both(given, where)
        fields = reader.fields((*top_keys(), _stage_list()), given, "")
    else:
        top, alone = top_keys(), stage_keys(alone=True)
        fields = reader.fields((*top, *alone), given, "")
        own = {key.field: fields.pop(key.field) for key in alone if key.field in fields}
        if not reader.problems:
            fields["stages"] = (reader.make(Sums, own, ""),)
    if reader.problems:
        raise PlanError(f"{where}: " + "; ".join(reader.problems))
    return fields


def _stage_list() -> Key:
    """The key of the list of stages; those of a plan file are sums."""
    (key,) = (key for key in keys_of(Plan) if key.name == STAGE_KEY)
    return replace(key, declared=tuple[Sums, ...])


def _refuse_both(given: Mapping[str, Any], where: str) -> None:
    names = [key.name for key in stage_keys(alone=True) if key.name in given]
    if names:
        raise PlanError(
            f"{where}: {' and '.join(map(repr, names))} at the top of a plan with sections "
            f"[[{STAGE_KEY}]]; each stage has its own: move {'it' if len(names) == 1 else 'them'} "
            f"below a [[{STAGE_KEY}]]"
        )


def _party(*, name: str, key: bytes | None = None, group: str | None = None) -> Party:
    return Party.simulation(name, group) if key is None else Party(name, key, group=group)


def _noise(kind: type[CentralNoise | NoiseShares], **given: Any) -> Any:
    if "epsilon" not in given:
        return kind(**given)
    if "noise_multiplier" in given:
        raise PlanError("both epsilon and noise_multiplier; give one, the other follows")
    return Calibrated(kind=kind, **given)


def _stage(*, task: Mapping[str, Any], **fields: Any) -> _Computed:
    settings = dict(task)
    name = settings.pop("name", None)
    if not isinstance(name, str):
        raise PlanError("section [task] has no name; say what is computed, as 'fed-avg'")
    computation = make_computation(name, settings)
    return _Computed(computation.stage(**fields), computation)


_MAKERS: Final[Mapping[type, Callable[..., Any]]] = {
    CentralNoise: lambda **given: _noise(CentralNoise, **given),
    Coordinator: lambda *, key: Coordinator(key),
    NoiseShares: lambda **given: _noise(NoiseShares, **given),
    Party: _party,
    Sums: _stage,
}
"""What files say differently from the values: whom a key is given for, ε, and tasks by name."""
