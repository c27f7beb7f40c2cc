"""Gradient-boosted trees by sums of histograms: each round grows one level of one tree.

A row counts its loss's first and second derivative once for each column, in the bin of its value
and the node it has reached. The sums of all parties' histograms are what one table of all rows
would have, so everybody grows the same level from them, and nobody sees another's histogram. A tree
of depth d takes d rounds. Where the plan adds noise the histograms have it; which splits are chosen
follows from them and costs nothing more.

References:
    T. Chen and C. Guestrin, "XGBoost: A Scalable Tree Boosting System", KDD 2016.
    S. Maddock et al., "Federated Boosted Decision Trees with Differential Privacy", CCS 2022, §4
    (histograms of derivatives with noise, equal shares of the budget for each level).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.aggregation import Placed
from confide.computation import Computation, Data, State, Totals
from confide.errors import PlanError
from confide.learning.models.families import Bernoulli, Categorical, Family, Gaussian
from confide.learning.models.trees import Forest, Growth, best_split
from confide.plan import Norm, Sum, SumGroup, Task
from confide.plan.codec import nearest
from confide.plan.literals import Literal
from confide.tables import Boolean, Category, Label, Scale, Schema
from confide.tables.grid import PILOTS, noise_level
from confide.tables.written import SchemaSettings, schema_settings

__all__ = [
    "TreeSettings",
    "binned",
    "cells_of",
    "family_of",
    "fed_trees",
    "fed_trees_from_settings",
    "for_noise",
    "for_trees",
    "forest_of",
]

Reals = NDArray[np.float64]
Bins = NDArray[np.intp]

MOST_DEVIATION: Final = 4.0
"""A regression's residual counts up to so many standard deviations of the label."""


class TreeSettings(Literal):
    """How trees are grown; all in the plan, so public.

    Attributes:
        trees: How many.
        depth: Levels of each.
        bins: Bins of a column of numbers, equally full as the found quantiles say.
        learning_rate: What a tree's values are multiplied with.
        l2: λ of a leaf's weight.
        min_child: The least sum of second derivatives on a side of a split.
        min_gain: The least gain of a split.
        monotone: 1 or -1 for columns that the prediction must not fall or rise with.
        patience: Growing stops after so many trees that do not lower the loss of the rows kept
            aside; 0 for never.
        kept_aside: The share of rows that are kept aside for `patience`.
    """

    trees: int = 30
    depth: int = 3
    bins: int = 32
    learning_rate: float = 0.3
    l2: float = 1.0
    min_child: float = 1.0
    min_gain: float = 0.0
    monotone: dict[str, int] = {}  # noqa: RUF012 - pydantic copies it
    patience: int = 0
    kept_aside: float = 0.1


FOR_NOISE: Final[Mapping[str, Any]] = {
    "trees": 30, "depth": 2, "bins": 16, "learning_rate": 0.3
}  # fmt: skip
"""Where a plan has noise and none is given: each round and each cell has its share of it."""


def for_noise(how: TreeSettings) -> TreeSettings:
    """The settings for plans with noise: what is not given is smaller."""
    given = how.model_fields_set
    return how.model_copy(update={k: v for k, v in FOR_NOISE.items() if k not in given})


def for_trees(schema: Schema) -> Schema:
    """A schema whose numbers are found by their quantiles, as trees ask for them."""
    scaled = {
        name: column
        if isinstance(column, Boolean | Category)
        else replace(column, scale=Scale.QUANTILE)
        for name, column in schema.features.items()
    }
    return replace(schema, features=scaled)


