"""Scores of encrypted rows are those of the model, within the error that the job states."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.svm import LinearSVC
from tests.encrypted.scoring import BOUNDS, SIZES, fitted, owner, people, scorer

from confide import he
from confide.encrypted.models import scorer_of
from confide.encrypted.score import read_job
from confide.errors import DataError, EncryptionError, PlanError, ProtocolError


def scored(rows: pd.DataFrame) -> np.ndarray:
    """Scores of rows, by way of the ciphertexts."""
    job, own = scorer().job, owner()
    keys = own.secret.evaluation_keys_of(job.needs)
    blocks = [scorer().score(keys, block) for block in job.encrypt(own.secret, rows)]
    return job.scores(own.secret, blocks, len(rows))


@pytest.mark.parametrize("count", [1, 63, 64, 65, 150])
def test_scores_are_those_in_clear(count: int) -> None:
    rows = people(count)
    found = scored(rows)
    assert found.shape == (count, 1)
    assert np.abs(found[:, 0] - fitted().decision_function(rows.to_numpy())).max() < 1e-6


def test_answers_are_the_models() -> None:
    rows = people(40)
    answers = scorer().job.answers(scored(rows))
    assert list(answers) == ["prediction", "probability of no", "probability of yes"]
    assert (answers["prediction"] == fitted().predict(rows.to_numpy())).all()
    chances = np.column_stack(list(answers.values())[1:])
    assert np.abs(chances - fitted().predict_proba(rows.to_numpy())).max() < 1e-6


@pytest.mark.parametrize("name", ["softmax", "ridge", "no intercept", "counts"])
def test_other_linear_models(name: str) -> None:
    rows = people(200)
    x = rows.to_numpy() / SIZES
    classes = np.array(["low", "mid", "high"])[(rows.income // 70_000).astype(int)]
    model = {
        "softmax": lambda: LogisticRegression(max_iter=1000).fit(x, classes),
        "ridge": lambda: Ridge().fit(x, rows.age),
        "no intercept": lambda: LinearRegression(fit_intercept=False).fit(x, rows.age),
        "counts": lambda: PoissonRegressor(alpha=0).fit(x, rows.kids),
    }[name]()
    bounds = {"age": (0, 2), "income": (0, 3), "kids": (0, 3)}
    made = scorer_of(model, bounds=bounds, rows=200)
    secret = he.SecretKey(he.Context(made.job.parameters))
    keys = secret.evaluation_keys_of(made.job.needs)
    scaled = pd.DataFrame(x, columns=list(bounds))
    blocks = [made.score(keys, block) for block in made.job.encrypt(secret, scaled)]
    answers = made.job.answers(made.job.scores(secret, blocks, len(rows)))
    want = model.predict(x)
    if name == "softmax":
        assert (answers["prediction"] == want).all()
        chances = np.column_stack(list(answers.values())[1:])
        assert np.abs(chances - model.predict_proba(x)).max() < 1e-6
    else:
        assert np.abs(answers["prediction"] - want).max() < 1e-5


def test_a_job_is_the_same_after_it_was_written() -> None:
    job = scorer().job
    read = read_job(job.text())
    assert read.digest == job.digest
    assert read.text() == job.text()
    assert scorer_of(fitted(), bounds=BOUNDS, job=read).job.digest == job.digest


def test_a_job_holds_no_weight() -> None:
    text = scorer().job.text()
    for weight in np.ravel(fitted().coef_):
        assert repr(float(weight))[:8] not in text


def test_another_model_is_refused() -> None:
    bounds = BOUNDS | {"age": (0.0, 100.0)}
    with pytest.raises(PlanError, match="not this model's"):
        scorer_of(fitted(), bounds=bounds, job=scorer().job)


def test_rows_beyond_the_bounds_are_refused_by_column() -> None:
    rows = people(10)
    rows.loc[3, "age"] = 121.25
    with pytest.raises(DataError, match="column 'age': 1 of 10 rows") as error:
        scorer().job.encrypt(owner().secret, rows)
    assert "121" not in str(error.value)


def test_missing_values_and_columns_are_refused() -> None:
    rows = people(10)
    rows.loc[3, "income"] = np.nan
    with pytest.raises(DataError, match="income"):
        scorer().job.encrypt(owner().secret, rows)
    with pytest.raises(DataError, match="kids"):
        scorer().job.encrypt(owner().secret, people(10).drop(columns="kids"))


def test_texts_that_are_numbers_are_read() -> None:
    rows = people(10)
    assert np.allclose(scored(rows.astype(str)), scored(rows), atol=1e-6)


def test_a_key_of_another_job_is_refused() -> None:
    ring = he.Literal(
        scheme=he.Scheme.CKKS, degree=8192, depth=2, level_bits=40, base_bits=(50,),
        special_bits=(50,),
    )  # fmt: skip
    with pytest.raises(EncryptionError, match="the job has"):
        scorer().job.encrypt(he.SecretKey(he.Context(ring.checked())), people(3))


def test_a_block_that_is_left_out_is_noticed() -> None:
    job, own = scorer().job, owner()
    keys = own.secret.evaluation_keys_of(job.needs)
    blocks = [scorer().score(keys, block) for block in job.encrypt(own.secret, people(100))]
    with pytest.raises(EncryptionError, match="1 blocks of scores for 100 rows"):
        job.scores(own.secret, blocks[:1], 100)


def test_models_without_probabilities_or_bounds_are_refused() -> None:
    rows = people(60)
    svc = LinearSVC().fit(rows.to_numpy() / SIZES, rows.age > 50)
    with pytest.raises(PlanError, match="LinearSVC has no probabilities"):
        scorer_of(svc, bounds=BOUNDS)
    with pytest.raises(PlanError, match="bounds of 0 columns for a model of 3"):
        scorer_of(fitted())
    with pytest.raises(PlanError, match="a dict is not scored"):
        scorer_of({})


@pytest.mark.parametrize(
    "change",
    [
        {"format": "confide score job 2"},
        {"rows": 0},
        {"rows": 1 << 20},
        {"outputs": "1"},
        {"keys": [1]},
        {"reading": {}},
        {"error": None},
    ],
)
def test_malformed_jobs_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        read_job(json.dumps(json.loads(scorer().job.text()) | change))


def test_a_job_with_an_insecure_ring_is_refused() -> None:
    given = json.loads(scorer().job.text())
    given["ring"]["degree"] = 4096
    with pytest.raises(EncryptionError, match="128"):
        read_job(json.dumps(given))
