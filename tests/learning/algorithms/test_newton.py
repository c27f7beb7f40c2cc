"""Newton's method by sums reaches the optimum of the pooled rows, in each family."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import ElasticNet, LogisticRegression, PoissonRegressor, Ridge
from sklearn.metrics import mean_poisson_deviance, r2_score, roc_auc_score

import confide as cf
from confide.learning import Table, fed_newton
from confide.learning.models.families import Bernoulli, Categorical, Gaussian, Poisson

HONEST = cf.Threat(confidentiality=cf.Adversary(coordinator=cf.Corruption.HONEST))


def fit(family, x, y, *, l2=1e-3, rounds=10, l1=0.0):
    """The model of four unequal owners, and its mean responses for all rows."""
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(x.shape[1])]).assign(y=y)
    order = frame.sort_values("x0", ignore_index=True)
    cuts = [0, *(int(share * len(order)) for share in (0.1, 0.35, 0.6)), len(order)]
    data = {n: order[a:b] for n, a, b in zip("abcd", cuts, cuts[1:], strict=False)}
    model = cf.GeneralisedLinearModel(family=family, n_features=x.shape[1], l2=l2)
    table = Table(features=tuple(frame.columns[:-1]), label="y")
    made = fed_newton(model, table, capacity=1000, l1=l1)
    plan = made.plan(parties=list(data), rounds=rounds, crowd=cf.FixedCrowd(),
                     aggregation=cf.Clear(), threat=HONEST)  # fmt: skip
    w = cf.simulate(plan, data, computation=made).state["parameters"]
    return model.unflatten(w)[0], model.mean_response(w, x), x


def test_two_classes():
    x, y = load_breast_cancer(return_X_y=True)
    coef, mean, x = fit(Bernoulli(), x[:, :8], y)
    pooled = LogisticRegression(C=1 / (len(y) * 1e-3), tol=1e-8, max_iter=1000).fit(x, y)
    assert coef[:, 0] == pytest.approx(pooled.coef_[0], abs=0.01)
    auc = roc_auc_score(y, pooled.predict_proba(x)[:, 1])
    assert roc_auc_score(y, mean[:, 0]) == pytest.approx(auc, abs=1e-3)


def test_several_classes():
    x, y = load_iris(return_X_y=True)
    _, mean, x = fit(Categorical(n_classes=3), x, y, l2=1e-2)
    pooled = LogisticRegression(C=1 / (len(y) * 1e-2), max_iter=1000).fit(x, y)
    assert mean == pytest.approx(pooled.predict_proba(x), abs=0.01)


def test_numbers_with_ridge():
    x, y = load_diabetes(return_X_y=True)
    y = (y - y.mean()) / y.std()
    coef, mean, x = fit(Gaussian(), x, y, rounds=2)
    pooled = Ridge(alpha=len(y) * 1e-3).fit(x, y)
    assert coef[:, 0] == pytest.approx(pooled.coef_, abs=2e-3)
    assert r2_score(y, mean[:, 0]) == pytest.approx(pooled.score(x, y), abs=1e-4)


def test_numbers_with_an_elastic_net():
    x, y = load_diabetes(return_X_y=True)
    y = (y - y.mean()) / y.std()
    coef, _, x = fit(Gaussian(), x, y, l2=0.05, l1=0.05, rounds=2)
    pooled = ElasticNet(alpha=0.1, l1_ratio=0.5, tol=1e-10).fit(x, y)
    assert coef[:, 0] == pytest.approx(pooled.coef_, abs=2e-3)
    assert np.count_nonzero(coef) < len(coef)


def test_large_counts():
    """Before, the first step went to e to the power of the mean count, and did not come back."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 3))
    y = rng.poisson(np.exp(2.6 + x @ [0.3, -0.2, 0.0])).astype(float)
    coef, mean, x = fit(Poisson(), x, y, l2=1e-6, rounds=8)
    pooled = PoissonRegressor(alpha=1e-6, tol=1e-9, max_iter=1000).fit(x, y)
    assert coef[:, 0] == pytest.approx(pooled.coef_, abs=2e-3)
    assert mean_poisson_deviance(y, mean[:, 0]) == pytest.approx(
        mean_poisson_deviance(y, pooled.predict(x)), rel=1e-3
    )
