"""The algorithms as entry points: computations made from the settings in a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confide.computation import Computation
from confide.learning.algorithms.ditto import ditto_from_settings
from confide.learning.algorithms.fed_avg import fed_avg_from_settings
from confide.learning.algorithms.fed_nova import fed_nova_from_settings
from confide.learning.algorithms.fed_opt import fed_opt_from_settings
from confide.learning.algorithms.fed_prox import fed_prox_from_settings
from confide.learning.algorithms.fed_sgd import fed_sgd
from confide.learning.algorithms.ifca import ifca_from_settings
from confide.learning.algorithms.newton import fed_newton
from confide.learning.algorithms.parameter_averaging import parameter_averaging_from_settings
from confide.learning.algorithms.personal_layers import (
    fed_bn_from_settings,
    fed_per_from_settings,
    fed_rep_from_settings,
)
from confide.learning.algorithms.scaffold import scaffold_from_settings
from confide.learning.algorithms.score_histogram import score_histogram
from confide.learning.settings import ModelSettings, TableSettings
from confide.plan.literals import Literal

__all__ = [
    "ditto_from_settings",
    "fed_avg_from_settings",
    "fed_bn_from_settings",
    "fed_newton_from_settings",
    "fed_nova_from_settings",
    "fed_opt_from_settings",
    "fed_per_from_settings",
    "fed_prox_from_settings",
    "fed_rep_from_settings",
    "fed_sgd_from_settings",
    "ifca_from_settings",
    "parameter_averaging_from_settings",
    "scaffold_from_settings",
    "score_histogram_from_settings",
]


class _FedSgdSettings(Literal):
    model: ModelSettings
    table: TableSettings
    capacity: int
    clip_norm_l2: float
    learning_rate: float = 0.5
    expected_units: float | None = None
    rows_found: bool = False
    averaged: bool = False
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


_Settings = _FedNewtonSettings | _FedSgdSettings | _ScoreHistogramSettings


def _model_and_table(read: _Settings) -> tuple[Any, Any]:
    table = read.table.table()
    return read.model.model(len(table.names)), table


def _numbers(read: _Settings) -> dict[str, Any]:
    return read.model_dump(exclude={"model", "table"})
