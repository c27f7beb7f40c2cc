"""What a plan's noise is worth where a person is at several parties, each with its own coin."""

import math
from dataclasses import replace

import dp_accounting as dp
import numpy as np
import pytest
from scipy.stats import binom, norm
from tests.plan.examples import PARTIES, TRUSTED, changed, make_plan, make_sum

from confide.errors import PlanError
from confide.plan import (
    CentralNoise,
    Clear,
    Neighbours,
    NoiseShares,
    NoNoise,
    OpenCrowd,
    PoissonSampling,
    Relation,
    SumGroup,
    Unit,
)
from confide.privacy.accounting import profile_of
from confide.privacy.federation import draw_batch
from confide.privacy.guarantee import guarantee, statement, with_noise
from confide.randomness import SystemRandom

SEVERAL = Neighbours(unit=Unit.PERSON, person_at_several_parties=True)


def plan_of(parties, rate, multiplier, delta=1e-6, **changes):
    """One sum over persons, one at each party at most, with noise by a trusted coordinator."""
    return make_plan(
        parties=PARTIES[:parties],
        sums=SumGroup((make_sum(unit=Unit.PERSON, capacity=1),)),
        neighbours=changes.pop("neighbours", SEVERAL),
        sampling=PoissonSampling(rate=rate),
        noise=CentralNoise(noise_multiplier=multiplier, delta=delta),
        aggregation=Clear(),
        threat=TRUSTED,
        **changes,
    )


def lost(parties, rate, multiplier, epsilon):
    """δ(ε) of one round, by adding both densities up on a fine grid of outputs."""
    counts = np.arange(parties + 1)
    centres = counts / (multiplier * parties)
    x = np.linspace(-12, float(centres[-1]) + 12, 400_001)
    weights = binom.pmf(counts, parties, rate)
    there = sum(w * norm.pdf(x, c) for w, c in zip(weights, centres, strict=True))
    gone, come = there - math.exp(epsilon) * norm.pdf(x), norm.pdf(x) - math.exp(epsilon) * there
    return max(float(np.maximum(side, 0).sum()) * (x[1] - x[0]) for side in (gone, come))


@pytest.mark.parametrize(("parties", "rate", "multiplier", "delta"), [
    (3, 0.001, 0.3, 1e-3), (40, 0.01, 0.05, 0.011), (40, 0.005, 0.05, 0.006),
    (40, 0.01, 0.1, 0.0101), (20, 0.02, 0.1, 0.025), (3, 0.5, 2.0, 1e-3),
])  # fmt: skip
def test_the_stated_epsilon_is_at_least_the_true_one(parties, rate, multiplier, delta):
    stated = statement(plan_of(parties, rate, multiplier, delta))
    assert lost(parties, rate, multiplier, stated.epsilon) <= delta * (1 + 1e-6)
    assert lost(parties, rate, multiplier, stated.epsilon * 0.99 - 1e-4) > delta


def test_an_attack_on_the_coins_finds_no_more_than_is_said():
    """Draws each party's batch as a run does, and tells by the noisy sum who took part."""
    parties, rate, multiplier, runs = 3, 0.1, 0.12, 40_000
    plan = plan_of(parties, rate, multiplier)
    drawn = sum(draw_batch(plan, runs, SystemRandom()).astype(int) for _ in range(parties))
    noise = np.random.default_rng(5).normal(size=runs)
    found = float(np.mean(drawn / (multiplier * parties) + noise > norm.ppf(0.99)))
    chance = 4 * math.sqrt(found * (1 - found) / runs)
    assert found - chance <= statement(plan).tpr[1] <= found + chance
    one_coin = profile_of(dp.PoissonSampledDpEvent(rate, dp.GaussianDpEvent(multiplier)))
    assert one_coin.tpr(0.01) < found - chance


class TestNoiseForAnEpsilon:
    def test_replaces_noise_without_which_the_plan_would_be_refused(self):
        plan = make_plan(
            neighbours=Neighbours(unit=Unit.PARTY),
            sums=SumGroup((make_sum(unit=Unit.PARTY, capacity=1),)),
            rounds=3,
            dropouts=1,
            noise=NoiseShares(noise_multiplier=1.0, delta=1e-3),
        )
        with pytest.raises(PlanError, match="differences of opened sums"):
            replace(plan, noise=NoNoise())
        for epsilon in (8.0, 2.0, 0.5):
            plan = with_noise(plan, NoiseShares, epsilon=epsilon, delta=1e-3)
            assert 0.99 * epsilon < statement(plan).epsilon <= epsilon
        assert isinstance(plan.crowd, OpenCrowd)


class TestGuarantee:
    def test_is_that_of_a_binomial_number_of_contributions(self):
        plan = plan_of(4, 0.25, 2.0)
        event = guarantee(plan).round_event
        assert event.sensitivities == [0.0, 1.0, 2.0, 3.0, 4.0]
        assert event.sampling_probs == pytest.approx(binom.pmf(range(5), 4, 0.25))
        assert event.standard_deviation == pytest.approx(8.0, rel=1e-3)

    def test_of_a_person_at_one_party_is_one_coin(self):
        plan = plan_of(4, 0.25, 2.0, neighbours=Neighbours(unit=Unit.PERSON))
        assert isinstance(guarantee(plan).round_event, dp.PoissonSampledDpEvent)

    def test_of_more_parties_with_the_same_noise_is_weaker(self):
        """The same σ, and one more party that may hold the person."""
        found = [statement(plan_of(n, 0.1, 6.0 / n)).epsilon for n in (3, 4, 5, 6)]
        assert found == sorted(found)
        assert found[0] < found[-1]

    def test_of_replaced_persons_is_weaker(self):
        plan = plan_of(4, 0.1, 1.0)
        # A multiplier is relative to what is protected, so this one is the same noise.
        replaced = plan_of(4, 0.1, 0.5, neighbours=replace(SEVERAL, relation=Relation.REPLACE_ONE))
        assert statement(plan).epsilon < statement(replaced).epsilon
        assert statement(plan, at_capacity=True).epsilon > statement(plan).epsilon

    @pytest.mark.parametrize("relation", Relation)
    def test_is_met_by_the_least_noise_for_an_epsilon(self, relation):
        plan = changed(
            plan_of(5, 0.02, 1.0), neighbours=replace(SEVERAL, relation=relation), rounds=50
        )
        private = with_noise(plan, CentralNoise, epsilon=1.0, delta=1e-6)
        assert 0.999 < statement(private).epsilon <= 1.0
