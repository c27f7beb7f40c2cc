"""The algorithms as entry points: computations made from the settings in a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confide.computation import Computation
from confide.learning.algorithms.fed_avg import fed_avg
from confide.learning.algorithms.fed_sgd import fed_sgd
from confide.learning.settings import ModelSettings, TableSettings
from confide.plan.literals import Literal

__all__ = ["fed_avg_from_settings", "fed_sgd_from_settings"]


class _FedAvgSettings(Literal):
    model: ModelSettings
    table: TableSettings
    weight_cap: int
    clip_norm_l2: float
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


def fed_avg_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'fed-avg'."""
    read = _FedAvgSettings.read(settings, "task fed-avg")
    return fed_avg(*_model_and_table(read), **_numbers(read))


def fed_sgd_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'fed-sgd'."""
    read = _FedSgdSettings.read(settings, "task fed-sgd")
    return fed_sgd(*_model_and_table(read), **_numbers(read))


def _model_and_table(read: _FedAvgSettings | _FedSgdSettings) -> tuple[Any, Any]:
    table = read.table.table()
    return read.model.model(len(table.features)), table


def _numbers(read: _FedAvgSettings | _FedSgdSettings) -> dict[str, Any]:
    return read.model_dump(exclude={"model", "table"})
