"""Ledgers with the package's own accounting."""

import math
from fractions import Fraction

import mpmath
import pytest
from dp_accounting import NeighboringRelation
from dp_accounting.dp_event import (
    ComposedDpEvent,
    DiscreteLaplaceDpEvent,
    DpEvent,
    GaussianDpEvent,
    LaplaceDpEvent,
    NonPrivateDpEvent,
    NoOpDpEvent,
    PoissonSampledDpEvent,
    RandomizedResponseDpEvent,
    SelfComposedDpEvent,
    UnsupportedDpEvent,
)
from dp_accounting.pld import PLDAccountant
from tests.privacy.ledger.ledger_support import NAMES

from confide.errors import PlanError, PrivacyBudgetError
from confide.plan import Relation
from confide.privacy.ledger import Cap, Filter, Ledger
from confide.privacy.ledger.accountant import DpAccountant

SAMPLED = PoissonSampledDpEvent(0.01, GaussianDpEvent(1.1))


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "ledger.db") as opened:
        opened.open_dataset("loans")
        yield opened


def reserve(ledger, event, **options):
    return ledger.reserve("loans", event, observers=NAMES, **options)


def test_training_and_a_histogram_share_a_cap(ledger):
    ledger.cap("loans", Cap(epsilon=3, delta=1e-5))
    training = reserve(ledger, SAMPLED, count=1000)
    reserve(ledger, LaplaceDpEvent(4.0)).commit()
    with pytest.raises(PrivacyBudgetError, match="ε = 3, δ = 1e-05"):
        reserve(ledger, SAMPLED, count=5000)
    for _ in range(3):
        training.use()
    training.commit()
    lost = ledger.spent("loans", delta=1e-5)
    accountant = PLDAccountant(NeighboringRelation.ADD_OR_REMOVE_ONE)
    accountant.compose(SAMPLED, 3).compose(LaplaceDpEvent(4.0))
    assert accountant.get_epsilon(1e-5) <= lost.renyi_epsilon


def test_what_a_cap_admits_is_within_it_by_privacy_loss_distributions(ledger):
    ledger.cap("loans", Cap(epsilon=2, delta=1e-5))
    reserve(ledger, SAMPLED, count=400)
    steps = 400
    while True:
        try:
            reserve(ledger, SAMPLED, count=100)
        except PrivacyBudgetError:
            break
        steps += 100
    accountant = PLDAccountant(NeighboringRelation.ADD_OR_REMOVE_ONE).compose(SAMPLED, steps)
    assert 1.2 < accountant.get_epsilon(1e-5) <= 2


def test_gaussians_fill_their_cap(ledger):
    # Balle and Wang 2018: σ = 3.730632 is the least for ε = 1, δ = 1e-5.
    ledger.cap("loans", Cap(epsilon=1, delta=1e-5, filter=Filter.GAUSSIAN))
    reserve(ledger, SelfComposedDpEvent(GaussianDpEvent(3.7308 * 2), 4))
    with pytest.raises(PrivacyBudgetError):
        reserve(ledger, GaussianDpEvent(300.0))
    assert ledger.remaining("loans")[0].fraction < 1e-3


def test_a_replaced_record_costs_a_sampled_event_more(ledger, tmp_path):
    ledger.cap("loans", Cap(epsilon=9, delta=1e-5))
    ledger.open_dataset("others", relation=Relation.REPLACE_ONE, fresh=True)
    ledger.cap("others", Cap(epsilon=9, delta=1e-5))
    for name in ("loans", "others"):
        ledger.reserve(name, SAMPLED, observers=NAMES, count=100)
    added, replaced = (ledger.spent(n, delta=1e-5).renyi_epsilon for n in ("loans", "others"))
    assert added < replaced


@pytest.mark.parametrize(
    ("event", "epsilon"),
    [
        (LaplaceDpEvent(10.0), Fraction(1, 10)),
        (DiscreteLaplaceDpEvent(0.25, 2), Fraction(1, 2)),
        (SelfComposedDpEvent(LaplaceDpEvent(8.0), 3), Fraction(3, 8)),
        (ComposedDpEvent([LaplaceDpEvent(8.0), NoOpDpEvent()]), Fraction(1, 8)),
        (ComposedDpEvent([LaplaceDpEvent(8.0), GaussianDpEvent(8.0)]), None),
        (GaussianDpEvent(1.0), None),
        (SAMPLED, None),
        (LaplaceDpEvent(0.0), None),
    ],
    ids=repr,
)
def test_pure_epsilon_is_exact_or_unknown(event, epsilon):
    assert DpAccountant().pure_epsilon(event) == epsilon


@pytest.mark.parametrize("epsilon", [1e-6, 0.1, 1.0, 10.0, 300.0])
@pytest.mark.parametrize("buckets", [2, 17])
def test_pure_epsilon_of_randomised_response_is_at_least_the_true_one(epsilon, buckets):
    p = buckets / (math.expm1(epsilon) + buckets)
    found = DpAccountant().pure_epsilon(RandomizedResponseDpEvent(p, buckets))
    assert found is not None
    with mpmath.workdps(60):
        true = mpmath.log1p(buckets * (1 - mpmath.mpf(p)) / mpmath.mpf(p))
        excess = mpmath.mpf(found.numerator) / found.denominator - true
    assert 0 <= excess < 1e-14 * max(1, epsilon)


def test_laplace_noise_fills_a_cap_to_the_last_unit(ledger):
    ledger.cap("loans", Cap(epsilon=1, delta=0))
    reserve(ledger, LaplaceDpEvent(10.0))
    reserve(ledger, LaplaceDpEvent(1 / 0.9))
    assert 0 <= ledger.remaining("loans")[0].fraction < 2e-9


class Stranger(DpEvent):  # type: ignore[misc] # dp_accounting is untyped
    """An event that nobody knows."""


@pytest.mark.parametrize(
    "event",
    [Stranger(), UnsupportedDpEvent(), NonPrivateDpEvent(), GaussianDpEvent(0.0)],
    ids=repr,
)
def test_events_without_a_bound_are_refused(ledger, event):
    ledger.cap("loans", Cap(epsilon=100, delta=1e-5))
    with pytest.raises((PlanError, PrivacyBudgetError)):
        reserve(ledger, event)
    assert ledger.charges() == ()


@pytest.mark.parametrize(
    "event",
    [
        SelfComposedDpEvent(GaussianDpEvent(1.0), -3),
        SelfComposedDpEvent(GaussianDpEvent(1.0), 2.5),
        GaussianDpEvent(-1.0),
        GaussianDpEvent(math.nan),
    ],
)
def test_events_that_make_no_sense_are_one_clear_error(event, tmp_path):
    with Ledger.open(str(tmp_path / "l.db")) as ledger:
        ledger.open_dataset("loans")
        ledger.cap("loans", Cap(epsilon=3, delta=1e-6))
        with pytest.raises(PlanError, match=r"at least 0|out of range|finite"):
            ledger.reserve("loans", event, observers={"bank"}, meaning="a mean")
        assert ledger.spent("loans").mu == 0
