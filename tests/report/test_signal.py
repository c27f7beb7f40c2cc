"""Models that would be mostly noise are told of before anything runs."""

import warnings

import numpy as np
import pandas as pd
import pytest
from tests.training.tables import numbers_only

import confide as cf
from confide.engines import NoiseWarning
from confide.plan import What
from confide.report import estimate, views
from confide.report.signal import LEAST, signals
from confide.training import planned

MODEL = cf.GeneralisedLinearModel(family=cf.families.Bernoulli(), n_features=4)
TABLE = cf.Table(features=tuple("abcd"), label="y")


def noisy(computation, parties, rounds=20, epsilon=3.0):
    plan = computation.plan(parties=[f"p{i}" for i in range(parties)], rounds=rounds)
    return cf.with_noise(plan, cf.NoiseShares, epsilon=epsilon, delta=1e-5)


@pytest.fixture(scope="module")
def averaging():
    return cf.fed_avg(MODEL, TABLE, weight_cap=500, clip_norm_l2=2.0)


def test_four_parties_average_noise(averaging):
    plan = noisy(averaging, 4)
    (signal,) = signals(plan)
    assert signal.ratio < 1
    told = [text for text in views(plan).warnings if text.startswith("MOSTLY NOISE")]
    assert len(told) == 1
    assert "fed_sgd" in told[0]
    assert told[0] in estimate(plan, {p.name: 100 for p in plan.parties}).notes
    assert "MOSTLY NOISE" in str(views(plan))


def test_the_parties_that_are_proposed_are_enough(averaging):
    (signal,) = signals(noisy(averaging, 4))
    (larger,) = signals(noisy(averaging, signal.enough + 1))
    assert larger.ratio >= LEAST
    assert not [t for t in views(noisy(averaging, signal.enough + 1)).warnings if "NOISE:" in t]


def test_the_number_of_rounds_changes_little(averaging):
    few, many = (next(signals(noisy(averaging, 4, rounds=r))).ratio for r in (2, 80))
    assert few == pytest.approx(many, rel=0.1)


def test_sums_over_records_and_exact_sums_are_not_told_of(averaging):
    gradients = cf.fed_sgd(MODEL, TABLE, capacity=400, clip_norm_l2=2.0)
    assert not list(signals(noisy(gradients, 4)))
    assert not list(signals(averaging.plan(parties=["a", "b", "c"], rounds=3)))


def test_a_run_warns(averaging):
    rng = np.random.default_rng(0)
    rows = {c: rng.normal(size=20) for c in "abcd"} | {"y": np.arange(20) % 2}
    data = {f"p{i}": pd.DataFrame(rows) for i in range(4)}
    with pytest.warns(NoiseWarning, match="MOSTLY NOISE"):
        cf.simulate(noisy(averaging, 4, rounds=2), data, computation=averaging)
    gradients = cf.fed_sgd(MODEL, TABLE, capacity=400, clip_norm_l2=2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", NoiseWarning)
        cf.simulate(noisy(gradients, 4, rounds=2), data, computation=gradients)


class TestCells:
    def test_of_exact_sums_are_on_the_first_page(self):
        report = views(planned("trees", numbers_only(), label="ill", trees=2).plan)
        for who in ("coordinator", "north"):
            seen = [e for e in report.who_sees(what=What.CELLS) if e.observer.name == who]
            assert [e.value for e in seen] == [
                "a record that is alone in one of the bins of its columns",
                "a record that is alone in one of the nodes and bins of the trees",
                "a record that is alone in one of the bins of scores by class",
            ]
        assert "alone in one of the nodes and bins of the trees" in " ".join(str(report).split())

    def test_of_sums_with_noise_are_not(self):
        plan = planned("trees", numbers_only(), label="ill", trees=2, privacy=cf.Epsilon(3.0)).plan
        assert not views(plan).who_sees(what=What.CELLS)

    def test_of_sums_that_are_of_all_rows_are_not(self):
        plan = planned("linear", numbers_only(), label="age", metrics=False).plan
        told = {e.stage for e in views(plan).who_sees(what=What.CELLS)}
        assert told == {0}
