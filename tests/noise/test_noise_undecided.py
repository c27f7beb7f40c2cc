"""What 64 bits leave open: that it is noticed, by both samplers, and settled rightly."""

from bisect import bisect_right
from collections import Counter
from itertools import accumulate, pairwise

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.noise.laws import BACKENDS, KINDS, energy, mass, rational

from confide.noise import DiscreteGaussian, DiscreteLaplace
from confide.noise.exact import exp_bounds
from confide.noise.kernel import fill_with
from confide.noise.law import unfolded
from confide.noise.resolver import Resolver
from confide.noise.table import floors, table_of
from confide.randomness import InsecureReplayableRandom

ONES = 2**64 - 1


def stream(seed):
    random = InsecureReplayableRandom(seed)
    return lambda: int.from_bytes(random.bytes(8), "big")


class Spy:
    """Answers in the resolver's place and remembers what it was asked."""

    def __init__(self, cell=7, keeps=True):
        self.asked = []
        self._cell, self._keeps = cell, keeps

    def cell(self, word):
        self.asked.append(word)
        return self._cell

    def keeps(self, x, word):
        self.asked.append((x, word))
        return self._keeps


class Words:
    """Gives these words first, then ones that every proposal is kept by."""

    def __init__(self, words):
        self._words = list(words)

    def bytes(self, count):
        given = np.array(self._words[:count] + [0] * (count - len(self._words[:count])), np.uint64)
        self._words = self._words[count:]
        return given.tobytes()

    def words(self, count):
        return np.frombuffer(self.bytes(count), np.uint64)


def drawn(law, words, resolver, size, backend):
    out = np.empty(size, np.int64)
    fill_with(backend, out, law, Words(words), resolver)
    return out.tolist()


@pytest.mark.parametrize("backend", BACKENDS)
class TestNoticed:
    @pytest.mark.parametrize("kind", KINDS)
    def test_words_at_the_end_of_a_cell_and_no_others(self, kind, backend):
        law = kind(2.5).law
        grid = [int(floor) for floor in table_of(law).floors]
        words = sorted({word for end in grid for word in (end - 1, end, min(end + 1, ONES))})
        spy = Spy()
        got = drawn(law, words, spy, len(words), backend)
        assert spy.asked == [word for word in words if word in grid]
        for word, j in zip(words, got, strict=True):
            assert j == (7 if word in grid else unfolded(bisect_right(grid, word)))

    def test_the_tail(self, backend):
        spy = Spy(cell=123_456)
        assert drawn(DiscreteGaussian(1).law, [ONES], spy, 1, backend) == [123_456]
        assert spy.asked == [ONES]

    @pytest.mark.parametrize("answer", [True, False])
    def test_comparisons_near_the_chance(self, backend, answer):
        law = DiscreteGaussian(1000.5).law
        x = 3 * 2**law.shift + 2**law.shift - 1
        word = _word_for(law, 3)
        chance = exp_bounds(law.excess(x), 64)[0]
        spy = Spy(keeps=answer)
        words = [word, 2**law.shift - 1, chance + 2**23, *[word, 0, 0]]
        expected = x if answer else 3 * 2**law.shift
        assert drawn(law, words, spy, 1, backend) == [expected]
        assert spy.asked == [(x, chance + 2**23)]

    def test_proposals_too_far_out_for_the_polynomial(self, backend):
        law = DiscreteGaussian(1000.5).law
        j = 3000
        x = j * 2**law.shift + 2**law.shift - 1
        assert law.excess(x) > 1

        class Far(Spy):
            def keeps(self, x, word):
                super().keeps(x, word)
                return False

        spy = Far(cell=j)
        words = [ONES, 2**law.shift - 1, 0, *[_word_for(law, 0), 0, 0]]
        drawn(law, words, spy, 1, backend)
        assert spy.asked == [ONES, (x, 0)]


def _word_for(law, cell_j):
    """A word in the middle of a cell."""
    grid = [0, *(int(floor) for floor in table_of(law).floors)]
    cell = next(c for c in range(len(grid)) if unfolded(c) == cell_j)
    return (grid[cell] + grid[cell + 1]) // 2


LAWS = [
    DiscreteGaussian(33).law,
    DiscreteGaussian(12345.678).law,
    DiscreteGaussian(2**40).law,
    DiscreteLaplace(100).law,
    DiscreteLaplace(2**40).law,
]


