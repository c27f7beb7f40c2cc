"""Mechanisms and the ledger: what is released is what was charged, once, before it is computed."""

import math
from typing import Any

import pytest
from dp_accounting import GaussianDpEvent

from confide.errors import DataError, PlanError, PrivacyBudgetError
from confide.plan import Relation
from confide.privacy.accounting import epsilon_of_mu
from confide.privacy.ledger import Cap, Filter, Ledger
from confide.privacy.mechanisms import (
    AboveThreshold,
    ClampedMean,
    ClampedSum,
    Composition,
    Estimate,
    ExponentialMechanism,
    GaussianMechanism,
    GaussianNoise,
    Histogram,
    KeySelection,
    LaplaceMechanism,
    LaplaceNoise,
    PermuteAndFlip,
    Quantile,
    Released,
)
from confide.randomness import SystemRandom

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
    Histogram(keys=tuple("ab"), noise=LaplaceNoise(0.1)),
    Composition(
        {
            "sum": ClampedSum(noise=LaplaceNoise(0.05), **BOUNDS),
            "counts": Histogram(keys=tuple("ab"), noise=LaplaceNoise(0.05)),
        }
    ),
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


VALUES: dict[Any, Any] = {
    LaplaceMechanism: 1.0,
    GaussianMechanism: 1.0,
    ExponentialMechanism: [1, 2, 3],
    PermuteAndFlip: [1, 2, 3],
    KeySelection: {"a": 3},
    Quantile: [0.5],
    ClampedSum: [0.5],
    ClampedMean: [0.5],
    Histogram: ["a"],
    Composition: {"sum": [0.5], "counts": ["a"]},
}


def run(ledger, mechanism, values=None, **options):
    """Releases a mechanism, or starts its session, to the analyst."""
    options = {"observers": ["analyst"], **options}
    if isinstance(mechanism, AboveThreshold):
        return ledger.start("people", mechanism, **options)
    given = values
    if given is None:
        given = VALUES[type(mechanism)]
        given = [1.0] * 3 if getattr(mechanism, "size", 1) == 3 else given
    return ledger.release("people", mechanism, given, **options)


@pytest.mark.parametrize("mechanism", EVERY, ids=lambda m: type(m).__name__)
def test_every_mechanism_is_charged_for_what_it_is_and_gives_its_answer(ledger, mechanism):
    answer = run(ledger, mechanism, meaning="a test")
    if isinstance(mechanism, AboveThreshold):
        assert (answer.is_above(1e9, threshold=0), answer.left) == (True, 0)
    else:
        assert isinstance(answer, Released)
        assert answer.mechanism is mechanism
    (charge,) = ledger.charges()
    assert charge.closed
    assert charge.fact.count == charge.charged == 1
    assert charge.fact.meaning == "a test"
    assert 0.05 < spent(ledger) < 0.5


def test_nothing_runs_beyond_the_cap_and_nothing_is_charged(ledger):
    mechanism = LaplaceMechanism(epsilon=0.7, sensitivity=1.0)
    run(ledger, mechanism)
    before, asked = spent(ledger), Recorder()
    with pytest.raises(PrivacyBudgetError):
        run(ledger, mechanism, 1.0, random=asked)
    assert not asked.times
    assert spent(ledger) == before


