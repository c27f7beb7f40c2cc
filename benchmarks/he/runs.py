"""Runs the cases: every subject in turn, repeat by repeat, so that all see the same machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version

from benchmarks import machine, peers
from benchmarks.he.limit import floor_seconds, work_of
from benchmarks.he.subjects import (
    HOISTED,
    Operations,
    confide_error,
    confide_matrix,
    confide_primitives,
    literal,
    seal_error,
    seal_matrix,
    seal_primitives,
)
from benchmarks.he.sums import CASE, run_sums
from benchmarks.record import Record, medians
from benchmarks.suite import Options
from confide.he import Context

__all__ = ["run"]

_SIZES = ((16384, 8), (32768, 16))
_REPEATS = 11
_COUNTED = ("multiply and relinearise", "rotate")


def run(options: Options) -> Iterator[Record]:
    """Measures primitives at both sizes, the matrix product, and a sum under shared keys."""
    for degree, primes in _SIZES[: 1 if options.quick else None]:
        case = f"primitives-{degree}"
        if options.only in case:
            yield from _primitives(options, case, degree, primes)
    if options.only in "matrix-512":
        subjects = {
            "confide": confide_matrix,
            "confide, 2 threads": lambda: confide_matrix(threads=2),
            "confide, portable": lambda: confide_matrix(instructions="portable"),
            "seal": seal_matrix,
        }
        yield from _measured(options, "matrix-512", subjects, {"degree": 8192, "primes": 3})
    if options.only in CASE:
        yield from run_sums(options)


def _primitives(options: Options, case: str, degree: int, primes: int) -> Iterator[Record]:
    fastest = Context(literal(degree, primes).checked()).ring.path
    subjects: dict[str, Callable[[], Operations]] = {
        "confide": lambda: confide_primitives(degree, primes),
        "confide, 2 threads": lambda: confide_primitives(degree, primes, threads=2),
        "seal": lambda: seal_primitives(degree, primes),
    }
    for path in {"avx512": ("avx2", "portable"), "avx2": ("portable",)}.get(fastest, ()):
        subjects[f"confide, {path}"] = partial(
            confide_primitives,
            degree,
            primes,
            instructions=path,
            hoisted=path != "portable",
        )
    params = {"degree": degree, "primes": primes, "instructions": fastest}
    for record in _measured(options, case, subjects, params):
        if record.subject == "confide":
            floors = {
                f"floor of {name}_s": floor_seconds(work_of(literal(degree, primes), name), fastest)
                for name in _COUNTED
            }
            error = {"fresh error": confide_error(degree, primes)}
            yield Record(**{**vars(record), "measured": {**record.measured, **floors, **error}})
        elif record.subject == "seal":
            error = {"fresh error": seal_error(degree, primes)}
            yield Record(**{**vars(record), "measured": {**record.measured, **error}})
        else:
            yield record
    for peer in options.peers:
        options.report(f"{case}, {peer}")
        repeats = options.repeats or (1 if options.quick else _REPEATS)
        answer = peers.run(
            peer,
            f"{peer}_he.py",
            {"degree": degree, "primes": primes, "repeats": repeats},
        )
        yield Record(
            suite="he",
            case=case,
            subject=peer,
            params={**params, "repeats": repeats},
            measured=answer["measured"],
            versions=answer["versions"],
        )


def _measured(
    options: Options,
    case: str,
    subjects: dict[str, Callable[[], Operations]],
    params: dict[str, object],
) -> Iterator[Record]:
    repeats = options.repeats or (1 if options.quick else _REPEATS)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in subjects}
    ready = {}
    for name, make in subjects.items():
        options.report(f"{case}, keys of {name}")
        ready[name] = make()
        _once(ready[name], time.perf_counter)
    for repeat in range(repeats):
        options.report(f"{case}, {repeat + 1} of {repeats}")
        for name, operations in ready.items():
            runs[name].append(_once(operations, _clock(name)))
    for name in subjects:
        yield Record(
            suite="he",
            case=case,
            subject=name,
            params={**params, "repeats": repeats},
            measured=medians(runs[name]),
            versions={**machine.versions(), "tenseal": version("tenseal")},
        )


def _clock(subject: str) -> Callable[[], float]:
    """Processor seconds of what has one thread: others on the machine count less. Else the wall."""
    return time.perf_counter if "threads" in subject else time.process_time


def _once(operations: Operations, clock: Callable[[], float]) -> dict[str, float]:
    """Each operation twice, the better counts: the first one fetches what others displaced."""
    found = {}
    for name, operation in operations.items():
        seconds = min(_timed(operation, clock) for _ in range(2))
        found[f"{name}_s"] = seconds / (HOISTED if name.endswith("hoisted") else 1)
    return found


def _timed(operation: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    operation()
    return clock() - start
