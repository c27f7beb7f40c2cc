"""Numbers in coefficients: additions of one are additions of the other."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from confide.aggregation import Layout
from confide.aggregation.encrypted.packing import CHECKED, Packing


@st.composite
def packings(draw):
    parties = draw(st.integers(2, 128))
    sums = draw(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 62)), min_size=1, max_size=4))
    layout = Layout(tuple(s for s, _ in sums), tuple(w for _, w in sums))
    return Packing(layout, parties, draw(st.integers(parties.bit_length() + 1, 42)))


def added(packing, contributions):
    """The sum of packed vectors, modulo 2^T, unpacked."""
    room = packing.coefficients + 5
    total = sum(packing.pack(c, room) for c in contributions)
    return packing.unpack(total & ((1 << packing.bits) - 1))


def of_half_range(packing, sign):
    """For each number the end of the range that all parties together may reach."""
    ends = [(1 << (w - 1)) // packing.parties - 1 for w in packing.layout.bits]
    return np.repeat([sign * max(e, 0) for e in ends], packing.layout.sizes).astype(np.int64)


@settings(max_examples=300)
@given(packings(), st.integers(0, 2**32))
@example(Packing(Layout((3,), (12,)), 4, 4), 0)
@example(Packing(Layout((7, 1), (62, 1)), 128, 36), 0)
def test_a_sum_of_packed_vectors_is_the_sum_of_the_vectors(packing, seed):
    rng = np.random.default_rng(seed)
    limits = of_half_range(packing, 1)
    contributions = [rng.integers(-limits, limits + 1) for _ in range(packing.parties)]
    assert added(packing, contributions).tolist() == sum(contributions).tolist()


@settings(max_examples=100)
@given(packings())
def test_everybody_at_the_end_of_its_range_does_not_wrap_around(packing):
    for sign in (1, -1):
        end = of_half_range(packing, sign)
        found = added(packing, [end] * packing.parties)
        assert found.tolist() == (end * packing.parties).tolist()


@settings(max_examples=100)
@given(packings(), st.integers(0, 2**32))
def test_one_vector_beyond_its_range_counts_modulo_its_own_power_of_two(packing, seed):
    anything = np.random.default_rng(seed).integers(-(2**62), 2**62, packing.layout.size)
    expected = packing.layout.to_integers(packing.layout.to_words(anything))
    assert added(packing, [anything]).tolist() == expected.tolist()


@settings(max_examples=100)
@given(packings(), st.integers(0, 2**32))
def test_coefficients_fit_and_the_last_stay_zero(packing, seed):
    anything = np.random.default_rng(seed).integers(-(2**62), 2**62, packing.layout.size)
    coefficients = packing.pack(anything, packing.coefficients + 5)
    assert -(1 << (packing.bits - 1)) <= coefficients.min()
    assert coefficients.max() < 1 << (packing.bits - 1)
    assert not coefficients[packing.coefficients - CHECKED :].any()


@pytest.mark.parametrize(
    ("width", "bits", "expected"),
    [(32, 32, 100), (16, 32, 50), (16, 33, 50), (10, 32, 34), (33, 32, 200), (62, 32, 300)],
)
def test_short_numbers_share_a_coefficient_and_long_ones_take_several(width, bits, expected):
    packing = Packing(Layout((100,), (width,)), 10, bits)
    assert packing.coefficients - CHECKED == expected
