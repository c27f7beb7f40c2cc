"""DP-FTRL by trees and banded matrices, against the matrices written out."""

import itertools
import math

import dp_accounting as dp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import toeplitz

from confide.errors import PlanError
from confide.privacy.accounting import ToeplitzStrategy, gaussian_mu, tree_event, tree_levels


def matrix(strategy):
    column = np.zeros(strategy.steps)
    column[: strategy.bands] = strategy.coefficients
    return toeplitz(column, np.zeros(strategy.steps))


def patterns(steps, participations, separation):
    """All sets of at most so many steps that lie so far apart."""
    for k in range(1, participations + 1):
        for chosen in itertools.combinations(range(steps), k):
            if all(b - a >= separation for a, b in itertools.pairwise(chosen)):
                yield list(chosen)


falling = st.lists(st.floats(0, 1), min_size=1, max_size=6).map(
    lambda c: tuple(sorted([*c, 1.0], reverse=True))
)


class TestSensitivity:
    @settings(max_examples=60, deadline=None)
    @given(falling, st.integers(1, 3), st.integers(1, 4))
    def test_is_that_of_the_worst_pattern(self, coefficients, participations, separation):
        """Signs too: rows of a unit may point anywhere, and here they do so in one dimension."""
        strategy = ToeplitzStrategy(9, coefficients)
        c = matrix(strategy)
        worst = max(
            np.linalg.norm(c[:, pattern] @ signs)
            for pattern in patterns(9, participations, separation)
            for signs in itertools.product((-1, 1), repeat=len(pattern))
        )
        found = strategy.sensitivity(participations=participations, separation=separation)
        assert found == pytest.approx(worst, rel=1e-9)
        assert found >= worst

    def test_of_columns_that_do_not_overlap_adds_up(self):
        strategy = ToeplitzStrategy.square_root(1000, bands=100)
        one = strategy.sensitivity()
        assert strategy.sensitivity(participations=7, separation=100) == pytest.approx(
            math.sqrt(7) * one
        )

    def test_of_one_band_is_dp_sgd(self):
        strategy = ToeplitzStrategy.square_root(100, bands=1)
        assert strategy.sensitivity(participations=9, separation=1) == pytest.approx(3)
        assert strategy.event(3.0, participations=9, separation=1).noise_multiplier == (
            pytest.approx(1)
        )

    def test_of_many_participations_needs_their_distance(self):
        with pytest.raises(PlanError, match="no separation"):
            ToeplitzStrategy.square_root(10).sensitivity(participations=2)


class TestSquareRoot:
    def test_squares_to_prefix_sums(self):
        c = matrix(ToeplitzStrategy.square_root(64))
        assert c @ c == pytest.approx(np.tril(np.ones((64, 64))))

    @pytest.mark.parametrize("bands", [1, 3, 64])
    def test_errors_are_those_of_the_matrices(self, bands):
        strategy = ToeplitzStrategy.square_root(64, bands=bands)
        decoder = np.tril(np.ones((64, 64))) @ np.linalg.inv(matrix(strategy))
        options = {"participations": 4, "separation": 16}
        moved = strategy.sensitivity(**options)
        assert strategy.error(**options) == pytest.approx(
            np.linalg.norm(decoder) / 8 * moved, rel=1e-9
        )
        assert strategy.largest_error(**options) == pytest.approx(
            np.linalg.norm(decoder, axis=1).max() * moved, rel=1e-9
        )

    def test_helps_where_it_should(self):
        """Fichtenberger et al. 2023: log n, where independent noise has √n."""
        one_epoch = [ToeplitzStrategy.square_root(1024, bands=b).error() for b in (1, 1024)]
        assert one_epoch[1] < one_epoch[0] / 5
        assert one_epoch[1] < 1 + math.log(1024) / math.pi


def test_sampled_bands_are_rounds_of_sampled_gaussians():
    """Choquette-Choo et al. 2023, Theorem 4."""
    strategy = ToeplitzStrategy.square_root(1000, bands=8)
    event = strategy.sampled_event(2.0, 0.1)
    assert event.count == 125
    assert event.event.sampling_probability == 0.1
    assert event.event.event.noise_multiplier == pytest.approx(2 / strategy.sensitivity())


class TestTrees:
    @pytest.mark.parametrize("steps", [1, 2, 3, 7, 8, 1000, 1024])
    def test_a_leaf_is_in_as_many_nodes_as_there_are_levels(self, steps):
        """Nodes [i·2^l, (i+1)·2^l) that end within the steps, counted at each leaf."""
        most = max(
            sum((leaf // 2**level + 1) * 2**level <= steps for level in range(12))
            for leaf in {0, 1, steps // 2, steps - 1}
            if leaf < steps
        )
        assert tree_levels(steps) == most

    def test_several_add_up(self):
        once, twice = (gaussian_mu(tree_event(2.0, 100, restarts=k)) for k in (1, 2))
        assert once is not None
        assert once == pytest.approx(math.sqrt(7) / 2)
        assert twice == pytest.approx(once * math.sqrt(2))

    def test_are_the_library_s(self):
        accountant = dp.rdp.RdpAccountant([8.0], dp.NeighboringRelation.REPLACE_SPECIAL)
        accountant.compose(tree_event(2.0, 100))
        mu = gaussian_mu(tree_event(2.0, 100))
        assert mu is not None
        assert float(accountant.rdp[0]) == pytest.approx(8 * mu**2 / 2)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: ToeplitzStrategy(10, (0.5, 1.0)), "rise, or are negative|at least 0"),
        (lambda: ToeplitzStrategy(10, (1.0, -0.5)), "rise, or are negative|at least 0"),
        (lambda: ToeplitzStrategy(10, (math.inf,)), "finite"),
        (lambda: ToeplitzStrategy(10, ()), "0 bands for 10 steps"),
        (lambda: ToeplitzStrategy.square_root(0), "steps is 0"),
        (lambda: ToeplitzStrategy.square_root(1 << 23), "at most 4,194,304"),
        (lambda: ToeplitzStrategy.square_root(5, bands=0), "bands is 0"),
        (lambda: ToeplitzStrategy.square_root(5).event(0.0), "noise_multiplier is 0.0"),
        (lambda: ToeplitzStrategy.square_root(5).sampled_event(1.0, 1.5), "rate is 1.5"),
        (lambda: tree_event(math.nan, 5), "noise_multiplier is nan"),
        (lambda: tree_event(1.0, 5, restarts=0), "restarts is 0"),
    ],
)
def test_refused(make, named):
    with pytest.raises(PlanError, match=named):
        make()
