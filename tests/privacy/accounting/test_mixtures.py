"""Mixtures of Gaussians, against integrals of their densities and against a second library."""

import math

import dp_accounting as dp
import mpmath
import numpy as np
import pytest
from dp_accounting import dp_event
from dp_accounting.pld import PLDAccountant
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import logsumexp
from scipy.stats import binom, norm

from confide.plan import Relation
from confide.privacy.accounting import PrivacyStatement, profile_of, rdp_curve
from confide.privacy.accounting.mixtures import binomial_mixture

ADD, REPLACE = Relation.ADD_OR_REMOVE_ONE, Relation.REPLACE_ONE


def exact_delta(parts, epsilon, relation):
    """δ(ε) of the pair whose two likelihoods are in closed form and whose ratio rises with x.

    Args:
        parts: Weights and centres, in standard deviations.
        epsilon: ε.
        relation: Whether the other side is the noise alone, or the mirror image.
    """
    weights, centres = (np.array(side) for side in zip(*parts, strict=True))

    def log_ratio(x):
        return float(logsumexp(centres * x - centres**2 / 2, b=weights))

    def above(sign, x):
        return float(weights @ norm.sf(x - sign * centres))

    if relation is REPLACE:
        cut = _where(lambda x: log_ratio(x) - log_ratio(-x), epsilon)
        return above(1, cut) - math.exp(epsilon) * above(-1, cut)
    gone = _where(log_ratio, epsilon)
    come = _where(log_ratio, -epsilon)
    there = above(1, gone) - math.exp(epsilon) * norm.sf(gone)
    back = norm.cdf(come) - math.exp(epsilon) * float(weights @ norm.cdf(come - centres))
    return max(there, back)


def _where(rising, value):
    if rising(-50.0) > value:
        return -math.inf
    return brentq(lambda x: rising(x) - value, -50.0, 1e6, xtol=1e-13)


def exact_epsilon(parts, delta, relation):
    if exact_delta(parts, 0.0, relation) <= delta:
        return 0.0
    return brentq(lambda e: exact_delta(parts, e, relation) - delta, 0.0, 690.0, xtol=1e-10)


def coins(parties, rate, multiplier):
    """A person at some parties, each with its own coin; the multiplier is relative to all."""
    return [
        (float(binom.pmf(k, parties, rate)), k / (multiplier * parties)) for k in range(parties + 1)
    ]


GRID = [
    (3, 0.001, 0.3, 1e-3),
    (50, 0.01, 0.05, 0.011),
    (20, 0.02, 0.1, 0.025),
    (2, 0.5, 0.4, 0.2),
    (2, 0.01, 4.0, 1e-6),
    (10, 0.9, 1.5, 1e-5),
    (5, 0.001, 0.05, 0.004),
    (7, 0.3, 20.0, 1e-3),
    (100, 0.01, 0.02, 1e-4),
]


@pytest.mark.parametrize("relation", [ADD, REPLACE])
@pytest.mark.parametrize(("parties", "rate", "multiplier", "delta"), GRID)
def test_coins_of_several_parties_cost_what_the_integral_says(
    relation, parties, rate, multiplier, delta
):
    exact = exact_epsilon(coins(parties, rate, multiplier), delta, relation)
    event = binomial_mixture(rate, multiplier * parties, parties)
    stated = profile_of(event, relation).epsilon(delta)
    assert exact <= stated <= exact * 1.005 + 1e-5


@pytest.mark.parametrize("relation", [ADD, REPLACE])
@pytest.mark.parametrize("multiplier", [1e-3, 1e-2, 0.03])
@pytest.mark.parametrize("delta", [1e-12, 0.004, 0.006, 0.5])
def test_noise_that_hides_next_to_nothing_is_stated_from_above(relation, multiplier, delta):
    """Losses are thousands of nats there, so δ at a stated ε is what an integral still reaches."""
    parts = coins(5, 0.001, multiplier)
    stated = profile_of(binomial_mixture(0.001, multiplier * 5, 5), relation).epsilon(delta)
    if stated < 600:
        assert exact_delta(parts, stated, relation) <= delta * (1 + 1e-9)
    assert stated < 1 or delta < 0.005  # Of five coins one falls with probability 0.005.


