"""Degree, threshold, window and quorum: the bounds that they are derived from, checked anew.

The derivation lives in `confide.plan.masking`; here it is confronted with exact fractions, with
SciPy, and with circles that are really drawn.
"""

from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from confide.aggregation.masked.graph import draw_circle
from confide.aggregation.sharing.party import quorum_sample
from confide.errors import PlanError
from confide.plan import Masking, derive_masking
from confide.plan.masking import (
    COMPLETE_UP_TO,
    MAX_ATTEMPTS,
    MAX_PARTIES,
    SECURITY_BITS,
    hypergeometric_tail,
    signatures_to_verify,
)
from confide.randomness import InsecureReplayableRandom

SPARSE = [
    (129, 1, 1),
    (129, 30, 1),
    (140, 20, 5),
    (200, 20, 20),
    (300, 100, 30),
    (1000, 100, 100),
    (1000, 300, 100),
    (1000, 449, 100),
    (5000, 1000, 500),
    (20_000, 4000, 1000),
]
BUDGET = Fraction(1, 2**SECURITY_BITS)


def exact_tail(population, marked, draws, at_least):
    """P[X ≥ at_least], as a fraction of whole numbers."""
    ways = sum(
        comb(marked, x) * comb(population - marked, draws - x)
        for x in range(max(at_least, 0), min(draws, marked) + 1)
    )
    return Fraction(ways, comb(population, draws))


def failures(n, d, c, *, degree, threshold, cut):
    """Bounds on one attempt's four failures: colluders at shares and cuts, dropouts at both."""
    cuts = n * (n - 1) // 2
    return (
        n * exact_tail(n - 1, c, degree, threshold),
        cuts * exact_tail(n, c, degree, cut),
        n * exact_tail(n, d, degree + 1, degree + 1 - threshold + 1),
        cuts * exact_tail(n, d, degree, degree - cut + 1),
    )


