"""Boosted trees by sums are the trees of the pooled table, with what trees are asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import roc_auc_score

import confide as cf
from confide.computation.registry import find_computation
from confide.errors import PlanError
from confide.learning.algorithms import TreeSettings, fed_trees, for_trees
from confide.learning.algorithms.fed_trees import binned, forest_of
from confide.privacy.guarantee import plan_with
from confide.tables import (
    Boolean,
    Category,
    Column,
    Label,
    Missing,
    Number,
    Schema,
    Target,
    rounds_of,
    summaries,
)

HONEST = cf.Threat(confidentiality=cf.Adversary(coordinator=cf.Corruption.HONEST))
FEATURES: dict[str, Column] = {
    "x": Number(missing=Missing.INDICATOR),
    "z": Number(),
    "city": Category(values=tuple("ABCDEF")),
    "flag": Boolean(),
}
BINARY = Schema(features=FEATURES, label="y", target=Label(classes=("no", "yes")))


def table(rows=1200, seed=0):
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, rows))
    city = rng.choice(list("ABCDEF"), rows)
    flag = rng.random(rows) < 0.5
    score = np.where(x > 0.3, 1.0, -1.0) * (1 + z) + np.isin(city, list("BDE")) * 1.5 - 0.5 * flag
    missing = rng.random(rows) < 0.15
    score[missing] = 2 + 0.5 * z[missing]
    chosen = rng.random(rows) < 1 / (1 + np.exp(-score))
    return pd.DataFrame(
        {"x": np.where(missing, np.nan, x), "z": z, "city": city, "flag": flag,
         "y": np.where(chosen, "yes", "no"), "score": score, "class": np.digitize(score, [-1, 1])}
    )  # fmt: skip


def split(frame):
    order = frame.sort_values("z", ignore_index=True)  # owners unlike each other
    cuts = [0, len(order) // 10, len(order) // 3, len(order) // 2, len(order)]
    return {n: order[a:b] for n, a, b in zip("abcd", cuts, cuts[1:], strict=False)}


def trained(schema, data, how, noise=None):
    schema = for_trees(schema)
    first = summaries(schema, capacity=5000)
    boosted = fed_trees(schema, capacity=5000, settings=how)
    stages = (
        first.stage(name="summaries", rounds=rounds_of(schema), budget=0.1),
        boosted.stage(name="trees", rounds=how.trees * how.depth, budget=0.9),
    )
    parties = tuple(cf.Party.simulation(name) for name in data)
    plan = plan_with(noise or cf.NoNoise(), name="t", parties=parties, stages=stages,
                     threat=HONEST, aggregation=cf.Clear())  # fmt: skip
    run = cf.simulate(plan, data, computation=(first, boosted))
    return schema, run.state


def scores(schema, state, how, frame):
    rows = schema.read(frame)
    forest = forest_of(state)
    return forest.scores(binned(schema, rows, state, how), int(state["trees"])), rows["targets"]


HOW = TreeSettings(trees=12, depth=3)


def test_two_classes_as_good_as_pooled_trees():
    train, test = table(), table(4000, seed=1)
    schema, state = trained(BINARY, split(train), HOW)
    found, truth = scores(schema, state, HOW, test)
    ours = roc_auc_score(truth, found[:, 0])
    encode = {"city": lambda f: f["city"].map(dict(zip("ABCDEF", range(6), strict=True)))}
    inputs = ["x", "z", "city", "flag"]
    pooled = HistGradientBoostingClassifier(
        max_iter=12, max_depth=3, learning_rate=0.3, early_stopping=False,
        categorical_features=["city"],
    ).fit(train.assign(**encode)[inputs], train["y"])  # fmt: skip
    theirs = roc_auc_score(test["y"], pooled.predict_proba(test.assign(**encode)[inputs])[:, 1])
    assert ours > theirs - 0.01
    assert ours > 0.7


def test_numbers_and_several_classes():
    train, test = table(), table(4000, seed=1)
    schema, state = trained(Schema(features=FEATURES, label="score", target=Target()),
                            split(train), HOW)  # fmt: skip
    found, truth = scores(schema, state, HOW, test)
    predicted = schema.outputs(found[:, 0], state)
    assert 1 - ((predicted - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum() > 0.8

    schema, state = trained(
        Schema(features=FEATURES, label="class", target=Label(classes=("0", "1", "2"))),
        split(train), HOW,
    )  # fmt: skip
    found, truth = scores(schema, state, HOW, test)
    assert (found.argmax(axis=1) == truth).mean() > 0.85


def test_how_rows_are_split_changes_nothing():
    train, how = table(400), TreeSettings(trees=2)
    order = np.random.default_rng(5).permutation(len(train))
    other = {n: train.iloc[part] for n, part in zip("abcd", np.split(order, [9, 99, 200]),
                                                    strict=True)}  # fmt: skip
    _, one = trained(BINARY, split(train), how)
    _, two = trained(BINARY, other, how)
    assert np.array_equal(one["column"], two["column"])
    assert np.allclose(one["value"], two["value"], atol=1e-2)


@pytest.mark.parametrize("direction", [1, -1])
def test_monotone_columns_are_monotone(direction):
    how = TreeSettings(trees=6, monotone={"z": direction})
    schema, state = trained(BINARY, split(table()), how)
    values = np.linspace(-2, 2, 41)
    for x in (-1.0, 1.0, np.nan):
        frame = pd.DataFrame({"x": x, "z": values, "city": "B", "flag": True, "y": "no"})
        found, _ = scores(schema, state, how, frame)
        assert (np.diff(found[:, 0]) * direction >= -1e-12).all()


def test_growing_stops_when_rows_kept_aside_gain_no_more():
    rng = np.random.default_rng(0)
    noise = pd.DataFrame({"x": rng.normal(size=600), "y": rng.integers(0, 2, 600)})
    how = TreeSettings(trees=15, depth=2, patience=3, kept_aside=0.3, learning_rate=1.0)
    schema = Schema(features={"x": Number()}, label="y")
    data = {n: noise[i::4] for i, n in enumerate("abcd")}
    _, state = trained(schema, data, how)
    assert bool(state["stopped"])
    assert int(state["trees"]) < 8
    assert not state["value"][int(state["trees"]) :].any()


def test_with_noise_for_each_record():
    train, test = table(8000), table(4000, seed=1)
    noise = cf.Calibrated(kind=cf.CentralNoise, epsilon=3.0, delta=1e-6)
    how = TreeSettings(trees=6, depth=2)
    schema, state = trained(BINARY, split(train), how, noise)
    found, truth = scores(schema, state, how, test)
    assert roc_auc_score(truth, found[:, 0]) > 0.62


def test_a_plan_names_the_trees():
    made = fed_trees(for_trees(BINARY), capacity=100, settings=HOW)
    assert find_computation(made.task).task == made.task


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 0}, "depth of trees is 0"),
        ({"bins": 1}, "bins of trees is 1"),
        ({"monotone": {"w": 1}}, "monotone column 'w'"),
        ({"monotone": {"city": 1}}, "for a column with an order"),
        ({"monotone": {"z": 2}}, "it is 1 or -1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(PlanError, match=message):
        fed_trees(for_trees(BINARY), capacity=100, settings=TreeSettings(**settings))


def test_numbers_need_their_quantiles():
    with pytest.raises(PlanError, match="for_trees"):
        fed_trees(BINARY, capacity=100)


def test_pooled_regression_is_no_better():
    train, test = table(), table(4000, seed=1)
    schema, state = trained(Schema(features={"z": Number(), "flag": Boolean()}, label="score",
                                   target=Target()), split(train), HOW)  # fmt: skip
    found, truth = scores(schema, state, HOW, test)
    ours = np.mean((schema.outputs(found[:, 0], state) - truth) ** 2)
    inputs = ["z", "flag"]
    pooled = HistGradientBoostingRegressor(max_iter=12, max_depth=3, learning_rate=0.3,
                                           early_stopping=False)  # fmt: skip
    theirs = np.mean((pooled.fit(train[inputs], train["score"]).predict(test[inputs]) - truth) ** 2)
    assert ours < 1.05 * theirs