@pytest.mark.parametrize("relation", [ADD, REPLACE])
@pytest.mark.parametrize(("parties", "rate", "multiplier", "delta"), GRID)
def test_no_attack_finds_more_than_the_sentence_says(relation, parties, rate, multiplier, delta):
    """The best attack is a threshold, by the Neyman-Pearson lemma; its power is a formula."""
    parts = coins(parties, rate, multiplier)
    event = binomial_mixture(rate, multiplier * parties, parties)
    stated = PrivacyStatement.of_event(event, delta=delta, relation=relation).tpr[1]
    sign = -1 if relation is REPLACE else 0

    def alarms(x):
        return sum(w * norm.sf(x - sign * c) for w, c in parts)

    cut = brentq(lambda x: alarms(x) - 0.01, -2000.0, 2000.0, xtol=1e-12)
    power = sum(w * norm.sf(cut - c) for w, c in parts)
    assert power * (1 - 1e-9) <= stated <= power * 1.1 + 1e-3


def test_one_coin_for_all_parties_would_promise_too_much():
    """The mistake that this module is for: δ just above q hides the coins of 49 other parties."""
    parties, rate, multiplier, delta = 50, 0.01, 0.05, 0.011
    one_coin = dp.PoissonSampledDpEvent(rate, dp.GaussianDpEvent(multiplier))
    assert profile_of(one_coin).epsilon(delta) < 0.01
    assert exact_epsilon(coins(parties, rate, multiplier), delta, ADD) > 0.36


@pytest.mark.parametrize(("parties", "rate", "deviation", "rounds"), [
    (2, 0.1, 1.0, 1), (5, 0.01, 1.0, 200), (8, 0.05, 3.0, 50), (3, 0.3, 2.0, 10),
])  # fmt: skip
def test_lies_between_the_library_s_bounds(parties, rate, deviation, rounds):
    event = binomial_mixture(rate, deviation, parties)
    stated = profile_of(dp.SelfComposedDpEvent(event, rounds)).epsilon(1e-5)
    library = PLDAccountant(value_discretization_interval=4e-3).compose(event, rounds)
    assert stated <= library.get_epsilon(1e-5) * (1 + 1e-4)
    assert stated >= library.get_epsilon(1e-5) * 0.98 - rounds * 1e-3


@pytest.mark.parametrize("relation", [ADD, REPLACE])
def test_two_rounds_cost_what_two_integrals_say(relation):
    """Convolves the losses of two rounds on a fine grid of outputs, without any dominating pair."""
    x = np.linspace(-11, 16, 3001)
    centres, weights = np.arange(4) * 0.9, binom.pmf(range(4), 3, 0.2)
    upper = sum(w * norm.pdf(x, c) for w, c in zip(weights, centres, strict=True))
    lower = norm.pdf(x)
    if relation is REPLACE:
        lower = sum(w * norm.pdf(x, -c) for w, c in zip(weights, centres, strict=True))
    event = dp.SelfComposedDpEvent(binomial_mixture(0.2, 1 / 0.9, 3), 2)
    step = x[1] - x[0]
    for epsilon in (0.5, 2.0):
        twice = np.outer(upper, upper) - math.exp(epsilon) * np.outer(lower, lower)
        exact = float(np.maximum(twice, 0).sum()) * step**2
        back = np.outer(lower, lower) - math.exp(epsilon) * np.outer(upper, upper)
        exact = max(exact, float(np.maximum(back, 0).sum()) * step**2)
        stated = profile_of(event, relation).delta(epsilon)
        assert exact * (1 - 1e-4) <= stated <= exact * 1.001


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 2), st.floats(0, 2 * math.pi)), min_size=2, max_size=2),
    st.lists(st.tuples(st.floats(0, 2), st.floats(0, 2 * math.pi)), min_size=2, max_size=2),
    st.floats(0.05, 0.9),
    st.sampled_from([0.0, 0.3, 1.5]),
    st.booleans(),
)
def test_vectors_that_point_anywhere_are_no_easier_to_tell_apart(ours, theirs, rate, epsilon, back):
    """Two parties move a sum in the plane; the pair on the line dominates it, also where one
    party's unit is replaced and another's goes."""
    side = np.linspace(-9, 9, 181)
    x, y = np.meshgrid(side, side)

    def density(moves):
        total = np.zeros_like(x)
        for drawn in range(4):
            taken = [moves[i] for i in range(2) if drawn >> i & 1]
            weight = rate ** len(taken) * (1 - rate) ** (2 - len(taken))
            a = sum(length * math.cos(angle) for length, angle in taken)
            b = sum(length * math.sin(angle) for length, angle in taken)
            total += weight * norm.pdf(x, a) * norm.pdf(y, b)
        return total

    p, q = density(ours), density(theirs)
    p, q = (q, p) if back else (p, q)
    apart = float(np.maximum(p - math.exp(epsilon) * q, 0).sum()) * (side[1] - side[0]) ** 2
    stated = profile_of(binomial_mixture(rate, 0.5, 2), REPLACE).delta(epsilon)
    assert apart <= stated + 1e-3