class TestTail:
    @given(st.integers(1, 60), st.data())
    def test_is_the_exact_one(self, population, data):
        marked = data.draw(st.integers(0, population))
        draws = data.draw(st.integers(0, population))
        at_least = data.draw(st.integers(-1, draws + 1))
        exact = float(exact_tail(population, marked, draws, at_least))
        assert hypergeometric_tail(population, marked, draws, at_least) == pytest.approx(
            exact, rel=1e-10, abs=0
        )

    @pytest.mark.parametrize(("n", "marked", "_"), SPARSE)
    def test_is_that_of_scipy_in_large_rounds_and_far_out(self, n, marked, _):
        for draws in (n // 50 + 2, n // 10):
            for at_least in np.linspace(0, min(draws, marked), 7).astype(int):
                ours = hypergeometric_tail(n, marked, draws, int(at_least))
                assert ours == pytest.approx(hypergeom.sf(at_least - 1, n, marked, draws), rel=1e-7)

    def test_is_exact_where_decisions_are_made(self):
        """Near 2^-50, with numbers of a thousand digits in between."""
        ours = hypergeometric_tail(20_000, 4000, 104, 67)
        assert ours == pytest.approx(float(exact_tail(20_000, 4000, 104, 67)), rel=1e-8)


class TestSparse:
    @pytest.mark.parametrize(("n", "d", "c"), SPARSE)
    def test_all_failures_together_stay_within_the_budget(self, n, d, c):
        """Exactly, over all attempts that a withheld coin allows."""
        masking = derive_masking(n, d, c, malicious=True)
        assert not masking.complete
        bounds = failures(
            n,
            d,
            c,
            degree=masking.degree,
            threshold=masking.threshold,
            cut=masking.cut_survivors,
        )
        assert sum(bounds) * MAX_ATTEMPTS <= BUDGET

    @pytest.mark.parametrize(("n", "d", "c"), SPARSE)
    def test_no_smaller_degree_would_do(self, n, d, c):
        """Whatever threshold and window it is given, some failure exceeds its quarter."""
        degree = derive_masking(n, d, c, malicious=True).degree - 2
        if degree < 4:
            return
        allowed = BUDGET / (4 * MAX_ATTEMPTS)
        meets_shares = any(
            max(failures(n, d, c, degree=degree, threshold=t, cut=1)[::2]) <= allowed
            for t in range(2, degree + 2)
        )
        meets_cuts = any(
            max(failures(n, d, c, degree=degree, threshold=1, cut=s)[1::2]) <= allowed
            for s in range(2, degree + 1)
        )
        assert not (meets_shares and meets_cuts)

    @pytest.mark.parametrize(("n", "d", "c"), SPARSE)
    def test_the_graph_is_one_that_the_circle_can_draw(self, n, d, c):
        masking = derive_masking(n, d, c, malicious=True)
        assert masking.degree % 2 == 0
        assert masking.degree < n / 2
        assert 2 <= masking.threshold <= masking.degree + 1
        assert 2 <= masking.cut_survivors <= masking.degree

    def test_more_colluders_or_dropouts_never_need_fewer_neighbours(self):
        degrees = [derive_masking(400, 40, c, malicious=True).degree for c in range(1, 100, 9)]
        assert degrees == sorted(degrees)
        degrees = [derive_masking(400, d, 20, malicious=True).degree for d in range(0, 180, 12)]
        assert degrees == sorted(degrees)

    def test_neighbours_grow_far_slower_than_parties(self):
        """The point of the sparse graph: with a tenth of all colluding and a tenth dropping out,
        four times the parties cost some neighbours more (Bell et al. 2020, §3.3)."""
        degrees = [
            derive_masking(n, n // 10, n // 10, malicious=True).degree for n in (1250, 5000, 20_000)
        ]
        assert degrees[-1] < 100
        assert (np.diff(degrees) < 15).all()


class TestComplete:
    @given(st.integers(3, COMPLETE_UP_TO), st.data())
    def test_every_share_is_everybodys_and_the_threshold_all_that_must_survive(self, n, data):
        c = data.draw(st.integers(0, n - 3))
        d = data.draw(st.integers(0, max(0, min((n - c - 1) // 2, n - c - 2))))
        masking = derive_masking(n, d, c, malicious=True)
        assert masking.complete
        assert (masking.degree, masking.threshold, masking.cut_survivors) == (n - 1, n - d, 0)
        assert c < masking.threshold <= masking.min_survivors
        assert 2 * masking.threshold > n + c

    def test_a_large_round_falls_back_to_it_when_half_of_all_would_be_neighbours(self):
        assert derive_masking(129, 40, 40, malicious=True).complete
        assert derive_masking(300, 40, 150, malicious=True).complete


class TestQuorum:
    @given(st.integers(3, COMPLETE_UP_TO), st.data())
    def test_two_of_them_share_an_honest_party_and_one_is_always_left(self, n, data):
        c = data.draw(st.integers(0, n - 3))
        most = min((n - c - 1) // 2, n - c - 2)
        d = data.draw(st.integers(0, max(0, most)))
        masking = derive_masking(n, d, c, malicious=True)
        assert 2 * masking.quorum - 2 * c > n - c
        assert masking.quorum <= masking.min_survivors

    def test_the_same_by_counting_sets_of_signers(self):
        """All ways of splitting five honest signers between two stories that two colluders sign."""
        n, c = 7, 2
        quorum = derive_masking(n, 2, c, malicious=True).quorum
        for size in range(n - c + 1):
            for believers in combinations(range(n - c), size):
                others = n - c - len(believers)
                assert min(len(believers) + c, others + c) < quorum

    def test_a_curious_coordinator_needs_none_and_bears_more_dropouts(self):
        masking = derive_masking(9, 6, 1, malicious=False)
        assert (masking.quorum, masking.threshold) == (0, 3)
        with pytest.raises(PlanError, match="equivocation"):
            derive_masking(9, 6, 1, malicious=True)

    @pytest.mark.parametrize(
        ("n", "d", "c"),
        [(3, 0, 1), (5, 1, 2), (20, 2, 2), (100, 30, 10), (200, 20, 20), (1000, 300, 100)],
    )
    @pytest.mark.parametrize("everybody", [True, False], ids=["all sign", "survivors sign"])
    def test_who_is_fooled_by_a_sample_opens_no_secret(self, n, d, c, everybody):
        """Exactly: the sample is all good; so are t shares among colluders and the fooled."""
        masking = derive_masking(n, d, c, malicious=True)
        count = n if everybody else masking.min_survivors
        sample = quorum_sample(masking, count, InsecureReplayableRandom(b"sample").bytes)
        assert len({*sample}) == len(sample)
        assert all(0 <= i < count for i in sample)
        fooled = Fraction(comb(masking.quorum - 1, len(sample)), comb(count, len(sample)))
        k, t = masking.degree, masking.threshold
        falsely_opened = Fraction(0)
        for x in range(min(c, k) + 1):
            neighbourhood = Fraction(comb(c, x) * comb(n - 1 - c, k - x), comb(n - 1, k))
            honest = k + 1 - x
            falsely_opened += neighbourhood * sum(
                comb(honest, y) * fooled**y * (1 - fooled) ** (honest - y)
                for y in range(max(t - x, 0), honest + 1)
            )
        assert falsely_opened * n * MAX_ATTEMPTS <= BUDGET

    def test_a_sample_is_of_the_quorum_at_most(self):
        masking = derive_masking(1000, 300, 100, malicious=True)
        for count in range(masking.quorum, 1001):
            assert signatures_to_verify(masking, count) <= masking.quorum
        assert signatures_to_verify(masking, 700) == 18

    def test_every_signature_is_as_likely_in_the_sample(self):
        random = InsecureReplayableRandom(b"sample").bytes
        masking = derive_masking(400, 40, 20, malicious=True)
        drawn = np.bincount(np.ravel([quorum_sample(masking, 400, random) for _ in range(2000)]))
        expected = drawn.sum() / 400
        assert np.abs(drawn - expected).max() < 6 * np.sqrt(expected)


class TestRefusals:
    def test_three_parties_and_one_colluder_bear_no_dropout(self):
        assert derive_masking(3, 0, 1, malicious=True).quorum == 3
        with pytest.raises(
            PlanError, match=r"insider subtraction: .* At least 4 parties are needed"
        ):
            derive_masking(3, 1, 1, malicious=True)

    def test_two_parties_have_nobody_to_hide_among(self):
        with pytest.raises(PlanError, match="insider subtraction"):
            derive_masking(2, 0, 1, malicious=False)

    def test_as_many_dropouts_as_the_quorum_bears_and_no_more(self):
        derive_masking(11, 4, 2, malicious=True)
        with pytest.raises(PlanError, match="allow 4 dropouts, not 5"):
            derive_masking(11, 5, 2, malicious=True)

    def test_negative_dropouts_and_too_many_parties(self):
        with pytest.raises(PlanError, match="dropouts is -1"):
            derive_masking(5, -1, 1, malicious=True)
        with pytest.raises(PlanError, match=f"{MAX_PARTIES:,}"):
            derive_masking(MAX_PARTIES + 1, 10, 1, malicious=True)


@pytest.fixture(scope="module")
def marked():
    """Of 400 circles of 150 parties, which places are held by one of the first 30."""
    masking = Masking(150, 30, 30, 20, 2, 2, 0)
    orders = [draw_circle(masking, bytes([i, j])).order for i in range(20) for j in range(20)]
    return np.array(orders) < 30


class TestDrawnCircles:
    """Monte Carlo: the law that the bounds are computed from is that of the circles drawn."""

    N, C, DEGREE, CIRCLES = 150, 30, 20, 400

    def windows(self, marked, width):
        """How many are marked in the window that begins at each place."""
        around = np.cumsum(np.hstack([np.zeros((len(marked), 1), int), marked, marked]), axis=1)
        return around[:, width : width + self.N] - around[:, : self.N]

    def test_a_neighbourhood_holds_as_many_as_a_random_set(self, marked):
        """Frequencies over all places and circles, within 6 standard errors; neighbouring windows
        overlap, so their errors count as if only every 21st were drawn."""
        held = self.windows(marked, self.DEGREE + 1)
        for at_least in range(2, 10):
            expected = hypergeometric_tail(self.N, self.C, self.DEGREE + 1, at_least)
            error = np.sqrt(expected * (1 - expected) / (held.size / (self.DEGREE + 1)))
            assert abs((held >= at_least).mean() - expected) < 6 * error

    def test_the_union_over_all_places_bounds_how_often_a_circle_is_bad(self, marked):
        held = self.windows(marked, self.DEGREE + 1).max(axis=1)
        for at_least in range(10, 16):
            bound = self.N * hypergeometric_tail(self.N, self.C, self.DEGREE + 1, at_least)
            bad = (held >= at_least).mean()
            assert bad <= min(1, bound) + 4 * np.sqrt(min(1, bound) / self.CIRCLES)

    def test_the_union_over_all_pairs_of_runs_bounds_how_often_one_could_cut(self, marked):
        """The most colluders in two disjoint runs of ten: what the window is chosen above."""
        run = self.DEGREE // 2
        in_run = self.windows(marked, run)
        most = np.array(
            [
                max(
                    int((runs + np.roll(runs, -shift)).max())
                    for shift in range(run, self.N - run + 1)
                )
                for runs in in_run
            ]
        )
        cuts = self.N * (self.N - 1) / 2
        for at_least in range(12, 20):
            bound = cuts * hypergeometric_tail(self.N, self.C, self.DEGREE, at_least)
            bad = (most >= at_least).mean()
            assert bad <= min(1, bound) + 4 * np.sqrt(min(1, bound) / self.CIRCLES)
