"""The circle: its order, its neighbours, and what cuts it."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import chisquare

from confide.aggregation.masked.graph import coin_of, commit, draw_circle
from confide.plan import Masking


def masking_of(parties, degree):
    return Masking(parties, 0, 0, degree, threshold=2, cut_survivors=0, quorum=0)


def circle_of(parties, degree, coin=b"coin"):
    return draw_circle(masking_of(parties, degree), coin)


@st.composite
def circles(draw):
    """Circles of all sizes that the derivation gives: even degrees below n/2."""
    half = draw(st.integers(1, 5))
    parties = draw(st.integers(4 * half + 1, 45))
    return circle_of(parties, 2 * half, draw(st.binary(max_size=4)))


def adjacency(circle):
    n = circle.masking.parties
    matrix = np.zeros((n, n), bool)
    for i in range(n):
        matrix[i, circle.neighbours(i)] = True
    return matrix


def pieces(matrix, kept):
    """Into how many pieces a graph falls if only some parties are kept."""
    if not kept.any():
        return 0
    return connected_components(csr_array(matrix[kept][:, kept]), directed=False)[0]


class TestCircle:
    @given(circles())
    def test_everybody_has_as_many_neighbours_and_is_theirs(self, circle):
        matrix = adjacency(circle)
        assert (matrix.sum(axis=1) == circle.masking.degree).all()
        assert (matrix == matrix.T).all()
        assert not matrix.diagonal().any()

    @given(circles())
    def test_neighbours_are_in_order(self, circle):
        for i in range(circle.masking.parties):
            assert circle.neighbours(i) == sorted(circle.neighbours(i))

    @given(circles())
    def test_hangs_together(self, circle):
        everybody = np.ones(circle.masking.parties, bool)
        assert pieces(adjacency(circle), everybody) == 1

    @given(circles())
    def test_places_invert_the_order(self, circle):
        assert (circle.order[circle.place] == np.arange(circle.masking.parties)).all()

    def test_of_a_complete_graph_needs_no_coin(self):
        circle = circle_of(5, 4, b"")
        assert [circle.neighbours(i) for i in (0, 4)] == [[1, 2, 3, 4], [0, 1, 2, 3]]

    def test_is_the_same_on_every_machine(self):
        assert circle_of(9, 4).order.tolist() == [1, 3, 6, 4, 7, 8, 5, 0, 2]

    def test_every_place_is_equally_likely(self):
        """χ² over who stands at which place; uniform orders fail it once in 10^9 times."""
        orders = np.array(
            [circle_of(12, 4, bytes([i, j])).order for i, j in product(range(60), repeat=2)]
        )
        for place in range(12):
            counts = np.bincount(orders[:, place], minlength=12)
            assert chisquare(counts).pvalue > 1e-9

    def test_the_coin_binds_its_context_and_every_share(self):
        shares = [bytes([i]) * 16 for i in range(3)]
        coins = {coin_of(b"a", shares), coin_of(b"b", shares), coin_of(b"a", shares[::-1])}
        assert len(coins) == 3
        contexts = {commit(c, i, s) for c, i, s in product((b"a", b"b"), (0, 1), (b"x", b"y"))}
        assert len(contexts) == 8


class TestFewestInTwoRuns:
    @given(circles(), st.data())
    def test_is_what_counting_all_pairs_gives(self, circle, data):
        n, run = circle.masking.parties, circle.masking.degree // 2
        survivors = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
        around = survivors[circle.order]
        runs = [{(start + i) % n for i in range(run)} for start in range(n)]
        fewest = min(
            int(around[[*(one | other)]].sum())
            for one, other in combinations(runs, 2)
            if not one & other
        )
        assert circle.fewest_in_two_runs(survivors) == fewest

    @pytest.mark.parametrize(("parties", "degree"), [(9, 4), (10, 4), (11, 2)])
    def test_a_graph_falls_apart_only_if_two_runs_are_empty(self, parties, degree):
        """All sets of survivors, one by one: what the bound on cuts rests on."""
        circle = circle_of(parties, degree)
        matrix = adjacency(circle)
        for kept in product([False, True], repeat=parties):
            survivors = np.array(kept)
            if circle.fewest_in_two_runs(survivors):
                assert pieces(matrix, survivors) == 1

    def test_two_empty_runs_do_cut(self):
        """So the check asks for no more than it must."""
        circle = circle_of(13, 6)
        survivors = np.ones(13, bool)
        survivors[circle.order[[1, 2, 3, 7, 8, 9]]] = False
        assert circle.fewest_in_two_runs(survivors) == 0
        assert pieces(adjacency(circle), survivors) == 2

    @given(circles(), st.data())
    def test_survivors_hang_together_whichever_fewer_of_them_collude(self, circle, data):
        n = circle.masking.parties
        survivors = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
        fewest = circle.fewest_in_two_runs(survivors)
        if fewest > 1:
            colluders = data.draw(
                st.lists(st.sampled_from(np.flatnonzero(survivors).tolist()), max_size=fewest - 1)
            )
            survivors[colluders] = False
            assert pieces(adjacency(circle), survivors) == 1
