"""Plans as TOML files: read into checked plans by the declared fields (`confide.plan.fields`).

The name of a stage's task decides its kind: a computation makes it a stage of sums, or it is an
exchange. Exchanges belong to a higher layer, which passes them in (`confide.exchange.read_plan`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Protocol

from confide.computation.computation import Computation
from confide.computation.registry import make_computation, offered_computations
from confide.errors import PlanError
from confide.plan import (
    CentralNoise,
    Coordinator,
    Exchange,
    NoiseShares,
    NoNoise,
    Party,
    Plan,
    Role,
    Stage,
    Sums,
)
from confide.plan.codec import nearest
from confide.plan.fields import Key, keys_of
from confide.plan.written import Reader
from confide.privacy.guarantee import Calibrated, plan_with

__all__ = ["STAGE_KEY", "MakeExchange", "exchange_keys", "read_plan", "stage_keys", "top_keys"]

STAGE_KEY: Final = "stage"
"""The key of the list of stages."""

_OF_SEVERAL: Final = frozenset({"name", "budget"})
"""The keys of a stage only in a plan of several."""


class MakeExchange(Protocol):
    """Makes the stage of an exchange from its section in a plan file."""

    def __call__(
        self, settings: Mapping[str, Any], roles: tuple[Role, ...], *, name: str, rounds: int
    ) -> Exchange:
        """Makes it.

        Args:
            settings: Those of its task.

            roles: Who does what.
            name: The stage's name.
            rounds: How many rounds.

        Raises:
            PlanError: If the settings or roles do not fit.
        """
        ...


@dataclass(frozen=True)
class _Computed:
    """A stage, and the computation that its task names; an exchange has none."""

    stage: Stage
    computation: Computation | None = None


def read_plan(
    text: str, where: str, *, exchanges: Mapping[str, MakeExchange] | None = None
) -> tuple[Plan, tuple[Computation, ...]]:
    """Reads a plan file.

    Args:
        text: The TOML.
        where: The file's name, for messages.
        exchanges: By the name of a task, what makes its exchange; `confide.exchange.read_plan`
            knows those of this release.

    Returns:
        The checked plan, and the computations that its tasks name, one for each stage of sums, in
        order.

    Raises:
        PlanError: If the TOML is malformed, a key unknown, a value wrong, the task not installed,
            or the plan must not be made. All faults of single keys are reported at once.
    """
    try:
        given = tomllib.loads(text)
    # Numbers of thousands of digits and brackets without end raise errors of their own.
    except (ValueError, RecursionError) as error:
        raise PlanError(f"{where} is not TOML: {error}") from error
    fields = _read(given, where, exchanges or {})
    computed: tuple[_Computed, ...] = fields.pop("stages")
    fields["stages"] = tuple(c.stage for c in computed)
    plan = plan_with(fields.pop("noise", NoNoise()), **fields)
    return plan, tuple(c.computation for c in computed if c.computation is not None)


def top_keys() -> tuple[Key, ...]:
    """The keys at the top of every plan file."""
    return tuple(key for key in keys_of(Plan) if key.name != STAGE_KEY)


def stage_keys(*, alone: bool) -> tuple[Key, ...]:
    """The keys of a stage of sums.

    Args:
        alone: For the only stage of a plan, whose keys are at the top.
    """
    return tuple(key for key in keys_of(Sums) if not (alone and key.name in _OF_SEVERAL))


def exchange_keys(*, alone: bool) -> tuple[Key, ...]:
    """The keys of a stage that is an exchange.

    Args:
        alone: For the only stage of a plan, whose keys are at the top.
    """
    return tuple(key for key in keys_of(Exchange) if not (alone and key.name in _OF_SEVERAL))


def _read(
    given: Mapping[str, Any], where: str, exchanges: Mapping[str, MakeExchange]
) -> dict[str, Any]:
    """The plan's fields; stages as `_Computed`."""
    reader = Reader(
        {
            **_MAKERS,
            Sums: partial(_sums, known=tuple(exchanges)),
            Exchange: partial(_exchange, exchanges),
        }
    )
    if STAGE_KEY in given:
        _refuse_both(given, where)
        rest = {key: value for key, value in given.items() if key != STAGE_KEY}
        fields = reader.fields((*top_keys(), _stage_list()), rest | {STAGE_KEY: []}, "")
        fields["stages"] = _stages(reader, given[STAGE_KEY], exchanges)
    else:
        kind = _kind(given, exchanges)
        alone = exchange_keys(alone=True) if kind is Exchange else stage_keys(alone=True)
        fields = reader.fields((*top_keys(), *alone), given, "")
        own = {key.field: fields.pop(key.field) for key in alone if key.field in fields}
        if not reader.problems:
            fields["stages"] = (reader.make(kind, own, ""),)
    if reader.problems:
        raise PlanError(f"{where}: " + "; ".join(reader.problems))
    return fields


def _stages(reader: Reader, given: object, exchanges: Mapping[str, MakeExchange]) -> Any:
    """The stages of a list, each read by the keys of its kind."""
    if not isinstance(given, list):
        return reader.fields((_stage_list(),), {STAGE_KEY: given}, "")["stages"]
    return tuple(
        reader.made(_kind(each, exchanges), each, f"{STAGE_KEY}.{place}")
        for place, each in enumerate(given)
    )


def _kind(given: object, exchanges: Mapping[str, MakeExchange]) -> type[Sums | Exchange]:
    """The kind of a stage, by the name of its task."""
    task = given.get("task") if isinstance(given, Mapping) else None
    name = task.get("name") if isinstance(task, Mapping) else None
    return Exchange if isinstance(name, str) and name in exchanges else Sums


def _stage_list() -> Key:
    """The key of the list of stages."""
    (key,) = (key for key in keys_of(Plan) if key.name == STAGE_KEY)
    return replace(key, declared=tuple[Sums, ...])


def _refuse_both(given: Mapping[str, Any], where: str) -> None:
    keys = (*stage_keys(alone=True), *exchange_keys(alone=True))
    names = [name for name in dict.fromkeys(key.name for key in keys) if name in given]
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
        raise PlanError("both epsilon and noise_multiplier; give one, the other is derived")
    return Calibrated(kind=kind, **given)


def _sums(*, known: Iterable[str], task: Mapping[str, Any], **fields: Any) -> _Computed:
    settings, name = _task(task)
    computed = offered_computations()
    if name not in computed and known:
        raise PlanError(f"nothing computes {name!r}; {nearest(name, (*computed, *known))}")
    computation = make_computation(name, settings)
    return _Computed(computation.stage(**fields), computation)


def _exchange(
    exchanges: Mapping[str, MakeExchange],
    *,
    task: Mapping[str, Any],
    roles: tuple[Role, ...],
    name: str = Exchange.name,
    rounds: int = Exchange.rounds,
) -> _Computed:
    settings, of = _task(task)
    return _Computed(exchanges[of](settings, roles, name=name, rounds=rounds))


def _task(given: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """A task's settings and its name."""
    settings = dict(given)
    name = settings.pop("name", None)
    if not isinstance(name, str):
        raise PlanError("section [task] has no name; name the computation, for example 'fed-avg'")
    return settings, name


_MAKERS: Final[Mapping[type, Callable[..., Any]]] = {
    CentralNoise: lambda **given: _noise(CentralNoise, **given),
    Coordinator: lambda *, key: Coordinator(key),
    NoiseShares: lambda **given: _noise(NoiseShares, **given),
    Party: _party,
}
"""Keys that differ from the fields of the values, such as ε."""