class TestRenyiCurves:
    """What a ledger adds up."""

    @pytest.mark.parametrize("order", [1.5, 2.0, 3.0, 4.5, 16.0])
    @pytest.mark.parametrize(("parties", "rate", "deviation"), [(2, 0.1, 1.0), (5, 0.02, 2.0)])
    def test_are_above_both_integrals_and_near(self, order, parties, rate, deviation):
        centres = [k / deviation for k in range(parties + 1)]
        weights = [float(binom.pmf(k, parties, rate)) for k in range(parties + 1)]

        def moment(power):
            def integrand(x):
                ratio = mpmath.fsum(
                    w * mpmath.exp(c * x - c * c / 2) for w, c in zip(weights, centres, strict=True)
                )
                return mpmath.npdf(x) * ratio**power

            far = order * centres[-1] + 12
            points = mpmath.linspace(-14, far, 30)
            return float(mpmath.log(mpmath.quad(integrand, points))) / (order - 1)

        event = binomial_mixture(rate, deviation, parties)
        (stated,) = rdp_curve(event, [order], ADD)
        exact = max(moment(order), moment(1 - order))
        chord = 2 if order % 1 else 1.001  # A fractional order is between its whole neighbours.
        assert exact <= stated <= exact * chord + 1e-9

    def test_of_one_copy_are_those_of_sampled_gaussians(self):
        orders = [2.0, 3.0, 8.0, 32.0, 256.0]
        sampled = dp.PoissonSampledDpEvent(0.05, dp.GaussianDpEvent(1.2))
        same = rdp_curve(binomial_mixture(0.05, 1.2, 1), orders, ADD)
        assert same == pytest.approx(rdp_curve(sampled, orders, ADD), rel=1e-6)

    def test_of_replaced_units_take_the_way_through_neither(self):
        orders = [2.0, 8.0]
        sampled = dp.PoissonSampledDpEvent(0.05, dp.GaussianDpEvent(1.2))
        same = rdp_curve(binomial_mixture(0.05, 1.2, 1), orders, REPLACE)
        assert same == pytest.approx(rdp_curve(sampled, orders, REPLACE), rel=1e-6)

    @pytest.mark.parametrize("order", [1.5, 4.0, 512.0])
    def test_are_bounded_by_the_largest_distance(self, order):
        for event in (
            binomial_mixture(0.5, 0.02, 3),
            dp_event.MixtureOfGaussiansDpEvent(1.0, [1.0, 2.0], [0.5, 0.5]),
            binomial_mixture(0.5, 100.0, 3000),
        ):
            largest = max(event.sensitivities) / event.standard_deviation
            (stated,) = rdp_curve(event, [order], ADD)
            assert 0 < stated <= math.ceil(order) * largest**2 / 2 * (1 + 1e-8)


class TestManyCopies:
    def test_are_told_apart_as_one_sum_where_chance_hardly_matters(self):
        """4,000 coins of rate 1/2 move a sum by 2,000 ± 32: nearly one Gaussian at that."""
        found = profile_of(binomial_mixture(0.5, 2000.0, 4000)).epsilon(1e-6)
        least = profile_of(dp.GaussianDpEvent(1.0)).epsilon(1e-6)
        assert least < found < 1.03 * least

    def test_that_are_nearly_never_drawn_together_cost_no_more_than_their_chance(self):
        """Of 1,000 coins of rate 1/1000 seven fall together with probability 10^-5."""
        found = profile_of(binomial_mixture(0.001, 10.0, 1000)).epsilon(1e-5)
        parts = [(float(binom.pmf(k, 1000, 0.001)), k / 10) for k in range(60)]
        exact = exact_epsilon(parts, 1e-5, ADD)
        assert exact <= found <= exact * 1.001

    def test_drawn_for_certain_are_one_gaussian(self):
        found = profile_of(binomial_mixture(1.0, 10.0, 5)).epsilon(1e-6)
        assert found == pytest.approx(profile_of(dp.GaussianDpEvent(2.0)).epsilon(1e-6), rel=1e-4)
