"""Selections that must not be made, tables that do not fit, and parties that lie."""

from dataclasses import replace

import numpy as np
import pytest
from tests.encrypted.clear import scores

from confide import he
from confide.encrypted import (
    Coefficients,
    Column,
    SealedUnit,
    Selection,
    SelectionEvaluator,
    SelectionOwner,
    Sums,
    read_message,
    write_message,
)
from confide.encrypted.null_model import P_WITHIN, W_WITHIN, Approximation, NullFit
from confide.errors import DataError, EncryptionError, PlanError, ProtocolError

ROWS = 100
VARIABLES = {"a": Column(low=-1, high=1), "b": Column(low=-1, high=1), "c": Column(binary=True)}
SELECTION = Selection(
    rows=ROWS, covariates={"age": Column(low=-1, high=1)}, variables=VARIABLES, label="y",
    newton_steps=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(5)
    columns = {name: random.uniform(-1, 1, ROWS) for name in ("age", "a", "b")}
    columns["c"] = random.integers(0, 2, ROWS).astype(float)
    columns["y"] = (random.logistic(size=ROWS) < columns["age"] + 2 * columns["b"]).astype(float)
    return columns


@pytest.fixture(scope="module")
def owner(table):
    return SelectionOwner(SELECTION, table)


@pytest.fixture(scope="module")
def keys(owner):
    return owner.keys()


@pytest.fixture(scope="module")
def rows(owner):
    return owner.rows()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": 1}, "rows is 1"),
        ({"rows": 2.5}, "rows is 2.5"),
        ({"degree": 1}, "degree is 1"),
        ({"newton_steps": 0}, "newton_steps is 0"),
        ({"covariates": {}}, "without covariates"),
        ({"variables": {}}, "without variables"),
        ({"variables": {"a": (0, 1)}}, "variables are Column"),
        ({"label": "age"}, "'age' stands twice"),
        ({"variables": {"age": Column()}}, "'age' stands twice"),
    ],
)
def test_an_unsound_selection_is_refused(changes, message):
    with pytest.raises(PlanError, match=message):
        replace(SELECTION, **changes)


@pytest.mark.parametrize(
    "given",
    [
        {"low": 1, "high": 1},
        {"low": 0, "high": float("nan")},
        {"low": "few", "high": 2},
        {"low": 0, "high": 2, "binary": True},
    ],
)
def test_an_unsound_column_is_refused(given):
    with pytest.raises(PlanError, match="column"):
        Column(**given)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("age", np.nan, "'age' has missing or infinite values"),
        ("age", 1.5, "'age' has a value outside the declared -1 to 1"),
        ("y", 0.5, "'y' is declared binary and has values beside 0 and 1"),
        ("b", np.inf, "'b' has missing or infinite values"),
        ("b", -1.0000001, "'b' has a value outside the declared -1 to 1"),
        ("c", 0.25, "'c' is declared binary and has values beside 0 and 1"),
    ],
)
def test_a_value_that_is_not_as_declared_is_refused_and_not_shown(table, name, value, message):
    changed = np.array(table[name], float)
    changed[17] = value
    with pytest.raises(DataError, match=message) as refused:
        list(SelectionOwner(SELECTION, table | {name: changed}).units())
    assert np.isinf(value) or str(value) not in str(refused.value)


def test_a_table_of_another_shape_is_refused(table):
    with pytest.raises(DataError, match=r"'age' of shape \(99,\)"):
        SelectionOwner(SELECTION, table | {"age": table["age"][1:]})
    with pytest.raises(DataError, match="'age' is declared and not in the table"):
        SelectionOwner(SELECTION, {name: x for name, x in table.items() if name != "age"})
    with pytest.raises(DataError, match="'age' has values that are not numbers"):
        SelectionOwner(SELECTION, table | {"age": ["young"] * ROWS})
    with pytest.raises(DataError, match="one value alone"):
        SelectionOwner(SELECTION, table | {"y": np.ones(ROWS)})


