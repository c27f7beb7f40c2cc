"""Planned and measured errors of encrypted computations, at worst and on the average."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial import Chebyshev, chebyshev, polynomial

from benchmarks.record import Record
from benchmarks.suite import Options, Suite
from benchmarks.tables import Table, seconds
from confide import he

__all__ = ["PLANS"]

_RUNS = 20
_PRECISION = 1e-3
_SIGN = [0, 35 / 16, 0, -35 / 16, 0, 21 / 16, 0, -5 / 16]
"""A step towards the sign (Cheon et al. 2020, ePrint 2019/1234, f_3)."""

_WEIGHTS = np.random.default_rng(0)
_SQUARE = _WEIGHTS.uniform(-1, 1, (64, 64)) / 8
_FIRST, _LAST = _WEIGHTS.normal(0, 1 / 28, (100, 784)), _WEIGHTS.normal(0, 0.1, (10, 100))


@dataclass(frozen=True)
class _Case:
    encrypted: Callable[..., Any]
    clear: Callable[..., Any]
    inputs: Mapping[str, he.Input]


def _vector(length: int, bound: float = 1.0) -> he.Input:
    return he.Input(shape=(length,), bound=bound)


def _sigmoid(degree: int) -> _Case:
    series = Chebyshev.interpolate(lambda t: 1 / (1 + np.exp(-t)), degree, [-8, 8])
    return _Case(
        lambda x: x.chebyshev(series.coef, -8, 8),
        lambda x: chebyshev.chebval(x / 8, series.coef),
        {"x": _vector(1000, 8.0)},
    )


def _variance(x: Any) -> Any:
    away = x - x.mean()
    return (away * away).mean()


def _signs(x: Any) -> Any:
    return x.polynomial(_SIGN).polynomial(_SIGN)


def _network(x: Any) -> Any:
    hidden = _FIRST @ x
    return _LAST @ (hidden * hidden)


CASES: Mapping[str, _Case] = {
    "square": _Case(lambda x: x * x, lambda x: x * x, {"x": _vector(1000)}),
    "power 8": _Case(lambda x: x**8, lambda x: x**8, {"x": _vector(1000)}),
    "inner product": _Case(
        lambda x, y: x @ y, lambda x, y: x @ y, {"x": _vector(1000), "y": _vector(1000)}
    ),
    "variance": _Case(_variance, lambda x: x.var(), {"x": _vector(1000)}),
    "matrix": _Case(lambda x: _SQUARE @ x, lambda x: _SQUARE @ x, {"x": _vector(64)}),
    "three matrices": _Case(
        lambda x: _SQUARE @ (_SQUARE @ (_SQUARE @ x)),
        lambda x: _SQUARE @ (_SQUARE @ (_SQUARE @ x)),
        {"x": _vector(64)},
    ),
    "image network": _Case(_network, _network, {"x": _vector(784)}),
    "sigmoid, degree 7": _sigmoid(7),
    "sigmoid, degree 31": _sigmoid(31),
    "sigmoid, degree 63": _sigmoid(63),
    "sigmoid, degree 119": _sigmoid(119),
    "sign, two steps": _Case(
        _signs,
        lambda x: polynomial.polyval(polynomial.polyval(x, _SIGN), _SIGN),
        {"x": _vector(1000)},
    ),
}


def _run(options: Options) -> Iterator[Record]:
    for name, case in CASES.items():
        for subject in ("at worst", "on the average"):
            if options.only in name:
                runs = 3 if options.quick else _RUNS
                yield Record(
                    suite="plans",
                    case=name,
                    subject=subject,
                    params={"precision": _PRECISION, "runs": runs},
                    measured=_measured(case, runs, average=subject != "at worst"),
                )


def _measured(case: _Case, runs: int, *, average: bool) -> dict[str, Any]:
    began = time.process_time()
    plan = he.plan(case.encrypted, case.inputs, precision=_PRECISION, average=average)
    planning = time.process_time() - began
    secret = he.SecretKey(he.Context(plan.parameters))
    keys, public, worst = plan.evaluation_keys(secret), secret.public_key(), 0.0
    for run in range(runs):
        numbers = np.random.default_rng(run)
        given = {n: numbers.uniform(-i.bound, i.bound, i.shape) for n, i in plan.inputs.items()}
        found = he.decrypt_private(secret, plan.run(keys, **plan.encrypt(public, **given)))
        worst = max(worst, float(np.abs(found - case.clear(**given)).max()))
    literal = plan.parameters.literal
    return {
        "degree": literal.degree,
        "level_bits": literal.level_bits,
        "depth": literal.depth,
        "width": literal.width,
        "planned_error": plan.error,
        "measured_error": worst,
        "key_bytes": plan.key_bytes,
        "planned_s": plan.seconds,
        "planning_s": round(planning, 3),
    }


def _tables(records: Sequence[Record]) -> Sequence[Table]:
    rows = []
    for record in records:
        m = record.measured
        over = np.log2(m["planned_error"] / m["measured_error"])
        rows.append(
            [
                record.case,
                record.subject,
                f"{m['degree']:,}",
                f"{m['depth']} x {m['level_bits']}",
                f"{m['width']}",
                f"{m['planned_error']:.1e}",
                f"{m['measured_error']:.1e}",
                f"2^{over:.1f}",
                f"{m['key_bytes'] / 2**20:.0f}",
                seconds(m["planning_s"]),
            ]
        )
    columns = (
        "computation", "error", "N", "levels x bits", "digit", "planned", "measured",
        "planned / measured", "keys, MiB", "planning",
    )  # fmt: skip
    return [Table(title="Errors, planned and measured", columns=columns, rows=rows)]


PLANS = Suite(
    name="plans",
    title="Plans of encrypted work: errors planned and measured",
    peers=(),
    run=_run,
    tables=_tables,
)
