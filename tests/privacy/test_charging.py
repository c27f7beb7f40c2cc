"""Mechanisms and the ledger: charged before computed, once, and for what they are."""

from typing import Any

import pytest

from confide.errors import DataError, PrivacyBudgetError
from confide.plan import Relation
from confide.privacy.charging import charged
from confide.privacy.ledger import Cap, Filter, Ledger
from confide.privacy.mechanisms import (
    AboveThreshold,
    ClampedMean,
    ClampedSum,
    ExponentialMechanism,
    GaussianMechanism,
    GaussianNoise,
    Histogram,
    KeySelection,
    LaplaceMechanism,
    LaplaceNoise,
    PermuteAndFlip,
    Quantile,
)

BOUNDS: dict[str, Any] = {"lower": 0.0, "upper": 1.0}
CAP = Cap(epsilon=1.0, delta=1e-6, observers=frozenset({"analyst"}), approximate_delta=5e-7)
EVERY = [
    LaplaceMechanism(epsilon=0.1, sensitivity=1.0),
    LaplaceMechanism(epsilon=0.1, sensitivity=1.0, size=3),
    GaussianMechanism(noise_multiplier=20.0, sensitivity=1.0),
    ExponentialMechanism(epsilon=0.1, sensitivity=1.0, candidates=3),
    PermuteAndFlip(epsilon=0.1, sensitivity=1.0, candidates=3),
    AboveThreshold(epsilon=0.1, sensitivity=1.0),
    KeySelection(epsilon=0.1, delta=1e-7),
    Quantile(quantile=0.5, resolution=0.1, epsilon=0.1, **BOUNDS),
    ClampedSum(noise=LaplaceNoise(0.1), **BOUNDS),
    ClampedMean(noise=GaussianNoise(20.0), **BOUNDS),
    Histogram(keys="ab", noise=LaplaceNoise(0.1)),
]


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "ledger.db") as opened:
        opened.open_dataset("people")
        opened.cap("people", CAP)
        yield opened


def spent(ledger):
    lost = ledger.spent("people", observers={"analyst"}, delta=1e-6)
    return min(lost.pure_epsilon, lost.renyi_epsilon)


@pytest.mark.parametrize("mechanism", EVERY, ids=lambda m: type(m).__name__)
def test_every_mechanism_is_charged_for_what_it_is(ledger, mechanism):
    with charged(ledger, "people", mechanism, observers=["analyst"], meaning="a test") as charge:
        assert 0.05 < spent(ledger) < 0.5
    assert charge.charge.closed
    assert charge.charge.fact.count == charge.charge.used == 1
    assert 0.05 < spent(ledger) < 0.5


def test_nothing_runs_beyond_the_cap_and_nothing_is_charged(ledger):
    mechanism = LaplaceMechanism(epsilon=0.7, sensitivity=1.0)
    with charged(ledger, "people", mechanism, observers=["analyst"]):
        pass
    before, ran = spent(ledger), False
    with (
        pytest.raises(PrivacyBudgetError),
        charged(ledger, "people", mechanism, observers=["analyst"]),
    ):
        ran = True
    assert not ran
    assert spent(ledger) == before


@pytest.mark.parametrize(
    "kind",
    [
        lambda epsilon: LaplaceMechanism(epsilon=epsilon, sensitivity=1, integer=True),
        lambda epsilon: LaplaceMechanism(epsilon=epsilon, sensitivity=1.0),
        lambda epsilon: LaplaceMechanism(epsilon=epsilon, sensitivity=1.0, size=4),
        lambda epsilon: PermuteAndFlip(epsilon=epsilon, sensitivity=1.0, candidates=3),
        lambda epsilon: ClampedMean(noise=LaplaceNoise(epsilon), **BOUNDS),
    ],
)
@pytest.mark.parametrize("times", [1, 3, 10])
def test_a_cap_is_used_up_to_its_last_digit_and_no_further(ledger, kind, times):
    """0.1 ten times is 1, though no float is a tenth (opendp/opendp#2131)."""
    ledger.cap("people", Cap(epsilon=1.0, delta=0, observers=frozenset({"analyst"})))
    mechanism = kind(1 / times)
    for _ in range(times):
        with charged(ledger, "people", mechanism, observers=["analyst"]):
            pass
    with pytest.raises(PrivacyBudgetError):
        ledger.reserve("people", kind(1e-6).event, observers=["analyst"])


def test_an_error_on_the_way_is_charged_once(ledger):
    mechanism = ClampedSum(noise=LaplaceNoise(0.4), **BOUNDS)
    with (
        pytest.raises(DataError, match="missing"),
        charged(ledger, "people", mechanism, observers=["analyst"]) as charge,
    ):
        mechanism.release([float("nan")])
    assert charge.charge.closed
    assert 0.39 < spent(ledger) < 0.45


def test_units_that_come_or_go_where_those_that_are_replaced_are_protected(tmp_path):
    """Replacing is removing and adding: twice the cost, never the cheaper reading."""
    mechanism = LaplaceMechanism(epsilon=0.4, sensitivity=1.0)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.open_dataset("people", relation=Relation.REPLACE_ONE)
        ledger.cap("people", Cap(epsilon=1.0, delta=1e-6, observers=frozenset({"analyst"})))
        with charged(ledger, "people", mechanism, observers=["analyst"]):
            pass
        assert 0.7 < spent(ledger) < 0.81


def test_gaussian_filters_take_gaussian_mechanisms_exactly(tmp_path):
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.open_dataset("people")
        ledger.cap("people", Cap(epsilon=1.0, delta=1e-6, filter=Filter.GAUSSIAN))
        mechanism = ClampedSum(noise=GaussianNoise(10.0), **BOUNDS)
        for _ in range(3):
            with charged(ledger, "people", mechanism, observers=["analyst"]):
                pass
        with (
            pytest.raises(PrivacyBudgetError),
            charged(ledger, "people", EVERY[0], observers=["analyst"]),
        ):
            pass
