"""The algorithms as entry points: computations made from the settings in a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confide.computation import Computation
from confide.learning.algorithms.clipping import AdaptiveClip
from confide.learning.algorithms.fed_avg import fed_avg
from confide.learning.algorithms.fed_sgd import fed_sgd
from confide.learning.algorithms.newton import fed_newton
from confide.learning.algorithms.score_histogram import score_histogram
from confide.learning.settings import ModelSettings, TableSettings
from confide.plan.literals import Literal

__all__ = [
    "fed_avg_from_settings",
    "fed_newton_from_settings",
    "fed_sgd_from_settings",
    "score_histogram_from_settings",
]


class _FedAvgSettings(Literal):
    model: ModelSettings
    table: TableSettings
    weight_cap: int
    clip_norm_l2: float | AdaptiveClip
    local_steps: int = 10
    batch_rows: int | None = None
    learning_rate: float = 0.5
    server_learning_rate: float = 1.0


class _FedSgdSettings(Literal):
    model: ModelSettings
    table: TableSettings
    capacity: int
    clip_norm_l2: float
    learning_rate: float = 0.5
    expected_units: float | None = None
    rows_found: bool = False
    person_column: str | None = None


class _FedNewtonSettings(Literal):
    model: ModelSettings
    table: TableSettings
    capacity: int
    l1: float = 0.0
    input_bound: float = 10.0


class _ScoreHistogramSettings(Literal):
    model: ModelSettings
    table: TableSettings
    parameters: list[float]
    capacity: int
    bins: int = 40


def fed_avg_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'fed-avg'."""
    read = _FedAvgSettings.read(settings, "task fed-avg")
    # A nested literal is a value already: dumping it would make a map of it.
    numbers = _numbers(read) | {"clip_norm_l2": read.clip_norm_l2}
    return fed_avg(*_model_and_table(read), **numbers)


def fed_sgd_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'fed-sgd'."""
    read = _FedSgdSettings.read(settings, "task fed-sgd")
    return fed_sgd(*_model_and_table(read), **_numbers(read))


def fed_newton_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'fed-newton'."""
    read = _FedNewtonSettings.read(settings, "task fed-newton")
    return fed_newton(*_model_and_table(read), **_numbers(read))


def score_histogram_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'score-histogram'."""
    read = _ScoreHistogramSettings.read(settings, "task score-histogram")
    return score_histogram(*_model_and_table(read), **_numbers(read))


_Settings = _FedAvgSettings | _FedNewtonSettings | _FedSgdSettings | _ScoreHistogramSettings


def _model_and_table(read: _Settings) -> tuple[Any, Any]:
    table = read.table.table()
    return read.model.model(len(table.names)), table


def _numbers(read: _Settings) -> dict[str, Any]:
    return read.model_dump(exclude={"model", "table"})