def fed_trees(
    schema: Schema, *, capacity: int, settings: TreeSettings | None = None
) -> Computation:
    """Makes gradient-boosted trees of a table.

    Args:
        schema: The table; `for_trees(schema)` of the stage of summaries before, which finds the
            quantiles of its numbers.
        capacity: The most rows that a party counts; public, never the number of its rows.
        settings: How trees are grown.

    Returns:
        A computation of `settings.trees · settings.depth` rounds over records.

    Raises:
        PlanError: If a setting is out of range, or a column is not fit for trees.
    """
    how = settings or TreeSettings()
    _check(schema, how)
    family, bins = family_of(schema), cells_of(schema, how)
    outputs, columns = family.n_outputs, len(schema.features)
    shape = (outputs, 2 ** (how.depth - 1), columns, bins, 2)
    size = math.prod(shape)
    largest = 1 + 1 / 16  # |g| ≤ 1 and h ≤ 1/4 of each output, and a regression's by its scale
    histograms = Sum(
        name="histograms", shape=(size + PILOTS,), norm=Norm.L2, capacity=capacity,
        unit_bound=math.sqrt(columns * outputs * largest),
        meaning="derivatives of the loss of all rows, by column, bin and node",
        cells="nodes and bins of the trees",
    )  # fmt: skip
    lost = Sum(
        name="kept_aside", shape=(2,), norm=Norm.L2, capacity=capacity,
        unit_bound=math.hypot(1, _MOST_LOSS), meaning="loss and number of the rows kept aside",
    )  # fmt: skip
    growth = _growth(schema, how)

    def contribute(state: State, data: Data, _: np.random.Generator) -> Mapping[str, Any]:
        rows, forest = binned(schema, data, state, how), forest_of(state)
        tree, level = divmod(int(state["step"]), how.depth)
        y = family.encode(schema.targets(data, state))
        scores = forest.scores(rows, tree)
        aside = _aside(rows, how)
        g, h = _derivatives(family, scores, y)
        g[aside], h[aside] = 0, 0
        places = np.empty((len(rows), outputs, columns, 2), np.intp)
        for output in range(outputs):
            node = forest.position(rows, tree, output, level)[:, np.newaxis]
            start = ((output * shape[1] + node) * columns + np.arange(columns)) * bins + rows
            places[:, output] = start[..., np.newaxis] * 2 + np.arange(2)
        values = np.broadcast_to(np.stack([g, h], axis=-1)[:, :, np.newaxis], places.shape)
        flat = (len(rows), outputs * columns * 2)
        given: dict[str, Any] = {"histograms": Placed(places.reshape(flat), values.reshape(flat))}
        if how.patience:
            loss = np.minimum(family.half_deviance(scores, y), _MOST_LOSS)
            given["kept_aside"] = np.column_stack([loss, np.ones(len(rows))]) * aside[:, np.newaxis]
        return given

    def update(state: State, totals: Totals) -> State:
        sums = totals["histograms"]
        grown = replace(growth, noise=noise_level(sums[size:]))
        made = _grow(state, sums[:size].reshape(shape), grown, how)
        return _stop(made, state, totals.get("kept_aside"), how)

    return Computation(
        task=Task.of(
            "fed-trees",
            table=schema_settings(schema),
            trees=how.model_dump(mode="json"),
            capacity=capacity,
        ),
        sums=SumGroup((histograms, lost) if how.patience else (histograms,)),
        columns=schema.columns,
        read=schema.read,
        init=lambda: _start(how, outputs, bins),
        contribute=contribute,
        update=update,
    )


class _Settings(Literal):
    table: SchemaSettings
    trees: TreeSettings = TreeSettings()
    capacity: int


def fed_trees_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'fed-trees'."""
    read = _Settings.read(settings, "task fed-trees")
    return fed_trees(read.table.table(), capacity=read.capacity, settings=read.trees)


_MOST_LOSS: Final = 8.0
"""The loss of one row kept aside counts up to here."""


def binned(schema: Schema, rows: Mapping[str, Any], state: State, how: TreeSettings) -> Bins:
    """Each value's bin, shape `(rows, columns)`; the last bin is for missing values."""
    last = cells_of(schema, how) - 1
    found = np.empty(rows["values"].shape, np.intp)
    for place, (name, column) in enumerate(schema.features.items()):
        values, missing = rows["values"][:, place], rows["missing"][:, place]
        if isinstance(column, Category):
            bins = schema.places_of(name, values, state)
        elif isinstance(column, Boolean):
            bins = values.astype(np.intp)
        else:
            level = (schema.quantile_of(name, rows, state) + 1) / 2
            bins = np.minimum((level * how.bins).astype(np.intp), how.bins - 1)
        found[:, place] = np.where(missing, last, bins)
    return found


def forest_of(state: State) -> Forest:
    """The trees in a state."""
    return Forest(state["column"].astype(np.intp), state["left"].astype(np.bool_), state["value"])


def _start(how: TreeSettings, outputs: int, bins: int) -> State:
    forest = Forest.empty(how.trees, outputs, how.depth, bins)
    nodes = 2**how.depth - 1
    return {
        "column": forest.column.astype(np.int64),
        "left": forest.left,
        "value": forest.value,
        # The least and largest weight that monotone columns above a node allow.
        "bounds": np.tile([-_FAR, _FAR], (outputs, 2 * nodes + 1, 1)).astype(np.float64),
        "step": np.array(0),
        "trees": np.array(0),
        "best_loss": np.array(_FAR),
        "best_trees": np.array(0),
        "stopped": np.array(False),
    }


_FAR: Final = 1e9


def _grow(state: State, sums: Reals, growth: Growth, how: TreeSettings) -> State:
    """One more level of the tree that is being grown."""
    tree, level = divmod(int(state["step"]), how.depth)
    if bool(state["stopped"]):
        return {**state, "step": state["step"] + 1}
    column, left, value = state["column"].copy(), state["left"].copy(), state["value"].copy()
    bounds = np.array(_start(how, len(column[0]), left.shape[-1])["bounds"] if level == 0
                      else state["bounds"])  # fmt: skip
    for output in range(column.shape[1]):
        for place in range(2**level):
            node = 2**level - 1 + place
            g, h = sums[output, place, :, :, 0], sums[output, place, :, :, 1]
            limits = (float(bounds[output, node, 0]), float(bounds[output, node, 1]))
            split = best_split(g, h, growth, limits)
            # Each column's bins add up to the node: their mean has the least noise.
            whole = growth.weight(g.sum(axis=1).mean(), h.sum(axis=1).mean())
            weights = (float(np.clip(whole, *limits)), 0.0)
            children = (2 * node + 1, 2 * node + 2)
            bounds[output, children, :] = limits
            if split is not None:
                column[tree, output, node], left[tree, output, node] = split.column, split.left
                weights = split.weights
                middle, direction = sum(weights) / 2, growth.monotone[split.column]
                if direction:
                    lower, upper = children if direction > 0 else children[::-1]
                    bounds[output, lower, 1] = bounds[output, upper, 0] = middle
            if level == how.depth - 1:
                leaf = 2 * place
                value[tree, output, leaf : leaf + 2] = np.array(weights) * how.learning_rate
    done = tree + 1 if level == how.depth - 1 else tree
    return {
        **state, "column": column, "left": left, "value": value, "bounds": bounds,
        "step": state["step"] + 1, "trees": np.array(done),
    }  # fmt: skip


