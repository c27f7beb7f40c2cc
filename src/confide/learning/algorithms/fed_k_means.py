"""k-means by sums: each round is one of Lloyd's steps on everybody's rows.

A row adds 1 and its coordinates in the cells of its nearest centre. Starts are public: they spread
over points that are nobody's. Without noise several starts are carried along together, and the one
with the least sum of squared distances is kept. With noise there is one start and few rounds, which
is DPLloyd of D. Su et al., "Differentially Private K-Means Clustering", CODASPY 2016, §3.1, with
Gaussian noise and a bound of a row's norm in place of a box.
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
from confide.learning.models.k_means import lloyd_step, nearest_centres, public_start
from confide.plan import SumGroup, Task
from confide.plan.literals import Literal
from confide.randomness import public_generator
from confide.tables import Schema
from confide.tables.grid import PILOTS, noise_level
from confide.tables.written import SchemaSettings, schema_settings

__all__ = ["KMeansSettings", "fed_k_means", "fed_k_means_from_settings", "for_noise"]

Reals = NDArray[np.float64]

_SURE: Final = 5.0
"""A cluster of fewer rows than so many standard deviations of the noise keeps its centre."""


class KMeansSettings(Literal):
    """How clusters are found; all in the plan, so public.

    Attributes:
        clusters: k.
        starts: How many starts are carried along; with noise, each takes its share of it.
        seed: Of the public starts.
        input_bound: Inputs are cut to this magnitude.
        clip_norm_l2: Bound on one row's 1 and x / input_bound, for plans with noise; left out for
            exact sums.
        rounds: Lloyd's steps; by default 20, and 5 with noise.
    """

    clusters: int = 8
    starts: int = 8
    seed: int = 0
    input_bound: float = 10.0
    clip_norm_l2: float | None = None
    rounds: int | None = None


def for_noise(how: KMeansSettings, inputs: int) -> KMeansSettings:
    """The settings for plans with noise, where none are given.

    A row of standardised numbers has ‖x‖² = inputs on average; one twice as long is cut.
    """
    if how.clip_norm_l2 is not None:
        return how
    bound = min(how.input_bound, 3.0)
    clip = math.sqrt(1 + 2 * inputs / bound**2)
    return how.model_copy(update={"input_bound": bound, "clip_norm_l2": clip, "starts": 1})


def fed_k_means(
    schema: Schema, *, capacity: int, settings: KMeansSettings | None = None
) -> Computation:
    """Makes k-means of a table.

    Args:
        schema: The table; its label, if it has one, is not read.
        capacity: The most rows that a party counts; public, never the number of its rows.
        settings: How clusters are found.

    Returns:
        A computation over records, one of Lloyd's steps a round. Its state has `centres`, shape
        `(starts, k, inputs)`, `inertia`, each start's sum of squared distances before the step, and
        `middle`, the mean of all rows.

    Raises:
        PlanError: If a setting is out of range.
    """
    how, numbers = settings or KMeansSettings(), np.array(schema.are_numbers)
    inputs = len(numbers)
    if not (1 <= how.clusters <= 1000 and 1 <= how.starts <= 100 and how.input_bound > 0):
        raise PlanError(
            f"k-means of {how.clusters} clusters, {how.starts} starts and input_bound "
            f"{how.input_bound:g}; 1 to 1,000 clusters, 1 to 100 starts, and a positive bound"
        )
    exact = how.clip_norm_l2 is None
    terms, farthest = inputs + 2, 4.0 * inputs * how.input_bound**2
    size = how.starts * how.clusters * terms
    clip = None if exact else how.clip_norm_l2 * math.sqrt(how.starts)  # type: ignore[operator]
    lloyd = PlacedSums(
        name="clusters", shape=(size + PILOTS,), capacity=capacity, clip_norm_l2=clip,
        meaning="rows of each cluster, and their coordinates added up",
    )  # fmt: skip

    def contribute(state: State, data: Data, _: np.random.Generator) -> Mapping[str, Any]:
        x = np.clip(schema.inputs(data, state), -how.input_bound, how.input_bound)
        places, values = [], []
        for start, centres in enumerate(state["centres"]):
            nearest, distance = nearest_centres(x, centres)
            # The best of several starts needs their distances; one start needs none.
            far = np.minimum(distance / farthest, 1.0) * (how.starts > 1)
            cell = (start * how.clusters + nearest)[:, np.newaxis] * terms
            places.append(cell + np.arange(terms))
            values.append(np.column_stack([np.ones(len(x)), x / how.input_bound, far]))
        return lloyd.contribution(np.hstack(places), np.hstack(values))

    def update(state: State, totals: Totals) -> State:
        released = lloyd.total(totals)
        least = 0.5 if exact else max(0.5, _SURE * noise_level(released[size:]))
        sums = released[:size].reshape(how.starts, how.clusters, terms)
        moved = [
            lloyd_step(centres, own[:, 0], own[:, 1:-1] * how.input_bound, least=least)
            for centres, own in zip(state["centres"], sums, strict=True)
        ]
        bounded = np.clip(moved, -how.input_bound, how.input_bound)
        # Each start counts all rows once.
        counted = np.maximum(sums[0, :, :-1].sum(axis=0), [1.0, *[-np.inf] * inputs])
        middle = np.clip(counted[1:] / counted[0], -1, 1) * how.input_bound
        inertia = sums[:, :, -1].sum(axis=1) * farthest
        return {**state, "centres": bounded, "inertia": inertia, "middle": middle}

    def start() -> State:
        rng = public_generator("k-means", how.seed)
        centres = [public_start(how.clusters, numbers, rng) for _ in range(how.starts)]
        return {
            "centres": np.array(centres),
            "inertia": np.zeros(how.starts),
            "middle": np.zeros(inputs),
        }

    return Computation(
        task=Task.of(
            "fed-k-means",
            table=schema_settings(schema),
            k_means=how.model_dump(mode="json"),
            capacity=capacity,
        ),
        sums=SumGroup(lloyd.sums),
        columns=schema.columns,
        read=schema.read,
        init=start,
        contribute=contribute,
        update=update,
    )


class _Settings(Literal):
    table: SchemaSettings
    k_means: KMeansSettings = KMeansSettings()
    capacity: int


def fed_k_means_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'fed-k-means'."""
    read = _Settings.read(settings, "task fed-k-means")
    return fed_k_means(read.table.table(), capacity=read.capacity, settings=read.k_means)
