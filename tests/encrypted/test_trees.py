"""Trees on ciphertexts: the owner answers their questions, the evaluator finds the leaves."""

import numpy as np
import pytest

from confide import he
from confide.encrypted.circuits import Tree, Trees
from confide.encrypted.models import scorer_of
from confide.encrypted.score import read_job
from confide.learning.algorithms.fed_trees import TreeSettings
from confide.learning.models.trees import Forest
from confide.learning.predictors import TreePredictor
from confide.learning.table_model import TableModel
from confide.tables import Boolean, Category, Label, Missing, Number, Scale, Schema

SCHEMA = Schema(
    features={
        "age": Number(bounds=(0, 100), scale=Scale.QUANTILE, missing=Missing.IMPUTE),
        "ward": Category(values=("A", "B", "C")),
        "smoker": Boolean(),
    },
    label="ill",
    target=Label(classes=("no", "yes")),
)


def forest_model(seed: int, trees: int = 3, depth: int = 3) -> TableModel:
    """Random trees over the schema."""
    rng = np.random.default_rng(seed)
    how = TreeSettings(trees=trees, depth=depth, bins=8)
    forest = Forest.empty(trees, 1, depth, 9)
    forest.column[:] = rng.integers(0, 3, forest.column.shape)
    forest.left[:] = rng.random(forest.left.shape) < 0.5
    forest.left[0, 0, 1] = True  # a node that sends every row left
    forest.value[:] = rng.normal(size=forest.value.shape)
    state = {
        "column": forest.column.astype(np.int64),
        "left": forest.left,
        "value": forest.value,
        "trees": np.array(trees),
        "schema constants": np.array([[0.0, 100.0, 50.0, 20.0]]),
        "schema quantiles": np.linspace(0, 100, 17)[np.newaxis],
    }
    return TableModel(SCHEMA, TreePredictor(how, SCHEMA), state)


def rows(count: int) -> dict[str, list[object]]:
    """Cells of every kind: a missing one, and a ward that the schema does not name."""
    rng = np.random.default_rng(5)
    ages: list[object] = list(rng.uniform(0, 100, count).round(1))
    ages[0] = None
    return {
        "age": ages,
        "ward": list(rng.choice(["A", "B", "C", "D"], count)),
        "smoker": list(rng.choice(["yes", "no"], count)),
    }


@pytest.mark.parametrize("seed", range(4))
def test_the_circuit_is_the_forest(seed: int) -> None:
    model, given = forest_model(seed), rows(80)
    made = scorer_of(model, rows=64)
    read = SCHEMA.rows(given, label=False)
    want = model.predictor.scores(SCHEMA, read, model.state)
    assert np.allclose(made.circuit.in_clear(made.job.reading.encode(given)), want, atol=1e-12)


def test_scores_of_trees_are_those_in_clear() -> None:
    model, given = forest_model(9), rows(70)
    made = scorer_of(model, rows=64)
    job = read_job(made.job.text())
    secret = he.SecretKey(he.Context(job.parameters))
    keys = secret.evaluation_keys_of(job.needs)
    blocks = [made.score(keys, block) for block in job.encrypt(secret, given)]
    answers = job.answers(job.scores(secret, blocks, 70))
    assert (answers["ill"] == model.predict(given)).all()
    assert np.abs(answers["probability of yes"] - model.predict_proba(given)[:, 1]).max() < 1e-6


def test_the_job_tells_questions_and_no_leaf() -> None:
    model = forest_model(9)
    text = scorer_of(model, rows=64).job.text()
    assert '"questions"' in text
    for value in np.ravel(model.state["value"]):
        assert repr(float(value))[:8] not in text


def test_a_tree_of_one_value_asks_nothing() -> None:
    tree = Tree(np.array([0, 1, 2]), np.full(4, 2.5))
    assert tree.of([None, None, None]) == 2.5
    trees = Trees(1, [[tree, Tree(np.array([0]), np.array([1.0, -1.0]))]])
    assert trees.in_clear(np.array([[1.0], [-1.0]])).ravel().tolist() == [3.5, 1.5]