def _stop(made: State, state: State, kept: Reals | None, how: TreeSettings) -> State:
    """Stops, and takes back the trees since the best, if the rows kept aside gain no more."""
    tree, level = divmod(int(state["step"]), how.depth)
    if kept is None or level or bool(state["stopped"]) or kept[1] < 1:
        return made
    loss = float(kept[0] / kept[1])  # of the trees before this one
    if loss < float(state["best_loss"]):
        return {**made, "best_loss": np.array(loss), "best_trees": np.array(tree)}
    best = int(state["best_trees"])
    if tree - best < how.patience:
        return made
    value = made["value"].copy()
    value[best:] = 0
    return {**made, "value": value, "trees": np.array(best), "stopped": np.array(True)}


def _derivatives(family: Family, scores: Reals, y: Reals) -> tuple[Reals, Reals]:
    """Each row's first and second derivative by each score, |g| ≤ 1 and 0 ≤ h ≤ 1/4."""
    if isinstance(family, Gaussian):
        away = np.clip(scores - y, -MOST_DEVIATION, MOST_DEVIATION)
        return away / MOST_DEVIATION, np.full(away.shape, 1 / MOST_DEVIATION)
    mean = family.inverse_link(scores)
    return mean - y, mean * (1 - mean)


def _aside(rows: Bins, how: TreeSettings) -> NDArray[np.bool_]:
    """Which rows are kept aside: a hash of the row decides, the same in each round."""
    if not how.patience:
        return np.zeros(len(rows), np.bool_)
    drawn = np.array([zlib.crc32(row.tobytes()) for row in rows], np.float64)
    return drawn < how.kept_aside * 2**32


def family_of(schema: Schema) -> Family:
    """The distribution that trees of a table assume of its label."""
    if not isinstance(schema.target, Label):
        return Gaussian()
    classes = len(schema.target.classes)
    return Bernoulli() if classes == 2 else Categorical(n_classes=classes)


def cells_of(schema: Schema, how: TreeSettings) -> int:
    """Bins of a column in the histograms: the most that any needs, and one for missing values."""
    sizes = [c.size + 1 for c in schema.features.values() if isinstance(c, Category)]
    return max([how.bins, *sizes]) + 1


def _growth(schema: Schema, how: TreeSettings) -> Growth:
    # A regression's derivatives are scaled down to fit the bound, so their penalties are too.
    scale = 1 if isinstance(schema.target, Label) else 1 / MOST_DEVIATION
    return Growth(
        l2=how.l2 * scale,
        min_child=how.min_child * scale,
        min_gain=how.min_gain,
        ordered=np.array([not isinstance(c, Category) for c in schema.features.values()]),
        monotone=np.array([how.monotone.get(name, 0) for name in schema.features]),
    )


def _check(schema: Schema, how: TreeSettings) -> None:
    for name, value, least, most in (
        ("trees", how.trees, 1, 10_000), ("depth", how.depth, 1, 8), ("bins", how.bins, 2, 64),
        ("learning_rate", how.learning_rate, 1e-6, 10), ("l2", how.l2, 0, 1e9),
        ("min_child", how.min_child, 0, 1e9), ("min_gain", how.min_gain, 0, 1e9),
        ("patience", how.patience, 0, 10_000), ("kept_aside", how.kept_aside, 0.001, 0.5),
    ):  # fmt: skip
        if not least <= value <= most:
            raise PlanError(f"{name} of trees is {value}; it is from {least:g} to {most:g}")
    for name, direction in how.monotone.items():
        if name not in schema.features:
            raise PlanError(f"monotone column {name!r}; {nearest(name, schema.features)}")
        if direction not in (-1, 1) or isinstance(schema.features[name], Category):
            raise PlanError(
                f"monotone {name!r} is {direction}; it is 1 or -1, for a column with an order"
            )
    wrong = [n for n in schema.features if not _fits(schema.features[n])]
    if wrong:
        raise PlanError(
            f"column {wrong[0]!r} is not scaled by quantiles; trees take `for_trees(schema)`"
        )


def _fits(column: Any) -> bool:
    return isinstance(column, Boolean | Category) or column.scale is Scale.QUANTILE