@pytest.mark.parametrize("backend", BACKENDS)
@given(
    law=st.sampled_from(LAWS),
    j=st.integers(-150, 149),
    place=st.integers(0, 2**40),
    offset=st.one_of(
        st.integers(-(2**26), 2**26), st.integers(-(2**64), 2**64), st.integers(-50, 50)
    ),
)
def test_what_is_decided_in_floating_point_is_decided_rightly(backend, law, j, place, offset):
    """V is aimed at the chance itself, where a rounding error would show."""
    x = (j << law.shift) + (place & ((1 << law.shift) - 1))
    low, high = exp_bounds(law.excess(x), 64)
    word = min(max(low + offset, 0), ONES)

    class Once(Spy):
        def cell(self, _word):
            return j

        def keeps(self, x, word):
            super().keeps(x, word)
            return True

    spy = Once()
    words = [ONES, place & (2**law.shift - 1), word, *[_word_for(law, 0), 0, 0]]
    got = drawn(law, words, spy, 1, backend)[0]
    if spy.asked:
        assert law.excess(x) > 0.99 or abs(word - low) < 2**25
    elif got == x and x != 0:
        assert word < high
    elif x != 0:
        assert word >= low


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("scale", "bound"), [(1, None), (0.1, None), (3, 2), (40.5, None)])
class TestCellsAreSettledRightly:
    def test_by_the_bits_that_follow(self, kind, scale, bound):
        """For bits just below and above the end of each cell, in 192 bits."""
        law = kind(scale, bound).law
        coarse, fine = table_of(law).floors.tolist(), floors(law, 192)
        for cell in {0, len(coarse) // 3, len(coarse) // 2, len(coarse) - 1}:
            for offset, settled in ((-1, cell), (1, cell + 1)):
                bits = fine[cell] + offset
                if fine[cell] in fine[:cell] + fine[cell + 1 :] or not 0 <= bits < 2**192:
                    continue
                first, *rest = ((bits >> shift) & ONES for shift in (128, 64, 0))
                assert first == coarse[cell]
                assert Resolver(law, iter(rest).__next__).cell(first) == unfolded(settled)

    def test_with_as_many_bits_as_it_takes(self, kind, scale, bound):
        law = kind(scale, bound).law
        fine = floors(law, 256)[0]
        words = iter([(fine >> shift) & ONES for shift in (128, 64, 0)] + [ONES])
        assert Resolver(law, lambda: next(words)).cell(fine >> 192) == unfolded(1)
        assert next(words, None) is None


@pytest.mark.parametrize("kind", KINDS)
def test_the_tail_has_its_own_probabilities(kind):
    """P[X = x | U ≥ 1 - 2^-64] against the weights; false alarms below 1e-9 by Bernstein."""
    noise, draws = kind(0.3), 1200
    resolver = Resolver(noise.law, stream(b"tail"))
    counts = Counter(resolver.cell(ONES) for _ in range(draws))
    with mpmath.workprec(500):
        weights = [mpmath.exp(-energy(noise, (c + 1) // 2)) for c in range(200)]
        total = mpmath.fsum(weights)
        tail = mpmath.mpf(2) ** -64
        ends = [max(1 - end / total, 0) for end in accumulate(weights)]
        left = [mpmath.mpf(1), *ends]
        chances = [float((min(a, tail) - min(b, tail)) / tail) for a, b in pairwise(left)]
    assert abs(sum(chances) - 1) < 1e-12
    for cell, chance in enumerate(chances):
        expected = draws * chance
        got = counts.pop(unfolded(cell), 0)
        assert abs(got - expected) < 7 * np.sqrt(expected) + 16
        assert chance > 1e-15 or not got
    assert not counts


@pytest.mark.parametrize("noise", [DiscreteGaussian(1000.5), DiscreteLaplace(77.7)])
def test_comparisons_are_settled_by_the_bits_that_follow(noise):
    law = noise.law
    for x in (1, -2, 2**law.shift + 1, -(2**law.shift) - 1, 60 * 2**law.shift - 1):
        with mpmath.workprec(400):
            chance = mpmath.exp(-rational(law.excess(x)))
            bits = int(mpmath.floor(chance * mpmath.mpf(2) ** 192))
        if law.excess(x) == 0:
            continue
        for offset, kept in ((-1, True), (1, False)):
            first, *rest = (((bits + offset) >> shift) & ONES for shift in (128, 64, 0))
            assert Resolver(law, iter(rest).__next__).keeps(x, first) is kept


def test_what_is_kept_for_certain_takes_no_more_bits():
    def never():
        raise AssertionError("asked for more")

    law = DiscreteLaplace(77.7).law
    assert Resolver(law, never).keeps(0, ONES)
    assert Resolver(law, never).keeps(1, 0)
    assert not Resolver(law, never).keeps(2**law.shift - 1, ONES)


def test_words_that_leave_everything_open_still_give_the_right_distribution():
    """All cells are drawn by the resolver. False alarms below 1e-9, by Bernstein and a union."""
    noise, draws = DiscreteGaussian(1.5), 3000
    law = noise.law
    grid = floors(law, 64)
    resolver = Resolver(law, stream(b"open"))
    for c in (0, 1, 2):
        counts = Counter(resolver.cell(grid[c]) for _ in range(draws // 3))
        with mpmath.workprec(300):
            weights = [mpmath.exp(-energy(noise, (i + 1) // 2)) for i in range(200)]
            end = mpmath.fsum(weights[: c + 1]) / mpmath.fsum(weights)
            share = float(end * 2**64 - grid[c])
        expected = draws / 3 * share
        assert abs(counts[unfolded(c)] - expected) < 7 * np.sqrt(draws / 12) + 16
        assert set(counts) <= {unfolded(c), unfolded(c + 1)}


def test_masses_of_the_oracle_agree_with_its_sums():
    noise = DiscreteLaplace(3.3)
    summed = mpmath.fsum(mpmath.exp(-energy(noise, x)) for x in range(2, 30))
    assert abs(mass(noise, 2, 29) - summed) < 1e-30
