"""Principal components by one round of sums: the rows, and their products, added up.

With noise each row is scaled down to ‖x‖ ≤ `row_norm` and the products' sum has Gaussian noise,
which is "Analyze Gauss" (Dwork, Talwar, Thakurta and Zhang, STOC 2014, Algorithm 1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from confide.computation import Computation, Data, State, Totals
from confide.errors import PlanError
from confide.learning.algorithms.placed_sums import PlacedSums
from confide.learning.models.pca import components_of_sums, products_of_all, row_products
from confide.plan import SumGroup, Task
from confide.plan.literals import Literal
from confide.tables import Schema
from confide.tables.written import SchemaSettings, schema_settings

__all__ = ["PCASettings", "fed_pca", "fed_pca_from_settings", "for_noise"]

Reals = NDArray[np.float64]

MOST_INPUTS, MOST_WITH_NOISE = 1_000, 100
"""Products of more inputs take too much memory: with noise each row has its own."""


class PCASettings(Literal):
    """How components are found; all in the plan, so public.

    Attributes:
        components: k.
        row_norm: A row's inputs are scaled down to this norm, for plans with noise; left out for
            exact sums.
    """

    components: int = 2
    row_norm: float | None = None


def for_noise(how: PCASettings, inputs: int) -> PCASettings:
    """The settings for plans with noise, where none are given.

    A row of standardised numbers has ‖x‖² = inputs on average; one 1.5 times as long is cut.
    """
    if how.row_norm is not None:
        return how
    return how.model_copy(update={"row_norm": math.sqrt(1.5 * inputs)})


def fed_pca(schema: Schema, *, capacity: int, settings: PCASettings | None = None) -> Computation:
    """Makes principal component analysis of a table.

    Args:
        schema: The table; its label, if it has one, is not read.
        capacity: The most rows that a party counts; public, never the number of its rows.
        settings: How components are found.

    Returns:
        A computation of one round over records. Its state has `component_mean`, `components`,
        `component_variance` and `whole_variance`.

    Raises:
        PlanError: If there are more components than inputs, or too many inputs.
    """
    how, inputs = settings or PCASettings(), len(schema.names)
    most = MOST_INPUTS if how.row_norm is None else MOST_WITH_NOISE
    if not 1 <= how.components <= inputs <= most:
        raise PlanError(
            f"{how.components} components of {inputs:,} inputs; from 1 to as many as there are "
            f"inputs, of which PCA takes {most:,}: choose fewer columns with features=[…]"
        )
    largest = 10.0 if how.row_norm is None else how.row_norm
    terms = 1 + inputs + inputs * (inputs + 1) // 2
    products = PlacedSums(
        name="products", shape=(terms,), capacity=capacity,
        clip_norm_l2=None if how.row_norm is None else math.sqrt(3),
        meaning="the rows' inputs and their products added up",
    )  # fmt: skip
    scales = np.concatenate([[1.0], np.full(inputs, largest), np.full(terms - inputs - 1, 1.0)])
    # Off the diagonal products count √2 times, so that a row's are as long as ‖x‖².
    scales[inputs + 1 :] = largest**2 * (math.sqrt(2) if how.row_norm is None else 1.0)

    def contribute(state: State, data: Data, _: np.random.Generator) -> Mapping[str, Any]:
        x = schema.inputs(data, state)
        if how.row_norm is None:
            return products.of_all(products_of_all(np.clip(x, -largest, largest)) / scales, len(x))
        norm = np.linalg.norm(x, axis=1, keepdims=True)
        x = x * np.minimum(1.0, how.row_norm / np.maximum(norm, 1e-300))
        places = np.broadcast_to(np.arange(terms), (len(x), terms))
        return products.contribution(places, row_products(x) / scales)

    def update(state: State, totals: Totals) -> State:
        found = components_of_sums(products.total(totals) * scales, inputs, how.components)
        return {
            **state,
            "component_mean": found.mean,
            "components": found.directions,
            "component_variance": found.variance,
            "whole_variance": np.array(found.total),
        }

    return Computation(
        task=Task.of(
            "fed-pca",
            table=schema_settings(schema),
            pca=how.model_dump(mode="json"),
            capacity=capacity,
        ),
        sums=SumGroup(products.sums),
        columns=schema.columns,
        read=schema.read,
        init=dict,
        contribute=contribute,
        update=update,
    )


class _Settings(Literal):
    table: SchemaSettings
    pca: PCASettings = PCASettings()
    capacity: int


def fed_pca_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'fed-pca'."""
    read = _Settings.read(settings, "task fed-pca")
    return fed_pca(read.table.table(), capacity=read.capacity, settings=read.pca)