class Recorder(SystemRandom):
    """Counts how often noise is asked for, and may fail."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.times, self._error = 0, error

    def bytes(self, count: int) -> bytes:
        self.times += 1
        if self._error:
            raise self._error
        return super().bytes(count)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError()], ids=repr)
def test_what_is_interrupted_after_the_charge_stays_charged_and_gives_nothing(ledger, error):
    mechanism = LaplaceMechanism(epsilon=0.4, sensitivity=1.0)
    with pytest.raises(type(error)):
        run(ledger, mechanism, 1.0, random=Recorder(error))
    assert 0.39 < spent(ledger) < 0.45
    assert [charge.closed for charge in ledger.charges()] == ["committed"]


def test_noise_is_drawn_after_the_charge_is_on_the_disk(ledger, tmp_path):
    class Looks(SystemRandom):
        def bytes(self, count: int) -> bytes:
            with Ledger.open(tmp_path / "ledger.db") as other:
                seen.append(len(other.charges()))
            return super().bytes(count)

    seen: list[int] = []
    run(ledger, LaplaceMechanism(epsilon=0.4, sensitivity=1.0), 1.0, random=Looks())
    assert seen == [1] * len(seen)
    assert seen


def test_the_charge_and_its_end_are_one_transaction(ledger):
    """A crash in between would leave a charge open that nobody can take up."""
    before = ledger.position().number
    run(ledger, LaplaceMechanism(epsilon=0.1, sensitivity=1.0))
    assert [entry.kind for entry in ledger.entries()[before:]] == ["reserved", "committed"]
    ledger.verify()


def test_the_doors_take_mechanisms_only(ledger):
    with pytest.raises(DataError, match=r"a GaussianDpEvent is not a mechanism.*Ledger.start"):
        ledger.release("people", GaussianDpEvent(1.0), [1.0], observers=["analyst"])
    with pytest.raises(DataError, match=r"AboveThreshold is not a mechanism that answers once"):
        ledger.release("people", EVERY[5], [1.0], observers=["analyst"])
    with pytest.raises(DataError, match=r"LaplaceMechanism is not a mechanism with sessions"):
        ledger.start("people", EVERY[0], observers=["analyst"])
    assert ledger.charges() == ()


def test_a_composition_is_one_charge_of_its_exact_cost(tmp_path):
    """Two Gaussians of multiplier z are one of z/√2: a cap of that holds, to the last digit."""
    part = ClampedSum(noise=GaussianNoise(10.0), **BOUNDS)
    cap = Cap(epsilon=epsilon_of_mu(math.sqrt(2) / 10, 1e-6), delta=1e-6, filter=Filter.GAUSSIAN)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.open_dataset("people")
        ledger.cap("people", Cap(epsilon=cap.epsilon * 1.001, delta=1e-6, filter=Filter.GAUSSIAN))
        both = Composition({"one": part, "two": part})
        found = run(ledger, both, {"one": [0.5], "two": [1.0]}).value
        assert set(found) == {"one", "two"}
        assert all(isinstance(answer, Estimate) for answer in found.values())
        with pytest.raises(PrivacyBudgetError):
            run(ledger, part)


def test_a_composition_of_what_does_not_go_together_is_refused():
    part = ClampedSum(noise=GaussianNoise(10.0), **BOUNDS)
    other = ClampedSum(noise=GaussianNoise(10.0), relation=Relation.REPLACE_ONE, **BOUNDS)
    with pytest.raises(PlanError, match="no mechanism"):
        Composition({})
    with pytest.raises(PlanError, match="differ in their relation"):
        Composition({"one": part, "two": other})
    with pytest.raises(PlanError, match="part 'session' is a AboveThreshold"):
        Composition({"session": EVERY[5]})  # type: ignore[dict-item]
    with pytest.raises(DataError, match="a mapping with values for: one, two"):
        Composition({"one": part, "two": part}).release({"one": [0.5]})


@pytest.mark.parametrize(
    "kind",
    [
        lambda epsilon: LaplaceMechanism(epsilon=epsilon, sensitivity=1, integer=True),
        lambda epsilon: LaplaceMechanism(epsilon=epsilon, sensitivity=1.0),
        lambda epsilon: LaplaceMechanism(epsilon=epsilon, sensitivity=1.0, size=3),
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
        run(ledger, mechanism, [0.5] if isinstance(mechanism, ClampedMean) else None)
    with pytest.raises(PrivacyBudgetError):
        ledger.reserve("people", kind(1e-6).event, observers=["analyst"])


def test_an_error_on_the_way_is_charged_once(ledger):
    mechanism = ClampedSum(noise=LaplaceNoise(0.4), **BOUNDS)
    with pytest.raises(DataError, match="missing"):
        run(ledger, mechanism, [float("nan")])
    assert ledger.charges()[0].closed
    assert 0.39 < spent(ledger) < 0.45


def test_units_that_come_or_go_where_those_that_are_replaced_are_protected(tmp_path):
    """Replacing is removing and adding: twice the cost, never the cheaper reading."""
    mechanism = LaplaceMechanism(epsilon=0.4, sensitivity=1.0)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.open_dataset("people", relation=Relation.REPLACE_ONE)
        ledger.cap("people", Cap(epsilon=1.0, delta=1e-6, observers=frozenset({"analyst"})))
        run(ledger, mechanism)
        assert 0.7 < spent(ledger) < 0.81


def test_gaussian_filters_take_gaussian_mechanisms_exactly(tmp_path):
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.open_dataset("people")
        ledger.cap("people", Cap(epsilon=1.0, delta=1e-6, filter=Filter.GAUSSIAN))
        mechanism = ClampedSum(noise=GaussianNoise(10.0), **BOUNDS)
        for _ in range(3):
            run(ledger, mechanism)
        with pytest.raises(PrivacyBudgetError):
            run(ledger, EVERY[0])
