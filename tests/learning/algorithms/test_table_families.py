"""Cox, naive Bayes, k-means and principal components by sums are those of the pooled rows.

`larynx.csv` has 90 patients of Kardaun (1983) as printed by Klein and Moeschberger, "Survival
Analysis", 1997, §1.8, with their Cox fit by Breslow's ties in §8.2; facts in the public domain.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import decomposition
from sklearn.cluster import KMeans as PooledKMeans
from sklearn.datasets import load_iris
from sklearn.naive_bayes import BernoulliNB, GaussianNB

import confide as cf
from confide.errors import DataError, PlanError
from confide.learning.algorithms.fed_cox import CoxSettings, fed_cox, fed_cox_from_settings
from confide.learning.algorithms.fed_cox import for_noise as cox_for_noise
from confide.learning.algorithms.fed_k_means import (
    KMeansSettings,
    fed_k_means,
    fed_k_means_from_settings,
)
from confide.learning.algorithms.fed_naive_bayes import (
    NaiveBayesSettings,
    fed_naive_bayes,
    fed_naive_bayes_from_settings,
)
from confide.learning.algorithms.fed_pca import PCASettings, fed_pca, fed_pca_from_settings
from confide.learning.algorithms.measures import TIMES, Distances, Lifetimes, measure_of_family
from confide.learning.models.cox import CoxRegression, concordance
from confide.learning.models.families import Poisson
from confide.learning.models.k_means import KMeans
from confide.learning.models.naive_bayes import NaiveBayes
from confide.learning.models.pca import PCA
from confide.privacy.guarantee import Calibrated
from confide.tables import Boolean, Label, Number, Scale, Schema, Survival

HONEST = cf.Threat(confidentiality=cf.Adversary(coordinator=cf.Corruption.HONEST))
CLEAR: dict[str, Any] = {"aggregation": cf.Clear(), "threat": HONEST}
PROTECTIONS: dict[str, dict[str, Any]] = {
    "clear": CLEAR,
    "masked": {},
    "encrypted": {"aggregation": cf.Encrypted()},
}
LARYNX = Path(__file__).parents[1] / "larynx.csv"
STAGES = ("Stage_II", "Stage_III", "Stage_IV")


def number(lower, upper):
    return Number(bounds=(lower, upper), scale=Scale.RANGE)


def run(computation, data, *, rounds=1, seed=0, **fields):
    plan = computation.plan(
        parties=list(data), rounds=rounds, crowd=cf.FixedCrowd(), seed=seed, **fields
    )
    return cf.simulate(plan, data, computation=computation)


def contributed(computation: Any, frame):
    """What a party with these rows contributes to the first round."""
    rows = computation.read(frame)
    return computation.contribute(computation.init(), rows, np.random.default_rng(0))


def split(frame, by, shares=(0.1, 0.35, 0.6)):
    """Four unequal owners that differ in a column."""
    order = frame.sort_values(by, ignore_index=True, kind="stable")
    cuts = [0, *(int(s * len(order)) for s in shares), len(order)]
    return {n: order[a:b] for n, a, b in zip("abcd", cuts, cuts[1:], strict=False)}


@pytest.fixture(scope="module")
def larynx():
    return pd.read_csv(LARYNX)


@pytest.fixture(scope="module")
def iris():
    bunch = load_iris(as_frame=True)
    return bunch.frame.rename(columns=lambda name: name.split(" (")[0].replace(" ", "_"))


TIMES_OF_LARYNX = Survival(event="death", bounds=(0.05, 12.85))
LIFE = Schema(
    features={**dict.fromkeys(STAGES, Boolean()), "age": number(40, 90)},
    label="time", target=TIMES_OF_LARYNX,
)  # fmt: skip
EACH_TENTH = CoxSettings(cells=128, l2=0.0)


def hazards(state):
    """β with age in years: its scale divides 50 years by 2."""
    return state["hazard_ratios"] / np.array([1, 1, 1, 25])


class TestCox:
    def test_on_a_grid_of_each_time_is_the_published_fit(self, larynx):
        made = fed_cox(LIFE, capacity=200, settings=EACH_TENTH)
        found = hazards(run(made, split(larynx, "age"), rounds=8, **CLEAR).state)
        assert found == pytest.approx([0.1386, 0.6383, 1.6931, 0.0189], abs=1e-4)

    def test_of_owners_with_their_own_baselines_is_the_stratified_fit(self, larynx):
        data = {name: larynx[np.arange(90) % 3 == k] for k, name in enumerate("abc")}
        how = CoxSettings(by_owner=True, l2=0.0)
        found = hazards(run(fed_cox(LIFE, capacity=200, settings=how), data, rounds=8).state)
        # statsmodels 0.15, PHReg(ties="breslow", strata=…)
        assert found == pytest.approx([0.08926674, 0.63131776, 1.62705145, 0.01976743], abs=2e-3)

    def test_of_its_own_rows_is_the_same(self, larynx):
        x = larynx[[*STAGES, "age"]].astype(float)
        made = CoxRegression().fit(x, larynx["time"], larynx["death"])
        assert made.coef_ == pytest.approx([0.1386, 0.6383, 1.6931, 0.0189], abs=1e-4)
        assert made.score(x, larynx["time"], larynx["death"]) == pytest.approx(0.68, abs=0.01)

    def test_with_noise_tells_large_effects(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(6000, 2)).clip(-3, 3)
        time = rng.exponential(np.exp(-x[:, 0])).clip(0, 9.9)
        frame = pd.DataFrame({"u": x[:, 0], "v": x[:, 1], "time": time, "died": time < 9.9})
        bounds = Number(bounds=(-3, 3), scale=Scale.NONE)
        schema = Schema(features={"u": bounds, "v": bounds}, label="time",
                        target=Survival(event="died", bounds=(0, 10)))  # fmt: skip
        made = fed_cox(schema, capacity=5000, settings=cox_for_noise(CoxSettings(), 2))
        noise = Calibrated(kind=cf.NoiseShares, epsilon=3.0, delta=1e-6)
        found = run(made, split(frame, "v"), rounds=6, noise=noise).state["hazard_ratios"]
        assert found[0] > 0.25
        assert abs(found[1]) < 0.2

    def test_refuses_noise_for_records_with_baselines_of_owners(self):
        with pytest.raises(PlanError, match="Leave by_owner out, or the noise"):
            cox_for_noise(CoxSettings(by_owner=True), 4)

    @pytest.mark.parametrize(
        ("how", "message"),
        [({"cells": 1}, "cells of Cox"), ({"l2": -1}, "l2 of Cox"), ({"cells": 5000}, "cells of")],
    )
    def test_refuses_settings_out_of_range(self, how, message):
        with pytest.raises(PlanError, match=message):
            fed_cox(LIFE, capacity=10, settings=CoxSettings(**how))

    def test_refuses_times_below_zero_without_telling_them(self, larynx):
        wrong = larynx.assign(time=larynx["time"].where(larynx.index != 4, -4711.0))
        with pytest.raises(DataError, match=r"column 'time' has in row 4 .* a time below 0") as e:
            LIFE.read(wrong)
        assert "4711" not in str(e.value)

    def test_is_made_again_from_its_settings(self):
        made = fed_cox(LIFE, capacity=200, settings=EACH_TENTH)
        assert fed_cox_from_settings(made.task.read()).sums == made.sums


class TestConcordance:
    def test_is_harrells(self):
        assert concordance([1, 2, 3, 4], [1, 0, 1, 0], [4, 1, 2, 3]) == pytest.approx(3 / 4)
        assert concordance([1, 2], [0, 0], [1, 2]) == 0.5

    def test_of_cells_is_that_of_all_pairs(self):
        rng = np.random.default_rng(1)
        risk, cells = rng.random(2000), rng.integers(0, TIMES, 2000)
        events = rng.random(2000) < 0.6
        cells = np.where(rng.random(2000) < 0.5, ((1 - risk) * TIMES).astype(int), cells)
        measure = Lifetimes()
        terms = measure.terms(risk[:, np.newaxis], {"cells": cells, "events": events * 1.0})
        found = measure.metrics(terms.sum(axis=0))
        # Rows of one cell of time are not compared.
        apart = concordance(cells * 2 - events * 0, events, risk)
        assert found["concordance"] == pytest.approx(apart, abs=0.02)
        assert found["rows"] == 2000


class TestNaiveBayes:
    FLOWERS = ("sepal_length", "sepal_width", "petal_length", "petal_width")

    def schema(self):
        bounds = dict.fromkeys(self.FLOWERS, Number(bounds=(0, 10), scale=Scale.NONE))
        return Schema(features=bounds, label="target", target=Label(classes=("0", "1", "2")))

    def test_of_numbers_is_gaussian(self, iris):
        made = fed_naive_bayes(self.schema(), capacity=500)
        state = run(made, split(iris, "sepal_length"), **CLEAR).state
        pooled = GaussianNB().fit(iris[list(self.FLOWERS)], iris["target"])
        assert state["class_mean"] == pytest.approx(pooled.theta_, abs=1e-4)
        assert state["class_variance"] == pytest.approx(pooled.var_, rel=1e-3)
        assert state["class_prior"] == pytest.approx(pooled.class_prior_, abs=1e-4)

    def test_of_yes_and_no_is_bernoulli(self):
        rng = np.random.default_rng(0)
        y = rng.integers(0, 2, 400)
        x = (rng.random((400, 3)) < np.array([[0.2, 0.5, 0.9], [0.7, 0.5, 0.3]])[y]).astype(int)
        frame = pd.DataFrame(x, columns=list("pqr")).assign(y=y)
        schema = Schema(features=dict.fromkeys("pqr", Boolean()), label="y")
        state = run(fed_naive_bayes(schema, capacity=500), split(frame, "y"), **CLEAR).state
        pooled = BernoulliNB().fit(x, y)
        assert np.log(state["class_mean"]) == pytest.approx(pooled.feature_log_prob_, abs=1e-4)
        own = NaiveBayes(booleans=(0, 1, 2)).fit(x, y)
        assert own.predict_proba(x) == pytest.approx(pooled.predict_proba(x), abs=1e-9)

    def test_of_its_own_rows_is_scikit_learns(self, iris):
        x, y = iris[list(self.FLOWERS)], iris["target"]
        own, pooled = NaiveBayes().fit(x, y), GaussianNB().fit(x, y)
        assert own.predict_proba(x) == pytest.approx(pooled.predict_proba(x), abs=1e-9)

    def test_with_noise_cuts_a_row_that_is_too_long(self, iris):
        how = NaiveBayesSettings(input_bound=3.0, clip_norm_l2=1.5)
        made = fed_naive_bayes(self.schema(), capacity=500, settings=how)
        given = contributed(made, iris)["moments"]
        assert np.linalg.norm(given.values, axis=1).max() > 1.5  # what the sum scales down
        (declared,) = made.sums.sums
        assert declared.unit_bound == 1.5

    def test_is_made_again_from_its_settings(self):
        made = fed_naive_bayes(self.schema(), capacity=200)
        assert fed_naive_bayes_from_settings(made.task.read()).sums == made.sums

    def test_refuses_a_label_without_classes(self):
        schema = Schema(features={"x": number(0, 1)}, label="y", target=cf.Target())
        with pytest.raises(PlanError, match="label without classes"):
            fed_naive_bayes(schema, capacity=10)


class TestKMeans:
    def schema(self):
        return Schema(features={"u": number(-4, 4), "v": number(-4, 4)})

    def rows(self):
        rng = np.random.default_rng(3)
        middles = np.array([[-3, -3], [3, -2], [0, 3]])
        points = middles[rng.integers(0, 3, 600)] + rng.normal(0, 0.4, (600, 2))
        return pd.DataFrame(points, columns=["u", "v"])

    def test_finds_the_clusters_of_the_pooled_rows(self):
        frame = self.rows()
        made = fed_k_means(self.schema(), capacity=500, settings=KMeansSettings(clusters=3))
        state = run(made, split(frame, "u"), rounds=8, **CLEAR).state
        found = state["centres"][np.argmin(state["inertia"])] * 4
        pooled = PooledKMeans(3, n_init=5, random_state=0).fit(frame).cluster_centers_
        order = [np.argmin(((found - c) ** 2).sum(axis=1)) for c in pooled]
        assert found[order] == pytest.approx(pooled, abs=2e-3)

    def test_starts_where_no_data_are(self):
        made = fed_k_means(self.schema(), capacity=500, settings=KMeansSettings(clusters=3))
        again = fed_k_means(self.schema(), capacity=9, settings=KMeansSettings(clusters=3))
        assert np.array_equal(made.init()["centres"], again.init()["centres"])

    def test_of_its_own_rows_has_the_pooled_inertia(self):
        rows = (self.rows() / 3).to_numpy()
        own = KMeans(n_clusters=3).fit(rows)
        pooled = PooledKMeans(3, n_init=5, random_state=0).fit(rows)
        assert own.inertia_ == pytest.approx(pooled.inertia_, rel=1e-6)

    def test_is_made_again_from_its_settings(self):
        made = fed_k_means(self.schema(), capacity=200)
        assert fed_k_means_from_settings(made.task.read()).sums == made.sums


class TestPCA:
    def schema(self, names):
        return Schema(features=dict.fromkeys(names, Number(bounds=(0, 10), scale=Scale.NONE)))

    def test_is_that_of_the_pooled_rows(self, iris):
        names = list(TestNaiveBayes.FLOWERS)
        made = fed_pca(self.schema(names), capacity=500, settings=PCASettings(components=3))
        state = run(made, split(iris, "sepal_length"), **CLEAR).state
        pooled = decomposition.PCA(3).fit(iris[names])
        assert np.abs(state["components"]) == pytest.approx(np.abs(pooled.components_), abs=2e-3)
        assert state["component_variance"] == pytest.approx(pooled.explained_variance_, rel=1e-3)
        own = PCA(n_components=3).fit(iris[names])
        assert np.abs(own.transform(iris[names])) == pytest.approx(
            np.abs(pooled.transform(iris[names])), abs=1e-9
        )
        assert own.explained_variance_ratio_ == pytest.approx(pooled.explained_variance_ratio_)

    def test_with_noise_keeps_a_row_within_the_norm(self, iris):
        names = list(TestNaiveBayes.FLOWERS)
        made = fed_pca(self.schema(names), capacity=500, settings=PCASettings(row_norm=2.0))
        given = contributed(made, iris)["products"]
        norms = np.linalg.norm(given.values, axis=1)
        assert norms.max() <= np.sqrt(3) * (1 + 1e-9)
        assert made.sums.sums[0].unit_bound == pytest.approx(np.sqrt(3))

    def test_refuses_more_components_than_inputs(self):
        with pytest.raises(PlanError, match="3 components of 2 inputs"):
            fed_pca(self.schema("uv"), capacity=10, settings=PCASettings(components=3))

    def test_is_made_again_from_its_settings(self):
        made = fed_pca(self.schema("uv"), capacity=200)
        assert fed_pca_from_settings(made.task.read()).sums == made.sums


def computations():
    flowers = TestNaiveBayes().schema()
    names = TestNaiveBayes.FLOWERS
    return {
        "naive Bayes": fed_naive_bayes(flowers, capacity=60),
        "k-means": fed_k_means(
            TestPCA().schema(names), capacity=60, settings=KMeansSettings(clusters=2, starts=2)
        ),
        "components": fed_pca(TestPCA().schema(names), capacity=60),
    }


class TestProtections:
    @pytest.mark.parametrize("name", computations())
    def test_all_release_the_same_bits(self, iris, name):
        made = computations()[name]
        data = split(iris, "sepal_length")
        states = [run(made, data, **fields).state for fields in PROTECTIONS.values()]
        for state in states[1:]:
            for key in state:
                assert np.array_equal(state[key], states[0][key]), key

    def test_any_split_of_rows_gives_the_same_model(self, larynx):
        made = fed_cox(LIFE, capacity=200, settings=CoxSettings(cells=32, l2=0.01))
        rng = np.random.default_rng(5)
        found = []
        for _ in range(3):
            frame = larynx.iloc[rng.permutation(90)]
            owner = rng.choice(4, 90, p=[0.6, 0.2, 0.1, 0.1])
            data = {n: frame[owner == k] for k, n in enumerate("abcd")}
            found.append(run(made, data, rounds=4, **CLEAR).state["hazard_ratios"])
        assert found[1] == pytest.approx(found[0], abs=1e-4)
        assert found[2] == pytest.approx(found[0], abs=1e-4)


class TestMeasures:
    def test_of_counts_are_the_deviance_and_its_share(self):
        from sklearn.metrics import d2_tweedie_score, mean_poisson_deviance

        rng = np.random.default_rng(2)
        mean = rng.gamma(2.0, 2.0, 500)
        counts = rng.poisson(mean).clip(0, 100).astype(float)
        measure = measure_of_family(Poisson(), 100.0)
        terms = measure.terms(np.log(mean)[:, np.newaxis], {"targets": counts})
        found = measure.metrics(terms.sum(axis=0))
        assert np.abs(terms).max() <= 1
        assert found["deviance"] == pytest.approx(mean_poisson_deviance(counts, mean), rel=1e-9)
        assert found["d2"] == pytest.approx(d2_tweedie_score(counts, mean, power=1), abs=1e-9)

    def test_of_distances_count_each_row_up_to_a_limit(self):
        measure = Distances(2)
        terms = measure.terms(np.array([[4.0, 1.0], [1e9, 1e9]]), {})
        assert terms.max() == 1.0
        assert np.linalg.norm(terms, axis=1).max() <= measure.unit_bound
