import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.errors import PlanError
from confide.plan import derive_masking
from confide.plan.masking import (
    COMPLETE_UP_TO,
    MAX_ATTEMPTS,
    MAX_PARTIES,
    SECURITY_BITS,
    failure_bits,
    hypergeometric_tail,
    signatures_to_verify,
)


def exact_tail(population, marked, draws, at_least):
    ways = sum(
        math.comb(marked, x) * math.comb(population - marked, draws - x)
        for x in range(max(at_least, 0), draws + 1)
    )
    return Fraction(ways, math.comb(population, draws))


class TestHypergeometricTail:
    @given(data=st.data(), population=st.integers(1, 200))
    def test_agrees_with_exact_counts(self, data, population):
        marked = data.draw(st.integers(0, population))
        draws = data.draw(st.integers(0, population))
        at_least = data.draw(st.integers(-1, draws + 2))
        expected = float(exact_tail(population, marked, draws, at_least))
        found = hypergeometric_tail(population, marked, draws, at_least)
        assert found == pytest.approx(expected, rel=1e-9, abs=0)

    def test_reaches_far_below_the_smallest_probability_used(self):
        exact = exact_tail(5000, 500, 100, 60)
        assert exact < Fraction(1, 2**80)
        assert hypergeometric_tail(5000, 500, 100, 60) == pytest.approx(float(exact), rel=1e-6)


class TestComplete:
    @pytest.mark.parametrize("n", [*range(3, 9), COMPLETE_UP_TO])
    def test_small_rounds_have_everybody_as_neighbour(self, n):
        masking = derive_masking(n, 0, 1, malicious=True)
        assert masking.complete
        assert (masking.degree, masking.cut_survivors) == (n - 1, 0)

    @pytest.mark.parametrize("n", range(3, 9))
    def test_shares_outlast_dropouts_and_not_colluders(self, n):
        for d, c in bearable(n):
            masking = derive_masking(n, d, c, malicious=False)
            assert c < masking.threshold <= masking.min_survivors == n - d
            assert masking.quorum == 0

    @pytest.mark.parametrize("n", range(3, 9))
    def test_a_quorum_confirms_one_set_and_survives_the_dropouts(self, n):
        for d, c in bearable(n):
            if 2 * d >= n - c:
                with pytest.raises(PlanError, match="equivocation"):
                    derive_masking(n, d, c, malicious=True)
                continue
            quorum = derive_masking(n, d, c, malicious=True).quorum
            assert quorum <= n - d
            for first in range(n - c + 1):
                assert min(first + c, n - first) < quorum
            # A smaller one would do no harm to liveness, and all to safety.
            assert any(min(first + c, n - first) >= quorum - 1 for first in range(n - c + 1))

    def test_three_parties_with_one_colluder_bear_no_dropout(self):
        assert derive_masking(3, 0, 1, malicious=True).quorum == 3
        with pytest.raises(PlanError, match="insider subtraction"):
            derive_masking(3, 1, 1, malicious=False)


class TestSparse:
    """The bounds of the module's docstring, summed in rational numbers."""

    ROUNDS = (
        (200, 0, 1),
        (200, 10, 10),
        (1000, 100, 100),
        (5000, 250, 500),
        (MAX_PARTIES, 2000, 2000),
    )

    @pytest.mark.parametrize(("n", "d", "c"), ROUNDS)
    def test_all_failures_together_are_rare(self, n, d, c):
        masking = derive_masking(n, d, c, malicious=True)
        k, t, s = masking.degree, masking.threshold, masking.cut_survivors
        assert k % 2 == 0
        assert 4 <= k < n / 2
        assert not masking.complete
        runs = math.comb(n, 2)
        failures = (
            n * exact_tail(n - 1, c, k, t)  # colluders open a secret
            + n * exact_tail(n, d, k + 1, k + 1 - t + 1)  # too few survive to open one
            + runs * exact_tail(n, c, k, s)  # colluders make up a cut
            + runs * exact_tail(n, d, k, k - s + 1)  # honest dropouts look like one
        )
        assert failures * MAX_ATTEMPTS <= Fraction(1, 2**SECURITY_BITS) * (1 + Fraction(1, 10**6))

    @pytest.mark.parametrize(("n", "d", "c"), ROUNDS[:4])
    def test_parties_have_fewer_neighbours_than_others(self, n, d, c):
        assert derive_masking(n, d, c, malicious=False).degree < n // 2

    def test_rounds_with_too_many_corrupt_are_complete(self):
        masking = derive_masking(COMPLETE_UP_TO + 1, 40, 40, malicious=True)
        assert masking.complete
        assert masking.threshold == masking.min_survivors

    def test_neighbours_grow_with_dropouts_and_colluders(self):
        degrees = [
            derive_masking(2000, x, x, malicious=False).degree for x in (0, 20, 100, 200, 300)
        ]
        assert degrees == sorted(set(degrees))