def test_rounds_out_of_order_are_refused(owner, keys, rows):
    evaluator = SelectionEvaluator(SELECTION, keys, rows)
    with pytest.raises(ProtocolError, match="before the null model is finished"):
        list(evaluator.test([]))
    with pytest.raises(ProtocolError, match="after 0 of 2 rounds"):
        evaluator.finish_null(owner.coefficients())
    with pytest.raises(ProtocolError, match="results after 0 of 2 rounds"):
        owner.result(Sums(packed=()), Sums(packed=()))


def test_ciphertexts_that_do_not_fit_are_refused(owner, keys, rows, table):
    other = SelectionOwner(SELECTION, table)
    with pytest.raises(EncryptionError, match="under key"):
        SelectionEvaluator(SELECTION, keys, other.rows())
    with pytest.raises(EncryptionError, match="0 covariates"):
        SelectionEvaluator(SELECTION, keys, replace(rows, covariates=()))
    with pytest.raises(EncryptionError, match="another level"):
        SelectionEvaluator(SELECTION, keys, replace(rows, label=rows.covariates[0]))
    deeper = replace(SELECTION, degree=16)
    with pytest.raises(EncryptionError, match="planned"):
        SelectionEvaluator(deeper, keys, rows)

    evaluator = SelectionEvaluator(SELECTION, keys, rows)
    sent = owner.coefficients()
    unchecked = he.encrypt(owner.secret, [0.5], level=SELECTION.levels["slopes"])
    with pytest.raises(EncryptionError, match="not checked against its bound"):
        evaluator.step(replace(sent, slopes=(unchecked,)))
    evaluator = SelectionEvaluator(SELECTION, keys, rows)
    with pytest.raises(EncryptionError, match="another degree"):
        evaluator.step(replace(sent, of_w=sent.of_w[1:]))


def test_a_unit_survives_its_bytes_and_other_bytes_are_refused(owner):
    context = owner.secret.context
    unit = next(owner.units())
    data = write_message(unit, context)

    read = read_message(data, SealedUnit, SELECTION, context)

    read.require(SELECTION, SELECTION.units[0])
    assert (read.values.blocks[0].data == unit.values.blocks[0].data).all()
    with pytest.raises(ProtocolError):
        read_message(data[:-1], SealedUnit, SELECTION, context)
    with pytest.raises(ProtocolError, match="not the unit"):
        read_message(he.write(unit.values, context), SealedUnit, SELECTION, context)
    with pytest.raises(EncryptionError, match="without squares"):
        replace(read, squares=None).require(SELECTION, SELECTION.units[0])


# --- a lying evaluator ----------------------------------------------------------------------------


def _run(owner, evaluator, units, *, lie=lambda sums, _round: sums):
    coefficients = owner.coefficients()
    for i in range(SELECTION.newton_steps):
        coefficients = owner.refresh(lie(evaluator.step(coefficients), i))
    null = evaluator.finish_null(coefficients)
    return null, Sums(packed=tuple(evaluator.test(units)))


def _sizes(sent: Coefficients):
    """All that can be seen of an answer without the secret key."""
    parts = [*sent.slopes, *sent.of_p, *sent.of_w]
    return [[(x.level, x.parts, x.squared, x.data.shape) for x in p.blocks] for p in parts]


def test_answers_look_alike_whatever_was_decrypted(table, keys):
    """The decryptor is no oracle: it answers made-up sums as it answers true ones."""
    owner = SelectionOwner(SELECTION, table)
    evaluator = SelectionEvaluator(SELECTION, owner.keys(), owner.rows())
    true = evaluator.step(owner.coefficients())
    forged = [
        Sums(packed=(he.encrypt(owner.secret, line, level=0).blocks[0],))
        for line in ([0.0], [7.0], np.random.default_rng(0).uniform(-7, 7, 8192))
    ]

    answers = []
    for sums in (true, *forged):
        each = SelectionOwner(SELECTION, table)
        each.secret.__dict__.update(owner.secret.__dict__)  # the same key in a first round
        answers.append(each.refresh(sums))

    assert all(_sizes(answer) == _sizes(answers[0]) for answer in answers)
    seeds = {x.blocks[0].seed for answer in answers for x in answer.of_p}
    assert len(seeds) == len(answers) * (SELECTION.degree + 1)  # each under randomness of its own


