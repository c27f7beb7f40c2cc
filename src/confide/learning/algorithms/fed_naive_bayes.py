"""Naive Bayes by one round of sums: counts, means and squares of each class.

A row adds 1, its inputs and their squares in the cells of its class. Without noise the classes are
those of the pooled rows; with it each row's terms are scaled down to a bound in L2 first (J. Vaidya
et al., "Differentially Private Naive Bayes Classification", WI 2013, adds noise to the same
counts and moments).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.computation import Computation, Data, State, Totals
from confide.errors import PlanError
from confide.learning.algorithms.placed_sums import PlacedSums
from confide.learning.models.naive_bayes import classes_of_sums, row_moments
from confide.plan import SumGroup, Task
from confide.plan.literals import Literal
from confide.tables import Label, Schema
from confide.tables.grid import PILOTS, noise_level
from confide.tables.written import SchemaSettings, schema_settings

__all__ = [
    "NaiveBayesSettings",
    "fed_naive_bayes",
    "fed_naive_bayes_from_settings",
]

Reals = NDArray[np.float64]


class NaiveBayesSettings(Literal):
    """How naive Bayes is fitted; all in the plan, so public.

    Attributes:
        input_bound: Inputs are cut to this magnitude. A schema cuts its own to 10.
        clip_norm_l2: Bound on one row's 1, x / input_bound and (x / input_bound)², for plans with
            noise; left out for exact sums.
    """

    input_bound: float = 10.0
    clip_norm_l2: float | None = None


NOISY_INPUTS: Final = 3.0
"""With noise inputs are cut here: most standardised numbers are within it."""


def for_noise(how: NaiveBayesSettings, inputs: int) -> NaiveBayesSettings:
    """The settings for plans with noise, where none are given.

    A standardised number has E x² = 1 and, if normal, E x⁴ = 3. A row twice as long as that is cut.
    """
    if how.clip_norm_l2 is not None:
        return how
    bound = min(how.input_bound, NOISY_INPUTS)
    usual = 1 + inputs * (1 / bound**2 + 3 / bound**4)
    clip = math.sqrt(min(2 * usual, 1 + 2 * inputs))
    return how.model_copy(update={"input_bound": bound, "clip_norm_l2": clip})


def fed_naive_bayes(
    schema: Schema, *, capacity: int, settings: NaiveBayesSettings | None = None
) -> Computation:
    """Makes naive Bayes of a table.

    Args:
        schema: The table; its label has classes. Numbers and dates are normal inputs, the others
            are yes or no.
        capacity: The most rows that a party counts; public, never the number of its rows.
        settings: How it is fitted.

    Returns:
        A computation of one round over records. Its state has `class_prior`, `class_mean` and
        `class_variance`.

    Raises:
        PlanError: If the label has no classes, or a setting is out of range.
    """
    how, numbers = settings or NaiveBayesSettings(), np.array(schema.are_numbers)
    if not isinstance(schema.target, Label):
        raise PlanError("naive Bayes of a label without classes; declare a Label")
    if not how.input_bound > 0:
        raise PlanError(f"input_bound is {how.input_bound}; it is positive")
    classes, terms = len(schema.target.classes), 1 + 2 * len(numbers)
    size = classes * terms
    moments = PlacedSums(
        name="moments", shape=(size + PILOTS,), capacity=capacity, clip_norm_l2=how.clip_norm_l2,
        meaning="rows of each class, and their inputs and squares added up",
    )  # fmt: skip
    scales = np.concatenate([[1.0], np.full(len(numbers), how.input_bound)])
    scales = np.concatenate([scales, scales[1:] ** 2])

    def contribute(state: State, data: Data, _: np.random.Generator) -> Mapping[str, Any]:
        x = np.clip(schema.inputs(data, state), -how.input_bound, how.input_bound)
        places = schema.targets(data, state).astype(np.intp)[:, np.newaxis] * terms
        return moments.contribution(places + np.arange(terms), row_moments(x) / scales)

    def update(state: State, totals: Totals) -> State:
        released = moments.total(totals)
        noise = noise_level(released[size:]) * how.input_bound**2
        sums = released[:size].reshape(classes, terms) * scales
        # A variance below what the noise moves it by is not known.
        least = noise / max(float(sums[:, 0].mean()), 1.0)
        found = classes_of_sums(sums, numbers, least_variance=least)
        return {
            **state,
            "class_prior": found.prior,
            "class_mean": found.mean,
            "class_variance": found.variance,
        }

    return Computation(
        task=Task.of(
            "fed-naive-bayes",
            table=schema_settings(schema),
            naive_bayes=how.model_dump(mode="json"),
            capacity=capacity,
        ),
        sums=SumGroup(moments.sums),
        columns=schema.columns,
        read=schema.read,
        init=dict,
        contribute=contribute,
        update=update,
    )


class _Settings(Literal):
    table: SchemaSettings
    naive_bayes: NaiveBayesSettings = NaiveBayesSettings()
    capacity: int


def fed_naive_bayes_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'fed-naive-bayes'."""
    read = _Settings.read(settings, "task fed-naive-bayes")
    return fed_naive_bayes(read.table.table(), capacity=read.capacity, settings=read.naive_bayes)