class TestRefusals:
    def test_of_more_parties_than_are_derived_for(self):
        with pytest.raises(PlanError, match="20,001 parties in one masked sum; at most 20,000"):
            derive_masking(MAX_PARTIES + 1, 0, 1, malicious=True)

    def test_of_negative_dropouts(self):
        with pytest.raises(PlanError, match="dropouts is -1; it is at least 0"):
            derive_masking(5, -1, 1, malicious=True)

    def test_of_fewer_than_two_to_hide_among(self):
        with pytest.raises(
            PlanError, match=r"of 5 parties 3 may drop out.*At least 6 parties are needed"
        ):
            derive_masking(5, 3, 1, malicious=False)

    def test_of_a_liar_with_two_confirmed_sets(self):
        with pytest.raises(PlanError, match=r"allow 1 dropouts, not 2.*Set dropouts = 1"):
            derive_masking(5, 2, 1, malicious=True)


def bearable(n):
    """Every (dropouts, colluders) that leave two others."""
    return [(d, c) for d, c in itertools.product(range(n), range(n)) if n - d >= c + 2]


class TestWhatTheDocumentsSay:
    """docs/masked-sums.md and decision 0002 quote these numbers."""

    @pytest.mark.parametrize(("received", "verified"), [(551, 543), (600, 46), (700, 18)])
    def test_of_how_many_signatures_a_party_verifies(self, received, verified):
        masking = derive_masking(1000, 300, 100, malicious=True)
        assert (masking.quorum, masking.false_quorum_bits) == (551, 6)
        assert signatures_to_verify(masking, received) == verified


class TestFailureOfAPlan:
    @pytest.mark.parametrize(("parties", "malicious", "sources"), [
        (5, False, 0), (5, True, 1), (1000, False, 1), (1000, True, 2),
    ])  # fmt: skip
    @pytest.mark.parametrize("rounds", [1, 3, 1000])
    def test_adds_up_what_each_round_leaves_to_chance(self, parties, malicious, sources, rounds):
        masking = derive_masking(parties, 1, 1, malicious=malicious)
        bits = failure_bits(masking, rounds)
        assert 2.0**-bits == pytest.approx(rounds * sources * 2.0**-SECURITY_BITS)

    def test_is_above_what_the_bounds_of_one_round_add_up_to(self):
        """Shares and cuts over all places and attempts, and false quorums over all parties."""
        n, d, c = 1000, 300, 100
        masking = derive_masking(n, d, c, malicious=True)
        k, t, s = masking.degree, masking.threshold, masking.cut_survivors
        pairs = n * (n - 1) / 2
        coin = n * hypergeometric_tail(n - 1, c, k, t) + pairs * hypergeometric_tail(n, c, k, s)
        coin += n * hypergeometric_tail(n, d, k + 1, k + 2 - t)
        coin += pairs * hypergeometric_tail(n, d, k, k + 1 - s)
        fooled = n * masking._falsely_opened(2.0**-masking.false_quorum_bits)
        for rounds in (1, 50):
            total = rounds * MAX_ATTEMPTS * (coin + fooled)
            assert total <= 2.0 ** -failure_bits(masking, rounds)
