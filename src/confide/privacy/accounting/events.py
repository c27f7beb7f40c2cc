"""Events as plain values: what a ledger hashes and stores, and reads back strictly.

The vocabulary is that of `dp_accounting`, whose events describe and compute nothing. A real number
is written as its shortest decimal text, so that equal events have one encoding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from confide.errors import PlanError
from confide.numbers import check_real, check_whole, shown

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = ["event_from_plain", "event_to_plain"]

_MOST_EVENTS: Final = 10_000
_DEEPEST: Final = 12
_MOST_COUNTED: Final = 1 << 63


def event_to_plain(event: DpEvent, depth: int = 0) -> dict[str, Any]:
    """An event as maps, lists, texts and whole numbers.

    Args:
        event: The event.
        depth: How many other events contain it.

    Raises:
        PlanError: If the event, or one in it, is unknown, or has a field that is not a number.

    Example:
        >>> from dp_accounting import GaussianDpEvent
        >>> event_to_plain(GaussianDpEvent(2))
        {'type': 'GaussianDpEvent', 'noise_multiplier': '2.0'}
    """
    _check_depth(depth)
    name, fields = type(event).__name__, _fields()
    if name not in fields or not _is_ours(event):
        raise PlanError(f"an unknown event {name}; known here: {', '.join(sorted(fields))}")
    written = {
        field: write(getattr(event, field), depth) for field, (write, _) in fields[name].items()
    }
    return {"type": name, **written}


def event_from_plain(plain: object, depth: int = 0) -> DpEvent:
    """Reads back what `event_to_plain` wrote.

    Args:
        plain: What was written.
        depth: How many other events contain it.

    Raises:
        PlanError: If it is not such a value, or another encoding of one.
    """
    from dp_accounting import dp_event

    _check_depth(depth)
    if not isinstance(plain, Mapping) or str(plain.get("type")) not in _fields():
        raise PlanError(f"no event that is known here: {plain!r:.100}")
    declared = _fields()[plain["type"]]
    if set(plain) != {"type", *declared}:
        raise PlanError(
            f"event {plain['type']} with {', '.join(sorted(set(plain) - {'type'})) or 'nothing'}; "
            f"it takes {', '.join(declared) or 'nothing'}"
        )
    values = {field: read(plain[field], depth) for field, (_, read) in declared.items()}
    event: DpEvent = getattr(dp_event, plain["type"])(**values)
    return event


def _check_depth(depth: int) -> None:
    check_whole(
        "depth",
        depth,
        least=0,
        most=_DEEPEST,
        limit=f"events nested deeper than {_DEEPEST} are refused",
    )


Field = tuple[Callable[[Any, int], Any], Callable[[Any, int], Any]]


def _fields() -> Mapping[str, Mapping[str, Field]]:
    return {
        "NoOpDpEvent": {},
        "NonPrivateDpEvent": {},
        "GaussianDpEvent": {"noise_multiplier": _REAL},
        "LaplaceDpEvent": {"noise_multiplier": _REAL},
        "DiscreteLaplaceDpEvent": {"noise_parameter": _REAL, "sensitivity": _WHOLE},
        "RandomizedResponseDpEvent": {"noise_parameter": _REAL, "num_buckets": _WHOLE},
        "ZCDpEvent": {"rho": _REAL, "xi": _REAL},
        "MixtureOfGaussiansDpEvent": {
            "standard_deviation": _REAL,
            "sensitivities": _REALS,
            "sampling_probs": _REALS,
        },
        "PoissonSampledDpEvent": {"sampling_probability": _REAL, "event": _EVENT},
        "TruncatedSubsampledGaussianDpEvent": {
            "dataset_size": _WHOLE,
            "sampling_probability": _REAL,
            "truncated_batch_size": _WHOLE,
            "noise_multiplier": _REAL,
        },
        "SingleEpochTreeAggregationDpEvent": {
            "noise_multiplier": _REAL,
            "step_counts": (_write_counts, _read_counts),
        },
        "SelfComposedDpEvent": {"event": _EVENT, "count": _WHOLE},
        "ComposedDpEvent": {"events": (_write_events, _read_events)},
    }


def _is_ours(event: object) -> bool:
    """Whether the event is the library's own, and no class of somebody else that has its name."""
    return type(event).__module__.startswith("dp_accounting.")


def _write_real(value: Any, _: int) -> str:
    limit = "events hold finite numbers"
    return repr(
        check_real("a number of an event", value, above=-math.inf, below=math.inf, limit=limit)
    )


def _read_real(text: Any, depth: int) -> float:
    try:
        if isinstance(text, str) and _write_real(float(text), depth) == text:
            return float(text)
    except ValueError:
        pass
    raise PlanError(f"a number of an event is {text!r:.60}; it is its shortest decimal text")


def _write_whole(value: Any, _: int) -> int:
    limit = "counts are whole numbers of at least 0"
    number = check_real("a count of an event", value, least=0, below=_MOST_COUNTED, limit=limit)
    if number % 1:
        raise PlanError(f"a count of an event is {number}; {limit}")
    return int(value)


def _read_whole(value: Any, depth: int) -> int:
    if type(value) is not int:
        raise PlanError(f"an event counts {value!r:.60}; counts are whole numbers of at least 0")
    return _write_whole(value, depth)


def _write_reals(values: Any, depth: int) -> list[str]:
    return [_write_real(value, depth) for value in _few(values)]


def _read_reals(values: Any, depth: int) -> list[float]:
    return [_read_real(value, depth) for value in _list(values)]


def _write_counts(values: Any, depth: int) -> int | list[int]:
    if isinstance(values, int):
        return _write_whole(values, depth)
    return [_write_whole(value, depth) for value in _few(values)]


def _read_counts(values: Any, depth: int) -> int | list[int]:
    if isinstance(values, int):
        return _read_whole(values, depth)
    return [_read_whole(value, depth) for value in _list(values)]


def _write_event(event: Any, depth: int) -> dict[str, Any]:
    return event_to_plain(event, depth + 1)


def _read_event(plain: Any, depth: int) -> DpEvent:
    return event_from_plain(plain, depth + 1)


def _write_events(events: Any, depth: int) -> list[dict[str, Any]]:
    return [_write_event(event, depth) for event in _few(events)]


def _read_events(events: Any, depth: int) -> list[DpEvent]:
    return [_read_event(event, depth) for event in _list(events)]


def _list(values: Any) -> list[Any]:
    if not isinstance(values, list):
        raise PlanError(f"a part of an event is a {type(values).__name__}; it is a list")
    return _few(values)


def _few(values: Any) -> list[Any]:
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise PlanError(f"a part of an event is {shown(values)}; give a list")
    parts: list[Any] = list(values)
    if len(parts) > _MOST_EVENTS:
        raise PlanError(f"an event lists {len(parts):,} parts; at most {_MOST_EVENTS:,} fit")
    return parts


_REAL: Final[Field] = (_write_real, _read_real)
_REALS: Final[Field] = (_write_reals, _read_reals)
_WHOLE: Final[Field] = (_write_whole, _read_whole)
_EVENT: Final[Field] = (_write_event, _read_event)