def test_made_up_sums_are_answered_and_named_at_the_end(table):
    fit = NullFit(1, 0.5, 8, 0)
    for sums in (np.full(5, np.nan), np.full(5, np.inf), np.full(5, -1e300)):
        fit.take(sums)
        fit.step()
        assert np.isfinite(fit.beta).all()
        assert np.isfinite(fit.approximation.of_p).all()
        assert np.abs(fit.approximation.of_p).max() <= 1.25
    assert "sums that no table" in fit.fault


def test_coefficients_never_leave_their_bounds():
    random = np.random.default_rng(0)
    fit = NullFit(3, 0.01, 8, 5)
    for _ in range(200):
        fit.take(random.normal(0, 10.0 ** random.integers(-3, 9), fit_size(3)))
        fit.step()
        found = fit.approximation
        assert np.abs(found.slopes).sum() <= 1 + 1e-12
        assert max(np.abs(found.of_p).max(), np.abs(found.of_w).max()) <= 1.25


def fit_size(k):
    return 2 * (k + 1) + k * (k + 1) // 2


def test_a_label_that_the_covariates_separate_is_refused_at_the_end(table):
    separated = table | {"y": (table["age"] > 0).astype(float)}
    selection = replace(SELECTION, newton_steps=8)
    owner = SelectionOwner(selection, separated)
    x = np.column_stack([np.ones(ROWS), table["age"]])
    for _ in range(selection.newton_steps):
        p = 1 / (1 + np.exp(-x @ owner.fit.beta))
        w = p * (1 - p)
        gradient, weights = x.T @ (separated["y"] - p), x.T @ w
        padding = owner.fit.approximation.at(np.zeros(1))
        gradient[0] -= selection.padding * padding[0][0]
        weights[0] += selection.padding * padding[1][0]
        owner.fit.take(np.concatenate([gradient, weights, [(w * x[:, 1] ** 2).sum()]]))
        owner.fit.step()
    with pytest.raises(DataError, match="larger degree"):
        owner._require_fitted()


def test_integrity_rests_on_the_evaluator(table):
    """An evaluator that takes one variable for another is believed: nothing proves its work."""
    owner = SelectionOwner(SELECTION, table)
    evaluator = SelectionEvaluator(SELECTION, owner.keys(), owner.rows())
    units = list(owner.units())
    lying = [replace(units[0], values=units[1].values), units[1]]

    null, variables = _run(owner, evaluator, lying)
    selected = owner.result(null, variables)

    s = np.column_stack([table[name] for name in VARIABLES]).astype(float)
    u, _ = scores(table["age"][:, None], table["y"], s)
    assert abs(selected.tested[0].u - u[0]) > 1  # wrong, and nothing says so
    assert selected.tested[2].u == pytest.approx(u[2], abs=1e-2)


@pytest.mark.parametrize("degree", [2, 3, 8, 16, 64])
def test_polynomials_stay_in_their_declared_ranges_wherever_the_owner_is_led(degree):
    """The computation declares them, and an evaluator that lies moves the coefficients."""
    t = np.linspace(-1, 1, 1001)
    for reach in (1.0, 4.0, 16.0, 64.0, 1e9):
        for intercept in np.linspace(-1.05, 1.05, 22) * reach:
            p, w = Approximation.of(np.array([intercept, reach]), degree).at(t)
            assert P_WITHIN[0] < p.min() <= p.max() < P_WITHIN[1]
            assert W_WITHIN[0] < w.min() <= w.max() < W_WITHIN[1]


def test_polynomials_fit_the_interval_that_there_is():
    for intercept in (-6, -4.6, 0, 3):
        found = Approximation.of(np.array([intercept, 1.0, -1.0]), 8)
        t = np.linspace(-1, 1, 501)
        p, w = found.at(t)
        true = 1 / (1 + np.exp(-(intercept + 2 * t)))
        assert np.abs(p - true).max() < 3e-5
        assert np.abs(w - true * (1 - true)).max() < 3e-5
        assert np.abs(found.slopes).sum() == pytest.approx(1)
