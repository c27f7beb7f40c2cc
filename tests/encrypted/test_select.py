"""Variables selected on encrypted data are those selected in clear."""

import numpy as np
import pytest
from scipy import stats
from tests.encrypted.clear import fitted, scores

from confide.encrypted import (
    Column,
    Selection,
    SelectionEvaluator,
    SelectionOwner,
    Sums,
    select_variables,
)

COVARIATES = {
    "age": Column(low=18, high=80),
    "debt": Column(low=0, high=5),
    "old": Column(binary=True),
}
ROWS = 300


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(3)
    columns = {
        "age": random.uniform(18, 80, ROWS),
        "debt": random.gamma(2, 0.4, ROWS).clip(0, 5),
        "old": (random.uniform(size=ROWS) < 0.3).astype(float),
    }
    columns |= {f"dose {i}": random.integers(0, 3, ROWS) for i in range(66)}
    columns |= {f"flag {i}": random.integers(0, 2, ROWS) for i in range(4)}
    columns["rare"] = np.isin(np.arange(ROWS), (7, 80, 211)).astype(float)
    columns["never"] = np.zeros(ROWS)
    columns["always two"] = np.full(ROWS, 2.0)
    columns["age twice"] = 2 * columns["age"] - columns["debt"]
    signal = 0.05 * columns["age"] + columns["dose 5"] + 0.7 * columns["flag 2"] - 4
    columns["default"] = (random.logistic(size=ROWS) < signal).astype(float)
    return columns


@pytest.fixture(scope="module")
def selection(table):
    variables = {name: Column(low=0, high=2) for name in table if name.startswith("dose")}
    variables["always two"] = Column(low=-1, high=3)
    variables |= {name: Column(binary=True) for name in table if name.startswith("flag")}
    variables["rare"] = variables["never"] = Column(binary=True)
    variables["age twice"] = Column(low=0, high=160)
    return Selection(
        rows=ROWS, covariates=COVARIATES, variables=variables, label="default", newton_steps=3
    )


@pytest.fixture(scope="module")
def in_clear(table, selection):
    x = np.column_stack([table[name] for name in COVARIATES])
    s = np.column_stack([table[name] for name in selection.variables]).astype(float)
    return scores(x, table["default"], s)


@pytest.fixture(scope="module")
def messages(table, selection):
    """A whole selection, and all that went to and fro."""
    owner = SelectionOwner(selection, table)
    evaluator = SelectionEvaluator(selection, owner.keys(), owner.rows(), threads=2)
    sent, got = [owner.coefficients()], []
    for _ in selection.refreshes:
        got.append(evaluator.step(sent[-1]))
        sent.append(owner.refresh(got[-1]))
    null = evaluator.finish_null(sent[-1])
    units = list(owner.units())
    return owner, evaluator, units, sent, got, null, Sums(packed=tuple(evaluator.test(units)))


@pytest.fixture(scope="module")
def selected(messages):
    owner, *_, null, variables = messages
    return owner.result(null, variables)


def test_scores_and_variances_are_those_in_clear(selection, selected, in_clear):
    u, v = in_clear
    assert [each.variable for each in selected.tested] == list(selection.variables)
    assert np.abs([each.u for each in selected.tested] - u).max() < 1e-3
    # Three steps of Newton's method leave something in V, and what is left is taken out of U.
    assert np.abs([each.v for each in selected.tested] - v).max() < 5e-3


def test_the_same_variables_are_on_top_in_the_same_order(selection, selected, in_clear):
    u, v = in_clear
    varies = v > 1e-6
    statistic = np.where(varies, u**2 / np.where(varies, v, 1), 0)
    ranked = [list(selection.variables)[i] for i in np.argsort(-statistic)]

    assert [each.variable for each in selected.top(20)] == ranked[:20]
    assert ranked[0] == "dose 5"
    first = selected.top(1)[0]
    assert first.p_value == pytest.approx(stats.chi2.sf(first.statistic, 1), rel=1e-9)


def test_what_does_not_vary_beside_the_covariates_is_reported(selected):
    assert set(selected.constant) == {"never", "always two", "age twice"}
    for each in selected.tested:
        assert np.isfinite([each.u, each.v, each.statistic, each.p_value]).all()
    by_name = {each.variable: each for each in selected.tested}
    assert by_name["rare"].v > 0
    assert (by_name["never"].statistic, by_name["never"].p_value) == (0, 1)


def test_the_null_model_is_the_logistic_regression(table, selected):
    x = np.column_stack([table[name] for name in COVARIATES])
    assert np.allclose(selected.null.coefficients, fitted(x, table["default"]), atol=1e-3)
    assert selected.null.polynomial_error < 1e-4


def test_what_is_opened_and_sent_is_what_the_selection_declares(selection, messages):
    _, _, units, sent, got, _, variables = messages
    assert len(got) == len(selection.refreshes) == 3
    for each, refresh in zip(sent[1:], selection.refreshes, strict=True):
        numbers = [*each.slopes, *each.of_p, *each.of_w]
        assert len(numbers) == refresh.sent
        assert all(x.length == 1 for x in numbers)
    assert len(units) == len(selection.units)
    assert len(variables.packed) == 1


def test_rare_positives_on_many_rows_and_one_covariate():
    random, rows = np.random.default_rng(1), 20_000
    table = {"age": random.uniform(-1, 1, rows), "gain": random.uniform(-1, 1, rows)}
    table |= {"luck": random.normal(0, 1, rows), "fraud": random.integers(0, 50, rows) == 0}
    signal = -5.2 + 1.5 * table["age"] + 2 * table["fraud"]
    table["default"] = (random.logistic(size=rows) < signal).astype(float)
    assert 0.005 < table["default"].mean() < 0.015
    selection = Selection(
        rows=rows,
        covariates={"age": Column(low=-1, high=1)},
        variables={
            "gain": Column(low=-1, high=1),
            "luck": Column(low=-6, high=6),
            "fraud": Column(binary=True),
        },
        label="default",
        newton_steps=3,
    )
    assert selection.blocks == 2  # the last one in part

    found = select_variables(selection, table)

    s = np.column_stack([table[name] for name in selection.variables]).astype(float)
    u, v = scores(table["age"][:, None], table["default"], s)
    assert [each.statistic for each in found.tested] == pytest.approx(u**2 / v, rel=2e-3)
    assert found.top(1)[0].variable == "fraud"
